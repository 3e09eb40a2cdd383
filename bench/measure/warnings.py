"""What a user should know about the times of a run: what disturbed them, and what to change."""

from collections import defaultdict
from collections.abc import Sequence
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
    """One line for each thing that is wrong with the times of a run, and what to do about it."""
    by_shape: defaultdict[Shape, list[Timing]] = defaultdict(list)
    for timing in timings:
        by_shape[timing.shape].append(timing)
    lines = disturbances(timings)
    for shape, alike in by_shape.items():
        which = f"{_name(shape)}: " if len(by_shape) > 1 else ""
        lines += [f"{which}{line}" for line in _instabilities(alike)]
    return lines


def disturbances(timings: Sequence[Timing]) -> list[str]:
    """What others did to the times: processes on the same GPU, heat and supply."""
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
    return lines


def _name(shape: Shape) -> str:
    frames, size = shape
    parts = [] if frames is None else [f"{frames} frames"]
    parts += [] if size is None else [f"{size[1]}x{size[0]}"]
    return " of ".join(parts) or "clips of no set shape"


def _instabilities(timings: Sequence[Timing]) -> list[str]:
    times = np.array([timing.latency_s for timing in timings])
    if len(times) < _ENOUGH or np.median(times) < _LONG_ENOUGH_S:
        return []
    lines = []
    p05, p50, p95 = np.quantile(times[1:], [0.05, 0.5, 0.95])
    if timings[0].warm and times[0] > SLOW_START * p50:
        lines.append(
            f"the first timed clip took {times[0] / p50:.1f} times the median of the rest, so it "
            "still paid for first-use work: type warmup=2"
        )
    if (p95 - p05) / p50 > WIDE_SPREAD:
        lines.append(
            f"p95 and p05 of the times are {(p95 - p05) / p50:.0%} of their median apart: stop "
            "what else runs on this machine, or add seeds, as suite.seeds=[0,1,2,3]"
        )
    return lines
