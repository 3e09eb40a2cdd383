"""What faults are, and what several share: smooth random warps, where the subject is."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError

Frames = NDArray[np.uint8]
"""uint8 `[T, H, W, 3]`, RGB."""
Frame = NDArray[np.uint8]
"""uint8 `[H, W, 3]`, RGB."""
Array = NDArray[np.floating[Any]]

Damage = Callable[[Frames, float, np.random.Generator], Frames]
"""From (frames, level, rng) to new frames; the given ones stay as they are."""

SMALLEST = 16
"""Shortest side of a frame that faults can work on, in pixels."""


@dataclass(frozen=True)
class Fault:
    """One kind of damage; call it to do it.

    The damage grows with the level. With rngs of the same state, all levels share one pattern: what
    a low level damages, a higher one damages more.

    Attributes:
        damage: does it.
        meaning: what the level says, with its unit; `none` if the fault has no degrees.
        ladder: rising levels, from just visible to blatant; (1,) if it has none.
        highest: the largest level; any level above 0 up to this one is allowed.
    """

    damage: Damage
    meaning: str = "none"
    ladder: tuple[float, ...] = (1.0,)
    highest: float = 1.0

    @property
    def name(self) -> str:
        """Of the function that does it."""
        return self.damage.__name__

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
        if self.ladder == (1.0,):
            if level != 1:
                raise BenchError(f"fault {self.name} has no degrees: expected level=1, got {level}")
        elif not 0 < level <= self.highest:
            raise BenchError(
                f"fault {self.name}: expected a level above 0 and up to {self.highest:g} "
                f"({self.meaning}), got {level}; usual are "
                + ", ".join(f"{step:g}" for step in self.ladder)
            )


def fault(
    meaning: str = "none", ladder: tuple[float, ...] = (1.0,), highest: float = 1.0
) -> Callable[[Damage], Fault]:
    """Make a fault of the function that does the damage."""
    return lambda damage: Fault(damage, meaning, ladder, highest)


def each(damage: Callable[..., Frame], *sequences: Iterable[Any]) -> Frames:
    """The frames that `damage` makes of what stands in one place of every sequence."""
    return np.stack([damage(*values) for values in zip(*sequences, strict=True)])


def spells(
    rng: np.random.Generator,
    count: int,
    first: tuple[int, int] = (1, 4),
    lengths: tuple[int, int] = (1, 4),
) -> Iterator[slice]:
    """Stretches of a clip of `count` frames, with pauses between: the frames of each.

    The first begins in a range of frames; stretches and pauses are as long as a range says.
    """
    at = min(int(rng.integers(*first)), count - 1)
    while at < count:
        lasts, pause = rng.integers(*lengths, 2).tolist()
        yield slice(at, at + lasts)
        at += lasts + pause


def to_uint8(values: Array) -> NDArray[np.uint8]:
    """Round and clip grey levels."""
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def blend(first: NDArray[Any], second: NDArray[Any], share: Array | float) -> NDArray[np.uint8]:
    """Mix two pictures: a share of 0 gives the first, 1 the second."""
    return to_uint8(first + np.asarray(share, np.float32) * (second.astype(np.float32) - first))


def rotate_hue(frame: Frame, degrees: float) -> Frame:
    """Turn the hues; greys and brightness stay."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    matrix = (c * (np.eye(3) - grey) + s * cross + grey).astype(np.float32)
    return to_uint8(frame @ matrix.T)


def smooth_warp(rng: np.random.Generator, height: int, width: int, rms: float) -> Array:
    """Draw a smooth displacement field, float32 `[H, W, 2]`: x and y, in pixels.

    `rms` is the root mean square length of the displacements.
    """
    coarse = rng.standard_normal((6, 6, 2)).astype(np.float32)
    field: Array = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return field * (rms / float(np.sqrt((field**2).sum(axis=2).mean())))


def displace(frame: Frame, field: Array) -> Frame:
    """Pull every pixel from where `field` (float32 `[H, W, 2]`, pixels) points."""
    height, width = frame.shape[:2]
    x = field[..., 0] + np.arange(width, dtype=np.float32)
    y = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    moved: Frame = cv2.remap(frame, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return moved


def other_content(frames: Frames) -> Frames:
    """A scene of the same kind that is not this one.

    The clip turned upside down and left to right, played backwards, with other hues.
    """
    return np.stack([rotate_hue(frame[::-1, ::-1], 140) for frame in frames[::-1]])


def box(height: int, width: int, area: float, anchor: NDArray[np.float64]) -> tuple[slice, slice]:
    """A rectangle that covers a share of the frame; for one anchor, larger holds smaller.

    `anchor` is two numbers 0..1, down and across: what point of frame and rectangle coincide.
    """
    side = np.sqrt(area)
    slices = []
    for length, at in zip((height, width), anchor.tolist(), strict=True):
        start = at * (1 - side) * length
        slices.append(slice(int(np.floor(start)), int(np.ceil(start + side * length))))
    return slices[0], slices[1]


def disc(frames: Frames, area: float, centres: Iterable[NDArray[np.float64]]) -> list[Array]:
    """A disc with a soft rim around each centre (y and x in pixels): float32 `[H, W, 1]`, 0..1.

    The whole of it covers that share of a frame's area.
    """
    height, width = frames.shape[1:3]
    radius = np.sqrt(area * height * width / np.pi)
    rim = max(1.0, 0.015 * min(height, width))
    y, x = np.arange(height)[:, None, None], np.arange(width)[None, :, None]
    distances = (np.hypot(y - down, x - across) for down, across in centres)
    return [np.clip((radius - d) / rim + 0.5, 0, 1).astype(np.float32) for d in distances]


def paint_over(frame: Frame, hole: Array) -> Frame:
    """A frame with what may lie behind a hole: colours around it, grain from half a frame away."""
    height, width = frame.shape[:2]
    shrink = min(height, width) / 64  # colours vary slowly: a small picture holds them
    small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    pixels, visible = frame.astype(np.float32), 1 - hole
    tiny = cv2.resize(np.dstack([pixels * visible, visible]), small, interpolation=cv2.INTER_AREA)
    # Near surroundings count most; far ones only where there are no others.
    spread = sum(cv2.GaussianBlur(tiny, (0, 0), sigma) / sigma**4 for sigma in (3.0, 9.0, 27.0))
    colours = cv2.resize(
        spread[..., :3] / (spread[..., 3:] + 1e-9), (width, height), interpolation=cv2.INTER_CUBIC
    )
    grain = pixels - cv2.GaussianBlur(pixels, (0, 0), 5 * shrink)
    return to_uint8(colours + np.roll(grain, (height // 2, width // 2), axis=(0, 1)))


def subject_centres(frames: Frames) -> NDArray[np.float64]:
    """Where something moves that no camera move explains: float64 `[T, 2]`, y and x in pixels.

    Per frame the peak of what differs both from the frame before and from the one after, once
    these are laid over it by the best affine map; a median over three frames takes out strays.
    Without any motion it is the middle of the frame.
    """
    energies = _subject_energies(frames)
    path = np.array([np.unravel_index(np.argmax(e), e.shape) for e in energies], np.float64)
    if len(path) > 3:  # the ends have one neighbour only: they go on as the path began
        path[0], path[-1] = 2 * path[1] - path[2], 2 * path[-2] - path[-3]
    path = np.pad(path, ((1, 1), (0, 0)), mode="edge")
    return np.median(np.stack([path[:-2], path[1:-1], path[2:]]), axis=0)


def subject_path(frames: Frames) -> NDArray[np.float64]:
    """A point of what moves, followed by optical flow: float64 `[T, 2]`, y and x in pixels.

    It starts where and when motion that no camera move explains is strongest, and goes from there
    to both ends of the clip by the mean flow around it, drawn to the middle of what moves there.
    It never leaves the frame.
    """
    energies = _subject_energies(frames)
    quarter = len(frames) // 4
    start = quarter + int(np.argmax([e.max() for e in energies[quarter : len(frames) - quarter]]))
    greys = greys_of(frames)
    height, width = greys[0].shape
    path = np.empty((len(frames), 2))
    path[start] = np.unravel_index(np.argmax(energies[start]), (height, width))
    y, x = np.mgrid[0:height, 0:width]
    places, reach = np.stack([y, x], axis=2), 0.12 * min(height, width)
    for step in (1, -1):
        for t in range(start, len(frames) - 1 if step == 1 else 0, step):
            near = np.hypot(y - path[t, 0], x - path[t, 1]) <= reach
            flow = flow_between(greys[t], greys[t + step])[near]
            move = np.average(flow, axis=0, weights=energies[t][near])[::-1]
            ahead = np.clip(path[t] + move, 0, (height - 1, width - 1))
            near = np.hypot(y - ahead[0], x - ahead[1]) <= reach
            middle = np.average(places[near], axis=0, weights=energies[t + step][near])
            path[t + step] = (ahead + middle) / 2
    return path


def flow_between(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where the pixels of one grey picture lie in another: float32 `[H, W, 2]`, x and y, pixels."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow: NDArray[np.float32] = finder.calc(first, second, np.zeros((*first.shape, 2), np.float32))
    return flow


def greys_of(frames: Frames) -> list[NDArray[np.uint8]]:
    """Brightness of each frame, uint8 `[H, W]`."""
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]


def _subject_energies(frames: Frames) -> list[NDArray[np.float64]]:
    """How much each place of each frame moves by itself: float64 `[H, W]` of each frame."""
    greys = greys_of(frames)
    height, width = greys[0].shape
    y, x = np.mgrid[0:height, 0:width]
    central = 1e-3 * np.exp(-((x / width - 0.5) ** 2) - (y / height - 0.5) ** 2)
    last = len(frames) - 1
    energies = []
    for t, grey in enumerate(greys):
        news = [_news(grey, greys[k]) for k in (t - 1, t + 1) if 0 <= k <= last]
        moves = cv2.GaussianBlur(np.minimum(news[0], news[-1]), (0, 0), 0.07 * min(height, width))
        energies.append(moves + central)
    return energies


def _news(grey: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How far a frame differs from another one laid over it: float32 `[H, W]`, grey levels."""
    height, width = grey.shape
    flow = flow_between(grey, other)
    step = max(1, min(height, width) // 48)  # a lattice of points, away from the margins
    inner = tuple(slice(size // 8, size - size // 8, step) for size in (height, width))
    y, x = (axis[inner].ravel() for axis in np.mgrid[0:height, 0:width])
    places = np.stack([x, y, np.ones_like(x)], axis=1).astype(np.float64)
    targets = places[:, :2] + flow[inner].reshape(-1, 2)
    misfit = np.zeros(len(places))
    for _ in range(4):  # from the second round on, what fits badly has no say
        follows = misfit <= np.median(misfit)
        affine, *_ = np.linalg.lstsq(places[follows], targets[follows], rcond=None)
        misfit = np.linalg.norm(targets - places @ affine, axis=1)
    laid = cv2.warpAffine(
        other.astype(np.float32),
        affine.T,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-1,
    )
    news: NDArray[np.float32] = np.where(laid < 0, 0, np.abs(laid - grey)).astype(np.float32)
    return news
