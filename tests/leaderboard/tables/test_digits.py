"""Numbers as people read them."""

from typing import Any

import pytest

from bench.leaderboard.tables.table import Cell, mean, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (120000.0, "120000"),
        (0.12345, "0.123"),
        (96.31, "96.3"),
        (1234.5, "1234"),
        (-0.0456, "-0.0456"),
        (0.00023456, "0.000235"),
        (0.0000012345, "1.23e-06"),
        (9999999.0, "9999999"),
        (12345678.9, "1.23e+07"),
        (1e300, "1.00e+300"),
    ],
)
def test_number(value: Any, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (90.71, 0.42, "90.71 ±0.42"),
        (0.0296, 0.00134, "0.0296 ±0.0013"),
        (81.2, 4.3, "81.2 ±4.3"),
        (81.2, 12.0, "81 ±12"),
        (0.98, 1e-7, "0.9800 ±0.0000"),
        (0.98, 1e-16, "0.980 ±0"),
        (0.0, 0.0, "0 ±0"),
        (0.0000021, 0.0000003, "(2.1 ±0.3)e-6"),
        (0.0, 0.2, "0.00 ±0.20"),
        (2.1e8, 3e7, "(2.1 ±0.3)e8"),
        (1.0, 0.0, "1 ±0"),
        (0.25, None, "0.250"),
    ],
)
def test_mean(value: float, half: float | None, text: str) -> None:
    interval = None if half is None else (value - half, value + half)
    assert mean(Cell(value, interval)) == text
