"""How fast models made their clips: one table per device, never across devices."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.report.results import ClipResult, Result


@dataclass(frozen=True)
class Speed:
    """How fast one model made its clips on one device: warm clips that succeeded.

    Attributes:
        label: the model's name for people.
        result: where the numbers come from.
        shapes: distinct (frames, width, height, fps) of the clips, the most frequent first.
        clips: how many were timed.
        frames_per_s: all frames over all seconds of compute.
        compute_per_video_s: seconds of compute per second of video.
        latency_s: 5%, 50% and 95% percentile of seconds per clip.
        allocated_gib: highest peak over the clips; None where nobody measured, as is reserved.
        reserved_gib: the same for memory held by the allocator.
        kj_per_video_s: kilojoules per second of video; None where nobody measured.
    """

    label: str
    result: Result
    shapes: tuple[tuple[int, int, int, float], ...]
    clips: int
    frames_per_s: float
    compute_per_video_s: float
    latency_s: tuple[float, float, float]
    allocated_gib: float | None
    reserved_gib: float | None
    kj_per_video_s: float | None


def speeds(results: Iterable[Result], labels: Mapping[str, str]) -> dict[str, tuple[Speed, ...]]:
    """Speed of every result that was timed, fastest first, by name of device.

    Args:
        results: of one suite.
        labels: model to its name for people.
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
    """The name that keeps different hardware apart: "cpu" alone does not."""
    device = clip.device or result.device
    return f"CPU, {result.cpu}" if device == "cpu" and result.cpu else device


def _speed(result: Result, label: str, clips: Sequence[ClipResult]) -> Speed:
    latency = np.array([clip.latency_s for clip in clips], np.float64)
    compute_s = float(latency.sum())
    shapes = Counter(clip.shape for clip in clips)
    p05, p50, p95 = np.quantile(latency, [0.05, 0.5, 0.95]).tolist()
    return Speed(
        label=label,
        result=result,
        shapes=tuple(sorted(shapes, key=lambda shape: (-shapes[shape], shape))),
        clips=len(clips),
        frames_per_s=sum(clip.frames or 0 for clip in clips) / compute_s,
        compute_per_video_s=compute_s / sum(clip.video_s for clip in clips),
        latency_s=(p05, p50, p95),
        allocated_gib=_peak_gib(clip.peak_memory_allocated_bytes for clip in clips),
        reserved_gib=_peak_gib(clip.peak_memory_reserved_bytes for clip in clips),
        kj_per_video_s=_kj_per_video_s(clips),
    )


def _kj_per_video_s(clips: Sequence[ClipResult]) -> float | None:
    known = [(clip.energy_j, clip.video_s) for clip in clips if clip.energy_j is not None]
    if not known:
        return None
    return sum(energy_j for energy_j, _ in known) / 1e3 / sum(video_s for _, video_s in known)


def _peak_gib(peaks: Iterable[int | None]) -> float | None:
    known = [peak for peak in peaks if peak is not None]
    return max(known) / 2**30 if known else None
