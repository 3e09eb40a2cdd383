"""What clips took and cost: speed on each device, the yield, and the price of a usable second.

There is one table of speed per device, never one across devices.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from typing import NamedTuple

import numpy as np

from bench import statistics as stats
from bench.measure.warnings import Timing, disturbances
from bench.schema import STAGES, ClipResult, Hardware, Result

NOT_SAID = "the result file does not say"

# What may be missing: the field of a clip, and the key under which it says why.
_MAY_LACK = {
    "stages and denoiser forwards": ("stage_s", "stages"),
    "memory": ("peak_memory_allocated_bytes", "peak_memory_allocated_bytes"),
    "energy": ("energy_j", "energy_j"),
}

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
    "appeal": "as appealing as its run asks",
}
"""Metric to what a usable clip needs of it."""

Criteria = Mapping[str, Callable[[float], bool]]
"""Metric to whether a value of it will do."""


@dataclass(frozen=True)
class Speed:
    """How fast one model made its clips on one device: warm clips that succeeded.

    Peaks are the highest over the clips. None stands where nobody measured, or named a price.
    """

    label: str
    result: Result
    shapes: tuple[tuple[int, int, int, float], ...]  # (frames, width, height, fps), by frequency
    clips: int
    batch_size: int
    frames_per_s: float  # all frames over all seconds of compute
    compute_per_video_s: float
    cost_per_video_s: float | None  # in the currency of the result's hardware
    latency_s: tuple[float, float, float]  # 5, 50 and 95% percentile; of a batch a clip's share
    allocated_gib: float | None
    reserved_gib: float | None
    kj_per_video_s: float | None
    mean_w: float | None  # joules over seconds of compute
    denoiser_forwards: tuple[int, int] | None  # fewest and most for one clip
    stage_shares: Mapping[str, float] | None  # of the seconds of compute
    stage_gib: Mapping[str, float]  # peak of allocated memory; without stages nobody measured
    gaps: Mapping[tuple[str, str], int]  # what was not measured and why, to the number of clips
    disturbances: tuple[str, ...]  # that make the times doubtful, and what to do about each

    @property
    def realtime_factor(self) -> float:
        """Seconds of video per second of compute: 1 is as fast as it plays."""
        return 1 / self.compute_per_video_s

    @property
    def weights_gib(self) -> float | None:
        """Parameters and buffers on the device; None where the file does not say."""
        return _gib(self.result.loaded.weights_on_device_bytes) if self.result.loaded else None


def speeds(results: Iterable[Result], labels: Mapping[str, str]) -> dict[str, tuple[Speed, ...]]:
    """Speed of every result of a suite that was timed, fastest first, by device.

    A device is what may be compared: a GPU with power limit and software, several of them that made
    each clip together, or the processor.
    """
    rows: defaultdict[str, list[Speed]] = defaultdict(list)
    for result in results:
        for device, clips in timed(result).items():
            rows[all_of(result, device)].append(_speed(result, labels[result.model], clips))
    return {
        device: tuple(sorted(rows[device], key=lambda row: (row.compute_per_video_s, row.label)))
        for device in sorted(rows)
    }


def timed(result: Result) -> Mapping[str, Sequence[ClipResult]]:
    """The clips of a result whose time counts, by device: warm ones that succeeded here."""
    clips: defaultdict[str, list[ClipResult]] = defaultdict(list)
    for clip in result.successes if result.measured else ():
        if clip.warm and clip.latency_s:
            clips[_device(result, clip)].append(clip)
    return clips


def devices(result: Result, timed: Mapping[str, Sequence[Speed]]) -> dict[str, Speed]:
    """The speed of one result on each device it was timed on."""
    return {
        device: row
        for device, rows in timed.items()
        for row in rows
        if row.result.model == result.model
    }


def all_of(result: Result, device: str) -> str:
    """Such a device, as often as it took to make one clip of a result."""
    gpus = (result.hardware or Hardware()).gpus
    return f"{gpus} x {device}" if gpus > 1 and not is_cpu(device) else device


def is_cpu(device: str) -> bool:
    """Whether a device, as it is named here, is the processor."""
    return device.lower().startswith("cpu")


def _device(result: Result, clip: ClipResult) -> str:
    """What keeps apart clips that do not compare: "cpu" or a GPU's name alone does not."""
    environment = result.environment
    device = clip.device or environment.device
    if device == "cpu":
        return f"CPU, {environment.cpu}" if environment.cpu else device
    limit_w, software = clip.power_limit_w, clip.software
    if device == environment.device:  # the run's own words hold for its clips alone
        if limit_w is None and environment.gpu is not None:
            limit_w = environment.gpu.power_limit_w
        software = software or environment.software
    limit = None if limit_w is None else f"{limit_w:.0f} W"
    return ", ".join(filter(None, (device, limit, software)))


def _speed(result: Result, label: str, clips: Sequence[ClipResult]) -> Speed:
    latency_s = [clip.latency_s or 0.0 for clip in clips]
    compute_s, video_s = sum(latency_s), sum(clip.video_s for clip in clips)
    p05, p50, p95 = np.quantile(latency_s, [0.05, 0.5, 0.95]).tolist()
    shapes = Counter(clip.shape for clip in clips)
    price_per_s = gpu_price_per_s(result, clips)
    forwards = [clip.denoiser_forwards for clip in clips if clip.denoiser_forwards is not None]
    with_energy = [clip for clip in clips if clip.energy_j is not None]
    energy_j = sum(clip.energy_j or 0.0 for clip in with_energy)
    peaks = {
        stage: _highest_gib((c.stage_memory or {}).get(f"{stage}_allocated_bytes") for c in clips)
        for stage in STAGES
    }
    return Speed(
        label=label,
        result=result,
        shapes=tuple(sorted(shapes, key=lambda shape: (-shapes[shape], shape))),
        clips=len(clips),
        batch_size=max(clip.batch_size for clip in clips),
        frames_per_s=sum(clip.frames or 0 for clip in clips) / compute_s,
        compute_per_video_s=compute_s / video_s,
        cost_per_video_s=None if price_per_s is None else price_per_s * compute_s / video_s,
        latency_s=(p05, p50, p95),
        allocated_gib=_highest_gib(clip.peak_memory_allocated_bytes for clip in clips),
        reserved_gib=_highest_gib(clip.peak_memory_reserved_bytes for clip in clips),
        kj_per_video_s=_ratio(energy_j / 1e3, sum(clip.video_s for clip in with_energy)),
        mean_w=_ratio(energy_j, sum(clip.latency_s or 0.0 for clip in with_energy)),
        denoiser_forwards=(min(forwards), max(forwards)) if forwards else None,
        stage_shares=_stage_shares(clips),
        stage_gib={stage: peak for stage, peak in peaks.items() if peak is not None},
        gaps=_gaps(result, clips),
        disturbances=tuple(disturbances(list(map(_timing, clips)))),
    )


def _timing(clip: ClipResult) -> Timing:
    frames, width, height, _ = clip.shape
    shape = frames, (height, width)
    return Timing(clip.latency_s or 0.0, clip.warm, clip.alone, clip.slowed_by, shape)


def _stage_shares(clips: Sequence[ClipResult]) -> dict[str, float] | None:
    timed = [clip.stage_s for clip in clips if clip.stage_s is not None]
    total_s = sum(sum(stages.values()) for stages in timed)
    if not total_s:
        return None
    return {stage: sum(stages[stage] for stages in timed) / total_s for stage in STAGES}


def _gaps(result: Result, clips: Sequence[ClipResult]) -> Counter[tuple[str, str]]:
    gaps = Counter(
        (what, clip.unmeasured.get(key, NOT_SAID))
        for clip in clips
        for what, (field, key) in _MAY_LACK.items()
        if getattr(clip, field) is None
    )
    loaded = result.loaded
    if loaded and not loaded.is_empty and loaded.weights_on_device_bytes is None:
        gaps["weights", NOT_SAID] = len(clips)
    return gaps


def _highest_gib(peaks: Iterable[int | None]) -> float | None:
    return _gib(max((peak for peak in peaks if peak is not None), default=None))


def _gib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / 2**30


def _ratio(amount: float, over: float) -> float | None:
    return amount / over if over else None


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
    by_prompt: Mapping[str, float]  # share of usable clips, 0..1, of each prompt
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
    criteria = judged_by(result)
    if not result.clips or (result.successes and "coherence" not in criteria):
        return None
    draws: defaultdict[str, list[ClipResult]] = defaultdict(list)
    for clip in result.clips:
        draws[clip.prompt].append(clip)
    prompts = [
        (clips, [clip for clip in clips if is_usable(clip, criteria)]) for clips in draws.values()
    ]
    tries = [(len(drawn), len(kept)) for drawn, kept in prompts]
    by_prompt = {
        prompt: usable / drawn for prompt, (drawn, usable) in zip(draws, tries, strict=True)
    }
    solved = sum(usable > 0 for _, usable in tries)
    fewest = min(drawn for drawn, _ in tries)
    redrawn = solved and fewest > 1
    cost = _cost(result, devices, prompts)
    return Yield(
        clips=len(result.clips),
        usable=sum(usable for _, usable in tries),
        by_prompt=by_prompt,
        criteria=tuple(criteria),
        share=_share(list(by_prompt.values())),
        share_looser=_share_at(COHERENCE - STEP, result.clips, criteria),
        share_stricter=_share_at(COHERENCE + STEP, result.clips, criteria),
        pass_at={
            k: float(np.mean([pass_at(k, *counts) for counts in tries]))
            for k in (2, 4, 8, 16)
            if k <= fewest
        },
        never=1 - solved / len(tries),
        draws_per_solved=sum(starmap(draws_until, tries)) / solved if redrawn else None,
        cost=None if isinstance(cost, str) else cost,
        why_no_cost=cost if isinstance(cost, str) else None,
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


def criteria_of(result: Result) -> Criteria:
    """What the clips of a result need to be usable, had they all the values."""
    asked: Criteria = {
        "coherence": lambda value: value >= COHERENCE,
        "cuts_unrequested": lambda value: value == 0,
        "lpips_far": lambda value: value >= STATIC_LPIPS,
        "adherence_margin": lambda value: value > MARGIN,
    }
    least = result.least_appeal
    return asked if least is None else {**asked, "appeal": lambda value: value >= least}


def judged_by(result: Result) -> Criteria:
    """Of what is asked of usable clips that of which any clip of a result has a value."""
    successes = result.successes
    return {
        name: will_do
        for name, will_do in criteria_of(result).items()
        if any(clip.scores.get(name) is not None for clip in successes)
    }


def why_unjudged(results: Iterable[Result]) -> str | None:
    """Why results cannot be held against each other by their usable clips; None if they can.

    One whose clips all failed was judged by nothing, and has no usable clip by any criteria.
    """
    judged = {
        (names, result.least_appeal if "appeal" in names else None)
        for result in results
        if (names := tuple(judged_by(result))) or result.successes
    }
    if not all({"coherence", "adherence_margin"} <= set(names) for names, _ in judged):
        return "nobody measured whether clips show what was asked for"
    return None if len(judged) == 1 else "their clips were not judged by the same criteria"


def is_usable(clip: ClipResult, criteria: Criteria) -> bool:
    """Whether a clip is usable; one without a value that is asked for is not."""
    return clip.status == "ok" and all(
        (value := clip.scores.get(name)) is not None and will_do(value)
        for name, will_do in criteria.items()
    )


def _share_at(coherence: float, clips: Sequence[ClipResult], criteria: Criteria) -> float:
    if "coherence" in criteria:
        criteria = {**criteria, "coherence": lambda value: value >= coherence}
    return sum(is_usable(clip, criteria) for clip in clips) / len(clips)


def _share(per_prompt: Sequence[float]) -> stats.Interval:
    """Where none or all are usable, the open end is that of the rule of three."""
    share = stats.interval(per_prompt)
    assert share is not None
    if 0 < share.mean < 1:
        return share
    hidden = stats.most_when_none(share.n)
    low, high = (0.0, hidden) if share.mean == 0 else (1 - hidden, 1.0)
    return replace(share, low=low, high=high)


class _Tariff(NamedTuple):
    unit: str  # as in `Cost`
    source: str  # as in `Cost`
    amount: Callable[[ClipResult], float | None]  # of a draw of its own


def _tariff(result: Result, devices: Collection[str]) -> _Tariff | str:
    """How the draws of a result are charged, or why they cannot be."""
    if not result.successes:
        return "no clip was made"
    if any(_price_usd(clip) is not None for clip in result.clips):
        return _Tariff("USD", "as declared with the clips", _price_usd)
    if len(devices) != 1:
        return "timed on several devices" if devices else _why_not_timed(result)
    hardware = result.hardware or Hardware()
    (device,) = devices
    price_per_s = gpu_price_per_s(result, result.clips)
    if _on_cpu(result, result.clips):
        unit, source, per_s = "CPU-s", device, 1.0
    elif price_per_s is None:
        unit, source, per_s = "GPU-s", device, float(hardware.gpus)
    else:
        unit, per_s = hardware.currency, price_per_s
        each = " each" if hardware.gpus > 1 else ""
        source = f"{device}, {hardware.price_per_gpu_hour:g} {unit} an hour{each}"

    def amount(clip: ClipResult) -> float | None:
        steady = clip.warm or clip.status != "ok"  # no clip's share of a first one's preparations
        return clip.latency_s * per_s if steady and clip.latency_s is not None else None

    return _Tariff(unit, source, amount)


def _on_cpu(result: Result, clips: Sequence[ClipResult]) -> bool:
    return all((clip.device or result.environment.device) == "cpu" for clip in clips)


def _why_not_timed(result: Result) -> str:
    if result.measured and any(clip.latency_s is not None for clip in result.successes):
        return (
            "no clip is warm, and the first of a shape pays for more than itself: "
            "add seeds, or make it again with warmup=1 and another out=DIR"
        )
    return "no clip was timed here"


def _price_usd(clip: ClipResult) -> float | None:
    return clip.delivery.price_usd if clip.delivery else None


def _cost(
    result: Result,
    devices: Collection[str],
    prompts: Sequence[tuple[Sequence[ClipResult], Sequence[ClipResult]]],
) -> Cost | str:
    """The cost of clips, or why it is not known; of each prompt all draws and the usable ones."""
    tariff = _tariff(result, devices)
    if isinstance(tariff, str):
        return tariff
    clips = [clip for drawn, _ in prompts for clip in drawn]
    successes = [clip for clip in clips if clip.status == "ok"]
    amounts = [amount for clip in successes if (amount := tariff.amount(clip)) is not None]
    if not amounts:
        return "no clip has an amount"
    typical = float(np.median(amounts))

    def charge(clip: ClipResult) -> float:
        own = tariff.amount(clip)
        return typical if own is None else own

    costs = [sum(map(charge, drawn)) for drawn, _ in prompts]
    usable_s = [sum(clip.video_s for clip in usable) for _, usable in prompts]
    video_s = sum(clip.video_s for clip in successes)
    per_clip = sum(costs) / len(clips)
    hidden = stats.most_when_none(len(prompts))
    per_usable_s = stats.ratio(costs, usable_s)
    if per_usable_s and all(len(usable) == len(drawn) for drawn, usable in prompts):
        # As uncertain as a full yield: the upper end allows for rejects to come.
        mean = per_usable_s.mean
        low, high = per_usable_s.ends
        per_usable_s = replace(per_usable_s, low=low, high=max(high, mean / (1 - hidden)))
    return Cost(
        unit=tariff.unit,
        source=tariff.source,
        per_clip=per_clip,
        per_video_s=sum(costs) / video_s,
        per_usable_s=per_usable_s,
        at_least=None if any(usable_s) else per_clip * len(successes) / (hidden * video_s),
        estimated=sum(tariff.amount(clip) is None for clip in clips),
    )
