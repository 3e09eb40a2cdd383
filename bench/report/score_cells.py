"""Cells and columns that tables of scores share."""

from collections.abc import Sequence
from dataclasses import replace

from bench.report.digits import with_interval
from bench.report.results import Metric
from bench.report.rows import Group, Row, Score
from bench.report.table import NONE, Cell, Column

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
SCORES_PER_TABLE = 9

Filled = tuple[Column, list[Cell]]


def lead(rows: Sequence[Row], ranked: bool) -> list[Filled]:
    """The first columns: who it is, and the ranks that the data leave open to it."""
    labels = [Cell(row.label + (" (lossy)" if row.result.lossy else "")) for row in rows]
    ranks = [(Column("rank"), [Cell(_rank(row)) for row in rows])] if ranked else []
    return [*ranks, (Column("model", text=True), labels)]


def header(name: str, metric: Metric) -> Column:
    """The header of a metric's column; one that only shows something is the first to go."""
    return Column(name + ARROWS[metric.better], minor=metric.better is None)


def score_columns(group: Group, rows: Sequence[Row], names: Sequence[str]) -> list[Filled]:
    """The columns of these metrics."""
    return [
        (
            replace(header(name, metric), unit=f"{name} {metric.unit}"),
            [_score(row.scores[name], len(row.result.expected_prompts)) for row in rows],
        )
        for name, metric in ((name, group.metrics[name]) for name in names)
    ]


def counts(rows: Sequence[Row]) -> list[Filled]:
    """The columns of how many clips count, n of N, and how many failed."""
    return [
        (Column("clips"), [Cell(f"{row.scored}/{row.result.expected_clips}") for row in rows]),
        (Column("failed"), [Cell(str(row.failed)) for row in rows]),
    ]


def _rank(row: Row) -> str:
    if row.rank is None:
        return NONE
    best, worst = row.rank
    return str(best) if best == worst else f"{best}-{worst}"


def _score(score: Score, prompts: int) -> Cell:
    if score.interval is None:
        return Cell(NONE)
    count = f" (n={score.interval.n})" if score.interval.n < prompts else ""
    return Cell(with_interval(score.interval) + count, score.leading)
