"""Optical flow between frames of one clip, and where it can be trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from bench.errors import BenchError, Unscored
from bench.storage import fingerprint

MIN_VALID_SHARE = 0.3
MAX_DROPPED_SHARE = 1 / 3
MIN_SIDE_PX = 16  # DIS works on 8-pixel patches; a smaller frame holds no field of them

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


@dataclass(frozen=True, eq=False)
class FlowField:
    """Flow for the frame pairs (t, t + stride), t = 0 .. N-1, in pixels.

    Attributes:
        stride: the distance between the two frames of a pair, in frames.
        forward: float32 `[N, H, W, 2]`, (x, y) displacement from frame t to frame t + stride.
        backward: float32 `[N, H, W, 2]`, from frame t + stride to frame t.
        valid: bool `[N, H, W]`, pixels of frame t whose forward flow is confirmed by the
            backward flow and ends inside the frame.
    """

    stride: int
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def reliable(self) -> NDArray[np.intp]:
        """Indices of the pairs of which at least 30% of the pixels are valid.

        Raises:
            Unscored: if that leaves out more than a third of the pairs.
        """
        kept = np.flatnonzero(self.valid.mean(axis=(1, 2)) >= MIN_VALID_SHARE)
        dropped = len(self.valid) - len(kept)
        if dropped > MAX_DROPPED_SHARE * len(self.valid):
            raise Unscored(f"flow unreliable in {dropped} of {len(self.valid)} frame pairs")
        return kept


Encoded = TypeVar("Encoded")


class FlowMethod(Protocol[Encoded]):
    """What fills the role `flow` in `metrics.backbones`.

    In two steps, so that each frame is looked at once, whatever pairs are asked for.
    """

    def encode(self, frames: NDArray[np.uint8]) -> Encoded:
        """What the method needs to know of each frame of uint8 `[T, H, W, 3]`, RGB."""

    def field(self, encoded: Encoded, stride: int) -> FlowField:
        """Flow both ways between every frame t and t + stride, 1 <= stride < T."""


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016), as OpenCV has it; needs no weights.

    Args:
        preset: `ultrafast`, `fast` or `medium`.
    """

    def __init__(self, preset: str = "medium") -> None:
        if not isinstance(preset, str) or preset not in _PRESETS:
            raise BenchError(
                f"DIS flow: preset must be one of {', '.join(_PRESETS)}, got {preset!r}"
            )
        self.preset = preset
        self.fingerprint = fingerprint({"flow": "DIS", "preset": preset})

    def load(self, device: torch.device) -> None:  # noqa: ARG002 - DIS runs on the CPU only
        """Set the method up; nothing is read from disk."""
        self._dis = cv2.DISOpticalFlow.create(_PRESETS[self.preset])

    def encode(self, frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The frames in grey.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB.

        Returns:
            T times uint8 `[H, W]`.

        Raises:
            Unscored: if the shorter side is under 16 pixels.
        """
        if min(frames.shape[1:3]) < MIN_SIDE_PX:
            raise Unscored(
                f"short side is {min(frames.shape[1:3])} px, flow needs at least {MIN_SIDE_PX}"
            )
        return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]

    def field(self, encoded: Sequence[NDArray[np.uint8]], stride: int) -> FlowField:
        """Flow both ways between every frame t and frame t + stride.

        Args:
            encoded: what `encode` returned.
            stride: distance of a pair in frames, 1 <= stride < T.
        """
        pairs = list(zip(encoded[:-stride], encoded[stride:], strict=True))
        forward = np.stack([self._dis.calc(a, b, None) for a, b in pairs])
        backward = np.stack([self._dis.calc(b, a, None) for a, b in pairs])
        return both_ways(stride, forward, backward)


def both_ways(
    stride: int, forward: NDArray[np.float32], backward: NDArray[np.float32]
) -> FlowField:
    """A field of flows `[N, H, W, 2]`, its valid pixels marked; see `consistent`."""
    valid = np.stack([consistent(f, b) for f, b in zip(forward, backward, strict=True)])
    return FlowField(stride, forward, backward, valid)


def consistent(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose forward and backward flow agree.

    A pixel p is valid iff |f(p) + b(p + f(p))|^2 <= .01 (|f|^2 + |b|^2) + .5 and p + f(p) lies
    inside the frame (Sundaram, Brox and Keutzer, ECCV 2010).

    Args:
        forward: float32 `[H, W, 2]`, pixels.
        backward: float32 `[H, W, 2]`, pixels.

    Returns:
        bool `[H, W]`.
    """
    height, width = forward.shape[:2]
    returned = pull_back(backward, forward)
    closure = _squared_length(forward + returned)
    scale = _squared_length(forward) + _squared_length(returned)
    x, y = places(height, width)
    end_x, end_y = x + forward[..., 0], y + forward[..., 1]
    inside = (end_x >= 0) & (end_x <= width - 1) & (end_y >= 0) & (end_y <= height - 1)
    agreed: NDArray[np.bool_] = (closure <= 0.01 * scale + 0.5) & inside
    return agreed


def _squared_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of `[H, W, 2]`; numpy's sum over so short an axis is slow."""
    x, y = vectors[..., 0], vectors[..., 1]
    squared: NDArray[np.float32] = x * x + y * y
    return squared


def pull_back(
    image: NDArray[np.generic],
    flow: NDArray[np.float32],
    interpolation: int = cv2.INTER_LINEAR,
) -> NDArray[np.float32]:
    """W(image, flow): the image pulled back along the flow, edges replicated.

    Args:
        image: `[H, W]` or `[H, W, C]`, any numeric type.
        flow: float32 `[H, W, 2]`, where each output pixel looks, relative to itself, in pixels.
        interpolation: OpenCV's; cubic overshoots the range of the image.

    Returns:
        float32, shaped like `image`.
    """
    x, y = places(*flow.shape[:2])
    warped: NDArray[np.float32] = cv2.remap(
        image.astype(np.float32),
        x + flow[..., 0],
        y + flow[..., 1],
        interpolation=interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped


@lru_cache(maxsize=4)
def places(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each pixel's x and y, float32 `[H, W]`, read-only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y
