"""Identity: whether what the clip shows stays the same, and true to the picture it began with.

cos(t, u) is the cosine of the identity network's embeddings of frames t and u, in [-1, 1]; 1 is the
same thing. A frozen clip has 1 everywhere, so none of these ranks a clip alone. The columns `i2v_*`
hold an image-to-video clip against its conditioning image, and have no value where there is none;
the others have none of a clip that is too short for what they compare.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored, need_frames
from bench.metrics.base import Scored, metric
from bench.vision.analysis import LAGS_S, Analysis

SHOWN_S = 1.0

_ROUNDING = 1e-12  # of the fit: embeddings are float32, so that no drift is this slow


@metric(unit="cosine", better="higher", needs=["identity"])
def identity_first(analysis: Analysis) -> Scored:
    """Likeness to the first frame: mean over t >= 1 of cos(0, t).

    The curve is kept.
    """
    alike = _to_first(analysis, needed=2)
    times_s = np.arange(1, len(alike) + 1) / analysis.clip.fps
    return Scored(float(alike.mean()), {"time_s": times_s.tolist(), "cosine": alike.tolist()})


@metric(unit="cosine", better="higher", needs=["identity"])
def identity_min(analysis: Analysis) -> float:
    """Likeness to the first frame where it is lowest: min over t >= 1 of cos(0, t)."""
    return float(_to_first(analysis, needed=2).min())


@metric(unit="cosine", better="higher", needs=["identity"])
def identity_adjacent(analysis: Analysis) -> float:
    """Likeness over one time step: mean_t cos(t, t+s)."""
    return analysis.likeness(analysis.step)


@metric(unit="cosine per second", better="higher", needs=["identity"])
def identity_slope(analysis: Analysis) -> float:
    """Drift from the first frame: slope of the line that fits cos(0, t), t >= 1, best.

    Least squares over time in seconds. Below 0 for a clip that drifts away, 0 for a frozen one.
    """
    alike = _to_first(analysis, needed=3)
    seconds = np.arange(1, len(alike) + 1) / analysis.clip.fps
    slope = float(np.polyfit(seconds, alike, 1)[0])
    return slope if abs(slope) > _ROUNDING else 0.0


@metric(unit="cosine", better="higher", needs=["identity"], id="bench.metrics.lag.identity_lag")
def identity_lag(analysis: Analysis) -> Scored:
    """Likeness of frames one second apart: mean_t cos(t, t + 1 s); the curve is kept.

    Range [-1, 1]. The curve holds lags of .25, .5, 1, 2 and 4 s, each as the nearest number of
    frames; None where the clip is not longer than the lag, or a frame is longer than it.
    """
    return _curve(analysis, "cosine", analysis.likeness)


@metric(unit="LPIPS", better=None, needs=["lpips"], id="bench.metrics.lag.lpips_lag")
def lpips_lag(analysis: Analysis) -> Scored:
    """LPIPS of frames one second apart: mean_t D(x_t, x_t + 1 s); the curve is kept.

    Range [0, about 1]. Lags as in `identity_lag`. It grows with motion: shown, never ranked.
    """
    return _curve(analysis, "lpips", lambda lag: float(analysis.lpips(lag).mean()))


@metric(
    unit="LPIPS",
    better="lower",
    needs=["lpips"],
    prompted=True,
    id="bench.metrics.fidelity.i2v_first",
)
def i2v_first(analysis: Analysis) -> float:
    """D(image, x_0): LPIPS of the conditioning image, cropped as the model got it, and frame 0.

    Range [0, about 1]; 0 is a first frame that is the image.
    """
    return float(analysis.lpips_to_reference[0])


@metric(
    unit="LPIPS",
    better="lower",
    needs=["lpips"],
    prompted=True,
    id="bench.metrics.fidelity.i2v_mean",
)
def i2v_mean(analysis: Analysis) -> float:
    """mean_t D(image, x_t): how far the clip as a whole is from its conditioning image.

    Range [0, about 1]. It grows with motion too, so read it beside `dynamics`.
    """
    return float(analysis.lpips_to_reference.mean())


@metric(
    unit="cosine",
    better="higher",
    needs=["identity"],
    prompted=True,
    id="bench.metrics.fidelity.i2v_identity_first",
)
def i2v_identity_first(analysis: Analysis) -> float:
    """Likeness of the conditioning image and frame 0, as the identity network sees them.

    Range [-1, 1]; 1 is the same thing.
    """
    return float(analysis.likeness_to_reference[0])


@metric(
    unit="cosine",
    better="higher",
    needs=["identity"],
    prompted=True,
    id="bench.metrics.fidelity.i2v_identity_mean",
)
def i2v_identity_mean(analysis: Analysis) -> float:
    """Likeness of the conditioning image and the clip, mean over all frames.

    Range [-1, 1]; 1 is the same thing throughout.
    """
    return float(analysis.likeness_to_reference.mean())


def _to_first(analysis: Analysis, needed: int) -> NDArray[np.float64]:
    """cos(0, t) for t = 1 .. T-1."""
    need_frames(len(analysis.clip.frames), needed)
    frames = analysis.identity.astype(np.float64)
    alike: NDArray[np.float64] = frames[1:] @ frames[0]
    return alike


def _curve(analysis: Analysis, name: str, at: Callable[[int], float]) -> Scored:
    count, fps = len(analysis.clip.frames), analysis.clip.fps
    if count <= round(SHOWN_S * fps) or round(SHOWN_S * fps) < 1:
        raise Unscored(f"{count} frames at {fps:g} fps, needs more than {SHOWN_S:g} s")
    lags = [round(seconds * fps) for seconds in LAGS_S]
    values = [at(lag) if 1 <= lag < count else None for lag in lags]
    value = values[LAGS_S.index(SHOWN_S)]
    assert value is not None
    return Scored(value, {"lag_s": [lag / fps for lag in lags], name: values})
