"""Loading that hangs: ended within its time, with a line for the user and nobody left behind."""

import os
import subprocess
import sys
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import psutil
import pytest
import torch

from bench.clip import Clip
from bench.errors import MISTAKE, BenchError
from bench.generators.base import Generator
from bench.prompts import Item, Prompt
from bench.run.generation import Plan, generate
from bench.run.loading import load_limit
from bench.run.workers import in_workers
from bench.storage import RunFolder

ITEM = Item(Prompt(id="one", text="a ball rolls"), 0)
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class Hanging(Generator):
    """Waits for ever, as does a program that it starts."""

    def __init__(self, diary: Path) -> None:
        self.diary = diary

    def __enter__(self) -> Self:
        program = subprocess.Popen(SLEEP, start_new_session=True)
        with self.diary.open("a") as diary:
            diary.write(f"{os.getpid()} {program.pid}\n")
        time.sleep(600)
        return self

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        raise NotImplementedError


def load(folder: Path, *_: object) -> list[str]:
    hanging, run_folder = Hanging(folder / "diary"), RunFolder(folder / "run")
    plan = Plan("hanging", hanging, run_folder, torch.device("cpu"), [ITEM], load_timeout_s=3)
    return generate(plan, [ITEM])


def started(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "diary").read_text().split()]


def nobody_lives(folder: Path) -> bool:
    alive = [psutil.Process(pid) for pid in started(folder) if psutil.pid_exists(pid)]
    return not psutil.wait_procs(alive, timeout=10)[1]


def test_a_worker_whose_loading_hangs_tells_it_and_leaves_nobody(tmp_path: Path) -> None:
    message = r"^hanging: loading took longer than load_timeout_s=3: .*load_timeout_s=null$"
    with pytest.raises(BenchError, match=message):
        in_workers(partial(load, tmp_path), 1, [], 0)
    assert len(started(tmp_path)) == 2  # it was not tried again
    assert nobody_lives(tmp_path)


def test_a_process_of_its_own_says_it_and_ends(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = get_context("spawn").Process(target=load, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == MISTAKE
    lines = [line for line in capfd.readouterr().err.splitlines() if "steadybench:" in line]
    assert len(lines) == 1
    assert lines[0].startswith("steadybench: hanging: loading took longer than load_timeout_s=3: ")
    assert nobody_lives(tmp_path)


def test_what_is_in_time_goes_on() -> None:
    with load_limit("quick", 0.5):
        pass
    time.sleep(1)
