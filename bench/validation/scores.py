"""What every metric says of every variant of every piece."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from bench.config import build_backbones, build_metrics
from bench.errors import Unscored
from bench.metrics.base import Metric
from bench.validation.footage import Piece
from bench.validation.variants import KINDS, variants
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones


@dataclass(frozen=True)
class Value:
    """One variant of a piece of a file, scored: by metric, its value or why none, and curves."""

    piece: str
    file: str
    kind: str
    level: int
    scores: Mapping[str, float | None]
    unscored: Mapping[str, str]
    series: Mapping[str, Mapping[str, Sequence[float | None]]]

    def as_json(self) -> dict[str, Any]:
        """The record as JSON values, without the curves."""
        return {key: value for key, value in asdict(self).items() if key != "series"}


def measure(
    pieces: Sequence[Piece],
    configured: Mapping[str, Any],
    device: torch.device,
    *,
    workers: int = 1,
    only: Collection[str] = (),
    films: int | None = None,
) -> Iterator[list[Value]]:
    """Score the variants with the configured `metrics`, piece by piece, each original first.

    Every one of the `workers` is a process with networks of its own and one thread. `only` are the
    kinds to score beside the originals, all if empty; `films` says on how many files each kind is
    done (see `deal`), on all pieces if None.
    """
    work = partial(_score, configured, device)
    donors = [_donor(pieces, index).small.frames for index in range(len(pieces))]
    kinds = [kind for kind in KINDS if not only or kind in only]
    shares = [kinds] * len(pieces) if films is None else deal(pieces, kinds, films)
    if workers == 1:
        yield from map(work, pieces, donors, shares)
        return
    context = get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(workers, context, one_thread) as pool:
        yield from pool.map(work, pieces, donors, shares)


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


Curves = Mapping[str, Sequence[float | None]]


def score(
    analysis: Analysis, metrics: Mapping[str, Metric]
) -> tuple[dict[str, float | None], dict[str, str], dict[str, Curves]]:
    """What metrics say of a clip: values, reasons where there is none, and curves."""
    values: dict[str, float | None] = {}
    unscored: dict[str, str] = {}
    series: dict[str, Curves] = {}
    for name, metric in metrics.items():
        try:
            scored = metric.score(analysis)
        except Unscored as reason:
            values[name], unscored[name] = None, str(reason)
        else:
            values[name], series[name] = scored.value, scored.series
    return values, unscored, series


def by_piece(values: Iterable[Value]) -> dict[str, dict[str, list[Value]]]:
    """Values by piece and kind, each kind from its lowest level."""
    grouped: dict[str, dict[str, list[Value]]] = defaultdict(lambda: defaultdict(list))
    for value in sorted(values, key=lambda value: value.level):
        grouped[value.piece][value.kind].append(value)
    return {piece: dict(kinds) for piece, kinds in grouped.items()}


def _donor(pieces: Sequence[Piece], index: int) -> Piece:
    """A piece of another file if there is one, from half a list away on.

    Neighbouring files may show the same scene.
    """
    far = [pieces[(index + len(pieces) // 2 + k) % len(pieces)] for k in range(len(pieces))]
    return next((piece for piece in far if piece.file != pieces[index].file), far[0])


_loaded: dict[str, Any] = {}


def loaded_backbones(configured: Mapping[str, Any], device: torch.device) -> Backbones:
    """The configured backbones, one set for each process."""
    if "backbones" not in _loaded:
        _loaded["backbones"] = Backbones(build_backbones(configured["backbones"]), device)
    backbones: Backbones = _loaded["backbones"]
    return backbones


def _score(
    configured: Mapping[str, Any],
    device: torch.device,
    piece: Piece,
    donor: NDArray[np.uint8],
    kinds: Collection[str],
) -> list[Value]:
    metrics = build_metrics(configured["compute"])
    backbones = loaded_backbones(configured, device)
    values = []
    for variant in variants(piece, donor, kinds):
        prompt = replace(piece.prompt, motion=variant.motion)
        scores, unscored, series = score(Analysis(variant.clip, prompt, backbones), metrics)
        values.append(
            Value(piece.name, piece.file, variant.kind, variant.level, scores, unscored, series)
        )
    return values


def one_thread() -> None:
    """Make a worker process use one core."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
