"""Amounts: what a price may be."""

import math


def is_amount(value: object) -> bool:
    """Whether a value is a finite number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0
