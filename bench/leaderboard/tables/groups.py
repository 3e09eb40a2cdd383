"""Tables of cross-clip identity and of lengths: one character in many shots, how long clips are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench import statistics as stats
from bench.leaderboard.data.rows import GROUP_METRIC, SuiteBoard, group_means
from bench.leaderboard.tables.scores import FEWEST, without_interval
from bench.leaderboard.tables.table import (
    Cell,
    Column,
    Table,
    fraction,
    mean,
    mean_cell,
    span,
    tabulate,
)
from bench.leaderboard.tables.words import one_line, plural
from bench.metrics.cross_clip import CHANCE, UNIT
from bench.schema import Result

LONG_ENOUGH = 0.9
"""Share of the length that was asked for, under which a clip is too short; frame rules miss by
less."""

_FIELDS = ("value", "won", "own", "others")
"""Of `Likeness`."""


@dataclass(frozen=True)
class _Identity:
    """Means over groups of a result, by field of `Likeness`."""

    result: Result
    means: dict[str, stats.Interval | None]

    @property
    def order(self) -> tuple[bool, float, str]:
        """Best first."""
        value = self.means["value"]
        return value is None, -value.mean if value else 0.0, self.result.model


def group_tables(board: SuiteBoard) -> Iterator[Table]:
    """Cross-clip identity, a table for each set of results that compare."""
    for group in board.groups:
        by_basis: defaultdict[object, list[Result]] = defaultdict(list)
        for row in group.rows:
            if basis := row.result.cross_clip:
                by_basis[basis.version, basis.fingerprint].append(row.result)
        for results in by_basis.values():
            yield _identity_table(results, board)


def _identity_table(results: Sequence[Result], board: SuiteBoard) -> Table:
    rows = [
        _Identity(
            result,
            {f: stats.interval(list(group_means(result.clips, f).values())) for f in _FIELDS},
        )
        for result in results
    ]

    def field(row: _Identity, name: str) -> Cell:
        return mean_cell(row.means[name], FEWEST)

    return tabulate(
        "Cross-clip identity",
        [
            Column[_Identity]("model", lambda row: board.labels[row.result.model], kind="name"),
            Column(GROUP_METRIC, partial(field, name="value"), mean, better="higher"),
            Column("told apart", partial(field, name="won"), mean, better="higher"),
            Column("own", partial(field, name="own"), mean, minor=True),
            Column("others", partial(field, name="others"), mean, minor=True),
            Column("groups", lambda row: row.means["value"] and row.means["value"].n, minor=True),
        ],
        sorted(rows, key=lambda row: row.order),
        result=lambda row: row.result,
        above=[
            "Does a character stay itself from one shot to the next? own is the mean identity "
            "cosine between clips of one character, others that between clips of different "
            f"characters over the same kinds of shot and seeds; {GROUP_METRIC} is own - "
            f"others ({UNIT}), and told apart how often the own character is the more alike. "
            f"0 and {CHANCE:g} is a model that draws anybody. Intervals are over groups."
        ],
        below=[
            *without_interval([each for row in rows for each in row.means.values()], "groups"),
            *_gaps(results, board),
        ],
        summary=True,
    )


def _gaps(results: Sequence[Result], board: SuiteBoard) -> Iterator[str]:
    """Who has no comparison and why, and how many clips of a comparison show nothing."""
    for result in results:
        label = board.labels[result.model]
        if result.cross_clip and result.cross_clip.why:
            yield f"{label} has none: {one_line(result.cross_clip.why)}."
        parts = [clip.cross_clip for clip in result.clips if clip.cross_clip]
        if empty := sum(part.own is None for part in parts):
            yield (
                f"{label}: {plural(empty, 'clip')} of {len(parts)} could be compared with nothing, "
                "since these or all others failed or did not move, and counted as "
                f"0 and {CHANCE:g}."
            )


@dataclass(frozen=True)
class _Lengths:
    """Seconds of a result's clips, as asked for and as delivered."""

    result: Result
    asked: list[float]
    delivered: list[float]

    @property
    def long_enough(self) -> int:
        pairs = zip(self.asked, self.delivered, strict=True)
        return sum(delivered >= LONG_ENOUGH * asked for asked, delivered in pairs)


def length_tables(board: SuiteBoard) -> Iterator[Table]:
    """One table of a suite whose prompts say their length; none where they do not."""
    rows = []
    for result in board.results:
        clips = [c for c in result.clips if c.seconds_requested is not None and c.status == "ok"]
        if clips:
            asked = [clip.seconds_requested or 0.0 for clip in clips]
            rows.append(_Lengths(result, asked, [clip.video_s for clip in clips]))
    if rows:
        yield tabulate(
            "Lengths",
            [
                Column[_Lengths]("model", lambda row: board.labels[row.result.model], kind="name"),
                Column("asked, s", lambda row: _range(row.asked), span),
                Column("made, s", lambda row: _range(row.delivered), span),
                Column(
                    "as long as asked",
                    lambda row: Cell(row.long_enough, count=len(row.asked)),
                    fraction,
                ),
                Column("longest by its card, s", lambda row: row.result.card.max_seconds),
            ],
            rows,
            result=lambda row: row.result,
            above=[
                "A model makes the length nearest to that asked for that it can, or its own where "
                "it cannot be told. Damage is a mean over time, so a short clip has less time to "
                f"drift in: compare like with like. As long as asked is {LONG_ENOUGH:.0%} of it or "
                "more."
            ],
        )


def _range(seconds: Sequence[float]) -> Cell:
    return Cell(min(seconds), (min(seconds), max(seconds)))
