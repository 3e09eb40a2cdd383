"""Faults of time: frames repeated, lost or out of order.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. One rng state hits the same frames at every level, only more of them.
"""

import numpy as np

from bench.faults.tools import Frames


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
