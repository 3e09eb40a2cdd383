"""The GPU and its energy, with a driver that says what the test wants."""

# ruff: noqa: N802, N815 - the names are those of NVML
import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.measure import timing
from bench.measure.machine import GpuMonitor
from bench.measure.timing import Measured, measure

GIB = 2**30
UUID = "8f2c"


class NVMLError(Exception):
    """Raised for whatever is set to None."""


class FakeNvml:
    """Stands in for the module pynvml.

    Every attribute is an answer that a test may replace; None is "not supported".
    """

    NVMLError = NVMLError
    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    NVML_DEVICE_MIG_ENABLE = 1
    nvmlClocksEventReasonSwPowerCap = 4
    nvmlClocksEventReasonHwSlowdown = 8
    nvmlClocksEventReasonSwThermalSlowdown = 32
    nvmlClocksEventReasonHwThermalSlowdown = 64
    nvmlClocksEventReasonHwPowerBrakeSlowdown = 128

    def __init__(self) -> None:
        self.there = True
        self.uuids = [f"GPU-{UUID}"]
        self.energy_mj: list[int] | None = [0]  # one after another; the last stays
        self.pids: list[int] | None = [os.getpid()]
        self.used_bytes: int | None = 10 * 2**30
        self.mig: list[int] | None = None
        self.reasons: int | None = 0
        self.clocks: dict[int, int] | None = {1: 1980, 2: 3201}
        self.temperature_c: int | None = 61
        self.limit_mw: int | None = 700_000

    def nvmlInit(self) -> None:
        if not self.there:
            raise NVMLError("NVML Shared Library Not Found")

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.65"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        if uuid not in self.uuids:
            raise NVMLError("Not Found")
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, _: str) -> int:
        readings: list[int] = given(self.energy_mj)
        return readings.pop(0) if len(readings) > 1 else readings[0]

    def nvmlDeviceGetComputeRunningProcesses(self, _: str) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in given(self.pids)]

    def nvmlDeviceGetMemoryInfo(self, _: str) -> Any:
        return SimpleNamespace(used=given(self.used_bytes))

    def nvmlDeviceGetMigMode(self, _: str) -> list[int]:
        mode: list[int] = given(self.mig)
        return mode

    def nvmlDeviceGetCurrentClocksEventReasons(self, _: str) -> int:
        return int(given(self.reasons))

    def nvmlDeviceGetClockInfo(self, _: str, kind: int) -> int:
        return int(given(self.clocks)[kind])

    def nvmlDeviceGetTemperature(self, _: str, kind: int) -> int:  # noqa: ARG002
        return int(given(self.temperature_c))

    def nvmlDeviceGetEnforcedPowerLimit(self, _: str) -> int:
        return int(given(self.limit_mw))


def given(value: Any) -> Any:
    if value is None:
        raise NVMLError("Not Supported")
    return value


@pytest.fixture
def nvml() -> FakeNvml:
    return FakeNvml()


def window(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, latency_s: float = 10.0, gpus: int = 1
) -> Measured:
    """One generation of so many seconds, on a board that has this driver."""
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    ticks = iter([100.0, 100.0 + latency_s])
    device = torch.device("cpu")  # nothing to synchronise with
    monitor = GpuMonitor(UUID, nvml)
    _, took = measure(lambda: "clip", device, lambda: next(ticks), gpu=monitor, gpus=gpus)
    return took


def test_joules_are_the_difference_of_the_counter(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.energy_mj = [5_000_000, 11_500_000]
    took = window(nvml, monkeypatch)
    assert took.energy_j == 6500.0
    assert took.latency_s == 10.0
    assert "energy_j" not in took.unmeasured
    assert took.facts["energy_j"] == 6500.0


def test_the_counter_is_read_outside_the_window(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr(
        nvml, "nvmlDeviceGetTotalEnergyConsumption", lambda _: events.append("energy") or 0
    )
    measure(
        lambda: events.append("work"),
        torch.device("cpu"),
        lambda: float(events.append("clock") or 0),
        gpu=GpuMonitor(UUID, nvml),
    )
    assert events == ["energy", "clock", "work", "clock", "energy"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"energy_mj": [9_000_000, 4_000]}, "went backwards"),
        ({"energy_mj": None}, "no energy counter"),
        ({"mig": [1, 1]}, "MIG"),
        ({"uuids": [f"MIG-{UUID}"]}, "MIG"),
        ({"uuids": []}, "NVML cannot be read: Not Found"),
        ({"there": False}, "NVML cannot be read"),
        ({"pids": [os.getpid(), 4242]}, "another process was on the GPU"),
        ({"pids": [4242, 4243]}, "another process was on the GPU"),
        ({"pids": [], "used_bytes": 40 * GIB}, "another process was on the GPU"),
        ({"pids": None, "used_bytes": None}, "cannot be told"),
    ],
)
def test_energy_that_cannot_be_trusted_is_null_with_the_reason(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object], expected: str
) -> None:
    nvml.energy_mj = [0, 1_000_000]
    for name, value in fault.items():
        setattr(nvml, name, value)
    took = window(nvml, monkeypatch)
    assert took.energy_j is None
    assert expected in took.unmeasured["energy_j"]


def test_a_window_below_two_seconds_has_no_energy(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvml.energy_mj = [0, 1_000_000]
    assert window(nvml, monkeypatch, latency_s=1.99).unmeasured["energy_j"].startswith("shorter")
    nvml.energy_mj = [0, 1_000_000]
    assert window(nvml, monkeypatch, latency_s=2.0).energy_j == 1000.0


@pytest.mark.parametrize(
    ("pids", "used_gib", "expected"),
    [
        ([os.getpid()], 100, True),
        ([4242], 100, True),  # this process under its number outside of the container
        ([os.getpid(), os.getpid()], 100, True),  # one process with two contexts
        ([os.getpid(), 4242], 10, False),
        ([4242, 4243], 10, False),
        ([], 11, True),  # of which 10 are this process's own
        ([], 13, False),
        (None, 11, True),
        (None, None, None),
    ],
)
def test_whether_anybody_else_is_on_the_gpu(
    nvml: FakeNvml, pids: list[int] | None, used_gib: int | None, expected: bool | None
) -> None:
    nvml.pids = pids
    nvml.used_bytes = None if used_gib is None else used_gib * GIB
    assert GpuMonitor(UUID, nvml).alone(10 * GIB) is expected


def test_who_computes_on_the_next_board_is_no_company_on_this_one() -> None:
    class TwoBoards(FakeNvml):
        def nvmlDeviceGetComputeRunningProcesses(self, board: str) -> list[Any]:
            self.pids = [os.getpid()] if board == f"GPU-{UUID}" else [4242, 4243]
            return super().nvmlDeviceGetComputeRunningProcesses(board)

    nvml = TwoBoards()
    nvml.uuids.append("GPU-next")
    assert GpuMonitor(UUID, nvml).alone(0)
    assert not GpuMonitor("next", nvml).alone(0)


def test_energy_of_several_gpus_is_not_that_of_the_first(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    took = window(nvml, monkeypatch, gpus=4)
    assert took.energy_j is None
    assert "4 GPUs" in took.unmeasured["energy_j"]


def test_somebody_who_came_during_the_clip_was_there(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)

    def work() -> None:
        nvml.pids = [os.getpid(), 4242]

    _, took = measure(work, torch.device("cpu"), gpu=GpuMonitor(UUID, nvml))
    assert took.gpu is not None
    assert took.gpu.alone is False


def test_the_state_of_the_gpu_is_read_back(nvml: FakeNvml) -> None:
    nvml.reasons = 4 | 64
    state = GpuMonitor(UUID, nvml).state(alone=True)
    assert state.json_values == {
        "alone": True,
        "slowed_by": ("power_cap", "far_too_hot"),
        "sm_clock_mhz": 1980,
        "memory_clock_mhz": 3201,
        "temperature_c": 61,
        "power_limit_w": 700.0,
    }


def test_what_the_driver_does_not_tell_is_null(nvml: FakeNvml) -> None:
    nvml.reasons = nvml.clocks = nvml.temperature_c = nvml.limit_mw = None
    assert set(GpuMonitor(UUID, nvml).state(alone=None).json_values.values()) == {None}
    nvml.there = False
    absent = GpuMonitor(UUID, nvml)
    assert absent.driver is None
    assert set(absent.state(alone=None).json_values.values()) == {None}


def test_without_a_gpu_nothing_asks_for_one() -> None:
    assert GpuMonitor.of(torch.device("cpu")) is None
    _, took = measure(lambda: None, torch.device("cpu"))
    assert took.facts["gpu"] is None
    assert took.peak is None
    assert took.unmeasured["peak_memory_allocated_bytes"] == "no CUDA device"
    assert took.unmeasured["energy_j"] == "no CUDA device"
    assert took.unmeasured["stages"] == timing.NO_PIPELINE
