"""All tables of a suite in reading order, which markdown, page and console then only draw."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bench.leaderboard.data.rows import SuiteBoard, has_quality
from bench.leaderboard.tables.costs import cost_tables, speed_tables, system_tables
from bench.leaderboard.tables.groups import group_tables, length_tables
from bench.leaderboard.tables.scores import more_tables, score_tables
from bench.leaderboard.tables.table import Column, Table, tabulate, text_columns
from bench.leaderboard.tables.words import one_line, reason, short
from bench.schema import Result

LINES_PER_MODEL = 20  # of failures and of reasons; what is left out is counted


def tables(board: SuiteBoard) -> Iterator[Table]:
    """All tables of one suite, in reading order; a table without rows is left out."""
    many = len(board.groups) > 1
    groups = [
        (group, f", table {place} of {len(board.groups)}" if many else "")
        for place, group in enumerate(board.groups, start=1)
    ]
    for group, suffix in groups:
        yield from score_tables(group, suffix, board)
    yield from group_tables(board)
    yield from length_tables(board)
    yield from system_tables(board)
    for device, rows in board.speeds.items():
        yield from speed_tables(device, rows)
    yield from cost_tables(groups, board)
    for group, suffix in groups:
        yield from more_tables(group, suffix)
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


def _failures(board: SuiteBoard) -> Iterator[Table]:
    lines = {
        result.model: [
            (clip.prompt, str(clip.seed), clip.status, one_line(clip.error or "no message"))
            for clip in sorted(result.clips, key=lambda clip: (clip.prompt, clip.seed))
            if clip.status != "ok"
        ]
        for result in board.results
    }
    yield from _capped("Failed clips", ("prompt", "seed", "status", "error"), lines, board)


def _unscored(board: SuiteBoard) -> Iterator[Table]:
    lines = {}
    for result in filter(has_quality, board.results):
        reasons = Counter(
            (metric, one_line(reason(clip, metric)))
            for clip in result.clips
            for metric in result.metrics
            if clip.status == "ok" and clip.scores.get(metric) is None
        )
        lines[result.model] = [
            (metric, str(count), why) for (metric, why), count in sorted(reasons.items())
        ]
    yield from _capped("Clips without a score", ("metric", "clips", "reason"), lines, board)


def _capped(
    title: str,
    names: Sequence[str],
    lines: Mapping[str, Sequence[tuple[str, ...]]],
    board: SuiteBoard,
) -> Iterator[Table]:
    """A table of the first lines of each model, and of how many more there are."""
    rows: list[Sequence[str]] = []
    results = []
    for result in board.results:
        own = lines.get(result.model, ())
        texts = list(own[:LINES_PER_MODEL])
        if rest := len(own) - len(texts):
            texts.append((*[""] * (len(names) - 1), f"and {rest} more"))
        rows += ((board.labels[result.model], *line) for line in texts)
        results += [result] * len(texts)
    if rows:
        table = tabulate(title, text_columns(("model", *names)), rows)
        yield replace(table, results=tuple(results))


def _commit(result: Result) -> str:
    return short(result.commit) + (" (dirty)" if result.dirty else "")


def _provenance(board: SuiteBoard) -> Table:
    columns: list[Column[Result]] = [
        Column("name", lambda result: board.labels[result.model], kind="name"),
        Column("model", lambda result: result.model, kind="text"),
        Column("licence", lambda result: result.card.licence, kind="text"),
        Column("parameters", lambda result: result.card.parameters, kind="text"),
        Column("commit", _commit, kind="text"),
        Column("device", lambda result: result.device, kind="text"),
        Column("torch", lambda result: result.torch, kind="text"),
        Column("result", lambda result: short(result.fingerprint), kind="text"),
        Column("prompts", lambda result: short(result.prompts_sha256), kind="text"),
    ]
    return tabulate("Provenance", columns, board.results, result=lambda result: result)
