"""Cuts: shots that end within the clip, asked for or not.

Without the cut detector's weights, or of a clip too short for it, nothing here has a value.
"""

import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Scored, metric
from bench.metrics.damage import Window
from bench.vision.analysis import Analysis

THRESHOLD = 0.3
"""No clip without a cut, of 80 generated ones and 42 pieces of footage, has more; of 57 spliced
cuts all but one have, two frames from an end nine in ten."""


@metric(unit="cuts", better=None, version=2, needs=["cuts"])
def cuts(analysis: Analysis) -> Scored:
    """How many cuts the clip has: runs of frames with a cut probability above .3.

    Range 0, 1, ... The probability of each frame is kept.
    """
    likely = analysis.cut_probabilities
    return Scored(float(len(_runs(likely))), {"probability": likely.round(4).tolist()})


@metric(unit="cuts", better="lower", version=2, needs=["cuts"])
def cuts_unrequested(analysis: Analysis) -> float:
    """Cuts beyond those that the prompt asks for: max(0, cuts - (shots - 1)).

    A clip without a prompt has one shot. Range 0, 1, ...; 0 is wanted.
    """
    return max(0.0, cuts(analysis) - (analysis.prompt.shots - 1))


def shots(analysis: Analysis) -> list[Window]:
    """The shots of a clip, parted at the cuts that its prompt asks for, the surest ones.

    The frames of a transition belong to neither side. A clip of which one shot is wanted is one,
    whatever it shows: cuts that nobody asked for are damage.
    """
    end = len(analysis.frames)
    if analysis.prompt.shots == 1:
        return [Window(0, end)]
    return split_at_cuts(analysis.cut_probabilities, analysis.prompt.shots - 1)


def split_at_cuts(likely: NDArray[np.float64], most_cuts: int | None = None) -> list[Window]:
    """The shots between cuts, in order; some may be empty or a frame long.

    Args:
        likely: how likely a cut follows each frame, `[T]`, 0..1.
        most_cuts: part only at the surest so many; None for all.
    """
    surest = sorted(_runs(likely), key=lambda run: -likely[run.start : run.stop].max())
    chosen = sorted(surest[:most_cuts], key=lambda run: run.start)
    starts = [0, *(run.stop for run in chosen)]
    stops = [*(run.start + 1 for run in chosen), len(likely)]
    return [Window(a, b) for a, b in zip(starts, stops, strict=True)]


def _runs(likely: NDArray[np.float64]) -> list[Window]:
    """Runs of frames with a cut probability above .3."""
    edges = np.flatnonzero(np.diff(likely > THRESHOLD, prepend=False, append=False))
    return [Window(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
