"""The machine: its GPU as the driver tells of it, and versions."""

import gc
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import psutil
import pynvml
import torch

from bench.errors import BenchError
from bench.measure.commit import own_commit
from bench.schema import Environment, Gpu, GpuState, software_name
from bench.storage import PACKAGE

_PACKAGES = (
    "steadybench",
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "accelerate",
    "lpips",
    "open-clip-torch",
    "opencv-python-headless",
    "av",
    "numpy",
)

# Reasons for a lower clock that have to do with power and heat, and what they are called here.
_REASONS = {
    "nvmlClocksEventReasonSwPowerCap": "power_cap",
    "nvmlClocksEventReasonSwThermalSlowdown": "too_hot",
    "nvmlClocksEventReasonHwThermalSlowdown": "far_too_hot",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "power_brake",
    "nvmlClocksEventReasonHwSlowdown": "hardware_slowdown",
}

# Libraries that allocate for themselves raise a RuntimeError of another kind: cuBLAS, cuDNN, the
# driver, and the CPU's allocator.
_OUT_OF_MEMORY = ("out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")


# Where the driver lists no process, memory tells: what a lone process holds beside its tensors
# (the CUDA context, kernels, work space of libraries) is well below this.
_OWN_CONTEXT_BYTES = 2 * 2**30


def resolve_device(name: str) -> torch.device:
    """The device a run uses: `auto` is the first GPU, or the CPU where there is none."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # torch knows more devices, which nothing here is timed or measured on.
    if not isinstance(name, str) or not re.fullmatch(r"cpu|cuda(:(0|[1-9][0-9]?))?", name):
        raise BenchError(
            f"expected device=auto, cpu, cuda or cuda:N, got {name!r}: type device=auto"
        )
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BenchError(
            f"device={name}: this machine has {torch.cuda.device_count()} CUDA devices; "
            "type device=auto to use what is there"
        )
    return device


def gpus_of(device: torch.device) -> list[str]:
    """The GPUs that a device allows, all or one, as `CUDA_VISIBLE_DEVICES` names them."""
    if device.type == "cpu":
        return []
    count = torch.cuda.device_count()  # leaves no trace on a GPU, unlike most questions
    visible_devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = (
        visible_devices.split(",")[:count]
        if visible_devices
        else [str(index) for index in range(count)]
    )
    return gpus if device.index is None else [gpus[device.index]]


def gpu_uuid(device: torch.device) -> str | None:
    """What tells a GPU from every other; None on a CPU."""
    if device.type != "cuda":
        return None
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def device_name(device: torch.device) -> str:
    """What throughput is grouped by: the GPU's name, or `cpu`."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device.type


def software(device: torch.device) -> str:
    """The versions of this process that speed on a device depends on most."""
    return software_name(torch.__version__, torch.version.cuda if device.type == "cuda" else None)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one core: with the number of threads the order of sums changes, and last bits."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def main_memory_bytes() -> int:
    """Main memory that this process may still take: of the machine, or of its container."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        most = int((group / "memory.max").read_text("utf-8"))
        used = int((group / "memory.current").read_text("utf-8"))
        stat = dict(line.split() for line in (group / "memory.stat").open(encoding="utf-8"))
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, most - used + int(stat["file"]))  # cached files make room when asked


def environment(device: torch.device) -> Environment:
    """Everything about this machine that can change output or speed."""
    commit, dirty = own_commit(PACKAGE)
    on_cuda = device.type == "cuda"
    return Environment(
        device=device_name(device),
        gpu=_gpu(device) if on_cuda else None,
        cpu=_cpu(),
        cpu_threads=torch.get_num_threads(),
        platform=platform.platform(),
        python=platform.python_version(),
        versions={name: _version(name) for name in _PACKAGES},
        cuda=torch.version.cuda if on_cuda else None,
        tf32_matmul=torch.backends.cuda.matmul.allow_tf32 if on_cuda else None,
        commit=commit,
        dirty=dirty,
    )


class GpuMonitor:
    """Asks NVML about the GPU that torch computes on; None is what the driver does not tell.

    `CUDA_VISIBLE_DEVICES` renumbers torch's devices and not NVML's, so an index would find
    another one: its UUID, as torch says it, is looked for.
    """

    def __init__(self, uuid: str, nvml: Any = pynvml) -> None:  # noqa: ANN401 - a module or a stub
        self._nvml = nvml
        self._handle: Any = None
        self.missing: str | None = None  # why there is no handle
        self.mig = False
        try:
            nvml.nvmlInit()
            self._handle = self._find(uuid)
        except nvml.NVMLError as error:
            self.missing = f"NVML cannot be read: {error}"

    @classmethod
    def of(cls, device: torch.device) -> "GpuMonitor | None":
        """That of a CUDA device; None for any other."""
        if device.type != "cuda":
            return None
        return cls(str(torch.cuda.get_device_properties(device).uuid))

    @property
    def driver(self) -> str | None:
        """Version of the driver."""
        value = None if self._handle is None else self._ask(self._nvml.nvmlSystemGetDriverVersion)
        return None if value is None else str(value)

    @property
    def power_limit_w(self) -> float | None:
        """Watts at which the GPU is capped now."""
        limit_mw = self._get("nvmlDeviceGetEnforcedPowerLimit")
        return None if limit_mw is None else limit_mw / 1e3

    @property
    def energy_mj(self) -> int | None:
        """Millijoules drawn since the driver was loaded."""
        value = self._get("nvmlDeviceGetTotalEnergyConsumption")
        return None if value is None else int(value)

    def alone(self, own_reserved_bytes: int) -> bool | None:
        """Whether no other process computes on this GPU.

        In a container the driver may list this process under its number outside, or nobody at
        all. One process that is listed must then be this one, which is there for certain. If
        none is listed, memory that this process's allocator does not hold tells.
        """
        listed = self._get("nvmlDeviceGetComputeRunningProcesses")
        if listed:
            others = {process.pid for process in listed} - {os.getpid()}
            return not others or len(listed) == 1
        memory = self._get("nvmlDeviceGetMemoryInfo")
        if memory is None:
            return None
        return bool(memory.used - own_reserved_bytes < _OWN_CONTEXT_BYTES)

    def state(self, *, alone: bool | None) -> GpuState:
        """The GPU now; `alone` is what was said at both ends of the clip."""
        nvml = self._nvml
        bits = self._get("nvmlDeviceGetCurrentClocksEventReasons")
        slowed_by = None
        if bits is not None:
            slowed_by = tuple(word for name, word in _REASONS.items() if bits & getattr(nvml, name))
        return GpuState(
            alone=alone,
            slowed_by=slowed_by,
            sm_clock_mhz=self._get("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            memory_clock_mhz=self._get("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            temperature_c=self._get("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU),
            power_limit_w=self.power_limit_w,
        )

    def _find(self, uuid: str) -> Any:  # noqa: ANN401 - a handle
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        except nvml.NVMLError:
            # A slice of a GPU has a UUID of its own; its counters are those of the whole.
            handle = nvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")
            self.mig = True
            return handle
        mode = self._ask(nvml.nvmlDeviceGetMigMode, handle)
        self.mig = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
        return handle

    def _get(self, name: str, *arguments: Any) -> Any:  # noqa: ANN401 - whatever NVML answers
        if self._handle is None:
            return None
        return self._ask(getattr(self._nvml, name), self._handle, *arguments)

    def _ask(self, question: Any, *arguments: Any) -> Any:  # noqa: ANN401 - whatever NVML answers
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None


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


def free(device: torch.device) -> None:
    """Give unused device memory back, so that the next clip or model finds it."""
    gc.collect()  # an error and the frames it came through may refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, whoever asked for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _OUT_OF_MEMORY)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu(device: torch.device) -> Gpu:
    properties = torch.cuda.get_device_properties(device)
    monitor = GpuMonitor.of(device)
    return Gpu(
        name=properties.name,
        memory_bytes=properties.total_memory,
        uuid=gpu_uuid(device),
        driver=monitor.driver if monitor else None,
        power_limit_w=monitor.power_limit_w if monitor else None,
    )
