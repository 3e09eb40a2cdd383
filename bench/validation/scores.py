"""What every metric says of every variant of every piece, and of clips that people have rated.

Scores of rated clips are kept beside the page, by clip, metrics and the code that computes them, so
that a second run computes only what is new.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from bench.clip import Clip
from bench.config import build_backbones, build_metrics
from bench.errors import BenchError, ClipError, Unscored
from bench.metrics.base import Metric
from bench.prompts import Prompt
from bench.schema import Record
from bench.storage import PACKAGE, file_sha256, fingerprint, read_record, write_json
from bench.validation.footage import Piece
from bench.validation.ratings import RatedClip
from bench.validation.variants import KINDS, variants
from bench.video import read_video
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

T = TypeVar("T")

VBENCH = (
    "vbench_subject_consistency",
    "vbench_background_consistency",
    "vbench_temporal_flickering",
    "vbench_dynamic_degree",
    "vbench_aesthetic_quality",
)
"""Columns of another benchmark, to be judged beside our own."""


@dataclass(frozen=True)
class Value:
    """One variant of a piece of a file, scored: by metric, its value or why none."""

    piece: str
    file: str
    kind: str
    level: int
    scores: Mapping[str, float | None]
    unscored: Mapping[str, str]


@dataclass(frozen=True)
class Opinion:
    """What people and metrics say of one clip."""

    file: str
    model: str  # that made it
    prompt_id: str
    real: bool  # whether it is footage
    ratings: Mapping[str, Sequence[float | None]]  # by question; None where a rater gave none
    scores: Mapping[str, float | None]  # by metric; None where it has none
    unscored: Mapping[str, str]  # metric to the reason


def measure(
    pieces: Sequence[Piece],
    configured: Mapping[str, Any],
    device: torch.device,
    *,
    workers: int = 1,
    kinds: Sequence[str] = KINDS,
    films: int | None = None,
) -> Iterator[list[Value]]:
    """Score the variants with the configured `metrics`, piece by piece, each original first.

    Every one of the `workers` is a process with networks of its own and one thread. `films` says on
    how many files each of the `kinds` is done (see `deal`), on all pieces if None.
    """
    work = partial(_score_variants, configured, device)
    donors = [_donor(pieces, index).small.frames for index in range(len(pieces))]
    shares = [kinds] * len(pieces) if films is None else deal(pieces, kinds, films)
    yield from _in_processes(workers, work, pieces, donors, shares)


def deal(pieces: Sequence[Piece], kinds: Sequence[str], films: int) -> list[list[str]]:
    """Share work out: each kind is done on one piece each of so many files, all alike in turn."""
    files = sorted({piece.file for piece in pieces})
    first = {kind: place * films % len(files) for place, kind in enumerate(kinds)}
    shares = []
    for piece in pieces:
        at = files.index(piece.file)
        done = [kind for kind in kinds if (at - first[kind]) % len(files) < films]
        shares.append(done[piece.place :: piece.of])
    return shares


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
    """Score rated clips, each under its own prompt, with the `metrics` of the configuration.

    Its `compute` may hold more than is scored elsewhere, see `judging`. The scores of earlier runs
    lie in the folder `cache`; of the `workers` see `measure`.
    """
    work = partial(_opinion, dict(configured), device, cache, _code())
    yield from _in_processes(workers, work, clips)


def directions(metrics: Mapping[str, Metric], records: Iterable[Value | Opinion]) -> dict[str, str]:
    """The metrics that rank and have a value on some clip, with the direction that is better."""
    scored = {name for each in records for name, value in each.scores.items() if value is not None}
    return {
        name: str(metric.better)
        for name, metric in metrics.items()
        if metric.better and name in scored
    }


def by_piece(values: Iterable[Value]) -> dict[str, dict[str, list[Value]]]:
    """Values by piece and kind, each kind from its lowest level."""
    grouped: dict[str, dict[str, list[Value]]] = defaultdict(lambda: defaultdict(list))
    for value in sorted(values, key=lambda value: value.level):
        grouped[value.piece][value.kind].append(value)
    return {piece: dict(kinds) for piece, kinds in grouped.items()}


def _in_processes(workers: int, work: Callable[..., T], *arguments: Sequence[Any]) -> Iterator[T]:
    """Map in order, in so many processes of one thread; with one, in this one as it is."""
    if workers == 1:
        yield from map(work, *arguments)
        return
    context = get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(workers, context, _one_thread) as pool:
        yield from pool.map(work, *arguments)


def _one_thread() -> None:
    """Make a worker process use one core."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@lru_cache(maxsize=1)
def _backbones(configured: str, device: torch.device) -> Backbones:
    """Backbones as configured, in JSON: those of the last configuration stay loaded."""
    return Backbones(build_backbones(json.loads(configured)), device)


def _score(
    configured: Mapping[str, Any], device: torch.device, clip: Clip, prompt: Prompt
) -> tuple[dict[str, float | None], dict[str, str]]:
    """What the configured metrics say of a clip: values, and reasons where there is none."""
    backbones = _backbones(json.dumps(configured["backbones"]), device)
    analysis = Analysis(clip, prompt, backbones)
    values: dict[str, float | None] = {}
    unscored: dict[str, str] = {}
    for name, metric in build_metrics(configured["compute"]).items():
        try:
            values[name] = metric(analysis)
        except Unscored as reason:
            values[name], unscored[name] = None, str(reason)
    return values, unscored


def _donor(pieces: Sequence[Piece], index: int) -> Piece:
    """A piece of another file if there is one, from half a list away on.

    Neighbouring files may show the same scene.
    """
    far = [pieces[(index + len(pieces) // 2 + k) % len(pieces)] for k in range(len(pieces))]
    return next((piece for piece in far if piece.file != pieces[index].file), far[0])


def _score_variants(
    configured: Mapping[str, Any],
    device: torch.device,
    piece: Piece,
    donor: NDArray[np.uint8],
    kinds: Collection[str],
) -> list[Value]:
    values = []
    for variant in variants(piece, donor, kinds):
        prompt = replace(piece.prompt, motion=variant.motion)
        scores, unscored = _score(configured, device, variant.clip, prompt)
        values.append(Value(piece.name, piece.file, variant.kind, variant.level, scores, unscored))
    return values


def _opinion(
    configured: Mapping[str, Any], device: torch.device, cache: Path, code: str, clip: RatedClip
) -> Opinion:
    decisive = [file_sha256(clip.path), clip.prompt, code, configured, str(device)]
    file = cache / f"{fingerprint(decisive)}.json"
    if file.is_file():
        scored = read_record(file, Record).given
    else:
        prompt = Prompt(id=clip.prompt_id, text=clip.prompt)
        try:
            values, unscored = _score(configured, device, read_video(clip.path), prompt)
        except ClipError as error:
            raise BenchError(str(error)) from None
        scored = {"scores": values, "unscored": unscored}
        write_json(file, scored)
    ratings = {
        question: [None if math.isnan(rating) else rating for rating in given]
        for question, given in clip.ratings.items()
    }
    return Opinion(clip.path.name, clip.model, clip.prompt_id, clip.real, ratings, **scored)


def _code() -> str:
    """Hash of the code and the constants that decide what a metric says."""
    rooms = (PACKAGE / room for room in ("metrics", "video", "vision"))
    files = sorted(file for room in rooms for file in room.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
