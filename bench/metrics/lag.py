"""The lag curve: likeness against distance in time, so that slow drift is seen."""

from collections.abc import Callable

from bench.errors import Unscored
from bench.metrics.base import Scored, metric
from bench.vision.analysis import Analysis

LAGS_S = (0.25, 0.5, 1.0, 2.0, 4.0)
SHOWN_S = 1.0


@metric(unit="cosine", better="higher", needs=["identity"])
def identity_lag(analysis: Analysis) -> Scored:
    """Likeness of frames one second apart: mean_t cos(t, t + 1 s); the curve is kept.

    Range [-1, 1]. The curve holds lags of .25, .5, 1, 2 and 4 s, each as the nearest number of
    frames; None where the clip is not longer than the lag, or a frame is longer than it.

    Raises:
        Unscored: if the clip is not longer than a second, or is too small.
    """
    return _curve(analysis, "cosine", analysis.likeness)


@metric(unit="LPIPS", better=None, needs=["lpips"])
def lpips_lag(analysis: Analysis) -> Scored:
    """LPIPS of frames one second apart: mean_t D(x_t, x_t + 1 s); the curve is kept.

    Range [0, about 1]. Lags as in `identity_lag`. It grows with motion: shown, never ranked.

    Raises:
        Unscored: if the clip is not longer than a second, or is too small.
    """
    return _curve(analysis, "lpips", lambda lag: float(analysis.lpips(lag).mean()))


def _curve(analysis: Analysis, name: str, at: Callable[[int], float]) -> Scored:
    count, fps = len(analysis.clip.frames), analysis.clip.fps
    if count <= round(SHOWN_S * fps) or round(SHOWN_S * fps) < 1:
        raise Unscored(f"{count} frames at {fps:g} fps, needs more than {SHOWN_S:g} s")
    lags = [round(seconds * fps) for seconds in LAGS_S]
    values = [at(lag) if 1 <= lag < count else None for lag in lags]
    shown = values[LAGS_S.index(SHOWN_S)]
    assert shown is not None
    return Scored(shown, {"lag_s": [lag / fps for lag in lags], name: values})
