"""What a pipeline calls frames: held against what a video is, and turned into one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import ClipError

# Values may leave 0..1 by rounding; further out something is wrong.
_OVERSHOOT = 1e-3
_FLAT = 1 / 255  # a frame whose pixels differ by less is of one colour


def to_frames(answer: Any, *, flat_allowed: bool = False) -> NDArray[np.uint8]:  # noqa: ANN401 - see below
    """What a pipeline calls frames, as uint8 `[T, H, W, 3]`.

    Args:
        answer: floats in 0..1, `[1, T, H, W, 3]` or `[T, H, W, 3]`, as an array or a list.
        flat_allowed: accept frames of one colour each.

    Raises:
        ClipError: if it is anything else, is not finite, or shows nothing.
    """
    frames = np.asarray(answer)
    if frames.ndim == 5 and len(frames) == 1:
        frames = frames[0]
    if frames.ndim != 4 or frames.shape[-1] != 3 or not np.issubdtype(frames.dtype, np.floating):
        raise ClipError(
            "expected float frames [T, H, W, 3] of the pipeline, "
            f"came {frames.dtype} {list(frames.shape)}"
        )
    finite = np.isfinite(frames)
    if not finite.all():
        share = 1 - finite.mean()
        raise ClipError(f"expected finite pixels, {share:.0%} of them are NaN or infinite")
    low, high = float(frames.min()), float(frames.max())
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        raise ClipError(f"expected pixels from 0 to 1, came {low:.3g} to {high:.3g}")
    spread = np.ptp(frames.reshape(len(frames), -1, 3), axis=1).max()
    if spread < _FLAT and not flat_allowed:
        colour = ", ".join(f"{value:.2f}" for value in frames.mean(axis=(0, 1, 2)))
        raise ClipError(
            f"the pipeline gave {len(frames)} frames that show nothing, all of one colour "
            f"(about {colour} of 1): see model.call and model.load.dtype"
        )
    whole: NDArray[np.uint8] = np.rint(frames.clip(0, 1) * 255).astype(np.uint8)
    return whole
