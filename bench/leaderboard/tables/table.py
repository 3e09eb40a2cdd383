"""A table of plain text: what the leaderboard builds, and markdown and the console draw."""

import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

NONE = "-"  # a value that nobody has
UNSORTED = math.nan  # of a cell whose number is in another unit than others of its column

_LEADING = re.compile(r"[<>≤≥~]?\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
_SCALED = re.compile(r"\(([-+]?[\d.]+) ±[\d.]+\)(e[-+]?\d+)")  # (3.2 ±3.9)e-5


@dataclass(frozen=True)
class Column:
    """A header; numbers are set flush right, text flush left.

    Attributes:
        name: what stands in the header.
        text: whether the cells are text.
        minor: whether it is the first to go where a table is too wide for the screen.
        unit: what its numbers are in, after its plain name; empty if that is said elsewhere.
    """

    name: str
    text: bool = False
    minor: bool = False
    unit: str = ""


@dataclass(frozen=True)
class Cell:
    """Plain text, not escaped for anything; strong where it leads its column.

    Attributes:
        text: as it is shown.
        strong: whether it leads its column.
        value: what a column is sorted by; None to sort by the number that the text begins with,
            UNSORTED for a number that does not compare with the others.
    """

    text: str
    strong: bool = False
    value: float | None = None

    @property
    def number(self) -> float | None:
        """What the cell counts as in a column of numbers; None for one that counts as nothing."""
        if self.value is not None:
            return None if math.isnan(self.value) else self.value
        scaled = _SCALED.match(self.text)
        leading = _LEADING.match(self.text)
        if scaled:
            return float(scaled[1] + scaled[2])
        return float(leading[1]) if leading else None


@dataclass(frozen=True)
class Table:
    """One table, drawn by whoever shows it.

    Attributes:
        title: heading.
        columns: headers.
        rows: as many cells each as there are columns.
        above: lines before it.
        below: lines after it.
        summary: whether it belongs into the short version for a terminal.
        folded: whether a page shows it only when it is asked for.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    summary: bool = False
    folded: bool = False

    @property
    def units(self) -> tuple[str, ...]:
        """The line that says what the columns are in, where they do not all say so themselves."""
        units = [column.unit for column in self.columns if column.unit]
        return (f"Units: {', '.join(units)}.",) if units else ()


def without_gaps(table: Table, always: Collection[Column] = ()) -> Table:
    """The table without columns in which nobody has a value, which a line below then names.

    Args:
        table: any.
        always: columns that stay, whatever they hold.
    """
    kept = [
        index
        for index, column in enumerate(table.columns)
        if column in always or any(row[index].text != NONE for row in table.rows)
    ]
    gone = [
        column.name.rstrip(" ↑↓") for index, column in enumerate(table.columns) if index not in kept
    ]
    if not gone or not table.rows:
        return table
    return replace(
        table,
        columns=tuple(table.columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in table.rows),
        below=(*table.below, f"Known of no row: {', '.join(gone)}."),
    )


def text_columns(names: Sequence[str]) -> tuple[Column, ...]:
    """Headers of columns that hold text."""
    return tuple(Column(name, text=True) for name in names)


def in_parts(names: Sequence[str], most: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Names parted evenly, so that no table is wider than can be read.

    Args:
        names: of columns.
        most: in one table.

    Yields:
        What a title gains, empty where there is one part, and the names of the part.
    """
    parts = math.ceil(len(names) / most)
    for part in range(parts):
        size = math.ceil(len(names) / parts)
        title = f", part {part + 1} of {parts}" if parts > 1 else ""
        yield title, names[part * size : (part + 1) * size]
