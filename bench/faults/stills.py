"""Negative controls: clips that only pretend to move, made from one frame or from none.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean.
"""

import cv2
import numpy as np

from bench.faults.appearance import noise
from bench.faults.tools import Frame, Frames, blend, displace, other_content, to_uint8


def still(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """The first frame, over and over."""
    return np.repeat(frames[:1], len(frames), axis=0)


def still_noise(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The first frame under grain that is new in every frame."""
    return noise(still(frames, 1, rng), level, rng)


def zoom_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """A slow zoom into the first frame."""
    count = len(frames)
    zooms = (1 + level) ** (np.arange(count) / (count - 1))
    return np.stack([_view(frames[0], float(zoom), 0.0) for zoom in zooms])


def pan_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """A slow pan over the first frame, through a window just small enough."""
    places = np.linspace(-level / 2, level / 2, len(frames))
    return np.stack([_view(frames[0], 1 / (1 - level), float(place)) for place in places])


def _view(frame: Frame, zoom: float, place: float) -> Frame:
    """Enlarge about a point that lies `place` widths right of the middle."""
    height, width = frame.shape[:2]
    x, y = (width - 1) / 2, (height - 1) / 2
    to_source = np.array(
        [[1 / zoom, 0, x * (1 - 1 / zoom) + place * width], [0, 1 / zoom, y * (1 - 1 / zoom)]]
    )
    view: Frame = cv2.warpAffine(
        frame,
        to_source,
        (width, height),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return view


def pure_noise(frames: Frames, _level: float, rng: np.random.Generator) -> Frames:
    """Random pixels: no scene at all."""
    return rng.integers(0, 256, frames.shape, dtype=np.uint8)


def logo_still(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """A bright mark with rings glides over the first frame, which stands still."""
    count, height, width = frames.shape[:3]
    radius = np.sqrt(level * height * width / np.pi)
    first, last = (rng.uniform(0.2, 0.8, 2) * height).tolist()
    rows = np.linspace(first, last, count)
    columns = np.linspace(0.2 * width, 0.8 * width, count)[:: int(rng.choice([-1, 1]))]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    damaged = []
    for down, across in zip(rows, columns, strict=True):
        distance = np.hypot(y - down, x - across)[..., None]
        rings = np.where(distance % (radius / 2) < radius / 4, (255, 210, 0), (200, 0, 40))
        inside = np.clip(radius - distance + 0.5, 0, 1)
        damaged.append(blend(frames[0], rings.astype(np.uint8), inside))
    return np.stack(damaged)


def ripple_still(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The first frame under slow water: waves run through it."""
    count, height, width = frames.shape[:3]
    short = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / short
    phases = rng.uniform(0, 2 * np.pi, 2)
    damaged = []
    for t in range(count):
        beat = 2 * np.pi * 1.3 * t / count  # no whole number of periods
        field = [np.sin(2 * np.pi * 2.5 * y + beat + phases[0])]
        field.append(np.sin(2 * np.pi * 2 * x - beat + phases[1]))
        damaged.append(displace(frames[0], level * short * np.stack(field, 2).astype(np.float32)))
    return np.stack(damaged)


def pulse_still(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The first frame, lighter and darker by turns, smoothly: twice over the clip."""
    gains = 1 + level * np.sin(4 * np.pi * np.arange(len(frames)) / len(frames))
    return np.stack([to_uint8(frames[0] * np.float32(gain)) for gain in gains])


def slideshow(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """Three still pictures, of two scenes by turns, each fading into the next."""
    slides = [frames[0], other_content(frames)[len(frames) // 2], frames[-1]]
    places = np.linspace(0, 2, len(frames))
    return np.stack(
        [blend(slides[int(place)], slides[min(int(place) + 1, 2)], place % 1) for place in places]
    )
