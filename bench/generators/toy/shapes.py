"""The shapes of the toy world: lit, patterned bodies, computed pixel by pixel.

Coordinates are the body's own: x to the right, y down, z towards the viewer, the body inside the
unit sphere. Edges are softened over exactly one pixel, so that motion by a part of a pixel shows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Points = tuple[Array, Array, Array]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.88, 0.10, 0.12),
    "orange": (0.98, 0.50, 0.05),
    "yellow": (0.98, 0.85, 0.12),
    "green": (0.10, 0.62, 0.24),
    "blue": (0.12, 0.30, 0.88),
    "purple": (0.52, 0.18, 0.72),
    "pink": (0.98, 0.47, 0.70),
    "white": (0.95, 0.95, 0.93),
}


def _unit(x: float, y: float, z: float) -> Array:
    vector = np.array([x, y, z], np.float32)
    return vector / np.linalg.norm(vector)


_LIGHT = _unit(-0.45, -0.66, 0.60)
_HALFWAY = _unit(_LIGHT[0], _LIGHT[1], _LIGHT[2] + 1)  # between the light and the viewer
_BEVEL = 0.22
_VIEW_FROM_ABOVE = -0.5


@dataclass(frozen=True)
class Surface:
    """What a viewer sees of a body, per pixel; float32 `[h, w]`."""

    inside: Array  # positive on the body, zero on its outline
    point: Points  # where on the turned-back body the pixel lies; fixes patterns
    normal: Points  # of unit length, as the viewer sees it


def _coverage(field: Array) -> Array:
    """0..1: how much of each pixel lies where the field is positive."""
    down, across = np.gradient(field)
    share: Array = np.clip(0.5 + field / (np.hypot(across, down) + 1e-6), 0, 1)
    return share


@dataclass(frozen=True)
class Turn:
    """How a body is turned: first by `spin` like a top, then by `roll` like a wheel; radians."""

    roll: float
    spin: float

    def matrix(self) -> NDArray[np.float64]:
        """For solid bodies: rotation matrix `[3, 3]`, seen a little from above."""
        return (
            _about(0, 1, self.roll) @ _about(1, 2, _VIEW_FROM_ABOVE) @ _about(2, 0, self.spin + 0.6)
        )


def _about(first: int, second: int, angle: float) -> NDArray[np.float64]:
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[second, first] = np.sin(angle)
    turn[first, second] = -turn[second, first]
    return turn


def _turn_back(matrix: NDArray[np.float64], x: Array, y: Array, z: Array) -> Points:
    """Apply the inverse of a rotation matrix `[3, 3]`."""
    m = matrix.astype(np.float32)
    a, b, c = (m[0, i] * x + m[1, i] * y + m[2, i] * z for i in range(3))
    return a, b, c


def _ball(x: Array, y: Array, turn: Turn) -> Surface:
    flat = x * x + y * y
    z = np.sqrt(np.maximum(0, 1 - flat))
    return Surface(1 - np.sqrt(flat), _turn_back(turn.matrix(), x, y, z), (x, y, z))


def _cube(x: Array, y: Array, turn: Turn) -> Surface:
    half = 0.62
    matrix = turn.matrix()
    origin = _turn_back(matrix, x, y, np.zeros_like(x))
    front = np.full(x.shape, np.inf, np.float32)
    back = np.full(x.shape, -np.inf, np.float32)
    face = np.zeros(x.shape, np.intp)
    for axis in range(3):  # a line of sight is inside the cube where it is in all three slabs
        slope = float(matrix[2, axis])
        slope = slope if abs(slope) > 1e-4 else 1e-4
        near = -origin[axis] / slope + half / abs(slope)
        face = np.where(near < front, axis, face)
        front = np.minimum(front, near)
        back = np.maximum(back, near - 2 * half / abs(slope))
    point = _turn_back(matrix, x, y, np.clip(front, -2, 2))
    outward = (matrix * np.sign(matrix[2])).astype(np.float32)  # of the faces that show
    nx, ny, nz = (outward[i][face] for i in range(3))
    return Surface(0.5 * (front - back), point, (nx, ny, nz))


def _plate(outline: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Turn], Surface]:
    """A flat body with a bevelled rim, from its signed distance (positive inside)."""

    def surface(x: Array, y: Array, turn: Turn) -> Surface:
        # It faces the viewer whatever it does: to spin, it turns like a wheel too.
        angle = turn.roll + turn.spin
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        px, py = c * x + s * y, c * y - s * x
        inside = outline(px, py)
        down, across = np.gradient(inside)
        steep = np.hypot(across, down) + 1e-6
        tilt = 0.75 * np.clip(1 - inside / _BEVEL, 0, 1)
        normal = (-across / steep * tilt, -down / steep * tilt, np.sqrt(1 - tilt * tilt))
        return Surface(inside, (px, py, np.zeros_like(px)), normal)

    return surface


def _fold(x: Array, y: Array, times: int) -> tuple[Array, Array]:
    """Map the plane onto one half of one of `times` equal sectors; the first points up."""
    sector = 2 * np.pi / times
    angle = np.arctan2(x, -y)
    angle = np.abs((angle + sector / 2) % sector - sector / 2)
    radius = np.hypot(x, y)
    return radius * np.cos(angle), radius * np.sin(angle)


def _star(x: Array, y: Array) -> Array:
    along, aside = _fold(x, y, 5)
    inner = 0.5 * np.array([np.cos(np.pi / 5), np.sin(np.pi / 5)])
    edge = np.array([1.0, 0.0]) - inner
    normal = np.array([-edge[1], edge[0]]) / np.linalg.norm(edge)
    return np.float32(normal[0]) * (1 - along) - np.float32(normal[1]) * aside


def _triangle(x: Array, y: Array) -> Array:
    along, _ = _fold(x, -y, 3)
    return 0.5 - along


def _ring(x: Array, y: Array) -> Array:
    inside: Array = 0.27 - np.abs(np.hypot(x, y) - 0.72)
    return inside


def _cross(x: Array, y: Array) -> Array:
    x, y = np.abs(x), np.abs(y)
    inside: Array = 0.32 - np.maximum(np.minimum(x, y), np.maximum(x, y) - 0.62)
    return inside


SHAPES: dict[str, Callable[[Array, Array, Turn], Surface]] = {
    "ball": _ball,
    "cube": _cube,
    "star": _plate(_star),
    "triangle": _plate(_triangle),
    "ring": _plate(_ring),
    "cross": _plate(_cross),
}
"""Each takes positions x and y, float32 `[h, w]`, in radii of the body."""


def _stripes(x: Array, y: Array, z: Array, phase: float) -> Array:
    wave: Array = np.sin(8.5 * (0.77 * x + 0.45 * y + 0.45 * z) + phase)
    return wave - 0.4


def _dots(x: Array, y: Array, z: Array, phase: float) -> Array:
    wave: Array = np.cos(7 * x + phase) * np.cos(7 * y + phase) * np.cos(7 * z)
    return wave - 0.3


def _wedges(x: Array, y: Array, _z: Array, phase: float) -> Array:
    wave: Array = np.hypot(x, y) * (np.sin(5 * np.arctan2(y, x) + phase) - 0.4)
    return wave - 0.02


def _circles(x: Array, y: Array, z: Array, phase: float) -> Array:
    x, y = x - 0.3 * math.cos(phase), y - 0.3 * math.sin(phase)
    wave: Array = np.sin(12 * np.sqrt(x * x + y * y + 0.4 * z * z))
    return wave - 0.4


_PATTERNS = (_stripes, _dots, _wedges, _circles)


@dataclass(frozen=True)
class Look:
    """Everything about a body's appearance that does not change with time."""

    shape: str
    colour: NDArray[np.float32]
    accent: NDArray[np.float32]
    pattern: Callable[[Array, Array, Array, float], Array]
    phase: float

    @classmethod
    def draw(cls, shape: str, colour: str, rng: np.random.Generator) -> "Look":
        """Draw pattern and shade at random; the colour stays recognisable."""
        base = np.array(COLOURS[colour]) * rng.uniform(0.95, 1.05) + rng.uniform(-0.03, 0.03, 3)
        base = np.clip(base, 0, 1)
        # Pale colours take a darker pattern, all others a paler one.
        pale = base.mean() > 0.75
        accent = base * 0.74 if pale else base + 0.68 * (1 - base)
        return cls(
            shape=shape,
            colour=base.astype(np.float32),
            accent=accent.astype(np.float32),
            pattern=_PATTERNS[rng.integers(len(_PATTERNS))],
            phase=float(rng.uniform(0, 2 * np.pi)),
        )


def _power_32(x: Array) -> Array:
    for _ in range(5):  # far cheaper than a general power
        x = x * x
    return x


def shade(look: Look, x: Array, y: Array, turn: Turn) -> tuple[Array, Array]:
    """A body's pixels, from their positions, float32 `[h, w]`, in radii of the body.

    Returns:
        float32 colours `[h, w, 3]`, 0..1, and float32 coverage `[h, w]`, 0..1.
    """
    surface = SHAPES[look.shape](x, y, turn)
    nx, ny, nz = surface.normal
    diffuse = nx * _LIGHT[0] + ny * _LIGHT[1] + nz * _LIGHT[2]
    glance = nx * _HALFWAY[0] + ny * _HALFWAY[1] + nz * _HALFWAY[2]
    light = 0.45 + 0.64 * np.maximum(diffuse, 0)
    shine = 0.35 * _power_32(np.maximum(glance, 0))
    paint = _coverage(look.pattern(*surface.point, look.phase))[..., None]
    colour = look.colour + paint * (look.accent - look.colour)
    rim = 0.72 + 0.28 * np.clip(surface.inside / 0.07, 0, 1)  # a darker outline lifts it off
    pixels = colour * (light * rim)[..., None] + shine[..., None]
    return np.minimum(pixels, 1), _coverage(surface.inside)
