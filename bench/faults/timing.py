"""Faults of time: frames repeated, lost or out of order, and clips that only pretend to move.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. One rng state hits the same frames at every level, only more of them.
"""

import cv2
import numpy as np

from bench.faults.appearance import noise
from bench.faults.tools import Frame, Frames


def hold(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Frames are held while time goes on: stutter."""
    held = frames.copy()
    for t in range(1, len(frames)):
        if _van_der_corput(t - 1) < level:
            held[t] = held[t - 1]
    return held


def _van_der_corput(number: int) -> float:
    """0, 1/2, 1/4, 3/4, ...: any share of its values below x is spread evenly, about x."""
    bits = f"{number:b}"
    return int(bits[::-1], 2) / (1 << len(bits))


def drop(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Pairs of frames are lost; the clip gets shorter and its motion jumps."""
    count = len(frames)
    inner = np.arange(1, count - 1)  # the first and the last frame stay
    pairs = inner // 2
    rank = rng.permutation(count)[pairs]
    lost = inner[np.argsort(rank, kind="stable")][: round(level * count)]
    return np.delete(frames, lost, axis=0)


def order(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Neighbouring frames change places."""
    pairs = rng.permutation(len(frames) // 2)
    source = np.arange(len(frames))
    for pair in pairs[: int(np.ceil(level * len(pairs)))].tolist():
        source[2 * pair], source[2 * pair + 1] = 2 * pair + 1, 2 * pair
    return frames[source]


def shuffle(frames: Frames, _level: float, rng: np.random.Generator) -> Frames:
    """All frames in random order; never the right one."""
    right = np.arange(len(frames))
    source = rng.permutation(right)
    while np.array_equal(source, right):
        source = rng.permutation(right)
    shuffled: Frames = frames[source]
    return shuffled


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
