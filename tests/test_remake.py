"""Clips of a published row made again from their seeds."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.commands.remake import main
from bench.storage import CONF, PACKAGE

ROW = PACKAGE.parent / "leaderboard" / "results" / "toy" / "toy_steady.json"

COMPUTED = yaml.safe_load((CONF / "metrics" / "compute.yaml").read_text())["compute"]
QUICK = [f"~metrics.compute.{name}" for name in COMPUTED.keys() - {"flicker", "stutter"}]
"""Leaves two metrics that cost nothing; what is not computed here is not compared."""


def forged(path: Path, forge: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(ROW.read_text("utf-8"))
    for clip in content["clips"]:
        forge(clip)
    path.write_text(json.dumps(content))
    return str(path)


def test_clips_of_a_toy_row_come_out_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(ROW), "--clips", "2", *QUICK]) == 0
    *clips, last = capsys.readouterr().out.splitlines()
    assert len(clips) == 2
    for line in clips:
        assert re.search(r": equal frames, equal scores \(2 of \d+ scores compared\)$", line)
    assert "toy_steady on suite toy: 2 of 2 clips equal" in last


def test_frames_that_are_none_of_the_rows_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = forged(tmp_path / "a.json", lambda clip: clip.update(frames_sha256="0" * 64))
    assert main([row, "--clips", "1", "stages=[generate]"]) == 1
    clip, last = capsys.readouterr().out.splitlines()
    assert re.search(r", seed 0: other frames, 0 of \d+ scores compared$", clip)
    assert "0 of 1 clip equal" in last


def test_scores_that_the_frames_do_not_have_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = forged(tmp_path / "a.json", lambda clip: clip["scores"].update(stutter=0.25))
    assert main([row, "--clips", "1", *QUICK]) == 1
    clip, _ = capsys.readouterr().out.splitlines()
    assert clip.endswith(": equal frames, stutter 0.25 there and 0 here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.fps=9"], "expected the configuration of the row"),
        (["model=toy_wobbling"], "expected the configuration of the row"),
        (["suite=smoke"], "expected the prompts of the row"),
        (["--config-dir=nowhere"], "nowhere"),
    ],
)
def test_a_row_of_another_configuration_is_not_compared(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(ROW), *arguments]) == 2
    assert message in capsys.readouterr().err
