"""The main job from the command line to the leaderboard, in this process and in killed ones."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from bench import cli
from bench.clip import write_preview
from bench.generators.base import GeneratorInfo
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Item
from bench.run import job
from bench.video import read_video

Main = Callable[..., int]

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

# What differs between two runs of the same work.
TIMING = ("latency_s", "warm")

# The cut network is by far the slowest on a CPU; the folder of videos is scored with it.
NO_CUTS = ("~metrics.compute.cuts", "~metrics.compute.cuts_unrequested")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Four toy prompts."""
    path = tmp_path / "four.jsonl"
    texts = [
        "a red ball rolls from left to right over a wooden floor",
        "a blue star spins in front of a brick wall",
        "a green ring rolls from right to left over green grass",
        "a yellow cube slides from left to right over yellow sand",
    ]
    lines = [{"id": f"p{n}", "text": text, "motion": "subject"} for n, text in enumerate(texts)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


@pytest.fixture
def bench(tmp_path: Path, suite: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    """Type `steadybench ARGUMENTS` in an empty folder; the suite has four prompts."""
    monkeypatch.chdir(tmp_path)

    def type_(*arguments: str) -> int:
        own_suite = any(a.startswith(("suite=", "suite.prompts", "suite.name")) for a in arguments)
        four = [] if own_suite else [f"suite.prompts={suite}", "suite.name=four", *NO_CUTS]
        monkeypatch.setattr(sys, "argv", ["steadybench", *arguments, *four])
        return cli.main()

    return type_


def result(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return loaded


def without_timing(content: dict[str, Any]) -> dict[str, Any]:
    clips = [{k: v for k, v in c.items() if k not in TIMING} for c in content["clips"]]
    return content | {"clips": clips}


def stderr_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of a mistake."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_one_command_ends_in_a_leaderboard(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench() == 0
    printed = capsys.readouterr().out
    assert "coherence ↑" in printed
    assert "Points lost" not in printed, "that stands on the page"
    assert "outputs/leaderboard/README.md" in printed
    content = result(tmp_path / "outputs/four/toy_steady")
    assert len(content["clips"]) == 4
    for clip in content["clips"]:
        assert clip["status"] == "ok"
        assert clip["latency_s"] > 0
        assert set(clip["scores"]) == set(content["metrics"])
        assert (clip["frames"], clip["frames_requested"]) == (16, 16)
    previews = sorted((tmp_path / "outputs/four/toy_steady/previews").glob("*/*.mp4"))
    assert len(previews) == 4
    assert "Toy, steady" in (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert not (tmp_path / ".hydra").exists()


def test_clips_may_take_less_room_and_say_so(bench: Main, tmp_path: Path) -> None:
    assert bench("limit=1", "store=visually_lossless", "out=small") == 0
    assert bench("limit=1", "stages=[generate]") == 0
    small, exact = (result(tmp_path / f"{out}/four/toy_steady") for out in ("small", "outputs"))
    assert [made["clips"][0]["lossy"] for made in (small, exact)] == [True, False]
    assert small["clips"][0]["frames_sha256"] != exact["clips"][0]["frames_sha256"]
    assert small["clips"][0]["scores"]["coherence"] is not None


def test_a_second_run_makes_nothing_anew(bench: Main, tmp_path: Path) -> None:
    assert bench("limit=2") == 0
    folder = tmp_path / "outputs/four/toy_steady"
    before = {p: p.stat().st_mtime_ns for k in ("clips", "scores") for p in (folder / k).rglob("*")}
    content = (folder / "result.json").read_bytes()
    assert bench("limit=2") == 0
    after = {p: p.stat().st_mtime_ns for k in ("clips", "scores") for p in (folder / k).rglob("*")}
    assert before == after
    assert (folder / "result.json").read_bytes() == content


def test_a_result_tells_the_generators_that_made_it_apart(
    bench: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "outputs/four/toy_steady"
    assert bench("stages=[generate]") == 0
    old = result(folder)
    assert old["generator_version"] == ToyGenerator.info.version
    monkeypatch.setattr(ToyGenerator, "info", GeneratorInfo(version="next"))
    assert bench("stages=[generate]", "overwrite=true") == 0
    new = result(folder)
    assert new["generator_version"] == "next"
    assert new["fingerprint"] != old["fingerprint"]


def test_stages_apart_give_the_same_as_together(bench: Main, tmp_path: Path) -> None:
    assert bench("out=together", "limit=2") == 0
    for stage in ("generate", "score", "publish"):
        assert bench("out=apart", f"stages=[{stage}]", "limit=2") == 0
    together, apart = (result(tmp_path / out / "four/toy_steady") for out in ("together", "apart"))
    assert without_timing(together) == without_timing(apart)


def test_a_changed_configuration_stops_and_names_the_key(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("limit=1") == 0
    folder = tmp_path / "outputs/four/toy_steady"
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert bench("model.fps=12") == 2
    line = stderr_line(capsys)
    assert "model.fps 8.0 -> 12" in line
    assert "overwrite=true" in line
    assert bench("model.fps=12", "stages=[score,publish]") == 2
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert bench("model.fps=12", "overwrite=true", "limit=1") == 0
    assert {clip["fps"] for clip in result(folder)["clips"]} == {12}


def test_the_card_is_no_part_of_the_configuration(bench: Main) -> None:
    assert bench("limit=1") == 0
    assert bench("model.card.title=Renamed", "limit=1") == 0


def test_an_edited_prompt_is_another_configuration(
    bench: Main, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("limit=1") == 0
    suite.write_text(suite.read_text().replace("red", "blue"))
    capsys.readouterr()
    assert bench() == 2
    assert "prompt.text" in stderr_line(capsys)


def test_a_changed_metric_rescores_only_that_metric(bench: Main, tmp_path: Path) -> None:
    assert bench("limit=1") == 0
    path = tmp_path / "outputs/four/toy_steady/scores/p0/0.json"
    scored = json.loads(path.read_text())
    scored["metrics"]["flicker"] |= {"fingerprint": "of an older version", "value": 99.0}
    scored["metrics"]["stutter"]["value"] = 0.125  # a mark: this one must be left alone
    path.write_text(json.dumps(scored))
    assert bench("limit=1") == 0
    again = json.loads(path.read_text())["metrics"]
    assert again["flicker"]["value"] < 1
    assert again["stutter"]["value"] == 0.125


def test_adherence_and_what_stands_behind_it(bench: Main, tmp_path: Path) -> None:
    assert bench("limit=1") == 0
    scored = json.loads((tmp_path / "outputs/four/toy_steady/scores/p0/0.json").read_text())
    series = scored["metrics"]["adherence"]["series"]
    assert len(series["adherence"]) == len(series["time_s"]) == 8
    clip = result(tmp_path / "outputs/four/toy_steady")["clips"][0]
    assert clip["scores"]["adherence"] == pytest.approx(sum(series["adherence"]) / 8)
    assert clip["scores"]["adherence_margin"] > 10
    assert clip["notes"] == {}


def test_fidelity_to_the_image_of_a_prompt(bench: Main, suite: Path, tmp_path: Path) -> None:
    with_image = json.loads(suite.read_text().splitlines()[0]) | {"image": "first.png"}
    cv2.imwrite(str(tmp_path / "first.png"), np.full((100, 200, 3), 128, np.uint8))
    without = suite.read_text().splitlines()[1]
    suite.write_text(f"{json.dumps(with_image)}\n{without}")
    assert bench("metrics=[offline,i2v]") == 0
    first, second = result(tmp_path / "outputs/four/toy_steady")["clips"]
    assert first["scores"]["i2v_first"] > 0.1
    assert first["scores"]["i2v_identity_mean"] < 0.9
    assert second["unscored"]["i2v_first"] == "no conditioning image"
    # Another image is another input: the clips that were made with the old one are not kept.
    cv2.imwrite(str(tmp_path / "first.png"), np.full((100, 200, 3), 64, np.uint8))
    assert bench("metrics=[offline,i2v]") == 2


def test_other_prompts_in_the_suite_rescore_what_compares_with_them(
    bench: Main, suite: Path, tmp_path: Path
) -> None:
    assert bench("limit=1") == 0
    path = tmp_path / "outputs/four/toy_steady/scores/p0/0.json"
    before = json.loads(path.read_text())["metrics"]
    more = {"id": "p4", "text": "a white ball rolls from left to right over a tiled floor"}
    suite.write_text("\n".join([json.dumps(more), *reversed(suite.read_text().splitlines())]))
    assert bench("stages=[score]") == 0
    after = json.loads(path.read_text())["metrics"]
    changed = {name for name in before if before[name]["value"] != after[name]["value"]}
    assert changed == {"adherence_margin"}


def test_without_weights_adherence_is_unscored_and_the_run_goes_on(
    bench: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuse)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    assert bench("limit=1", "~suite.adherence_network", "text=vit_b_32") == 0
    assert "text is missing" in " ".join(capsys.readouterr().err.split())
    clip = result(tmp_path / "outputs/four/toy_steady")["clips"][0]
    assert clip["scores"]["adherence"] is None
    assert clip["scores"]["lag_ratio"] > 0
    assert "weights not found" in clip["unscored"]["adherence"]
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "ViT-B-32: weights not found" in page


def test_a_prompt_that_fails_does_not_stop_the_others(
    bench: Main, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.write_text(suite.read_text().replace("a blue star spins", "a blue zebra spins"))
    assert bench() == 1
    captured = capsys.readouterr()
    assert "1 clip with something to mend" in captured.err
    assert "zebra" in captured.err
    clips = result(tmp_path / "outputs/four/toy_steady")["clips"]
    assert [clip["status"] for clip in clips] == ["ok", "error", "ok", "ok"]
    assert "zebra" in clips[1]["error"]
    assert "zebra" in (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert bench() == 1  # still there on the next look


def test_a_damaged_clip_is_named_and_not_scored(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("stages=[generate]") == 0
    master = tmp_path / "outputs/four/toy_steady/clips/p1/0.mkv"
    master.write_bytes(master.read_bytes()[: master.stat().st_size // 2])
    assert bench() == 1
    assert "p1" in capsys.readouterr().err
    clips = result(tmp_path / "outputs/four/toy_steady")["clips"]
    assert [bool(clip["scores"]) for clip in clips] == [True, False, True, True]


def test_a_clip_that_kills_the_process_is_recorded_after_some_tries(
    bench: Main, tmp_path: Path
) -> None:
    assert bench("stages=[generate]", "limit=1") == 0
    tries = tmp_path / "outputs/four/toy_steady/clips/p2/0.tries"
    tries.parent.mkdir()
    tries.write_text("5\n")
    assert bench("stages=[generate,publish]") == 1
    statuses = [c["status"] for c in result(tmp_path / "outputs/four/toy_steady")["clips"]]
    assert statuses == ["ok", "ok", "crashed", "ok"]
    assert bench("stages=[generate,publish]", "retry_failed=true") == 0


def test_a_run_grows_by_seeds_and_does_not_shrink_unseen(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("suite.seeds=[0]", "limit=1") == 0
    assert bench("suite.seeds=[0,1]", "limit=1") == 0
    assert len(result(tmp_path / "outputs/four/toy_steady")["clips"]) == 2
    capsys.readouterr()
    assert bench("suite.seeds=[0]") == 2
    assert "leaves out (seed 1," in stderr_line(capsys)


def test_what_others_write_while_a_run_begins_is_left_alone(
    bench: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench("out=other", "stages=[generate]") == 0
    theirs, ours = (tmp_path / out / "four/toy_steady/clips/p1" for out in ("other", "outputs"))
    to_make = job.to_make
    calls: list[Path] = []

    def slowly(begun: job.Job, among: Sequence[Item] | None = None) -> list[Item]:
        missing: list[Item] = to_make(begun, among)
        calls.append(ours)
        if len(calls) == 2:  # the first is for what is said before anything is made
            shutil.copytree(theirs, ours)
        return missing

    monkeypatch.setattr(job, "to_make", slowly)
    assert bench("stages=[generate]", "limit=2") == 0
    assert len(calls) == 2
    assert (ours / "0.json").read_bytes() == (theirs / "0.json").read_bytes()
    content = result(tmp_path / "outputs/four/toy_steady")
    assert [clip["prompt"] for clip in content["clips"]] == ["p0", "p1"]


def test_what_breaks_one_job_or_one_metric_stops_no_other(
    bench: Main, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from bench.metrics.base import metric\n"
        "from bench.generators.base import Generator\n"
        "@metric(unit='x', better=None)\n"
        "def broken(analysis):\n"
        "    return 1 / 0\n"
        "class Unloadable(Generator):\n"
        "    def __enter__(self):\n"
        "        raise RuntimeError('no weights here')\n"
        "    def generate(self, prompt, seed):\n"
        "        return None\n"
        "class Empty(Unloadable):\n"
        "    def __enter__(self):\n"
        "        return self\n"
    )
    (tmp_path / "conf" / "model").mkdir(parents=True)
    for name in ("Unloadable", "Empty"):
        (tmp_path / "conf" / "model" / f"{name}.yaml").write_text(f"_target_: mine.{name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    models = "model=Unloadable,toy_steady,Empty"
    own = ("--allow-code", f"--config-dir={tmp_path / 'conf'}")
    here = ("limit=1", "load_timeout_s=null")  # in this process, whose networks are loaded
    assert bench("-m", *own, models, "+metrics.compute.broken=mine.broken", *here) == 2
    printed = capsys.readouterr().err
    assert "Unloadable cannot be loaded: RuntimeError: no weights here" in printed
    assert "broken failed: ZeroDivisionError" in printed
    assert "expected a Clip, got NoneType" in printed
    assert "Traceback" not in printed
    steady = tmp_path / "outputs/four/toy_steady"
    assert "flicker" in result(steady)["clips"][0]["scores"]
    assert "ZeroDivisionError" in (steady / "bench.log").read_text()
    assert "Toy, steady" in (tmp_path / "outputs/leaderboard/README.md").read_text()


def test_two_jobs_of_one_name_are_told_apart(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("-m", "model=toy_steady", "model.seconds=1,2", "limit=1") == 2
    assert "++model.name=NAME" in capsys.readouterr().err
    assert len(result(tmp_path / "outputs/four/toy_steady")["clips"]) == 1


def test_a_multirun_of_nothing_is_a_mistake(
    bench: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("-m", "model=glob(nope*)") == 2
    assert "at least one job" in stderr_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["model=toy_stedy"], "did you mean 'toy_steady'"),
        (["suite=nosuch"], "toy"),
        (["sed=1"], "sed"),
        (["model.fpss=9"], "did you mean 'fps'"),
        (["+model.fpss=9"], "did you mean 'fps'"),
        (["text=siglip2"], "may be scored by the image-text network 'toy' alone"),
        (["~suite.adherence_network"], "'toy' means nothing on suite four"),
        (["text=vit_b_23"], "did you mean 'vit_b_32'"),
        (["stages=[scroe]"], "did you mean 'score'"),
        (["stages=[score]"], "run with stages=[generate"),
        (["device=gpu"], "device=auto"),
        (["limit=0"], "at least 1 prompt"),
        (["model=folder"], "model.path"),
        (["model=folder", "model.path=nowhere"], "nowhere"),
        (["model=toy_flickering", "model.fault=flickr"], "flicker"),
        (["model.deaf=very"], "model.deaf must be true or false, got 'very'"),
        (["+model.card.license=MIT"], "model.card has no 'license' (did you mean 'licence'?)"),
        (["--config-dir", "nowhere"], "expected a folder of configuration, 'nowhere' is none"),
        (["metrics.compute.worst=a.b"], "to add one of your own, type +metrics.compute.worst="),
        (
            ["metrics.compute.flicker=bench.metrics.consistency.flikker"],
            "there is none (did you mean 'flicker'?)",
        ),
        (["suite.prompts=nowhere.jsonl"], "nowhere.jsonl"),
        (["suite.prompts=5"], "suite.prompts must be a prompt file, or null, got 5"),
        (["stages=["], "stages=["),
        (["stages=score"], "stages must be a list"),
        (["+modl=x"], "did you mean 'model'"),
        (["overwrite=no"], "overwrite must be true or false, got 'no'"),
        (["limit=abc"], "limit must be"),
        (["warmup=-1"], "warmup must be"),
        (["max_tries=0"], "max_tries must be"),
        (["suite.seeds=3"], "suite.seeds must be a list"),
        (["suite.seeds=[0,0]"], "suite.seeds must be a list of different whole numbers"),
        (
            ["suite.seeds=[9007199254740993]"],
            "different whole numbers from 0 to 2^53, as suite.seeds=[0,1], got",
        ),
        (["+suite.aspect=556"], 'suite.aspect must be "WIDTH:HEIGHT" in quotes, or null, got 556'),
        (["+suite.aspect=tall"], 'suite.aspect must be "WIDTH:HEIGHT" in quotes'),
        (["+suite.aspect='0:16'"], 'suite.aspect must be "WIDTH:HEIGHT" in quotes'),
        (["suite.name=leaderboard"], "suite.name must be another name"),
        (["out=null"], "out must be the name of a folder"),
        (["model=null"], "Config group override must be"),
        (["metrics.backbones=null"], "metrics.backbones must be"),
        (["model=toy_steady,toy_deaf"], "add -m"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    bench: Main,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    assert bench(*arguments) == 2
    assert expected in stderr_line(capsys)
    assert not (tmp_path / "outputs").exists()


def test_a_folder_that_cannot_be_written_is_one_line(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert bench("out=taken") == 2
    assert "out=DIR" in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / "taken").read_text() == "a file"


def test_one_mistake_in_a_multirun_stops_no_other_job(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = "model=toy_steady,toy_flickering,toy_frozen"
    assert bench("-m", models, "stages=[generate]", "limit=1") == 0
    record = tmp_path / "outputs/four/toy_steady/clips/p0/0.json"
    record.write_text(record.read_text().replace('"seed": 0', '"seed": 7'))
    changed = json.loads(record.read_text()) | {"fingerprint": "another"}
    record.write_text(json.dumps(changed))
    assert bench("-m", models, "stages=[generate,publish]") == 2
    assert "inputs" not in capsys.readouterr().out
    for model in ("toy_flickering", "toy_frozen"):
        assert len(result(tmp_path / f"outputs/four/{model}")["clips"]) == 4


def test_any_folder_of_videos_is_scored_without_prompts(
    bench: Main, footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "my videos"
    mine.mkdir()
    for name in ("carphone_pristine.mp4", "carphone_distorted.mp4"):
        whole = read_video(footage / name)
        write_preview(replace(whole, frames=whole.frames[:40]), mine / name)
    (mine / "zerstört 1.mp4").write_text("no video")
    (mine / "notes.txt").write_text("x")
    arguments = ["model=folder", "model.path=my videos", "suite=files", "model.name=mine"]
    assert bench(*arguments, "stages=[generate]", "model.limits.frames=39") == 1
    assert "carphone_pristine.mp4, seed 0: refused" in "".join(capsys.readouterr())
    # What was refused is read again: limits decide no fingerprint, but may have been the reason.
    assert bench(*arguments) == 1
    said = "".join(capsys.readouterr())
    assert "mine: notes.txt, skipped: no suffix" in said
    assert "clip by clip" in said
    assert "carphone_distorted.mp4" in said
    content = result(tmp_path / "outputs/files/mine")
    assert content["skipped"] == {"notes.txt": "no suffix of a video or a picture"}
    status = {clip.get("file", clip["prompt"]): clip["status"] for clip in content["clips"]}
    assert status == {
        "carphone_distorted.mp4": "ok",
        "carphone_pristine.mp4": "ok",
        "zerstört 1.mp4": "refused",
    }
    scored = [clip for clip in content["clips"] if clip["status"] == "ok"]
    assert all(clip["lossy"] and clip["latency_s"] is None for clip in scored)
    assert all(0 < clip["scores"]["lag_ratio"] < 1 for clip in scored)
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "Not ranked" in page
    assert "mine: not read, and counted as nothing: zerstört 1.mp4." in page
    # A file that was replaced is other footage: it is said, not silently scored under its name.
    shutil.copy(mine / "carphone_distorted.mp4", mine / "carphone_pristine.mp4")
    assert bench(*arguments) == 2
    # So are clips of another folder under one name; a folder that was moved is the same.
    shutil.copytree(mine, tmp_path / "others")
    capsys.readouterr()
    assert bench(*arguments, "model.path=others") == 2
    assert "holds the clips of my videos, got those of others: give these a name" in stderr_line(
        capsys
    )
    mine.rename(tmp_path / "moved")
    assert bench(*arguments, "model.path=moved") == 2
    assert "holds clips of another configuration" in stderr_line(capsys)


@pytest.mark.slow
def test_killed_three_times_and_resumed_the_result_is_the_same(tmp_path: Path, suite: Path) -> None:
    command = [sys.executable, "-m", "bench", f"suite.prompts={suite}", "suite.name=four"]
    command += ["suite.seeds=[0,1,2,3]", *NO_CUTS]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, f"out={out}"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    assert start("whole").wait() == 0
    moments = random.Random(0)
    killed = tmp_path / "killed/four/toy_steady"
    for part in ("clips", "clips", "scores"):
        before = len(list(killed.glob(f"{part}/*/*.json")))
        process = start("killed")
        # Kill while this part is being written, a random while after its next file appeared.
        while len(list(killed.glob(f"{part}/*/*.json"))) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed").wait() == 0
    whole = result(tmp_path / "whole/four/toy_steady")
    assert without_timing(result(killed)) == without_timing(whole)
    assert len(whole["clips"]) == 16
    assert not list(killed.rglob("*.tries"))


def test_a_variant_is_held_against_the_clips_of_its_base(bench: Main, tmp_path: Path) -> None:
    few = ("limit=2", "metrics=[offline,base]")
    variant = ("model=toy_flickering", "+model.card.base=toy_steady", *few)
    folder = tmp_path / "outputs/four/toy_flickering"
    assert bench(*variant) == 0
    assert "at hand" in result(folder)["clips"][0]["unscored"]["base_ssim"]
    assert bench(*few) == 0
    before = result(folder)
    assert bench(*variant, "stages=[score,publish]") == 0
    after = result(folder)
    for old, new in zip(before["clips"], after["clips"], strict=True):
        assert 0.5 < new["scores"]["base_ssim"] < 1
        assert new["scores"]["base_lpips"] > 0
        assert {**new["scores"], "base_ssim": None, "base_lpips": None} == old["scores"]
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "### What speed costs: Toy, steady" in page
    assert "distance to the base" in (tmp_path / "outputs/leaderboard/index.html").read_text()


@pytest.mark.slow
def test_scores_are_the_same_however_many_threads_the_process_has(
    bench: Main, tmp_path: Path
) -> None:
    toy = ["suite=toy", "limit=1", "suite.seeds=[0]", "model=toy_wobbling"]
    scores = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        try:
            assert bench(*toy, f"out=by-{threads}", "stages=[generate,score]") == 0
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(1)
            cv2.setNumThreads(1)
        (clip,) = result(tmp_path / f"by-{threads}/toy/toy_wobbling")["clips"]
        scores.append(clip["scores"])
    assert scores[0]["lost_order"] > 0
    assert scores[0] == scores[1]
