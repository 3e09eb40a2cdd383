"""Yield and cost: how many draws are usable, and what a usable second costs."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap

import numpy as np

from bench import statistics as stats
from bench.schema import ClipResult, Hardware, Result

COHERENCE = 80.0
"""A usable clip has at least this coherence: the lower end of real footage."""

STEP = 10.0
"""How far the threshold is moved either way, to see what hangs on it."""

MARGIN = 0.0
"""A usable clip has an adherence margin above this: that of a clip which fits any prompt alike."""

STATIC_LPIPS = 5e-4
"""Under this `lpips_far` a clip is a still, as the metrics have it too."""

CRITERIA: Mapping[str, str] = {
    "coherence": f"coherence of at least {COHERENCE:g}",
    "cuts_unrequested": "no cut that nobody asked for",
    "lpips_far": "no still",
    "adherence_margin": "closer to its own prompt than to the suite's others",
}
"""Metric to what a usable clip needs of it."""


@dataclass(frozen=True)
class Cost:
    """What clips cost, failed ones and rejects included, over all draws."""

    unit: str  # a currency; GPU-s of as many GPUs as make a clip; CPU-s, which no price changes
    source: str  # where the amounts come from, for people
    per_clip: float
    per_video_s: float  # of video that was made
    per_usable_s: stats.Interval | None  # bootstrapped as a whole; None where nothing is usable
    at_least: float | None  # with 95% confidence, where nothing is usable
    estimated: int  # draws without an amount of their own, which count as the median of the others


@dataclass(frozen=True)
class Yield:
    """How many of one model's clips are usable, for somebody who draws until one is."""

    clips: int
    usable: int
    criteria: tuple[str, ...]  # the metrics of `CRITERIA` by which clips were judged
    share: stats.Interval  # the yield, 0..1; the rule of three where the bootstrap sees no spread
    share_looser: float  # if coherence need only be 10 points less
    share_stricter: float  # if it must be 10 points more
    pass_at: Mapping[int, float]  # for k = 2, 4, ... as far as there are seeds
    never: float  # share of prompts none of whose draws is usable
    draws_per_solved: float | None  # until one is usable, as often as there are seeds at most;
    # None with one seed, where it is the inverse of the yield, and where nothing is solved
    cost: Cost | None
    why_no_cost: str | None


def yield_of(result: Result, devices: Collection[str]) -> Yield | None:
    """Yield and cost of a complete result with prompts, timed on these devices.

    None if no clip has a coherence, so that none can be judged.
    """
    successes = [clip for clip in result.clips if clip.status == "ok"]
    criteria = tuple(
        name for name in CRITERIA if any(clip.scores.get(name) is not None for clip in successes)
    )
    if not result.clips or (successes and "coherence" not in criteria):
        return None
    draws: defaultdict[str, list[ClipResult]] = defaultdict(list)
    for clip in result.clips:
        draws[clip.prompt].append(clip)
    tries = [(len(clips), sum(_usable(c, criteria) for c in clips)) for clips in draws.values()]
    solved = sum(usable > 0 for _, usable in tries)
    fewest = min(drawn for drawn, _ in tries)
    redrawn = solved and fewest > 1
    tariff = _tariff(result, devices) if successes else "no clip was made"
    cost = None if isinstance(tariff, str) else _cost(tariff, list(draws.values()), criteria)
    unknown = tariff if isinstance(tariff, str) else "no clip has an amount"
    return Yield(
        clips=len(result.clips),
        usable=sum(usable for _, usable in tries),
        criteria=criteria,
        share=_share([usable / drawn for drawn, usable in tries]),
        share_looser=_share_at(COHERENCE - STEP, result.clips, criteria),
        share_stricter=_share_at(COHERENCE + STEP, result.clips, criteria),
        pass_at={
            k: float(np.mean([pass_at(k, *counts) for counts in tries]))
            for k in (2, 4, 8, 16)
            if k <= fewest
        },
        never=1 - solved / len(tries),
        draws_per_solved=sum(starmap(draws_until, tries)) / solved if redrawn else None,
        cost=cost,
        why_no_cost=unknown if cost is None else None,
    )


def pass_at(k: int, drawn: int, usable: int) -> float:
    """pass@k, the chance that k of n draws, c of them usable, hold one: 1 - C(n-c,k) / C(n,k).

    Unbiased for k fresh draws (Chen et al. 2021, "Evaluating Large Language Models Trained on
    Code").
    """
    return 1 - math.comb(drawn - usable, k) / math.comb(drawn, k)


def draws_until(drawn: int, usable: int) -> float:
    """Draws of n up to the first of c usable ones, mean over all orders: (n+1) / (c+1).

    n for c = 0, after which the user of a prompt gives up.
    """
    return (drawn + 1) / (usable + 1) if usable else float(drawn)


def gpu_price_per_s(result: Result, clips: Sequence[ClipResult]) -> float | None:
    """What a second of making these clips costs, in the currency of the result's hardware.

    None where nobody said a price, and on a CPU, since the price is of GPUs.
    """
    hardware = result.hardware or Hardware()
    if hardware.price_per_gpu_hour is None or _on_cpu(result, clips):
        return None
    return hardware.gpus * hardware.price_per_gpu_hour / 3600


def _usable(clip: ClipResult, criteria: Collection[str], coherence: float = COHERENCE) -> bool:
    """Whether a clip is usable; one without a value that is asked for is not."""
    holds: Mapping[str, Callable[[float], bool]] = {
        "coherence": lambda value: value >= coherence,
        "cuts_unrequested": lambda value: value == 0,
        "lpips_far": lambda value: value >= STATIC_LPIPS,
        "adherence_margin": lambda value: value > MARGIN,
    }
    return clip.status == "ok" and all(
        (value := clip.scores.get(name)) is not None and holds[name](value) for name in criteria
    )


def _share_at(coherence: float, clips: Sequence[ClipResult], criteria: Collection[str]) -> float:
    return sum(_usable(clip, criteria, coherence) for clip in clips) / len(clips)


def _share(per_prompt: Sequence[float]) -> stats.Interval:
    """Where none or all are usable, the open end is that of the rule of three."""
    share = stats.interval(per_prompt)
    assert share is not None
    if 0 < share.mean < 1:
        return share
    hidden = stats.most_when_none(share.n)
    low, high = (0.0, hidden) if share.mean == 0 else (1 - hidden, 1.0)
    return replace(share, low=low, high=high)


@dataclass(frozen=True)
class _Tariff:
    """How draws are charged: unit and source as in `Cost`, and the amount of a draw of its own."""

    unit: str
    source: str
    amount: Callable[[ClipResult], float | None]


def _tariff(result: Result, devices: Collection[str]) -> _Tariff | str:
    """How the draws of a result are charged, or why they cannot be."""
    if any(_price_usd(clip) is not None for clip in result.clips):
        return _Tariff("USD", "as declared with the clips", _price_usd)
    if len(devices) != 1:
        return "timed on several devices" if devices else _why_not_timed(result)
    hardware = result.hardware or Hardware()
    (device,) = devices
    several = device if hardware.gpus == 1 else f"{hardware.gpus} x {device}"
    price_per_s = gpu_price_per_s(result, result.clips)
    if _on_cpu(result, result.clips):
        unit, source, per_s = "CPU-s", device, 1.0
    elif price_per_s is None:
        unit, source, per_s = "GPU-s", several, float(hardware.gpus)
    else:
        unit, per_s = hardware.currency, price_per_s
        each = " each" if hardware.gpus > 1 else ""
        source = f"{several}, {hardware.price_per_gpu_hour:g} {unit} an hour{each}"

    def amount(clip: ClipResult) -> float | None:
        steady = clip.warm or clip.status != "ok"  # no clip's share of a first one's preparations
        return clip.latency_s * per_s if steady and clip.latency_s is not None else None

    return _Tariff(unit, source, amount)


def _on_cpu(result: Result, clips: Sequence[ClipResult]) -> bool:
    return all((clip.device or result.device) == "cpu" for clip in clips)


def _why_not_timed(result: Result) -> str:
    if result.measured and any(c.status == "ok" and c.latency_s is not None for c in result.clips):
        return (
            "no clip is warm, and the first of a shape pays for more than itself: "
            "add seeds, or make it again with warmup=1 and another out=DIR"
        )
    return "no clip was timed here"


def _price_usd(clip: ClipResult) -> float | None:
    return clip.delivery.price_usd if clip.delivery else None


def _cost(
    tariff: _Tariff, draws: Sequence[Sequence[ClipResult]], criteria: Collection[str]
) -> Cost | None:
    """The cost of draws, prompt by prompt; None if no clip has an amount."""
    clips = [clip for prompt in draws for clip in prompt]
    successes = [clip for clip in clips if clip.status == "ok"]
    amounts = [amount for clip in successes if (amount := tariff.amount(clip)) is not None]
    if not amounts:
        return None
    typical = float(np.median(amounts))

    def charge(clip: ClipResult) -> float:
        own = tariff.amount(clip)
        return typical if own is None else own

    costs = [sum(map(charge, prompt)) for prompt in draws]
    usable_s = [sum(clip.video_s for clip in prompt if _usable(clip, criteria)) for prompt in draws]
    video_s = sum(clip.video_s for clip in successes)
    per_clip = sum(costs) / len(clips)
    hidden = stats.most_when_none(len(draws))
    per_usable_s = stats.ratio(costs, usable_s)
    if per_usable_s and all(_usable(clip, criteria) for clip in clips):
        # As uncertain as a full yield: the upper end allows for rejects to come.
        mean = per_usable_s.mean
        low = mean if per_usable_s.low is None else per_usable_s.low
        high = max(per_usable_s.high or mean, mean / (1 - hidden))
        per_usable_s = replace(per_usable_s, low=low, high=high)
    return Cost(
        unit=tariff.unit,
        source=tariff.source,
        per_clip=per_clip,
        per_video_s=sum(costs) / video_s,
        per_usable_s=per_usable_s,
        at_least=None if any(usable_s) else per_clip * len(successes) / (hidden * video_s),
        estimated=sum(tariff.amount(clip) is None for clip in clips),
    )
