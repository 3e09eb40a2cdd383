"""How fast models made their clips: one table per device, never across devices."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.data.cost import gpu_price_per_s
from bench.measure.warnings import Timing, disturbances
from bench.schema import STAGES, ClipResult, Result

NOT_SAID = "the result file does not say"

# What may be missing: the field of a clip, and the key under which it says why.
_MAY_LACK = {
    "stages and denoiser forwards": ("stage_s", "stages"),
    "memory": ("peak_memory_allocated_bytes", "peak_memory_allocated_bytes"),
    "energy": ("energy_j", "energy_j"),
}


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
    disturbances: tuple[str, ...]  # what was wrong while the clips were made

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

    A device is what may be compared: a GPU with power limit and software, or the processor.
    """
    rows: defaultdict[str, list[Speed]] = defaultdict(list)
    for result in results:
        timed: defaultdict[str, list[ClipResult]] = defaultdict(list)
        for clip in result.clips if result.measured else ():
            if clip.status == "ok" and clip.warm and clip.latency_s:
                timed[_device(result, clip)].append(clip)
        for device, clips in timed.items():
            rows[device].append(_speed(result, labels[result.model], clips))
    return {
        device: tuple(sorted(rows[device], key=lambda row: (row.compute_per_video_s, row.label)))
        for device in sorted(rows)
    }


def devices(result: Result, timed: Mapping[str, Sequence[Speed]]) -> dict[str, Speed]:
    """The speed of one result on each device it was timed on."""
    return {
        device: row
        for device, rows in timed.items()
        for row in rows
        if row.result.model == result.model
    }


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
        disturbances=tuple(
            disturbances([Timing(c.latency_s or 0.0, True, c.alone, c.slowed_by) for c in clips])
        ),
    )


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
