"""Tables of speed, yield and cost: what a clip takes, what a usable second costs, who says so."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from bench.errors import first_of
from bench.leaderboard.data.costs import COHERENCE, CRITERIA, STEP, Cost, Speed, Yield, criteria_of
from bench.leaderboard.data.rows import Group, SuiteBoard
from bench.leaderboard.tables.table import (
    MODEL,
    Cell,
    Column,
    Table,
    decimals,
    fraction,
    gib,
    mean_cell,
    number,
    percent,
    plural,
    span,
    spread,
    tabulate,
    with_unit,
)
from bench.schema import STAGES, Basis, ClipResult, Delivery, Hardware, Result, Sample
from bench.statistics import most_when_none

_NAMED = 3  # models that a line names before it counts the rest

_BATCH = (
    "{0} clips of a prompt were made at once; time and energy are a clip's share, waiting for one "
    "takes {0} times as long, and memory and denoiser forwards are those of all {0}."
)
_REPORTED: Mapping[Basis, str] = {
    "program": "whole program, loading included",
    "request": "request to answer, queue included",
    "declared": "declared with the clips",
}


# ---- Speed: one table per device ----


def speed_tables(device: str, rows: Sequence[Speed]) -> Iterator[Table]:
    """How fast models made their clips on one device, fastest first, and what that took."""
    batches = (f"{r.label}: {_BATCH.format(r.batch_size)}" for r in rows if r.batch_size > 1)
    disturbed = (f"{row.label}: {line}." for row in rows for line in row.disturbances)
    yield tabulate(
        f"Speed on {device}",
        _SPEED_COLUMNS,
        rows,
        below=[*batches, *disturbed, *_prices(rows), *_not_measured(rows)],
    )
    measured = _STAGE_COLUMNS[1:]
    rows = [row for row in rows if any(not column.cell(row).is_empty for column in measured)]
    if rows:
        title = f"Stages, memory and energy on {device}"
        yield tabulate(title, _STAGE_COLUMNS, rows)


def _model(row: Speed) -> Cell:
    notes = {"random weights": row.result.random_weights, "times doubtful": row.disturbances}
    note = ", ".join(note for note, holds in notes.items() if holds)
    return Cell(row.label, note=note, about=row.result)


def _latency(cell: Cell) -> str:
    return f"{number(cell.number)} ({'-'.join(map(number, cell.interval or ()))})"


def _shape(row: Speed) -> str:
    frames, width, height, fps = row.shapes[0]
    others = f", and {plural(len(row.shapes) - 1, 'other shape')}" if len(row.shapes) > 1 else ""
    return f"{plural(frames, 'frame')} {width}x{height} at {number(fps)} fps{others}"


def _hardware(row: Speed) -> Hardware:
    return row.result.hardware or Hardware()


def _side_by_side(values: Iterable[float | None]) -> Cell:
    first, *more = values
    return Cell(first, more=tuple(more))


def _forwards(row: Speed) -> Cell:
    ends = row.denoiser_forwards
    return Cell(ends[0], ends) if ends else Cell()


def _stage_shares(row: Speed) -> Cell:
    shares = row.stage_shares
    return _side_by_side(100 * shares[stage] for stage in STAGES) if shares else Cell()


_SPEED_COLUMNS: tuple[Column[Speed], ...] = (
    Column("model", _model, kind="name"),
    Column("clip", _shape, kind="text"),
    Column("clips timed", lambda r: r.clips),
    Column("frames/s", lambda r: r.frames_per_s, better="higher"),
    Column("s of compute per s of video", lambda r: r.compute_per_video_s, better="lower"),
    Column("realtime factor", lambda r: r.realtime_factor, better="higher"),
    Column(
        "cost per s of video",
        lambda r: Cell(r.cost_per_video_s, unit=_hardware(r).currency),
        with_unit,
        better="lower",
        empty="hide",
    ),
    Column("s per clip p50 (p05-p95)", lambda r: Cell(r.latency_s[1], r.latency_s[::2]), _latency),
    Column(
        "peak GiB allocated / reserved",
        lambda r: _side_by_side([r.allocated_gib, r.reserved_gib]),
        gib,
    ),
)
_STAGE_COLUMNS: tuple[Column[Speed], ...] = (
    Column("model", _model, kind="name"),
    Column("denoiser forwards", _forwards, span),
    Column(f"% of time {' / '.join(STAGES)}", _stage_shares, decimals(1)),
    Column(
        "peak GiB encode / denoise / decode",
        lambda r: _side_by_side(map(r.stage_gib.get, STAGES[:-1])),
        gib,
    ),
    Column("weights GiB", lambda r: r.weights_gib, gib),
    Column("kJ per s of video", lambda r: r.kj_per_video_s),
    Column("mean W", lambda r: r.mean_w, decimals(0)),
)


def _prices(rows: Sequence[Speed]) -> Iterator[str]:
    """What the costs are made of, and why there may be none of what is usable."""
    priced = [row for row in rows if row.cost_per_video_s is not None]
    if not priced:
        return
    prices = dict.fromkeys(
        f"{h.price_per_gpu_hour:g} {h.currency} for an hour of a GPU"
        + (f", {h.gpus} at once" if h.gpus > 1 else "")
        for h in map(_hardware, priced)
    )
    yield f"Cost per s of video: of the clips timed, usable or not, at {', '.join(prices)}."
    if not any(clip.scores for row in priced for clip in row.result.clips):
        yield "No yield, and so no cost of a usable second: no clip is scored."


def _not_measured(rows: Sequence[Speed]) -> Iterator[str]:
    """One line for each reason why something was not measured, and the models it holds for."""
    gaps: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for gap, clips in row.gaps.items():
            part = "" if clips == row.clips else f" ({clips} of {plural(row.clips, 'clip')})"
            gaps[gap].append(row.label + part)
    by_reason: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (what, why), labels in gaps.items():
        who = first_of(labels, _NAMED)
        if len(rows) > 1 and all(row.gaps.get((what, why)) == row.clips for row in rows):
            who = "any model"
        by_reason[why, who].append(what)
    for (why, who), whats in by_reason.items():
        yield f"Not measured for {who}: {', '.join(whats)}: {why}."


# ---- Yield and cost ----


@dataclass(frozen=True)
class _YieldRow:
    label: str
    result: Result
    share: Yield

    @property
    def counted_in(self) -> str | None:
        cost = self.share.cost
        return f"{cost.unit} ({cost.source})" if cost else None


def cost_tables(groups: Sequence[tuple[Group, str]]) -> Iterator[Table]:
    """Yield and cost of each complete run that can be judged; groups come with a title's suffix."""
    for group, suffix in groups:
        rows = [_YieldRow(r.label, r.result, r.usable) for r in group.complete if r.usable]
        if rows:
            yield _cost_table(rows, suffix)


def usable_cost(share: Yield | None) -> Cell:
    """What a usable second costs; a lower bound where nothing was usable."""
    if share is None or share.cost is None:
        return Cell()
    if share.cost.per_usable_s is None:
        return Cell(share.cost.at_least, unit=share.cost.unit, bound=True)
    return mean_cell(share.cost.per_usable_s, unit=share.cost.unit)


def _cost_table(rows: Sequence[_YieldRow], suffix: str) -> Table:
    units = {row.counted_in for row in rows if row.counted_in}
    shared = units if len(units) == 1 else set()
    draws = sorted({k for row in rows for k in row.share.pass_at})
    columns: list[Column[_YieldRow]] = [
        MODEL,
        Column(
            "usable",
            lambda r: Cell(r.share.usable, count=r.share.clips),
            fraction,
            meaning="Clips that can be used, of all that were to be made",
        ),
        Column("yield", lambda r: mean_cell(r.share.share), percent),
        *(
            Column[_YieldRow](
                f"at {least:g}",
                get,
                percent,
                meaning=f"The yield if a coherence of {least:g} will do",
            )
            for least, get in (
                (COHERENCE - STEP, lambda r: r.share.share_looser),
                (COHERENCE + STEP, lambda r: r.share.share_stricter),
            )
        ),
        *(
            Column[_YieldRow](
                f"pass@{k}",
                partial(_pass_at, k=k),
                percent,
                meaning=f"The chance that one of {k} clips of a prompt can be used",
            )
            for k in draws
        ),
        Column("never solved", lambda r: r.share.never, percent),
        Column("draws per usable clip", lambda r: _draws_per_usable(r.share)),
        Column("draws per solved prompt", lambda r: r.share.draws_per_solved),
        *([] if shared else [Column[_YieldRow]("counted in", lambda r: r.counted_in, kind="text")]),
        Column("per clip", lambda r: _amount(r.share.cost, "per_clip")),
        Column("per s of video", lambda r: _amount(r.share.cost, "per_video_s")),
        Column("per usable s", lambda r: usable_cost(r.share), spread, better="lower"),
    ]
    return tabulate(
        f"Yield and cost{suffix}",
        columns,
        rows,
        above=[
            f"Usable: {what_is_usable([(row.result, row.share) for row in rows])}."
            + "".join(f" Costs are in {unit}." for unit in shared)
        ],
        below=_notes(rows),
        empty="hide",
    )


def _pass_at(row: _YieldRow, k: int) -> float | None:
    return row.share.pass_at.get(k)


def _draws_per_usable(share: Yield) -> Cell:
    if share.share.mean:
        return Cell(1 / share.share.mean)
    return Cell(1 / most_when_none(share.share.n), bound=True)


def _amount(cost: Cost | None, of: Literal["per_clip", "per_video_s"]) -> Cell:
    return Cell(getattr(cost, of), unit=cost.unit) if cost else Cell()


def what_is_usable(judged: Sequence[tuple[Result, Yield]]) -> str:
    """What clips of these results needed to count as usable."""
    criteria = {name for _, share in judged for name in share.criteria}
    usable = ", ".join(words for name, words in CRITERIA.items() if name in criteria)
    if "appeal" in criteria:
        bars = sorted({r.least_appeal or 0.0 for r, share in judged if "appeal" in share.criteria})
        usable += f" (at least {' or '.join(f'{bar:g}' for bar in bars)})"
    return usable or "no clip was made that could be judged"


def _notes(rows: Sequence[_YieldRow]) -> Iterator[str]:
    """Gaps: criteria nobody could ask for, amounts that had to be estimated, unknown costs."""
    for name, words in CRITERIA.items():
        judged = [row for row in rows if row.share.criteria and name in criteria_of(row.result)]
        if exempt := [row.label for row in judged if name not in row.share.criteria]:
            yield f"Not asked, for want of {name}: {words} ({', '.join(exempt)})."
    free: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.share.why_no_cost:
            free[row.share.why_no_cost].append(row.label)
    for why, labels in free.items():
        yield f"Without a cost: {', '.join(labels)} ({why})."
    for row in rows:
        if row.share.cost and row.share.cost.estimated:
            count = plural(row.share.cost.estimated, "draw")
            yield f"{row.label}: {count} without a time or price of its own: the median's."
    if all(row.share.draws_per_solved is None for row in rows):
        yield "One draw per prompt: what a second draw would bring needs suite.seeds=[0,1,2,3]."


# ---- What was reported or declared by others: systems and servers ----


@dataclass(frozen=True)
class Served:
    """How one stack answered at one concurrency, over the clips that it delivered."""

    result: Result
    clips: int
    stack: str | None  # what served them, with its version; None where nobody said
    gpus: int | None  # that made one clip together; None where nobody said
    concurrency: int  # requests under way at once
    latency_s: tuple[float, float]  # median and 95% percentile, from request to clip
    requests_per_s: float  # delivered over the time in which any request was under way
    attempts: float  # requests sent for a clip, on average; 1 if none had to be repeated
    server_latency_s: float | None  # median of compute, as it reports; None if it does not
    server_peak_gib: float | None  # highest, as it reports; None if it does not


def system_tables(board: SuiteBoard) -> Iterator[Table]:
    """What makers and suppliers declare of their systems, and how servers answered."""
    name = Column[Result]("model", lambda r: Cell(board.labels[r.model], about=r), kind="name")
    declared: list[Column[Result]] = [
        Column("largest", lambda r: r.card.resolution, kind="text"),
        Column("s per s of video", lambda r: r.card.declared_s_per_video_s),
        Column("USD per s of video", lambda r: _per_video_s(r, "declared", "price_usd")),
    ]
    rows = [r for r in board.results if any(not column.cell(r).is_empty for column in declared)]
    if rows:
        yield tabulate(
            "Declared",
            [name, *declared],
            rows,
            above=["What makers of models and suppliers of clips say, and nobody here measured."],
            empty="hide",
        )
    answers = [answer for result in board.results for answer in served(result)]
    columns: list[Column[Served]] = [
        Column("model", lambda r: Cell(board.labels[r.result.model], about=r.result), kind="name"),
        Column("clips", lambda r: r.clips),
        Column("stack", lambda r: r.stack, kind="text", empty="hide"),
        Column("GPUs", lambda r: r.gpus, empty="hide"),
        Column("at once", lambda r: r.concurrency),
        Column(
            "s per request p50 (p95)", lambda r: Cell(r.latency_s[0], note=number(r.latency_s[1]))
        ),
        Column("requests/s", lambda r: r.requests_per_s, better="higher"),
        Column("attempts per clip", lambda r: r.attempts),
        Column("server-reported s", lambda r: r.server_latency_s),
        Column("server-reported peak GiB", lambda r: r.server_peak_gib, decimals(1)),
    ]
    if answers:
        about = "A request's seconds are those of waiting: queue, generation, download, retries."
        yield tabulate("Servers", columns, answers, above=[about])


def served(result: Result) -> Iterator[Served]:
    """How servers answered, by stack, GPUs and concurrency."""
    answers: defaultdict[tuple[str, int, int], list[Delivery]] = defaultdict(list)
    for _, delivery in _deliveries(result, "request"):
        if delivery.concurrency and delivery.latency_s is not None:
            how = delivery.stack or "", delivery.gpus or 0, delivery.concurrency
            answers[how].append(delivery)
    for (stack, gpus, concurrency), own in sorted(answers.items()):
        p50, p95 = np.quantile([answer.latency_s or 0.0 for answer in own], [0.5, 0.95]).tolist()
        compute = [a.server_latency_s for a in own if a.server_latency_s is not None]
        peaks = [a.server_peak_memory_bytes for a in own if a.server_peak_memory_bytes is not None]
        yield Served(
            result=result,
            clips=len(own),
            stack=stack or None,
            gpus=gpus or None,
            concurrency=concurrency,
            latency_s=(p50, p95),
            requests_per_s=len(own) / _busy_s(own),
            attempts=float(np.mean([answer.attempts or 1 for answer in own])),
            server_latency_s=float(np.median(compute)) if compute else None,
            server_peak_gib=max(peaks) / 2**30 if peaks else None,
        )


def reported(result: Result) -> Cell:
    """Seconds per second of video as clips were delivered, else as the maker publishes it."""
    for basis, source in _REPORTED.items():
        if (seconds := _per_video_s(result, basis, "latency_s")) is not None:
            return Cell(seconds, note=source)
    seconds = result.card.declared_s_per_video_s
    return Cell() if seconds is None else Cell(seconds, note="declared by the maker")


def delivered(result: Result) -> dict[str, dict[Sample, float]]:
    """Seconds from asking to having per second of video, of each draw, by who says so."""
    seconds = {
        source: {
            clip.sample: delivery.latency_s / clip.video_s
            for clip, delivery in _deliveries(result, basis)
            if delivery.latency_s
        }
        for basis, source in _REPORTED.items()
    }
    return {source: of_draw for source, of_draw in seconds.items() if of_draw}


def _deliveries(result: Result, basis: Basis) -> list[tuple[ClipResult, Delivery]]:
    return [
        (clip, clip.delivery)
        for clip in result.successes
        if clip.delivery is not None and clip.delivery.basis == basis
    ]


def _per_video_s(
    result: Result, basis: Basis, amount: Literal["latency_s", "price_usd"]
) -> float | None:
    """Sum of an amount over the seconds of video of the clips that have it."""
    amounts = [
        (value, clip.video_s)
        for clip, delivery in _deliveries(result, basis)
        if (value := getattr(delivery, amount)) is not None
    ]
    if not amounts:
        return None
    return float(sum(value for value, _ in amounts) / sum(video_s for _, video_s in amounts))


def _busy_s(answers: Sequence[Delivery]) -> float:
    """Seconds in which at least one request was under way; pauses between runs do not count."""
    busy_s, reached = 0.0, 0.0
    for start, latency_s in sorted((a.started_at_s or 0.0, a.latency_s or 0.0) for a in answers):
        busy_s += max(0.0, start + latency_s - max(start, reached))
        reached = max(reached, start + latency_s)
    return busy_s
