"""Peak memory by stage, with counters that say what the test wants."""

import pytest
import torch

from bench.measure.machine import is_out_of_memory
from bench.measure.stages import Peak, PeakMemory


class Allocator:
    """That of a GPU, whose use a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.peak = Peak(0, 0)
        answers = {
            "reset_peak_memory_stats": self.reset,
            "max_memory_allocated": lambda _: self.peak.allocated_bytes,
            "max_memory_reserved": lambda _: self.peak.reserved_bytes,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, answer)

    def use(self, allocated: int, reserved: int) -> None:
        self.now = Peak(allocated, reserved)
        self.peak = self.peak.with_other(self.now)

    def reset(self, _: torch.device) -> None:
        self.peak = self.now


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> Allocator:
    return Allocator(monkeypatch)


def test_each_stage_has_the_peak_until_another_begins(allocator: Allocator) -> None:
    memory = PeakMemory(torch.device("cuda"))
    allocator.use(900, 900)  # of the clip before
    allocator.use(100, 150)
    memory.restart()
    memory.enter("encode")
    allocator.use(120, 150)
    memory.enter("denoise")
    allocator.use(300, 310)
    allocator.use(100, 310)
    memory.enter("denoise")
    allocator.use(200, 310)
    memory.enter("decode")
    allocator.use(250, 400)
    memory.enter("denoise")  # models that make a clip piece by piece come back
    allocator.use(350, 400)
    whole, stages = memory.read()
    assert whole == Peak(350, 400)
    assert stages == {
        "encode": Peak(120, 150),
        "denoise": Peak(350, 400),
        "decode": Peak(250, 400),
    }


def test_the_whole_counts_what_comes_before_the_first_stage(allocator: Allocator) -> None:
    memory = PeakMemory(torch.device("cuda"))
    allocator.use(500, 600)
    allocator.use(10, 600)
    memory.enter("encode")
    whole, stages = memory.read()
    assert whole == Peak(500, 600)
    assert stages["encode"].allocated_bytes == 10


def test_nothing_is_read_on_a_cpu() -> None:
    memory = PeakMemory(torch.device("cpu"))
    memory.enter("encode")
    assert memory.read() == (None, {})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("Allocation on device"), True),
        (torch.AcceleratorError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), False),
        (ValueError("the word memory is out of memory of this prompt"), False),
    ],
)
def test_memory_that_did_not_suffice_is_told_by_whoever_asked(error: Exception, told: bool) -> None:
    assert is_out_of_memory(error) == told
