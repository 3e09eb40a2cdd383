from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from conftest import PROMPT

from bench.metrics.cuts import cuts, cuts_unrequested
from bench.vision.analysis import Analysis

Analyse = Callable[..., Analysis]


@pytest.mark.parametrize(
    ("likely", "count"),
    [
        ([0, 0, 0, 0], 0),
        ([0, 0.2, 0.3, 0], 0),
        ([0, 0.9, 0, 0.6], 2),
        ([0, 0.9, 0.8, 0], 1),
        ([0.9, 0, 0, 0], 1),
    ],
)
def test_a_cut_is_a_run_of_frames_above_the_threshold(
    analyse: Analyse, likely: list[float], count: int
) -> None:
    analysis = analyse(np.zeros((4, 32, 32, 3), np.uint8))
    analysis.cut_probabilities = np.array(likely)
    scored = cuts.score(analysis)
    assert scored.value == count
    assert scored.series["probability"] == likely


@pytest.mark.parametrize(("shots", "unrequested"), [(1, 2), (2, 1), (3, 0), (9, 0)])
def test_cuts_that_the_prompt_asks_for_are_free(
    analyse: Analyse, shots: int, unrequested: int
) -> None:
    analysis = analyse(np.zeros((4, 32, 32, 3), np.uint8), prompt=replace(PROMPT, shots=shots))
    analysis.cut_probabilities = np.array([0, 0.9, 0, 0.6])
    assert cuts_unrequested(analysis) == unrequested
