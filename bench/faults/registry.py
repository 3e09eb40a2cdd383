"""The faults a generator can be given on purpose, so that metrics can be tested on known damage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.errors import BenchError
from bench.faults import content, parts, whole
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
        """Damage a clip, uint8 `[T, H, W, 3]`, RGB, T >= 2, H and W >= 16; odd sizes too.

        The same state of `rng` gives the same damage, bit for bit; `drop` alone returns fewer
        frames.
        """
        self.check(level)
        if len(frames) < 2 or min(frames.shape[1:3]) < SMALLEST:
            raise BenchError(
                f"faults need at least 2 frames of {SMALLEST} x {SMALLEST} pixels, "
                f"got {len(frames)} of {frames.shape[1]} x {frames.shape[2]}"
            )
        return self.damage(frames, level, rng)

    def check(self, level: float) -> None:
        """Refuse a level out of range."""
        name = self.damage.__name__
        if self.ladder == (1.0,):
            if level != 1:
                raise BenchError(f"fault {name} has no degrees: expected level=1, got {level}")
        elif not 0 < level <= self.highest:
            raise BenchError(
                f"fault {name}: expected a level above 0 and up to {self.highest:g} "
                f"({self.meaning}), got {level}; usual are "
                + ", ".join(f"{step:g}" for step in self.ladder)
            )


_FAULTS = (
    Fault(
        whole.flicker,
        "largest change of a frame's brightness, as a share of it",
        (0.02, 0.05, 0.10),
    ),
    Fault(whole.noise, "standard deviation, in grey levels of 0..255", (3, 8, 20), 255),
    Fault(
        whole.wobble, "root mean square displacement, in 1/128 of the short side", (0.5, 1, 2), 16
    ),
    Fault(whole.drift, "share of the other picture in the last frame", (0.15, 0.30, 0.60)),
    Fault(content.pop, "share of the frame's area that the patch covers", (0.1, 0.2, 0.4)),
    Fault(
        content.vanish,
        "share of the frame's area that is painted over, around what moves most",
        (0.1, 0.2, 0.4),
        0.6,
    ),
    Fault(
        content.morph,
        "share of the other content at the end, in a disc of a quarter of the frame's area",
        (0.3, 0.6, 1.0),
    ),
    Fault(
        content.swap,
        "share of the other look, in a disc of 12% of the frame's area around what moves most",
        (0.35, 0.7, 1.0),
    ),
    Fault(content.cut, "none"),
    Fault(
        whole.hold,
        "share of frames that repeat the one before; 0.5 holds every frame twice",
        (0.25, 0.5, 0.67),
        0.9,
    ),
    Fault(
        whole.drop,
        "share of frames lost, in pairs; neither the first nor the last, so none of only two",
        (0.12, 0.25, 0.5),
        0.9,
    ),
    Fault(
        whole.order,
        "share of the pairs of neighbours that change places; at least one pair does",
        (0.25, 0.5, 1.0),
    ),
    Fault(whole.shuffle, "none"),
    Fault(content.still, "none"),
    Fault(
        content.still_noise,
        "standard deviation of the grain, in grey levels of 0..255",
        (1, 2, 4),
        255,
    ),
    Fault(
        content.zoom_still,
        "growth of the picture over the clip: 0.3 ends 1.3 times as large",
        (0.05, 0.15, 0.30),
    ),
    Fault(
        content.pan_still,
        "way of the window over the clip, as a share of the width",
        (0.05, 0.15, 0.30),
        0.5,
    ),
    Fault(content.pure_noise, "none"),
    Fault(content.logo_still, "share of the frame's area that the logo covers", (0.01, 0.03, 0.08)),
    Fault(
        content.ripple_still,
        "height of the waves, as a share of the short side",
        (0.004, 0.01, 0.02),
        0.2,
    ),
    Fault(
        content.pulse_still, "largest change of the brightness, as a share of it", (0.1, 0.2, 0.4)
    ),
    Fault(content.slideshow, "none"),
    Fault(
        parts.stick,
        "share of the texture that sticks, on 22% of the frame's area",
        (0.35, 0.7, 1.0),
    ),
    Fault(
        parts.boil,
        "share of the texture that changes, on 22% of the frame's area",
        (0.35, 0.7, 1.0),
    ),
    Fault(parts.freeze_part, "share of the frame's area that freezes", (0.05, 0.12, 0.25), 0.9),
    Fault(
        parts.delay_part,
        "how late the part is, in frames, on 15% of the frame's area",
        (1, 2, 4),
        64,
    ),
    Fault(
        parts.mirror_part,
        "share of the frame's area that is mirrored now and then",
        (0.05, 0.1, 0.2),
        0.9,
    ),
    Fault(
        parts.recolour_part,
        "largest turn of the hues, in degrees, on 15% of the frame's area",
        (15, 40, 90),
        180,
    ),
    Fault(
        parts.melt,
        "how far the part has run down at the end, as a share of the short side",
        (0.1, 0.2, 0.4),
    ),
    Fault(
        parts.swell,
        "growth at the end: at 0.5 the middle of the part is twice as large",
        (0.3, 0.5, 0.8),
        0.95,
    ),
    Fault(
        parts.stretch,
        "growth at the end: at 0.5 the middle of the part is twice as long, and thinner",
        (0.3, 0.5, 0.8),
        0.95,
    ),
    Fault(
        parts.swirl, "turn of the middle of the part at the end, in degrees", (60, 120, 240), 720
    ),
    Fault(
        parts.wobble_part,
        "root mean square displacement, in 1/128 of the short side, of the part alone",
        (1.5, 3, 6),
        16,
    ),
    Fault(
        parts.wobble_background,
        "root mean square displacement, in 1/128 of the short side, of all but the part",
        (0.7, 1.4, 2.8),
        16,
    ),
    Fault(
        parts.duplicate,
        "share of the frame's area that the second copy covers",
        (0.03, 0.06, 0.12),
        0.5,
    ),
    Fault(
        parts.detach,
        "how far the part has come off at the end, as a share of the short side",
        (0.1, 0.2, 0.4),
    ),
    Fault(parts.teleport, "how far the part jumps, as a share of the short side", (0.05, 0.1, 0.2)),
    Fault(
        parts.fade_part,
        "share of the surroundings that shine through at the end, on 15% of the area",
        (0.3, 0.6, 1.0),
    ),
    Fault(
        parts.light_part,
        "largest change of a frame's brightness in a quarter of the picture, as a share of it",
        (0.08, 0.2, 0.4),
    ),
    Fault(
        whole.crossfade,
        "number of frames between two true ones; they are blends of these",
        (1, 3, 7),
        64,
    ),
    Fault(whole.ghost, "share of the trail of earlier frames", (0.3, 0.5, 0.7), 0.99),
    Fault(
        whole.judder,
        "by how much long and short steps differ: at 1 they are as 3 to 1",
        (0.3, 0.6, 1.0),
    ),
    Fault(
        whole.shake,
        "standard deviation of the shift, in 1/128 of the short side; turns go with it",
        (1, 2, 4),
        32,
    ),
    Fault(
        whole.tear,
        "how far the torn part is moved, as a share of the width",
        (0.02, 0.05, 0.1),
        0.5,
    ),
    Fault(whole.blocks, "share of the frame's area whose blocks are lost", (0.02, 0.06, 0.15)),
    Fault(whole.hue_drift, "turn of the hues at the end, in degrees", (20, 45, 90), 180),
    Fault(
        whole.soften, "spread of the blur at the end, in 1/128 of the short side", (0.7, 1.5, 3), 32
    ),
    Fault(whole.blur, "spread of the blur, in 1/128 of the short side", (0.7, 1.5, 3), 32),
    Fault(
        whole.open_shutter,
        "how long the shutter is open, as a share of the step to the next frame; film has 0.5",
        (0.25, 0.5, 1.0),
    ),
    Fault(whole.half_resolution, "none"),
    Fault(whole.lossy, "constant rate factor of H.264", (18, 28, 35), 51),
)

FAULTS: dict[str, Fault] = {fault.damage.__name__: fault for fault in _FAULTS}
"""Every fault by its name."""
