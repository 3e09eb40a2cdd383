"""The table that is read first: how good, how fast, how large, at what price, on what terms."""

from collections.abc import Sequence
from dataclasses import replace

from bench.leaderboard.data.economy import Economy
from bench.leaderboard.data.rows import BESIDE, Group, Row, SuiteBoard
from bench.leaderboard.data.speed import devices
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.economy_tables import cost_cells, cost_text
from bench.leaderboard.tables.score_cells import Filled, counts, lead, score_columns
from bench.leaderboard.tables.systems import size, told
from bench.leaderboard.tables.table import NONE, Cell, Column, Table, without_gaps
from bench.schema import Result

SCORES_BESIDE_FACTS = 4


def headline_metrics(group: Group, headline: str) -> list[str]:
    """The metrics of this table; without the one that ranks, the first few."""
    if headline not in group.metrics:
        return list(group.metrics)[:SCORES_BESIDE_FACTS]
    return [name for name in (headline, *BESIDE) if name in group.metrics]


def headline_table(
    title: str,
    group: Group,
    rows: Sequence[Row],
    board: SuiteBoard,
    headline: str,
    above: Sequence[str] = (),
    below: Sequence[str] = (),
    trail: Sequence[Filled] = (),
) -> Table:
    """One row per model of a group.

    Seconds of compute, memory and cost are those of the hardware that made the clips: it is
    named, and no row leads another in them.

    Args:
        title: heading.
        group: results that compare.
        rows: those of the group that the table is of.
        board: of the suite.
        headline: metric that ranks the rows.
        above: lines before it.
        below: lines after it.
        trail: columns at the end.
    """
    ranked = headline in group.metrics and not group.footage and rows[0] in group.complete
    hardware = {device for row in rows for device in devices(row.result, board.speeds)}
    shared = len(hardware) == 1 and all(devices(row.result, board.speeds) for row in rows)
    scores = score_columns(group, rows, headline_metrics(group, headline))
    economies = [board.economies.get(row.result.model) for row in rows]
    costs = cost_cells(map(_cost, economies), filter(None, economies))
    filled: list[Filled] = [
        *lead(rows, ranked),
        *scores,
        (
            Column("s per s of video ↓"),
            [Cell(_speed(row.result, board, named=not shared)) for row in rows],
        ),
        (Column("peak GiB ↓"), [Cell(_peak_gib(row.result, board)) for row in rows]),
        (Column("cost per usable s ↓"), costs),
        (
            Column("licence", text=True, minor=True),
            [Cell(row.result.card.licence or NONE) for row in rows],
        ),
        (Column("resolution", minor=True), [Cell(size(row.result)) for row in rows]),
        (Column("max duration s", minor=True), [Cell(_longest(row.result)) for row in rows]),
        (
            Column("open weights", text=True, minor=True),
            [Cell(_YES[row.result.card.open_weights]) for row in rows],
        ),
        *counts(rows),
        *trail,
    ]
    where = [f"Seconds, memory and cost are those of {min(hardware)}."] if shared else []
    table = without_gaps(
        Table(
            title,
            tuple(column for column, _ in filled),
            tuple(zip(*(cells for _, cells in filled), strict=True)),
            above=(*above, *where),
            summary=True,
        ),
        always=[column for column, _ in (*lead(rows, ranked), *scores)],
    )
    return replace(table, below=(*table.below, *below))


_YES = {True: "yes", False: "no", None: NONE}


def _speed(result: Result, board: SuiteBoard, named: bool) -> str:
    """Seconds of compute as measured here, else as told, with who says so."""
    measured = devices(result, board.speeds)
    if len(measured) > 1:
        return f"on {len(measured)} devices, see below"
    for device, speed in measured.items():
        seconds = number(speed.compute_per_video_s)
        return f"{seconds} ({device})" if named else seconds
    seconds_told, how = told(result)
    return NONE if seconds_told is None else f"{number(seconds_told)} ({how})"


def _peak_gib(result: Result, board: SuiteBoard) -> str:
    known = [
        speed.allocated_gib
        for speed in devices(result, board.speeds).values()
        if speed.allocated_gib is not None
    ]
    return f"{max(known):.1f}" if known else NONE


def _cost(economy: Economy | None) -> str:
    return NONE if economy is None or economy.cost is None else cost_text(economy.cost)


def _longest(result: Result) -> str:
    return NONE if result.card.max_seconds is None else number(result.card.max_seconds)
