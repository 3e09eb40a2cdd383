"""Numbers as people read them: no more digits than they carry."""

import math

from bench.statistics import Interval

_LARGE = 7  # the exponent from which nobody counts the zeros any more


def number(value: float, digits: int = 3) -> str:
    """A value to so many significant digits; whole numbers in full.

    Tiny ones as 1.2e-06, those from 10 million on as 1.20e+07.
    """
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    exponent = _exponent(value)
    if exponent < -4 or exponent >= _LARGE:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def with_interval(interval: Interval) -> str:
    """`mean ±half-width`: two significant digits of the half-width.

    At most four significant digits of the mean; the mean alone where there is no interval.
    """
    mean, half = interval.mean, interval.half_width
    if half is None:
        return number(mean)
    if half <= 1e-9 * abs(mean):  # all prompts alike, but for the last bits of a sum
        return f"{number(mean)} ±0"
    scale = _exponent(max(abs(mean), half))
    if scale < -4 or scale >= _LARGE:
        return f"({mean / 10**scale:.1f} ±{half / 10**scale:.1f})e{scale}"
    decimals = 1 - _exponent(half)
    if mean:
        decimals = min(decimals, 3 - _exponent(mean))
    decimals = max(0, decimals)
    return f"{mean:.{decimals}f} ±{half:.{decimals}f}"


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))
