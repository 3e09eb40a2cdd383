"""Cells and columns that tables of scores share."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.leaderboard.data.rows import Group, Row, Score
from bench.leaderboard.tables.digits import number, with_interval
from bench.leaderboard.tables.table import NONE, Cell, Column
from bench.schema import MetricDescription
from bench.statistics import Interval

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
SCORES_PER_TABLE = 9

FEWEST = 5
"""Values that an interval needs: fewer, drawn again, hardly differ from themselves."""

Filled = tuple[Column, list[Cell]]


def lead(rows: Sequence[Row], ranked: bool) -> list[Filled]:
    """The first columns: who it is, and the ranks that the data leave open to it."""
    labels = [Cell(row.label + (" (lossy)" if row.result.lossy else "")) for row in rows]
    ranks = [(Column("rank"), [Cell(_rank(row)) for row in rows])] if ranked else []
    return [*ranks, (Column("model", text=True), labels)]


def header(name: str, metric: MetricDescription) -> Column:
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


def mean_text(found: Interval | None) -> str:
    """A mean with its interval, where that is over enough values to mean something."""
    if found is None:
        return NONE
    return with_interval(found) if found.n >= FEWEST else number(found.mean)


def without_interval(found: Iterable[Interval | None], nouns: str) -> tuple[str, ...]:
    """The line that says why some of these means stand alone; none where none does.

    Args:
        found: all that a table shows.
        nouns: what the means are over: prompts.
    """
    if all(each is None or each.n >= FEWEST for each in found):
        return ()
    return (f"Means over fewer than {FEWEST} {nouns} stand without ±: so few carry no interval.",)


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
