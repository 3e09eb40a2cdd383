"""What a user should know about the times of a run: what disturbed them, and what to change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.measure.board import SLOWED
from bench.measure.throughput import Measured

SLOW_START = 1.2
"""So many times the median of the rest is a first clip that still paid for first-use work."""

WIDE_SPREAD = 0.1
"""(p95 - p05) / p50 above which a median says little."""

_ENOUGH = 5  # clips, before anything is said about their spread
_LONG_ENOUGH_S = 0.5  # below, a clip's time is mostly chance, and no model is that fast


@dataclass(frozen=True)
class Timing:
    """What the remarks need to know of one clip, in the order of making.

    Attributes:
        latency_s: seconds.
        warm: whether there was a warm-up before it.
        alone: whether nobody else was on the GPU; None if unknown.
        slowed_by: why the GPU was slower than it could be.
    """

    latency_s: float
    warm: bool = True
    alone: bool | None = None
    slowed_by: tuple[str, ...] = ()

    @classmethod
    def of(cls, took: Measured, *, warm: bool) -> "Timing":
        """From what was measured."""
        if took.board is None:
            return cls(took.latency_s, warm)
        return cls(took.latency_s, warm, took.board.alone, took.board.slowed_by or ())


def remarks(timings: Sequence[Timing]) -> list[str]:
    """One line for each thing that disturbed the times of clips of one shape, and what to do."""
    found = []
    shared = sum(timing.alone is False for timing in timings)
    if shared:
        found.append(
            f"another process was on the GPU during {shared} of {len(timings)} clips, whose time "
            "and memory are not the model's own: free the GPU, then make them again in a new out="
        )
    reasons = sorted({word for timing in timings for word in timing.slowed_by} & SLOWED)
    if reasons:
        slowed = sum(bool(SLOWED.intersection(timing.slowed_by)) for timing in timings)
        found.append(
            f"the GPU slowed down during {slowed} of {len(timings)} clips "
            f"({', '.join(reasons)}): look after its cooling and power supply"
        )
    times = np.array([timing.latency_s for timing in timings])
    if len(times) < _ENOUGH or np.median(times) < _LONG_ENOUGH_S:
        return found
    first, rest = timings[0], times[1:]
    if first.warm and first.latency_s > SLOW_START * np.median(rest):
        found.append(
            f"the first timed clip took {first.latency_s / np.median(rest):.1f} times the median "
            "of the rest, so it paid for first-use work: type warmup=2"
        )
    p05, p50, p95 = np.quantile(rest, [0.05, 0.5, 0.95])
    if (p95 - p05) / p50 > WIDE_SPREAD:
        found.append(
            f"times spread by {(p95 - p05) / p50:.0%} of their median: stop whatever else runs "
            "on this machine, or take more seeds for a median that holds"
        )
    return found
