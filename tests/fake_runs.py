"""Folders of runs with clips in them, for tests of whatever shows clips."""

from pathlib import Path
from typing import Any

import fake_results as fake
from conftest import moving_texture

from bench.clip import Clip, write_master, write_preview
from bench.schema import (
    Card,
    Environment,
    Expected,
    MetricDescription,
    Prompts,
    Run,
    Sample,
    ScoreEntry,
    ScoreRecord,
)
from bench.storage import RunFolder, write_record

FRAMES, FPS = 16, 8.0


def write(content: fake.Content, outputs: Path, made: int, text: str = "a ball rolls") -> Path:
    """A run whose first so many clips have frames, a preview and curves; its result.json."""
    run = RunFolder(outputs / content["suite"] / content["model"])
    for number, entry in enumerate(content["clips"][:made]):
        clip = Clip(moving_texture(FRAMES, 64, seed=number), FPS)
        entry |= {"frames": FRAMES, "fps": FPS, "frames_sha256": clip.sha256}
        sample = Sample(entry["prompt"], entry["seed"])
        write_master(clip, run.master(sample))
        write_preview(clip, run.preview(sample))
        write_record(run.score(sample), scores(clip.sha256, text, number))
    return fake.write(content, outputs)


def described(model: str, **facts: Any) -> Run:
    """What run.json says of a run of one prompt and seed; `facts` take the place of some of it."""
    plain: dict[str, Any] = {
        "schema": 1,
        "model": model,
        "suite": "suite",
        "card": Card(title=model.capitalize()),
        "measured": True,
        "environment": Environment(device="cpu", versions={}, commit=None, dirty=None),
        "prompts": Prompts(name=None, count=1, sha256="5a"),
        "expected": Expected(prompts=("p0",), seeds=(0,)),
        "functional": {},
        "config": {"suite": {"aspect": None}},
    }
    return Run(**plain | facts)


def scores(sha256: str, text: str, number: int) -> ScoreRecord:
    times_s = tuple(frame / FPS for frame in range(FRAMES))
    adherence = tuple(90 - number - frame / 3 for frame in range(FRAMES))
    likeness = (1.0, 0.9 - number / 100, None)
    return ScoreRecord(
        schema=1,
        frames_sha256=sha256,
        prompt={"text": text},
        metrics={
            "adherence": entry("100 cos", 1.0, {"time_s": times_s, "adherence": adherence}),
            "identity_lag": entry("cosine", 0.9, {"lag_s": (0.5, 1, 2), "cosine": likeness}),
            "stutter": entry("share of frames", 0.0, {"held": (0.0,) * (FRAMES - 1)}),
            "flicker": entry("share of full scale", 0.0),
        },
    )


def entry(unit: str, value: float, series: dict[str, Any] | None = None) -> ScoreEntry:
    meaning = MetricDescription(unit=unit, better="higher", version=1, fingerprint="f1")
    more = {} if series is None else {"series": series}
    return ScoreEntry(**meaning.given, value=value, why=None, **more)
