"""How alike a variant's clip is to its base's clip of the same prompt and seed, frame by frame.

A variant is the same model made faster or smaller, as its `card.base` says. Other frames need not
be worse ones: these columns say how far a clip went from its base, not which of both is better.
Where no clip of the base of the same shape is at hand there is no value.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored, need_side
from bench.metrics.base import Scored, metric
from bench.vision.analysis import Analysis

_WINDOW_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@metric(unit="LPIPS", better=None, needs=["lpips"], based=True)
def base_lpips(analysis: Analysis) -> Scored:
    """Distance to the base's clip: mean_t D(x_t, y_t) over working frames; 0 is the same frame.

    The curve over time is kept: its peak is where both part most.
    """
    base = _base(analysis)

    def compute(part: slice) -> list[NDArray[np.float64]]:
        pair = analysis.features(part), base.features(part)
        return [analysis.lpips_network.distances(*pair).cpu().numpy()]

    return _over_time(analysis, analysis.along("to base", 0, compute)[0])


@metric(unit="SSIM", better=None, based=True)
def base_ssim(analysis: Analysis) -> Scored:
    """Structural similarity to the base's clip: mean_t SSIM(x_t, y_t), at most 1, the same frame.

    Of the luma of frames as generated, with the window and constants of the paper. The curve over
    time is kept.
    """
    base = _base(analysis)
    pairs = zip(analysis.clip.frames, base.clip.frames, strict=True)
    return _over_time(analysis, np.array([ssim(*map(_luma, pair)) for pair in pairs]))


def ssim(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Mean SSIM of two pictures, float `[H, W]`, 0..255, each side at least 11.

    Gaussian window of 11x11 and sigma 1.5, K1 = .01, K2 = .03, over the windows that lie within
    (Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment", IEEE TIP 13(4), 2004).
    """

    def blurred(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        edge = _WINDOW_PX // 2
        whole = cv2.GaussianBlur(picture, (_WINDOW_PX, _WINDOW_PX), _SIGMA_PX)
        inner: NDArray[np.float64] = whole[edge:-edge, edge:-edge]
        return inner

    a, b = blurred(first), blurred(second)
    var_a, var_b = blurred(first * first) - a * a, blurred(second * second) - b * b
    cov = blurred(first * second) - a * b
    over = (2 * a * b + _C1) * (2 * cov + _C2)
    return float((over / ((a * a + b * b + _C1) * (var_a + var_b + _C2))).mean())


def _base(analysis: Analysis) -> Analysis:
    if analysis.base is None:
        raise Unscored("no clip of a base of the same prompt and seed is at hand")
    own, other = analysis.clip.frames.shape[:3], analysis.base.clip.frames.shape[:3]
    if own != other:
        shapes = [f"{t} frames of {width}x{height}" for t, height, width in (own, other)]
        raise Unscored(f"{shapes[0]}, its base has {shapes[1]}")
    need_side(analysis.clip.frames.shape[1:3], _WINDOW_PX)
    return analysis.base


def _luma(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    luma: NDArray[np.float64] = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return luma


def _over_time(analysis: Analysis, values: NDArray[np.float64]) -> Scored:
    times_s = np.arange(len(values)) / analysis.clip.fps
    return Scored(float(values.mean()), {"time_s": times_s.tolist(), "value": values.tolist()})
