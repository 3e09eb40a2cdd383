"""How things in the toy world move: poses as smooth functions of time.

Lengths are in short sides of the picture, from its centre, y down; angles in radians. What repeats
is slow enough that eight frames a second show which way it goes: a bounce takes more than a second,
and no figure turns into itself from one frame to the next.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


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
    spin: float = 0.0  # like a top
    scale: float = 1.0  # of its radius
    stretch: float = 1.0  # height over width, relative to its own; the area is kept
    pivot: tuple[float, float] | None = None  # the point it hangs from, if it hangs


Motion = Callable[[Room, float, float], Pose]
"""From a room, the time in seconds and the share of the clip that has passed (0..1)."""


def _across(room: Room, share: float, direction: int) -> tuple[float, float]:
    way = 2 * share - 1
    x = room.x + direction * room.reach_x * way
    return x, room.y + 0.6 * room.slant * room.reach_y * way


def _hop(room: Room, time_s: float) -> tuple[float, float]:
    """Height 0..1 of a bouncing body, and its stretch."""
    phase = (0.6 * room.pace * time_s + room.phase) % 1
    height = 4 * phase * (1 - phase)
    return height, 1 - 0.22 * max(0.0, 1 - height / 0.3) ** 2


def _rolls(direction: int) -> Motion:
    def motion(room: Room, _time_s: float, share: float) -> Pose:
        x, y = _across(room, share, direction)
        return Pose(x, y, roll=(x - room.x) / room.radius + 2 * np.pi * room.phase)

    return motion


def _slides(direction: int) -> Motion:
    def motion(room: Room, _time_s: float, share: float) -> Pose:
        return Pose(*_across(room, share, direction), roll=0.25 * room.slant)

    return motion


def _bounces(direction: int) -> Motion:
    def motion(room: Room, time_s: float, share: float) -> Pose:
        height, stretch = _hop(room, time_s)
        x = room.x + direction * room.reach_x * (2 * share - 1)
        roll = 2.2 * (direction or room.sense) * share + 2 * np.pi * room.phase
        lift = height * min(2 * room.reach_y, 0.3)
        return Pose(x, room.y + room.reach_y, lift, roll=roll, stretch=stretch)

    return motion


def _spins(room: Room, time_s: float, _share: float) -> Pose:
    angle = room.sense * 1.1 * room.pace * time_s + 2 * np.pi * room.phase
    x = room.x + 0.5 * room.slant * room.reach_x
    return Pose(x, room.y, spin=angle)


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


def _approaches(direction: int) -> Motion:
    def motion(room: Room, _time_s: float, share: float) -> Pose:
        near = share if direction > 0 else 1 - share
        x = room.x + 0.5 * room.slant * room.reach_x * (2 * near - 1)
        y = room.y + room.reach_y * (2 * near - 1)
        return Pose(x, y, scale=0.7 + 0.3 * near, roll=0.3 * room.slant)

    return motion


def _floats(direction: int) -> Motion:
    def motion(room: Room, time_s: float, share: float) -> Pose:
        sway = np.sin(2 * np.pi * (0.4 * room.pace * time_s + room.phase))
        lift = room.reach_y * (1 + direction * (2 * share - 1))
        x = room.x + 0.3 * room.reach_x * sway
        return Pose(float(x), room.y + room.reach_y, float(lift), roll=float(0.25 * sway))

    return motion


def _rests(room: Room, _time_s: float, _share: float) -> Pose:
    return Pose(room.x + 0.5 * room.slant * room.reach_x, room.y, roll=0.3 * room.slant)


VERBS: dict[str, Motion] = {
    "rolls from left to right": _rolls(1),
    "rolls from right to left": _rolls(-1),
    "slides from left to right": _slides(1),
    "slides from right to left": _slides(-1),
    "bounces from left to right": _bounces(1),
    "bounces from right to left": _bounces(-1),
    "bounces up and down": _bounces(0),
    "spins": _spins,
    "swings from side to side": _swings,
    "moves in a circle": _circles,
    "comes closer": _approaches(1),
    "moves away": _approaches(-1),
    "floats up": _floats(1),
    "sinks down": _floats(-1),
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
