"""Controlled variants of a piece of footage: faults in steps, worthless clips, harmless changes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.clip import Clip
from bench.faults.registry import FAULTS
from bench.validation.footage import Piece, every, resized

ORIGINAL = "original"

LADDERS = ("flicker", "noise", "wobble", "drift", "pop", "order", "hold", "cut")
"""Faults every step of which must cost."""

CONTENT = ("vanish", "morph")
"""Faults of what is shown, which are harder to see."""

MORE = ("swap", "drop", "half_resolution", "lossy")
"""Faults that are only reported."""

WORTHLESS: dict[str, tuple[str, float]] = {
    "frozen": ("still", 1),
    "frozen + noise": ("still_noise", 2),
    "pure noise": ("pure_noise", 1),
    "shuffled": ("shuffle", 1),
    "zoomed still 5%": ("zoom_still", 0.05),
    "zoomed still 15%": ("zoom_still", 0.15),
    "zoomed still 30%": ("zoom_still", 0.30),
    "panned still 15%": ("pan_still", 0.15),
}
"""Clips that hold nothing together, whatever simple metrics say: name to fault and level."""

RATES = ("full frame rate", "12 fps")
DOUBLE, LOSSY = "twice the resolution", "H.264 crf 18"
HARMLESS = (*RATES, DOUBLE, LOSSY)
"""Changes that must hardly change a score."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One clip to be scored.

    Attributes:
        kind: of what: ORIGINAL, a fault of LADDERS, CONTENT or MORE, a name of WORTHLESS or
            HARMLESS.
        level: step of the ladder, from 1; 0 where there are no steps.
        clip: the clip.
    """

    kind: str
    level: int
    clip: Clip


def variants(piece: Piece, donor: NDArray[np.uint8]) -> Iterator[Variant]:
    """Every variant of a piece, the original first.

    Faults are done at 8 frames per second and at the piece's size; all levels of one fault share a
    pattern.

    Args:
        piece: the piece.
        donor: frames of another one, to which a spliced cut leads.
    """
    small = piece.small
    yield Variant(ORIGINAL, 0, small)
    for fault in (*LADDERS, *CONTENT, *MORE):
        for step, level in enumerate(FAULTS[fault].ladder, 1):
            if fault == "cut":
                frames = spliced(small.frames, donor)
            else:
                frames = FAULTS[fault](small.frames, level, _rng(piece, fault))
            yield Variant(fault, step, replace(small, frames=frames))
    for name, (fault, level) in WORTHLESS.items():
        frames = FAULTS[fault](small.frames, level, _rng(piece, fault))
        yield Variant(name, 0, replace(small, frames=frames))
    yield from _harmless(piece)


def spliced(frames: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The clip up to its middle, then another one, fitted to its size and played over if short."""
    count, height, width = frames.shape[:3]
    half = count // 2
    after = [
        cv2.resize(other[t % len(other)], (width, height), interpolation=cv2.INTER_AREA)
        for t in range(half, count)
    ]
    return np.concatenate([frames[:half], np.stack(after)])


def _harmless(piece: Piece) -> Iterator[Variant]:
    small, slow = piece.small, piece.slow
    native = resized(piece.clip, min(small.frames.shape[1:3]))
    strides = dict(zip(RATES, (1, 2), strict=True))
    for name, stride in strides.items():
        if native.fps / stride > 1.2 * small.fps:  # else it is the original
            yield Variant(name, 0, every(native, stride))
    if min(slow.frames.shape[1:3]) == 2 * piece.size_px:
        yield Variant(DOUBLE, 0, slow)
    lossy = FAULTS["lossy"](slow.frames, 18, _rng(piece, "lossy"))
    yield Variant(LOSSY, 0, resized(replace(slow, frames=lossy), piece.size_px))


def _rng(piece: Piece, fault: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{piece.name} {fault}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))
