"""Film: what a reader notes of the frames that it gives, and the limits that it holds them to."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, ClipError

NO_ALPHA = "transparency is not looked at"
"""The remark on a file that has any."""

DEFAULT_DELAY_S = 0.1
"""Of an animation's frame that gives none, as browsers have it."""

Frames = Iterator[NDArray[np.uint8]]
"""`[H, W, 3]`, in order."""


@dataclass(frozen=True)
class Limits:
    """The largest clip that is read; a larger one is refused, by its header where that says so."""

    frames: int = 20_000
    pixels: int = 8192 * 8192  # of a frame
    seconds: float = 600.0
    bytes: int = 32 * 2**30  # of decoded frames, which are held up to 1 GiB

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise BenchError(f"limits.{each.name} must be a number above 0, got {value!r}")

    def check(self, path: Path, size: tuple[int, int], frames: int = 1, seconds: float = 0) -> None:
        """Refuse by ClipError what is larger; `size` is height and width in pixels."""
        pixels = size[0] * size[1]
        amounts = {
            "pixels": pixels,
            "frames": frames,
            "seconds": seconds,
            "bytes": frames * pixels * 3,
        }
        for key, amount in amounts.items():
            if amount > (most := getattr(self, key)):
                what = f"{size[1]}x{size[0]} pixels" if key == "pixels" else f"{amount:.10g} {key}"
                raise ClipError(
                    f"{path}: expected at most {most:.10g} {key}, got {what}: "
                    f"shorten it, or raise model.limits.{key} of model=folder"
                )


LIMITS = Limits()


@dataclass
class Film:
    """What is known of frames once all of them were read, before they stand on a grid."""

    lengths_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """How long each frame is shown, the last may be unknown (0); empty without times."""
    tick_s: float = 0.0  # to which times are rounded
    rates: Sequence[float] = ()  # that the file declares
    lossy: bool = False
    remarks: list[str] = field(default_factory=list)
    is_animation: bool = False  # of a kind whose writers merge equal frames
