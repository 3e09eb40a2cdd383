"""Faults of what a clip shows: things appear, vanish, turn into others, or the scene changes.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. One rng state hits the same places at every level, only more of them.
"""

import numpy as np

from bench.errors import BenchError
from bench.faults.tools import (
    Frames,
    blend,
    box,
    disc,
    other_content,
    paint_over,
    rotate_hue,
    subject_centres,
)

_MORPH_AREA = 1 / 4
_SWAP_AREA = 0.12


def pop(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames a patch shows something else for a few frames."""
    count, height, width = frames.shape[:3]
    other = other_content(frames)
    damaged = frames.copy()
    at = int(min(rng.integers(1, 4), count - 1))
    while at < count:
        lasts, pause = rng.integers(1, 4, 2).tolist()
        rows, columns = box(height, width, level, rng.uniform(0, 1, 2))
        damaged[at : at + lasts, rows, columns] = other[at : at + lasts, rows, columns]
        at += lasts + pause
    return damaged


def vanish(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the middle on, what moves is painted over with its surroundings."""
    height, width = frames.shape[1:3]
    centres = subject_centres(frames)
    damaged = frames.copy()
    for t in range(len(frames) // 2, len(frames)):
        hole = disc(height, width, level, centres[t])
        damaged[t] = blend(frames[t], paint_over(frames[t], hole), hole)
    return damaged


def morph(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """One region slowly turns into something else."""
    count, height, width = frames.shape[:3]
    region = disc(height, width, _MORPH_AREA, rng.uniform(0.3, 0.7, 2) * (height, width))
    shares = np.linspace(0, level, count)
    return np.stack(
        [
            blend(f, other, region * share)
            for f, other, share in zip(frames, other_content(frames), shares, strict=True)
        ]
    )


def swap(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the middle on, what moves has become something else: its negative, in other hues."""
    height, width = frames.shape[1:3]
    centres = subject_centres(frames)
    damaged = frames.copy()
    for t in range(len(frames) // 2, len(frames)):
        region = level * disc(height, width, _SWAP_AREA, centres[t])
        damaged[t] = blend(frames[t], 255 - rotate_hue(frames[t], 60), region)
    return damaged


def cut(
    frames: Frames, _level: float, _rng: np.random.Generator, other: Frames | None = None
) -> Frames:
    """From the middle on, another scene.

    Args:
        frames: uint8 `[T, H, W, 3]`.
        other: the clip to cut to, of the same shape; without it, the clip itself turned about, with
            other hues, played backwards.
    """
    other = other_content(frames) if other is None else other
    if other.shape != frames.shape:
        raise BenchError(
            f"fault cut: expected another clip of shape {frames.shape}, got {other.shape}"
        )
    half = len(frames) // 2
    return np.concatenate([frames[:half], other[half:]])
