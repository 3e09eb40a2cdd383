"""Processes that make one clip together: the same frames, errors that are told, no survivors."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import psutil
import pytest
import torch
import torch.distributed as dist
import yaml
from tiny_pipelines import TINY

from bench.clip import read_master
from bench.config import LaunchConfig
from bench.errors import BenchError, ClipError
from bench.generators.base import GeneratorInfo
from bench.generators.team import Team
from bench.prompts import Prompt
from bench.run import job
from bench.run.workers import in_workers

ROUNDING = 2  # of 255: what a sum in another order may change


class Adder:
    """What two processes do together."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()

    def add(self, number: int) -> int:
        total = torch.tensor(number * (self.rank + 1))
        dist.all_reduce(total)
        return int(total)

    def fail(self, rank: int) -> None:
        if self.rank == rank:
            raise ValueError(f"no memory in {rank}")

    def die(self, rank: int) -> None:
        if self.rank == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        self.add(1)


def add_together(folder: Path, number: int, again: bool) -> list[str]:
    (folder / str(os.getpid())).touch()
    with Team(torch.device("cpu")) as team:
        adder = Adder()
        if team.rank > 0:
            team.follow(adder)
            return ["of a follower"]
        lines = [f"{number} {again} {team.size} {team.call(adder, 'add', 5)}"]
        for rank, kind in ((0, ValueError), (1, ClipError)):
            with pytest.raises(kind, match=f"no memory in {rank}"):
                team.call(adder, "fail", rank)
        if not again:
            team.call(adder, "die", 1)
        return [*lines, f"{team.call(adder, 'add', 7)}"]


def refuse_together(_: int, __: bool) -> list[str]:
    with Team(torch.device("cpu")) as team:
        if team.rank == 0:
            raise BenchError("no weights here")
        team.follow(Adder())
    return []


@pytest.mark.slow
def test_a_team_outlives_errors_and_starts_again_after_a_death(tmp_path: Path) -> None:
    lines = in_workers(partial(add_together, tmp_path), 1, (), 1, processes_each=2)
    assert lines == ["0 True 2 15", "21"]
    assert len(list(tmp_path.iterdir())) == 4
    assert not any(psutil.pid_exists(int(path.name)) for path in tmp_path.iterdir())
    with pytest.raises(BenchError, match="no weights here"):
        in_workers(refuse_together, 1, (), 0, processes_each=2)


def start(folder: Path, tiny: Path, *arguments: str) -> subprocess.Popen[str]:
    (folder / "mine" / "model").mkdir(parents=True, exist_ok=True)
    model = {"defaults": ["diffusers", "_self_"], **TINY["wan"].arguments(str(tiny))}
    (folder / "mine" / "model" / "tiny.yaml").write_text(yaml.safe_dump(model))
    (folder / "one.jsonl").write_text('{"id": "one", "text": "a cat walks past a fence"}\n')
    command = [sys.executable, "-m", "bench", "--config-dir=mine", "model=tiny", "warmup=0"]
    command += ["suite.prompts=one.jsonl", "suite.name=one", "suite.seeds=[0,1]", "device=cpu"]
    return subprocess.Popen(
        [*command, "stages=[generate]", *arguments],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def frames(folder: Path, clip: dict[str, Any]) -> np.ndarray[Any, Any]:
    path = folder / "clips" / "one" / f"{clip['seed']}.mkv"
    return read_master(path, frames=clip["frames"], sha256=clip["frames_sha256"]).frames


@pytest.mark.slow
def test_two_processes_make_the_frames_of_one_and_are_counted(
    tmp_path: Path, tiny: Callable[[str], Path]
) -> None:
    for arguments in ((), ("model.options.parallel={ulysses: 2}",)):
        command = start(tmp_path, tiny("wan"), *arguments)
        output, _ = command.communicate(timeout=300)
        assert command.returncode == 0, output
    folders = [tmp_path / "outputs" / "one" / name for name in ("tiny", "tiny-ulysses-2")]
    alone, both = (json.loads((folder / "result.json").read_text()) for folder in folders)
    assert (alone["hardware"]["gpus"], both["hardware"]["gpus"]) == (1, 2)
    for clips in zip(alone["clips"], both["clips"], strict=True):
        one, other = (frames(*pair).astype(int) for pair in zip(folders, clips, strict=True))
        assert one.std() > 1
        assert np.abs(one - other).max() <= ROUNDING


@pytest.mark.slow
def test_a_team_that_is_stopped_leaves_nobody(tmp_path: Path, tiny: Callable[[str], Path]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    endless = ("model.options.parallel={ulysses: 2}", "model.call.num_inference_steps=100000")
    command = start(tmp_path, tiny("wan"), *endless)
    family: list[psutil.Process] = []
    try:
        while not list(tmp_path.rglob("*.tries")):
            assert command.poll() is None, command.communicate()[0]
            time.sleep(0.1)
        family = psutil.Process(command.pid).children(recursive=True)
        commands = [" ".join(each.cmdline()) for each in family]
        # The team, and the worker that has started it, a fork of what imports for all workers.
        assert sum("spawn_main" in command for command in commands) == 2
        assert sum("forkserver" in command for command in commands) == 2
        command.send_signal(signal.SIGINT)
        output, _ = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, output
    assert "Traceback" not in output
    assert not psutil.wait_procs(family, timeout=20)[1]


@pytest.mark.parametrize(
    ("pipeline", "options", "expected"),
    [
        ("cogvideox", {"parallel": {"ulysses": 2}}, "no plan to split the transformer, CogVideoX"),
        ("wan", {"parallel": {"ulysses": 3}}, "expected ulysses to divide the 2 heads"),
        ("wan", {"parallel": {"ring": 2}}, "add model.options.attention=_native_cudnn"),
        ("wan", {"parallel": {"tensor": 2}}, "GPUs by ulysses and ring"),
        ("wan", {"parallel": {"ulysses": 1}}, "GPUs by ulysses and ring"),
        ("wan", {"parallel": {"ulysses": 2}, "compile": "blocks"}, "does not go with parallel"),
        (
            "wan",
            {"parallel": {"ulysses": 2}, "cache": {"class": "FirstBlockCacheConfig"}},
            "of its own tokens alone",
        ),
    ],
)
def test_what_cannot_be_split_is_refused_before_it_is_loaded(
    tiny: Callable[[str], Path], pipeline: str, options: dict[str, Any], expected: str
) -> None:
    folder = tiny(pipeline)
    with pytest.raises(BenchError, match=expected):
        TINY[pipeline].generator(folder, options=options).check([Prompt("p", "a cat")])


def test_a_row_says_how_it_was_split(tiny: Callable[[str], Path]) -> None:
    options = {"parallel": {"ulysses": 2, "ring": 2}}
    info = TINY["wan"].generator(tiny("wan"), options=options).info
    assert info.variant == "ulysses-2-ring-2"
    assert (info.gpus, info.processes) == (4, 4)


def test_the_page_names_the_networks_that_diffusers_splits() -> None:
    kinds = [getattr(diffusers, name) for name in dir(diffusers) if "Transformer" in name]
    video = [kind for kind in kinds if re.search("3D|Video", kind.__name__)]
    split = {kind.__name__ for kind in video if getattr(kind, "_cp_plan", None)}
    assert split == {
        "WanTransformer3DModel",
        "LTXVideoTransformer3DModel",
        "LTX2VideoTransformer3DModel",
        "HeliosTransformer3DModel",
        "MiniMaxH3Transformer3DModel",
        "ChronoEditTransformer3DModel",
    }
    assert not any(getattr(kind, "_tp_plan", None) for kind in video)


def test_more_gpus_than_there_are_is_a_mistake_of_one_line() -> None:
    four, config = (
        GeneratorInfo(gpus=4, processes=4),
        SimpleNamespace(launch=LaunchConfig(workers="auto", jobs=1, job=0)),
    )
    with pytest.raises(BenchError, match="asks for 4 GPUs, this job sees 2"):
        job._makers(config, ["0", "1"], four)  # type: ignore[arg-type]
    eight = [str(number) for number in range(8)]
    assert job._makers(config, eight, four) == 2  # type: ignore[arg-type]
    assert job._makers(config, [], four) == 1  # type: ignore[arg-type]
