"""All tables of a suite in reading order, which markdown, page and console then only draw."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, starmap
from math import inf
from typing import NamedTuple

from bench import statistics as stats
from bench.errors import NO_PROMPT
from bench.leaderboard.data.rows import (
    GROUP_METRIC,
    SuiteBoard,
    group_means,
    has_quality,
    in_order,
)
from bench.leaderboard.tables.costs import cost_tables, speed_tables, system_tables
from bench.leaderboard.tables.meanings import meaning_of
from bench.leaderboard.tables.scores import (
    more_tables,
    score_tables,
    terms_table,
    without_interval,
)
from bench.leaderboard.tables.table import (
    FEWEST,
    MODEL,
    Cell,
    Column,
    Table,
    fraction,
    mean,
    mean_cell,
    one_line,
    plural,
    reason,
    short,
    span,
    tabulate,
    text_columns,
)
from bench.leaderboard.tables.variants import variant_tables
from bench.metrics.cross_clip import CHANCE, UNIT
from bench.schema import Result

LINES_PER_MODEL = 20  # of failures and of reasons; what is left out is counted

LONG_ENOUGH = 0.9
"""Share of the length that was asked for, under which a clip is too short; frame rules miss by
less."""


SCORES = "Scores in detail"
SPEED = "Speed, cost and terms"
ORIGIN = "What failed, and where numbers come from"
FOLDS = (SCORES, SPEED, ORIGIN)
"""What the tables of a suite are behind that do not stand first, in reading order."""

TITLES = {
    "dance": "Dance: a person follows given poses",
    "fetv": "FETV: clips of real models that people have rated",
    "files": "Videos of folders, without prompts",
    "i2v": "Image to video",
    "long": "Long clips, 10 to 60 seconds",
    "product": "Product films",
    "short_drama": "Short drama: characters over several shots",
    "smoke": "Smoke test: does a model work?",
    "standard": "Standard: all that comes apart over time",
    "toy": "Toy models, each with a fault of its own",
    "toy_groups": "Toy characters over several shots",
    "zh": "Standard, in Chinese",
}
"""Of the suites that are published, for people; any other has its name."""


def tables(board: SuiteBoard) -> Iterator[Table]:
    """All tables of one suite, fold by fold, in reading order; one without rows is left out."""
    many = len(board.groups) > 1
    groups = [
        (group, f", table {place} of {len(board.groups)}" if many else "")
        for place, group in enumerate(board.groups, start=1)
    ]
    scores = chain(
        chain.from_iterable(starmap(score_tables, groups)),
        identity_tables(board),
        length_tables(board),
        chain.from_iterable(starmap(more_tables, groups)),
    )
    speed = chain(
        starmap(terms_table, groups),
        variant_tables(board),
        system_tables(board),
        chain.from_iterable(starmap(speed_tables, board.speeds.items())),
        cost_tables(groups),
    )
    origin = chain(_failures(board), _unscored(board), [_provenance(board)])
    for fold, members in zip(FOLDS, (scores, speed, origin), strict=True):
        for table in members:
            yield replace(table, fold=fold)


def folded(drawn: Iterable[Table]) -> dict[str, list[Table]]:
    """Those of the tables of a suite that do not stand first, by the title of their fold."""
    folds: dict[str, list[Table]] = {}
    for table in drawn:
        if table.place != "first":
            folds.setdefault(table.fold, []).append(table)
    return folds


def metric_table(suites: Iterable[SuiteBoard]) -> Table:
    """Every metric that any suite has: its unit, its direction, and what it measures."""
    groups = [group for board in suites for group in board.groups]
    metrics = {name: metric for group in groups for name, metric in group.metrics.items()}
    measures = {name: line for group in groups for name, line in group.measures.items()}
    columns: list[Column[str]] = [
        Column("metric", str, kind="name"),
        Column("unit", lambda name: metrics[name].unit, kind="text"),
        Column("better", lambda name: metrics[name].better or "neither", kind="text"),
        Column("measures", lambda name: meaning_of(name, measures), kind="text"),
    ]
    return tabulate("All metrics", columns, in_order(metrics))


def without_scores(board: SuiteBoard) -> list[str]:
    """One line for each result that has no row in any table of scores, saying why."""
    whys = {
        True: "its weights are random, so only its speed means anything.",
        False: "no clip of it was scored.",
    }
    return [
        f"{board.labels[result.model]} has no scores: {whys[result.random_weights]}"
        for result in board.results
        if not has_quality(result)
    ]


# ---- Cross-clip identity: one character in many shots ----


_FIELDS = ("value", "won", "own", "others")
"""Of `Likeness`."""


class _Identity(NamedTuple):
    """Means over groups of a result."""

    label: str
    result: Result
    means: dict[str, stats.Interval | None]  # by field of `Likeness`

    def cell(self, field: str) -> Cell:
        return mean_cell(self.means[field], FEWEST)


_IDENTITY_COLUMNS: tuple[Column[_Identity], ...] = (
    MODEL,
    Column(GROUP_METRIC, lambda row: row.cell("value"), mean, better="higher"),
    Column("told apart", lambda row: row.cell("won"), mean, better="higher"),
    Column("own", lambda row: row.cell("own"), mean, minor=True),
    Column("others", lambda row: row.cell("others"), mean, minor=True),
    Column("groups", lambda row: value.n if (value := row.means["value"]) else None, minor=True),
)


def identity_tables(board: SuiteBoard) -> Iterator[Table]:
    """Cross-clip identity, a table for each set of results that compare."""
    for group in board.groups:
        by_basis: defaultdict[object, list[Result]] = defaultdict(list)
        for row in group.rows:
            if basis := row.result.cross_clip:
                by_basis[basis.version, basis.fingerprint].append(row.result)
        for results in by_basis.values():
            yield _identity_table(results, board)


def _identity_table(results: Sequence[Result], board: SuiteBoard) -> Table:
    rows = []
    for result in results:
        values = {field: group_means(result.clips, field) for field in _FIELDS}
        means = {field: stats.interval(each) for field, each in values.items()}
        rows.append(_Identity(board.labels[result.model], result, means))

    def place(row: _Identity) -> tuple[float, str]:
        """The best first, then those without a mean."""
        return -value.mean if (value := row.means["value"]) else inf, row.result.model

    return tabulate(
        "Cross-clip identity",
        _IDENTITY_COLUMNS,
        sorted(rows, key=place),
        above=[
            "Does a character stay itself from one shot to the next? own is the mean identity "
            "cosine between clips of one character, others that between clips of different "
            f"characters over the same kinds of shot and seeds; {GROUP_METRIC} is own - "
            f"others ({UNIT}), and told apart how often the own character is the more alike. "
            f"0 and {CHANCE:g} is a model that draws anybody. Intervals are over groups."
        ],
        below=[
            *without_interval([each for row in rows for each in row.means.values()], "groups"),
            *_identity_gaps(results, board),
        ],
        place="first",
    )


def _identity_gaps(results: Sequence[Result], board: SuiteBoard) -> Iterator[str]:
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


# ---- Lengths ----


def length_tables(board: SuiteBoard) -> Iterator[Table]:
    """One table of a suite whose prompts say their length; none where they do not."""
    seconds = {
        result.model: [
            (clip.seconds_requested, clip.video_s)
            for clip in result.successes
            if clip.seconds_requested is not None
        ]
        for result in board.results
    }

    def ends(side: Sequence[float]) -> Cell:
        return Cell(min(side), (min(side), max(side)))

    def long_enough(result: Result) -> Cell:
        enough = [made >= LONG_ENOUGH * asked for asked, made in seconds[result.model]]
        return Cell(sum(enough), count=len(enough))

    columns: list[Column[Result]] = [
        Column("model", lambda r: Cell(board.labels[r.model], about=r), kind="name"),
        Column("asked, s", lambda r: ends([asked for asked, _ in seconds[r.model]]), span),
        Column("made, s", lambda r: ends([made for _, made in seconds[r.model]]), span),
        Column("as long as asked", long_enough, fraction),
        Column("longest by its card, s", lambda r: r.card.max_seconds),
    ]
    rows = [result for result in board.results if seconds[result.model]]
    if rows:
        yield tabulate(
            "Lengths",
            columns,
            rows,
            above=[
                "A model makes the length nearest to that asked for that it can, or its own where "
                "it cannot be told. Damage is a mean over time, so a short clip has less time to "
                f"drift in: compare like with like. As long as asked is {LONG_ENOUGH:.0%} of it or "
                "more."
            ],
        )


# ---- Failures, gaps, and where numbers come from ----


def _failures(board: SuiteBoard) -> Iterator[Table]:
    lines = {
        result.model: [
            (clip.title, str(clip.seed), clip.status, one_line(clip.error or "no message"))
            for clip in sorted(result.clips, key=lambda clip: clip.sample)
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
            for clip in result.successes
            for metric in result.metrics
            if clip.scores.get(metric) is None
            if reason(clip, metric) != NO_PROMPT
        )
        metrics: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        for (metric, why), count in sorted(reasons.items()):
            metrics[count, why].append(metric)
        lines[result.model] = [
            (", ".join(names), str(count), why) for (count, why), names in metrics.items()
        ]
    yield from _capped("Clips without a score", ("metrics", "clips", "reason"), lines, board)


def _capped(
    title: str,
    names: Sequence[str],
    lines: Mapping[str, Sequence[tuple[str, ...]]],
    board: SuiteBoard,
) -> Iterator[Table]:
    """A table of the first lines of each model, and of how many more there are."""
    rows: list[tuple[str | Cell, ...]] = []
    for result in board.results:
        name = Cell(board.labels[result.model], about=result)
        own = lines.get(result.model, ())
        rows += ((name, *line) for line in own[:LINES_PER_MODEL])
        if (rest := len(own) - LINES_PER_MODEL) > 0:
            rows.append((name, *[""] * (len(names) - 1), f"and {rest} more"))
    if rows:
        yield tabulate(title, text_columns(("model", *names)), rows)


def _commit(result: Result) -> str:
    return short(result.environment.commit) + (" (dirty)" if result.environment.dirty else "")


def _provenance(board: SuiteBoard) -> Table:
    columns: list[Column[Result]] = [
        Column("name", lambda result: Cell(board.labels[result.model], about=result), kind="name"),
        Column("model", lambda result: result.model, kind="text"),
        Column("licence", lambda result: result.card.licence, kind="text"),
        Column("parameters", lambda result: result.card.parameters, kind="text"),
        Column("commit", _commit, kind="text"),
        Column("device", lambda result: result.environment.device, kind="text"),
        Column("torch", lambda result: result.environment.versions.get("torch"), kind="text"),
        Column("result", lambda result: short(result.fingerprint), kind="text"),
        Column("prompts", lambda result: short(result.prompts.sha256), kind="text"),
    ]
    return tabulate("Provenance", columns, board.results)
