"""The grounds and walls of the toy world: procedural textures that repeat without a seam.

A painter fills a square sheet that covers `PERIOD` short sides of the picture. All randomness comes
from grids of fixed size, so that one seed gives the same texture at every resolution.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.generators.toy.bodies import Array

PERIOD = 2.0
"""Side of a sheet, in short sides of the picture."""

_HORIZON = -1.6  # where a ground vanishes, in short sides from the centre, y down: above the frame


class Sheet:
    """What a painter works on: `side` texels along each side, a power of two."""

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        self.rng, self.side = rng, side
        axis = ((np.arange(side) + 0.5) / side).astype(np.float32)
        # Across and downwards (on a ground: towards the viewer), in periods, 0..1.
        self.u, self.v = axis[None, :], axis[:, None]

    def noise(self, across: int, down: int) -> Array:
        """Smooth noise without a seam: float32 `[side, side]`, about -1..1.

        From so many random values per period along `u` and `v`, powers of two; fewer are coarser.
        """
        field: Array = self.rng.uniform(-1.3, 1.3, (down, across)).astype(np.float32)
        pad = 2
        while field.shape != (self.side, self.side):
            fy, fx = (min(4, self.side // n) for n in field.shape)
            wrapped = cv2.copyMakeBorder(field, pad, pad, pad, pad, cv2.BORDER_WRAP)
            big: Array = cv2.resize(wrapped, None, fx=fx, fy=fy, interpolation=cv2.INTER_CUBIC)
            field = big[pad * fy : -pad * fy, pad * fx : -pad * fx]
        return field

    def blocks(self, across: int, down: int, stagger: float = 0.0) -> tuple[Array, Array, Array]:
        """A tiling by rectangles; every second row is shifted by `stagger` of a block.

        Returns:
            float32 `[side, side]` each: a random value per block, -1..1; the distance to the
            nearest vertical and the nearest horizontal joint, in periods.
        """
        y = self.v * down
        row = np.floor(y)
        x = self.u * across + stagger * (row % 2)
        values = self.rng.uniform(-1, 1, (down, across)).astype(np.float32)
        value = values[row.astype(np.intp), np.floor(x).astype(np.intp) % across]
        fx, fy = x % 1, y % 1
        ones = np.ones((self.side, self.side), np.float32)
        return value, np.minimum(fx, 1 - fx) / across * ones, np.minimum(fy, 1 - fy) / down * ones


def _ramp(x: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def _mix(share: Array, first: ArrayLike, second: ArrayLike) -> Array:
    """Colours or pictures `[h, w, 3]`, mixed: a share `[h, w]` of 0 gives the first, 1 the second.

    float32 `[h, w, 3]`.
    """
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return a + share[..., None] * (b - a)


def _wood(s: Sheet) -> Array:
    tint, across, along = (a.T for a in s.blocks(2, 12, stagger=0.5))
    grain = 0.6 * s.noise(128, 4) + 0.4 * s.noise(64, 16) + 0.3 * s.noise(256, 32)
    board = _mix(0.5 + 0.32 * tint + 0.27 * grain, (0.40, 0.23, 0.11), (0.84, 0.60, 0.36))
    joint = _ramp(np.minimum(across, along), 0.001, 0.005)
    return board * (0.35 + 0.65 * joint)[..., None]


def _grass(s: Sheet) -> Array:
    blades = 0.55 * s.noise(128, 32) + 0.5 * s.noise(64, 32) + 0.3 * s.noise(16, 16)
    colour = _mix(_ramp(blades, -1, 1), (0.10, 0.27, 0.07), (0.52, 0.73, 0.26))
    dry = 0.5 + 0.5 * s.noise(8, 8)
    return colour * _mix(dry, (0.90, 1.0, 0.95), (1.12, 1.0, 0.85))


def _sand(s: Sheet) -> Array:
    sway = 0.25 * s.noise(8, 8) + 0.12 * s.noise(16, 16)
    ripple = np.sin(2 * np.pi * (16 * s.v + sway * 2)).astype(np.float32)
    grain = 0.5 * s.noise(128, 64) + 0.35 * s.noise(32, 32)
    light = 0.55 + 0.26 * ripple * (0.8 + 0.4 * s.noise(8, 8)) + 0.2 * grain
    return _mix(light, (0.68, 0.50, 0.27), (0.98, 0.87, 0.60))


def _tiles(s: Sheet) -> Array:
    tint, across, down = s.blocks(8, 8)
    dark = (np.floor(s.u * 8) + np.floor(s.v * 8)) % 2
    marble = 1 - np.abs(0.7 * s.noise(16, 16) + 0.4 * s.noise(32, 64) + 0.25 * s.noise(64, 64))
    light = 0.82 + 0.16 * tint + 0.2 * (_ramp(marble, 0.2, 1.0) - 0.5)
    tile = _mix(dark, (0.95, 0.92, 0.86), (0.27, 0.47, 0.52)) * light[..., None]
    return _mix(_ramp(np.minimum(across, down), 0.002, 0.005), np.full_like(tile, 0.54), tile)


def _brick(s: Sheet) -> Array:
    tint, across, down = s.blocks(8, 16, stagger=0.5)
    rough = 0.5 * s.noise(64, 64) + 0.5 * s.noise(128, 128)
    brick = _mix(0.5 + 0.38 * tint + 0.25 * rough, (0.43, 0.16, 0.11), (0.78, 0.40, 0.28))
    edge = np.minimum(across, down) + 0.0012 * rough
    mortar = _mix(0.5 + 0.5 * rough, (0.58, 0.55, 0.51), (0.78, 0.75, 0.70))
    return _mix(_ramp(edge, 0.003, 0.006), mortar, brick)


def _night(s: Sheet) -> Array:
    cloud = 0.7 * s.noise(4, 4) + 0.5 * s.noise(16, 16) + 0.3 * s.noise(64, 64)
    sky = _mix(_ramp(cloud, -0.5, 1.2), (0.02, 0.03, 0.11), (0.23, 0.20, 0.47))
    sky = sky + _mix(_ramp(s.noise(8, 8) + 0.4 * cloud, 0.2, 1.4), (0, 0, 0), (0.20, 0.08, 0.20))
    stars = np.zeros((s.side, s.side), np.float32)
    for x, y, size, light in s.rng.uniform((0, 0, 0, 0.35), (1, 1, 1, 1), (420, 4)):
        sigma = (0.0018 + 0.0022 * size**4) * s.side
        reach = int(3 * sigma) + 1
        column = np.arange(-reach, reach + 1) + int(x * s.side)
        row = np.arange(-reach, reach + 1) + int(y * s.side)
        dot_x = np.exp(-0.5 * ((column - x * s.side) / sigma) ** 2)
        dot_y = np.exp(-0.5 * ((row - y * s.side) / sigma) ** 2)
        stars[np.ix_(row % s.side, column % s.side)] += light * np.outer(dot_y, dot_x)
    return sky + _mix(stars, (0, 0, 0), (1.0, 0.97, 0.88))


def _clouds(s: Sheet) -> Array:
    height = 0.75 * s.noise(4, 8) + 0.45 * s.noise(16, 16) + 0.28 * s.noise(32, 64)
    height = height + 0.12 * s.noise(128, 128)
    blue = _mix(0.5 + 0.5 * s.noise(8, 8), (0.26, 0.52, 0.83), (0.40, 0.66, 0.92))
    white = _mix(_ramp(height, 0.2, 1.3), (0.80, 0.85, 0.92), (1.0, 0.99, 0.97))
    return _mix(_ramp(height, -0.25, 0.75), blue, white)


def _wallpaper(s: Sheet) -> Array:
    x, y = 2 * np.pi * 8 * s.u, 2 * np.pi * 8 * s.v
    lattice = np.cos(x) + np.cos(y) + 0.35 * np.cos(2 * x) * np.cos(2 * y)
    flower = np.cos(x) * np.cos(y) - 0.5 * np.cos(2 * (x + y)) * np.cos(2 * (x - y))
    weave = 0.5 * s.noise(128, 64) + 0.5 * s.noise(32, 32)
    cloth = _mix(0.5 + 0.45 * weave, (0.47, 0.38, 0.56), (0.75, 0.66, 0.82))
    print_ = _mix(0.5 + 0.35 * weave, (0.86, 0.78, 0.62), (0.97, 0.91, 0.78))
    ink = np.maximum(1 - _ramp(np.abs(lattice), 0.12, 0.28), _ramp(flower, 0.75, 1.0))
    return _mix(ink, cloth, print_)


@dataclass(frozen=True)
class Background:
    """A painter, and how its sheet stands in the scene.

    A `ground` recedes towards a horizon, a `wall` faces the viewer, a `sky` does too and takes no
    shadow.
    """

    paint: Callable[[Sheet], Array]  # colours, float32 `[side, side, 3]`, about 0..1
    kind: Literal["ground", "wall", "sky"]


BACKGROUNDS: dict[str, Background] = {
    "a wooden floor": Background(_wood, "ground"),
    "green grass": Background(_grass, "ground"),
    "yellow sand": Background(_sand, "ground"),
    "a tiled floor": Background(_tiles, "ground"),
    "a brick wall": Background(_brick, "wall"),
    "a patterned wallpaper": Background(_wallpaper, "wall"),
    "a cloudy sky": Background(_clouds, "sky"),
    "a night sky": Background(_night, "sky"),
}


def paint_plate(
    background: Background, x: Array, y: Array, texels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The part of a background that a camera can see, uint8 `[h, w, 3]`, RGB.

    `x`, float32 `[1, w]`, and `y`, float32 `[h, 1]`, are the positions of its columns and rows, in
    short sides from the centre, y down; `texels` is the resolution of the sheet per short side, a
    power of two.
    """
    origin_u, origin_v = rng.uniform(0, 1, 2)
    tint = (rng.uniform(0.93, 1.07) * rng.uniform(0.97, 1.03, 3)).astype(np.float32)
    side = int(PERIOD * texels)
    colours = background.paint(Sheet(side, rng)) * (255 * tint)
    sheet = np.clip(colours, 0, 255, out=colours).astype(np.uint8)
    if background.kind == "ground":
        nearness = _HORIZON / (_HORIZON - y)  # 1 at the centre, larger towards the horizon
        u, v = x * nearness, _HORIZON * nearness
    else:
        u, v = x, y
    shape = (y.shape[0], x.shape[1])
    # Half a texel: the first texel's centre does not lie at 0.
    u = np.broadcast_to((u / PERIOD + origin_u) % 1 * side - 0.5, shape).astype(np.float32)
    v = np.broadcast_to((v / PERIOD + origin_v) % 1 * side - 0.5, shape).astype(np.float32)
    plate: NDArray[np.uint8] = cv2.remap(sheet, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return plate
