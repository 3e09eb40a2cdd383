"""The leaderboard as tables of plain text, which markdown and the console then only draw."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bench.report.digits import number, with_interval
from bench.report.results import ClipResult, Metric
from bench.report.rows import HEADLINE, Group, Row, Score, SuiteBoard, has_quality
from bench.report.speed import Speed
from bench.report.systems import systems
from bench.report.table import NONE, Cell, Column, Table, text_columns

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}
SCORES_PER_TABLE = 8
LINES_PER_MODEL = 20  # of failures and of reasons; what is left out is counted
NAMED_PER_MODEL = 8  # of clips not made yet, on one line

_Filled = tuple[Column, list[Cell]]


def tables(board: SuiteBoard, headline: str = HEADLINE) -> Iterator[Table]:
    """All tables of one suite, in reading order; a table without rows is left out."""
    for number_, group in enumerate(board.groups, start=1):
        suffix = f", table {number_} of {len(board.groups)}" if len(board.groups) > 1 else ""
        yield from _quality(group, suffix, headline)
    yield from systems(board, headline)
    for device, rows in board.speeds.items():
        yield _speed(device, rows)
    yield from _failures(board)
    yield from _unscored(board)
    yield _provenance(board)


def without_scores(board: SuiteBoard) -> list[str]:
    """One line for each result that has no row in any table of scores, saying why."""
    return [
        f"{board.labels[result.model]} has no scores: "
        + (
            "its weights are random, so only its speed means anything."
            if result.random_weights
            else "no clip of it was scored."
        )
        for result in board.results
        if not has_quality(result)
    ]


def _quality(group: Group, suffix: str, headline: str) -> Iterator[Table]:
    ranked = headline in group.metrics and not group.footage
    basis = [_basis(group)]
    if group.differs:
        basis.append(f"Kept apart from table 1, made with {' and '.join(group.differs)}.")
    if group.unranked:
        basis.append(f"Not ranked: {group.unranked}.")
    if group.complete:
        lead = [(Column("rank"), [_rank(row) for row in group.complete])] if ranked else []
        yield from _score_tables(f"Scores{suffix}", group, group.complete, basis, lead, [])
    if group.partial:
        why = [(Column("why", text=True), [Cell(_why_partial(row)) for row in group.partial])]
        apart = "Their means are over fewer clips, and compare with nothing."
        above = [apart] if group.complete else [*basis, apart]
        yield from _score_tables(f"Incomplete runs{suffix}", group, group.partial, above, [], why)
    if group.footage:
        for row in group.complete:
            yield _clip_by_clip(row, group.metrics)


def _score_tables(
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
        f"{_plural(len(prompts), 'prompt')} x {_plural(len(seeds), 'seed')}, "
        f"prompts sha256 {_short(group.first.prompts_sha256)}."
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
    return f"of {_plural(row.result.expected_clips, 'clip')}, " + ", ".join(
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
            _one_line(reason)
            for clip in row.result.clips
            if clip.status == "ok"
            for reason in clip.unscored.values()
        )
        if row.unscored and reasons:
            ((usual, _),) = reasons.most_common(1)
            yield f"{row.label}: {_plural(row.unscored, 'clip')} not scored: {usual}."


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
    reason = _reason(clip, metric) if clip.status == "ok" else _failure(clip)
    return f"{NONE} ({notes.setdefault(reason, len(notes) + 1)})"


def _speed(device: str, rows: Sequence[Speed]) -> Table:
    return Table(
        f"Speed on {device}",
        (
            Column("model", text=True),
            Column("clip", text=True),
            Column("clips timed"),
            Column("frames/s ↑"),
            Column("s of compute per s of video ↓"),
            Column("s per clip p50 (p05-p95)"),
            Column("peak GiB allocated / reserved"),
            Column("kJ per s of video"),
        ),
        tuple(_speed_cells(row) for row in rows),
    )


def _speed_cells(row: Speed) -> tuple[Cell, ...]:
    frames, width, height, fps = row.shapes[0]
    others = f", and {_plural(len(row.shapes) - 1, 'other shape')}" if len(row.shapes) > 1 else ""
    p05, p50, p95 = map(number, row.latency_s)
    memory = [
        NONE if gib is None else f"{gib:.1f}" for gib in (row.allocated_gib, row.reserved_gib)
    ]
    texts = (
        row.label + (" (random weights)" if row.result.random_weights else ""),
        f"{_plural(frames, 'frame')} {width}x{height} at {number(fps)} fps{others}",
        str(row.clips),
        number(row.frames_per_s),
        number(row.compute_per_video_s),
        f"{p50} ({p05}-{p95})",
        NONE if memory == [NONE, NONE] else " / ".join(memory),
        NONE if row.kj_per_video_s is None else number(row.kj_per_video_s),
    )
    return tuple(map(Cell, texts))


def _failures(board: SuiteBoard) -> Iterator[Table]:
    rows: list[tuple[Cell, ...]] = []
    for result in board.results:
        failed = [
            (clip.prompt, str(clip.seed), clip.status, _one_line(clip.error or "no message"))
            for clip in sorted(result.clips, key=lambda clip: (clip.prompt, clip.seed))
            if clip.status != "ok"
        ]
        rows += _capped(board.labels[result.model], failed)
    if rows:
        names = ("model", "prompt", "seed", "status", "error")
        yield Table("Failed clips", text_columns(names), tuple(rows))


def _unscored(board: SuiteBoard) -> Iterator[Table]:
    rows: list[tuple[Cell, ...]] = []
    for result in filter(has_quality, board.results):
        reasons = Counter(
            (metric, _one_line(_reason(clip, metric)))
            for clip in result.clips
            for metric in result.metrics
            if clip.status == "ok" and clip.scores.get(metric) is None
        )
        lines = [
            (metric, str(count), reason) for (metric, reason), count in sorted(reasons.items())
        ]
        rows += _capped(board.labels[result.model], lines)
    if rows:
        names = ("model", "metric", "clips", "reason")
        yield Table("Clips without a score", text_columns(names), tuple(rows))


def _capped(label: str, lines: Sequence[tuple[str, ...]]) -> list[tuple[Cell, ...]]:
    """Rows that start with the label: the first lines, and how many more there are."""
    rows = [tuple(map(Cell, (label, *line))) for line in lines[:LINES_PER_MODEL]]
    if rest := len(lines) - len(rows):
        blank = [""] * (len(lines[0]) - 1)
        rows.append(tuple(map(Cell, (label, *blank, f"and {rest} more"))))
    return rows


def _provenance(board: SuiteBoard) -> Table:
    names = (
        "name", "model", "licence", "parameters", "commit", "device", "torch", "result", "prompts",
    )  # fmt: skip
    return Table(
        "Provenance",
        text_columns(names),
        tuple(
            tuple(
                map(
                    Cell,
                    (
                        board.labels[result.model],
                        result.model,
                        result.card.licence or NONE,
                        result.card.parameters or NONE,
                        _short(result.commit) + (" (dirty)" if result.dirty else ""),
                        result.device,
                        result.torch or NONE,
                        _short(result.fingerprint),
                        _short(result.prompts_sha256),
                    ),
                )
            )
            for result in board.results
        ),
    )


def _reason(clip: ClipResult, metric: str) -> str:
    return clip.unscored.get(metric, "not scored yet")


def _failure(clip: ClipResult) -> str:
    return f"{clip.status}: {_one_line(clip.error or 'no message')}"


def _one_line(text: str, most: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _short(digest: str | None) -> str:
    return digest[:8] if digest else NONE


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
