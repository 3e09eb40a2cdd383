"""Frame consistency: how much changes from step to step, and how much of it motion explains.

What a metric compares must be there: neighbours a step away, frames large enough for the networks,
flow that is reliable in two thirds of the pairs (see `reliable`), and change to be a share of.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored, need_frames
from bench.metrics.base import Scored, metric
from bench.vision.analysis import Analysis
from bench.vision.flow import reliable

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
    each at the time of its later frame. Unscored if the prompt asks for changing light, which this
    cannot tell from flicker.
    """
    if analysis.prompt.lighting_change:
        raise Unscored("changing light was asked for")
    valid, residuals, _ = _warping(analysis)
    pairs = reliable(valid)
    times_s = (pairs + analysis.step) / analysis.clip.fps
    steps = residuals[pairs]
    return Scored(float(steps.mean()), {"time_s": times_s.tolist(), "residual": steps.tolist()})


def _warping(analysis: Analysis) -> list[NDArray[np.float64]]:
    """Valid share, residual and absolute error of W(x_t+s, f), each float64 `[T - s]`.

    See `flicker` and `warp_mae`; the last two are NaN where no pixel is valid.
    """
    step = analysis.step

    def compute(part: slice) -> list[NDArray[np.float64]]:
        valid = analysis.flow(step, part).valid
        warped = analysis.warped(step, part).cpu().numpy()
        rows = []
        for picture, frame, mask in zip(warped, analysis.frames[part], valid, strict=True):
            difference = picture - frame
            greys = cv2.transform(difference, MEAN_OF_CHANNELS)[mask]
            residual = abs(float(np.median(greys))) / 255 if greys.size else np.nan
            error = float(np.abs(difference)[mask].mean()) if greys.size else np.nan
            rows.append((mask.mean(), residual, error))
        return list(np.array(rows, np.float64).T)

    return analysis.along("warping", step, compute)


@metric(unit="share of frames", better="lower", version=2)
def stutter(analysis: Analysis) -> Scored:
    """Frames that repeat the one before: share of adjacent pairs that hardly differ.

    A pair does if its mean absolute difference is under .05 grey levels, or under a quarter of
    the median over the pairs up to 4 before and after. Range [0, 1]; 1 is a frozen clip. On the
    frames as generated, not on working frames. Which pairs are held is kept.
    """
    need_frames(len(analysis.clip.frames), 2)
    changes = analysis.changes
    around = [np.median(changes[max(0, t - 4) : t + 5]) for t in range(len(changes))]
    held = (changes < HELD_MAE) | (changes < HELD_SHARE * np.array(around))
    return Scored(float(held.mean()), {"held": held.astype(float).tolist()})


@metric(
    unit="share of full scale", better="lower", needs=["flow"], id="bench.metrics.warping.warp_mae"
)
def warp_mae(analysis: Analysis) -> float:
    """Mean over pairs (t, t+s) of |W(x_t+s, f) - x_t| / 255 over valid pixels and channels.

    The warping error of Lai et al. (ECCV 2018), as an absolute error. Range [0, 1]. Pairs with
    under 30% valid pixels are left out. It prefers a frozen clip to any real one.
    """
    valid, _, errors = _warping(analysis)
    return float(errors[reliable(valid)].mean()) / 255


@metric(
    unit="LPIPS", better="lower", needs=["flow", "lpips"], id="bench.metrics.warping.warp_lpips"
)
def warp_lpips(analysis: Analysis) -> float:
    """Mean over pairs (t, t+s) of D(x_t, W(x_t+s, f)) over valid pixels.

    The mask of valid pixels is averaged over the area of each cell of each LPIPS layer, and
    weighs the cell. Range [0, about 1]. Pairs as in `warp_mae`; as blind to a frozen clip.
    """
    pairs = reliable(_warping(analysis)[0])
    return float(analysis.compare_warped(analysis.step).distances[pairs].mean())


@metric(unit="ratio", better="lower", needs=["flow", "lpips"], id="bench.metrics.warping.warp")
def warp(analysis: Analysis) -> float:
    """Change that motion does not explain, as a share of change across the clip.

    warp_lpips / lpips_far. Range [0, about 1.2].
    """
    return warp_lpips(analysis) / travelled(analysis)


@metric(
    unit="ratio", better="lower", needs=["flow", "lpips"], id="bench.metrics.warping.smoothness"
)
def smoothness(analysis: Analysis) -> float:
    """How far each frame is from what its neighbours make of it: mean_t D(x_t, M_t) / lpips_far.

    M_t = 1/2 [W(x_t-s, b/2) + W(x_t+s, a/2)], a and b being the flows from t-s to t+s and back;
    t runs over every frame that has both neighbours. Range [0, about 1.2]; noise gives about 1.
    """
    far = travelled(analysis)
    return float(analysis.compare_halfway(analysis.step).distances.mean()) / far


@metric(unit="share of pixels", better=None, needs=["flow"], id="bench.metrics.warping.occlusion")
def occlusion(analysis: Analysis) -> float:
    """Pixels whose flow is not valid: mean over all pairs (t, t+s) of 1 - their valid share.

    Range [0, 1]. It says how much the warping metrics did not look at: damage hides there.
    """
    return 1 - float(_warping(analysis)[0].mean())
