"""The third examiner: clips that people have rated, scored by every metric.

Scores are kept beside the page, by clip, metrics and the code that computes them, so that a second
run computes only what is new.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.config import build_metrics
from bench.errors import BenchError, ClipError
from bench.prompts import Prompt
from bench.storage import PACKAGE, fingerprint, read_json, write_json
from bench.validation.ratings import RatedClip
from bench.validation.scores import loaded_backbones, one_thread, score
from bench.video import read_video
from bench.vision.analysis import Analysis

VBENCH = (
    "vbench_subject_consistency",
    "vbench_background_consistency",
    "vbench_temporal_flickering",
    "vbench_dynamic_degree",
    "vbench_aesthetic_quality",
)
"""Columns of another benchmark, to be judged beside our own."""


@dataclass(frozen=True)
class Opinion:
    """What people and metrics say of one clip.

    Attributes:
        file: name of the clip.
        model: who made it.
        prompt_id: of its prompt.
        real: whether it is footage.
        ratings: question to the raters' ratings, None where one gave none.
        scores: metric to value; None where it has none.
        unscored: metric to the reason.
    """

    file: str
    model: str
    prompt_id: str
    real: bool
    ratings: Mapping[str, Sequence[float | None]]
    scores: Mapping[str, float | None]
    unscored: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        return asdict(self)


def judging(compute: Mapping[str, str]) -> dict[str, str]:
    """The configured metrics and VBench's: name to import path."""
    return dict(compute) | {name: f"bench.metrics.vbench.{name}" for name in VBENCH}


def opinions(
    clips: Sequence[RatedClip],
    configured: Mapping[str, Any],
    device: torch.device,
    cache: Path,
    *,
    workers: int = 1,
) -> Iterator[Opinion]:
    """Score rated clips, each under its own prompt.

    Args:
        clips: with people's ratings.
        configured: the `metrics` of the configuration; its `compute` may hold more than is scored
            elsewhere, see `judging`.
        device: where networks run.
        cache: folder of the scores of earlier runs.
        workers: processes; each has networks of its own, and one thread.
    """
    work = partial(_opinion, dict(configured), device, cache, _code())
    if workers == 1:
        yield from map(work, clips)
        return
    context = get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(workers, context, one_thread) as pool:
        yield from pool.map(work, clips)


def _opinion(
    configured: Mapping[str, Any], device: torch.device, cache: Path, code: str, clip: RatedClip
) -> Opinion:
    try:
        sha256 = hashlib.sha256(clip.path.read_bytes()).hexdigest()
    except OSError as error:
        raise BenchError(f"{clip.path}: expected a clip to read, got {error.strerror}") from None
    file = cache / f"{fingerprint([sha256, clip.prompt, code, configured, str(device)])}.json"
    if file.is_file():
        scored = read_json(file)
    else:
        metrics = build_metrics(configured["compute"])
        backbones = loaded_backbones(configured, device)
        prompt = Prompt(id=clip.prompt_id, text=clip.prompt)
        try:
            analysis = Analysis(read_video(clip.path), prompt, backbones)
        except ClipError as error:
            raise BenchError(str(error)) from None
        values, unscored, _ = score(analysis, metrics)
        scored = {"scores": values, "unscored": unscored}
        write_json(file, scored)
    ratings = {
        question: [None if math.isnan(rating) else rating for rating in given]
        for question, given in clip.ratings.items()
    }
    return Opinion(
        clip.path.name,
        clip.model,
        clip.prompt_id,
        clip.real,
        ratings,
        scored["scores"],
        scored["unscored"],
    )


def _code() -> str:
    """Hash of the code and the constants that decide what a metric says."""
    files = [
        *(PACKAGE / "metrics").glob("*.py"),
        *(PACKAGE / "vision").glob("*.py"),
        PACKAGE / "video.py",
    ]
    sha = hashlib.sha256()
    for file in sorted(files):
        sha.update(file.read_bytes())
    return sha.hexdigest()
