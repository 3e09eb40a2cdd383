"""The leaderboard in a terminal: the tables of scores, and where the rest is."""

from collections.abc import Iterable
from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Drawn
from rich.text import Text

from bench.leaderboard.data.rows import HEADLINE, boards
from bench.leaderboard.tables.table import Cell, Column, Table
from bench.leaderboard.tables.tables import tables, without_scores
from bench.leaderboard.tables.words import plain
from bench.schema import Result


def show(results: Iterable[Result], console: Console, headline: str = HEADLINE) -> None:
    """Print the score tables of every suite.

    A table that is wider than the screen loses the columns that rank nobody; if it is too wide
    still, it is turned on its side, one metric a line, where that makes it narrower.
    """
    for board in boards(results, headline):
        for line in without_scores(board):
            console.print(Text(line))
        for table in tables(board, headline):
            if table.summary:
                show_table(table, board.suite, console)


def show_table(table: Table, about: str, console: Console) -> None:
    """Print one table, under a title that says what it is about, as the screen has room for it."""
    drawn = _draw(table, about)
    if _width(drawn, console) > console.width:
        table = _major(table)
        drawn = _draw(table, about)
    turned = _draw(_turned(table), about)
    if _width(drawn, console) > max(console.width, _width(turned, console)):
        drawn = turned
    console.print(drawn)
    for line in (*table.above, *table.units, *table.below):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _draw(table: Table, about: str) -> Drawn:
    # Plain text, never markup: a model's name may hold square brackets, or worse.
    drawn = Drawn(title=Text(f"{about}: {table.title}"), title_justify="left")
    for column in table.columns:
        drawn.add_column(Text(column.name), justify="left" if column.text else "right")
    for row in table.rows:
        drawn.add_row(*(Text(plain(cell.text), "bold" if cell.strong else "") for cell in row))
    return drawn


def _width(drawn: Drawn, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), drawn).maximum


def _major(table: Table) -> Table:
    kept = [index for index, column in enumerate(table.columns) if not column.minor]
    return replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
    )


def _turned(table: Table) -> Table:
    """Rows become columns: what the first text names (models, mostly) stands side by side."""
    label = [column.text for column in table.columns].index(True)
    return replace(
        table,
        columns=(Column("", text=True), *(Column(row[label].text) for row in table.rows)),
        rows=tuple(
            (Cell(column.name), *(row[index] for row in table.rows))
            for index, column in enumerate(table.columns)
            if index != label
        ),
    )
