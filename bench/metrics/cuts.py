"""Cuts: shots that end within the clip, asked for or not."""

import numpy as np

from bench.metrics.base import Scored, metric
from bench.vision.analysis import Analysis

THRESHOLD = 0.5


@metric(unit="cuts", better=None, needs=["cuts"])
def cuts(analysis: Analysis) -> Scored:
    """How many cuts the clip has: runs of frames with a cut probability above .5.

    Range 0, 1, ... The probability of each frame is kept.

    Raises:
        Unscored: if the cut detector is missing, or the clip too short for it.
    """
    likely = analysis.cut_probabilities
    begins = np.diff(likely > THRESHOLD, prepend=False) & (likely > THRESHOLD)
    return Scored(float(begins.sum()), {"probability": likely.round(4).tolist()})


@metric(unit="cuts", better="lower", needs=["cuts"])
def cuts_unrequested(analysis: Analysis) -> float:
    """Cuts beyond those that the prompt asks for: max(0, cuts - (shots - 1)).

    A clip without a prompt has one shot. Range 0, 1, ...; 0 is wanted.

    Raises:
        Unscored: as `cuts`.
    """
    return max(0.0, cuts(analysis) - (analysis.prompt.shots - 1))
