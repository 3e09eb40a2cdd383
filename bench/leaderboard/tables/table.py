"""Tables of typed cells: a column knows how to get a cell from a row, and how to print it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, Generic, Literal, TypeVar

from bench.leaderboard.tables.meanings import MEANINGS
from bench.schema import ClipResult, Result
from bench.statistics import Interval

NONE = "-"  # a value that nobody has
ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}

FEWEST = 5
"""Values that an interval needs: fewer, drawn again, hardly differ from themselves."""

_LARGE = 7  # the exponent from which nobody counts the zeros any more
_JOINERS = "\u200c\u200d"

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table. Its text is made from it, and never read back."""

    value: float | str | None = None  # None if nobody has it
    interval: tuple[float, float] | None = None  # 95%, or the range that the value begins
    more: tuple[float | None, ...] = ()  # of the same kind: reserved memory after allocated
    unit: str = ""  # where rows differ in theirs; what differs in it is not sorted
    count: int | None = None  # over how many, or of how many
    note: str = ""  # what else must be known of this value
    bound: bool = False  # whether the value is only a lower bound
    strong: bool = False  # whether it leads its column
    about: Result | None = None  # what its row is about, in a cell that names it

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
Empty = Literal["show", "hide"]
Place = Literal["first", "second", "last"]
"""Where a table stands: before the pictures; folded, in the terminal too; folded."""


def three_digits(cell: Cell) -> str:
    """Three significant digits."""
    return number(cell.number)


@dataclass(frozen=True)
class Column(Generic[T]):
    """What a table says of every row.

    The `name` column holds the text that says what a row is about; of a `rank` the least is first.
    `empty` says what becomes of a column without any value: it is shown or hidden; None does as
    the table does.
    """

    name: str
    get: Callable[[T], Cell | float | str | None] = lambda _: None
    format: Format = three_digits  # for numbers; texts stand as they are
    better: Literal["higher", "lower"] | None = None  # None for what is only shown
    kind: Literal["name", "text", "number", "rank"] = "number"
    minor: bool = False  # among the first to go where a table is too wide for the screen
    unit: str = ""  # of its numbers; empty if that is said elsewhere
    empty: Empty | None = None
    meaning: str = ""  # what it says, for whoever does not know it; empty for that of MEANINGS

    @property
    def header(self) -> str:
        """Name and arrow."""
        return self.name + ARROWS[self.better]

    @property
    def is_text(self) -> bool:
        """Whether its cells are texts, which are set flush left."""
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


MODEL: Column[Any] = Column("model", lambda row: Cell(row.label, about=row.result), kind="name")
"""Of rows with a `label` for people and the `result` that they are about."""


@dataclass(frozen=True)
class Table:
    """One table, drawn by whoever shows it; every row has a cell for each column."""

    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Cell, ...], ...]
    above: tuple[str, ...] = ()  # lines before it
    below: tuple[str, ...] = ()  # lines after it
    place: Place = "last"
    fold: str = ""  # the title of what it is behind, wherever it does not stand first
    answer: str = ""  # what it comes to, for whoever reads one sentence

    @property
    def headers(self) -> list[str]:
        """Of the columns, with arrows."""
        return [column.header for column in self.columns]

    @cached_property
    def texts(self) -> list[list[str]]:
        """All cells as text."""
        return [
            [column.text(cell) for column, cell in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]

    @property
    def numbers(self) -> list[list[float | None]]:
        """What rows are sorted by; None for texts, and for amounts in different units."""
        sortable = [
            not column.is_text and len({cell.unit for cell in cells if cell.value is not None}) <= 1
            for column, cells in zip(self.columns, zip(*self.rows, strict=True), strict=False)
        ]
        return [
            [
                cell.value if sorts and not isinstance(cell.value, str) else None
                for sorts, cell in zip(sortable, row, strict=True)
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
    answer: str = "",
    above: Iterable[str] = (),
    below: Iterable[str] = (),
    place: Place = "last",
    empty: Empty = "show",
) -> Table:
    """The table of what columns get from rows."""
    visible, cells = [], []
    for column in columns:
        filled = [column.cell(row) for row in rows]
        shows = (column.empty or empty) == "show" or not rows
        if shows or not all(cell.is_empty for cell in filled):
            meaning = column.meaning or MEANINGS.get(column.name, "")
            visible.append(replace(column, meaning=meaning))
            cells.append(filled)
    return Table(
        title,
        tuple(visible),
        tuple(zip(*cells, strict=True)),
        answer=answer,
        above=tuple(above),
        below=tuple(below),
        place=place,
    )


def text_columns(names: Sequence[str]) -> tuple[Column[Sequence[str | Cell]], ...]:
    """Columns of texts for rows of texts or their cells, in order; the first names the row."""
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
    if not -4 <= exponent < _LARGE:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - 1 - exponent)}f}"


def mean_cell(interval: Interval | None, fewest: int = 0, **more: Any) -> Cell:  # noqa: ANN401
    """A mean, with its interval where that is over at least `fewest` values; more: of `Cell`."""
    if interval is None:
        return Cell()
    is_alone = interval.low is None or interval.n < fewest
    return Cell(interval.mean, None if is_alone else interval.ends, **more)


def mean(cell: Cell, finest: int = 300) -> str:
    """`77.1 ±1.2 (n=6)`: two significant digits of half the interval's width.

    At most four significant digits of the mean and `finest` decimals; the mean alone where there
    is no interval.
    """
    text = number(round(cell.number, finest))
    if cell.interval is not None:
        low, high = cell.interval
        text = _with_half_width(round(cell.number, finest), round((high - low) / 2, finest), finest)
    return text if cell.count is None else f"{text} (n={cell.count})"


points = partial(mean, finest=2)


def _with_half_width(mean: float, half: float, finest: int) -> str:
    if half <= 1e-9 * abs(mean):  # all prompts alike, but for the last bits of a sum
        return f"{number(mean)} ±0"
    scale = _exponent(max(abs(mean), half))
    if not -4 <= scale < _LARGE:
        return f"({mean / 10**scale:.1f} ±{half / 10**scale:.1f})e{scale}"
    decimals = min(finest, 1 - _exponent(half))
    if mean:
        decimals = min(decimals, 3 - _exponent(mean))
    return f"{mean:.{max(0, decimals)}f} ±{half:.{max(0, decimals)}f}"


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
    return "-".join(dict.fromkeys(map(number, cell.interval or (cell.number,))))


def percent(cell: Cell) -> str:
    """`96% (88-100)`, of a share."""
    low, high = cell.interval or (None, None)
    ends = "" if low is None or high is None else f" ({100 * low:.0f}-{100 * high:.0f})"
    return f"{100 * cell.number:.0f}%{ends}"


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


# ---- How short texts are printed ----


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def reason(clip: ClipResult, metric: str) -> str:
    """Why a clip that was made has no value of a metric."""
    return clip.unscored.get(metric, "not scored yet")


def failure(clip: ClipResult) -> str:
    """How a clip failed."""
    return f"{clip.status}: {one_line(clip.error or 'no message')}"


def named(clips: Sequence[ClipResult]) -> str:
    """The first of some clips, and how many more there are."""
    more = f" and {plural(len(clips) - 1, 'more clip')}" if len(clips) > 1 else ""
    return f"prompt {clips[0].prompt!r:.80} seed {clips[0].seed}{more}"


def short(digest: str | None) -> str:
    """The beginning of a hash, enough to tell two apart."""
    return digest[:8] if digest else NONE


def one_line(text: str, most: int = 200) -> str:
    """Text without line breaks, cut to so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def plain(text: str) -> str:
    """Text on one line, with nothing in it that a terminal would obey."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def visible(text: str) -> str:
    """Text on one line in which no character acts: those that would, show as [U+202E].

    Prompts and names come from elsewhere. A character that turns the reading direction around,
    or that a file format forbids, must be seen instead of obeyed. Joiners stay: some scripts
    cannot be written without.
    """
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c in _JOINERS else f"[U+{ord(c):04X}]" for c in line)
