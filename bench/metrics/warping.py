"""Warping: what is left of the change between frames once motion has explained its part."""

import numpy as np

from bench.metrics.base import metric
from bench.metrics.consistency import travelled
from bench.vision.analysis import Analysis


@metric(unit="share of full scale", better="lower", needs=["flow"])
def warp_mae(analysis: Analysis) -> float:
    """Mean over pairs (t, t+s) of |W(x_t+s, f) - x_t| / 255 over valid pixels and channels.

    The warping error of Lai et al. (ECCV 2018), as an absolute error. Range [0, 1]. Pairs with
    under 30% valid pixels are left out. It prefers a frozen clip to any real one.

    Raises:
        Unscored: if over a third of the pairs are left out.
    """
    field, warped = analysis.flow(analysis.step), analysis.warped(analysis.step)
    errors = [
        np.abs(warped[t] - analysis.frames[t])[field.valid[t]].mean() for t in field.reliable()
    ]
    return float(np.mean(errors)) / 255


@metric(unit="LPIPS", better="lower", needs=["flow", "lpips"])
def warp_lpips(analysis: Analysis) -> float:
    """Mean over pairs (t, t+s) of D(x_t, W(x_t+s, f)) over valid pixels.

    The mask of valid pixels is averaged over the area of each cell of each LPIPS layer, and
    weighs the cell. Range [0, about 1]. Pairs as in `warp_mae`; as blind to a frozen clip.

    Raises:
        Unscored: if over a third of the pairs are left out, or the frames are too small.
    """
    kept = analysis.flow(analysis.step).reliable()
    return float(analysis.compare_warped(analysis.step).distances[kept].mean())


@metric(unit="ratio", better="lower", needs=["flow", "lpips"])
def warp(analysis: Analysis) -> float:
    """Change that motion does not explain, as a share of change across the clip.

    warp_lpips / lpips_far. Range [0, about 1.2].

    Raises:
        Unscored: as `warp_lpips`, or if the clip is static.
    """
    return warp_lpips(analysis) / travelled(analysis)


@metric(unit="ratio", better="lower", needs=["flow", "lpips"])
def smoothness(analysis: Analysis) -> float:
    """How far each frame is from what its neighbours make of it: mean_t D(x_t, M_t) / lpips_far.

    M_t = 1/2 [W(x_t-s, b/2) + W(x_t+s, a/2)], a and b being the flows from t-s to t+s and back;
    t runs over every frame that has both neighbours. Range [0, about 1.2]; noise gives about 1.

    Raises:
        Unscored: if the clip has fewer than 2s + 1 frames, is too small, or is static.
    """
    far = travelled(analysis)
    return float(analysis.compare_halfway(analysis.step).distances.mean()) / far


@metric(unit="share of pixels", better=None, needs=["flow"])
def occlusion(analysis: Analysis) -> float:
    """Pixels whose flow is not valid: mean over all pairs (t, t+s) of 1 - their valid share.

    Range [0, 1]. It says how much the warping metrics did not look at: damage hides there.

    Raises:
        Unscored: if the clip is too short or too small for flow.
    """
    return 1 - float(analysis.flow(analysis.step).valid.mean())
