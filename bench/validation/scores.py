"""What every metric says of every variant of every piece."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from bench.config import build_backbones, build_metrics
from bench.errors import Unscored
from bench.validation.footage import Piece
from bench.validation.variants import variants
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones


@dataclass(frozen=True)
class Value:
    """One clip, scored.

    Attributes:
        piece: name of the piece.
        file: the file it comes from.
        kind: see `Variant`.
        level: see `Variant`.
        scores: metric to value; None where it has none.
        unscored: metric to the reason.
        series: metric to its curves.
    """

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
    only: Iterable[str] = (),
) -> Iterator[list[Value]]:
    """Score all variants, piece by piece.

    Args:
        pieces: the footage.
        configured: the `metrics` of the configuration.
        device: where networks run.
        workers: processes; each has networks of its own, and one thread.
        only: kinds of variants to score; all if empty.

    Yields:
        The values of one piece, the original's first.
    """
    work = partial(_score, configured, device, frozenset(only))
    donors = [_donor(pieces, index).small.frames for index in range(len(pieces))]
    if workers == 1:
        yield from map(work, pieces, donors)
        return
    context = get_context("spawn")  # a fork of a process that has used torch may hang
    with ProcessPoolExecutor(workers, context, _one_thread) as pool:
        yield from pool.map(work, pieces, donors)


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


def _score(
    configured: Mapping[str, Any],
    device: torch.device,
    only: frozenset[str],
    piece: Piece,
    donor: NDArray[np.uint8],
) -> list[Value]:
    metrics = build_metrics(configured["compute"])
    if "backbones" not in _loaded:  # once in each process
        _loaded["backbones"] = Backbones(build_backbones(configured["backbones"]), device)
    found = []
    for variant in variants(piece, donor):
        if only and variant.kind not in only:
            continue
        analysis = Analysis(variant.clip, piece.prompt, _loaded["backbones"])
        scores: dict[str, float | None] = {}
        unscored, series = {}, {}
        for name, metric in metrics.items():
            try:
                scored = metric.score(analysis)
            except Unscored as reason:
                scores[name], unscored[name] = None, str(reason)
            else:
                scores[name], series[name] = scored.value, scored.series
        found.append(
            Value(piece.name, piece.file, variant.kind, variant.level, scores, unscored, series)
        )
    return found


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
