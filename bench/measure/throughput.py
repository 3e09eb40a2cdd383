"""Time and memory of one generation, between two synchronised moments."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What one generation took.

    Attributes:
        latency_s: wall-clock seconds, kernels finished at both ends.
        peak_memory_allocated_bytes: most memory in use at once on the device; None off CUDA.
        peak_memory_reserved_bytes: most memory held by the allocator; None off CUDA.
    """

    latency_s: float
    peak_memory_allocated_bytes: int | None
    peak_memory_reserved_bytes: int | None


def measure(
    work: Callable[[], T],
    device: torch.device,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[T, Measured]:
    """Do the work and say what it took.

    CUDA answers before its kernels are done, so the device is synchronised at both ends of the
    window; peak memory is reset before it.
    """
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    start = clock()
    made = work()
    if on_cuda:
        torch.cuda.synchronize(device)
    latency_s = clock() - start
    return made, Measured(
        latency_s,
        torch.cuda.max_memory_allocated(device) if on_cuda else None,
        torch.cuda.max_memory_reserved(device) if on_cuda else None,
    )


def free(device: torch.device) -> None:
    """Give unused device memory back, so that the next clip or model finds it."""
    gc.collect()  # an error and the frames it came through may refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()
