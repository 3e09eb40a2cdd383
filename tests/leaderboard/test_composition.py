"""The headline from its parts: what was computed from a clip, of whatever damage."""

import numpy as np
import pytest

from bench.leaderboard.rules import HEADLINE_TOLERANCE, HEADLINE_VERSIONS, composed
from bench.metrics import coherence
from bench.metrics.base import Metric
from bench.metrics.coherence import PARTS, SCALES, Damage, charges
from bench.metrics.headline import headline, lost


@pytest.mark.parametrize("magnitude", [0, 1e-9, 1e-3, 0.1, 1, 30])
def test_the_parts_add_up_to_what_the_headline_lacks(magnitude: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shown = dict(zip(SCALES, rng.random(len(SCALES)) * magnitude, strict=True))
        measured = Damage(**shown, order=10 * rng.random(), motion=float(rng.random()))
        charged = charges(measured, float(rng.random()))
        points = {f"lost_{name}": value for name, value in lost(charged).items()}
        assert points.keys() == HEADLINE_VERSIONS.keys() - {"coherence"}
        assert all(0 <= value <= 100 for value in points.values())
        assert composed(points) == pytest.approx(headline(charged), abs=HEADLINE_TOLERANCE)


def test_the_versions_are_those_of_the_metrics() -> None:
    assert HEADLINE_VERSIONS.keys() == {"coherence", *(f"lost_{name}" for name in PARTS)}
    for name, version in HEADLINE_VERSIONS.items():
        metric = getattr(coherence, name)
        assert isinstance(metric, Metric)
        assert metric.version == version
