"""Frame consistency: how much a clip changes from step to step, perceptually and in light."""

from itertools import pairwise

import cv2
import numpy as np

from bench.errors import Unscored
from bench.metrics.base import Scored, metric
from bench.vision.analysis import Analysis

STATIC_LPIPS = 5e-4
MEAN_OF_CHANNELS = np.full((1, 3), 1 / 3, np.float32)
HELD_MAE = 0.05
HELD_SHARE = 0.25


@metric(unit="LPIPS", better=None, needs=["lpips"])
def tlpips(analysis: Analysis) -> Scored:
    """Mean LPIPS over one time step: mean_t D(x_t, x_t+s), s frames being about 1/8 s.

    Range [0, about 1]. Shown, never ranked: a frozen clip has 0. The distances are kept, each at
    the time of its later frame.
    """
    steps = analysis.lpips(analysis.step)
    times_s = (np.arange(len(steps)) + analysis.step) / analysis.clip.fps
    return Scored(float(steps.mean()), {"time_s": times_s.tolist(), "lpips": steps.tolist()})


@metric(unit="LPIPS", better=None, needs=["lpips"])
def lpips_far(analysis: Analysis) -> float:
    """Mean LPIPS over half the clip: mean_t D(x_t, x_t+L), L = floor(T/2).

    Range [0, about 1]. How far the picture travels at all; the normaliser of `lag_ratio`.
    """
    return float(analysis.lpips(max(1, len(analysis.frames) // 2)).mean())


@metric(unit="ratio", better="lower", needs=["lpips"])
def lag_ratio(analysis: Analysis) -> float:
    """Change within a step as a share of change across the clip: tlpips / lpips_far.

    Coherent motion adds up over time, noise does not: noise and shuffled frames give about 1.
    Range [0, about 1.2].

    Raises:
        Unscored: if the clip is static (lpips_far under 5e-4).
    """
    return tlpips(analysis) / travelled(analysis)


def travelled(analysis: Analysis) -> float:
    """lpips_far, to divide by.

    Raises:
        Unscored: if it is under 5e-4: the clip is static, and 0/0 is no praise.
    """
    far = lpips_far(analysis)
    if far < STATIC_LPIPS:
        raise Unscored(f"static clip: lpips_far {far:.1e} is under {STATIC_LPIPS:.0e}")
    return far


@metric(unit="share of full scale", better="lower", needs=["flow"])
def flicker(analysis: Analysis) -> Scored:
    """Brightness that comes and goes without motion to explain it.

    mean_t | median over valid pixels of mean_c( W(x_t+s, f) - x_t ) | / 255, where W pulls the
    next frame back along the flow f. The residual is signed: grain cancels, a change of light
    does not. Pairs with under 30% valid pixels are dropped. Range [0, 1]. The residuals are kept,
    each at the time of its later frame.

    Raises:
        Unscored: if over a third of the pairs are dropped, or the prompt asks for changing light,
            which this cannot tell from flicker.
    """
    if analysis.prompt.lighting_change:
        raise Unscored("changing light was asked for")
    field, warped = analysis.flow(analysis.step), analysis.warped(analysis.step)
    steps = []
    pairs = field.reliable()
    for t in pairs:
        residual = cv2.transform(warped[t] - analysis.frames[t], MEAN_OF_CHANNELS)
        steps.append(abs(float(np.median(residual[field.valid[t]]))) / 255)
    times_s = [float(t + analysis.step) / analysis.clip.fps for t in pairs]
    return Scored(float(np.mean(steps)), {"time_s": times_s, "residual": steps})


@metric(unit="share of frames", better="lower", version=2)
def stutter(analysis: Analysis) -> Scored:
    """Frames that repeat the one before: share of adjacent pairs that hardly differ.

    A pair does if its mean absolute difference is under .05 grey levels, or under a quarter of
    the median over the pairs up to 4 before and after. Range [0, 1]; 1 is a frozen clip. On the
    frames as generated, not on working frames. Which pairs are held is kept.

    Raises:
        Unscored: if the clip has a single frame.
    """
    frames = analysis.clip.frames
    if len(frames) < 2:
        raise Unscored("1 frame, needs at least 2")
    changes = analysis.once(
        "changes", lambda: np.array([cv2.absdiff(a, b).mean() for a, b in pairwise(frames)])
    )
    around = [np.median(changes[max(0, t - 4) : t + 5]) for t in range(len(changes))]
    held = (changes < HELD_MAE) | (changes < HELD_SHARE * np.array(around))
    return Scored(float(held.mean()), {"held": held.astype(float).tolist()})
