"""The leaderboard in a terminal: the tables of scores, and where the rest is."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as Grid
from rich.text import Text

from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.tables.table import Table
from bench.leaderboard.tables.tables import tables, without_scores
from bench.leaderboard.tables.words import plain


def show(suites: Iterable[SuiteBoard], console: Console) -> None:
    """Print the score tables of every suite."""
    for board in suites:
        for line in without_scores(board):
            console.print(Text(line))
        for table in tables(board):
            if table.summary:
                show_table(table, board.suite, console)


def show_table(table: Table, about: str, console: Console) -> None:
    """Print one table, under a title that says what it is about, as the screen has room for it.

    A table that is wider than the screen loses its minor columns; if it is too wide still, it is
    turned on its side, one column a line, where that makes it narrower.
    """
    title = f"{about}: {table.title}"
    grid = _grid(title, *_upright(table))
    if _width(grid, console) > console.width:
        table = _major(table)
        grid = _grid(title, *_upright(table))
    turned = _grid(title, *_turned(table))
    if _width(grid, console) > max(console.width, _width(turned, console)):
        grid = turned
    console.print(grid)
    for line in (*table.above, *table.units, *table.below):
        console.print(Text(line, style="dim"), soft_wrap=True)


def _grid(title: str, headers: Sequence[tuple[str, bool]], rows: Iterable[Sequence[Text]]) -> Grid:
    """A grid of text, never markup: a model's name may hold square brackets, or worse.

    Headers come with whether their column is flush left.
    """
    grid = Grid(title=Text(title), title_justify="left")
    for header, left in headers:
        grid.add_column(Text(header), justify="left" if left else "right")
    for row in rows:
        grid.add_row(*row)
    return grid


def _upright(table: Table) -> tuple[list[tuple[str, bool]], list[list[Text]]]:
    return [(column.header, column.is_text) for column in table.columns], _cells(table)


def _turned(table: Table) -> tuple[list[tuple[str, bool]], list[list[Text]]]:
    """Rows become columns: what names them (models, mostly) stands side by side."""
    name = [column.kind for column in table.columns].index("name")
    cells = _cells(table)
    headers = [("", True), *((row[name].plain, False) for row in cells)]
    rows = [
        [Text(column.header), *(row[place] for row in cells)]
        for place, column in enumerate(table.columns)
        if place != name
    ]
    return headers, rows


def _cells(table: Table) -> list[list[Text]]:
    return [
        [
            Text(plain(text), "bold" if cell.strong else "")
            for text, cell in zip(texts, row, strict=True)
        ]
        for texts, row in zip(table.texts, table.rows, strict=True)
    ]


def _width(grid: Grid, console: Console) -> int:
    return Measurement.get(console, console.options.update(max_width=10_000), grid).maximum


def _major(table: Table) -> Table:
    places = [place for place, column in enumerate(table.columns) if not column.minor]
    return replace(
        table,
        columns=tuple(table.columns[place] for place in places),
        rows=tuple(tuple(row[place] for place in places) for row in table.rows),
    )
