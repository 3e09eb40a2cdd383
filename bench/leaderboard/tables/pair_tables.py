"""Two results side by side: the tables, and the one sentence that they allow."""

from collections.abc import Collection, Mapping, Sequence

from bench.leaderboard.data.pairs import Pairs
from bench.leaderboard.tables.digits import number, with_interval
from bench.leaderboard.tables.score_cells import ARROWS
from bench.leaderboard.tables.table import NONE, Cell, Column, Table
from bench.leaderboard.tables.words import plural
from bench.statistics import MIN_PROMPTS, Interval

SHOWN_PROMPTS = 5
SHOWN_BY_CATEGORY = 4
"""Metrics that the table of categories has room for."""

_MAJOR = 2  # of those, so many stay on a narrow screen

_ROUNDING = 1e-9  # of sums in another order: no difference between models


def verdict(a: str, b: str, compared: Pairs) -> str:
    """One sentence on what the difference is, which says no more than its interval does.

    Args:
        a: name of the first.
        b: name of the second.
        compared: their values of one metric.
    """
    noun = compared.noun
    metric, unit = compared.metric, compared.meaning.unit
    differences = list(compared.differences().values())
    count, found = len(differences), compared.interval()
    if found is None or found.low is None or found.high is None or count < MIN_PROMPTS:
        had = plural(count, f"common {noun}")
        return f"{had} cannot tell {a} from {b} in {metric}: at least {MIN_PROMPTS} are needed."
    if max(map(abs, differences)) <= _ROUNDING * max(map(abs, compared.a.values())):
        return f"{a} and {b} have the same {metric} on each of {count} {noun}s."
    if not _is_sure(found):
        return (
            f"These {count} {noun}s do not tell {a} from {b} in {metric}: A - B lies between "
            f"{number(found.low)} and {number(found.high)} ({unit}; 95% interval)."
        )
    ahead, behind = (a, b) if found.mean > 0 else (b, a)
    least, most = sorted((abs(found.low), abs(found.high)))
    span = number(least) if number(least) == number(most) else f"{number(least)} to {number(most)}"
    by = f"by {span} ({unit}; 95% interval)"
    if compared.meaning.better is None:
        return f"On {noun}s like these {count}, {ahead} has more {metric} than {behind}, {by}."
    if compared.meaning.better == "lower":
        ahead, behind = behind, ahead
    return f"On {noun}s like these {count}, {ahead} is better than {behind} in {metric}, {by}."


def overall(compared: Sequence[Pairs]) -> Table:
    """One line a metric: both means over the common prompts, and their difference."""
    rows = []
    for each in compared:
        found = each.interval()
        if found is not None:
            a, b = (sum(values.values()) / found.n for values in (each.a, each.b))
            texts = (
                each.metric + ARROWS[each.meaning.better],
                number(a),
                number(b),
                number(found.mean),
                _bounds(found),
                _better(each, found),
                plural(found.n, "group") if each.noun == "group" else str(found.n),
                each.meaning.unit,
            )
            rows.append(tuple(map(Cell, texts)))
    return Table(
        "Difference A - B by metric",
        (
            Column("metric", text=True),
            Column("A", minor=True),
            Column("B", minor=True),
            Column("A - B"),
            Column("95% interval"),
            Column("better", text=True),
            Column("prompts", minor=True),
            Column("unit", text=True, minor=True),
        ),
        tuple(rows),
        below=(
            "Each interval stands alone: of twenty that should hold 0, one does not. Neither is "
            f"called better where it holds 0, or on fewer than {MIN_PROMPTS} prompts.",
        ),
    )


def by_category(compared: Sequence[Pairs], categories: Mapping[str, Collection[str]]) -> Table:
    """One line a category: the differences in the metrics that stand first.

    Args:
        compared: by metric, the most important first; what is of groups has no categories.
        categories: each with its prompts.
    """
    shown = [each for each in compared if each.noun != "group"][:SHOWN_BY_CATEGORY]
    rows = []
    for category, prompts in categories.items():
        intervals = [each.interval(prompts) for each in shown]
        if any(intervals):
            count = len(shown[0].differences(prompts))
            cells = (_interval_cell(found) for found in intervals)
            rows.append((Cell(category), Cell(str(count)), *cells))
    return Table(
        "Difference A - B by category",
        (
            Column("category", text=True),
            Column("prompts"),
            *(
                Column(each.metric + ARROWS[each.meaning.better], minor=place >= _MAJOR)
                for place, each in enumerate(shown)
            ),
        ),
        tuple(rows),
        below=(
            "± is half the width of the 95% interval, which is too narrow on fewer than "
            f"{MIN_PROMPTS} prompts.",
        ),
    )


def most(compared: Pairs) -> Table:
    """The prompts, or groups, on which a metric differs most."""
    rows = []
    for prompt, difference in extremes(compared).items():
        values = (compared.a[prompt], compared.b[prompt], difference)
        rows.append((Cell(prompt), *(Cell(number(value)) for value in values)))
    return Table(
        f"Where {compared.metric} differs most",
        (Column(compared.noun, text=True), Column("A"), Column("B"), Column("A - B")),
        tuple(rows),
    )


def extremes(compared: Pairs) -> dict[str, float]:
    """Prompts with the largest differences, A - B, and these; a prompt without any is none."""
    found = compared.differences().items()
    ordered = sorted(found, key=lambda item: -abs(item[1]))
    return {prompt: value for prompt, value in ordered[:SHOWN_PROMPTS] if value}


def _is_sure(found: Interval) -> bool:
    """Whether an interval leaves out 0."""
    if found.low is None or found.high is None:
        return False
    return found.low > 0 or found.high < 0


def _better(each: Pairs, found: Interval) -> str:
    if each.meaning.better is None or found.n < MIN_PROMPTS or not _is_sure(found):
        return NONE
    return "A" if (found.mean > 0) == (each.meaning.better == "higher") else "B"


def _bounds(found: Interval) -> str:
    if found.low is None or found.high is None:
        return NONE
    return f"{number(found.low)} to {number(found.high)}"


def _interval_cell(found: Interval | None) -> Cell:
    if found is None:
        return Cell(NONE)
    return Cell(with_interval(found), strong=found.n >= MIN_PROMPTS and _is_sure(found))
