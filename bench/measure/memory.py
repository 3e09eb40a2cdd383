"""Peak memory of one generation, as a whole and by stage."""

import gc
from dataclasses import dataclass
from typing import Literal

import torch

Stage = Literal["encode", "denoise", "decode"]

# Libraries that allocate for themselves raise a RuntimeError of another kind: cuBLAS, cuDNN, the
# driver, and the CPU's allocator.
_SIGNS = ("out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")


@dataclass(frozen=True)
class Peak:
    """Most memory at any one time: in use, and held by the allocator, in use or not."""

    allocated_bytes: int
    reserved_bytes: int

    @staticmethod
    def highest(first: "Peak", second: "Peak") -> "Peak":
        """The higher of each."""
        return Peak(
            max(first.allocated_bytes, second.allocated_bytes),
            max(first.reserved_bytes, second.reserved_bytes),
        )


class CudaCounter:
    """The peak counters of torch's allocator, which run on the host: reading waits for nothing."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def reset(self) -> None:
        """Begin anew."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def read(self) -> Peak:
        """The peak since the reset."""
        return Peak(
            torch.cuda.max_memory_allocated(self._device),
            torch.cuda.max_memory_reserved(self._device),
        )


class PeakMemory:
    """Follows the peak from stage to stage.

    A stage lasts from its first call to that of another stage, so that what a pipeline does
    between two denoising steps belongs to denoising. What comes before the first stage belongs
    to none, and to the whole.
    """

    def __init__(self, counter: CudaCounter | None) -> None:
        self._counter = counter
        self.restart()

    @classmethod
    def of(cls, device: torch.device) -> "PeakMemory":
        """That of a device; on a CPU nothing is read."""
        return cls(CudaCounter(device) if device.type == "cuda" else None)

    def restart(self) -> None:
        """Begin anew, before any stage."""
        self._stage: Stage | None = None
        self._peaks: dict[Stage | None, Peak] = {}
        if self._counter is not None:
            self._counter.reset()

    def enter(self, stage: Stage) -> None:
        """A part of this stage is about to be called."""
        if stage != self._stage:
            self._note()
            self._stage = stage

    def read(self) -> tuple[Peak | None, dict[Stage, Peak]]:
        """Since the beginning: the peak of the whole, None without a counter, and of each stage."""
        self._note()
        whole: Peak | None = None
        for peak in self._peaks.values():
            whole = peak if whole is None else Peak.highest(whole, peak)
        return whole, {stage: peak for stage, peak in self._peaks.items() if stage is not None}

    def _note(self) -> None:
        if self._counter is None:
            return
        peak = self._counter.read()
        self._counter.reset()
        before = self._peaks.get(self._stage)
        self._peaks[self._stage] = peak if before is None else Peak.highest(before, peak)


def free(device: torch.device) -> None:
    """Give unused device memory back, so that the next clip or model finds it."""
    gc.collect()  # an error and the frames it came through may refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, whoever asked for it."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)
