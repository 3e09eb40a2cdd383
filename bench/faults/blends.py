"""Faults of how frames follow each other: blends, trails, torn and shaken pictures, uneven time.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. One rng state gives the same pattern at every level, only stronger.
"""

import cv2
import numpy as np

from bench.faults.tools import (
    Frame,
    Frames,
    blend,
    displace,
    flow_between,
    rotate_hue,
)


def crossfade(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Only every few frames a true one; between them the picture fades from one to the next."""
    apart = 1 + int(np.ceil(level))
    last = len(frames) - 1
    damaged = frames.copy()
    for start in range(0, last, apart):
        stop = min(start + apart, last)
        for t in range(start + 1, stop):
            damaged[t] = blend(frames[start], frames[stop], (t - start) / (stop - start))
    return damaged


def ghost(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Earlier frames shine through."""
    trail = [frames[0]]
    for frame in frames[1:]:
        trail.append(blend(frame, trail[-1], level))
    return np.stack(trail)


def judder(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Time goes in uneven steps: short, long, short, long; no frame is repeated."""
    count = len(frames)
    times = np.arange(count) + level / 2 * (np.arange(count) % 2)
    return np.stack([_at(frames, float(min(time, count - 1))) for time in times])


def _at(frames: Frames, time: float) -> Frame:
    """The picture between two frames, each moved along the flow from one to the other."""
    before, share = int(time), time - int(time)
    if not share:
        still: Frame = frames[before]
        return still
    first, second = frames[before], frames[before + 1]
    flow = flow_between(*(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, second)))
    return blend(displace(first, -share * flow), displace(second, (1 - share) * flow), share)


def shake(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The camera jerks: every frame is moved and turned a little by itself."""
    height, width = frames.shape[1:3]
    unit = min(height, width) / 128
    damaged = []
    for frame in frames:
        across, down, turn = rng.standard_normal(3) * (level * unit, level * unit, level / 4)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1.0)
        matrix[:, 2] += across, down
        damaged.append(
            cv2.warpAffine(
                frame,
                matrix,
                (width, height),
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        )
    return np.stack(damaged)


def tear(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The picture is torn: below a line, another one in each frame, it is moved sideways."""
    height, width = frames.shape[1:3]
    damaged = frames.copy()
    for t in range(len(frames)):
        line = int(rng.uniform(0.1, 0.8) * height)
        across = max(1, round(abs(level) * width)) * int(rng.choice([-1, 1]))
        damaged[t, line:] = np.roll(frames[t, line:], across, axis=1)
    return damaged


def blocks(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Square blocks are lost: they show one colour, or what was there some frames ago."""
    count, height, width = frames.shape[:3]
    side = max(2, min(height, width) // 12)
    rows, columns = -(-height // side), -(-width // side)
    damaged = frames.copy()
    for t in range(count):
        luck, flat = rng.uniform(0, 1, (2, rows, columns))
        for row, column in np.argwhere(luck < level).tolist():
            place = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            block = frames[t][place]
            plain = block.mean(axis=(0, 1)).round().astype(np.uint8)
            damaged[t][place] = plain if flat[row, column] < 0.5 else frames[max(0, t - 3)][place]
    return damaged


def hue_drift(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The hues turn, ever further."""
    turns = rng.choice([-1, 1]) * np.linspace(0, level, len(frames))
    return np.stack([rotate_hue(frame, turn) for frame, turn in zip(frames, turns, strict=True)])


def soften(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Detail is lost, ever more: the picture grows blurred."""
    sigmas = np.linspace(0, level * min(frames.shape[1:3]) / 128, len(frames)).tolist()
    return np.stack(
        [
            cv2.GaussianBlur(frame, (0, 0), sigma) if sigma else frame
            for frame, sigma in zip(frames, sigmas, strict=True)
        ]
    )
