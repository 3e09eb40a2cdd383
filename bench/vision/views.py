"""Views: what one pass over the frames as generated leaves for all who ask about them."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.clip import Streamed
from bench.video import shrink, shrunk_size
from bench.vision.identity import IdentityNetwork

WORKING_SIDE_PX, REDUCED_SIDE_PX = 256, 128
"""Short sides of working frames, and of those that the headline is measured on."""

SAMPLED_FRAMES = 8

STILL_BYTES = 2**28
"""Sampled frames that are larger than this together are decoded once more, not kept."""

BLOCK_FRAMES, BLOCK_BYTES = 16, 2**26
"""At most so much of a clip that is decoded on the way is shown to a network at once."""


@dataclass(frozen=True, eq=False)
class Views:
    """What is seen of a clip's frames; the last two of a clip that is streamed alone."""

    smaller: Mapping[int, NDArray[np.uint8]]
    """Short side to frames `[T, h, w, 3]` reduced to it; see `reduced`."""
    changes: NDArray[np.float64]
    """Mean absolute difference of adjacent frames, grey levels, `[T - 1]`."""
    stills: Mapping[int, NDArray[np.uint8]]
    """Index to frame `[H, W, 3]`, of `sampled`; none if they are too large to keep."""
    encoded: Mapping[str, NDArray[np.float32]]
    """Role of a network to its vectors `[T, D]`; without those that failed."""


def look(frames: NDArray[np.uint8], networks: Mapping[str, IdentityNetwork]) -> Views:
    """Go through frames `[T, H, W, 3]` once.

    `networks`, by role, are shown those that are streamed.
    """
    count, height, width = frames.shape[:3]
    is_streamed, frame_bytes = isinstance(frames, Streamed), height * width * 3
    smaller: dict[int, NDArray[np.uint8]] = {}
    for side_px in (WORKING_SIDE_PX, REDUCED_SIDE_PX):
        if is_streamed or side_px < min(height, width):
            smaller[side_px] = _room(frames, side_px)
    changes = np.empty(count - 1)
    places = sampled(count).tolist() if is_streamed else []
    keeps = len(places) * frame_bytes <= STILL_BYTES
    stills: dict[int, NDArray[np.uint8]] = {}
    encoded: dict[str, list[NDArray[np.float32]]]
    encoded = {role: [] for role in networks} if is_streamed else {}
    block: list[NDArray[np.uint8]] = []
    most = max(1, min(BLOCK_FRAMES, BLOCK_BYTES // frame_bytes))
    before = None
    for t, frame in enumerate(frames):
        for side_px, small in smaller.items():
            small[t] = shrink(frame, side_px)
        if before is not None:
            changes[t - 1] = cv2.norm(before, frame, cv2.NORM_L1) / frame.size
        before = frame
        if keeps and t in places:
            stills[t] = frame
        if not encoded:
            continue
        block.append(frame)
        if len(block) == most or t == count - 1:
            for role in list(encoded):
                try:
                    encoded[role].append(networks[role].encode(np.stack(block)))
                except Exception:  # whoever asks for it will hear
                    del encoded[role]
            block = []
    joined = {role: np.concatenate(parts) for role, parts in encoded.items() if parts}
    return Views(smaller, changes, stills, joined)


def sampled(count: int) -> NDArray[np.intp]:
    """8 of so many frames, from the first to the last, evenly spaced, int `[N]`; all of fewer."""
    return np.rint(np.linspace(0, count - 1, min(SAMPLED_FRAMES, count))).astype(np.intp)


def reduced(frames: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Frames `[T, H, W, 3]` at a short side, by an area filter, never enlarged.

    In memory of their own that can be written.
    """
    if side_px >= min(frames.shape[1:3]):
        return np.require(frames, requirements=["C", "W"])
    smaller = _room(frames, side_px)
    for frame, place in zip(frames, smaller, strict=True):
        place[:] = shrink(frame, side_px)
    return smaller


def _room(frames: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Where frames fit once they are shrunk."""
    count, height, width = frames.shape[:3]
    return np.empty((count, *shrunk_size(height, width, side_px), 3), np.uint8)
