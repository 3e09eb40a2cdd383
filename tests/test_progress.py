"""Progress where nobody looks at a terminal: lines, a minute apart, on stderr and in bench.log."""

import io
import logging
import re
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from bench import cli, progress
from bench.generators.base import Generator, GeneratorInfo
from bench.generators.toy.generator import ToyGenerator
from bench.progress import Step, told, track, waiting


@pytest.mark.parametrize(
    ("done", "total", "clips", "spent_s", "line"),
    [
        (0, 24, 1, 61.0, "0/24, 0:01:01 so far"),
        (6, 24, 1, 60.0, "6/24, 10.0 s/clip, 0:01:00 so far, 0:03:00 left"),
        (6, 12, 4, 12.0, "6/12, 2.0 clips/s, 0:00:12 so far, 0:00:12 left"),
        (24, 24, 1, 48.0, "24/24, 2.0 s/clip, 0:00:48 so far"),
    ],
)
def test_a_line_says_how_far_how_fast_and_how_long(
    done: int, total: int, clips: int, spent_s: float, line: str
) -> None:
    assert told(done, total, clips, spent_s) == line


def test_without_a_terminal_there_are_lines_even_while_one_clip_is_made(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=file))
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    with caplog.at_level(logging.INFO, "bench.progress"):
        for _ in track([0, 1], "wan: generate", 2):
            time.sleep(0.15)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("wan: generate: 0/2, ")
    assert any(line.startswith("wan: generate: 1/2, ") for line in lines)
    assert lines[-1].startswith("wan: generate: 2/2, ")
    assert caplog.messages == lines


def test_work_that_breaks_off_says_how_far_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=file))

    def work() -> None:
        for number in track([0, 1, 2], "wan", 3):
            if number == 1:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert file.getvalue().startswith("wan: 1/3, ")


def test_a_sweep_says_which_model_it_is_at_and_how_long_it_will_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = ["-m", "model=toy_steady,toy_frozen,toy_deaf", "limit=1", "stages=[generate]"]
    monkeypatch.setattr(sys, "argv", ["steadybench", *sweep])
    assert cli.main() == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("model ")]
    assert lines[0] == "model 1 of 3: toy_steady on suite toy"
    assert lines[1].startswith("model 2 of 3: toy_frozen on suite toy; about 0:00:")
    assert len(lines) == 3
    log = (tmp_path / "outputs/toy/toy_frozen/bench.log").read_text()
    assert "toy_frozen: generate: 1/1, " in log


def test_what_is_only_read_is_not_called_generated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(ToyGenerator.info, GeneratorInfo)
    assert ToyGenerator.__enter__ is Generator.__enter__
    monkeypatch.chdir(tmp_path)
    for arguments in (["limit=1"], ["model=folder", "model.path=clips", "suite=files"]):
        monkeypatch.setattr(sys, "argv", ["steadybench", *arguments, "stages=[generate]"])
        assert cli.main() == 0
        (tmp_path / "clips").mkdir(exist_ok=True)
        for preview in (tmp_path / "outputs/toy/toy_steady/previews").glob("*/*.mp4"):
            preview.rename(tmp_path / "clips" / "a.mp4")
    said = capsys.readouterr().err
    assert "toy_steady: generate: 1/1" in said
    assert "clips: collect: 1/1" in said
    assert "loading" not in said


def test_a_wait_says_how_long_and_how_much_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=file))
    monkeypatch.setattr(progress, "EVERY_S", 0.05)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with caplog.at_level(logging.INFO, "bench.progress"), waiting("wan: loading"):
        time.sleep(0.12)
        blobs = tmp_path / "models--a--b" / "blobs"
        blobs.mkdir(parents=True)
        with (blobs / "weights.incomplete").open("wb") as half:
            half.truncate(2**31)
        time.sleep(0.12)
    lines = file.getvalue().splitlines()
    assert lines[0] == "wan: loading, 0:00:00 so far"
    assert lines[-1] == "wan: loading, 0:00:00 so far, 2.0 GiB downloaded"
    assert caplog.messages == lines


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_narrow_screen_cuts_no_number(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    screen = Console(file=file, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress, "console", screen)
    display = progress.Display()
    label = "hunyuanvideo1_5_480p_i2v_distilled: generate"
    display.advance(Step(label, 12345, 1))
    time.sleep(0.01)
    display.advance(Step(label, 12345, 1, 3))
    Console(file=file, width=width, color_system=None).print(display._bars.get_renderable())
    said = file.getvalue()
    assert "3/12345" in said
    assert re.search(r"\d+\.\d clips/s +0:00:00 left +\d+:\d\d:\d\d", said)
    assert "\u2026" not in said
