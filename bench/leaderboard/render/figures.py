"""Figures of a suite as SVG: quality against compute, parts of the headline, curves over lag.

Each is drawn on nothing, in inks that read on white and on black, so that one file serves both.
"""

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.leaderboard.data.rows import HEADLINE, SUB_SCORES, USABLE, Group, Row, SuiteBoard
from bench.leaderboard.render.gallery import Curve
from bench.leaderboard.tables.table import one_line, visible
from bench.leaderboard.tables.variants import variant_groups
from bench.statistics import Interval

_WIDTH = 5.0  # inches: a telephone shows letters of a figure about as large as they are drawn
_PANELS_PER_LINE = 3
_TITLE_CHARACTERS = 46  # a line, which leaves room for the count of labels left out
_FEW = 15  # whiskers of more points than that step back
_POINT_PER_INCH = 72
_LABEL_SIZE = 9.0  # points
_LABEL_CHARACTERS = 40
_LEAST_SHOWN = 1.0  # points, of any model, for a part to have a panel
_GAPS = (7.0, 16.0, 28.0, 44.0, 64.0)  # from a point to its label
_LEAST_LINE = 16.5  # from a point to its label, from which on a line joins them
_CLEAR = 4.0  # half the side of the square around a point that stays free

INK = "#757c86"  # 4.2:1 on white, 4.6:1 on GitHub's black
FAINT = "#757c8640"
COLOURS = (
    "#2f81f7", "#d9730d", "#2a9d5c", "#a463f2", "#e5484d", "#12929e", "#b08408", "#d6409f",
)  # fmt: skip
"""Of lines that are told apart by colour; each reads on white and on black."""

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name with $ signs is a name
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",  # letters stay letters: small, searchable, in the reader's own font
    "svg.hashsalt": "steadybench",
}


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn, and the name of its file without suffix."""

    name: str
    draw: Callable[[], bytes]


def figures(board: SuiteBoard, lags: Mapping[str, Mapping[str, Curve]]) -> Iterator[Drawing]:
    """All figures of a suite; those that would compare nothing are left out.

    Lags are model to metric to its curve over lag.
    """
    for number, group in enumerate(board.groups, start=1):
        suffix = f"-table-{number}" if len(board.groups) > 1 else ""
        if group.footage or HEADLINE not in group.metrics or len(group.complete) < 2:
            continue
        for device in board.speeds:
            if len(points := points_of(group, device)) > 1:
                title = f"{board.suite}, {device}"
                quality = "usable clips, %" if group.ranked_by == USABLE else HEADLINE
                yield Drawing(
                    f"pareto-{_slug(device)}{suffix}", partial(pareto, points, title, quality)
                )
        parts = [
            name
            for name in SUB_SCORES
            if name in group.metrics and group.metrics[name].unit == "points"
            if _most(group.complete, name) >= _LEAST_SHOWN
        ]
        if parts:
            yield Drawing(f"parts{suffix}", partial(part_bars, group.complete, parts))
        rows = [row for row in group.complete if row.result.model in lags]
        names = sorted({name for row in rows for name in lags[row.result.model]})
        if len(rows) > 1 and names:
            curves = {row.label: lags[row.result.model] for row in rows}
            titles = {name: _title(name, group) for name in names}
            yield Drawing(f"lag{suffix}", partial(lag_curves, curves, titles))
    for base, variants, clock in variant_groups(board):
        points = [
            Point(row.label, _ends(row.speed_up), _ends(row.changes[HEADLINE]))
            for row in variants
            if row.speed_up is not None and HEADLINE in row.changes
        ]
        if points:
            name = f"speed-{_slug(base.result.model)}-{_slug(clock)}"
            title = f"What speed costs: {base.label}, {clock}"
            yield Drawing(name, partial(trade_off, base.label, points, title))


def _most(rows: Sequence[Row], name: str) -> float:
    """The largest mean of any model."""
    intervals = [row.scores[name].interval for row in rows]
    return max((each.mean for each in intervals if each is not None), default=0.0)


def part_bars(rows: Sequence[Row], parts: Sequence[str]) -> bytes:
    """The parts of the headline as bars with intervals: a panel per part, a row per model."""
    with styled(grid=False):
        names = [HEADLINE, *parts]
        columns = min(len(names), _PANELS_PER_LINE)
        lines = -(-len(names) // columns)
        size = 1.6 + 1.2 * columns, lines * (0.75 + 0.24 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False)
        panels = grid.flat[: len(names)]
        for axes in grid.flat[len(names) :]:
            axes.set_axis_off()
        at, h = np.arange(len(rows))[::-1], 0.33
        for axes, name in zip(panels, names, strict=True):
            colour = COLOURS[0] if name == HEADLINE else INK
            intervals = [row.scores[name].interval for row in rows]
            bars = [(y, each) for y, each in zip(at, intervals, strict=True) if each]
            for y in at[[each is None for each in intervals]]:
                axes.text(2, y, "-", va="center")
            # All of a kind at once: of a hundred models, bar by bar takes seconds.
            corners = [
                [(0, y - h), (each.mean, y - h), (each.mean, y + h), (0, y + h)] for y, each in bars
            ]
            axes.add_collection(PolyCollection(corners, facecolors=colour, alpha=0.4, lw=0))
            ends = [(y, *each.ends) for y, each in bars if each.low is not None]
            y, low, high = np.array(ends, float).reshape(-1, 3).T
            axes.hlines(y, low, high, colors=colour, lw=1.6, capstyle="projecting")
            axes.set_title(visible(name.removeprefix(f"{HEADLINE}_").replace("_", " ")), y=1)
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100])
            axes.set_ylim(-0.6, len(rows) - 0.4)
            axes.yaxis.set_visible(False)
            axes.spines["left"].set_color(FAINT)
        # Not as labels of ticks, each of which is laid out as three artists where one is seen.
        offset: Any = {"xytext": (-3.5, 0), "textcoords": "offset points"}
        aligned: Any = {"ha": "right", "va": "center_baseline"}
        for axes in grid[:, 0]:
            for y, row in zip(at, rows, strict=True):
                beside = {"xycoords": axes.get_yaxis_transform(), **offset, **aligned}
                axes.annotate(named(row.label), (0, y), **beside)
        return to_svg(figure)


def lag_curves(curves: Mapping[str, Mapping[str, Curve]], titles: Mapping[str, str]) -> bytes:
    """Likeness and distance of two frames over the time between them, a panel per metric.

    The first models (the best) have a colour and their interval; the others stay in the background.
    """
    with styled():
        figure = Figure(figsize=(_WIDTH, 1.0 + 2.6 * len(titles)), layout="constrained")
        panels = figure.subplots(len(titles), 1, squeeze=False)[:, 0]
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            for number, (label, by_metric) in enumerate(curves.items()):
                if name in by_metric:
                    _lag_curve(axes, by_metric[name], label, number, order=len(curves) - number)
            axes.set_title(title)
            axes.set_xlabel("seconds between two frames")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        return to_svg(figure)


def _lag_curve(axes: Axes, curve: Curve, label: str, number: int, order: int) -> None:
    """The part of a curve that has values; no interval where one of its ends is missing."""
    at_s, values = np.array(curve.at_s, float), np.array(curve.values, float)
    valued = np.isfinite(values)
    if number >= len(COLOURS):
        axes.plot(at_s[valued], values[valued], color=FAINT, lw=0.8, zorder=2 + order)
        return
    line: Any = {"color": COLOURS[number], "lw": 1.4, "marker": "o", "ms": 3.5}
    axes.plot(at_s[valued], values[valued], label=named(label), zorder=2 + order, **line)
    low, high = np.array(curve.low, float), np.array(curve.high, float)
    if len(low) and len(high) and np.isfinite([low[valued], high[valued]]).all():
        ends = at_s[valued], low[valued], high[valued]
        axes.fill_between(*ends, color=COLOURS[number], alpha=0.12, lw=0)


def _title(name: str, group: Group) -> str:
    """A metric with its unit, where the group has it."""
    unit = f", {group.metrics[name].unit}" if name in group.metrics else ""
    return visible(name).replace("_", " ") + visible(unit)


def _ends(interval: Interval) -> tuple[float, float, float]:
    """Lower end, mean and upper end."""
    low, high = interval.ends
    return low, interval.mean, high


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "device"


# ---- The Pareto front ----


@dataclass(frozen=True)
class Point:
    """A model between compute and quality, each with its lower and upper end around it."""

    label: str
    x: tuple[float, float, float]  # s of compute per s of video; 5% and 95% percentile over clips
    y: tuple[float, float, float]  # what the group is ranked by, and its interval


def front(points: Sequence[Point]) -> list[Point]:
    """Those than which no other is both faster and better, fastest first; none that has nothing."""
    best: list[Point] = []
    some = [point for point in points if point.y[1] > 0]
    for point in sorted(some, key=lambda point: (point.x[1], -point.y[1])):
        if not best or point.y[1] > best[-1].y[1]:
            best.append(point)
    return best


def pareto(points: Sequence[Point], title: str, quality: str) -> bytes:
    """Quality against compute, with intervals; the front is joined, and every point labelled.

    A label for which there is no room is left out, and counted.
    """
    leading = front(points)

    def join(axes: Axes) -> None:
        if not leading:
            return
        x, y = zip(*((point.x[1], point.y[1]) for point in leading), strict=True)
        axes.step(x, y, where="post", color=COLOURS[0], lw=1.6)

    x = "seconds of compute per second of video (less is better)"
    return _scatter(points, leading, title, (x, f"{quality} (more is better)"), join)


def trade_off(base: str, points: Sequence[Point], title: str) -> bytes:
    """Change of the headline against speed-up of a model's variants, with intervals."""

    def at_base(axes: Axes) -> None:
        axes.axhline(0, color=INK, lw=0.8, zorder=1)

    itself = Point(base, (1, 1, 1), (0, 0, 0))
    x, y = "times as fast (more is better)", f"change of {visible(HEADLINE)} (more is better)"
    return _scatter([itself, *points], [itself], title, (x, y), at_base)


def _scatter(
    points: Sequence[Point],
    leading: Sequence[Point],
    title: str,
    names: tuple[str, str],
    mark: Callable[[Axes], None],
) -> bytes:
    """Points with whiskers and labels, over a logarithmic x-axis; those that lead in colour."""
    with styled():
        figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title("\n".join(wrap(one_line(visible(title), 90), _TITLE_CHARACTERS)))
        axes.set_xscale("log")
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        others = [point for point in points if point not in leading]
        for chosen, colour, order in ((others, INK, 3), (leading, COLOURS[0], 4)):
            (x_low, x, x_high), (y_low, y, y_high) = (
                np.array([getattr(point, side) for point in chosen]).reshape(-1, 3).T
                for side in "xy"
            )
            # Not below 0: where all draws are alike, a bound may lie a rounding within the mean.
            whiskers: Any = {
                "xerr": np.maximum(0, (x - x_low, x_high - x)),
                "yerr": np.maximum(0, (y - y_low, y_high - y)),
            }
            # Grey for all: in the colour of the front they would pass for a part of it.
            whiskers |= {"ecolor": INK, "elinewidth": 0.9, "zorder": order - 1}
            alpha = 0.55 if len(points) <= _FEW else 0.25
            axes.errorbar(x, y, fmt="none", alpha=alpha, **whiskers)
            axes.plot(x, y, "o", color=colour, markersize=5, zorder=order)
        mark(axes)
        _log_range(axes, [value for point in points for value in point.x])
        _range(axes, [value for point in points for value in point.y])
        left_out = _label(figure, axes, [*leading, *others], len(leading))
        if left_out:
            axes.text(
                1, 1.01, f"{left_out} labels left out", ha="right", va="bottom",
                transform=axes.transAxes,
            )  # fmt: skip
        return to_svg(figure)


def points_of(group: Group, device: str) -> list[Point]:
    """The complete rows of a group that were timed on a device."""
    points = []
    for row in group.complete:
        speed, interval = row.speeds.get(device), row.quality.interval if row.quality else None
        if speed is None or interval is None or speed.latency_s[0] <= 0:
            continue
        x = speed.compute_per_video_s
        spread = [x]
        if len(speed.shapes) == 1:  # else the spread is that of lengths, not of speed
            frames, _, _, fps = speed.shapes[0]
            spread += [latency_s * fps / frames for latency_s in speed.latency_s[::2]]
        scale = 100 if group.ranked_by == USABLE else 1
        low, y, high = (scale * end for end in _ends(interval))
        points.append(Point(row.label, (min(spread), x, max(spread)), (low, y, high)))
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
    size_px = _LABEL_SIZE * scale
    texts = [named(point.label) for point in points]
    sizes = [(_ems(text) * size_px, 1.25 * size_px) for text in texts]
    area = axes.get_window_extent()
    whiskers = []
    for (x_low, x, x_high), (y_low, y, y_high) in ((point.x, point.y) for point in points):
        for ends in ([(x_low, y), (x_high, y)], [(x, y_low), (x, y_high)]):
            (left, bottom), (right, top) = to_px.transform(ends)
            whiskers.append(Box(left - 1, bottom - 1, right + 1, top + 1))
    boxes = place(at, sizes, Box(area.x0, area.y0, area.x1, area.y1), whiskers)
    for number, (text, (x, y), box) in enumerate(zip(texts, at, boxes, strict=True)):
        if box is None:
            continue
        colour = COLOURS[0] if number < leading else INK
        near = box.nearest((x, y))
        if box.distance((x, y)) > _LEAST_LINE:  # say whose label it is
            line = to_data.transform([(x, y), near])
            axes.plot(*line.T, color=colour, lw=0.5, alpha=0.7, zorder=2)
        left, middle = to_data.transform((box.left, (box.bottom + box.top) / 2))
        axes.text(left, middle, text, fontsize=_LABEL_SIZE, color=colour, va="center", zorder=5)
    return sum(box is None for box in boxes)


def _ems(text: str) -> float:
    """Width of a text, never too small: what no font here knows counts as wide."""
    return sum(0.64 if character.isascii() else 1.05 for character in text)


def _log_range(axes: Axes, values: Sequence[float]) -> None:
    """Limits with some air, and ticks at round numbers, however short the range."""
    low, high = min(values), max(values)
    air = max(1.15, (high / low) ** 0.08)
    low, high = low / air, high * air
    axes.set_xlim(low, high)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), np.arange(1, 10, 0.2).tolist()):
        if len(ticks) < 3:
            round_numbers = LogLocator(subs=steps, numticks=99).tick_values(low, high)
            ticks = [tick for tick in round_numbers if low <= tick <= high]
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
        if width <= 0:
            return 0.0
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * max(0.0, height)

    def nearest(self, point: tuple[float, float]) -> tuple[float, float]:
        """Its point that is nearest to one."""
        x, y = point
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def distance(self, point: tuple[float, float]) -> float:
        """From a point to the nearest one of the rectangle."""
        return math.dist(point, self.nearest(point))

    def clearance(
        self, point: tuple[float, float], others: Sequence[tuple[float, float]]
    ) -> tuple[bool, float, float]:
        """How well a line tells whose label it is, the more the better.

        Whether it is long enough to be drawn; that its middle is away from other points; how short
        it is.
        """
        end = self.nearest(point)
        middle = ((point[0] + end[0]) / 2, (point[1] + end[1]) / 2)
        away = min([2 * _CLEAR, *(math.dist(middle, other) for other in others)])
        length = math.dist(point, end)
        return length > _LEAST_LINE, away, -length

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

    Of the free places around a point the nearest is taken that is not as near to another point; of
    those equally near, the one that covers least of what is better avoided: whiskers, lines. Where
    there is none, one whose line to its point keeps clear of the others. Sizes are widths and
    heights.
    """
    obstacles = [Box(x - _CLEAR, y - _CLEAR, x + _CLEAR, y + _CLEAR) for x, y in points]
    boxes: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        others = [other for other in points if other != point]
        best, spare = None, []
        for gap in _GAPS:
            free = [
                box
                for box in _around(point, size, gap)
                if box.within(area) and not any(box.overlap(other) for other in obstacles)
            ]
            own = [
                box
                for box in free
                if all(box.distance(other) > box.distance(point) for other in others)
            ]
            if own:
                best = min(own, key=lambda box: sum(box.overlap(other) for other in avoid))
                break
            spare += free
        if best is None and spare:
            best = max(spare, key=lambda box: box.clearance(point, others))
        boxes.append(best)
        if best:
            obstacles.append(best)
    return boxes


def _around(point: tuple[float, float], size: tuple[float, float], gap: float) -> Iterator[Box]:
    """Places beside, above and below a point, the most readable first."""
    (x, y), (width, height) = point, size
    for right, up in ((1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1)):
        distance = gap if 0 in (right, up) else gap * 0.7
        left = x + right * distance - width * (1 - right) / 2
        bottom = y + up * distance - height * (1 - up) / 2
        yield Box(left, bottom, left + width, bottom + height)


# ---- Style ----


def styled(*, grid: bool = True) -> AbstractContextManager[None]:
    """Within it, figures are drawn in the house style, with a grid or without."""
    return mpl.rc_context(_STYLE | {"axes.grid": grid})


def named(label: str) -> str:
    """A model's name as it stands in a figure: on one line, and not too long."""
    return one_line(visible(label), _LABEL_CHARACTERS)


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG, without the time and the version that drew it."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font here lacks is in the reader's: only its width is a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Not `savefig`, which draws all of it once more, unseen, to lay it out.
        print_svg: Any = FigureCanvasSVG(figure).print_svg
        print_svg(file, metadata=dict.fromkeys(("Date", "Creator")))
    return file.getvalue()
