from collections.abc import Callable

import numpy as np
import pytest

from bench.errors import Unscored
from bench.metrics.base import Scored, metric
from bench.run.scoring import _entry
from bench.vision.analysis import Analysis


def test_a_curve_is_kept_beside_its_value(analyse: Callable[..., Analysis]) -> None:
    @metric(unit="x", better="lower", version=3)
    def curved(_: Analysis) -> Scored:
        return Scored(2.0, {"lag_s": (0.5, 1.0), "x": (1.0, None)})

    analysis = analyse(np.zeros((2, 32, 32, 3), np.uint8))
    assert curved(analysis) == 2.0
    assert _entry(curved, "f", analysis).json_values == {
        "unit": "x",
        "better": "lower",
        "version": 3,
        "fingerprint": "f",
        "value": 2.0,
        "why": None,
        "series": {"lag_s": (0.5, 1.0), "x": (1.0, None)},
    }


def test_a_value_that_is_not_finite_is_unscored(analyse: Callable[..., Analysis]) -> None:
    @metric(unit="x", better=None)
    def broken(_: Analysis) -> Scored:
        return Scored(float("nan"))

    analysis = analyse(np.zeros((2, 32, 32, 3), np.uint8))
    with pytest.raises(Unscored, match="not finite"):
        broken(analysis)
