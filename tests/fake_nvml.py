# ruff: noqa: N802, N815 - the names are those of NVML
"""NVML as a test sets it: one board, its answers, and what it does not support."""

import os
from types import SimpleNamespace
from typing import Any

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
