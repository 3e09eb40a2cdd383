"""Time, memory and energy of one generation, between two synchronised moments."""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from bench.measure.energy import energy_j
from bench.measure.gpu import Board, BoardState
from bench.measure.memory import Peak, PeakMemory, Stage
from bench.measure.stages import StageClock

T = TypeVar("T")

NO_PIPELINE = "the model has no stages that could be told apart"

MEASURED = (
    *("latency_s", "stages", "denoiser_forwards", "energy_j", "gpu"),
    *("peak_memory_allocated_bytes", "peak_memory_reserved_bytes", "stage_memory"),
)
"""Keys of a clip's record that say what it took."""


@dataclass(frozen=True)
class Measured:
    """What one generation took, or each clip's share of it.

    Attributes:
        latency_s: wall-clock seconds, kernels finished at both ends.
        stages: seconds of each stage; None where the model has none that could be told apart.
        denoiser_forwards: calls of a denoiser; None as for `stages`.
        peak: most memory on the device; None off CUDA.
        stage_peaks: the same of each stage.
        energy_j: joules that the board drew; None where that cannot be trusted.
        board: the board at the end; None off CUDA.
        unmeasured: why a value is None, by its key in the record.
    """

    latency_s: float
    stages: Mapping[Stage, float] | None = None
    denoiser_forwards: int | None = None
    peak: Peak | None = None
    stage_peaks: Mapping[Stage, Peak] = field(default_factory=dict)
    energy_j: float | None = None
    board: BoardState | None = None
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
    def record(self) -> dict[str, Any]:
        """What a clip's record says of it, as JSON values; units stand in the keys."""
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
            "gpu": self.board and self.board.record,
            "unmeasured": dict(self.unmeasured),
        }


def measure(
    work: Callable[[], T],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
    stages: StageClock | None = None,
    board: Board | None = None,
) -> tuple[T, Measured]:
    """Do the work and say what it took.

    CUDA answers before its kernels are done, so the device is synchronised at both ends of the
    window; peak memory is reset before it, and the board is asked outside of it.

    Args:
        work: makes the clip.
        device: that computes.
        clock: in seconds.
        stages: of the pipeline that works; None where there is none.
        board: of the device; None off CUDA.
    """
    on_cuda = device.type == "cuda"
    memory = PeakMemory.of(device) if stages is None else stages.memory
    alone = _alone(board, device)
    if stages is not None:
        stages.restart()
    if on_cuda:
        torch.cuda.synchronize(device)
    memory.restart()
    before_mj = None if board is None else board.energy_mj
    start = clock()
    made = work()
    if on_cuda:
        torch.cuda.synchronize(device)
    latency_s = clock() - start
    after_mj = None if board is None else board.energy_mj
    peak, stage_peaks = memory.read()
    if alone:
        alone = _alone(board, device)
    energy, why = energy_j(board, before_mj, after_mj, latency_s, alone=alone)
    unmeasured = {} if why is None else {"energy_j": why}
    if stages is None:
        unmeasured |= dict.fromkeys(("stages", "denoiser_forwards"), NO_PIPELINE)
    if peak is None:
        kinds = ("peak_memory_allocated_bytes", "peak_memory_reserved_bytes", "stage_memory")
        unmeasured |= dict.fromkeys(kinds, "no CUDA device")
    elif not stage_peaks:
        unmeasured["stage_memory"] = NO_PIPELINE
    return made, Measured(
        latency_s=latency_s,
        stages=None if stages is None else stages.seconds(),
        denoiser_forwards=None if stages is None else stages.denoiser_forwards,
        peak=peak,
        stage_peaks=stage_peaks,
        energy_j=energy,
        board=None if board is None else board.state(alone=alone),
        unmeasured=unmeasured,
    )


def free(device: torch.device) -> None:
    """Give unused device memory back, so that the next clip or model finds it."""
    gc.collect()  # an error and the frames it came through may refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_broken(device: torch.device) -> bool:
    """Whether an error has left the device of no use to this process, whose every call now fails.

    An illegal access or an assertion on a GPU does; the error says so anew at each call.
    """
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except torch.AcceleratorError:
        return True
    return False


def _alone(board: Board | None, device: torch.device) -> bool | None:
    return None if board is None else board.alone(torch.cuda.memory_reserved(device))
