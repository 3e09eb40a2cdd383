"""Tables of scores: who leads, by how much, and what is missing."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bench.report.digits import number, with_interval
from bench.report.results import ClipResult, Metric
from bench.report.rows import Group, Row, Score
from bench.report.table import NONE, Cell, Column, Table
from bench.report.words import failure, one_line, plural, reason, short

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
SCORES_PER_TABLE = 8
NAMED_PER_MODEL = 8  # of clips not made yet, on one line

_Filled = tuple[Column, list[Cell]]


def score_tables(group: Group, suffix: str, headline: str) -> Iterator[Table]:
    """The tables of one group: complete runs, incomplete ones, footage clip by clip.

    Args:
        group: results that compare.
        suffix: what tells its titles from those of other groups.
        headline: metric that ranks the rows.
    """
    ranked = headline in group.metrics and not group.footage
    basis = [_basis(group)]
    if group.differs:
        basis.append(f"Kept apart from table 1, made with {' and '.join(group.differs)}.")
    if group.unranked:
        basis.append(f"Not ranked: {group.unranked}.")
    if group.complete:
        lead = [(Column("rank"), [_rank(row) for row in group.complete])] if ranked else []
        yield from _tables(f"Scores{suffix}", group, group.complete, basis, lead, [])
    if group.partial:
        why = [(Column("why", text=True), [Cell(_why_partial(row)) for row in group.partial])]
        apart = "Their means are over fewer clips, and compare with nothing."
        above = [apart] if group.complete else [*basis, apart]
        yield from _tables(f"Incomplete runs{suffix}", group, group.partial, above, [], why)
    if group.footage:
        for row in group.complete:
            yield _clip_by_clip(row, group.metrics)


def _tables(
    title: str,
    group: Group,
    rows: Sequence[Row],
    above: Sequence[str],
    lead: Sequence[_Filled],
    trail: Sequence[_Filled],
) -> Iterator[Table]:
    """As many tables as keep each to a width that can be read; counts stand in the first."""
    model = (Column("model", text=True), [Cell(_name(row)) for row in rows])
    clips = [Cell(f"{row.scored}/{row.result.expected_clips}") for row in rows]
    failed = [Cell(str(row.failed)) for row in rows]
    names = list(group.metrics)
    parts = math.ceil(len(names) / SCORES_PER_TABLE)
    size = math.ceil(len(names) / parts)
    for part in range(parts):
        shown = names[part * size : (part + 1) * size]
        scores = [
            (replace(_header(name, metric), unit=f"{name} {metric.unit}"), _scores(rows, name))
            for name, metric in ((name, group.metrics[name]) for name in shown)
        ]
        counts = [] if part else [(Column("clips"), clips), (Column("failed"), failed), *trail]
        filled = [*lead, model, *scores, *counts]
        yield Table(
            title if part == 0 else f"{title}, more columns",
            tuple(column for column, _ in filled),
            tuple(zip(*(cells for _, cells in filled), strict=True)),
            above=() if part else tuple(above),
            below=() if part else (*_not_made(rows), *_why_unscored(rows)),
            summary=part == 0,  # on a screen, the columns that matter most are enough
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


def _rank(row: Row) -> Cell:
    if row.rank is None:
        return Cell(NONE)
    best, worst = row.rank
    return Cell(str(best) if best == worst else f"{best}-{worst}")


def _name(row: Row) -> str:
    return row.label + (" (lossy)" if any(clip.lossy for clip in row.result.clips) else "")


def _header(name: str, metric: Metric) -> Column:
    return Column(name + ARROWS[metric.better], minor=metric.better is None)


def _scores(rows: Sequence[Row], metric: str) -> list[Cell]:
    scores = [(row.scores[metric], len(row.result.expected_prompts)) for row in rows]
    return [Cell(_score(score, prompts), score.leading) for score, prompts in scores]


def _score(score: Score, prompts: int) -> str:
    if score.interval is None:
        return NONE
    count = f" (n={score.interval.n})" if score.interval.n < prompts else ""
    return with_interval(score.interval) + count


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


def _clip_by_clip(row: Row, metrics: Mapping[str, Metric]) -> Table:
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
            *(_header(name, metric) for name, metric in metrics.items()),
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
