import json
import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip, write_master
from bench.errors import BenchError, ClipError, ClipMissing, ClipRefused
from bench.generators.base import Delivered, delivery_by
from bench.generators.folder import Entry, FolderGenerator, read_manifest
from bench.prompts import Prompt
from bench.storage import SAFE_NAME
from bench.video import Limits


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
    assert not generator.info.measured


def test_with_a_suite_files_are_found_by_prompt_and_seed(videos: Path) -> None:
    generator = FolderGenerator(str(videos))
    assert len(generator.generate(Prompt("cat", "a cat"), 0).frames) == 4
    with pytest.raises(ClipError, match="expected the file cat-1"):
        generator.generate(Prompt("cat", "a cat"), 1)
    shutil.copy(videos / "cat-0.mkv", videos / "cat-0.avi")
    generator = FolderGenerator(str(videos))
    with pytest.raises(ClipError, match=r"got cat-0\.avi, cat-0\.mkv"):
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
    with pytest.raises(BenchError, match=r"got 'v_bench' \(did you mean 'vbench'"):
        FolderGenerator(str(videos), names="v_bench")  # type: ignore[arg-type]


def test_a_manifest_says_which_file_is_which_and_what_it_took(videos: Path) -> None:
    (videos / "list.csv").write_text(
        "file,prompt,seed,wait_s,price_usd\n"
        "dog on a boat.mkv,dog,0,12.5,0.4\n"
        "cat-0.mkv,cat,1,,\n"
        "gone.mp4,cow,0,,\n"
    )
    generator = FolderGenerator(str(videos), manifest=str(videos / "list.csv"))
    clip = generator.generate(Prompt("dog", "a dog"), 0)
    assert isinstance(clip, Delivered)
    assert len(clip.frames) == 5
    assert clip.delivery == delivery_by("declared", latency_s=12.5, price_usd=0.4)
    assert generator.source(Prompt("dog", "a dog"), 0)["wait_s"] == "12.5"
    undeclared = generator.generate(Prompt("cat", "a cat"), 1)
    assert len(undeclared.frames) == 4
    assert not isinstance(undeclared, Delivered)
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
    with pytest.raises(ClipError, match="a link that leads nowhere"):
        generator.generate(Prompt("gone.mp4", ""), 0)
    assert len(generator.generate(Prompt("cat-0.mkv", ""), 0).frames) == 4


def test_sub_folders_are_read_and_what_is_skipped_is_listed(videos: Path) -> None:
    (videos / "a" / "b").mkdir(parents=True)
    shutil.copy(videos / "cat-0.mkv", videos / "a" / "b" / "CAT.MKV")
    shutil.copy(videos / "cat-0.mkv", videos / "a" / "cat-0.mkv")
    shutil.copy(videos / "frames" / "0.png", videos / "a" / "thumb.png")
    shutil.copy(videos / "frames" / "0.png", videos / "cover.PNG")
    (videos / "frames" / "masks").mkdir()
    (videos / "frames" / "Thumbs.db").write_text("x")
    (videos / "loop").symlink_to(videos)
    generator = FolderGenerator(str(videos), fps=8)
    names = [path.relative_to(videos).as_posix() for path in generator.videos()]
    assert names == ["a/b/CAT.MKV", "a/cat-0.mkv", "cat-0.mkv", "dog on a boat.mkv", "frames"]
    assert generator.skipped() == {
        ".hidden.mkv": "its name begins with a dot",
        "a/thumb.png": "a picture, expected frames in a sub-folder of their own",
        "cover.PNG": "a picture, expected frames in a sub-folder of their own",
        "empty": "an empty folder",
        "frames/Thumbs.db": "no suffix of a video or a picture",
        "frames/masks": "a folder among frames",
        "loop": "a link to a folder",
        "notes.txt": "no suffix of a video or a picture",
    }
    prompts = generator.own_prompts()
    assert len({prompt.id for prompt in prompts}) == 5
    assert [len(generator.generate(prompt, 0).frames) for prompt in prompts] == [4, 4, 4, 5, 1]
    with pytest.raises(ClipRefused, match=r"got a/cat-0\.mkv, cat-0\.mkv"):
        generator.generate(Prompt("cat", "a cat"), 0)


@pytest.mark.parametrize(("on_disk", "asked"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_name_is_the_same_in_any_unicode_form(
    videos: Path, on_disk: Literal["NFC", "NFD"], asked: Literal["NFC", "NFD"]
) -> None:
    text = "a café in Zürich"
    name = unicodedata.normalize(on_disk, text)
    (videos / "cat-0.mkv").rename(videos / f"{name}-0.mkv")
    prompt = Prompt("p", unicodedata.normalize(asked, text))
    generator = FolderGenerator(str(videos), names="vbench")
    assert len(generator.generate(prompt, 0).frames) == 4
    listed = unicodedata.normalize(asked, f"{text}-0.mkv")
    (videos / "list.csv").write_text(f"file,prompt,seed\n{listed},p,0\n", "utf-8")
    generator = FolderGenerator(str(videos), manifest=str(videos / "list.csv"))
    assert len(generator.generate(prompt, 0).frames) == 4


def test_what_is_no_file_of_this_folder_is_refused_and_not_read(
    videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(videos / "cat-0.mkv", elsewhere / "secret.mkv")
    (videos / "link.mkv").symlink_to(elsewhere / "secret.mkv")
    (videos / "device.mkv").symlink_to("/dev/zero")
    (videos / "loop.mkv").symlink_to("loop.mkv")
    (videos / "device.png").symlink_to("/dev/zero")
    os.mkfifo(videos / "pipe.mkv")
    os.mkfifo(videos / "frames" / "1.png")
    generator = FolderGenerator(str(videos), fps=8)
    for name, message in [
        ("link.mkv", "leads out of that folder"),
        ("device.mkv", "leads out of that folder"),
        ("pipe.mkv", "got a pipe or a device"),
        ("loop.mkv", "got a link that leads nowhere"),
    ]:
        assert generator.source(Prompt(name, ""), 0) == {}
        with pytest.raises(ClipRefused, match=message):
            generator.generate(Prompt(name, ""), 0)
    for name in ("device.png", "frames/1.png"):
        assert generator.skipped()[name] == "no picture, but a pipe, a device or a link"
    assert generator.source(Prompt("frames", ""), 0) == {}
    with pytest.raises(ClipRefused, match=r"1\.png: expected a picture in this folder"):
        generator.generate(Prompt("frames", ""), 0)
    for secret in (os.path.relpath(elsewhere / "secret.mkv", videos), elsewhere / "secret.mkv"):
        (videos / "list.csv").write_text(f"file,prompt,seed\n{secret},p,0\n")
        generator = FolderGenerator(str(videos), manifest=str(videos / "list.csv"))
        with pytest.raises(ClipRefused, match="leads out of that folder"):
            generator.generate(Prompt("p", "x"), 0)


def test_where_the_folder_lies_stands_in_no_record(videos: Path) -> None:
    (videos / "zero.mp4").write_bytes(b"")
    (videos / "gone.mp4").symlink_to("nowhere.mp4")
    generator = FolderGenerator(str(videos), fps=8)
    for name in ("zero.mp4", "gone.mp4"):
        with pytest.raises(ClipRefused, match=rf"^{name}: expected a video"):
            generator.generate(Prompt(name, ""), 0)


def test_limits_and_resampling_come_from_the_configuration(videos: Path) -> None:
    prompt = Prompt("cat-0.mkv", "")
    with pytest.raises(ClipRefused, match=r"at most 3 frames, got 4 frames: .*model\.limits"):
        FolderGenerator(str(videos), limits=Limits(frames=3)).generate(prompt, 0)
    with pytest.raises(BenchError, match="resample must be a number above 0"):
        FolderGenerator(str(videos), resample=0)
    assert "resample" not in FolderGenerator(str(videos)).source(prompt, 0)
    assert FolderGenerator(str(videos), resample=24).source(prompt, 0)["resample"] == "24"


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
    assert FolderGenerator(f"~/{videos.name}").folder == videos


@pytest.mark.parametrize("path", ["", " ", None, 5])
def test_an_empty_path_is_refused(path: Any) -> None:
    with pytest.raises(BenchError, match=r"type model\.path=DIR"):
        FolderGenerator(path)


@pytest.mark.parametrize("fps", [0, -1, "abc", float("nan"), float("inf"), True])
def test_a_rate_that_is_none_is_refused(fps: Any, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="fps must be a number above 0, got"):
        FolderGenerator(str(tmp_path), fps=fps)


def test_a_path_that_is_no_folder_of_videos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, what in [("nowhere", "nothing"), ("file", "a file")]:
        with pytest.raises(BenchError, match=f"there is {what}: type model.path=DIR"):
            FolderGenerator(str(tmp_path / name))
    with pytest.raises(BenchError, match="expected videos in"):
        FolderGenerator(str(tmp_path)).own_prompts()


EXPECTED = {
    ("cat", 0): Entry(file="a, b.mp4", prompt="cat", seed=0, wait_s=12.5, price_usd=0.4),
    ("cat", 1): Entry(file="c.mp4", prompt="cat", seed=1),
}


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    sheet = tmp_path / "list.csv"
    sheet.write_text(
        'prompt,file,seed,price_usd,wait_s,text\ncat,"a, b.mp4",0,0.4,12.5,"a\n""cat"""\n'
        "cat,c.mp4,1,,,\n",
        "utf-8-sig",
    )
    assert read_manifest(sheet) == EXPECTED
    lines = tmp_path / "list.jsonl"
    rows = [
        {"file": "a, b.mp4", "prompt": "cat", "seed": 0, "wait_s": 12.5, "price_usd": 0.4},
        {"file": "c.mp4", "prompt": "cat", "seed": 1, "wait_s": None},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert read_manifest(lines) == EXPECTED


HEADER = "file,prompt,seed,wait_s\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "", "line 1: expected the columns file, prompt, seed, got no 'file'"),
        ("l.csv", "file,prompt\n", "got no 'seed'"),
        ("l.csv", "file,promt,seed\n", r"unknown column 'promt' \(did you mean 'prompt'"),
        ("l.csv", HEADER, "expected at least one clip"),
        ("l.csv", f"{HEADER}a.mp4,cat,x,\n", "line 2: seed must be a whole number .*got 'x'"),
        ("l.csv", f"{HEADER}a.mp4,cat,0.5,\n", "line 2: seed must be a whole number"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,fast\n", "line 2: wait_s must be a number .*'fast'"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,-1\n", "line 2: wait_s must be a number from 0"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,nan\n", "line 2: wait_s must be a number from 0"),
        ("l.csv", f"{HEADER}a.mp4,cat\n", "line 2: expected 4 columns"),
        ("l.csv", f"{HEADER},cat,0,\n", "line 2: file must be a text"),
        ("l.csv", f"{HEADER}a,cat,0,\nb,cat,0,\n", "line 3: prompt 'cat' and seed 0 stand there"),
        ("l.jsonl", "{", "line 1: expected JSON"),
        ("l.jsonl", "[1]", "line 1: expected a JSON object"),
        ("l.jsonl", '{"file": "a", "prompt": "c", "seed": true}', "seed must be a whole number"),
        ("l.jsonl", '{"file": "a", "prompt": 3, "seed": 0}', "prompt must be a text, got 3"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BenchError, match=message) as caught:
        read_manifest(tmp_path / name)
    assert name in str(caught.value)


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="got none: type model"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"file,prompt,seed\n\xff,a,0\n")
    with pytest.raises(BenchError, match="expected UTF-8 text"):
        read_manifest(tmp_path / "latin.csv")
