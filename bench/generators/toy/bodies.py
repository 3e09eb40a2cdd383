"""The bodies of the toy world: how they look, how they move, and the camera that watches them.

A body's own coordinates: x to the right, y down, z towards the viewer, the body inside the unit
sphere. Edges are softened over exactly one pixel, so that motion by a part of a pixel shows.

Where a body is: in short sides of the picture, from its centre, y down; angles in radians. What
repeats is slow enough that eight frames a second show which way it goes: a bounce takes more than
a second, and no figure turns into itself from one frame to the next.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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
class Room:
    """The space a body has to itself, and what the seed chose about its path."""

    x: float  # the room's centre
    y: float
    reach_x: float  # how far the body's centre may go to either side
    reach_y: float
    radius: float
    pace: float  # of what repeats, about 1
    phase: float  # where in its cycle it begins, 0..1
    slant: float  # -1..1: how far a straight path leans
    sense: int  # 1 or -1: which way it turns


@dataclass(frozen=True)
class Pose:
    """Where a body is and how it stands."""

    x: float
    y: float  # of its centre, were it on the ground
    lift: float = 0.0  # above that ground
    roll: float = 0.0  # like a wheel seen from the side, clockwise
    spin: float = 0.0  # like a top, before it rolls
    scale: float = 1.0  # of its radius
    stretch: float = 1.0  # height over width, relative to its own; the area is kept
    pivot: tuple[float, float] | None = None  # the point it hangs from, if it hangs


Motion = Callable[[Room, float, float], Pose]
"""From a room, the time in seconds and the share of the clip that has passed (0..1)."""


def _across(direction: int, room: Room, share: float) -> tuple[float, float]:
    way = 2 * share - 1
    x = room.x + direction * room.reach_x * way
    return x, room.y + 0.6 * room.slant * room.reach_y * way


def _rolls(direction: int, room: Room, _time_s: float, share: float) -> Pose:
    x, y = _across(direction, room, share)
    return Pose(x, y, roll=(x - room.x) / room.radius + 2 * np.pi * room.phase)


def _slides(direction: int, room: Room, _time_s: float, share: float) -> Pose:
    return Pose(*_across(direction, room, share), roll=0.25 * room.slant)


def _bounces(direction: int, room: Room, time_s: float, share: float) -> Pose:
    phase = (0.6 * room.pace * time_s + room.phase) % 1
    height = 4 * phase * (1 - phase)
    stretch = 1 - 0.22 * max(0.0, 1 - height / 0.3) ** 2
    x = room.x + direction * room.reach_x * (2 * share - 1)
    roll = 2.2 * (direction or room.sense) * share + 2 * np.pi * room.phase
    lift = height * min(2 * room.reach_y, 0.3)
    return Pose(x, room.y + room.reach_y, lift, roll=roll, stretch=stretch)


def _spins(room: Room, time_s: float, _share: float) -> Pose:
    angle = room.sense * 1.1 * room.pace * time_s + 2 * np.pi * room.phase
    return Pose(room.x + 0.5 * room.slant * room.reach_x, room.y, spin=angle)


def _swings(room: Room, time_s: float, _share: float) -> Pose:
    length = 0.5 + room.y + room.reach_y + 0.15  # from above the picture
    widest = np.arcsin(min(room.reach_x / length, 0.9))
    angle = widest * np.sin(2 * np.pi * (0.55 * room.pace * time_s + room.phase))
    top = room.y + 0.5 * room.reach_y - length
    x, y = room.x + length * np.sin(angle), top + length * np.cos(angle)
    return Pose(float(x), float(y), roll=float(-angle), pivot=(room.x, top))


def _circles(room: Room, time_s: float, _share: float) -> Pose:
    angle = room.sense * (2.4 * room.pace * time_s) + 2 * np.pi * room.phase
    x = room.x + 0.85 * room.reach_x * np.cos(angle)
    return Pose(float(x), float(room.y + 0.85 * room.reach_y * np.sin(angle)))


def _approaches(direction: int, room: Room, _time_s: float, share: float) -> Pose:
    near = share if direction > 0 else 1 - share
    x = room.x + 0.5 * room.slant * room.reach_x * (2 * near - 1)
    y = room.y + room.reach_y * (2 * near - 1)
    return Pose(x, y, scale=0.7 + 0.3 * near, roll=0.3 * room.slant)


def _floats(direction: int, room: Room, time_s: float, share: float) -> Pose:
    sway = float(np.sin(2 * np.pi * (0.4 * room.pace * time_s + room.phase)))
    lift = room.reach_y * (1 + direction * (2 * share - 1))
    return Pose(room.x + 0.3 * room.reach_x * sway, room.y + room.reach_y, lift, roll=0.25 * sway)


def _rests(room: Room, _time_s: float, _share: float) -> Pose:
    return Pose(room.x + 0.5 * room.slant * room.reach_x, room.y, roll=0.3 * room.slant)


VERBS: dict[str, Motion] = {
    "rolls from left to right": partial(_rolls, 1),
    "rolls from right to left": partial(_rolls, -1),
    "slides from left to right": partial(_slides, 1),
    "slides from right to left": partial(_slides, -1),
    "bounces from left to right": partial(_bounces, 1),
    "bounces from right to left": partial(_bounces, -1),
    "bounces up and down": partial(_bounces, 0),
    "spins": _spins,
    "swings from side to side": _swings,
    "moves in a circle": _circles,
    "comes closer": partial(_approaches, 1),
    "moves away": partial(_approaches, -1),
    "floats up": partial(_floats, 1),
    "sinks down": partial(_floats, -1),
    "rests": _rests,
}


@dataclass(frozen=True)
class Camera:
    """A camera move: what it does from the first to the last moment of the clip."""

    pan: float = 0.0  # how far it travels to the right in all, in short sides
    zoom: tuple[float, float] = (1.0, 1.0)  # at the start and at the end, at least 1

    def at(self, share: float) -> tuple[float, float]:
        """Where it looks (x, in short sides) and its magnification, at 0..1 of the clip."""
        start, end = self.zoom
        return self.pan * (share - 0.5), start * (end / start) ** share


CAMERAS: dict[str, Camera] = {
    "": Camera(),
    "pans left": Camera(pan=-0.26),
    "pans right": Camera(pan=0.26),
    "zooms in": Camera(zoom=(1.0, 1.3)),
    "zooms out": Camera(zoom=(1.3, 1.0)),
}
"""By what a sentence says after `while the camera`; nothing is a camera that stands still."""


@dataclass(frozen=True)
class Surface:
    """What a viewer sees of a body, per pixel; float32 `[h, w]`."""

    inside: Array  # positive on the body, zero on its outline
    point: Points  # where on the turned-back body the pixel lies; fixes patterns
    normal: Points  # of unit length, as the viewer sees it


def _rotation(first: int, second: int, angle: float) -> NDArray[np.float64]:
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[second, first] = np.sin(angle)
    matrix[first, second] = -matrix[second, first]
    return matrix


def _turn(pose: Pose) -> NDArray[np.float64]:
    """The rotation of a solid body, `[3, 3]`, seen a little from above."""
    tilted = _rotation(0, 1, pose.roll) @ _rotation(1, 2, _VIEW_FROM_ABOVE)
    return tilted @ _rotation(2, 0, pose.spin + 0.6)


def _turn_back(matrix: NDArray[np.float64], x: Array, y: Array, z: Array) -> Points:
    m = matrix.astype(np.float32)
    a, b, c = (m[0, i] * x + m[1, i] * y + m[2, i] * z for i in range(3))
    return a, b, c


def _ball(x: Array, y: Array, pose: Pose) -> Surface:
    flat = x * x + y * y
    z = np.sqrt(np.maximum(0, 1 - flat))
    return Surface(1 - np.sqrt(flat), _turn_back(_turn(pose), x, y, z), (x, y, z))


def _cube(x: Array, y: Array, pose: Pose) -> Surface:
    half = 0.62
    matrix = _turn(pose)
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


def _plate(outline: Callable[[Array, Array], Array], x: Array, y: Array, pose: Pose) -> Surface:
    """A flat body with a bevelled rim, from its signed distance (positive inside)."""
    # It faces the viewer whatever it does: to spin, it turns like a wheel too.
    angle = pose.roll + pose.spin
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    px, py = c * x + s * y, c * y - s * x
    inside = outline(px, py)
    down, across = np.gradient(inside)
    steep = np.hypot(across, down) + 1e-6
    tilt = 0.75 * np.clip(1 - inside / _BEVEL, 0, 1)
    normal = (-across / steep * tilt, -down / steep * tilt, np.sqrt(1 - tilt * tilt))
    return Surface(inside, (px, py, np.zeros_like(px)), normal)


def _fold(x: Array, y: Array, times: int) -> tuple[Array, Array]:
    """Map the plane onto one half of one of `times` equal sectors; the first points up."""
    sector = 2 * np.pi / times
    angle = np.abs((np.arctan2(x, -y) + sector / 2) % sector - sector / 2)
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


SHAPES: dict[str, Callable[[Array, Array, Pose], Surface]] = {
    "ball": _ball,
    "cube": _cube,
    "star": partial(_plate, _star),
    "triangle": partial(_plate, _triangle),
    "ring": partial(_plate, _ring),
    "cross": partial(_plate, _cross),
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


def _circular_waves(x: Array, y: Array, z: Array, phase: float) -> Array:
    x, y = x - 0.3 * math.cos(phase), y - 0.3 * math.sin(phase)
    wave: Array = np.sin(12 * np.sqrt(x * x + y * y + 0.4 * z * z))
    return wave - 0.4


_PATTERNS = (_stripes, _dots, _wedges, _circular_waves)


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
        accent = base * 0.74 if base.mean() > 0.75 else base + 0.68 * (1 - base)
        pattern = _PATTERNS[rng.integers(len(_PATTERNS))]
        phase = float(rng.uniform(0, 2 * np.pi))
        return cls(shape, base.astype(np.float32), accent.astype(np.float32), pattern, phase)


def _coverage(field: Array) -> Array:
    """0..1: how much of each pixel lies where the field is positive."""
    down, across = np.gradient(field)
    share: Array = np.clip(0.5 + field / (np.hypot(across, down) + 1e-6), 0, 1)
    return share


def _power_32(x: Array) -> Array:
    for _ in range(5):  # far cheaper than a general power
        x = x * x
    return x


def shade(look: Look, x: Array, y: Array, pose: Pose) -> tuple[Array, Array]:
    """A body's pixels, from their positions, float32 `[h, w]`, in radii of the body.

    Returns:
        float32 colours `[h, w, 3]`, 0..1, and float32 coverage `[h, w]`, 0..1.
    """
    surface = SHAPES[look.shape](x, y, pose)
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
