"""Tables of scores: who leads, by how much, and what is missing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bench.leaderboard.data.categories import category_tables
from bench.leaderboard.data.headline import headline_metrics, headline_table
from bench.leaderboard.data.rows import SUB_SCORES, Group, Row, SuiteBoard
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.score_cells import (
    SCORES_PER_TABLE,
    Filled,
    header,
    lead,
    score_columns,
)
from bench.leaderboard.tables.table import NONE, Cell, Column, Table, in_parts
from bench.leaderboard.tables.words import failure, one_line, plural, reason, short
from bench.schema import ClipResult, MetricDescription

NAMED_PER_MODEL = 8  # of clips not made yet, on one line


def score_tables(group: Group, suffix: str, board: SuiteBoard, headline: str) -> Iterator[Table]:
    """The tables of one group to read first: complete runs, incomplete ones, footage by clip.

    Args:
        group: results that compare.
        suffix: what tells its titles from those of other groups.
        board: of the suite.
        headline: metric that ranks the rows.
    """
    basis = [_basis(group)]
    if group.differs:
        basis.append(f"Kept apart from table 1: {'; '.join(group.differs)}.")
    if group.unranked:
        basis.append(f"Not ranked: {group.unranked}.")
    if group.complete:
        rows = group.complete
        below = [*_not_made(rows), *_why_unscored(rows)]
        yield headline_table(f"Headline{suffix}", group, rows, board, headline, basis, below)
        if headline in group.metrics:
            parts = [name for name in SUB_SCORES if name in group.metrics]
            yield from _tables(f"Sub-scores{suffix}", group, rows, parts, summary=True)
        yield from category_tables(group, suffix, headline)
    if group.partial:
        rows = group.partial
        apart = "Their means are over fewer clips, and compare with nothing."
        above = [apart] if group.complete else [*basis, apart]
        below = [*_not_made(rows), *_why_unscored(rows)]
        why = (Column("why", text=True), [Cell(_why_partial(row)) for row in rows])
        yield headline_table(
            f"Incomplete runs{suffix}", group, rows, board, headline, above, below, [why]
        )
    if group.footage:
        for row in group.complete:
            yield _clip_by_clip(row, group.metrics)


def more_tables(group: Group, suffix: str, headline: str) -> Iterator[Table]:
    """The metrics of a group that no table above shows, folded away."""
    shown = set(headline_metrics(group, headline))
    rest = [name for name in group.metrics if name not in shown]
    if group.partial:
        yield from _tables(
            f"Incomplete runs{suffix}, more metrics", group, group.partial, rest, folded=True
        )
    if group.complete:
        if headline in group.metrics:
            rest = [name for name in rest if name not in SUB_SCORES]
        yield from _tables(f"More metrics{suffix}", group, group.complete, rest, folded=True)


def _tables(
    title: str,
    group: Group,
    rows: Sequence[Row],
    names: Sequence[str],
    summary: bool = False,
    folded: bool = False,
) -> Iterator[Table]:
    """As many tables as keep each to a width that can be read."""
    for part, shown in in_parts(names, SCORES_PER_TABLE):
        filled: list[Filled] = [
            *lead(rows, ranked=any(row.rank for row in rows)),
            *score_columns(group, rows, shown),
        ]
        yield Table(
            f"{title}{part}",
            tuple(column for column, _ in filled),
            tuple(zip(*(cells for _, cells in filled), strict=True)),
            summary=summary,
            folded=folded,
        )


def _basis(group: Group) -> str:
    """What all rows of a group share."""
    if group.footage:
        return "Footage without prompts."
    prompts, seeds = group.first.expected_prompts, group.first.seeds
    return (
        f"{plural(len(prompts), 'prompt')} x {plural(len(seeds), 'seed')}, "
        f"prompts sha256 {short(group.first.prompts_sha256)}."
    )


def _why_partial(row: Row) -> str:
    reasons = [
        (row.missing, "not made yet"),
        (row.unscored, "made but not scored"),
    ]
    return f"of {plural(row.result.expected_clips, 'clip')}, " + ", ".join(
        f"{count} {reason}" for count, reason in reasons if count
    )


def _not_made(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each row that lacks clips, naming the first of them."""
    for row in rows:
        made = {(clip.prompt, clip.seed) for clip in row.result.clips}
        lacking = [
            f"{prompt} seed {seed}"
            for prompt in row.result.expected_prompts
            for seed in row.result.seeds
            if (prompt, seed) not in made
        ]
        if lacking:
            hidden = len(lacking) - NAMED_PER_MODEL
            more = f" and {hidden} more" if hidden > 0 else ""
            yield f"{row.label} lacks {', '.join(lacking[:NAMED_PER_MODEL])}{more}."


def _why_unscored(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each row that lacks the scores of clips that were made, with the usual reason."""
    for row in rows:
        reasons = Counter(
            one_line(why)
            for clip in row.result.clips
            if clip.status == "ok"
            for why in clip.unscored.values()
        )
        if row.unscored and reasons:
            ((usual, _),) = reasons.most_common(1)
            yield f"{row.label}: {plural(row.unscored, 'clip')} not scored: {usual}."


def _clip_by_clip(row: Row, metrics: Mapping[str, MetricDescription]) -> Table:
    notes: dict[str, int] = {}  # reason to its number, in the order of appearance
    rows = []
    for clip in sorted(row.result.clips, key=lambda clip: (clip.prompt, clip.seed)):
        frames, width, height, fps = clip.shape
        made = clip.status == "ok"
        rows.append(
            (
                Cell(clip.prompt),
                Cell(str(frames) if made else NONE),
                Cell(f"{width}x{height}" if made else NONE),
                Cell(number(fps, 4) if made else NONE),
                Cell("yes" if clip.lossy else "no"),
                *(Cell(_clip_score(clip, name, notes)) for name in metrics),
            )
        )
    return Table(
        f"{row.label}, clip by clip",
        (
            Column("file", text=True),
            *map(Column, ("frames", "size", "fps", "lossy")),
            *(header(name, metric) for name, metric in metrics.items()),
        ),
        tuple(rows),
        below=tuple(f"({count}) {reason}" for reason, count in notes.items()),
    )


def _clip_score(clip: ClipResult, metric: str, notes: dict[str, int]) -> str:
    value = clip.scores.get(metric)
    if value is not None:
        return number(value, 4)
    why = reason(clip, metric) if clip.status == "ok" else failure(clip)
    return f"{NONE} ({notes.setdefault(why, len(notes) + 1)})"
