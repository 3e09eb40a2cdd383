import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip, write_master
from bench.errors import BenchError, ClipError
from bench.generators.folder import FolderGenerator
from bench.prompts import Prompt


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
    assert [prompt.id for prompt in prompts] == ["cat-0.mkv", "dog-on-a-boat.mkv", "frames"]
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


def test_a_replaced_file_has_another_source(videos: Path) -> None:
    generator = FolderGenerator(str(videos))
    prompt = Prompt("cat-0.mkv", "")
    before = generator.source(prompt, 0)
    shutil.copy(videos / "dog on a boat.mkv", videos / "cat-0.mkv")
    assert generator.source(prompt, 0)["file"] == before["file"]
    assert generator.source(prompt, 0)["sha256"] != before["sha256"]
    assert generator.source(Prompt("none", "x"), 0) == {}


def test_names_that_would_collide_are_an_error(tmp_path: Path) -> None:
    for name in ("a b.mkv", "a-b.mkv"):
        (tmp_path / name).write_text("")
    with pytest.raises(BenchError, match=r"several files would be called 'a-b\.mkv'"):
        FolderGenerator(str(tmp_path)).own_prompts()


def test_a_path_that_is_no_folder_of_videos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, came in [("nowhere", "nothing"), ("file", "a file")]:
        with pytest.raises(BenchError, match=f"there is {came}: type model.path=DIR"):
            FolderGenerator(str(tmp_path / name))
    with pytest.raises(BenchError, match="expected videos in"):
        FolderGenerator(str(tmp_path)).own_prompts()
