"""Clips of a published row made again from their seeds."""

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bench.clip import Clip, write_master, write_preview
from bench.commands.composition import compose_config
from bench.commands.remake import main, psnr
from bench.config import parse_run, plain
from bench.leaderboard.render.gallery import preview_path
from bench.run.job import Job, prepare
from bench.schema import Sample
from bench.storage import CONF, PACKAGE, RunFolder

ROW = PACKAGE.parent / "leaderboard" / "results" / "toy" / "toy_steady.json"

COMPUTED = yaml.safe_load((CONF / "metrics" / "compute.yaml").read_text())["compute"]
QUICK = [f"~metrics.compute.{name}" for name in COMPUTED.keys() - {"flicker", "stutter"}]
"""Leaves two metrics that cost nothing; what is not computed here is not compared."""


@pytest.fixture(scope="module")
def job() -> Job:
    """The one that makes the row."""
    options = argparse.Namespace(overrides=["model=toy_steady"], allow_code=False, config_dir=None)
    return prepare(parse_run(plain(compose_config("bench", options))), "toy_steady")


@pytest.fixture(scope="module")
def row(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the published row, the clips that have the same frames here: most on any processor."""
    content = json.loads(ROW.read_text("utf-8"))
    frames = {
        (item.prompt.id, item.seed): job.plan.generator.generate(item.prompt, item.seed).sha256
        for item in job.plan.items
    }
    published = content["clips"]
    content["clips"] = [
        clip for clip in published if frames[clip["prompt"], clip["seed"]] == clip["frames_sha256"]
    ]
    assert len(content["clips"]) > len(published) / 2
    path = tmp_path_factory.mktemp("row") / "toy_steady.json"
    path.write_text(json.dumps(content))
    return path


def forged(row: Path, path: Path, forge: Callable[[dict[str, Any]], None]) -> str:
    content = json.loads(row.read_text("utf-8"))
    for clip in content["clips"]:
        forge(clip)
    path.write_text(json.dumps(content))
    return str(path)


def test_clips_of_a_toy_row_come_out_as_they_were(
    row: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(row), "--clips", "2", *QUICK]) == 0
    *clips, last = capsys.readouterr().out.splitlines()
    assert len(clips) == 2
    for line in clips:
        assert re.search(
            r": equal frames, equal scores \(2 of \d+ scores compared, "
            r"without \w+, \w+, \w+ and \d+ more\)$",
            line,
        )
    assert "toy_steady on suite toy: 2 of 2 clips equal" in last


def test_frames_that_are_none_of_the_rows_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = forged(ROW, tmp_path / "a.json", lambda clip: clip.update(frames_sha256="0" * 64))
    assert main([row, "--clips", "1", "stages=[generate]"]) == 1
    clip, last = capsys.readouterr().out.splitlines()
    there = r", seed 0: other frames \(those of the row are not on this machine\), "
    assert re.search(there + r"0 of \d+ scores compared$", clip)
    assert "0 of 1 clip equal" in last


@pytest.fixture(scope="module")
def near(job: Job) -> tuple[dict[str, Any], Clip]:
    """The row with one clip, and frames near to it: by 1 in each value, in the first frame by 2."""
    content = json.loads(ROW.read_text("utf-8"))
    content["clips"] = content["clips"][:1]
    item = next(i for i in job.plan.items if i.sample.prompt_id == content["clips"][0]["prompt"])
    clip = job.plan.generator.generate(item.prompt, item.seed)
    frames = clip.frames ^ 1
    frames[0] = clip.frames[0] ^ 2
    near = Clip(frames, clip.fps)
    content["clips"][0].update(frames_sha256=near.sha256, seed=item.seed)
    return content, near


def remade(result: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([str(result), "--clips", "1", "stages=[generate]"]) == 1
    return capsys.readouterr().out.splitlines()[0]


def test_frames_of_a_run_are_compared(
    near: tuple[dict[str, Any], Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, clip = near
    (tmp_path / "result.json").write_text(json.dumps(content))
    draw = content["clips"][0]
    write_master(clip, RunFolder(tmp_path).master(Sample(draw["prompt"], draw["seed"])))
    mean = 10 * math.log10(255**2 / (1 + 3 / len(clip.frames)))
    expected = f"other frames (PSNR of frames {mean:.1f} dB, 42.1 dB at the worst frame), "
    assert expected in remade(tmp_path, capsys)


def test_without_frames_the_previews_of_a_leaderboard_are_compared(
    near: tuple[dict[str, Any], Clip], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, clip = near
    result = tmp_path / "results" / "toy" / "toy_steady.json"
    result.parent.mkdir(parents=True)
    result.write_text(json.dumps(content))
    draw, place = content["clips"][0], tmp_path / "clips" / "toy" / "toy_steady"
    write_preview(clip, preview_path(place, Sample(draw["prompt"], draw["seed"])))
    entry = {key: draw[key] for key in ("prompt", "seed", "frames_sha256")}
    entry |= {"text": None, "curves": {}}
    (place / "clips.json").write_text(json.dumps({"schema": 1, "clips": [entry]}))
    said = re.search(r"other frames \(PSNR of previews (\S+) dB, ", remade(result, capsys))
    assert said is not None
    assert 35 < float(said[1]) < 60


def test_psnr_needs_frames_of_one_size() -> None:
    black = np.zeros((3, 8, 8, 3), np.uint8)
    assert psnr(black, black, "frames") == (math.inf, math.inf, "frames")
    assert psnr(black, black[:2], "frames") is None
    assert psnr(black, black[:, :4], "frames") is None


def test_scores_that_the_frames_do_not_have_are_said(
    row: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forgery = forged(row, tmp_path / "a.json", lambda clip: clip["scores"].update(stutter=0.25))
    assert main([forgery, "--clips", "1", *QUICK]) == 1
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
