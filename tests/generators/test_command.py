"""The command generator, driven by a small program of the tests' own."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip, write_master
from bench.errors import BenchError, ClipError
from bench.generators.base import Undelivered
from bench.generators.command import CommandGenerator
from bench.prompts import Prompt

# Copies a video to where it is told to; the prompt says what goes wrong.
PROGRAM = """
import json, os, pathlib, shutil, subprocess, sys, time
prompt, seed, out, config = sys.argv[1:]
seen = {"argv": sys.argv[1:], "variable": os.environ.get("VARIABLE"), "cwd": os.getcwd()}
seen["config"] = pathlib.Path(config).read_text() if config != "none" else None
pathlib.Path("seen.json").write_text(json.dumps(seen))
print("line one", file=sys.stderr)
if "exits" in prompt:
    print("RuntimeError: no weights", file=sys.stderr)
    sys.exit(3)
if "hangs" in prompt:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pathlib.Path("child").write_text(str(child.pid))
    time.sleep(60)
if "leaves a child" in prompt:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pathlib.Path("child").write_text(str(child.pid))
if "nothing" not in prompt:
    shutil.copy("made.mkv", pathlib.Path(out, "a.mkv"))
if "two" in prompt:
    shutil.copy("made.mkv", pathlib.Path(out, "b.mkv"))
if "damaged" in prompt:
    pathlib.Path(out, "a.mkv").write_text("no video")
"""

FRAMES = moving_texture(4, 32)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    write_master(Clip(FRAMES, 8), tmp_path / "made.mkv")
    return tmp_path


def generator(place: Path, **changes: Any) -> CommandGenerator:
    command = [sys.executable, "program.py", "{prompt}", "{seed}", "{out_dir}", "none"]
    arguments = {"command": command, "workdir": str(place), "output": "{out_dir}/*.mkv"}
    return CommandGenerator(**(arguments | changes))


def seen(place: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((place / "seen.json").read_text())
    return written


def is_gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has reaped counts as ended."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_the_program_is_run_and_its_clip_is_read(place: Path) -> None:
    with generator(place, env={"VARIABLE": "seed {seed}"}) as program:
        clip = program.generate(Prompt("p", "a cat"), 7)
    assert np.array_equal(clip.frames, FRAMES)
    assert seen(place)["variable"] == "seed 7"
    assert seen(place)["cwd"] == str(place)
    assert clip.delivery.basis == "program"
    assert 0 < (clip.delivery.latency_s or 0) < 30
    details = clip.details
    assert details["exit_code"] == 0
    assert details["stderr_tail"] == "line one\n"
    assert details["command"][1:4] == ["program.py", "a cat", "7"]
    assert not Path(seen(place)["argv"][2]).exists()  # {out_dir} is removed


@pytest.mark.parametrize(
    "text", ['"; touch owned; echo "', "$(touch owned)", "a {seed} 'b' \\ ü\n-c"]
)
def test_no_prompt_is_more_than_a_text(place: Path, text: str) -> None:
    command = [sys.executable, "program.py", "{prompt}", "{seed}", "{out_dir}", "{config}"]
    config = {"prompt": "{prompt}", "seeds": ["{seed}"], "name": "run-{id}-{seed}", "size": 512}
    with generator(place, command=command, config=config) as program:
        program.generate(Prompt("p", text), 3)
    assert seen(place)["argv"][0] == text
    rendered = json.loads(seen(place)["config"])
    assert rendered == {"prompt": text, "seeds": [3], "name": "run-p-3", "size": 512}
    assert not (place / "owned").exists()


def test_a_configuration_may_be_a_text_of_any_format(place: Path) -> None:
    command = [sys.executable, "program.py", "{prompt}", "{seed}", "{out_dir}", "{config}"]
    config = "[run]\nseed = {seed}\nshape = {1: 2}\n"
    with generator(place, command=command, config=config, config_name="run.ini") as program:
        program.generate(Prompt("p", "x"), 3)
    assert seen(place)["config"] == "[run]\nseed = 3\nshape = {1: 2}\n"
    assert seen(place)["argv"][3].endswith("run.ini")


def test_an_error_of_the_program_is_one_line_and_its_last_words_are_kept(place: Path) -> None:
    message = r"^the program ended with exit code 3: RuntimeError: no"
    with generator(place) as program, pytest.raises(Undelivered, match=message) as caught:
        program.generate(Prompt("p", "exits"), 0)
    assert caught.value.delivery.latency_s
    assert caught.value.details["exit_code"] == 3
    assert caught.value.details["stderr_tail"] == "line one\nRuntimeError: no weights\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "expected one new file to match .*, there are none; see output"),
        ("two", r"there are 2: a\.mkv, b\.mkv; see output"),
        ("damaged", "cannot be read"),
    ],
)
def test_exactly_one_readable_video_must_come(place: Path, text: str, message: str) -> None:
    with generator(place) as program, pytest.raises(ClipError, match=message):
        program.generate(Prompt("p", text), 0)


def test_what_lay_there_before_is_no_answer(place: Path) -> None:
    (place / "samples").mkdir()
    write_master(Clip(FRAMES, 8), place / "samples" / "p.mkv")
    copy = "import shutil, sys; 'make' in sys.argv[1] and shutil.copy('made.mkv', 'samples/p.mkv')"
    command = [sys.executable, "-c", copy, "{prompt}"]
    with generator(place, command=command, output="samples/{id}.mkv") as program:
        with pytest.raises(ClipError, match="there are none"):
            program.generate(Prompt("p", "stay"), 0)
        assert len(program.generate(Prompt("p", "make"), 0).frames) == 4


def test_a_time_out_ends_the_program_and_all_it_started(place: Path) -> None:
    message = r"stopped after 2.5 s \(timeout_s\); the last it said: line one"
    with generator(place, timeout_s=2.5) as program, pytest.raises(Undelivered, match=message) as e:
        program.generate(Prompt("p", "hangs"), 0)
    assert is_gone(int((place / "child").read_text()))
    assert e.value.details["exit_code"] is None


def test_ctrl_c_ends_the_program_and_all_it_started(place: Path) -> None:
    def interrupt(_: int, __: FrameType | None) -> None:
        if (place / "child").exists():
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with generator(place) as program, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the alarm must be set inside
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            program.generate(Prompt("p", "hangs"), 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert is_gone(int((place / "child").read_text()))


def test_what_a_finished_program_leaves_running_is_ended(place: Path) -> None:
    with generator(place) as program:
        program.generate(Prompt("p", "leaves a child"), 0)
    assert is_gone(int((place / "child").read_text()))


def test_prompts_must_bring_the_files_that_the_command_names(place: Path) -> None:
    command = [sys.executable, "program.py", "{driving_video}"]
    with generator(place, command=command) as program:
        program.expect([(Prompt("p", "x", driving_video=place / "made.mkv"), 0)])
        with pytest.raises(BenchError, match=r"prompt 'q' has none: choose a suite .*suite=dance"):
            program.expect([(Prompt("q", "x"), 0)])


def test_a_program_is_told_how_long_its_clip_should_be(place: Path) -> None:
    command = [sys.executable, "program.py", "{prompt}", "{seconds}", "{out_dir}", "{config}"]
    config = {"seconds": "{seconds}"}
    prompt = Prompt("p", "x", seconds=12.5)
    with generator(place, command=command, config=config) as program:
        program.expect([(prompt, 0)])
        program.generate(prompt, 0)
        with pytest.raises(BenchError, match=r"needs \{seconds\} and prompt 'q' .* suite=long"):
            program.expect([(Prompt("q", "x"), 0)])
    seen = json.loads((place / "seen.json").read_text())
    assert seen["argv"][1] == "12.5"
    assert json.loads(seen["config"]) == {"seconds": 12.5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": "python run.py"}, "model.command must be a list of texts"),
        ({"command": []}, "model.command must be a list of texts"),
        ({"command": ["run", "{promt}"]}, "did you mean 'prompt'.*, got '{promt}'"),
        ({"command": ["run", "{config}"]}, "model.config must be what {config} is to hold"),
        ({"config": {"a": 1}}, "model.command must be a list that uses {config}"),
        ({"output": " "}, "model.output must be a glob pattern"),
        ({"timeout_s": 0}, "model.timeout_s must be seconds above 0, got 0"),
        ({"timeout_s": True}, "model.timeout_s must be"),
        ({"config_name": "../x"}, "model.config_name must be a file name"),
        ({"env": ["A=1"]}, "model.env must be keys and values"),
    ],
)
def test_a_wrong_argument_is_named(place: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        generator(place, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workdir": "nowhere"}, "model.workdir must be a folder"),
        ({"command": ["no-such-program"]}, "must be a list that begins with a program"),
        ({"command": ["./program.py"]}, "must be a list that begins with a program"),
    ],
)
def test_what_cannot_be_run_is_said_before_the_first_clip(
    place: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(BenchError, match=message), generator(place, **changes):
        pass


def test_a_relative_program_is_one_of_the_working_folder(place: Path) -> None:
    script = place / "run"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} program.py x 0 $1 none\n")
    script.chmod(0o755)
    assert os.getcwd() != str(place)  # noqa: PTH109
    with generator(place, command=["./run", "{out_dir}"]) as program:
        assert len(program.generate(Prompt("p", "x"), 0).frames) == 4
