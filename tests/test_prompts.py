import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bench.errors import BenchError
from bench.prompts import load_suite


def suite(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return path


def test_a_suite_is_read_in_order_with_defaults(tmp_path: Path) -> None:
    path = suite(
        tmp_path,
        {"id": "b", "text": "two", "motion": "camera", "tags": ["x"], "shots": 2},
        "",
        {"id": "a", "text": "eins"},
    )
    prompts, sha256 = load_suite(path)
    assert [p.id for p in prompts] == ["b", "a"]
    assert (prompts[0].motion, prompts[0].tags, prompts[0].shots) == ("camera", ("x",), 2)
    assert (prompts[1].motion, prompts[1].category, prompts[1].shots) == ("any", "uncategorised", 1)
    assert len(sha256) == 64


def test_an_image_lies_beside_the_suite_file(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.png"
    cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    with_image, without = load_suite(
        suite(
            tmp_path,
            {"id": "a", "text": "x", "image": "images/a.png"},
            {"id": "b", "text": "x"},
        )
    )[0]
    assert with_image.image == path
    assert without.content == {"text": "x"}
    assert with_image.content["image"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_may_be_supplied_by_the_user(tmp_path: Path) -> None:
    path = suite(tmp_path, {"id": "a", "text": "x", "image": "a.png", "driving_video": "a.mp4"})
    mine = tmp_path / "mine"
    mine.mkdir()
    cv2.imwrite(str(mine / "a.png"), np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(BenchError, match=r"line 1: 'driving_video': expected a video at .*a\.mp4"):
        load_suite(path, mine)
    (mine / "a.mp4").write_bytes(b"poses")
    (prompt,), sha256 = load_suite(path, mine)
    assert (prompt.image, prompt.driving_video) == (mine / "a.png", mine / "a.mp4")
    assert prompt.content["driving_video"] == hashlib.sha256(b"poses").hexdigest()
    (mine / "a.mp4").write_bytes(b"other poses")
    assert load_suite(path, mine)[1] != sha256
    with pytest.raises(BenchError, match=r"'nowhere' is none: type suite\.files=DIR"):
        load_suite(path, "nowhere")


def test_the_hash_is_of_the_bytes(tmp_path: Path) -> None:
    one = load_suite(suite(tmp_path, {"id": "a", "text": "x"}))[1]
    assert load_suite(suite(tmp_path, {"id": "a", "text": "x"}))[1] == one
    assert load_suite(suite(tmp_path, {"id": "a", "text": "y"}))[1] != one


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}],
            "line 2: .*'a' stands already on line 1",
        ),
        ([{"id": "a", "text": "x"}, {"id": "b", "text": "  "}], "line 2: 'text' must be"),
        ([{"id": "a"}], "line 1: 'text' must be"),
        ([{"id": "../a", "text": "x"}], "line 1: 'id' must be"),
        (['{"id": "a", "text": "x"', ""], "line 1: expected one JSON object"),
        (["", "[1]"], "line 2: expected a JSON object, came list"),
        ([{"id": "a", "text": "x", "txet": "y"}], "line 1: unknown key 'txet'; known are id, text"),
        ([{"id": "a", "text": "x", "motion": "wild"}], "line 1: 'motion' must be subject"),
        ([{"id": "a", "text": "x", "shots": 0}], "line 1: 'shots' must be"),
        ([{"id": "a", "text": "x", "tags": "one"}], "line 1: 'tags' must be"),
        ([{"id": "a", "text": "x", "image": "/etc/x.png"}], "line 1: 'image' must be a path rel"),
        ([{"id": "a", "text": "x", "image": 3}], "line 1: 'image' must be a path rel"),
        ([{"id": "a", "text": "x", "driving_video": "/x"}], "line 1: 'driving_video' must be a pa"),
        ([{"id": "a", "text": "x", "image": "no.png"}], "line 1: 'image': expected a picture at"),
        (['{"id": "a", "text": "x", "text": "y"}'], "line 1: .*the key 'text' stands twice"),
        (['{"id": "a", "text": "\\ud800"}'], "line 1: expected text, came half a surrogate pair"),
        (["[" * 100_000], "line 1: expected one JSON object, but maximum recursion"),
        ([f'{{"id": "a", "shots": {"1" * 5000}}}'], "line 1: expected one JSON object, but Exceed"),
        ([""], "at least one prompt"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, lines: list[object], message: str
) -> None:
    with pytest.raises(BenchError, match=message) as caught:
        load_suite(suite(tmp_path, *lines))
    assert "\n" not in str(caught.value)
    assert "mine.jsonl" in str(caught.value)


def test_an_unknown_suite_file_lists_the_known_ones() -> None:
    with pytest.raises(BenchError, match=r"'tyo.jsonl' is none: .*toy\.jsonl"):
        load_suite("tyo.jsonl")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(b'{"id": "a", "text": "\xff"}')
    with pytest.raises(BenchError, match="UTF-8"):
        load_suite(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"id": "a", "text": "x"}', "utf-8-sig")
    assert [prompt.id for prompt in load_suite(path)[0]] == ["a"]


def test_a_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(BenchError, match=r"mine\.jsonl, but Permission denied"):
        load_suite(suite(tmp_path, {"id": "a", "text": "x"}))


@pytest.mark.parametrize("name", [5, None, ["a"]])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(BenchError, match=r"type suite\.prompts=FILE"):
        load_suite(name)
