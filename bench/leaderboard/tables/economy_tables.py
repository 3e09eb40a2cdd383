"""The table of drawing again: yield, retries, and what a second that can be kept costs."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.leaderboard.data.economy import COHERENCE, CRITERIA, STEP, Cost, Economy
from bench.leaderboard.data.rows import Group, SuiteBoard
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.table import (
    NONE,
    UNSORTED,
    Cell,
    Column,
    Table,
    text_columns,
    without_gaps,
)
from bench.leaderboard.tables.words import plural
from bench.statistics import Interval, most_when_none

_EXPLAINED = """
Generation is a lottery: the same prompt, drawn again, gives another clip, and whoever needs one
draws until one can be kept. The yield is the share of clips that can be; the rejects and the
failures are paid for too, so that a second of video that can be kept costs what a clip costs,
divided by the yield and by the seconds of a clip. A slow model of which every clip is usable can
be cheaper than a fast one of which one in ten is. Prompts differ: some come out at the first draw,
some never do, and those never solved need another prompt or another model, not another draw.
"""


def economy_tables(groups: Iterable[tuple[Group, str]], board: SuiteBoard) -> Iterator[Table]:
    """What drawing again comes to with each complete run that can be judged.

    Args:
        groups: each with what tells its title from those of other groups.
        board: of the suite.
    """
    found = [table for group, suffix in groups if (table := _table(group, suffix, board))]
    for table in found[:1]:
        yield replace(table, above=(" ".join(_EXPLAINED.split()), *table.above))
    yield from found[1:]


def _table(group: Group, suffix: str, board: SuiteBoard) -> Table | None:
    economies = {
        row.label: board.economies[row.result.model]
        for row in group.complete
        if row.result.model in board.economies
    }
    if not economies:
        return None
    units = {
        label: f"{found.cost.unit} ({found.cost.source})"
        for label, found in economies.items()
        if found.cost
    }
    shared = set(units.values()) if len(set(units.values())) == 1 else set()
    draws = sorted({k for economy in economies.values() for k in economy.success})
    columns = (
        Column("model", text=True),
        *map(Column, ("usable", "yield", f"at {COHERENCE - STEP:g}", f"at {COHERENCE + STEP:g}")),
        *(Column(f"success@{k}") for k in draws),
        *map(Column, ("never solved", "draws per usable clip", "draws per solved prompt")),
        *text_columns([] if shared else ["counted in"]),
        *map(Column, ("per clip", "per s of video", "per usable s ↓")),
    )
    table = Table(
        f"Drawing again{suffix}",
        columns,
        tuple(
            (
                Cell(label),
                *map(Cell, _yield(economy, draws)),
                *([] if shared else [Cell(units.get(label, NONE))]),
                *cost_cells(_costs(economy.cost), economies.values()),
            )
            for label, economy in economies.items()
        ),
        above=(
            _judged(economies),
            *(f"Costs are in {unit}." for unit in shared),
        ),
        below=tuple(_notes(economies)),
    )
    return without_gaps(table)


def cost_cells(texts: Iterable[str], economies: Iterable[Economy]) -> list[Cell]:
    """Cells of what one row costs, sorted by only where all rows count in one unit.

    Args:
        texts: of one row.
        economies: of all rows.
    """
    units = {economy.cost.unit for economy in economies if economy.cost}
    return [Cell(text, value=UNSORTED if len(units) > 1 else None) for text in texts]


def cost_text(cost: Cost) -> str:
    """What a usable second costs, with its unit; a lower bound where nothing was usable."""
    if cost.per_usable_s is None:
        return f"> {number(cost.at_least or 0.0)} {cost.unit}"
    return f"{number(cost.per_usable_s.mean)} {cost.unit}"


def _yield(economy: Economy, draws: list[int]) -> tuple[str, ...]:
    share = economy.share
    percent = f"{100 * share.mean:.0f}%"
    if share.low is not None and share.high is not None:
        percent += f" ({100 * share.low:.0f}-{100 * share.high:.0f})"
    return (
        f"{economy.usable}/{economy.clips}",
        percent,
        f"{100 * economy.share_looser:.0f}%",
        f"{100 * economy.share_stricter:.0f}%",
        *(f"{100 * economy.success[k]:.0f}%" if k in economy.success else NONE for k in draws),
        f"{100 * economy.never:.0f}%",
        number(1 / share.mean) if share.mean else f"> {number(1 / most_when_none(share.n))}",
        NONE if economy.draws_per_solved is None else number(economy.draws_per_solved),
    )


def _costs(cost: Cost | None) -> tuple[str, ...]:
    if cost is None:
        return (NONE,) * 3
    per_usable_s = (
        f"> {number(cost.at_least or 0.0)}"
        if cost.per_usable_s is None
        else _spread(cost.per_usable_s)
    )
    return number(cost.per_clip), number(cost.per_video_s), per_usable_s


def _spread(interval: Interval) -> str:
    """The number and its interval, which is rarely as wide above as below."""
    if interval.low is None or interval.high is None:
        return number(interval.mean)
    if interval.high == float("inf"):
        return f"{number(interval.mean)} (from {number(interval.low)})"
    mean, low, high = map(number, (interval.mean, interval.low, interval.high))
    return mean if low == high else f"{mean} ({low}-{high})"


def _judged(economies: dict[str, Economy]) -> str:
    asked = {name for economy in economies.values() for name in economy.asked}
    wanted = ", ".join(words for name, words in CRITERIA.items() if name in asked)
    return (
        f"Usable: {wanted or 'no clip was made that could be judged'}. The yield is shown for a "
        f"coherence of {COHERENCE - STEP:g} and of {COHERENCE + STEP:g} too; brackets hold 95% "
        "intervals over prompts; > is a lower bound, with 95% confidence, where no clip is usable."
    )


def _notes(economies: dict[str, Economy]) -> list[str]:
    """Gaps: criteria nobody could ask for, amounts that had to be estimated, unknown costs."""
    notes = []
    for name, words in CRITERIA.items():
        spared = [
            label
            for label, economy in economies.items()
            if economy.asked and name not in economy.asked
        ]
        if spared:
            notes.append(f"Not asked, for want of {name}: {words} ({', '.join(spared)}).")
    for label, economy in economies.items():
        if economy.why_no_cost:
            notes.append(f"{label} has no cost: {economy.why_no_cost}.")
        elif economy.cost and economy.cost.estimated:
            count = plural(economy.cost.estimated, "draw")
            notes.append(f"{label}: {count} without a time or price of its own: the median's.")
    if all(economy.draws_per_solved is None for economy in economies.values()):
        notes.append(
            "One draw per prompt: what a second draw would bring needs suite.seeds=[0,1,2,3]."
        )
    return notes
