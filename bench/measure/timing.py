"""Time, memory and energy of one generation, between two synchronised moments."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from bench.measure.machine import GpuMonitor
from bench.measure.stages import Peak, PeakMemory, Stage, StageClock
from bench.schema import GpuState

T = TypeVar("T")

NO_PIPELINE = "the model has no stages that could be told apart"

MEASURED = (
    *("latency_s", "stages", "denoiser_forwards", "energy_j", "gpu"),
    *("peak_memory_allocated_bytes", "peak_memory_reserved_bytes", "stage_memory"),
)
"""Keys of a clip's record that say what it took."""

# The energy counter moves in steps of up to a tenth of a second, which short windows drown in.
_SHORTEST_ENERGY_WINDOW_S = 2.0


@dataclass(frozen=True)
class Measured:
    """What one generation took, or each clip's share of it; None is what could not be measured.

    `stages` are seconds, and `unmeasured` says why a value is None, by its key in the record.
    """

    latency_s: float
    stages: Mapping[Stage, float] | None = None
    denoiser_forwards: int | None = None
    peak: Peak | None = None
    stage_peaks: Mapping[Stage, Peak] = field(default_factory=dict)
    energy_j: float | None = None
    gpu: GpuState | None = None
    unmeasured: Mapping[str, str] = field(default_factory=dict)

    def share(self, clips: int) -> "Measured":
        """What one clip of several took that were made at once.

        Seconds and joules are shared evenly, so that those of all clips add up to what was spent.
        Memory and the calls of a denoiser were not, and stay those of the whole.
        """
        stages = self.stages and {stage: spent / clips for stage, spent in self.stages.items()}
        energy_j = None if self.energy_j is None else self.energy_j / clips
        return replace(self, latency_s=self.latency_s / clips, stages=stages, energy_j=energy_j)

    @property
    def facts(self) -> dict[str, Any]:
        """What `bench.schema.ClipFacts` says of it: `MEASURED` and `unmeasured`."""
        stages = None
        if self.stages is not None:
            parts = {f"{stage}_s": seconds for stage, seconds in self.stages.items()}
            # The GPU's clock and the host's may differ in the last digits.
            stages = parts | {"other_s": max(0.0, self.latency_s - sum(parts.values()))}
        stage_memory = {
            f"{stage}_{kind}_bytes": getattr(peak, f"{kind}_bytes")
            for stage, peak in self.stage_peaks.items()
            for kind in ("allocated", "reserved")
        }
        return {
            "latency_s": self.latency_s,
            "stages": stages,
            "denoiser_forwards": self.denoiser_forwards,
            "peak_memory_allocated_bytes": self.peak and self.peak.allocated_bytes,
            "peak_memory_reserved_bytes": self.peak and self.peak.reserved_bytes,
            "stage_memory": stage_memory or None,
            "energy_j": self.energy_j,
            "gpu": self.gpu,
            "unmeasured": dict(self.unmeasured),
        }


def measure(
    work: Callable[[], T],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
    stages: StageClock | None = None,
    gpu: GpuMonitor | None = None,
    gpus: int = 1,
) -> tuple[T, Measured]:
    """Do the work on a device, the first of so many `gpus`, and say what it took.

    CUDA answers before its kernels are done, so the device is synchronised at both ends of the
    window; peak memory is reset before it, and the driver is asked outside of it.
    """
    on_cuda = device.type == "cuda"
    memory = PeakMemory(device) if stages is None else stages.memory
    alone = _alone(gpu, device)
    if stages is not None:
        stages.restart()
    if on_cuda:
        torch.cuda.synchronize(device)
    memory.restart()
    before_mj = None if gpu is None else gpu.energy_mj
    start = clock()
    product = work()
    if on_cuda:
        torch.cuda.synchronize(device)
    latency_s = clock() - start
    after_mj = None if gpu is None else gpu.energy_mj
    peak, stage_peaks = memory.read()
    if alone:
        alone = _alone(gpu, device)
    energy_j, why = _energy(gpu, gpus, before_mj, after_mj, latency_s, alone=alone)
    unmeasured = {} if why is None else {"energy_j": why}
    if stages is None:
        unmeasured |= dict.fromkeys(("stages", "denoiser_forwards"), NO_PIPELINE)
    if peak is None:
        kinds = ("peak_memory_allocated_bytes", "peak_memory_reserved_bytes", "stage_memory")
        unmeasured |= dict.fromkeys(kinds, "no CUDA device")
    elif not stage_peaks:
        unmeasured["stage_memory"] = NO_PIPELINE
    return product, Measured(
        latency_s=latency_s,
        stages=None if stages is None else stages.seconds(),
        denoiser_forwards=None if stages is None else stages.denoiser_forwards,
        peak=peak,
        stage_peaks=stage_peaks,
        energy_j=energy_j,
        gpu=None if gpu is None else gpu.state(alone=alone),
        unmeasured=unmeasured,
    )


def _alone(gpu: GpuMonitor | None, device: torch.device) -> bool | None:
    return None if gpu is None else gpu.alone(torch.cuda.memory_reserved(device))


def _energy(
    gpu: GpuMonitor | None,
    gpus: int,
    before_mj: int | None,
    after_mj: int | None,
    latency_s: float,
    *,
    alone: bool | None,
) -> tuple[float | None, str | None]:
    """Joules between two readings of the GPU's counter, and if there are none, why."""
    if gpu is None:
        return None, "no CUDA device"
    if gpus > 1:
        return None, f"made by {gpus} GPUs, of which the counter of one is read"
    if gpu.missing is not None:
        return None, gpu.missing
    if gpu.mig:
        return None, "the GPU is split (MIG), and its counter is that of the whole board"
    if before_mj is None or after_mj is None:
        return None, "this GPU has no energy counter"
    if after_mj < before_mj:
        return None, "the energy counter went backwards: the driver was reloaded"
    if latency_s < _SHORTEST_ENERGY_WINDOW_S:
        return None, f"shorter than {_SHORTEST_ENERGY_WINDOW_S:g} s, too short for the counter"
    if alone is None:
        return None, "whether another process used the GPU cannot be told"
    if not alone:
        return None, "another process was on the GPU"
    return (after_mj - before_mj) / 1e3, None
