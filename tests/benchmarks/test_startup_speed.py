"""Processor time before a command answers, as ratios to imports that it cannot do without."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.storage import PACKAGE

pytestmark = pytest.mark.benchmark

ROUNDS = 3
LEAST = ["-c", "import numpy, hydra"]
TORCH = ["-c", "import torch"]

MOST_OF_LEAST = 4.0  # about a second where numpy and hydra take a quarter
MOST_OF_TORCH = 1.5


def cpu_s(folder: Path, arguments: list[str]) -> float:
    """Of a new interpreter and what it starts."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, **quiet)  # type: ignore[call-overload]
    usage = os.wait4(process.pid, 0)[2]
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def ratio(folder: Path, arguments: list[str], to: list[str]) -> float:
    """Median over interleaved rounds, so that a busy machine disturbs both alike."""
    return float(np.median([cpu_s(folder, arguments) / cpu_s(folder, to) for _ in range(ROUNDS)]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["run", "--help"],
        ["compare", "--help"],
        ["metrics"],
    ],
    ids=" ".join,
)
def test_help_and_lists_cost_little(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cpu_s(tmp_path, ["-m", "bench", *arguments])  # compiled, and in the machine's cache
    measured = ratio(tmp_path, ["-m", "bench", *arguments], LEAST)
    with capsys.disabled():
        sys.stdout.write(f"\n{' '.join(arguments)} / import numpy, hydra: {measured:.2f}\n")
    assert measured <= MOST_OF_LEAST


def test_a_run_begins_soon_after_torch_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is to score clips which are not there ends where work would begin."""
    arguments = ["-m", "bench", "stages=[score]"]
    cpu_s(tmp_path, arguments)
    measured = ratio(tmp_path, arguments, TORCH)
    with capsys.disabled():
        sys.stdout.write(f"\na toy run before its first clip / import torch: {measured:.2f}\n")
    assert measured <= MOST_OF_TORCH
