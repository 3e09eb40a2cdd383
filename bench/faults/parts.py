"""Faults of one part of the picture: the part that moves loses its shape, texture, place or time.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng), with what its levels
mean. The part is a disc that follows what moves by optical flow. One rng state hits the same places
at every level, only harder.
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
    each,
    fault,
    paint_over,
    rotate_hue,
    smooth_warp,
    spells,
    subject_path,
    to_uint8,
)

_AREA = 0.15
"""Share of the frame's area that the part covers."""


@fault("share of the texture that sticks, on 22% of the frame's area", (0.35, 0.7, 1.0))
def stick(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part's fine texture stays where it is on the screen while the part moves on."""
    grain = [_grain(frame) for frame in frames]
    stuck = grain[len(frames) // 2]

    def damage(frame: Frame, own: Array, region: Array) -> Frame:
        return to_uint8(frame + level * region * (stuck - own))

    return each(damage, frames, grain, _regions(frames, 1.5 * _AREA))


@fault("share of the texture that changes, on 22% of the frame's area", (0.35, 0.7, 1.0))
def boil(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part's fine texture is another one in every frame."""
    reach = min(frames.shape[1:3]) // 8

    def damage(frame: Frame, region: Array) -> Frame:
        own = _grain(frame)
        moved = np.roll(own, rng.integers(-reach, reach + 1, 2), axis=(0, 1))
        return to_uint8(frame + level * region * (moved - own))

    return each(damage, frames, _regions(frames, 1.5 * _AREA))


@fault("share of the frame's area that freezes", (0.05, 0.12, 0.25), 0.9)
def freeze_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first quarter on, a disc around what moves shows one and the same frame."""
    start = len(frames) // 4
    (region,) = disc(frames, level, subject_path(frames)[start : start + 1])
    frozen = each(lambda frame: blend(frame, frames[start], region), frames[start:])
    return np.concatenate([frames[:start], frozen])


@fault("how late the part is, in frames, on 15% of the frame's area", (1, 2, 4), 64)
def delay_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part shows what it showed some frames earlier."""
    times = np.arange(len(frames)) - max(1, round(level))
    return each(blend, frames, frames[np.maximum(0, times)], _regions(frames))


@fault("share of the frame's area that is mirrored now and then", (0.05, 0.1, 0.2), 0.9)
def mirror_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames the part is its own mirror image, left to right."""
    count, _, width = frames.shape[:3]
    damaged = frames.copy()
    path, regions = subject_path(frames), _regions(frames, level)
    for times in spells(rng, count, first=(1, 3)):
        for t in range(count)[times]:
            mirrored = _shifted(frames[t][:, ::-1], 2 * path[t, 1] - (width - 1), 0)
            damaged[t] = blend(frames[t], mirrored, regions[t])
    return damaged


@fault("largest turn of the hues, in degrees, on 15% of the frame's area", (15, 40, 90), 180)
def recolour_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part has another hue in every frame."""
    turns = level * rng.uniform(-1, 1, len(frames))
    return each(blend, frames, map(rotate_hue, frames, turns), _regions(frames))


@fault("how far the part has run down at the end, as a share of the short side", (0.1, 0.2, 0.4))
def melt(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part runs down like wax, in strands, ever further."""
    width = frames.shape[2]
    coarse = rng.uniform(0, 1, (1, 12)).astype(np.float32)
    strands = cv2.resize(coarse, (width, 1), interpolation=cv2.INTER_CUBIC)
    largest = level * min(frames.shape[1:3])
    return _warped(frames, largest, lambda _, dx, sway: (0 * dx, -strands * sway))


@fault("growth at the end: at 0.5 the middle of the part is twice as large", (0.3, 0.5, 0.8), 0.95)
def swell(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows and grows, like a limb blown up."""
    radius = _radius(frames)

    def grown(dy: Array, dx: Array, sway: Array) -> tuple[Array, Array]:
        return -dx / radius * sway, -dy / radius * sway

    return _warped(frames, level * radius, grown)


@fault(
    "growth at the end: at 0.5 the middle of the part is twice as long, and thinner",
    (0.3, 0.5, 0.8),
    0.95,
)
def stretch(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows longer and thinner."""
    radius = _radius(frames)

    def stretched(dy: Array, dx: Array, sway: Array) -> tuple[Array, Array]:
        return dx / radius * sway, -dy / radius * sway

    return _warped(frames, level * radius, stretched)


@fault("turn of the middle of the part at the end, in degrees", (60, 120, 240), 720)
def swirl(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part is wound up around its middle, ever further."""
    sense = rng.choice([-1.0, 1.0])

    def turned(dy: Array, dx: Array, sway: Array) -> tuple[Array, Array]:
        c, s = np.cos(sway), sense * np.sin(sway)
        return dx * (c - 1) - dy * s, dx * s + dy * (c - 1)

    return _warped(frames, level * (np.pi / 180), turned)


@fault(
    "root mean square displacement, in 1/128 of the short side, of the part alone", (1.5, 3, 6), 16
)
def wobble_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The part alone is warped by a smooth field of its own in every frame, like jelly."""
    return _wobbled(frames, level, rng, lambda weight: weight)


@fault(
    "root mean square displacement, in 1/128 of the short side, of all but the part",
    (0.7, 1.4, 2.8),
    16,
)
def wobble_background(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """All but the part is warped by a smooth field of its own in every frame."""
    return _wobbled(frames, level, rng, lambda weight: 1 - weight)


@fault("share of the frame's area that the second copy covers", (0.03, 0.06, 0.12), 0.5)
def duplicate(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first third on, a second copy of the part goes beside it."""
    width, start = frames.shape[2], len(frames) // 3
    path = subject_path(frames)
    aside = (1 if path[:, 1].mean() < width / 2 else -1) * min(2.2 * _radius(frames), 0.45 * width)
    regions = disc(frames, level, path[start:] + np.array([0, aside]))
    copies = (_shifted(frame, aside, 0) for frame in frames[start:])
    return np.concatenate([frames[:start], each(blend, frames[start:], copies, regions)])


@fault("how far the part has come off at the end, as a share of the short side", (0.1, 0.2, 0.4))
def detach(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """From the first third on, the part comes off and drifts away; behind it is a hole."""
    return _moved(frames, level * np.clip(np.linspace(-0.5, 1, len(frames)), 0, None))


@fault("how far the part jumps, as a share of the short side", (0.05, 0.1, 0.2))
def teleport(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every few frames the part is somewhere else for a few frames; behind it is a hole."""
    offsets = np.zeros(len(frames))
    for times in spells(rng, len(frames), lengths=(2, 5)):
        offsets[times] = level
    return _moved(frames, offsets)


@fault(
    "share of the surroundings that shine through at the end, on 15% of the area", (0.3, 0.6, 1.0)
)
def fade_part(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The part grows transparent: its surroundings show through, ever more."""

    def damage(frame: Frame, region: Array, share: float) -> Frame:
        return blend(frame, paint_over(frame, region), region * share)

    return each(damage, frames, _regions(frames), np.linspace(0, level, len(frames)))


@fault(
    "largest change of a frame's brightness in a quarter of the picture, as a share of it",
    (0.08, 0.2, 0.4),
)
def light_part(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """A quarter of the picture, anywhere, is lit otherwise in every frame."""
    height, width = frames.shape[1:3]
    centre = rng.uniform(0.25, 0.75, 2) * (height, width)
    _, _, weight = _around(centre, height, width, np.sqrt(0.4 * height * width / np.pi))
    gains = (
        1 + np.float32(gain) * weight[..., None] for gain in level * rng.uniform(-1, 1, len(frames))
    )
    return each(lambda frame, gain: to_uint8(frame * gain), frames, gains)


def _moved(frames: Frames, offsets: NDArray[np.float64]) -> Frames:
    """The part is moved by that share of the short side, to where there is more room."""
    height, width = frames.shape[1:3]
    path = subject_path(frames)
    to = np.array([height / 2, width / 2]) - path.mean(axis=0) + (1e-3, 1e-3)
    to /= np.hypot(*to) / min(height, width)
    steps = offsets[:, None] * to
    holes, places = (disc(frames, _AREA / 2, centres) for centres in (path, path + steps))
    damaged = frames.copy()
    for t in np.flatnonzero(offsets):
        without = blend(frames[t], paint_over(frames[t], holes[t]), holes[t])
        damaged[t] = blend(without, _shifted(frames[t], steps[t, 1], steps[t, 0]), places[t])
    return damaged


def _warped(
    frames: Frames, largest: float, field: Callable[[Array, Array, Array], tuple[Array, Array]]
) -> Frames:
    """Warp the part ever more, up to `largest` in the last frame.

    `field(dy, dx, sway)` says how far across and down each place lies from what it then shows,
    from its offset to the middle of the part and how much it is moved.
    """
    height, width = frames.shape[1:3]

    def damage(frame: Frame, centre: NDArray[np.float64], sway: float) -> Frame:
        dy, dx, weight = _around(centre, height, width, 1.5 * _radius(frames))
        return displace(frame, np.stack(field(dy, dx, sway * weight), axis=2).astype(np.float32))

    return each(damage, frames, subject_path(frames), np.linspace(0, largest, len(frames)))


def _wobbled(
    frames: Frames, level: float, rng: np.random.Generator, where: Callable[[Array], Array]
) -> Frames:
    height, width = frames.shape[1:3]
    rms = level * min(height, width) / 128

    def damage(frame: Frame, centre: NDArray[np.float64]) -> Frame:
        _, _, weight = _around(centre, height, width, 1.5 * _radius(frames))
        return displace(frame, smooth_warp(rng, height, width, rms) * where(weight[..., None]))

    return each(damage, frames, subject_path(frames))


def _radius(frames: Frames) -> float:
    return float(np.sqrt(_AREA * frames.shape[1] * frames.shape[2] / np.pi))


def _around(
    centre: NDArray[np.float64], height: int, width: int, radius: float
) -> tuple[Array, Array, Array]:
    """Offsets down and across from a point, and a weight that falls from 1 there to 0 at a radius.

    Each is float32 `[H, W]`.
    """
    grid = np.mgrid[0:height, 0:width].astype(np.float32)
    dy, dx = grid - centre.astype(np.float32)[:, None, None]
    weight: Array = np.clip(1 - (dy**2 + dx**2) / np.float32(radius) ** 2, 0, 1) ** 2
    return dy, dx, weight


def _regions(frames: Frames, area: float = _AREA) -> list[Array]:
    return disc(frames, area, subject_path(frames))


def _grain(frame: Frame) -> Array:
    """What is finer than 1/32 of the short side: float32 `[H, W, 3]`, grey levels."""
    pixels = frame.astype(np.float32)
    grain: Array = pixels - cv2.GaussianBlur(pixels, (0, 0), min(frame.shape[:2]) / 32)
    return grain


def _shifted(frame: Frame, across: float, down: float) -> Frame:
    """The frame moved by so many pixels; its margin is mirrored."""
    field = np.full((*frame.shape[:2], 2), (-across, -down), np.float32)
    return displace(np.ascontiguousarray(frame), field)
