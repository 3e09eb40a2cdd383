"""What a user should know about the times of a run: what disturbed them, and what to change."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # whoever only reads times needs no torch
    from bench.measure.timing import Measured

Shape = tuple[int | None, tuple[int, int] | None]
"""Frames that were asked for, and height and width in pixels; None where nobody asked."""

SLOW_START = 1.2
"""So many times the median of the rest is a first clip that still paid for first-use work."""

WIDE_SPREAD = 0.1
"""(p95 - p05) / p50 above which a median says little."""

# A busy GPU at its power limit is where it should be; every other reason is a fault.
_BY_DESIGN = frozenset({"power_cap"})

_ENOUGH = 5  # clips, before anything is said about their spread
_LONG_ENOUGH_S = 0.5  # below, a clip's time is mostly chance, and no model is that fast


@dataclass(frozen=True)
class Timing:
    """What the remarks need to know of one clip; the meaning is that of `bench.schema.ClipFacts`.

    Times of two shapes say nothing about each other.
    """

    latency_s: float
    warm: bool = True
    alone: bool | None = None
    slowed_by: tuple[str, ...] = ()
    shape: Shape = (None, None)

    @classmethod
    def of(cls, took: "Measured", shape: Shape, *, warm: bool) -> "Timing":
        """Of a clip that was measured."""
        if took.gpu is None:
            return cls(took.latency_s, warm, shape=shape)
        return cls(took.latency_s, warm, took.gpu.alone, took.gpu.slowed_by or (), shape)


def remarks(timings: Sequence[Timing]) -> list[str]:
    """One line for each thing that is wrong with the times of a run, and what to do about it.

    They are in the order in which the clips were made.
    """
    return [*disturbances(timings), *_of_each_shape(timings, _slow_start)]


def disturbances(timings: Sequence[Timing]) -> list[str]:
    """What others did to the times: processes on the same GPU or machine, heat and supply."""
    lines = []
    shared = sum(timing.alone is False for timing in timings)
    if shared:
        lines.append(
            f"another process was on the GPU during {shared} of {len(timings)} clips, whose time "
            "is not the model's own: free the GPU and make them again, in another out=DIR"
        )
    slowed = [faults for timing in timings if (faults := {*timing.slowed_by} - _BY_DESIGN)]
    if slowed:
        reasons = sorted(set().union(*slowed))
        lines.append(
            f"the GPU slowed itself down during {len(slowed)} of {len(timings)} clips "
            f"({', '.join(reasons)}): look after its cooling and its power supply"
        )
    return [*lines, *_of_each_shape(timings, _spread)]


def _of_each_shape(
    timings: Sequence[Timing], remark: Callable[[Sequence[Timing]], str]
) -> Iterator[str]:
    """What is to be said about each shape that has enough clips for it, if anything."""
    by_shape: defaultdict[Shape, list[Timing]] = defaultdict(list)
    for timing in timings:
        by_shape[timing.shape].append(timing)
    for shape, alike in by_shape.items():
        times = [timing.latency_s for timing in alike]
        if len(times) >= _ENOUGH and np.median(times) >= _LONG_ENOUGH_S and (line := remark(alike)):
            yield f"{_name(shape)}: {line}" if len(by_shape) > 1 else line


def _name(shape: Shape) -> str:
    frames, size = shape
    parts = [] if frames is None else [f"{frames} frames"]
    parts += [] if size is None else [f"{size[1]}x{size[0]}"]
    return " of ".join(parts) or "clips of no set shape"


def _slow_start(alike: Sequence[Timing]) -> str:
    first, p50 = alike[0], np.median([timing.latency_s for timing in alike[1:]])
    if not first.warm or first.latency_s <= SLOW_START * p50:
        return ""
    return (
        f"the first timed clip took {first.latency_s / p50:.1f} times the median of the rest, so "
        "it still paid for first-use work: type warmup=2"
    )


def _spread(alike: Sequence[Timing]) -> str:
    p05, p50, p95 = np.quantile([timing.latency_s for timing in alike[1:]], [0.05, 0.5, 0.95])
    if (p95 - p05) / p50 <= WIDE_SPREAD:
        return ""
    return (
        f"p95 and p05 of the times are {(p95 - p05) / p50:.0%} of their median apart: stop "
        "what else runs on this machine, or add seeds, as suite.seeds=[0,1,2,3]"
    )
