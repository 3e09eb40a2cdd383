"""Labels of points, placed so that none covers another, a point, or the edge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GAPS = (7.0, 16.0, 28.0, 44.0, 64.0)
_CLEAR = 4.0  # half the side of the square around a point that stays free


@dataclass(frozen=True)
class Box:
    """A rectangle; any unit, y upwards.

    Attributes:
        left: its smallest x.
        bottom: its smallest y.
        right: its largest x.
        top: its largest y.
    """

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def within(self, other: "Box") -> bool:
        """Whether it lies inside of another."""
        return (
            other.left <= self.left
            and other.bottom <= self.bottom
            and self.right <= other.right
            and self.top <= other.top
        )


def place(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    area: Box,
    avoid: Sequence[Box] = (),
) -> list[Box | None]:
    """A place for each label, the first served first.

    Of the free places around a point the nearest is taken; of those equally near, the one that
    covers least of what is better avoided.

    Args:
        points: x and y of each.
        sizes: width and height of each point's label.
        area: no label leaves it.
        avoid: what may be covered if it must be: whiskers, lines.

    Returns:
        The labels' boxes in the order given; None where there is no room.
    """
    taken = [Box(x - _CLEAR, y - _CLEAR, x + _CLEAR, y + _CLEAR) for x, y in points]
    placed: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        found = None
        for gap in _GAPS:
            free = [
                box
                for box in _around(point, size, gap)
                if box.within(area) and not any(box.overlap(other) for other in taken)
            ]
            if free:
                found = min(free, key=lambda box: sum(box.overlap(other) for other in avoid))
                taken.append(found)
                break
        placed.append(found)
    return placed


def _around(point: tuple[float, float], size: tuple[float, float], gap: float) -> Iterator[Box]:
    """Places beside, above and below a point, the most readable first."""
    (x, y), (width, height) = point, size
    near = gap * 0.7
    for left, bottom in (
        (x + gap, y - height / 2),
        (x - gap - width, y - height / 2),
        (x + near, y + near),
        (x + near, y - near - height),
        (x - near - width, y + near),
        (x - near - width, y - near - height),
        (x - width / 2, y + gap),
        (x - width / 2, y - gap - height),
    ):
        yield Box(left, bottom, left + width, bottom + height)
