"""Provenance: the machine, the versions and the commit that a result was made with."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from bench.errors import BenchError
from bench.measure.gpu import GpuMonitor
from bench.schema import Environment, Gpu, software_name
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


def device_name(device: torch.device) -> str:
    """What throughput is grouped by: the GPU's name, or `cpu`."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device.type


def software(device: torch.device) -> str:
    """The versions of this process that speed on a device depends on most."""
    return software_name(torch.__version__, torch.version.cuda if device.type == "cuda" else None)


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


def own_commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit this package was run from, and whether files were changed since.

    A package installed into an environment that happens to lie inside somebody's repository
    must not report that repository's commit: the file at hand has to be tracked there. Outside a
    checkout of its own, (None, None).
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:  # a repository before its first commit
        return None, None
    changed = _git(package, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changed is None else bool(changed)


def _git(folder: Path, *arguments: str) -> str | None:
    # GIT_DIR and its kin, set inside a git hook, would point at another repository.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=clean,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


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
        uuid=f"GPU-{properties.uuid}",
        driver=monitor.driver if monitor else None,
        power_limit_w=monitor.power_limit_w if monitor else None,
    )
