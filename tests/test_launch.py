"""Many processes on one folder, by every launcher: all is done once, as one process does it."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# A model that costs nothing, and what may befall its clips.
MODEL = """
import os, time
from dataclasses import dataclass
from pathlib import Path
from bench.generators.base import GeneratorInfo
from bench.generators.toy.generator import ToyGenerator

@dataclass(eq=False)
class Odd(ToyGenerator):
    info = GeneratorInfo(non_semantic=frozenset({"diary", "odd"}))
    diary: str = ""
    odd: str = ""

    def generate(self, prompt, seed):
        with open(self.diary, "a") as diary:
            print(os.getpid(), prompt.id, seed, flush=True, file=diary)
        if seed == 0 and prompt.id in self.odd:
            if prompt.id == "poison":
                os._exit(9)
            if prompt.id == "unlucky" and not (mark := Path(self.diary + ".mark")).exists():
                mark.touch()
                os._exit(9)
            if prompt.id == "endless":
                time.sleep(600)
        return super().generate(prompt, seed)
"""
ODD = """
_target_: mine.Odd
height: 64
width: 64
diary: {diary}
odd: ""
"""
PROMPT = "a red ball rolls from left to right over a wooden floor"
IDS = ("one", "poison", "two", "unlucky", "endless", "three")
METRICS = """
compute: {warp_mae: bench.metrics.consistency.warp_mae, dynamics: bench.metrics.motion.dynamics}
backbones: {flow: {_target_: bench.vision.flow.DisFlow, preset: fast}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model, a suite and metrics that cost little."""
    return furnish(tmp_path)


def furnish(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODEL)
    odd = ODD.format(diary=tmp_path / "diary")
    for group, name, text in (("model", "odd", odd), ("metrics", "little", METRICS)):
        (tmp_path / "conf" / group).mkdir(parents=True)
        (tmp_path / "conf" / group / f"{name}.yaml").write_text(text)
    lines = [{"id": name, "text": PROMPT} for name in IDS]
    (tmp_path / "six.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "--allow-code", "model=odd"]
    command += [
        f"--config-dir={place / 'conf'}",
        "metrics=little",
        "text=none",
        f"suite.prompts={place / 'six.jsonl'}",
        "suite.name=six",
    ]
    command += ["suite.seeds=[0,1]", "stages=[generate,score]", "warmup=0", *arguments]
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command,
        cwd=place,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def bench(place: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `python -m bench ARGUMENTS`."""
    process = start(place, *arguments)
    try:
        output, _ = process.communicate(timeout=600)
    finally:
        process.kill()
    return process.returncode, output


def clips(place: Path, out: str) -> dict[tuple[str, int], dict[str, Any]]:
    """What must be the same whoever made it, by prompt and seed."""
    result = json.loads((place / out / "six" / "odd" / "result.json").read_text())
    timing = ("latency_s", "warm")
    return {
        (clip["prompt"], clip["seed"]): {k: v for k, v in clip.items() if k not in timing}
        for clip in result["clips"]
    }


def made(place: Path) -> Counter[str]:
    """How often each clip was begun."""
    lines = (place / "diary").read_text().splitlines()
    return Counter(line.partition(" ")[2] for line in lines)


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".tries", ".lock")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], dict[str, Any]]:
    """What one process makes of the suite."""
    place = furnish(tmp_path_factory.mktemp("alone"))
    code, output = bench(place)
    assert code == 0, output
    return clips(place, "outputs")


def test_workers_do_what_one_process_does_and_outlive_deaths_and_hangs(
    place: Path, alone: dict[tuple[str, int], dict[str, Any]]
) -> None:
    both = ("launch=gpus", "launch.workers=2", "score.workers=2")
    code, output = bench(place, *both, "out=two", "device=cpu")
    assert code == 0, output
    assert clips(place, "two") == alone
    assert output.count("odd on suite six, 12 clips: 12 to make, ") == 1
    assert "odd: generate: 12/12, " in (place / "two" / "six" / "odd" / "bench.log").read_text()
    assert set(made(place).values()) == {1}
    assert not left_over(place / "two")

    (place / "diary").unlink()
    limits = ("max_tries=2", "timeout_s=20", "model.odd=poison_unlucky_endless")
    code, output = bench(place, *both, *limits, "out=odd")
    assert code == 1, output
    assert "poison, seed 0: crashed: the process died 2 times" in output
    odd = clips(place, "odd")
    assert {name for name, clip in odd.items() if clip != alone[name]} == {
        ("poison", 0),
        ("endless", 0),
    }
    assert odd["poison", 0]["status"] == "crashed"
    assert odd["endless", 0]["error"] == "took longer than timeout_s=20"
    often = {name: times for name, times in made(place).items() if times > 1}
    assert often == {"poison 0": 2, "unlucky 0": 2}


def test_two_commands_on_one_folder_share_its_clips(
    place: Path, alone: dict[tuple[str, int], dict[str, Any]]
) -> None:
    commands = [start(place, "out=both") for _ in range(2)]
    outputs = [command.communicate(timeout=600)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    assert set(made(place).values()) == {1}
    assert clips(place, "both") == alone


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_leaves_nobody_and_no_blame(
    place: Path, sent: signal.Signals
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    command = start(place, "launch=gpus", "launch.workers=2", "model.odd=endless")
    diary = place / "diary"
    try:
        while not diary.exists() or "endless" not in diary.read_text():
            assert command.poll() is None, command.communicate()[0]
            time.sleep(0.1)
        command.send_signal(sent)
        output, _ = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, output
    assert "Traceback" not in output
    for line in diary.read_text().splitlines():
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.split()[0]), 0)
    assert not list((place / "outputs").rglob("*.tries"))


def test_jobs_of_slurm_on_this_machine(
    place: Path, alone: dict[tuple[str, int], dict[str, Any]]
) -> None:
    if importlib.util.find_spec("submitit") is None:
        pytest.skip("needs the extra: pip install 'steadybench[slurm]'")
    stages = "stages=[generate,score,publish]"
    code, output = bench(place, "launch=slurm_local", "launch.jobs=2", stages)
    assert code == 0, output
    assert "leaderboard: outputs/leaderboard/README.md" in output
    assert clips(place, "outputs") == alone
    assert set(made(place).values()) == {1}
    assert "odd" in (place / "outputs/leaderboard/README.md").read_text()
    # A job that dies is not started again: the other one does what it has left.
    (place / "diary").unlink()
    odd = ("launch=slurm_local", "launch.jobs=2", "model.odd=unlucky", "out=odd")
    code, output = bench(place, *odd)
    assert code == 2, output
    assert clips(place, "odd") == alone


def test_jobs_of_a_ray_cluster(place: Path, alone: dict[tuple[str, int], dict[str, Any]]) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra: pip install 'steadybench[ray]'")
    two = ("launch=ray", "launch.jobs=2", "+hydra.launcher.ray.init.num_gpus=2")
    code, output = bench(place, *two, f"out={place / 'ray'}", "device=cpu")
    assert code == 0, output
    assert clips(place, "ray") == alone
    assert set(made(place).values()) == {1}
