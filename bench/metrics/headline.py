"""The headline's formula, from charges to points; it needs no networks: rules hold rows to it."""

from collections.abc import Mapping

import numpy as np

MOST = 12.0  # damage that leaves less than a thousandth of a point

SUBJECT_NONE = 0.003
"""Short sides per second under which nothing moves against the camera."""


def headline(charged: Mapping[str, float]) -> float:
    """100 exp(-d), d being the root of the sum of the squares of the charges."""
    return 100 * float(np.exp(-np.sqrt(sum(charge**2 for charge in charged.values()))))


def lost(charged: Mapping[str, float]) -> dict[str, float]:
    """The points that each part takes of 100 less the headline: by the squares of the charges."""
    whole = sum(charge**2 for charge in charged.values())
    points = 100 - headline(charged)
    return {name: points * charge**2 / whole if whole else 0.0 for name, charge in charged.items()}
