import time

import pytest
import torch

from bench.measure.machine import is_broken
from bench.measure.timing import measure


def test_the_clock_is_read_right_before_and_after_the_work() -> None:
    events: list[str] = []
    ticks = iter([100.0, 102.5])

    def clock() -> float:
        events.append("clock")
        return next(ticks)

    product, took = measure(lambda: events.append("work") or "clip", torch.device("cpu"), clock)
    assert product == "clip"
    assert events == ["clock", "work", "clock"]
    assert took.latency_s == 2.5


@pytest.mark.gpu
def test_cuda_kernels_are_inside_the_window_and_memory_is_seen() -> None:
    device = torch.device("cuda")
    x = torch.randn(4096, 4096, device=device)

    def work() -> torch.Tensor:
        y = x
        for _ in range(20):
            y = y @ x
        return y

    measure(work, device)
    start = time.perf_counter()
    _, took = measure(work, device)
    assert took.latency_s > 0.5 * (time.perf_counter() - start)
    assert took.peak is not None
    assert took.peak.allocated_bytes >= x.numel() * 4


def test_a_device_is_broken_if_its_error_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: torch.device) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    assert not is_broken(cuda)
    monkeypatch.setattr(torch.cuda, "synchronize", fail)
    assert is_broken(cuda)
    assert not is_broken(torch.device("cpu"))
