"""Tables of speed, one per device: how fast, and where time, memory and energy go."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bench.leaderboard.data.speed import Speed
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.table import NONE, Cell, Column, Table
from bench.leaderboard.tables.words import plural
from bench.schema import STAGES, Hardware

_NAMED = 3  # models that a line names before it counts the rest

_COST = "cost per s of video ↓"
_PRICED = "Cost per s of video: of the clips timed, to be kept or not, at {}."

_BATCH = (
    "{0} clips of a prompt were made at once; time and energy are a clip's share, waiting for one "
    "takes {0} times as long, and memory and denoiser forwards are those of all {0}."
)


def speed_tables(device: str, rows: Sequence[Speed]) -> Iterator[Table]:
    """How fast models made their clips on one device, fastest first, and what that took."""
    priced = [row for row in rows if row.cost_per_video_s is not None]
    yield Table(
        f"Speed on {device}",
        (
            Column("model", text=True),
            Column("clip", text=True),
            Column("clips timed"),
            Column("frames/s ↑"),
            Column("s of compute per s of video ↓"),
            Column("realtime factor ↑"),
            *([Column(_COST)] if priced else []),
            Column("s per clip p50 (p05-p95)"),
            Column("peak GiB allocated / reserved"),
        ),
        tuple(tuple(map(Cell, _speed_texts(row, priced=bool(priced)))) for row in rows),
        below=(
            *(
                f"{row.label}: {_BATCH.format(row.batch_size)}"
                for row in rows
                if row.batch_size > 1
            ),
            *(f"{row.label}: {line}." for row in rows for line in row.disturbances),
            *_prices(priced),
            *_not_measured(rows),
        ),
    )
    known = [texts for texts in map(_breakdown_texts, rows) if set(texts[1:]) != {NONE}]
    if not known:
        return
    yield Table(
        f"Stages, memory and energy on {device}",
        (
            Column("model", text=True),
            Column("denoiser forwards"),
            Column(f"% of time {' / '.join(STAGES)}"),
            Column("peak GiB encode / denoise / decode"),
            Column("weights GiB"),
            Column("kJ per s of video"),
            Column("mean W"),
        ),
        tuple(tuple(map(Cell, texts)) for texts in known),
    )


def _label(row: Speed) -> str:
    return row.label + (" (random weights)" if row.result.random_weights else "")


def _speed_texts(row: Speed, *, priced: bool) -> tuple[str, ...]:
    frames, width, height, fps = row.shapes[0]
    others = f", and {plural(len(row.shapes) - 1, 'other shape')}" if len(row.shapes) > 1 else ""
    p05, p50, p95 = map(number, row.latency_s)
    memory = (row.allocated_gib, row.reserved_gib)
    return (
        _label(row),
        f"{plural(frames, 'frame')} {width}x{height} at {number(fps)} fps{others}",
        str(row.clips),
        number(row.frames_per_s),
        number(row.compute_per_video_s),
        number(row.realtime_factor),
        *([_cost(row)] if priced else []),
        f"{p50} ({p05}-{p95})",
        NONE if row.allocated_gib is None else " / ".join(map(_gib, memory)),
    )


def _cost(row: Speed) -> str:
    if row.cost_per_video_s is None:
        return NONE
    return f"{number(row.cost_per_video_s)} {(row.result.hardware or Hardware()).currency}"


def _prices(priced: Sequence[Speed]) -> Iterator[str]:
    """What the costs are made of, and why there may be none of what can be kept."""
    if not priced:
        return
    yield _PRICED.format(", ".join(dict.fromkeys(map(_price, priced))))
    if not any(clip.scores for row in priced for clip in row.result.clips):
        yield "No drawing again, and so no cost of what can be kept: no clip is scored."


def _price(row: Speed) -> str:
    hardware = row.result.hardware or Hardware()
    gpus = f", {hardware.gpus} at once" if hardware.gpus > 1 else ""
    return f"{hardware.price_per_gpu_hour:g} {hardware.currency} for an hour of a GPU{gpus}"


def _breakdown_texts(row: Speed) -> tuple[str, ...]:
    fewest, most = row.denoiser_forwards or (None, None)
    forwards = str(fewest) if fewest == most else f"{fewest}-{most}"
    shares = row.stage_shares
    by_stage = [_gib(row.stage_gib.get(stage)) for stage in STAGES[:-1]]
    return (
        _label(row),
        NONE if row.denoiser_forwards is None else forwards,
        NONE if shares is None else " / ".join(f"{100 * shares[stage]:.1f}" for stage in STAGES),
        " / ".join(by_stage) if row.stage_gib else NONE,
        _gib(row.weights_gib),
        NONE if row.kj_per_video_s is None else number(row.kj_per_video_s),
        NONE if row.mean_w is None else f"{row.mean_w:.0f}",
    )


def _gib(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.1f}" if value >= 1 else number(value, 2)


def _not_measured(rows: Sequence[Speed]) -> Iterator[str]:
    """One line for each reason why something was not measured, and the models it holds for."""
    lacking: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        for gap, clips in row.gaps.items():
            part = "" if clips == row.clips else f" ({clips} of {plural(row.clips, 'clip')})"
            lacking[gap].append(row.label + part)
    together: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for (what, why), labels in lacking.items():
        together[why, _who(labels, rows)].append(what)
    for (why, who), whats in together.items():
        yield f"Not measured for {who}: {', '.join(whats)}: {why}."


def _who(labels: Sequence[str], rows: Sequence[Speed]) -> str:
    if labels == [row.label for row in rows]:
        return "any model" if len(rows) > 1 else labels[0]
    rest = len(labels) - _NAMED
    return ", ".join(labels[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
