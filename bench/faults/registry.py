"""The faults a generator can be given on purpose, so that metrics can be tested on known damage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.errors import BenchError
from bench.faults import appearance as fault_appearance
from bench.faults import content as fault_content
from bench.faults import timing as fault_timing
from bench.faults.tools import Frames

SMALLEST = 16
"""Shortest side of a frame that faults can work on, in pixels."""


@dataclass(frozen=True)
class Fault:
    """One kind of damage; call it to do it.

    The damage grows with the level. With rngs of the same state, all levels share one pattern: what
    a low level damages, a higher one damages more.

    Attributes:
        damage: from (frames, level, rng) to new frames; the given ones stay as they are.
        meaning: what the level says, with its unit.
        ladder: rising levels, from just visible to blatant; (1,) if the fault has no degrees.
        highest: the largest level; any level above 0 up to this one is allowed.
    """

    damage: Callable[[Frames, float, np.random.Generator], Frames]
    meaning: str
    ladder: tuple[float, ...] = (1.0,)
    highest: float = 1.0

    def __call__(self, frames: Frames, level: float, rng: np.random.Generator) -> Frames:
        """Damage a clip.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB, T >= 2, H and W >= 16; odd sizes too.
            level: how much; see `meaning`.
            rng: source of chance; the same state gives the same damage, bit for bit.

        Returns:
            uint8 `[T, H, W, 3]`; `drop` alone returns fewer frames.

        Raises:
            BenchError: if the level is out of range, or the clip too short or too small.
        """
        self.check(level)
        if len(frames) < 2 or min(frames.shape[1:3]) < SMALLEST:
            raise BenchError(
                f"faults need at least 2 frames of {SMALLEST} x {SMALLEST} pixels, "
                f"came {len(frames)} of {frames.shape[1]} x {frames.shape[2]}"
            )
        return self.damage(frames, level, rng)

    def check(self, level: float) -> None:
        """Refuse a level out of range.

        Raises:
            BenchError: says which levels there are.
        """
        name = self.damage.__name__
        if self.ladder == (1.0,):
            if level != 1:
                raise BenchError(f"fault {name} has no degrees: expected level=1, came {level}")
        elif not 0 < level <= self.highest:
            raise BenchError(
                f"fault {name}: expected a level above 0 and up to {self.highest:g} "
                f"({self.meaning}), came {level}; usual are "
                + ", ".join(f"{step:g}" for step in self.ladder)
            )


FAULTS: dict[str, Fault] = {
    fault.damage.__name__: fault
    for fault in (
        Fault(
            fault_appearance.flicker,
            "largest change of a frame's brightness, as a share of it",
            (0.02, 0.05, 0.10),
        ),
        Fault(
            fault_appearance.noise,
            "standard deviation, in grey levels of 0..255",
            (3, 8, 20),
            255,
        ),
        Fault(
            fault_appearance.wobble,
            "root mean square displacement, in 1/128 of the short side",
            (0.5, 1, 2),
            16,
        ),
        Fault(
            fault_appearance.drift,
            "share of the other picture in the last frame",
            (0.15, 0.30, 0.60),
        ),
        Fault(
            fault_content.pop,
            "share of the frame's area that the patch covers",
            (0.1, 0.2, 0.4),
        ),
        Fault(
            fault_content.vanish,
            "share of the frame's area that is painted over, around what moves most",
            (0.1, 0.2, 0.4),
            0.6,
        ),
        Fault(
            fault_content.morph,
            "share of the other content at the end, in a disc of a quarter of the frame's area",
            (0.3, 0.6, 1.0),
        ),
        Fault(
            fault_content.swap,
            "share of the other look, in a disc of 12% of the frame's area around what moves most",
            (0.35, 0.7, 1.0),
        ),
        Fault(fault_content.cut, "none"),
        Fault(
            fault_timing.hold,
            "share of frames that repeat the one before; 0.5 holds every frame twice",
            (0.25, 0.5, 0.67),
            0.9,
        ),
        Fault(
            fault_timing.drop,
            "share of frames lost, in pairs; neither the first nor the last, so none of only two",
            (0.12, 0.25, 0.5),
            0.9,
        ),
        Fault(
            fault_timing.order,
            "share of the pairs of neighbours that change places; at least one pair does",
            (0.25, 0.5, 1.0),
        ),
        Fault(fault_timing.shuffle, "none"),
        Fault(fault_timing.still, "none"),
        Fault(
            fault_timing.still_noise,
            "standard deviation of the grain, in grey levels of 0..255",
            (1, 2, 4),
            255,
        ),
        Fault(
            fault_timing.zoom_still,
            "growth of the picture over the clip: 0.3 ends 1.3 times as large",
            (0.05, 0.15, 0.30),
        ),
        Fault(
            fault_timing.pan_still,
            "way of the window over the clip, as a share of the width",
            (0.05, 0.15, 0.30),
            0.5,
        ),
        Fault(fault_timing.pure_noise, "none"),
        Fault(fault_appearance.half_resolution, "none"),
        Fault(fault_appearance.lossy, "constant rate factor of H.264", (18, 28, 35), 51),
    )
}
"""Every fault by its name."""
