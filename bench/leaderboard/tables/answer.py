"""The sentence over a board: who leads, and what a faster model gives up for its speed."""

from collections.abc import Sequence

from bench import statistics as stats
from bench.leaderboard.data.costs import is_cpu
from bench.leaderboard.data.rows import HEADLINE, USABLE, Group, Row
from bench.leaderboard.tables.table import mean, mean_cell, number, percent, plural
from bench.leaderboard.tables.variants import clocks, speed_up
from bench.statistics import MIN_PROMPTS, Interval

_NAMED = 3  # models, before the rest is counted
FASTER = 1.1
"""How many times as fast a model surely is, at least, of which it is worth saying so."""


def answer(group: Group) -> str:
    """What the complete runs of a group come to, no more than their ranks and intervals allow.

    Models lead whose best rank is 1: none of them is surely worse than any other.
    """
    rows = group.complete
    if group.footage or HEADLINE not in group.metrics:
        return ""
    if not rows:
        return "No run is complete, so nothing is ranked."
    best = rows[0]
    if len(rows) == 1:
        return f"{best.label} stands alone: {_quality(group, rows)}."
    if best.rank is None:
        return f"Too few prompts to rank by: {best.label} comes first, {_quality(group, [best])}."
    if group.ranked_by == USABLE and not any(_mean(row) for row in rows):
        return f"No clip of the {len(rows)} models can be used."
    leaders = [row for row in rows if row.rank and row.rank[0] == 1]
    quality = _quality(group, leaders)
    if best.rank == (1, 1):
        sentence = f"{best.label} leads: {quality}"
    elif len(leaders) == 1:  # who is not surely worse than it is surely worse than a third
        sentence = f"No model is surely better than {best.label}: {quality}"
    elif len(leaders) == len(rows):
        sentence = f"First place is open between all {len(rows)} models: {quality}"
    else:
        sentence = f"{_names(leaders)} lead, with first place open between them: {quality}"
    return f"{sentence}{_faster(group, leaders)}."


def _faster(group: Group, leaders: Sequence[Row]) -> str:
    """Of the models that are surely faster than the best, the one to think of; else nothing.

    The fastest that leads too; else the best of those that give more of what can be kept in the
    same time. Seconds of a processor, which others may have used meanwhile, say too little; of
    several GPUs, the one counts on which it is the least faster.
    """
    best = group.complete[0]
    base = clocks(best.result)  # of the common prompts, where `speeds` are of all
    gains: dict[str, Interval] = {}
    for row in group.complete[1:]:
        of_clocks = [
            gain
            for clock, own in clocks(row.result).items()
            if clock in row.speeds and clock in best.speeds and clock in base and not is_cpu(clock)
            if (gain := speed_up(own, base[clock]))
            if gain.n >= MIN_PROMPTS and gain.ends[0] > FASTER
        ]
        if of_clocks:
            gains[row.result.model] = min(of_clocks, key=lambda gain: gain.mean)
    beside = [row for row in leaders if row.result.model in gains]
    if beside:
        fastest = max(beside, key=lambda row: gains[row.result.model].mean)
        return f"; {fastest.label} is {_times(gains[fastest.result.model])} as fast as {best.label}"
    for row in group.complete:
        gain = gains.get(row.result.model)
        if gain is not None and gain.mean * _mean(row) > _mean(best):
            behind = _behind(group, best, row)
            return f"; {row.label} is {_times(gain)} as fast as {best.label} and {behind}"
    return ""


def _behind(group: Group, best: Row, row: Row) -> str:
    ahead, other = group.by_prompt(best), group.by_prompt(row)
    scale = 100 if group.ranked_by == USABLE else 1
    gap = stats.interval([scale * (ahead[p] - other[p]) for p in ahead if p in other])
    if gap is None or gap.ends[0] <= 0:
        return "not surely behind it"
    ends = " to ".join(number(end, 2) for end in gap.ends)
    return f"{number(gap.mean, 2)} points behind ({ends})"


def _times(gain: Interval) -> str:
    return f"{number(gain.mean, 2)} times"


def _mean(row: Row) -> float:
    return row.quality.interval.mean if row.quality and row.quality.interval else 0.0


def _names(rows: Sequence[Row]) -> str:
    names = [row.label for row in rows[:_NAMED]]
    if more := len(rows) - len(names):
        names.append(plural(more, "more model"))
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _quality(group: Group, rows: Sequence[Row]) -> str:
    """What the models have of what the group is ranked by: one its interval, several the range."""
    cells = [mean_cell(row.quality.interval if row.quality else None) for row in rows]
    if group.ranked_by == HEADLINE:
        if len(cells) == 1:
            return f"{HEADLINE} {mean(cells[0]) if cells[0].value is not None else 'unknown'}"
        ends = sorted({number(_mean(row)) for row in (rows[0], rows[-1])}, key=float)
        return f"{HEADLINE} {' to '.join(ends)}"
    if len(cells) == 1:
        return f"{percent(cells[0])} of its clips can be used"
    shares = sorted({round(100 * _mean(row)) for row in rows})
    range_ = f"{shares[0]}%" if len(shares) == 1 else f"{shares[0]}% to {shares[-1]}%"
    return f"{range_} of their clips can be used"
