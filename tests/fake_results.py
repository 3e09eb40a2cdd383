"""Result files made by hand, for tests of whatever reads them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.leaderboard.data.files import load
from bench.schema import (
    Basis,
    Better,
    Card,
    ClipResult,
    Delivery,
    Environment,
    Expected,
    MetricDescription,
    Prompts,
    Result,
    dump,
)

Content = dict[str, Any]
Score = Callable[[int, int], dict[str, float | None]]


def meaning(unit: str, better: Better | None, fingerprint: str) -> Content:
    described = MetricDescription(unit=unit, better=better, version=1, fingerprint=fingerprint)
    return described.json_values


METRICS = {
    "flicker": meaning("share of full scale", "lower", "f1"),
    "identity": meaning("cosine", "higher", "1d"),
}
COHERENCE = {"coherence": meaning("points", "higher", "c0")}


def clip(prompt: str, seed: int = 0, **changes: Any) -> Content:
    """A clip of a result as a run on a CPU writes it; `changes` may be anything, also wrong."""
    record = ClipResult(
        prompt=prompt,
        category="x",
        seed=seed,
        batch_size=1,
        image_sha256=None,
        device="cpu",
        software="torch 2.15.0",
        seconds_requested=None,
        frames_requested=16,
        height_requested=None,
        width_requested=None,
        status="ok",
        error=None,
        frames=16,
        height=96,
        width=128,
        fps=8.0,
        lossy=False,
        frames_sha256="00",
        warm=True,
        latency_s=0.5,
        stages=None,
        denoiser_forwards=None,
        peak_memory_allocated_bytes=None,
        peak_memory_reserved_bytes=None,
        stage_memory=None,
        energy_j=None,
        gpu=None,
        unmeasured={},
        scores={},
        unscored={},
        notes={},
    )
    return record.json_values | changes


def failed(prompt: str, seed: int = 0, status: str = "error", error: str = "it broke") -> Content:
    nothing = dict.fromkeys(("frames", "height", "width", "fps", "frames_sha256", "latency_s"))
    return clip(prompt, seed, status=status, error=error, **nothing)


def account(basis: Basis | str = "request", **changes: Any) -> Content:
    unknown = dict.fromkeys(Delivery.model_fields)
    return unknown | {"basis": basis} | changes


def result(
    model: str,
    clips: Sequence[Content] | None = None,
    score: Score = lambda _prompt, _seed: {},
    *,
    prompts: int = 24,
    seeds: Sequence[int] = (0,),
    metrics: dict[str, Any] | None = None,
    **changes: Any,
) -> Content:
    """A result whose clip of prompt number p and seed s has the scores `score(p, s)`."""
    names = [f"p{number:02d}" for number in range(prompts)]
    if clips is None:
        clips = [
            clip(name, seed, scores=score(number, seed))
            for number, name in enumerate(names)
            for seed in seeds
        ]
    environment = Environment(
        device="cpu",
        cpu="Some CPU",
        gpu=None,
        python="3.11",
        versions={"torch": "2.15.0"},
        commit="abcdef0123456789",
        dirty=True,
    )
    described = Result(
        schema=1,
        model=model,
        suite="toy",
        card=Card(title=None, licence="Apache-2.0"),
        measured=True,
        environment=environment,
        prompts=Prompts(name="toy.jsonl", count=prompts, sha256="5ca1ab1e00"),
        expected=Expected(prompts=tuple(names), seeds=tuple(seeds)),
        metrics={},
        fingerprint="fee1dead00",
        clips=(),
    )
    parts = {"metrics": METRICS if metrics is None else metrics, "clips": list(clips)}
    return json.loads(dump(described)) | parts | changes


def write(content: Content, folder: Path) -> Path:
    path = folder / content["suite"] / content["model"] / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def loaded(content: Content) -> Result:
    """As a leaderboard has it of such a file."""
    return load(Path("result.json"), json.dumps(content).encode())
