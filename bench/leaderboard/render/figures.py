"""Figures of a suite as SVG: quality against compute, parts of the headline, curves over lag.

Each is drawn on nothing, in inks that read on white and on black, so that one file serves both.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bench.leaderboard.data.rows import HEADLINE, Group, Row, SuiteBoard
from bench.leaderboard.render.gallery import Curve
from bench.leaderboard.render.pareto import pareto, points_of
from bench.leaderboard.render.style import COLOURS, FAINT, INK, named, styled, to_svg
from bench.leaderboard.tables.words import visible

_PANELS_PER_LINE = 4


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
        for device, speeds in board.speeds.items():
            if len(points := points_of(group, speeds)) > 1:
                title = f"{board.suite}, {device}"
                yield Drawing(f"pareto-{_slug(device)}{suffix}", partial(pareto, points, title))
        if parts := [name for name in group.metrics if name.startswith(f"{HEADLINE}_")]:
            yield Drawing(f"parts{suffix}", partial(part_bars, group.complete, parts))
        rows = [row for row in group.complete if row.result.model in lags]
        names = sorted({name for row in rows for name in lags[row.result.model]})
        if len(rows) > 1 and names:
            curves = {row.label: lags[row.result.model] for row in rows}
            titles = {name: _title(name, group) for name in names}
            yield Drawing(f"lag{suffix}", partial(lag_curves, curves, titles))


def part_bars(rows: Sequence[Row], parts: Sequence[str]) -> bytes:
    """The parts of the headline as bars with intervals: a panel per part, a row per model."""
    with styled(grid=False):
        names = [HEADLINE, *parts]
        columns = min(len(names), _PANELS_PER_LINE)
        lines = -(-len(names) // columns)
        size = 1.9 + 1.25 * columns, lines * (0.75 + 0.24 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, sharey=True, squeeze=False)
        panels = grid.flat[: len(names)]
        for axes in grid.flat[len(names) :]:
            axes.set_axis_off()
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
            axes.set_title(visible(name.removeprefix(f"{HEADLINE}_").replace("_", " ")))
            axes.set_xlim(0, 100)
            axes.set_xticks([0, 50, 100])
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_color(FAINT)
        grid[0, 0].set_yticks(at, [named(row.label) for row in rows])
        grid[0, 0].set_ylim(-0.6, len(rows) - 0.4)
        return to_svg(figure)


def _title(name: str, group: Group) -> str:
    """A metric with its unit, where the group has it."""
    unit = f", {group.metrics[name].unit}" if name in group.metrics else ""
    return visible(name).replace("_", " ") + visible(unit)


def lag_curves(curves: Mapping[str, Mapping[str, Curve]], titles: Mapping[str, str]) -> bytes:
    """Likeness and distance of two frames over the time between them, a panel per metric.

    The first models (the best) have a colour and their interval; the others stay in the background.
    """
    with styled():
        figure = Figure(figsize=(6.5 / 2 * max(2, len(titles)), 4.4), layout="constrained")
        panels = figure.subplots(1, len(titles), squeeze=False)[0]
        for axes, (name, title) in zip(panels, titles.items(), strict=True):
            for number, (label, by_metric) in enumerate(curves.items()):
                if name not in by_metric:
                    continue
                curve = by_metric[name]
                coloured = number < len(COLOURS)
                colour = COLOURS[number] if coloured else FAINT
                at_s, values, low, high = _valued(curve)
                text = named(label) if coloured else None
                line: Any = {"lw": 1.4, "marker": "o", "ms": 3.5} if coloured else {"lw": 0.8}
                order = 2 + len(curves) - number  # the best in front
                axes.plot(at_s, values, color=colour, label=text, zorder=order, **line)
                if coloured and low:
                    axes.fill_between(at_s, low, high, color=colour, alpha=0.12, lw=0)
            axes.set_title(title)
            axes.set_xlabel("seconds between two frames")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
        return to_svg(figure)


def _valued(curve: Curve) -> tuple[list[float], list[float], list[float], list[float]]:
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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "device"
