"""Result files made by hand, for tests of whatever reads them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

METRICS = {
    "flicker": {"unit": "RGB/255", "better": "lower", "version": 1, "fingerprint": "f1"},
    "identity": {"unit": "cosine", "better": "higher", "version": 1, "fingerprint": "1d"},
}
COHERENCE = {
    "coherence": {"unit": "0..100", "better": "higher", "version": 1, "fingerprint": "c0"},
}

Content = dict[str, Any]
Score = Callable[[int, int], dict[str, float | None]]


def clip(prompt: str, seed: int = 0, **changes: Any) -> Content:
    return {
        "prompt": prompt,
        "category": "x",
        "seed": seed,
        "status": "ok",
        "error": None,
        "frames_requested": 16,
        "frames": 16,
        "height": 96,
        "width": 128,
        "fps": 8.0,
        "lossy": False,
        "device": "cpu",
        "latency_s": 0.5,
        "stages": {},
        "peak_memory_allocated_bytes": None,
        "peak_memory_reserved_bytes": None,
        "energy_j": None,
        "warm": True,
        "frames_sha256": "00",
        "scores": {},
        "unscored": {},
    } | changes


def failed(prompt: str, seed: int = 0, status: str = "error", error: str = "it broke") -> Content:
    nothing = dict.fromkeys(("frames", "height", "width", "fps", "latency_s"))
    return clip(prompt, seed, status=status, error=error, **nothing)


def account(basis: str = "request", **changes: Any) -> Content:
    unknown = (
        "latency_s price_usd started_at_s attempts concurrency server_latency_s "
        "server_peak_memory_bytes"
    )
    return dict.fromkeys(unknown.split()) | {"basis": basis} | changes


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
    return {
        "schema": 1,
        "model": model,
        "suite": "toy",
        "card": {"title": None, "licence": "Apache-2.0"},
        "measured": True,
        "environment": {
            "device": "cpu",
            "cpu": "Some CPU",
            "gpu": None,
            "python": "3.11",
            "versions": {"torch": "2.15.0"},
            "commit": "abcdef0123456789",
            "dirty": True,
        },
        "prompts": {"name": "toy.jsonl", "count": prompts, "sha256": "5ca1ab1e00"},
        "expected": {"prompts": names, "seeds": list(seeds)},
        "metrics": METRICS if metrics is None else metrics,
        "fingerprint": "fee1dead00",
        "clips": list(clips),
    } | changes


def write(content: Content, folder: Path) -> Path:
    path = folder / content["suite"] / content["model"] / "result.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path
