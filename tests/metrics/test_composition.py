"""The headline from its parts: what was computed from a clip, of whatever damage."""

import numpy as np
import pytest

from bench.metrics import coherence, consistency
from bench.metrics.base import Metric
from bench.metrics.coherence import Damage, headline, moving, ordered
from bench.metrics.composition import POWER, TOLERANCE, VERSIONS, composed

SCALES = {"flicker": 0.125, "identity": 0.56, "smooth": 1.8}


def parts_of(found: Damage, held: float) -> dict[str, float]:
    alone = {
        f"coherence_{name}": 100 / (1 + (getattr(found, name) / scale) ** POWER)
        for name, scale in SCALES.items()
    }
    return alone | {
        "coherence_jumps": 100 / (1 + found.jumps),
        "coherence_order": 100 * ordered(found.order),
        "coherence_motion": 100 * moving(found.speed),
        "stutter": held,
    }


@pytest.mark.parametrize("magnitude", [0, 1e-9, 1e-6, 1e-3, 0.1, 1, 30])
def test_parts_give_back_the_headline(magnitude: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        slow = rng.random(3) * magnitude
        found = Damage(*slow, jumps=rng.random(), order=3 + rng.random(), speed=rng.random() / 20)
        held = float(rng.random())
        exact = headline(found, held, SCALES)
        assert composed(parts_of(found, held)) == pytest.approx(exact, abs=TOLERANCE)


def test_a_part_of_nothing_leaves_nothing() -> None:
    whole = dict.fromkeys(VERSIONS, 100.0) | {"stutter": 0.0}
    assert composed(whole) == 100
    for name in VERSIONS.keys() - {"coherence", "stutter"}:
        assert composed(whole | {name: 0.0}) == 0
    assert composed(whole | {"stutter": 1.0}) == 0


def test_the_versions_are_those_of_the_metrics() -> None:
    for name, version in VERSIONS.items():
        found = getattr(consistency if name == "stutter" else coherence, name)
        assert isinstance(found, Metric)
        assert found.version == version
