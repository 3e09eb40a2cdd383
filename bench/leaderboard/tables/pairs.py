"""Two results side by side: the tables, and the one sentence that they allow."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from bench.leaderboard.data.pairs import Pairs
from bench.leaderboard.tables.table import (
    ARROWS,
    Cell,
    Column,
    Table,
    mean,
    mean_cell,
    number,
    tabulate,
)
from bench.leaderboard.tables.words import plural
from bench.statistics import MIN_PROMPTS, Interval

SHOWN_PROMPTS = 5
SHOWN_BY_CATEGORY = 4
"""Metrics that the table of categories has room for."""

_MAJOR = 2  # of those, so many stay on a narrow screen

_ROUNDING = 1e-9  # of sums in another order: no difference between models


def verdict(a: str, b: str, compared: Pairs) -> str:
    """One sentence on what the difference between a and b is, no more than its interval says."""
    noun, metric, unit = compared.noun, compared.metric, compared.meaning.unit
    differences = list(compared.differences().values())
    count, gap = len(differences), compared.interval()
    if gap is None or gap.low is None or gap.high is None or count < MIN_PROMPTS:
        had = plural(count, f"common {noun}")
        return f"{had} cannot tell {a} from {b} in {metric}: at least {MIN_PROMPTS} are needed."
    if max(map(abs, differences)) <= _ROUNDING * max(map(abs, compared.a.values())):
        return f"{a} and {b} have the same {metric} on each of {count} {noun}s."
    if not _is_sure(gap):
        return (
            f"These {count} {noun}s do not tell {a} from {b} in {metric}: A - B lies between "
            f"{number(gap.low)} and {number(gap.high)} ({unit}; 95% interval)."
        )
    ahead, behind = (a, b) if gap.mean > 0 else (b, a)
    least, most = sorted((abs(gap.low), abs(gap.high)))
    span = number(least) if number(least) == number(most) else f"{number(least)} to {number(most)}"
    by = f"by {span} ({unit}; 95% interval)"
    if compared.meaning.better is None:
        return f"On {noun}s like these {count}, {ahead} has more {metric} than {behind}, {by}."
    if compared.meaning.better == "lower":
        ahead, behind = behind, ahead
    return f"On {noun}s like these {count}, {ahead} is better than {behind} in {metric}, {by}."


def overall(compared: Sequence[Pairs]) -> Table:
    """One line a metric: both means over the common prompts, and their difference."""
    rows = [(each, gap) for each in compared if (gap := each.interval())]
    columns: list[Column[tuple[Pairs, Interval]]] = [
        Column("metric", lambda row: _header(row[0]), kind="name"),
        Column("A", lambda row: sum(row[0].a.values()) / row[1].n, minor=True),
        Column("B", lambda row: sum(row[0].b.values()) / row[1].n, minor=True),
        Column("A - B", lambda row: row[1].mean),
        Column("95% interval", lambda row: _bounds(row[1]), _range),
        Column("better", lambda row: _better(*row), kind="text"),
        Column(
            "prompts",
            lambda row: plural(row[1].n, "group") if row[0].noun == "group" else str(row[1].n),
            minor=True,
        ),
        Column("unit", lambda row: row[0].meaning.unit, kind="text", minor=True),
    ]
    return tabulate(
        "Difference A - B by metric",
        columns,
        rows,
        below=[
            "Each interval stands alone: of twenty that should hold 0, one does not. Neither is "
            f"called better where it holds 0, or on fewer than {MIN_PROMPTS} prompts."
        ],
    )


def by_category(compared: Sequence[Pairs], categories: Mapping[str, Collection[str]]) -> Table:
    """One line a category (of prompts): the differences in the metrics that stand first."""
    first = [each for each in compared if each.noun != "group"][:SHOWN_BY_CATEGORY]

    def gap(category: str, of: Pairs) -> Cell:
        interval = of.interval(categories[category])
        sure = interval is not None and interval.n >= MIN_PROMPTS and _is_sure(interval)
        return mean_cell(interval, strong=sure)

    return tabulate(
        "Difference A - B by category",
        [
            Column[str]("category", lambda category: category, kind="name"),
            Column("prompts", lambda category: len(first[0].differences(categories[category]))),
            *(
                Column[str](
                    each.metric,
                    partial(gap, of=each),
                    mean,
                    better=each.meaning.better,
                    minor=place >= _MAJOR,
                )
                for place, each in enumerate(first)
            ),
        ],
        [
            category
            for category, prompts in categories.items()
            if any(each.differences(prompts) for each in first)
        ],
        below=[
            "± is half the width of the 95% interval, which is too narrow on fewer than "
            f"{MIN_PROMPTS} prompts."
        ],
    )


def most(compared: Pairs) -> Table:
    """The prompts, or groups, on which a metric differs most."""
    columns: list[Column[str]] = [
        Column(compared.noun, lambda name: name, kind="name"),
        Column("A", lambda name: compared.a[name]),
        Column("B", lambda name: compared.b[name]),
        Column("A - B", lambda name: compared.a[name] - compared.b[name]),
    ]
    return tabulate(f"Where {compared.metric} differs most", columns, list(extremes(compared)))


def extremes(compared: Pairs) -> dict[str, float]:
    """Prompts with the largest differences, A - B, and these; a prompt without any is none."""
    ordered = sorted(compared.differences().items(), key=lambda item: -abs(item[1]))
    return {prompt: value for prompt, value in ordered[:SHOWN_PROMPTS] if value}


def _header(each: Pairs) -> str:
    return each.metric + ARROWS[each.meaning.better]


def _is_sure(gap: Interval) -> bool:
    """Whether an interval leaves out 0."""
    return gap.low is not None and gap.high is not None and (gap.low > 0 or gap.high < 0)


def _better(each: Pairs, gap: Interval) -> str | None:
    if each.meaning.better is None or gap.n < MIN_PROMPTS or not _is_sure(gap):
        return None
    return "A" if (gap.mean > 0) == (each.meaning.better == "higher") else "B"


def _bounds(gap: Interval) -> Cell | None:
    if gap.low is None or gap.high is None:
        return None
    return Cell(gap.low, (gap.low, gap.high))


def _range(cell: Cell) -> str:
    return " to ".join(map(number, cell.interval or ()))
