import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip, write_master
from bench.errors import BenchError, ClipError, ClipMissing
from bench.generators.account import Account
from bench.generators.external.folder import FolderGenerator
from bench.prompts import Prompt
from bench.storage import SAFE_NAME


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two videos, a folder of PNG frames, and what lies about in a folder."""
    write_master(Clip(moving_texture(4, 32), 8), tmp_path / "cat-0.mkv")
    write_master(Clip(moving_texture(5, 32), 8), tmp_path / "dog on a boat.mkv")
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "0.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / ".hidden.mkv").write_text("x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_without_a_suite_every_video_is_a_clip_of_its_own(videos: Path) -> None:
    generator = FolderGenerator(str(videos), fps=8)
    prompts = generator.own_prompts()
    assert [prompt.id for prompt in prompts] == [
        "cat-0.mkv",
        "dog-on-a-boat-0b749278.mkv",
        "frames",
    ]
    assert [len(generator.generate(prompt, 0).frames) for prompt in prompts] == [4, 5, 1]
    assert not generator.measured


def test_with_a_suite_files_are_found_by_prompt_and_seed(videos: Path) -> None:
    generator = FolderGenerator(str(videos))
    assert len(generator.generate(Prompt("cat", "a cat"), 0).frames) == 4
    with pytest.raises(ClipError, match="expected the file cat-1"):
        generator.generate(Prompt("cat", "a cat"), 1)
    shutil.copy(videos / "cat-0.mkv", videos / "cat-0.avi")
    with pytest.raises(ClipError, match=r"found cat-0\.avi, cat-0\.mkv"):
        generator.generate(Prompt("cat", "a cat"), 0)


def test_what_nobody_has_supplied_is_missing_and_no_failure(videos: Path) -> None:
    with pytest.raises(ClipMissing):
        FolderGenerator(str(videos)).generate(Prompt("cow", "a cow"), 0)


def test_files_may_be_called_as_vbench_calls_them(videos: Path) -> None:
    shutil.copy(videos / "cat-0.mkv", videos / "a cat, on a boat-3.mkv")
    generator = FolderGenerator(str(videos), names="vbench")
    assert len(generator.generate(Prompt("p", "a cat, on a boat"), 3).frames) == 4
    with pytest.raises(ClipMissing, match=r"expected the file a cat, on a boat-4\.<mp4"):
        generator.generate(Prompt("p", "a cat, on a boat"), 4)
    with pytest.raises(BenchError, match="names must be id or vbench, did you mean 'vbench'"):
        FolderGenerator(str(videos), names="v_bench")  # type: ignore[arg-type]


def test_a_manifest_says_which_file_is_which_and_what_it_took(videos: Path) -> None:
    (videos / "list.csv").write_text(
        "file,prompt,seed,wait_s,price_usd\n"
        "dog on a boat.mkv,dog,0,12.5,0.4\n"
        "cat-0.mkv,cat,1,,\n"
        "gone.mp4,cow,0,,\n"
    )
    generator = FolderGenerator(str(videos), manifest=str(videos / "list.csv"))
    assert len(generator.generate(Prompt("dog", "a dog"), 0).frames) == 5
    assert generator.account == Account("declared", latency_s=12.5, price_usd=0.4)
    assert generator.source(Prompt("dog", "a dog"), 0)["wait_s"] == "12.5"
    generator.account = None
    assert len(generator.generate(Prompt("cat", "a cat"), 1).frames) == 4
    assert generator.account is None  # nothing is declared of it
    with pytest.raises(ClipMissing, match=r"expected the file gone\.mp4"):
        generator.generate(Prompt("cow", "a cow"), 0)
    with pytest.raises(ClipMissing, match="expected a line for cat, seed 0"):
        generator.generate(Prompt("cat", "a cat"), 0)


def test_a_replaced_file_has_another_source(videos: Path) -> None:
    generator = FolderGenerator(str(videos))
    prompt = Prompt("cat-0.mkv", "")
    before = generator.source(prompt, 0)
    shutil.copy(videos / "dog on a boat.mkv", videos / "cat-0.mkv")
    assert generator.source(prompt, 0)["file"] == before["file"]
    assert generator.source(prompt, 0)["sha256"] != before["sha256"]
    assert generator.source(Prompt("none", "x"), 0) == {}


def test_names_in_any_script_stay_apart_and_in_natural_order(tmp_path: Path) -> None:
    names = ["a b.mkv", "a-b.mkv", "v2.mp4", "v10.mp4", "_v.mp4", "视频.mp4", "影片.mp4"]
    for name in (*names, os.fsdecode(b"\xff.mp4")):
        (tmp_path / name).write_text("")
    ids = [prompt.id for prompt in FolderGenerator(str(tmp_path)).own_prompts()]
    assert len(set(ids)) == len(names) + 1
    assert all(SAFE_NAME.fullmatch(name) for name in ids)
    assert {"a-b.mkv", "v2.mp4", "v10.mp4"} < set(ids)
    assert ids.index("v2.mp4") < ids.index("v10.mp4")


def test_a_file_that_cannot_be_read_fails_alone(videos: Path) -> None:
    (videos / "gone.mp4").symlink_to(videos / "nowhere.mp4")
    generator = FolderGenerator(str(videos), fps=8)
    assert "gone.mp4" in [prompt.id for prompt in generator.own_prompts()]
    assert generator.source(Prompt("gone.mp4", ""), 0) == {}
    with pytest.raises(ClipError, match="cannot be read"):
        generator.generate(Prompt("gone.mp4", ""), 0)
    assert len(generator.generate(Prompt("cat-0.mkv", ""), 0).frames) == 4


def test_a_folder_that_cannot_be_listed_is_one_line(
    videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(BenchError, match="but Permission denied: make it readable"):
        FolderGenerator(str(videos)).own_prompts()


def test_a_name_that_is_no_text_can_be_recorded(videos: Path) -> None:
    shutil.copy(videos / "cat-0.mkv", videos / os.fsdecode(b"x\xff.mkv"))
    generator = FolderGenerator(str(videos))
    (odd,) = [prompt for prompt in generator.own_prompts() if prompt.id.startswith("x-")]
    assert generator.source(odd, 0)["file"].encode() == "x\ufffd.mkv".encode()


def test_frames_without_a_sub_folder_are_told_apart(videos: Path) -> None:
    with pytest.raises(BenchError, match=f"holds frames itself: type model.path={videos}$"):
        FolderGenerator(str(videos / "frames")).own_prompts()


def test_home_is_expanded(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(videos.parent))
    assert FolderGenerator(f"~/{videos.name}").path == videos


@pytest.mark.parametrize("path", ["", " ", None, 5])
def test_an_empty_path_is_refused(path: Any) -> None:
    with pytest.raises(BenchError, match=r"type model\.path=DIR"):
        FolderGenerator(path)


@pytest.mark.parametrize("fps", [0, -1, "abc", float("nan"), float("inf"), True])
def test_a_rate_that_is_none_is_refused(fps: Any, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="fps must be a number above 0, came"):
        FolderGenerator(str(tmp_path), fps=fps)


def test_a_path_that_is_no_folder_of_videos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, came in [("nowhere", "nothing"), ("file", "a file")]:
        with pytest.raises(BenchError, match=f"there is {came}: type model.path=DIR"):
            FolderGenerator(str(tmp_path / name))
    with pytest.raises(BenchError, match="expected videos in"):
        FolderGenerator(str(tmp_path)).own_prompts()
