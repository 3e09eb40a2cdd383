"""Tables of typed cells: a column knows how to get a cell from a row, and how to print it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Generic, Literal, TypeVar

from bench.schema import Result
from bench.statistics import Interval

NONE = "-"  # a value that nobody has
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}

_LARGE = 7  # the exponent from which nobody counts the zeros any more

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table. Its text is made from it, and never read back.

    Attributes:
        value: a number or a text; None if nobody has it.
        interval: 95% interval of the value, or the range that it begins.
        more: further numbers of the same kind: reserved memory after allocated.
        unit: of the value, where rows differ in theirs; what differs in it is not sorted.
        count: over how many, or of how many.
        note: what else must be known of this value.
        bound: whether the value is only a lower bound.
        strong: whether it leads its column.
    """

    value: float | str | None = None
    interval: tuple[float, float] | None = None
    more: tuple[float | None, ...] = ()
    unit: str = ""
    count: int | None = None
    note: str = ""
    bound: bool = False
    strong: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to print."""
        return self.value is None and not self.note and not any(self.more)

    @property
    def number(self) -> float:
        """The value of a cell of numbers."""
        if self.value is None or isinstance(self.value, str):
            raise TypeError(f"expected a cell with a number, got {self.value!r}")
        return self.value


Format = Callable[[Cell], str]
"""Text of a cell that has a number."""
Empty = Literal["show", "hide", "name"]


def plain(cell: Cell) -> str:
    """Three significant digits."""
    return number(cell.number)


@dataclass(frozen=True)
class Column(Generic[T]):
    """What a table says of every row.

    Attributes:
        name: the header, without its arrow.
        get: from a row its cell, or the value of one.
        format: for numbers; texts stand as they are.
        better: which direction is good; None for what is only shown.
        kind: `name` is the text that says what a row is about, a `rank` a number of which the
            least is first; texts are set flush left.
        minor: whether it is the first to go where a table is too wide for the screen.
        unit: what its numbers are in, after its plain name; empty if that is said elsewhere.
        empty: what becomes of it where no row has a value: it is shown, hidden, or hidden and
            named in a line below; None to do as the table does.
    """

    name: str
    get: Callable[[T], Cell | float | str | None] = lambda _: None
    format: Format = plain
    better: Literal["higher", "lower"] | None = None
    kind: Literal["name", "text", "number", "rank"] = "number"
    minor: bool = False
    unit: str = ""
    empty: Empty | None = None

    @property
    def header(self) -> str:
        """Name and arrow."""
        return self.name + ARROWS[self.better]

    @property
    def is_text(self) -> bool:
        """Whether its cells are texts."""
        return self.kind in ("name", "text")

    def cell(self, row: T) -> Cell:
        """The cell of a row."""
        value = self.get(row)
        return value if isinstance(value, Cell) else Cell(value)

    def text(self, cell: Cell) -> str:
        """A cell as plain text, not escaped for anything."""
        if cell.value is None and not any(cell.more):
            text = NONE
        elif isinstance(cell.value, str):
            text = cell.value
        else:
            text = ("> " if cell.bound else "") + self.format(cell)
        return f"{text} ({cell.note})" if cell.note else text


@dataclass(frozen=True)
class Table:
    """One table, drawn by whoever shows it.

    Attributes:
        rows: as many cells each as there are columns.
        above: lines before it.
        below: lines after it.
        summary: whether it belongs into the short version for a terminal.
        folded: whether a page shows it only when it is asked for.
        results: what each row is about, if all rows are about results; else empty.
    """

    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Cell, ...], ...]
    above: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    summary: bool = False
    folded: bool = False
    results: tuple[Result, ...] = ()

    @property
    def headers(self) -> list[str]:
        """Of the columns, with arrows."""
        return [column.header for column in self.columns]

    @property
    def texts(self) -> list[list[str]]:
        """All cells as text."""
        return [
            [column.text(cell) for column, cell in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]

    @property
    def numbers(self) -> list[list[float | None]]:
        """What rows are sorted by; None for texts, and for amounts in different units."""
        mixed = [
            len({row[at].unit for row in self.rows if row[at].value is not None}) > 1
            for at in range(len(self.columns))
        ]
        return [
            [
                None if mix or column.is_text or isinstance(cell.value, str) else cell.value
                for mix, column, cell in zip(mixed, self.columns, row, strict=True)
            ]
            for row in self.rows
        ]

    @property
    def units(self) -> tuple[str, ...]:
        """The line that says what the columns are in, where they do not all say so themselves."""
        units = [f"{column.name} {column.unit}" for column in self.columns if column.unit]
        return (f"Units: {', '.join(units)}.",) if units else ()


def tabulate(
    title: str,
    columns: Iterable[Column[T]],
    rows: Sequence[T],
    *,
    result: Callable[[T], Result] | None = None,
    above: Iterable[str] = (),
    below: Iterable[str] = (),
    summary: bool = False,
    folded: bool = False,
    empty: Empty = "show",
) -> Table:
    """The table of what columns get from rows, and of what `result` says a row is about."""
    visible, cells, absent = [], [], []
    for column in columns:
        filled = [column.cell(row) for row in rows]
        fate = column.empty or empty
        if fate == "show" or not rows or not all(cell.is_empty for cell in filled):
            visible.append(column)
            cells.append(filled)
        elif fate == "name":
            absent.append(column.name)
    return Table(
        title,
        tuple(visible),
        tuple(zip(*cells, strict=True)),
        above=tuple(above),
        below=(*([f"Known of no row: {', '.join(absent)}."] if absent else []), *below),
        summary=summary,
        folded=folded,
        results=() if result is None else tuple(map(result, rows)),
    )


def text_columns(names: Sequence[str]) -> tuple[Column[Sequence[str]], ...]:
    """Columns of texts for rows that are such texts, in order; the first names the row."""
    return tuple(
        Column(name, itemgetter(at), kind="text" if at else "name") for at, name in enumerate(names)
    )


def in_parts(names: Sequence[str], most: int) -> Iterator[tuple[str, Sequence[str]]]:
    """Names parted evenly, at most so many each, with what a title gains where there are parts."""
    parts = math.ceil(len(names) / most)
    for part in range(parts):
        size = math.ceil(len(names) / parts)
        title = f", part {part + 1} of {parts}" if parts > 1 else ""
        yield title, names[part * size : (part + 1) * size]


# ---- How numbers are printed: no more digits than they carry ----


def number(value: float, digits: int = 3) -> str:
    """A value to so many significant digits; whole numbers in full.

    Tiny ones as 1.2e-06, those from 10 million on as 1.20e+07.
    """
    if value == 0 or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    exponent = _exponent(value)
    if exponent < -4 or exponent >= _LARGE:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def with_interval(interval: Interval) -> str:
    """`mean ±half-width`: two significant digits of the half-width.

    At most four significant digits of the mean; the mean alone where there is no interval.
    """
    mean, half = interval.mean, interval.half_width
    if half is None:
        return number(mean)
    if half <= 1e-9 * abs(mean):  # all prompts alike, but for the last bits of a sum
        return f"{number(mean)} ±0"
    scale = _exponent(max(abs(mean), half))
    if scale < -4 or scale >= _LARGE:
        return f"({mean / 10**scale:.1f} ±{half / 10**scale:.1f})e{scale}"
    decimals = 1 - _exponent(half)
    if mean:
        decimals = min(decimals, 3 - _exponent(mean))
    decimals = max(0, decimals)
    return f"{mean:.{decimals}f} ±{half:.{decimals}f}"


def mean_cell(interval: Interval | None, fewest: int = 0, **more: Any) -> Cell:  # noqa: ANN401
    """A mean, with its interval where that is over at least `fewest` values; more: of `Cell`."""
    if interval is None:
        return Cell()
    if interval.low is None or interval.high is None or interval.n < fewest:
        return Cell(interval.mean, **more)
    return Cell(interval.mean, (interval.low, interval.high), **more)


def mean(cell: Cell) -> str:
    """`77.1 ±1.2 (n=6)`."""
    low, high = cell.interval or (None, None)
    text = with_interval(Interval(cell.number, low, high, cell.count or 0))
    return text if cell.count is None else f"{text} (n={cell.count})"


def spread(cell: Cell) -> str:
    """`0.03 (0.02-0.05)`, for an interval that is rarely as wide above as below."""
    value = number(cell.number)
    if cell.interval is None:
        return value
    if math.isinf(cell.interval[1]):
        return f"{value} (from {number(cell.interval[0])})"
    low, high = map(number, cell.interval)
    return value if low == high else f"{value} ({low}-{high})"


def span(cell: Cell) -> str:
    """`2-5`, a range, of which the value is the lower end."""
    ends = [number(end) for end in cell.interval or (cell.number,)]
    return "-".join(dict.fromkeys(ends))


def percent(cell: Cell) -> str:
    """`96% (88-100)`, of a share."""
    text = f"{100 * cell.number:.0f}%"
    if cell.interval is None:
        return text
    low, high = cell.interval
    return f"{text} ({100 * low:.0f}-{100 * high:.0f})"


def fraction(cell: Cell) -> str:
    """`23/24`, a number of so many."""
    return f"{number(cell.number)}/{cell.count}"


def gib(cell: Cell) -> str:
    """`20.0 / 22.0`, gibibytes."""
    values = [None if isinstance(cell.value, str) else cell.value, *cell.more]
    return " / ".join(
        NONE if each is None else f"{each:.1f}" if each >= 1 else number(each, 2) for each in values
    )


def decimals(count: int) -> Format:
    """So many digits after the point, of every number of a cell."""
    return lambda cell: " / ".join(f"{each:.{count}f}" for each in (cell.number, *cell.more))


def with_unit(cell: Cell) -> str:
    """`0.03 USD`."""
    return f"{number(cell.number)} {cell.unit}"


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))
