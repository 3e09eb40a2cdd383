"""Figures of a suite as SVG: quality against compute, parts of the headline, curves over lag.

Each is drawn on nothing, in inks that read on white and on black, so that one file serves both.
The same numbers give the same bytes.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bench.report.clips import Curve
from bench.report.labels import Box, place
from bench.report.rows import HEADLINE, Group, Row, SuiteBoard
from bench.report.speed import Speed
from bench.report.words import one_line, visible

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
    "axes.grid": True,
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
_LABEL_CHARACTERS = 40
_FEW = 15  # whiskers of more points than that step back
_POINT_PER_INCH = 72


@dataclass(frozen=True)
class Drawn:
    """A figure.

    Attributes:
        name: of the file, without suffix.
        svg: its content.
    """

    name: str
    svg: bytes


def figures(
    board: SuiteBoard, lags: Mapping[str, Mapping[str, Curve]], headline: str = HEADLINE
) -> Iterator[Drawn]:
    """All figures of a suite; those that would compare nothing are left out.

    Args:
        board: of the suite.
        lags: model to metric to its curve over lag.
        headline: metric that ranks.
    """
    for number, group in enumerate(board.groups, start=1):
        suffix = f"-table-{number}" if len(board.groups) > 1 else ""
        if group.footage or headline not in group.metrics or len(group.complete) < 2:
            continue
        for device, speeds in board.speeds.items():
            if len(points := _points(group, speeds, headline)) > 1:
                svg = pareto(points, headline, f"{board.suite}, {device}")
                yield Drawn(f"pareto-{_slug(device)}{suffix}", svg)
        parts = [name for name in group.metrics if name.startswith(f"{headline}_")]
        if parts:
            yield Drawn(f"parts{suffix}", part_bars(group.complete, parts, headline))
        shown = [row for row in group.complete if row.result.model in lags]
        names = sorted({name for row in shown for name in lags[row.result.model]})
        if len(shown) > 1 and names:
            curves = {row.label: lags[row.result.model] for row in shown}
            yield Drawn(f"lag{suffix}", lag_curves(curves, names))


@dataclass(frozen=True)
class Point:
    """A model between compute and quality.

    Attributes:
        label: of the model.
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


def pareto(points: Sequence[Point], headline: str, title: str) -> bytes:
    """Quality against compute, with intervals; the front is joined, and every point labelled.

    A label for which there is no room is left out, and counted.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.5, 4.4), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(one_line(visible(title), 90))
        axes.set_xscale("log")
        axes.set_xlabel("seconds of compute per second of video (less is better)")
        axes.set_ylabel(f"{visible(headline)} (more is better)")
        leading = front(points)
        others = [point for point in points if point not in leading]
        alpha = 0.55 if len(points) <= _FEW else 0.25
        for chosen, colour, order in ((others, INK, 3), (leading, COLOURS[0], 4)):
            for point in chosen:
                (x_low, x, x_high), (y_low, y, y_high) = point.x, point.y
                thin: Any = {"color": colour, "linewidth": 0.9, "alpha": alpha, "zorder": order - 1}
                axes.plot([x_low, x_high], [y, y], **thin)
                axes.plot([x, x], [y_low, y_high], **thin)
                axes.plot([x], [y], "o", color=colour, markersize=5, zorder=order)
        stairs = [(point.x[1], point.y[1]) for point in leading]
        axes.step(*zip(*stairs, strict=True), where="post", color=COLOURS[0], alpha=0.6, lw=1.2)
        _log_range(axes, [value for point in points for value in point.x])
        _range(axes, [value for point in points for value in point.y])
        left_out = _label(figure, axes, [*leading, *others], len(leading))
        if left_out:
            axes.text(
                1, 1.01, f"{left_out} labels left out for room", ha="right", va="bottom",
                fontsize=7, transform=axes.transAxes,
            )  # fmt: skip
        return _svg(figure)


def part_bars(rows: Sequence[Row], parts: Sequence[str], headline: str) -> bytes:
    """The parts of the headline as bars with intervals: a panel per part, a row per model."""
    with mpl.rc_context(_STYLE | {"axes.grid": False}):
        names = [headline, *parts]
        height = 0.75 + 0.24 * len(rows)
        figure = Figure(figsize=(1.9 + 1.15 * len(names), height), layout="constrained")
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        at = np.arange(len(rows))[::-1]
        for number, (axes, name) in enumerate(zip(panels, names, strict=True)):
            colour = COLOURS[0] if number == 0 else INK
            for place_, row in zip(at, rows, strict=True):
                interval = row.scores[name].interval
                if interval is None:
                    axes.text(2, place_, "-", va="center")
                    continue
                axes.barh(place_, interval.mean, height=0.66, color=colour, alpha=0.4, lw=0)
                if interval.low is not None and interval.high is not None:
                    axes.plot([interval.low, interval.high], [place_] * 2, color=colour, lw=1.6)
            axes.set_title(visible(name.removeprefix(f"{headline}_").replace("_", " ")))
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_color(FAINT)
        panels[0].set_yticks(at, [_named(row.label) for row in rows])
        panels[0].set_ylim(-0.6, len(rows) - 0.4)
        return _svg(figure)


def lag_curves(curves: Mapping[str, Mapping[str, Curve]], names: Sequence[str]) -> bytes:
    """Likeness and distance of two frames over the time between them, a panel per metric.

    The first models have a colour and their interval; the others stay in the background.

    Args:
        curves: label to metric to curve, the best model first.
        names: of the metrics.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.5 / 2 * max(2, len(names)), 4.4), layout="constrained")
        panels = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            for number, (label, by_metric) in enumerate(curves.items()):
                if name not in by_metric:
                    continue
                curve = by_metric[name]
                coloured = number < len(COLOURS)
                colour = COLOURS[number] if coloured else FAINT
                at_s, values, low, high = _known(curve)
                text = _named(label) if coloured else None
                line: Any = {"lw": 1.4, "marker": "o", "ms": 3.5} if coloured else {"lw": 0.8}
                order = 2 + len(curves) - number  # the best in front
                axes.plot(at_s, values, color=colour, label=text, zorder=order, **line)
                if coloured and low:
                    axes.fill_between(at_s, low, high, color=colour, alpha=0.12, lw=0)
            axes.set_title(visible(name).replace("_", " "))
            axes.set_xlabel("seconds between two frames")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        return _svg(figure)


def _points(group: Group, speeds: Sequence[Speed], headline: str) -> list[Point]:
    found = []
    fast = {speed.result.model: speed for speed in speeds}
    for row in group.complete:
        speed, interval = fast.get(row.result.model), row.scores[headline].interval
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
        found.append(Point(row.label, (x_low, x, x_high), (low, interval.mean, high)))
    return found


def _label(figure: Figure, axes: Axes, points: Sequence[Point], leading: int) -> int:
    """Write the labels that find room.

    Returns:
        How many did not.
    """
    canvas = FigureCanvasSVG(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as in `_svg`
        canvas.draw()  # type: ignore[no-untyped-call]  # lays the figure out, after which points have places
    scale = figure.dpi / _POINT_PER_INCH
    to_px, to_data = axes.transData, axes.transData.inverted()
    at = [tuple(to_px.transform((point.x[1], point.y[1]))) for point in points]
    size = 8.0
    texts = [_named(point.label) for point in points]
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


def _named(label: str) -> str:
    return one_line(visible(label), _LABEL_CHARACTERS)


def _known(curve: Curve) -> tuple[list[float], list[float], list[float], list[float]]:
    """The part of a curve that has values; no interval where one of its ends is missing."""
    rows = [
        (at_s, value, low, high)
        for at_s, value, low, high in zip(
            curve.at_s,
            curve.values,
            curve.low or [None] * len(curve.at_s),
            curve.high or [None] * len(curve.at_s),
            strict=True,
        )
        if value is not None
    ]
    lows = [low for _, _, low, _ in rows if low is not None]
    highs = [high for _, _, _, high in rows if high is not None]
    whole = len(lows) == len(highs) == len(rows)
    return (
        [at_s for at_s, *_ in rows],
        [value for _, value, *_ in rows],
        lows if whole else [],
        highs if whole else [],
    )


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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "device"


def _svg(figure: Figure) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font here lacks is in the reader's: only its width is a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator")))
    return file.getvalue()
