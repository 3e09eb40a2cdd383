"""Units of scores, and the values that each allows."""

from collections.abc import Mapping
from math import inf

Range = tuple[float, float]

RANGES: Mapping[str, Range] = {
    "points": (0, 100),
    "100 cos": (0, 100),
    "100 cos per second": (-inf, inf),
    "cosine": (-1, 1),
    "cosine per second": (-inf, inf),
    "LPIPS": (0, inf),
    "ratio": (0, inf),
    "share of full scale": (0, 1),
    "share of frames": (0, 1),
    "share of pixels": (0, 1),
    "cuts": (0, inf),
    "short sides per second": (0, inf),
    "0 or 1": (0, 1),
}
"""Unit to the least and the greatest value of a metric in it."""

OWN_RANGES: Mapping[str, Range] = {"adherence_margin": (-200, 200)}
"""Metrics whose values reach further than their unit lets others reach."""

_ROUNDING = 1e-5  # of a network's single-precision numbers: a cosine may be 1.0000002


def allowed(metric: str, unit: str) -> Range | None:
    """The least and the greatest value a metric can have; None if nobody knows the unit."""
    return OWN_RANGES.get(metric) or RANGES.get(unit)


def fits(value: float, within: Range) -> bool:
    """Whether a value lies in a range, give or take the rounding of a network's numbers."""
    low, high = within
    return low - _ROUNDING * max(1, abs(low)) <= value <= high + _ROUNDING * max(1, abs(high))
