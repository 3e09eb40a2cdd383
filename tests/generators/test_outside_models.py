"""Programs, servers and folders of clips, each from a suite to a row of the leaderboard."""

import csv
import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from conftest import moving_texture
from video_server import VideoServer

from bench import cli
from bench.clip import Clip, write_preview
from bench.commands import prompts as prompts_command
from bench.generators import video_client
from bench.storage import CONF

Main = Callable[..., int]

KEY = "sk-secret-0123456789"

# Two quick metrics are enough here: what is tested is that clips get to them.
_COMPUTED = yaml.safe_load((CONF / "metrics" / "compute.yaml").read_text())["compute"]
_LEFT_OUT = (f"~metrics.compute.{name}" for name in _COMPUTED.keys() - {"flicker", "stutter"})
QUICK = ("text=none", *_LEFT_OUT)

# Stands in for a research repository: reads its configuration, writes where it is told to.
ANIMATION = """
import json, os, pathlib, shutil, sys
config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
image, video = config["source_image"][0], config["video_path"][0]
if "kick" in video:
    sys.exit("RuntimeError: no person in " + image)
name = f"{pathlib.Path(image).stem}_{pathlib.Path(video).stem}"
videos = pathlib.Path("samples", config["savename"], "videos")
(videos / name).mkdir(parents=True)
shutil.copy(video, videos / f"{name}.mp4")
shutil.copy(video, videos / name / "grid.mp4")
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    """Type `steadybench ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def type_(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["steadybench", *arguments, *QUICK])
        return cli.main()

    return type_


@pytest.fixture
def suite(tmp_path: Path) -> str:
    lines = [{"id": f"p{n}", "text": f"a red ball rolls, {n}"} for n in range(4)]
    (tmp_path / "four.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return "suite.prompts=four.jsonl"


def result(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return loaded


def video(path: Path, seed: int = 0) -> Path:
    write_preview(Clip(moving_texture(8, 64, seed=seed), 8), path)
    return path


def table(page: Path, title: str) -> list[dict[str, str]]:
    """The rows of one of a page's tables, by column."""
    lines = page.read_text("utf-8").split(f"### {title}\n")[1].split("\n###")[0].splitlines()
    names, _, *rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in lines
        if line.startswith("| ")
    ]
    return [dict(zip(names, row, strict=True)) for row in rows]


def row(page: Path) -> dict[str, str]:
    """What the first table and that of terms say of the only model."""
    (scores,), (terms,) = table(page, "Headline"), table(page, "Speed, size and terms")
    return scores | terms


def test_a_research_repository_takes_a_row(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "checkout" / "magicanimate" / "pipelines" / "animation.py"
    program.parent.mkdir(parents=True)
    program.write_text(ANIMATION)
    dances = ["step-touch", "arm-wave", "slow-turn", "squat", "jump", "kick", "crossed-arms"]
    dances.append("walk-across")
    (tmp_path / "mine").mkdir()
    for number, dance in enumerate(dances):
        picture = np.full((64, 64, 3), 10 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "mine" / f"{dance}.png"), picture)
        video(tmp_path / "mine" / f"{dance}.mp4", seed=number)
    run = ["model=magicanimate", f"model.command.0={sys.executable}", "model.workdir=checkout"]
    run += ["suite=dance", "suite.files=mine"]

    (tmp_path / "mine" / "jump.mp4").rename(tmp_path / "jump.mp4")
    assert bench(*run) == 2
    assert "'driving_video': expected a video at mine/jump.mp4" in capsys.readouterr().err
    (tmp_path / "jump.mp4").rename(tmp_path / "mine" / "jump.mp4")

    assert bench(*run) == 1
    assert "exit code 1: RuntimeError: no person in" in capsys.readouterr().err
    folder = tmp_path / "outputs/dance/magicanimate"
    clips = {clip["prompt"]: clip for clip in result(folder)["clips"]}
    assert {name for name, clip in clips.items() if clip["status"] != "ok"} == {"kick"}
    assert clips["jump"]["account"]["basis"] == "program"
    assert clips["jump"]["latency_s"] is None
    assert clips["jump"]["lossy"]
    record = json.loads((folder / "clips/kick/0.json").read_text())
    assert record["details"]["exit_code"] == 1
    assert "no person in" in record["details"]["stderr_tail"]
    assert record["details"]["command"][1:3] == ["-m", "magicanimate.pipelines.animation"]
    assert "details" not in clips["kick"]
    page = tmp_path / "outputs/leaderboard/README.md"
    scores = row(page)
    assert (scores["model"], scores["failed"]) == ("MagicAnimate (lossy)", "1")
    assert (scores["resolution"], scores["open weights"]) == ("64x64", "yes")
    assert scores["s per s of video ↓"].endswith(" (whole program, loading included)")
    # Another driving video is another input, and another suite to compare over.
    before = result(folder)["prompts"]["sha256"]
    video(tmp_path / "mine" / "jump.mp4", seed=99)
    assert bench(*run) == 2
    assert "prompt.driving_video" in capsys.readouterr().err
    assert bench(*run, "overwrite=true") == 1
    assert result(folder)["prompts"]["sha256"] != before


def test_a_suite_of_the_user_s_own_files_says_what_it_lacks(
    bench: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["model=magicanimate", "model.workdir=.", "suite=dance"]
    assert bench(*run) == 2
    assert "add suite.files=VALUE" in capsys.readouterr().err
    assert bench(*run, "suite.files=nowhere") == 2
    assert "type suite.files=DIR" in capsys.readouterr().err
    assert bench("model=magicanimate", "model.workdir=.") == 2
    assert "prompt 'roll-red-ball' has none" in capsys.readouterr().err


def test_a_run_starts_its_server_and_names_the_stack(
    bench: Main, suite: str, tmp_path: Path
) -> None:
    program = Path(__file__).parents[1] / "video_server.py"
    command = f"[{sys.executable}, {program}, {video(tmp_path / 'made.mp4')}, '{{port}}']"
    run = ["model=vllm_omni", "model.base_url='http://127.0.0.1:{port}'", suite, "suite.name=four"]
    run += [f"model.server={{command: {command}, version: [echo, 0.21.0]}}", "limit=1"]
    assert bench(*run, "+model.poll_s=0.05") == 0
    (served,) = table(tmp_path / "outputs/leaderboard/README.md", "Servers")
    assert served["stack"] == "vLLM-Omni 0.21.0"
    assert result(tmp_path / "outputs/four/vllm_omni")["hardware"]["gpus"] == 1


@pytest.mark.parametrize("model", ["sglang_diffusion", "vllm_omni"])
def test_a_served_model_takes_a_row(
    bench: Main, suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(video_client, "_LONGEST_BACKOFF_S", 0.01)
    faults = {"a red ball rolls, 1": "500 twice", "a red ball rolls, 2": "reset once"}
    faults["a red ball rolls, 3"] = "fails"
    server = VideoServer(
        video(tmp_path / "made.mp4").read_bytes(),
        forms_only=model == "vllm_omni",
        key=KEY,
        takes_s=0.05,
        fault=faults,
    )
    with server.serving():
        run = [f"model={model}", f"model.base_url={server.url}", "model.key_env=MY_KEY"]
        run += ["model.concurrency=2", "+model.poll_s=0.01", suite, "suite.name=four"]
        run += ["model.gpus=4"]
        assert bench(*run) == 1
        asked = len(server.requests)
        assert bench(*run, "model.timeout_s=60") == 1  # nothing is asked for twice
        assert len(server.requests) == asked == 4
    folder = tmp_path / f"outputs/four/{model}"
    clips = result(folder)["clips"]
    assert [clip["status"] for clip in clips] == ["ok", "ok", "ok", "error"]
    assert clips[3]["error"] == "the server failed: CUDA out of memory"
    assert [clip["account"]["attempts"] for clip in clips] == [1, 3, 1, None]
    assert clips[0]["frames_requested"] == 81
    assert clips[0]["frames"] == 8
    assert "flicker" in clips[0]["scores"]
    for request in server.requests:
        assert str(request.fields["enable_frame_interpolation"]).lower() == "false"
    page = tmp_path / "outputs/leaderboard/README.md"
    scores = row(page)
    assert scores["failed"] == "1"
    assert scores["model"].endswith("(lossy)")
    (served,) = table(page, "Servers")
    assert (served["clips"], served["at once"], served["GPUs"]) == ("3", "2", "4")
    assert (
        served["stack"] == {"sglang_diffusion": "SGLang Diffusion", "vllm_omni": "vLLM-Omni"}[model]
    )
    assert float(served["requests/s ↑"]) > 0
    assert served["server-reported s"] == "12.5"
    assert served["server-reported peak GiB"] == "2.0"
    assert scores["s per s of video ↓"].endswith(" (request to answer, queue included)")
    for file in (tmp_path / "outputs").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


def test_a_hosted_model_takes_a_row(
    bench: Main,
    suite: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = VideoServer(video(tmp_path / "made.mp4").read_bytes(), key=KEY)
    with server.serving():
        run = ["model=video_gateway", f"model.base_url={server.url}", "model.fields.model=veo-3"]
        run += ["++model.name=veo_3_api", "model.poll_s=0.01", suite, "suite.name=four"]
        assert bench(*run) == 2
        assert "export VIDEO_API_KEY=KEY" in capsys.readouterr().err
        monkeypatch.setenv("VIDEO_API_KEY", KEY)
        assert bench(*run) == 0
    assert {request.fields["model"] for request in server.requests} == {"veo-3"}
    assert "seed" not in server.requests[0].fields
    assert len(result(tmp_path / "outputs/four/veo_3_api")["clips"]) == 4


def test_clips_somebody_else_made_take_a_row(
    bench: Main, suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [suite, "suite.name=four"]
    mine = tmp_path / "mine"
    mine.mkdir()
    assert prompts_command.main(["export", *chosen, "--into", "mine/list.csv"]) == 0
    rows = list(csv.DictReader(io.StringIO((mine / "list.csv").read_text())))
    assert [listed["file"] for listed in rows] == [f"p{n}-0.mp4" for n in range(4)]
    for listed in rows[:3]:
        video(mine / listed["file"])
    shutil.copy(mine / "p0-0.mp4", mine / "p3_0.mp4")  # misnamed
    assert prompts_command.main(["check", "mine", *chosen]) == 1
    printed = capsys.readouterr().out
    assert "missing: p3, seed 0: expected the file p3-0.<mp4, mkv, ...> in mine" in printed
    assert "left over: p3_0.mp4 answers no prompt and seed (did you mean 'p3-0'?)" in printed
    assert "3 of 4 clips are there" in printed

    assert bench("model=kling", "model.path=mine", *chosen) == 1
    assert "p3, seed 0: missing: expected the file p3-0" in capsys.readouterr().err
    page = tmp_path / "outputs/leaderboard/README.md"
    (partial,), (terms,) = table(page, "Incomplete runs"), table(page, "Speed, size and terms")
    assert (partial["model"], terms["clips"]) == ("Kling 3.0 (lossy)", "3/4")
    assert terms["failed"] == "0"
    assert partial["why"] == "of 4 clips, 1 not made yet"
    assert "Kling 3.0 lacks p3 seed 0." in page.read_text()
    assert "### Headline\n" not in page.read_text()

    (mine / "p3_0.mp4").rename(mine / "p3-0.mp4")
    assert prompts_command.main(["check", "mine", *chosen]) == 0
    assert bench("model=kling", "model.path=mine", *chosen) == 0
    scores = row(page)
    assert scores["clips"] == "4/4"
    (declared,) = table(page, "Declared")
    assert declared == {"model": "Kling 3.0", "largest": "1920x1080"}
    assert scores["max duration s"] == "15"
    assert (scores["open weights"], scores["licence"]) == ("no", "closed service")
    assert "s per s of video ↓" not in scores


def test_declared_speed_and_price_are_shown_as_declared(
    bench: Main, suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [suite, "suite.name=four", "model=seedance", "model.path=mine"]
    (tmp_path / "mine").mkdir()
    lines = ["file,prompt,seed,wait_s,price_usd"]
    for number in range(4):
        video(tmp_path / "mine" / f"clip {number}.mp4", seed=number)
        lines.append(f"clip {number}.mp4,p{number},0,{20 + number},0.5")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    assert bench(*chosen, "model.manifest=list.csv") == 0
    clip = result(tmp_path / "outputs/four/seedance")["clips"][1]
    assert clip["account"]["latency_s"] == 21
    assert clip["latency_s"] is None
    page = tmp_path / "outputs/leaderboard/README.md"
    scores, (declared,) = row(page), table(page, "Declared")
    assert scores["s per s of video ↓"] == "21.5 (declared with the clips)"
    assert declared["USD per s of video"] == "0.500"
    # A declaration that was corrected is not silently the old one.
    corrected = (tmp_path / "list.csv").read_text().replace("20,0.5", "30,0.5")
    (tmp_path / "list.csv").write_text(corrected)
    capsys.readouterr()
    assert bench(*chosen, "model.manifest=list.csv") == 2
    assert "source.wait_s" in capsys.readouterr().err
