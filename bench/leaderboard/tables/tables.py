"""The leaderboard as tables of plain text, which markdown and the console then only draw."""

from collections import Counter
from collections.abc import Iterator, Sequence

from bench.leaderboard.data.rows import HEADLINE, SuiteBoard, has_quality
from bench.leaderboard.tables.economy_tables import economy_tables
from bench.leaderboard.tables.group_tables import group_tables
from bench.leaderboard.tables.length_tables import length_tables
from bench.leaderboard.tables.score_tables import more_tables, score_tables
from bench.leaderboard.tables.speed_tables import speed_tables
from bench.leaderboard.tables.systems import systems
from bench.leaderboard.tables.table import NONE, Cell, Table, text_columns
from bench.leaderboard.tables.words import one_line, reason, short

LINES_PER_MODEL = 20  # of failures and of reasons; what is left out is counted


def tables(board: SuiteBoard, headline: str = HEADLINE) -> Iterator[Table]:
    """All tables of one suite, in reading order; a table without rows is left out."""
    many = len(board.groups) > 1
    groups = [
        (group, f", table {place} of {len(board.groups)}" if many else "")
        for place, group in enumerate(board.groups, start=1)
    ]
    for group, suffix in groups:
        yield from score_tables(group, suffix, board, headline)
    yield from group_tables(board)
    yield from length_tables(board)
    yield from systems(board, headline)
    for device, rows in board.speeds.items():
        yield from speed_tables(device, rows)
    yield from economy_tables(groups, board)
    for group, suffix in groups:
        yield from more_tables(group, suffix, headline)
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
    rows: list[tuple[Cell, ...]] = []
    for result in board.results:
        failed = [
            (clip.prompt, str(clip.seed), clip.status, one_line(clip.error or "no message"))
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
            (metric, one_line(reason(clip, metric)))
            for clip in result.clips
            for metric in result.metrics
            if clip.status == "ok" and clip.scores.get(metric) is None
        )
        lines = [(metric, str(count), why) for (metric, why), count in sorted(reasons.items())]
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
        "calibration",
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
                        short(result.commit) + (" (dirty)" if result.dirty else ""),
                        result.device,
                        result.torch or NONE,
                        short(result.fingerprint),
                        short(result.prompts_sha256),
                        short(result.calibration_sha256),
                    ),
                )
            )
            for result in board.results
        ),
    )
