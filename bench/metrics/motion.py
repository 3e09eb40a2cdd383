"""Motion: how much moves, with and without the camera. Gates and context, not merits."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored
from bench.metrics.base import metric
from bench.vision.analysis import Analysis

TOP_SHARE = 0.05
LATTICE_PX = 4
RANSAC_THRESHOLD_PX = 1.0
MIN_POINTS = 16


@metric(unit="short sides per second", better=None, needs=["flow"])
def dynamics(analysis: Analysis) -> float:
    """Motion that no movement of the camera explains.

    Per pair (t, t+s): the flow left after the affine motion that fits most valid points
    (RANSAC) is taken away; the mean of its 5% largest magnitudes over valid pixels; averaged
    over pairs, in short sides of the frame per second. Range [0, about 5].

    Raises:
        Unscored: if no pair has enough valid flow.
    """
    return _speed(analysis, remove_camera=True)


@metric(unit="short sides per second", better=None, needs=["flow"])
def dynamics_raw(analysis: Analysis) -> float:
    """All motion, the camera's included: as `dynamics`, nothing taken away.

    Raises:
        Unscored: if no pair has enough valid flow.
    """
    return _speed(analysis, remove_camera=False)


def _speed(analysis: Analysis, *, remove_camera: bool) -> float:
    field = analysis.flow(analysis.step)
    y, x = np.mgrid[0 : field.forward.shape[1], 0 : field.forward.shape[2]]
    points = np.stack([x, y], axis=-1)[::LATTICE_PX, ::LATTICE_PX].astype(np.float32)
    speeds = []
    for flow, valid in zip(field.forward, field.valid, strict=True):
        chosen = valid[::LATTICE_PX, ::LATTICE_PX]
        if chosen.sum() < MIN_POINTS:
            continue
        start = points[chosen]
        moved = flow[::LATTICE_PX, ::LATTICE_PX][chosen]
        if remove_camera:
            moved = moved - _camera(start, moved)
        magnitude = np.sort(np.linalg.norm(moved, axis=-1))
        top = max(1, round(TOP_SHARE * len(magnitude)))
        speeds.append(float(magnitude[-top:].mean()))
    if not speeds:
        raise Unscored("no frame pair has enough valid flow")
    short_side = min(field.forward.shape[1:3])
    pairs_per_second = analysis.clip.fps / field.stride
    speed: float = float(np.mean(speeds)) / short_side * pairs_per_second
    return speed


def _camera(start: NDArray[np.float32], moved: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of the displacements `[N, 2]` that one affine motion explains."""
    affine, _ = cv2.estimateAffine2D(
        start, start + moved, ransacReprojThreshold=RANSAC_THRESHOLD_PX
    )
    if affine is None:  # too few points agree on any camera motion
        return np.zeros_like(moved)
    explained: NDArray[np.float32] = start @ affine[:, :2].T + affine[:, 2] - start
    return explained.astype(np.float32)
