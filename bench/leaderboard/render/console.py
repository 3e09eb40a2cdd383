"""Tables in a terminal: those of a leaderboard that are read first, and those of a command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.render.markdown import draw
from bench.leaderboard.tables.suite import without_scores
from bench.leaderboard.tables.table import Table, plain


def show(
    suites: Iterable[SuiteBoard], drawn: Mapping[str, Sequence[Table]], console: Console
) -> None:
    """Print those of the `drawn` tables of every suite that are read first."""
    for board in suites:
        for line in without_scores(board):
            console.print(Text(line))
        for table in drawn[board.suite]:
            if table.place != "last":
                show_table(table, board.suite, console)


def show_or_draw(tables: Iterable[Table], about: str, console: Console) -> None:
    """Print tables, each after an empty line; as markdown where the output goes into a file."""
    for table in tables:
        console.print()
        if console.is_terminal:
            show_table(table, about, console)
        else:
            console.print(Text("\n\n".join(draw(table))))


def show_table(table: Table, about: str, console: Console) -> None:
    """Print one table, under a title that says what it is about, as the screen has room for it.

    A table that is wider than the screen loses minor columns from its right, as many as must go;
    if it is too wide without any, it is turned on its side, one column a line, where that makes it
    narrower. No word is broken, and so no number: columns go from the right before that. What is
    not shown is named.
    """
    columns = list(zip(table.headers, *table.texts, strict=True))
    minor = [at for at, column in enumerate(table.columns) if column.minor]
    hidden: list[str] = []
    while minor and _width(columns) > console.width:
        hidden.insert(0, table.headers[minor[-1]])
        del columns[minor[-1]]
        table = _without(table, minor.pop())
    headers = [column.header for column in table.columns if column.kind != "name"]
    turned = [headers, *list(zip(*columns, strict=True))[1:]]
    is_too_wide = headers and _width(columns) > max(console.width, _width(turned))
    while not is_too_wide and len(columns) > 1 and _width(map(_words, columns)) > console.width:
        del columns[-1]
        hidden.insert(0, table.headers[-1])
        table = _without(table, len(columns))
    title = f"{about}: {table.title}"
    grid = _turned(title, table) if is_too_wide else _upright(title, table, columns, console.width)
    if table.answer:
        console.print(Text(plain(table.answer), "bold"), soft_wrap=True)
    console.print(grid)
    if hidden:
        console.print(Text(f"No room for {', '.join(hidden)}: a wider window shows them."))
    for line in (*table.above, *table.units, *table.below):
        console.print(Text(plain(line), "dim"), soft_wrap=True)


def _upright(title: str, table: Table, columns: Sequence[Sequence[str]], screen_width: int) -> Grid:
    """A grid of text, never markup: a model's name may hold square brackets, or worse."""
    grid = Grid(title=Text(title), title_justify="left")
    spare = screen_width - _width(map(_words, columns))
    for column, texts in zip(table.columns, columns, strict=True):
        longest = max(map(cell_len, _words(texts)))
        more = max(0, min(spare, max(cell_len(plain(text)) for text in texts) - longest))
        spare -= more
        side: Literal["left", "right"] = "left" if column.is_text else "right"
        grid.add_column(Text(column.header), justify=side, width=longest + more, overflow="fold")
    for row in _cells(table):
        grid.add_row(*row)
    return grid


def _turned(title: str, table: Table) -> Grid:
    """Rows become columns: what names them (models, mostly) stands side by side."""
    grid = Grid("", title=Text(title), title_justify="left")
    lines = list(zip(table.columns, zip(*_cells(table), strict=True), strict=True))
    for name in (name for column, names in lines if column.kind == "name" for name in names):
        grid.add_column(Text(name.plain), justify="right")
    for column, cells in lines:
        if column.kind != "name":
            grid.add_row(Text(column.header), *cells)
    return grid


def _cells(table: Table) -> list[list[Text]]:
    return [
        [
            Text(plain(text), "bold" if cell.strong else "")
            for text, cell in zip(texts, row, strict=True)
        ]
        for texts, row in zip(table.texts, table.rows, strict=True)
    ]


def _width(columns: Iterable[Iterable[str]]) -> int:
    """Of a grid of such texts: a line before each column and after the last, blanks around each."""
    return 1 + sum(3 + max(cell_len(plain(text)) for text in texts) for texts in columns)


def _words(texts: Iterable[str]) -> list[str]:
    """Of a column, what must stand on one line each."""
    return [word for text in texts for word in plain(text).split() or [""]]


def _without(table: Table, at: int) -> Table:
    """The table without one of its columns."""
    return replace(
        table,
        columns=table.columns[:at] + table.columns[at + 1 :],
        rows=tuple(row[:at] + row[at + 1 :] for row in table.rows),
    )
