"""Faults of what a clip shows: things appear, vanish or change, the scene does, or nothing moves.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng), with what its levels
mean. One rng state hits the same places at every level, only more of them. The last ones are
negative controls: clips that only pretend to move, made from one frame or from none.
"""

import cv2
import numpy as np

from bench.faults.tools import (
    Array,
    Frame,
    Frames,
    blend,
    box,
    disc,
    displace,
    each,
    fault,
    other_content,
    paint_over,
    rotate_hue,
    spells,
    subject_centres,
    to_uint8,
)
from bench.faults.whole import noise

_MORPH_AREA = 1 / 4
_SWAP_AREA = 0.12


@fault("share of the frame's area that the patch covers", (0.1, 0.2, 0.4))
def pop(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames a patch shows something else for a few frames."""
    count, height, width = frames.shape[:3]
    other = other_content(frames)
    damaged = frames.copy()
    for times in spells(rng, count):
        rows, columns = box(height, width, level, rng.uniform(0, 1, 2))
        damaged[times, rows, columns] = other[times, rows, columns]
    return damaged


@fault(
    "share of the frame's area that is painted over, around what moves most", (0.1, 0.2, 0.4), 0.6
)
def vanish(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the middle on, what moves is painted over with its surroundings."""
    half = len(frames) // 2
    holes = disc(frames, level, subject_centres(frames)[half:])
    hidden = each(lambda f, hole: blend(f, paint_over(f, hole), hole), frames[half:], holes)
    return np.concatenate([frames[:half], hidden])


@fault(
    "share of the other content at the end, in a disc of a quarter of the frame's area",
    (0.3, 0.6, 1.0),
)
def morph(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """One region slowly turns into something else."""
    count, height, width = frames.shape[:3]
    (region,) = disc(frames, _MORPH_AREA, [rng.uniform(0.3, 0.7, 2) * (height, width)])
    shares = (region * share for share in np.linspace(0, level, count))
    return each(blend, frames, other_content(frames), shares)


@fault(
    "share of the other look, in a disc of 12% of the frame's area around what moves most",
    (0.35, 0.7, 1.0),
)
def swap(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the middle on, what moves has become something else: its negative, in other hues."""
    half = len(frames) // 2
    regions = disc(frames, _SWAP_AREA, subject_centres(frames)[half:])

    def swapped(frame: Frame, region: Array) -> Frame:
        return blend(frame, 255 - rotate_hue(frame, 60), level * region)

    return np.concatenate([frames[:half], each(swapped, frames[half:], regions)])


@fault()
def cut(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """From the middle on, another scene: that of `other_content`."""
    half = len(frames) // 2
    return np.concatenate([frames[:half], other_content(frames)[half:]])


@fault()
def still(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """The first frame, over and over."""
    return np.repeat(frames[:1], len(frames), axis=0)


@fault("standard deviation of the grain, in grey levels of 0..255", (1, 2, 4), 255)
def still_noise(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The first frame under grain that is new in every frame."""
    return noise(still(frames, 1, rng), level, rng)


@fault("growth of the picture over the clip: 0.3 ends 1.3 times as large", (0.05, 0.15, 0.30))
def zoom_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """A slow zoom into the first frame."""
    count = len(frames)
    zooms = (1 + level) ** (np.arange(count) / (count - 1))
    return each(lambda zoom: _view(frames[0], float(zoom), 0.0), zooms)


@fault("way of the window over the clip, as a share of the width", (0.05, 0.15, 0.30), 0.5)
def pan_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """A slow pan over the first frame, through a window just small enough."""
    places = np.linspace(-level / 2, level / 2, len(frames))
    return each(lambda place: _view(frames[0], 1 / (1 - level), float(place)), places)


def _view(frame: Frame, zoom: float, place: float) -> Frame:
    """Enlarge about a point that lies `place` widths right of the middle."""
    height, width = frame.shape[:2]
    x, y = (width - 1) / 2, (height - 1) / 2
    to_source = np.array(
        [[1 / zoom, 0, x * (1 - 1 / zoom) + place * width], [0, 1 / zoom, y * (1 - 1 / zoom)]]
    )
    how = {"flags": cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, "borderMode": cv2.BORDER_REPLICATE}
    view: Frame = cv2.warpAffine(frame, to_source, (width, height), **how)
    return view


@fault()
def pure_noise(frames: Frames, _level: float, rng: np.random.Generator) -> Frames:
    """Random pixels: no scene at all."""
    return rng.integers(0, 256, frames.shape, dtype=np.uint8)


@fault("share of the frame's area that the logo covers", (0.01, 0.03, 0.08))
def logo_still(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """A bright mark with rings glides over the first frame, which stands still."""
    count, height, width = frames.shape[:3]
    radius = np.sqrt(level * height * width / np.pi)
    first, last = (rng.uniform(0.2, 0.8, 2) * height).tolist()
    rows = np.linspace(first, last, count)
    columns = np.linspace(0.2 * width, 0.8 * width, count)[:: int(rng.choice([-1, 1]))]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)

    def marked(down: float, across: float) -> Frame:
        distance = np.hypot(y - down, x - across)[..., None]
        rings = np.where(distance % (radius / 2) < radius / 4, (255, 210, 0), (200, 0, 40))
        inside = np.clip(radius - distance + 0.5, 0, 1)
        return blend(frames[0], rings.astype(np.uint8), inside)

    return each(marked, rows, columns)


@fault("height of the waves, as a share of the short side", (0.004, 0.01, 0.02), 0.2)
def ripple_still(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The first frame under slow water: waves run through it."""
    count, height, width = frames.shape[:3]
    short = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / short
    phases = rng.uniform(0, 2 * np.pi, 2)

    def rippled(t: int) -> Frame:
        beat = 2 * np.pi * 1.3 * t / count  # no whole number of periods
        across = np.sin(2 * np.pi * 2.5 * y + beat + phases[0])
        down = np.sin(2 * np.pi * 2 * x - beat + phases[1])
        field = np.stack([across, down], axis=2).astype(np.float32)
        return displace(frames[0], level * short * field)

    return each(rippled, range(count))


@fault("largest change of the brightness, as a share of it", (0.1, 0.2, 0.4))
def pulse_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The first frame, lighter and darker by turns, smoothly: twice over the clip."""
    gains = 1 + level * np.sin(4 * np.pi * np.arange(len(frames)) / len(frames))
    return each(lambda gain: to_uint8(frames[0] * np.float32(gain)), gains)


@fault()
def slideshow(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """Three still pictures, of two scenes by turns, each fading into the next."""
    slides = [frames[0], other_content(frames)[len(frames) // 2], frames[-1]]
    places = np.linspace(0, 2, len(frames))
    return each(lambda p: blend(slides[int(p)], slides[min(int(p) + 1, 2)], p % 1), places)
