"""Tables of scores: the one that is read first, its parts, categories, and what is missing."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bench.errors import first_of
from bench.leaderboard.data.rows import (
    BESIDE,
    DYNAMICS,
    HEADLINE,
    PARTS,
    SUB_SCORES,
    USABLE,
    Group,
    Row,
    by_category,
    decisive,
    prompt_categories,
)
from bench.leaderboard.data.votes import still_missing
from bench.leaderboard.tables.answer import answer
from bench.leaderboard.tables.costs import reported, usable_cost, what_is_usable
from bench.leaderboard.tables.meanings import is_own, meaning_of
from bench.leaderboard.tables.table import (
    FEWEST,
    MODEL,
    Cell,
    Column,
    Place,
    Table,
    decimals,
    failure,
    fraction,
    in_parts,
    mean,
    mean_cell,
    number,
    one_line,
    percent,
    plural,
    points,
    reason,
    span,
    tabulate,
    with_unit,
)
from bench.schema import ClipResult, MetricDescription, Result
from bench.statistics import Interval

SCORES_PER_TABLE = 9
SCORES_BESIDE_FACTS = 4

HEADLINE_COLUMNS = 7
"""As many as a screen has room for, and a reader patience."""
LOST = "lost_"
"""How the names of points begin that kinds of damage took from the headline."""

# What tells one file from another; where there is no room for all, the first alone.
_FIRST_OF_A_FILE = (HEADLINE, "cuts_unrequested")
_OF_A_FILE = (*_FIRST_OF_A_FILE, "appeal", DYNAMICS, "coherence_worst_second", "technical_quality")

_NAMED_PER_MODEL = 8  # of clips not made yet, on one line


def score_tables(group: Group, suffix: str) -> Iterator[Table]:
    """The tables of one group: footage by clip, complete runs, incomplete ones, then their parts.

    The suffix tells its titles from those of other groups.
    """
    above = []
    if group.differs:
        above.append(f"Kept apart from table 1: {'; '.join(group.differs)}.")
    if group.unranked:
        above.append(f"Not ranked: {group.unranked}.")
    if (
        group.unjudged
        and not group.footage
        and len(group.complete) > 1
        and HEADLINE in group.metrics
    ):
        above.append(f"Ordered by {HEADLINE} alone: {group.unjudged}.")
    if group.footage:  # of whatever lies in a folder the mean says little, and each clip much
        first: Place = "first" if len(group.complete) == 1 else "second"
        for row in group.complete:
            yield _clip_by_clip(row, group.metrics, first)
    if group.complete:
        yield _headline_table(f"Headline{suffix}", group, group.complete, above)
        above = []
    if group.partial:
        above.append("Their means are over fewer clips, and compare with nothing.")
        yield _headline_table(f"Incomplete runs{suffix}", group, group.partial, above)
    own = _own_metrics(group)
    yield from _tables(f"Metrics of one's own{suffix}", group, group.rows, own, place="second")
    if group.complete and HEADLINE in group.metrics:
        lost = [name for name in PARTS if name in group.metrics]
        others = [name for name in SUB_SCORES if name in group.metrics and name not in lost]
        title = f"Points lost to each kind of damage{suffix}"
        yield from _tables(title, group, group.complete, lost, prefix=LOST)
        title = f"Sub-scores{suffix}"
        yield from _tables(title, group, group.complete, others)
        yield from category_tables(group, suffix)


def more_tables(group: Group, suffix: str) -> Iterator[Table]:
    """The metrics of a group that no table above shows, folded away."""
    first = [*_headline_metrics(group), DYNAMICS, *_own_metrics(group)]
    rest = [name for name in group.metrics if name not in first]
    if group.partial:
        title = f"Incomplete runs{suffix}, more metrics"
        yield from _tables(title, group, group.partial, rest)
    if group.complete:
        if HEADLINE in group.metrics:
            rest = [name for name in rest if name not in SUB_SCORES]
        yield from _tables(f"More metrics{suffix}", group, group.complete, rest)


def category_tables(group: Group, suffix: str) -> Iterator[Table]:
    """Tables of the headline by category of prompt; none where there is but one category."""
    counts = Counter(prompt_categories(row.result for row in group.rows).values())
    if HEADLINE not in group.metrics or not group.complete or len(counts) < 2 or group.footage:
        return
    means = by_category(group)
    above = [
        f"{HEADLINE.capitalize()} over the prompts of each category, how many there are in "
        "brackets: too few to rank by, enough to see what a model is bad at."
    ]

    def category_mean(row: Row, kind: str) -> Cell:
        return mean_cell(means[kind][row.result.model], FEWEST)

    for part, kinds in in_parts(list(means), SCORES_PER_TABLE):
        names = {kind: f"{kind} ({counts[kind]})" for kind in kinds}
        columns = [
            Column[Row](
                names[k],
                partial(category_mean, kind=k),
                points,
                meaning=f"Mean {HEADLINE} over {plural(counts[k], 'prompt')} of this category",
            )
            for k in kinds
        ]
        yield tabulate(
            f"Categories{suffix}{part}",
            [MODEL, *columns],
            group.complete,
            above=above,
            below=without_interval([m for kind in kinds for m in means[kind].values()], "prompts"),
        )
        above = []


def without_interval(means: Sequence[Interval | None], nouns: str) -> tuple[str, ...]:
    """The line that says why some means over `nouns` stand alone; none where none does."""
    if all(each is None or each.n >= FEWEST for each in means):
        return ()
    return (f"Means over fewer than {FEWEST} {nouns} stand without ±: so few carry no interval.",)


def size(result: Result) -> str | None:
    """Width and height of the clips, as a text."""
    sizes = sorted({(clip.width, clip.height) for clip in result.successes})
    others = f" and {len(sizes) - 1} more" if len(sizes) > 1 else ""
    return f"{sizes[-1][0]}x{sizes[-1][1]}{others}" if sizes else None


def _headline_table(title: str, group: Group, rows: Sequence[Row], above: Sequence[str]) -> Table:
    """How good, how fast, at what price: one row per model, the best first."""
    columns, _ = _headline_columns(group, rows)
    if rows is group.partial:
        columns.append(Column("why", _why_partial, kind="text"))
    is_first = rows is group.complete or not group.complete
    return tabulate(
        title,
        columns,
        rows,
        answer=answer(group) if is_first else "",
        above=above,
        below=(
            _basis(group, rows), *_not_made(rows), *_why_unscored(rows), *_preferred(group, rows),
        ),
        place="first" if is_first else "second",
    )  # fmt: skip


def _headline_columns(
    group: Group, rows: Sequence[Row]
) -> tuple[list[Column[Row]], list[Column[Row]]]:
    """Columns of the first table in their order, and those for which it has no room.

    Seconds and cost are those of the hardware that made the clips: it is named, and no row leads
    another in them.
    """
    shared = _shared_hardware(rows) is not None

    def seconds(row: Row) -> Cell:
        """Of compute as measured here, else as reported, with who says so."""
        if len(row.speeds) > 1:
            return Cell(f"on {len(row.speeds)} devices, see below")
        for device, speed in row.speeds.items():
            return Cell(speed.compute_per_video_s, note="" if shared else device)
        return reported(row.result)

    def usable(row: Row) -> Cell:
        if group.ranked_by != USABLE or row.quality is None:
            return Cell()
        return mean_cell(row.quality.interval, strong=row.quality.leading)

    shares = group.preference.shares if group.preference else {}
    columns: list[Column[Row]] = [
        Column(USABLE, usable, percent, better="higher"),
        *_score_columns(group, _headline_metrics(group)),
        Column(
            "preferred", lambda r: mean_cell(shares.get(r.result.model)), percent, better="higher"
        ),
        Column("s per s of video", seconds, better="lower"),
        Column("cost per usable s", lambda r: usable_cost(r.usable), with_unit, better="lower"),
    ]
    ranked = HEADLINE in group.metrics and not group.footage and rows is group.complete
    first = [
        *_lead(ranked),
        *(column for column in columns if not all(column.cell(row).is_empty for row in rows)),
    ]
    rest = []
    for name in ("s per s of video", "appeal", "preferred"):
        if len(first) > HEADLINE_COLUMNS:
            rest += [column for column in first if column.name == name]
            first = [column for column in first if column.name != name]
    return first, rest


def terms_table(group: Group, suffix: str) -> Table:
    """What the first table has no room for: motion, seconds, memory, shapes, and on what terms."""
    _, rest = _headline_columns(group, group.complete or group.partial)
    facts: list[Column[Row]] = [
        *rest,
        *_score_columns(group, [DYNAMICS] if DYNAMICS in group.metrics else []),
        Column("peak GiB", _peak_gib, decimals(1), better="lower"),
        Column("licence", lambda r: r.result.card.licence, kind="text", minor=True),
        Column("resolution", lambda r: size(r.result), kind="text", minor=True),
        Column("max duration s", lambda r: r.result.card.max_seconds, minor=True),
        Column("open weights", _open_weights, kind="text", minor=True),
        Column("clips", lambda r: Cell(r.scored, count=r.result.expected_clips), fraction),
        Column("failed", lambda r: r.failed),
    ]
    title = f"Speed, size and terms{suffix}"
    return tabulate(title, [*_lead(ranked=False), *facts], group.rows, empty="hide")


def _preferred(group: Group, rows: Sequence[Row]) -> Iterator[str]:
    """What the column `preferred` says, and how many votes it still lacks."""
    given = group.preference
    if given and any(row.result.model in given.models for row in rows):
        voters = len({vote.voter for vote in given.votes})
        labels = {row.result.model: row.label for row in group.rows}
        yield (
            f"Preferred: the chance to be taken before another model of the table, by "
            f"{plural(len(given.votes), 'vote')} of {plural(voters, 'voter')} on "
            f"“{given.question}” (Bradley-Terry; 95% intervals over prompts). It moves no rank and "
            f"no score. {still_missing(given, labels)}"
        )


def _own_metrics(group: Group) -> list[str]:
    """Metrics that are none of this package's, and stand in no other table."""
    first = [*_headline_metrics(group), DYNAMICS]
    return [name for name in group.metrics if name not in first and is_own(name)]


def _headline_metrics(group: Group) -> list[str]:
    """The metrics of the first table; without the one that ranks, the first few."""
    if HEADLINE not in group.metrics:
        return list(group.metrics)[:SCORES_BESIDE_FACTS]
    return [name for name in (HEADLINE, *BESIDE) if name in group.metrics]


def _lead(ranked: bool) -> list[Column[Row]]:
    """The first columns: the ranks that the data leave open to a model, and who it is."""
    rank = Column[Row]("rank", _rank, span, kind="rank")
    return [*([rank] if ranked else []), Column("model", _name, kind="name")]


def _rank(row: Row) -> Cell:
    return Cell(row.rank[0], row.rank) if row.rank else Cell()


def _name(row: Row) -> Cell:
    return Cell(row.label, note="lossy" if row.result.lossy else "", about=row.result)


def _peak_gib(row: Row) -> float | None:
    peaks = (speed.allocated_gib for speed in row.speeds.values())
    return max((peak for peak in peaks if peak is not None), default=None)


def _open_weights(row: Row) -> str | None:
    return {True: "yes", False: "no", None: None}[row.result.card.open_weights]


def _score_columns(group: Group, names: Sequence[str], prefix: str = "") -> Iterator[Column[Row]]:
    for name in names:
        metric = group.metrics[name]
        yield Column(
            name.removeprefix(prefix),
            partial(_score, metric=name),
            points if metric.unit == "points" else mean,
            better=metric.better,
            minor=metric.better is None,
            unit=metric.unit,
            meaning=meaning_of(name, group.measures),
        )


def _score(row: Row, metric: str) -> Cell:
    score, prompts = row.scores[metric], len(row.result.expected.prompts)
    partly = score.interval is not None and score.interval.n < prompts
    count = score.interval.n if score.interval and partly else None
    return mean_cell(score.interval, count=count, strong=score.leading)


def _tables(
    title: str,
    group: Group,
    rows: Sequence[Row],
    names: Sequence[str],
    place: Place = "last",
    prefix: str = "",
) -> Iterator[Table]:
    """As many tables as keep each to a width that can be read; a common prefix is left out."""
    for part, some in in_parts(names, SCORES_PER_TABLE):
        yield tabulate(
            f"{title}{part}",
            [*_lead(ranked=any(row.rank for row in rows)), *_score_columns(group, some, prefix)],
            rows,
            place=place,
        )


def _basis(group: Group, rows: Sequence[Row]) -> str:
    """What all rows share: how many clips, what counts as usable, and the hardware, if one."""
    first = group.rows[0].result
    prompts, seeds = (
        plural(len(first.expected.prompts), "prompt"),
        plural(len(first.expected.seeds), "seed"),
    )
    common = f" that all have, of {group.of_prompts}," if group.of_prompts else ""
    draws = f"{prompts}{common} x {seeds}."
    said = ["Files without prompts, hence no adherence." if group.footage else draws]
    judged = [(row.result, row.usable) for row in rows if row.usable]
    if judged and (group.ranked_by == USABLE or any(share.cost for _, share in judged)):
        said.append(f"Usable: {what_is_usable(judged)}.")
    if device := _shared_hardware(rows):
        said.append(f"Seconds, memory and cost are those of {device}.")
    return " ".join(said)


def _shared_hardware(rows: Sequence[Row]) -> str | None:
    hardware = {device for row in rows for device in row.speeds}
    return min(hardware) if len(hardware) == 1 and all(row.speeds for row in rows) else None


def _why_partial(row: Row) -> str:
    gaps = {
        "not made yet": row.missing,
        "could not be read": row.refused,
        "made but not scored": row.unscored,
    }
    parts = [f"{count} {gap}" for gap, count in gaps.items() if count]
    return f"of {plural(row.result.expected_clips, 'clip')}, {', '.join(parts)}"


def _not_made(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each row that lacks clips, naming the first of them."""
    for row in rows:
        existing = {clip.sample for clip in row.result.clips}
        gaps = [draw for draw in row.result.expected.samples if draw not in existing]
        if gaps:
            names = [f"{prompt} seed {seed}" for prompt, seed in gaps]
            yield f"{row.label} lacks {first_of(names, _NAMED_PER_MODEL)}."


def _why_unscored(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each row that lacks scores, with the headline's usual reason, if it has one."""
    for row in rows:
        if row.refused:
            unread = [clip.title for clip in row.result.clips if clip.status == "refused"]
            names = first_of(unread, _NAMED_PER_MODEL)
            yield f"{row.label}: not read, and counted as nothing: {names}."
        reasons = Counter(
            one_line(clip.unscored[name])
            for clip in row.result.successes
            for name in decisive(row.result)
            if name in clip.unscored
        )
        if row.unscored and reasons:
            ((usual, _),) = reasons.most_common(1)
            yield f"{row.label}: {plural(row.unscored, 'clip')} not scored: {usual}."


def _clip_by_clip(row: Row, metrics: Mapping[str, MetricDescription], place: Place) -> Table:
    """Each file with what tells it from others; why the first of that is missing stands below."""
    clips = sorted(row.result.clips, key=lambda clip: clip.sample)
    notes: dict[str, int] = {}  # reason to its number, in the order of appearance
    first: Sequence[str] = list(metrics)[:SCORES_BESIDE_FACTS]
    shown = first
    if HEADLINE in metrics:
        first = _FIRST_OF_A_FILE
        shown = [name for name in metrics if name in _OF_A_FILE or is_own(name)]

    def score(clip: ClipResult, metric: str) -> Cell:
        value = clip.scores.get(metric)
        if value is not None or metric not in first:
            return Cell(value)
        why = reason(clip, metric) if clip.status == "ok" else failure(clip)
        return Cell(note=str(notes.setdefault(why, len(notes) + 1)))

    columns: list[Column[ClipResult]] = [Column("file", lambda clip: clip.title, kind="name")]
    for name in shown:
        metric = metrics[name]
        columns.append(
            Column(
                name,
                partial(score, metric=name),
                decimals(1) if metric.unit == "points" else _four_digits,
                metric.better,
                minor=name not in first,
                unit=metric.unit,
                empty="show" if name in first else "hide",
                meaning=meaning_of(name, row.result.measures),
            )
        )
        if name == HEADLINE:
            columns.append(Column("most lost to", _most_lost, kind="text"))
    columns += [
        Column("frames", lambda clip: clip.frames, minor=True),
        Column(
            "size",
            lambda clip: clip.frames and f"{clip.width}x{clip.height}",
            kind="text",
            minor=True,
        ),
        Column("fps", lambda clip: clip.fps, _four_digits, minor=True),
        Column("lossy", _is_lossy, kind="text", minor=True),
    ]
    table = tabulate(f"{row.label}, clip by clip", columns, clips, place=place)
    below = [f"({count}) {why}" for why, count in notes.items()]
    scored = {name for clip in clips for name, value in clip.scores.items() if value is not None}
    if rest := scored - {*shown}:
        more = plural(len(rest), "more score")
        below.append(f"{more} of each file: in result.json, or as a table by steadybench export.")
    return replace(table, below=tuple(below))


def _is_lossy(clip: ClipResult) -> str | None:
    return None if clip.status != "ok" else "yes" if clip.lossy else "no"


def _most_lost(clip: ClipResult) -> str | None:
    """The kind of damage that took most from the headline of a clip, and how many points."""
    lost = {
        name.removeprefix(LOST): value
        for name, value in clip.scores.items()
        if name.startswith(LOST) and value is not None
    }
    worst = max(lost, key=lost.__getitem__, default=None)
    return f"{worst} {lost[worst]:.1f}" if worst and lost[worst] >= 0.05 else None


def _four_digits(cell: Cell) -> str:
    value = round(cell.number, 4)
    return f"{value:.4g}" if abs(value) < 1e4 else number(value)
