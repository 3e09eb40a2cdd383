"""The Pareto front: quality against seconds of compute per second of video, its points labelled."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.leaderboard.data.rows import HEADLINE, Group
from bench.leaderboard.data.speed import Speed
from bench.leaderboard.render.style import COLOURS, INK, named, styled, to_svg
from bench.leaderboard.tables.words import one_line, visible

_FEW = 15  # whiskers of more points than that step back
_POINT_PER_INCH = 72
_GAPS = (7.0, 16.0, 28.0, 44.0, 64.0)  # from a point to its label
_CLEAR = 4.0  # half the side of the square around a point that stays free


@dataclass(frozen=True)
class Point:
    """A model between compute and quality.

    Attributes:
        x: seconds of compute per second of video, with the 5% and 95% percentile over clips.
        y: the headline, with its interval.
    """

    label: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]


def front(points: Sequence[Point]) -> list[Point]:
    """Those than which no other is both faster and better, fastest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x[1], -point.y[1])):
        if not best or point.y[1] > best[-1].y[1]:
            best.append(point)
    return best


def pareto(points: Sequence[Point], title: str) -> bytes:
    """Quality against compute, with intervals; the front is joined, and every point labelled.

    A label for which there is no room is left out, and counted.
    """
    with styled():
        figure = Figure(figsize=(6.5, 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(one_line(visible(title), 90))
        axes.set_xscale("log")
        axes.set_xlabel("seconds of compute per second of video (less is better)")
        axes.set_ylabel(f"{visible(HEADLINE)} (more is better)")
        leading = front(points)
        others = [point for point in points if point not in leading]
        alpha = 0.55 if len(points) <= _FEW else 0.25
        for chosen, colour, order in ((others, INK, 3), (leading, COLOURS[0], 4)):
            for point in chosen:
                (x_low, x, x_high), (y_low, y, y_high) = point.x, point.y
                # Grey for all: in the colour of the front they would pass for a part of it.
                thin: Any = {"color": INK, "linewidth": 0.9, "alpha": alpha, "zorder": order - 1}
                axes.plot([x_low, x_high], [y, y], **thin)
                axes.plot([x, x], [y_low, y_high], **thin)
                axes.plot([x], [y], "o", color=colour, markersize=5, zorder=order)
        stairs = [(point.x[1], point.y[1]) for point in leading]
        axes.step(*zip(*stairs, strict=True), where="post", color=COLOURS[0], lw=1.6)
        _log_range(axes, [value for point in points for value in point.x])
        _range(axes, [value for point in points for value in point.y])
        left_out = _label(figure, axes, [*leading, *others], len(leading))
        if left_out:
            axes.text(
                1, 1.01, f"{left_out} labels left out for room", ha="right", va="bottom",
                fontsize=7, transform=axes.transAxes,
            )  # fmt: skip
        return to_svg(figure)


def points_of(group: Group, speeds: Sequence[Speed]) -> list[Point]:
    """The complete rows of a group that were timed, by their speeds on one device."""
    points = []
    fast = {speed.result.model: speed for speed in speeds}
    for row in group.complete:
        speed, interval = fast.get(row.result.model), row.scores[HEADLINE].interval
        if speed is None or interval is None or speed.latency_s[0] <= 0:
            continue
        x = speed.compute_per_video_s
        x_low, x_high = x, x
        if len(speed.shapes) == 1:  # else the spread is that of lengths, not of speed
            frames, _, _, fps = speed.shapes[0]
            x_low, x_high = (
                min(x, speed.latency_s[0] * fps / frames),
                max(x, speed.latency_s[2] * fps / frames),
            )
        low = interval.mean if interval.low is None else interval.low
        high = interval.mean if interval.high is None else interval.high
        points.append(Point(row.label, (x_low, x, x_high), (low, interval.mean, high)))
    return points


def _label(figure: Figure, axes: Axes, points: Sequence[Point], leading: int) -> int:
    """Write the labels that find room, and return how many did not."""
    canvas = FigureCanvasSVG(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as in `to_svg`
        canvas.draw()  # type: ignore[no-untyped-call]  # lays the figure out, after which points have places
    scale = figure.dpi / _POINT_PER_INCH
    to_px, to_data = axes.transData, axes.transData.inverted()
    at = [tuple(to_px.transform((point.x[1], point.y[1]))) for point in points]
    size = 8.0
    texts = [named(point.label) for point in points]
    sizes = [(_width(text, size) * scale, 1.25 * size * scale) for text in texts]
    area = axes.get_window_extent()
    whiskers = []
    for point in points:
        for low, high in (
            ((point.x[0], point.y[1]), (point.x[2], point.y[1])),
            ((point.x[1], point.y[0]), (point.x[1], point.y[2])),
        ):
            (left, bottom), (right, top) = to_px.transform(low), to_px.transform(high)
            whiskers.append(Box(left - 1, bottom - 1, right + 1, top + 1))
    boxes = place(at, sizes, Box(area.x0, area.y0, area.x1, area.y1), whiskers)
    for number, (text, (x, y), box) in enumerate(zip(texts, at, boxes, strict=True)):
        if box is None:
            continue
        colour = COLOURS[0] if number < leading else INK
        near = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
        if max(abs(near[0] - x), abs(near[1] - y)) > 12 * scale:  # say whose label it is
            ends = to_data.transform([(x, y), near])
            axes.plot(ends[:, 0], ends[:, 1], color=colour, lw=0.5, alpha=0.7, zorder=2)
        left, middle = to_data.transform((box.left, (box.bottom + box.top) / 2))
        axes.text(left, middle, text, fontsize=size, color=colour, va="center", zorder=5)
    return sum(box is None for box in boxes)


def _width(text: str, size: float) -> float:
    """Width of a text in points, never too small: what no font here knows counts as wide."""
    return sum(0.64 if character.isascii() else 1.05 for character in text) * size


def _log_range(axes: Axes, values: Sequence[float]) -> None:
    """Limits with some air, and ticks at round numbers, however short the range."""
    low, high = min(values), max(values)
    air = max(1.15, (high / low) ** 0.08)
    low, high = low / air, high * air
    axes.set_xlim(low, high)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), np.arange(1, 10, 0.2)):
        ticks = [
            float(f"{step * 10.0**decade:.6g}")
            for decade in decades
            for step in steps
            if low <= step * 10.0**decade <= high
        ]
        if len(ticks) >= 3:
            break
    ticks = ticks[:: 1 + len(ticks) // 8]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _range(axes: Axes, values: Sequence[float]) -> None:
    low, high = min(values), max(values)
    air = max(1.0, 0.06 * (high - low))
    axes.set_ylim(low - air, high + air)


# ---- Labels, placed so that none covers another, a point, or the edge ----


@dataclass(frozen=True)
class Box:
    """A rectangle; any unit, y upwards."""

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
    """A place for each label, the first served first; None where there is no room in the area.

    Of the free places around a point the nearest is taken; of those equally near, the one that
    covers least of what is better avoided: whiskers, lines. Sizes are widths and heights.
    """
    taken = [Box(x - _CLEAR, y - _CLEAR, x + _CLEAR, y + _CLEAR) for x, y in points]
    placed: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        placed.append(None)
        for gap in _GAPS:
            free = [
                box
                for box in _around(point, size, gap)
                if box.within(area) and not any(box.overlap(other) for other in taken)
            ]
            if free:
                best = min(free, key=lambda box: sum(box.overlap(other) for other in avoid))
                taken.append(best)
                placed[-1] = best
                break
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
