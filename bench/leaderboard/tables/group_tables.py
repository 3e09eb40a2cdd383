"""Cross-clip identity, as a table: who draws the same character again in another shot?"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench import statistics as stats
from bench.leaderboard.data.group_scores import NAME, group_means
from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.tables.score_cells import mean_text, without_interval
from bench.leaderboard.tables.table import NONE, Cell, Column, Table
from bench.leaderboard.tables.words import one_line, plural
from bench.metrics.cross_clip import CHANCE, UNIT
from bench.schema import Result

COLUMNS = {
    "value": f"{NAME} ↑",
    "won": "told apart ↑",
    "own": "own",
    "others": "others",
}
"""Field of `Likeness` to the header of its column."""


def group_tables(board: SuiteBoard) -> Iterator[Table]:
    """One table for each set of results that compare, of a suite whose prompts have groups."""
    for group in board.groups:
        by_basis: defaultdict[object, list[Result]] = defaultdict(list)
        for row in (*group.complete, *group.partial):
            if basis := row.result.cross_clip:
                by_basis[basis.version, basis.fingerprint].append(row.result)
        for results in by_basis.values():
            yield _table(results, board)


def _table(results: Sequence[Result], board: SuiteBoard) -> Table:
    intervals = {
        result.model: {
            field: stats.interval(list(group_means(result, field).values())) for field in COLUMNS
        }
        for result in results
    }

    def best_first(result: Result) -> tuple[bool, float, str]:
        found = intervals[result.model]["value"]
        return found is None, -found.mean if found else 0.0, result.model

    rows = []
    for result in sorted(results, key=best_first):
        shown = intervals[result.model]
        texts = map(mean_text, shown.values())
        counted = str(shown["value"].n) if shown["value"] else NONE
        rows.append(tuple(map(Cell, (board.labels[result.model], *texts, counted))))
    return Table(
        "Cross-clip identity",
        (
            Column("model", text=True),
            *(Column(COLUMNS[field], minor=field in ("own", "others")) for field in COLUMNS),
            Column("groups", minor=True),
        ),
        tuple(rows),
        above=(
            "Does a character stay itself from one shot to the next? own is the mean identity "
            "cosine between clips of one character, others that between clips of different "
            f"characters over the same kinds of shot and seeds; {NAME} is own - "
            f"others ({UNIT}), and told apart how often the own character is the more alike. "
            f"0 and {CHANCE:g} is a model that draws anybody. Intervals are over groups.",
        ),
        below=(
            *without_interval(
                (each for shown in intervals.values() for each in shown.values()), "groups"
            ),
            *_missing(results, board),
        ),
        summary=True,
    )


def _missing(results: Sequence[Result], board: SuiteBoard) -> Iterator[str]:
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
