"""The grid of a constant rate on which frames stand, from the times that a file gives them."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import ClipError, first_of
from bench.video.film import DEFAULT_DELAY_S, Film

# Writers of animations merge equal frames into one of a longer delay. A video that leaves out more
# than this share of its frames has a variable rate.
_HELD_SHARE_ALLOWED = 0.1
_UNEVEN_SHARE_ALLOWED = 0.02
_JITTER = 0.25  # of a step by which one frame may come early or late
_DRIFT = 0.06  # by which the rate of a few frames may differ from that of the clip
_DRIFT_FRAMES = 8
_RATE_TOLERANCE = 0.0005  # 30 is not 30000/1001


def on_grid(
    film: Film, count: int, resample: float | None, path: Path
) -> tuple[NDArray[np.int_], float]:
    """How often each frame is shown at a constant rate, and that rate."""
    inner_s = film.lengths_s[:-1]  # whose end is the time of another frame
    if not inner_s.size:  # a single frame, or no times
        counts = np.ones(count, int)
        still_s = float(film.lengths_s.sum())
        if not film.rates and not still_s:
            raise ClipError(f"{path}: expected a frame rate, the file gives none")
        fps = film.rates[0] if film.rates else 1 / still_s
        if (length := round(still_s / DEFAULT_DELAY_S)) > 1:
            counts, fps = np.array([length]), 1 / DEFAULT_DELAY_S
            film.remarks.append(
                f"1 frame that stands for {still_s:.2f} s is {length} at {fps:g} fps"
            )
    else:
        step_s = _grid_step_s(inner_s, film)
        usual_s = step_s or float(np.median(inner_s))
        if usual_s <= 0:
            raise ClipError(f"{path}: expected one frame after the other, most have the same time")
        counts = np.maximum(1, np.rint(film.lengths_s / usual_s)).astype(int)
        fps = _rate(usual_s, len(inner_s), film)
        is_variable = step_s is None or (counts[:-1] > 1).mean() > _HELD_SHARE_ALLOWED
        if is_variable and not (film.is_animation and step_s):
            described = (
                f"frames last from {inner_s.min() * 1000:.0f} to {inner_s.max() * 1000:.0f} ms"
            )
            if resample is None:
                raise ClipError(
                    f"{path}: expected a constant frame rate, {described}: type "
                    f"model.resample={fps:.4g} with model=folder, or convert it, as with "
                    f"ffmpeg -i IN -r {fps:.4g} OUT"
                )
            times_s = np.concatenate([[0], np.cumsum(film.lengths_s)])
            counts, fps = np.diff(np.rint(times_s * resample)).astype(int), resample
            film.remarks.append(f"{described}, resampled to {fps:g} fps")
        else:
            film.remarks.extend(_held(counts, fps, film))
    return counts, fps


def _grid_step_s(lengths_s: NDArray[np.float64], film: Film) -> float | None:
    """Seconds between the frames of a constant rate of which some may be left out.

    `lengths_s` are from each frame to the next. None if no rate fits: most of the frames that
    follow each other at once must come within `_JITTER` of when they should, and a few of them
    must not go faster or slower than all do. Delays of an animation are exact, but for rounding.
    """
    tick_s = film.tick_s
    shortest_s = float(lengths_s.min())
    for guess_s in (float(np.median(lengths_s)), shortest_s, shortest_s / 2, shortest_s / 3):
        step_s = guess_s
        for _ in range(2):
            if step_s <= 0:  # frames of the same time
                return None
            counts = np.maximum(1, np.rint(lengths_s / step_s))
            adjacent = counts == counts.min()
            step_s = float(lengths_s[adjacent].sum() / counts[adjacent].sum())
        if step_s <= 0:
            return None
        few = counts <= 3 * counts.min()  # a long pause need not be of whole frames
        late_s = np.abs(lengths_s - counts * step_s)
        allowed_s = (
            _rounding_s(counts, step_s, tick_s)
            if film.is_animation
            else (_JITTER * step_s + tick_s)
        )
        uneven = (late_s > allowed_s)[few].mean()
        run_s = (lengths_s / counts)[adjacent]
        window = max(1, min(_DRIFT_FRAMES, len(run_s) // 2))
        local_s = np.convolve(run_s, np.full(window, 1 / window), "valid")
        drift = (np.abs(local_s - step_s) - tick_s / window).max() / step_s
        if uneven <= _UNEVEN_SHARE_ALLOWED and drift <= _DRIFT:
            return step_s
    return None


def _rounding_s(counts: NDArray[np.float64], step_s: float, tick_s: float) -> NDArray[np.float64]:
    """By how much delays of whole frames may differ from so many steps, when all were rounded.

    Of frames that stand for one step, no two may be further apart than a tick; where none does,
    the step was guessed, and a coarse tick must not make any guess fit.
    """
    if counts.min() > 1:
        return np.full(counts.shape, min(tick_s, _JITTER * step_s))
    held_s = np.minimum(counts * tick_s, max(1.001 * tick_s, _JITTER * step_s))
    return np.where(counts == 1, 0.999 * tick_s, held_s)


def _rate(step_s: float, count: int, film: Film) -> float:
    """The declared rate that the times bear out, else that of the times: those are played."""
    tolerance = _RATE_TOLERANCE + film.tick_s / (count * step_s)
    nearest = min(film.rates, key=lambda rate: abs(rate * step_s - 1), default=0.0)
    if abs(nearest * step_s - 1) <= tolerance:
        return nearest
    return float(Fraction(1 / step_s).limit_denominator(1001))


def _held(counts: NDArray[np.int_], fps: float, film: Film) -> Iterator[str]:
    """What to say of frames that stand longer than one step of the grid."""
    (held,) = np.nonzero(counts > 1)
    if held.size and film.is_animation:
        yield f"{len(counts)} frames of unequal delay are {counts.sum()} at {fps:.4g} fps"
    elif held.size:
        holes = [f"frame {at} stands for {counts[at]} ({counts[at] / fps:.2f} s)" for at in held]
        yield f"holes in its times: at {fps:.4g} fps {first_of(holes, 3)}"
