"""What speed costs: for each model a table of its variants, each held against the model itself.

A variant is the same model with other options, or a distilled sibling: its card names its base.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bench import statistics as stats
from bench.leaderboard.data.costs import Speed, Yield, all_of, devices, timed
from bench.leaderboard.data.rows import HEADLINE, SuiteBoard, prompt_means
from bench.leaderboard.pairs import Comparison
from bench.leaderboard.tables.costs import delivered, usable_cost
from bench.leaderboard.tables.meanings import meaning_of
from bench.leaderboard.tables.table import (
    FEWEST,
    MODEL,
    Cell,
    Column,
    Table,
    decimals,
    mean,
    mean_cell,
    number,
    plural,
    spread,
    tabulate,
    with_unit,
)
from bench.schema import Result, Sample
from bench.statistics import MIN_PROMPTS, Interval

JUDGED = (HEADLINE, "adherence")
_ROUNDING = 1e-9  # of sums in another order: no change
LIKENESS = ("base_lpips", "base_ssim")

_EXPLAINED = (
    "Each row is the model above with other options, or a sibling made from it. Speed-up is the "
    "base's seconds of compute per second of video over the row's own; changes are the row's "
    "minus the base's. Both are paired by prompt and seed. base_lpips (0: the same) and base_ssim "
    "(1: the same) say how far a clip went from the base's own, which need not be for the worse. "
    "Brackets hold 95% intervals over prompts."
)


@dataclass(frozen=True)
class Variant:
    """A result beside its base; of the base itself, nothing is compared."""

    label: str
    result: Result
    speed: Speed | None  # on the device that both were timed on
    usable: Yield | None
    speed_up: Interval | None  # None where no clock timed both
    changes: Mapping[str, Interval]  # by metric of `JUDGED`, of those that compare
    obstacles: tuple[str, ...]  # why no score compares; empty where they do

    @property
    def order(self) -> tuple[float, str]:
        """The fastest first."""
        return -self.speed_up.mean if self.speed_up else 0.0, self.label


def variant_tables(board: SuiteBoard) -> Iterator[Table]:
    """One table for each base that has variants here, and for each clock that timed both."""
    explained = [_EXPLAINED]
    for group in variant_groups(board):
        yield _table(*group, explained)
        explained = []


def variant_groups(board: SuiteBoard) -> Iterator[tuple[Variant, list[Variant], str]]:
    """Each base with its variants, the fastest first, and the clock that timed both."""
    by_name = {result.model: result for result in board.results}
    usable = {row.result.model: row.usable for group in board.groups for row in group.rows}
    rows: defaultdict[tuple[str, str], list[Variant]] = defaultdict(list)
    for result in board.results:
        base = by_name.get(result.card.base or "")
        if base is not None and base is not result:
            own, others = clocks(result), clocks(base)
            clock = min(own.keys() & others.keys() or others, default="")
            both = Comparison(result, base)
            variant = Variant(
                label=board.labels[result.model],
                result=result,
                speed=_speed(board, result, clock),
                usable=usable.get(result.model),
                speed_up=speed_up(own.get(clock, {}), others.get(clock, {})),
                changes=_changes(both),
                obstacles=both.obstacles,
            )
            rows[base.model, clock].append(variant)
    for (name, clock), variants in sorted(rows.items()):
        speed = _speed(board, by_name[name], clock)
        alone = Interval(1, None, None, 0) if clock else None
        first = Variant(board.labels[name], by_name[name], speed, usable.get(name), alone, {}, ())
        yield first, sorted(variants, key=lambda row: row.order), clock


def _speed(board: SuiteBoard, result: Result, clock: str) -> Speed | None:
    return devices(result, board.speeds).get(all_of(result, clock))


def _changes(both: Comparison) -> dict[str, Interval]:
    names = [] if both.obstacles else [name for name in JUDGED if name in both.metrics]
    return {name: change for name in names if (change := both.pairs(name).gap)}


def speed_up(own: Mapping[Sample, float], base: Mapping[Sample, float]) -> Interval | None:
    """Seconds of the base over those of a variant, each per second of video, on common draws.

    The mean over seeds of each prompt, a ratio of the sums over prompts; see `statistics.ratio`.
    """
    by_prompt: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in own.keys() & base.keys():
        by_prompt[sample.prompt_id].append((base[sample], own[sample]))
    sums = [
        tuple(sum(side) / len(pairs) for side in zip(*pairs, strict=True))
        for _, pairs in sorted(by_prompt.items())
    ]
    return stats.ratio([over for over, _ in sums], [under for _, under in sums]) if sums else None


def clocks(result: Result) -> dict[str, dict[Sample, float]]:
    """Seconds per second of video of each draw, by the device that was timed, or by who says so."""
    measured = {
        device: {clip.sample: (clip.latency_s or 0.0) / clip.video_s for clip in clips}
        for device, clips in timed(result).items()
    }
    return measured or delivered(result)


def _table(
    base: Variant, variants: Sequence[Variant], clock: str, explained: Sequence[str]
) -> Table:
    columns: list[Column[Variant]] = [
        MODEL,
        Column("speed-up", lambda r: mean_cell(r.speed_up, FEWEST), spread, better="higher"),
        *(
            Column[Variant](
                f"{name} change",
                partial(_change, metric=name),
                _signed,
                meaning=f"By how much {name} is higher than that of the model it is a variant of",
            )
            for name in JUDGED
        ),
        *(
            Column[Variant](
                name, partial(_likeness, metric=name), mean, meaning=meaning_of(name, {})
            )
            for name in LIKENESS
        ),
        Column(
            "peak GiB",
            lambda r: r.speed.allocated_gib if r.speed else None,
            decimals(1),
            better="lower",
        ),
        Column(
            "kJ per s of video",
            lambda r: r.speed.kj_per_video_s if r.speed else None,
            better="lower",
        ),
        Column("cost per usable s", lambda r: usable_cost(r.usable), with_unit, better="lower"),
    ]
    return tabulate(
        f"What speed costs: {base.label}",
        columns,
        [base, *variants],
        above=[*explained, *([f"Seconds, memory and energy: {clock}."] * bool(clock))],
        below=map(sentence, variants),
        place="second",
        empty="hide",
    )


def _change(row: Variant, metric: str) -> Cell:
    return mean_cell(row.changes.get(metric), FEWEST)


def _likeness(row: Variant, metric: str) -> Cell:
    if metric not in row.result.metrics:
        return Cell()
    return mean_cell(stats.interval(list(prompt_means(row.result, metric).values())), FEWEST)


def _signed(cell: Cell) -> str:
    """`-0.41 (-1.6 to 0.92)`."""
    ends = " to ".join(number(end, 2) for end in cell.interval or ())
    return number(cell.number, 2) + (f" ({ends})" if ends else "")


def sentence(row: Variant) -> str:
    """What a variant gains and gives up, no more than the intervals allow."""
    clauses = [_faster(row.speed_up), *(_moved(*change) for change in row.changes.items())]
    if row.obstacles:
        clauses.append(f"its scores do not compare: {'; '.join(row.obstacles)}")
    return f"{row.label}: {'; '.join(clauses)}."


def _faster(speed_up: Interval | None) -> str:
    if speed_up is None:
        return "no clock timed it and its base alike"
    text = f"{number(speed_up.mean, 2)} times as fast"
    if speed_up.n < MIN_PROMPTS:
        return f"{text} on {plural(speed_up.n, 'prompt')}"
    low, high = (number(end, 2) for end in speed_up.ends)
    return text if low == high else f"{text} ({low} to {high})"


def _moved(metric: str, change: Interval) -> str:
    if change.n == 1:
        return f"{metric} {_direction(change.mean)} on a single prompt, which has no interval"
    if change.n < MIN_PROMPTS:
        few = f"{plural(change.n, 'prompt')}, too few to tell"
        return f"{metric} {_direction(change.mean)} on {few}"
    if max(map(abs, change.ends)) < _ROUNDING:
        return f"{metric} the same on each of {change.n} prompts"
    ends = " and ".join(map(_direction, change.ends))
    return f"{metric} {_direction(change.mean)}, between {ends}"


def _direction(value: float) -> str:
    if abs(value) < _ROUNDING:
        return "the same"
    return f"{number(abs(value), 2)} {'higher' if value > 0 else 'lower'}"
