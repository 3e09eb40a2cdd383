"""Controlled variants of a piece of footage: faults in steps, negative controls, harmless ones."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.clip import Clip
from bench.faults.registry import FAULTS
from bench.prompts import Motion
from bench.validation.footage import Piece, every, shrink_clip

ORIGINAL = "original"

LADDERS = ("flicker", "noise", "wobble", "drift", "pop", "order", "hold", "cut")
"""Faults every step of which must cost."""

CONTENT = ("vanish", "morph")
"""Faults of what is shown, which are harder to see."""

FAMILIES = (
    *("stick", "boil", "freeze_part", "delay_part", "mirror_part", "recolour_part", "melt"),
    *("swell", "stretch", "swirl", "wobble_part", "wobble_background", "duplicate", "detach"),
    *("teleport", "fade_part", "light_part"),
    *("crossfade", "ghost", "judder", "shake", "tear", "blocks", "hue_drift", "soften"),
)
"""Faults that generators show, most of a part of the picture; no constant is fitted to them."""

MORE = ("swap", "drop", "half_resolution", "lossy", "blur")
"""Faults of which coherence promises nothing."""

LOOKS = ("half_resolution", "lossy", "blur", "noise")
"""Faults that every single frame shows, and that must cost technical quality."""


@dataclass(frozen=True)
class NegativeControl:
    """A clip that holds nothing together, or in which nothing happens, whatever it pretends."""

    fault: str  # that makes it
    level: float = 1
    motion: Motion = "subject"  # what the prompt wants moved; `any` without a prompt


NEGATIVE_CONTROLS: dict[str, NegativeControl] = {
    "still": NegativeControl("still"),
    "still + grain": NegativeControl("still_noise", 2),
    "pure noise": NegativeControl("pure_noise"),
    "shuffled": NegativeControl("shuffle"),
    "zoomed still 5%": NegativeControl("zoom_still", 0.05),
    "zoomed still 15%": NegativeControl("zoom_still", 0.15),
    "zoomed still 30%": NegativeControl("zoom_still", 0.30),
    "panned still 15%": NegativeControl("pan_still", 0.15),
    "still + logo": NegativeControl("logo_still", 0.02),
    "rippling still": NegativeControl("ripple_still", 0.01),
    "pulsing still": NegativeControl("pulse_still", 0.2),
    "slideshow": NegativeControl("slideshow"),
}
"""Clips that must score next to nothing, whatever simple metrics say, by what tables call them."""
_ONCE = ("pure noise", "shuffled", "zoomed still 5%", "zoomed still 30%")  # the others also so:
NEGATIVE_CONTROLS |= {
    f"{name}, no prompt": replace(control, motion="any")
    for name, control in NEGATIVE_CONTROLS.items()
    if name not in _ONCE
}

RATES = ("full frame rate", "12 fps")
DOUBLE, LOSSY = "twice the resolution", "H.264 crf 18"
HARMLESS = (*RATES, DOUBLE, LOSSY)
"""Changes that must hardly change a score."""

SHUTTER = "motion blur of film"
"""Harmless to how frames look; what trembles is hidden by it."""

FAULTY = (*LADDERS, *CONTENT, *FAMILIES, *MORE)
"""All faults."""

KINDS = (*FAULTY, *NEGATIVE_CONTROLS, *HARMLESS, SHUTTER)
"""All there is beside the original."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One clip to be scored."""

    kind: str  # ORIGINAL, a fault, or a name of NEGATIVE_CONTROLS or HARMLESS
    level: int  # step of the ladder, from 1; 0 where there are no steps
    clip: Clip
    motion: Motion = "any"  # what its prompt wants moved


def variants(
    piece: Piece, donor: NDArray[np.uint8], kinds: Collection[str] = KINDS
) -> Iterator[Variant]:
    """Every variant of a piece, the original first.

    Faults are done at 8 frames per second and at the piece's size; all levels of one fault share a
    pattern. A spliced cut leads to the frames of the `donor`.
    """
    small = piece.small
    yield Variant(ORIGINAL, 0, small)
    for kind in KINDS:
        if kind not in kinds or kind in (*HARMLESS, SHUTTER):
            continue
        if kind == "cut":
            yield Variant(kind, 1, replace(small, frames=splice(small.frames, donor)))
        elif kind in NEGATIVE_CONTROLS:
            control = NEGATIVE_CONTROLS[kind]
            frames = FAULTS[control.fault](small.frames, control.level, _rng(piece, control.fault))
            yield Variant(kind, 0, replace(small, frames=frames), control.motion)
        else:
            for step, level in enumerate(FAULTS[kind].ladder, 1):
                frames = FAULTS[kind](small.frames, level, _rng(piece, kind))
                yield Variant(kind, step, replace(small, frames=frames))
    yield from (variant for variant in _harmless(piece) if variant.kind in kinds)


def splice(frames: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.uint8]:
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
    native = shrink_clip(piece.clip, min(small.frames.shape[1:3]))
    strides = dict(zip(RATES, (1, 2), strict=True))
    for name, stride in strides.items():
        if native.fps / stride > 1.2 * small.fps:  # else it is the original
            yield Variant(name, 0, every(native, stride))
    if min(slow.frames.shape[1:3]) == 2 * piece.size_px:
        yield Variant(DOUBLE, 0, slow)
    lossy = FAULTS["lossy"](slow.frames, 18, _rng(piece, "lossy"))
    yield Variant(LOSSY, 0, shrink_clip(replace(slow, frames=lossy), piece.size_px))
    blurred = FAULTS["open_shutter"](small.frames, 0.5, _rng(piece, "open_shutter"))
    yield Variant(SHUTTER, 0, replace(small, frames=blurred))


def _rng(piece: Piece, fault: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{piece.name} {fault}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))
