"""Many processes on one folder, by every launcher: all is done once, as one process does it."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
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

    def source(self, prompt, seed):
        with open(self.diary + ".looks", "a") as looks:
            print(prompt.id, seed, file=looks)
        return super().source(prompt, seed)

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

class Stuck(Odd):
    def __enter__(self):
        with open(self.diary, "a") as diary:
            print(os.getpid(), "stuck", flush=True, file=diary)
        time.sleep(600)
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
    stuck = odd.replace("Odd", "Stuck")
    files = (("model", "odd", odd), ("model", "stuck", stuck), ("metrics", "little", METRICS))
    for group, name, text in files:
        (tmp_path / "conf" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / group / f"{name}.yaml").write_text(text)
    lines = [{"id": name, "text": PROMPT} for name in IDS]
    (tmp_path / "six.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def start(
    place: Path, *arguments: str, program: Sequence[str] = ("-m", "bench")
) -> subprocess.Popen[str]:
    command = [sys.executable, *program, f"--config-dir={place / 'conf'}", "model=odd"]
    command += ["--allow-code", "metrics=little", "text=none", "suite.name=six", "warmup=0"]
    command += [f"suite.prompts={place / 'six.jsonl'}", "suite.seeds=[0,1]"]
    command += ["stages=[generate,score]"]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    # As many threads as a user has, who says nothing about them.
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return subprocess.Popen(
        [*command, *arguments],
        cwd=place,
        env=env | {"PYTHONPATH": _path(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _path(place: Path) -> str:
    return os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])


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


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of this machine with two GPUs, as it is told."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as scratch:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += ["--num-gpus=2", "--num-cpus=2", "--port=0", f"--temp-dir={scratch}"]
        command += ["--object-store-memory=100000000", "--include-dashboard=false"]
        with subprocess.Popen(
            [*command, "--disable-usage-stats"],
            env=os.environ | {"RAY_agent_register_timeout_ms": "120000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as head:
            assert head.stdout is not None
            lines = []
            for line in head.stdout:
                lines.append(line)
                if found := re.search(r"--address='([\d.]+:\d+)'", line):
                    break
            else:
                raise AssertionError("".join(lines))
            family = psutil.Process(head.pid).children(recursive=True)
            threading.Thread(target=head.stdout.read, daemon=True).start()
            yield found[1]
            head.terminate()
            _, left = psutil.wait_procs(family, timeout=30)
            for process in left:
                process.kill()


@pytest.fixture(params=["gpus", "slurm_local", "ray"])
def launcher(
    request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    """What to type for two processes on one model, by each of them."""
    if request.param == "gpus":
        return ("launch=gpus", "launch.workers=2", "score.workers=2")
    extra, module = {"slurm_local": ("slurm", "submitit"), "ray": ("ray", "ray")}[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"needs the extra: pip install 'steadybench[{extra}]'")
    two = (f"launch={request.param}", "launch.jobs=2")
    if request.param == "slurm_local":
        return two
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("cluster"))
    code = f"+hydra.launcher.ray.init.runtime_env.env_vars.PYTHONPATH={_path(place)}"
    return (*two, code, f"out={place / 'outputs'}")


Clips = dict[tuple[str, int], dict[str, Any]]


def test_what_several_do_is_what_one_does(
    place: Path, launcher: tuple[str, ...], alone: Clips
) -> None:
    code, output = bench(place, *launcher)
    assert code == 0, output
    assert clips(place, "outputs") == alone
    assert set(made(place).values()) == {1}
    assert not left_over(place / "outputs")


def test_a_death_and_a_clip_that_ends_every_process_cost_no_other_clip(
    place: Path, launcher: tuple[str, ...], alone: Clips
) -> None:
    odd = (*launcher, "max_tries=2", "model.odd=poison_unlucky")
    code, output = bench(place, *odd)
    if "launch=slurm_local" in launcher:  # whose dead jobs nobody starts again but the user
        for _ in range(2):
            assert code == 2, output
            code, output = bench(place, *odd)
    assert code == 1, output
    assert "poison, seed 0: crashed: the process died 2 times" in output
    after = clips(place, "outputs")
    assert {name for name, clip in after.items() if clip != alone[name]} == {("poison", 0)}
    assert after["poison", 0]["status"] == "crashed"
    often = {name: times for name, times in made(place).items() if times > 1}
    assert often == {"poison 0": 2, "unlucky 0": 2}
    assert not left_over(place / "outputs")


def test_ctrl_c_leaves_nobody_and_the_rest_to_the_next_command(
    place: Path, launcher: tuple[str, ...], alone: Clips
) -> None:
    stop(start(place, *launcher, "model.odd=endless"), place, signal.SIGINT, os.killpg)
    code, output = bench(place, *launcher)
    assert code == 0, output
    assert clips(place, "outputs") == alone


def stop(
    command: subprocess.Popen[str],
    place: Path,
    sent: signal.Signals,
    send: Callable[[int, int], None] = os.kill,
) -> str:
    """Send a signal while a clip is under way, see that nobody is left, and what was said.

    A terminal sends it to all that it knows, by `os.killpg`.
    """
    diary = place / "diary"
    try:
        while not diary.exists() or "endless" not in diary.read_text():
            assert command.poll() is None, command.communicate()[0]
            time.sleep(0.1)
        makers = [int(line.split()[0]) for line in diary.read_text().splitlines()]
        family = [psutil.Process(pid) for pid in {*makers} if psutil.pid_exists(pid)]
        send(command.pid, sent)
        output, _ = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, output
    assert not psutil.wait_procs(family, timeout=20)[1]
    return output


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_puts_no_blame_on_its_clip(
    place: Path, sent: signal.Signals
) -> None:
    two = ("launch=gpus", "launch.workers=2", "model.odd=endless")
    assert "Traceback" not in stop(start(place, *two), place, sent)
    assert not list((place / "outputs").rglob("*.tries"))


def test_a_clip_that_hangs_is_ended_by_its_limit(place: Path, alone: Clips) -> None:
    limit = ("launch=gpus", "launch.workers=2", "timeout_s=20", "model.odd=endless", "device=cpu")
    code, output = bench(place, *limit)
    assert code == 1, output
    assert output.count("odd on suite six, 12 clips: 12 to make, ") == 1
    assert "odd: generate: 12/12, " in (place / "outputs/six/odd/bench.log").read_text()
    after = clips(place, "outputs")
    assert {name for name, clip in after.items() if clip != alone[name]} == {("endless", 0)}
    assert after["endless", 0]["error"] == "took longer than timeout_s=20"
    assert set(made(place).values()) == {1}


def test_a_model_whose_loading_hangs_is_left_for_the_next(place: Path) -> None:
    sweep = ("model=stuck,odd", "load_timeout_s=30", "limit=1", "stages=[generate]")
    command = start(place, *sweep, program=("-m", "bench", "-m"))
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 2, output
    assert output.count("steadybench: stuck: loading took longer than load_timeout_s=30: ") == 1
    assert {clip["status"] for clip in clips(place, "outputs").values()} == {"ok"}
    diary = (place / "diary").read_text().splitlines()
    stuck = [int(line.split()[0]) for line in diary if "stuck" in line]
    assert len(stuck) == 1  # it was not tried again
    assert not psutil.pid_exists(stuck[0])


def test_a_second_run_looks_at_each_clip_once(place: Path) -> None:
    two = ("launch=gpus", "launch.workers=2", "device=cpu", "stages=[generate]")
    looks = place / "diary.looks"
    for run in ("first", "second"):
        looks.unlink(missing_ok=True)
        code, output = bench(place, *two)
        assert code == 0, (run, output)
    assert {*Counter(looks.read_text().splitlines()).values()} == {1}
    assert set(made(place).values()) == {1}


def test_two_commands_on_one_folder_share_its_clips(place: Path, alone: Clips) -> None:
    commands = [start(place, "out=both") for _ in range(2)]
    outputs = [command.communicate(timeout=600)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0], outputs
    assert set(made(place).values()) == {1}
    assert clips(place, "both") == alone


def test_jobs_of_another_process_publish_for_themselves(place: Path) -> None:
    pytest.importorskip("submitit", reason="needs the extra: pip install 'steadybench[slurm]'")
    stages = "stages=[generate,score,publish]"
    code, output = bench(place, "launch=slurm_local", "launch.jobs=2", stages)
    assert code == 0, output
    assert "leaderboard: outputs/leaderboard/README.md" in output
    assert "odd" in (place / "outputs/leaderboard/README.md").read_text()


def test_ray_starts_a_cluster_where_none_is_named_and_ends_it(
    place: Path, alone: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra: pip install 'steadybench[ray]'")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # or a token is left in the user's home
    monkeypatch.setenv("RAY_agent_register_timeout_ms", "120000")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    two = ("launch=ray", "launch.jobs=2", "+hydra.launcher.ray.init.num_gpus=2")
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as scratch:
        own = f"+hydra.launcher.ray.init._temp_dir={scratch}"
        code, output = bench(place, *two, own, f"out={place / 'outputs'}")
        assert code == 0, output
        commands = (process.info["cmdline"] or () for process in psutil.process_iter(["cmdline"]))
        assert not any(scratch in argument for command in commands for argument in command)
    assert clips(place, "outputs") == alone


# On a machine without GPUs two are made up, for the parent alone: whatever it asks of them fails.
PARENT = """
import sys
import torch
from bench import cli

if __name__ == "__main__":
    if not torch.cuda.is_available():
        torch.cuda.is_available, torch.cuda.device_count = lambda: True, lambda: 2
    code = cli.main()
    assert not torch.cuda.is_initialized()
    sys.exit(code)
"""


def test_the_parent_of_workers_leaves_the_gpus_to_them(place: Path, alone: Clips) -> None:
    (place / "parent.py").write_text(PARENT)
    command = start(place, "launch=gpus", "score.workers=1", program=[str(place / "parent.py")])
    output, _ = command.communicate(timeout=600)
    assert command.returncode == 0, output
    assert clips(place, "outputs").keys() == alone.keys()
    assert len({line.split()[0] for line in (place / "diary").read_text().splitlines()}) == 2
