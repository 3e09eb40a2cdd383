"""Motion: how much moves, with and without the camera. Gates and context, not merits.

A clip that is too short or too small for flow has no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from bench.metrics.base import metric
from bench.vision.analysis import Analysis, later
from bench.vision.flow import FlowField, ends_inside, lengths, places, pull_back

TOP_SHARE = 0.05
LATTICE, CAMERA_LATTICE = np.s_[::4, ::4], np.s_[::8, ::8]
RANSAC_THRESHOLDS_PX = (0.25, 0.5, 1.0, 2.0, 4.0)
RANSAC_DRAWS = 500
MIN_POINTS = 20
PATCH_PX = 9
MIN_TEXTURE = 4  # mean squared gradient, in grey levels per pixel
MIN_GAIN = 1.0  # grey levels by which the flow must explain a patch better than the camera
MAX_ERROR_SHARE = 0.7
STATE_PAIRS = 8
ACTIVE_CHANGE = 1.5  # grey levels, above what rounding and interpolation leave
REVEALING_CHANGE = 3.0  # grey levels
REVEALING_LEAST_SHARE = 0.02
REVEALING_PLACES = 0.1
REVEALING_BORDER_PX = 4


@dataclass(frozen=True)
class MotionState:
    """What happens in a clip at all, over a quarter of a second.

    Attributes:
        subject: motion that no camera explains, see `subject_speeds`; short sides per second.
        unexplained: share of the change that is left once the camera's motion and a change of
            light over the whole frame are taken away; about 1 for grain too.
        active: share of the picture that changes at all.
        raw: all motion, see `raw_speeds`; short sides per second.
        revealed: share of the change that shows something new, see `revealed`.
    """

    subject: float
    unexplained: float
    active: float
    raw: float
    revealed: float


@metric(unit="short sides per second", better=None, version=2, needs=["flow"])
def dynamics(analysis: Analysis) -> float:
    """Motion that no movement of the camera explains; see `subject_speeds`.

    Mean over pairs (t, t+s). Range [0, about 5]. A zoom or a pan over a photograph gives under
    .002, over a drawing with repeated patterns up to .021; the calmest real clip has .043.
    """
    return float(subject_speeds(analysis, analysis.step).mean())


@metric(unit="short sides per second", better=None, version=2, needs=["flow"])
def dynamics_raw(analysis: Analysis) -> float:
    """All motion, the camera's included: mean over pairs of the 5% largest flow magnitudes."""
    return float(raw_speeds(analysis, analysis.step).mean())


def subject_speeds(analysis: Analysis, stride: int) -> NDArray[np.float64]:
    """How fast things move against what the camera does, for each pair (t, t+stride).

    The affine motion that explains most (see `_Pair.camera`) is the camera's. What the flow says
    beyond it (mean of 3x3) counts at points that are valid, textured (mean squared gradient of
    9x9 above 4) and explained by the flow but not by the camera: with the mean absolute errors
    Ed and Ea of 9x9 grey levels after either motion, Ea - Ed > 1 and Ed < .7 Ea. The mean of the
    5% largest of all points on a 4-pixel lattice, others being 0. Errors of the flow on flat or
    repeated ground so do not pass for a subject.

    Returns:
        float64 `[T - stride]`, short sides of the frame per second.
    """

    def compute(part: slice) -> list[NDArray[np.float64]]:
        field = analysis.flow(stride, part)
        frames = zip(analysis.frames[part], analysis.frames[later(part, stride)], strict=True)
        pairs = map(_Pair.of, frames, field.forward, field.valid)
        return [np.array([pair.subject_px() for pair in pairs]) * _scale(analysis, field)]

    return analysis.along("subject speeds", stride, compute)[0]


def raw_speeds(analysis: Analysis, stride: int, part: slice | None = None) -> NDArray[np.float64]:
    """Mean of the 5% largest flow magnitudes on a 4-pixel lattice, for each pair (t, t+stride).

    Returns:
        float64 `[T - stride]`, short sides of the frame per second; of a part, `[N]`.
    """

    def compute(part: slice) -> list[NDArray[np.float64]]:
        field = analysis.flow(stride, part)
        speeds = [mean_of_largest(lengths(flow[LATTICE]), TOP_SHARE) for flow in field.forward]
        return [np.array(speeds) * _scale(analysis, field)]

    return analysis.along("raw speeds", stride, compute, part)[0]


def motion_state(analysis: Analysis, stride: int, start: int, stop: int) -> MotionState:
    """What happens between frames t and t + stride; means over 8 pairs spread over a window.

    A place changes if the largest channel's absolute difference, averaged over 9x9 pixels, is
    above 1.5 grey levels. The change left is the mean absolute error of grey levels after the
    camera's motion and the gain and offset that fit best, where the camera keeps the picture
    inside the frame; its share is of the error before.

    Args:
        analysis: of the clip.
        stride: frames between the two of a pair.
        start: first frame of the window.
        stop: first frame behind it.
    """
    window = slice(start, stop - stride)
    field = analysis.flow(stride, window)
    pairs = np.unique(np.linspace(start, stop - 1 - stride, STATE_PAIRS).round().astype(int))
    states = []
    for t in pairs.tolist():
        frames = analysis.frames[t], analysis.frames[t + stride]
        pair = _Pair.of(frames, field.forward[t - start], field.valid[t - start])
        changed = _patch_mean(_largest(cv2.absdiff(*frames))) > ACTIVE_CHANGE
        states.append((pair.subject_px(), pair.unexplained(), float(changed.mean())))
    subject, unexplained, active = np.mean(states, axis=0).tolist()
    raw = float(raw_speeds(analysis, stride, window)[pairs - start].mean())
    return MotionState(
        subject * _scale(analysis, field),
        unexplained,
        active,
        raw,
        revealed(analysis, start, stop),
    )


def revealed(analysis: Analysis, start: int, stop: int) -> float:
    """What no bending of the first or the last frame explains: whether anything new is shown.

    For each of both frames x_a and those at the quarters of the window, x_k: the largest
    channel's |x_k - x_a| and |W(x_k, f) - x_a|, averaged over 9x9 pixels, f being the flow from a
    to k. Of the second over the first plus 1, where the first is above 3 grey levels, the 90%
    quantile over places; its mean over the pairs in which 2% of the places change. 1 if none
    does. A picture seen through moving water has .36 to .53 (waves of .5% to 1% of the short
    side); where a thing moves, it hides and reveals: footage has .63 and more.
    """
    return analysis.once(("revealed", start, stop), lambda: _revealed(analysis, start, stop))


def _revealed(analysis: Analysis, start: int, stop: int) -> float:
    inner = slice(REVEALING_BORDER_PX, -REVEALING_BORDER_PX)
    last = stop - 1
    quarters = [start + round((last - start) * share) for share in (0.25, 0.5, 0.75)]
    pairs = [(start, k) for k in (*quarters, last)] + [(last, k) for k in (start, *quarters)]
    shares = []
    for a, k in pairs:
        target = analysis.frames[a].astype(np.float32)
        bent = pull_back(analysis.frames[k], analysis.flow_between(a, k), cv2.INTER_CUBIC)
        plain, left = (
            _patch_mean(_largest(np.abs(frame - target)))[inner, inner]
            for frame in (analysis.frames[k].astype(np.float32), bent)
        )
        changed = plain > REVEALING_CHANGE
        if changed.mean() >= REVEALING_LEAST_SHARE:
            shares.append(np.quantile(left[changed] / (plain[changed] + 1), 1 - REVEALING_PLACES))
    return float(np.mean(shares)) if shares else 1.0


@dataclass(eq=False)
class _Pair:
    """Two frames in grey levels `[H, W]`, the flow `[H, W, 2]` between them, and where it holds."""

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    flow: NDArray[np.float32]
    valid: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        frames: Sequence[NDArray[np.uint8]],
        flow: NDArray[np.float32],
        valid: NDArray[np.bool_],
    ) -> "_Pair":
        """That of two frames `[H, W, 3]`."""
        first, second = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) for f in frames)
        return cls(first, second, flow, valid)

    @cached_property
    def camera(self) -> NDArray[np.float32] | None:
        """The affine motion of the camera, `[H, W, 2]`; None if no motion explains enough points.

        Of the motions that RANSAC finds at several thresholds in the valid flow on an 8-pixel
        lattice, the one after which the frames differ least (median on the lattice): where the
        flow is wrong over wide areas, as on repeated patterns, most points may agree on a wrong
        motion, but the pictures do not.
        """
        x, y = places(*self.first.shape)
        valid = self.valid[CAMERA_LATTICE]
        start = np.stack([x[CAMERA_LATTICE], y[CAMERA_LATTICE]], axis=-1)[valid]
        if len(start) < MIN_POINTS:
            return None
        best, least = None, np.inf
        for threshold_px in RANSAC_THRESHOLDS_PX:
            affine, _ = cv2.estimateAffine2D(
                start,
                start + self.flow[CAMERA_LATTICE][valid],
                method=cv2.RANSAC,
                ransacReprojThreshold=threshold_px,
                maxIters=RANSAC_DRAWS,
            )
            if affine is None:
                continue
            (a, b, c), (d, e, f) = affine.astype(np.float32)
            end = a * x[LATTICE] + b * y[LATTICE] + c, d * x[LATTICE] + e * y[LATTICE] + f
            shown = cv2.remap(self.second, *end, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            error = float(np.median(np.abs(shown - self.first[LATTICE])))
            if error < least:
                best = np.stack([(a - 1) * x + b * y + c, d * x + (e - 1) * y + f], -1)
                least = error
        return best

    def subject_px(self) -> float:
        """How far the fastest points go against the camera; see `subject_speeds`."""
        if self.camera is None:
            return 0.0
        by_flow, by_camera = (self._error_after(motion) for motion in (self.flow, self.camera))
        gradients = [cv2.Sobel(self.first, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1))]
        textured = _patch_mean(gradients[0] ** 2 + gradients[1] ** 2) > MIN_TEXTURE
        explained = (by_camera - by_flow > MIN_GAIN) & (by_flow < MAX_ERROR_SHARE * by_camera)
        left = cv2.blur(np.hypot(*np.moveaxis(self.flow - self.camera, -1, 0)), (3, 3))
        speeds = (left * (self.valid & textured & explained))[LATTICE]
        return mean_of_largest(speeds, TOP_SHARE)

    def unexplained(self) -> float:
        """Share of the change that camera and light do not explain; see `motion_state`."""
        left = change = np.abs(self.second - self.first)
        inside = np.ones_like(change, bool)
        if self.camera is not None:
            within: NDArray[np.bool_] = ends_inside(torch.from_numpy(self.camera)).numpy()
            if within.any():
                shown, inside = pull_back(self.second, self.camera), within
                lit = shown[inside], self.first[inside]
                gain, offset = np.polyfit(*lit, 1) if shown.std() > 0 else (1.0, 0.0)
                left = np.abs(np.float32(gain) * shown + np.float32(offset) - self.first)
        return min(1.0, float(left[inside].mean() / max(change[inside].mean(), 1e-3)))

    def _error_after(self, motion: NDArray[np.float32]) -> NDArray[np.float32]:
        return _patch_mean(np.abs(pull_back(self.second, motion) - self.first))


def _scale(analysis: Analysis, field: FlowField) -> float:
    """From pixels per pair to short sides per second."""
    return analysis.clip.fps / field.stride / float(min(field.forward.shape[1:3]))


def _largest(changes: NDArray[Any]) -> NDArray[np.float32]:
    """Of the channels of `[H, W, 3]`; over a last axis of three numpy takes 16 times as long."""
    largest: NDArray[np.float32] = np.maximum.reduce(cv2.split(changes)).astype(np.float32)
    return largest


def mean_of_largest(values: NDArray[Any], share: float) -> float:
    """Of that share of all values, and of one at least."""
    ordered = np.sort(values, axis=None)
    return float(ordered[-max(1, round(share * len(ordered))) :].mean())


def _patch_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = cv2.blur(values, (PATCH_PX, PATCH_PX))
    return mean
