"""Faults of one part of the picture: the part that moves loses its shape, texture, place or time.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. The part is a disc that follows what moves by optical flow. One rng state hits
the same places at every level, only harder.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.faults.tools import (
    Array,
    Frame,
    Frames,
    blend,
    disc,
    displace,
    paint_over,
    rotate_hue,
    smooth_warp,
    subject_path,
    to_uint8,
)

_AREA = 0.15
"""Share of the frame's area that the part covers."""


def stick(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part's fine texture stays where it is on the screen while the part moves on."""
    grain = [_grain(frame) for frame in frames]
    stuck = grain[len(frames) // 2]
    regions = _discs(frames, 1.5 * _AREA)
    return np.stack(
        [
            to_uint8(frame + level * region * (stuck - own))
            for frame, own, region in zip(frames, grain, regions, strict=True)
        ]
    )


def boil(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part's fine texture is another one in every frame."""
    height, width = frames.shape[1:3]
    reach = min(height, width) // 8
    damaged = []
    for frame, region in zip(frames, _discs(frames, 1.5 * _AREA), strict=True):
        own = _grain(frame)
        moved = np.roll(own, rng.integers(-reach, reach + 1, 2), axis=(0, 1))
        damaged.append(to_uint8(frame + level * region * (moved - own)))
    return np.stack(damaged)


def freeze_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first quarter on, a disc around what moves shows one and the same frame."""
    height, width = frames.shape[1:3]
    start = len(frames) // 4
    region = disc(height, width, level, subject_path(frames)[start])
    damaged = frames.copy()
    for t in range(start + 1, len(frames)):
        damaged[t] = blend(frames[t], frames[start], region)
    return damaged


def delay_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part shows what it showed some frames earlier."""
    late = max(1, round(level))
    regions = _discs(frames, _AREA)
    return np.stack(
        [
            blend(frame, frames[max(0, t - late)], region)
            for t, (frame, region) in enumerate(zip(frames, regions, strict=True))
        ]
    )


def mirror_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames the part is its own mirror image, left to right."""
    count, height, width = frames.shape[:3]
    damaged = frames.copy()
    path = subject_path(frames)
    at = min(int(rng.integers(1, 3)), count - 1)
    while at < count:
        lasts, pause = rng.integers(1, 4, 2).tolist()
        for t in range(at, min(at + lasts, count)):
            mirrored = _shifted(frames[t][:, ::-1], 2 * path[t, 1] - (width - 1), 0)
            damaged[t] = blend(frames[t], mirrored, disc(height, width, level, path[t]))
        at += lasts + pause
    return damaged


def recolour_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part has another hue in every frame."""
    turns = level * rng.uniform(-1, 1, len(frames))
    regions = _discs(frames, _AREA)
    return np.stack(
        [
            blend(frame, rotate_hue(frame, turn), region)
            for frame, turn, region in zip(frames, turns, regions, strict=True)
        ]
    )


def melt(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part runs down like wax, in strands, ever further."""
    width = frames.shape[2]
    coarse = rng.uniform(0, 1, (1, 12)).astype(np.float32)
    strands = cv2.resize(coarse, (width, 1), interpolation=cv2.INTER_CUBIC)
    return _warped(frames, level, lambda _, dx, sway: np.stack([0 * dx, -strands * sway], axis=2))


def swell(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows and grows, like a limb blown up."""
    radius = _radius(frames)
    return _warped(
        frames,
        level,
        lambda dy, dx, sway: -np.stack([dx, dy], axis=2) / radius * sway[..., None],
        scale=radius,
    )


def stretch(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows longer and thinner."""
    radius = _radius(frames)
    return _warped(
        frames,
        level,
        lambda dy, dx, sway: np.stack([dx, -dy], axis=2) / radius * sway[..., None],
        scale=radius,
    )


def swirl(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part is wound up around its middle, ever further."""
    sense = rng.choice([-1.0, 1.0])

    def turned(dy: Array, dx: Array, sway: Array) -> Array:
        c, s = np.cos(sway), sense * np.sin(sway)
        return np.stack([dx * (c - 1) - dy * s, dx * s + dy * (c - 1)], axis=2)

    return _warped(frames, level, turned, scale=np.pi / 180)


def wobble_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part alone is warped by a smooth field of its own in every frame, like jelly."""
    height, width = frames.shape[1:3]
    rms = level * min(height, width) / 128
    damaged = []
    for frame, centre in zip(frames, subject_path(frames), strict=True):
        _, _, weight = _around(centre, height, width, 1.5 * _radius(frames))
        damaged.append(displace(frame, smooth_warp(rng, height, width, rms) * weight[..., None]))
    return np.stack(damaged)


def wobble_background(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """All but the part is warped by a smooth field of its own in every frame."""
    height, width = frames.shape[1:3]
    rms = level * min(height, width) / 128
    damaged = []
    for frame, centre in zip(frames, subject_path(frames), strict=True):
        _, _, weight = _around(centre, height, width, 1.5 * _radius(frames))
        field = smooth_warp(rng, height, width, rms)
        damaged.append(displace(frame, field * (1 - weight[..., None])))
    return np.stack(damaged)


def duplicate(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first third on, a second copy of the part goes beside it."""
    height, width = frames.shape[1:3]
    path = subject_path(frames)
    aside = (1 if path[:, 1].mean() < width / 2 else -1) * min(2.2 * _radius(frames), 0.45 * width)
    damaged = frames.copy()
    for t in range(len(frames) // 3, len(frames)):
        there = path[t] + (0, aside)
        copy = _shifted(frames[t], aside, 0)
        damaged[t] = blend(frames[t], copy, disc(height, width, level, there))
    return damaged


def detach(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first third on, the part comes off and drifts away; behind it is a hole."""
    ramp = np.clip(np.linspace(-0.5, 1, len(frames)), 0, None)
    return _moved(frames, level * ramp)


def teleport(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames the part is somewhere else for a few frames; behind it is a hole."""
    count = len(frames)
    offsets = np.zeros(count)
    at = min(int(rng.integers(1, 4)), count - 1)
    while at < count:
        lasts, pause = rng.integers(2, 5, 2).tolist()
        offsets[at : at + lasts] = level
        at += lasts + pause
    return _moved(frames, offsets)


def fade_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows transparent: its surroundings show through, ever more."""
    shares = np.linspace(0, level, len(frames))
    return np.stack(
        [
            blend(frame, paint_over(frame, region), region * share)
            for frame, region, share in zip(frames, _discs(frames, _AREA), shares, strict=True)
        ]
    )


def light_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """A quarter of the picture, anywhere, is lit otherwise in every frame."""
    height, width = frames.shape[1:3]
    centre = rng.uniform(0.25, 0.75, 2) * (height, width)
    _, _, weight = _around(centre, height, width, np.sqrt(0.4 * height * width / np.pi))
    gains = level * rng.uniform(-1, 1, len(frames))
    return np.stack(
        [
            to_uint8(frame * (1 + np.float32(gain) * weight[..., None]))
            for frame, gain in zip(frames, gains, strict=True)
        ]
    )


def _moved(frames: Frames, offsets: NDArray[np.float64]) -> Frames:
    """The part is moved by that share of the short side, to where there is more room."""
    height, width = frames.shape[1:3]
    path = subject_path(frames)
    to = np.array([height / 2, width / 2]) - path.mean(axis=0) + (1e-3, 1e-3)
    to /= np.hypot(*to) / min(height, width)
    damaged = frames.copy()
    for t, offset in enumerate(offsets.tolist()):
        if offset:
            hole = disc(height, width, _AREA / 2, path[t])
            moved = _shifted(frames[t], to[1] * offset, to[0] * offset)
            there = disc(height, width, _AREA / 2, path[t] + to * offset)
            damaged[t] = blend(blend(frames[t], paint_over(frames[t], hole), hole), moved, there)
    return damaged


def _warped(
    frames: Frames,
    level: float,
    field: Callable[[Array, Array, Array], Array],
    scale: float | None = None,
) -> Frames:
    """Warp the part ever more: `field(dy, dx, sway)` says from where, `sway` how much, by place."""
    height, width = frames.shape[1:3]
    largest = level * (min(height, width) if scale is None else scale)
    damaged = []
    path, growth = subject_path(frames), np.linspace(0, largest, len(frames))
    for frame, centre, much in zip(frames, path, growth, strict=True):
        dy, dx, weight = _around(centre, height, width, 1.5 * _radius(frames))
        damaged.append(displace(frame, field(dy, dx, much * weight).astype(np.float32)))
    return np.stack(damaged)


def _radius(frames: Frames) -> float:
    return float(np.sqrt(_AREA * frames.shape[1] * frames.shape[2] / np.pi))


def _around(
    centre: NDArray[np.float64], height: int, width: int, radius: float
) -> tuple[Array, Array, Array]:
    """Offsets down and across from a point, and a weight that falls from 1 there to 0 at a radius.

    Each is float32 `[H, W]`.
    """
    dy, dx = (
        np.mgrid[0:height, 0:width].astype(np.float32) - centre.astype(np.float32)[:, None, None]
    )
    weight: Array = np.clip(1 - (dy**2 + dx**2) / np.float32(radius) ** 2, 0, 1) ** 2
    return dy, dx, weight


def _discs(frames: Frames, area: float) -> list[Array]:
    height, width = frames.shape[1:3]
    return [disc(height, width, area, centre) for centre in subject_path(frames)]


def _grain(frame: Frame) -> Array:
    """What is finer than 1/32 of the short side: float32 `[H, W, 3]`, grey levels."""
    pixels = frame.astype(np.float32)
    grain: Array = pixels - cv2.GaussianBlur(pixels, (0, 0), min(frame.shape[:2]) / 32)
    return grain


def _shifted(frame: Frame, across: float, down: float) -> Frame:
    """The frame moved by so many pixels; its margin is mirrored."""
    field = np.full((*frame.shape[:2], 2), (-across, -down), np.float32)
    return displace(np.ascontiguousarray(frame), field)
