import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_files import png_header

from bench import storage
from bench.errors import BenchError
from bench.prompts import Prompt, load_suite
from bench.storage import PROMPTS


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


def test_a_model_is_given_the_length_but_not_what_only_metrics_and_image_makers_read(
    tmp_path: Path,
) -> None:
    aside = {"subject": "x", "group": "g", "image_prompt": "a photograph of x"}
    plain, noted, timed = load_suite(
        suite(
            tmp_path,
            {"id": "a", "text": "x"},
            {"id": "b", "text": "x", **aside},
            {"id": "c", "text": "x", "seconds": 10},
        )
    )[0]
    assert plain.content == noted.content == {"text": "x"}
    assert timed.content == {"text": "x", "seconds": 10.0}
    assert (noted.subject, noted.group, noted.image_prompt) == tuple(aside.values())


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


def test_a_suite_names_files_of_its_own_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    folder.mkdir()
    cv2.imwrite(str(tmp_path / "secret.png"), np.zeros((4, 4, 3), np.uint8))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    for key in ("image", "driving_video"):
        for name in ("../secret.png", "link.png", "device.png"):
            with pytest.raises(BenchError, match=rf"'{key}' must lie in .*, '{name}' leads out"):
                load_suite(suite(folder, {"id": "a", "text": "x", key: name}))
        for name in ("pipe.png", "loop.png", "a\0b"):
            with pytest.raises(BenchError, match=f"'{key}'"):
                load_suite(suite(folder, {"id": "a", "text": "x", key: name}))


def test_a_picture_that_is_too_large_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(20_000, 20_000))
    with pytest.raises(BenchError, match=r"line 1: 'image': .*limit"):
        load_suite(suite(tmp_path, {"id": "a", "text": "x", "image": "a.png"}))


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
        (["", "[1]"], "line 2: expected a JSON object, got list"),
        ([{"id": "a", "text": "x", "txet": "y"}], "line 1: unknown key 'txet'; known are id, text"),
        ([{"id": "a", "text": "x", "motion": "wild"}], "line 1: 'motion' must be subject"),
        ([{"id": "a", "text": "x", "shots": 0}], "line 1: 'shots' must be"),
        ([{"id": "a", "text": "x", "tags": "one"}], "line 1: 'tags' must be"),
        ([{"id": "a", "text": "x", "image": "/etc/x.png"}], "line 1: 'image' must be a path rel"),
        ([{"id": "a", "text": "x", "image": 3}], "line 1: 'image' must be a path rel"),
        ([{"id": "a", "text": "x", "driving_video": "/x"}], "line 1: 'driving_video' must be a pa"),
        ([{"id": "a", "text": "x", "image": "no.png"}], "line 1: 'image': expected a picture at"),
        (
            [{"id": "a", "text": "x", "image": "no.png", "image_prompt": "y"}],
            "line 1: 'image_prompt' must be left out beside 'image'",
        ),
        ([{"id": "a", "text": "x", "image_prompt": ""}], "line 1: 'image_prompt' must be"),
        ([{"id": "a", "text": "x", "subject": 7}], "line 1: 'subject' must be"),
        ([{"id": "a", "text": "x", "group": "two words"}], "line 1: 'group' must be"),
        ([{"id": "a", "text": "x", "seconds": "10"}], "line 1: 'seconds' must be a number above 0"),
        ([{"id": "a", "text": "x", "seconds": True}], "line 1: 'seconds' must be"),
        ([{"id": "a", "text": "x", "seconds": 0}], "line 1: 'seconds' must be"),
        (['{"id": "a", "text": "x", "seconds": Infinity}'], "line 1: 'seconds' must be"),
        (['{"id": "a", "text": "x", "text": "y"}'], "line 1: .*the key 'text' stands twice"),
        (['{"id": "a", "text": "\\ud800"}'], "line 1: expected text, got half a surrogate pair"),
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

    monkeypatch.setattr(storage, "FileIO", denied)
    with pytest.raises(BenchError, match=r"mine\.jsonl, but Permission denied"):
        load_suite(suite(tmp_path, {"id": "a", "text": "x"}))


def fits(schema: Any, value: Any) -> bool:
    """Whether a value fits a JSON schema of the few keywords that prompts/schema.json uses."""
    if "not" in schema and fits(schema["not"], value):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    kind = kinds.get(schema.get("type"), object)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, (int, float))):
        return False
    if isinstance(value, str):
        # In ECMA 262 `$` is the very end; in Python it may stand before a last newline.
        return re.search(schema.get("pattern", "").replace("$", r"\Z"), value) is not None
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return (
            all(key in value for key in schema.get("required", []))
            and (schema.get("additionalProperties", True) or value.keys() <= properties.keys())
            and all(fits(properties.get(key, {}), held) for key, held in value.items())
        )
    if isinstance(value, list):
        return all(fits(schema.get("items", {}), held) for held in value)
    if isinstance(value, int | float):
        above = value > schema.get("exclusiveMinimum", -math.inf)
        return bool(above and value >= schema.get("minimum", -math.inf))
    return True


VALUES = [None, True, 0, 1, 2, -1, 0.5, 10, "", " ", "x", "a b", "any", "wild", "/x.png", "a.png"]
VALUES += ["a\n", ".a", "a" * 100, "a" * 101, [], ["x"], [1], {}]


def test_the_schema_and_the_loader_agree(tmp_path: Path) -> None:
    schema = json.loads((PROMPTS / "schema.json").read_text("utf-8"))
    assert list(schema["properties"]) == list(Prompt.__dataclass_fields__)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    whole = {"id": "a", "text": "x"}
    lines: list[Any] = [{}, {"id": "a"}, {"text": "x"}, whole, whole | {"prompt": "x"}, [1], "x"]
    lines += [whole | {"image": "a.png", "image_prompt": "x"}]
    lines += [whole | {key: value} for key in schema["properties"] for value in VALUES]
    verdicts = set()
    for line in lines:
        try:
            load_suite(suite(tmp_path, json.dumps(line)))
            accepted = True
        except BenchError as error:
            # That a file is missing, no schema can know.
            accepted = bool(re.search("expected a (picture|video)", str(error)))
        assert accepted == fits(schema, line), line
        verdicts.add(accepted)
    assert verdicts == {True, False}


@pytest.mark.parametrize("path", sorted(PROMPTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_every_published_line_fits_the_schema(path: Path) -> None:
    schema = json.loads((PROMPTS / "schema.json").read_text("utf-8"))
    for line in path.read_text("utf-8").splitlines():
        assert fits(schema, json.loads(line)), line


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a beach, the camera slowly tilting downwards", "camera"),
        ("The camera pans from the oven to the shelf", "camera"),
        ("a street while the camera is moving forward", "camera"),
        ("镜头缓缓推近一扇窗", "camera"),
        ("a girl looks at the camera and moves her head", "any"),
        ("a tripod, no camera movement", "any"),
        ("a guide tilts his head, two pans on the stove", "any"),
        ("镜头前的女孩拉开窗帘", "any"),
    ],
)
def test_a_text_may_say_that_the_camera_moves(text: str, asked: str) -> None:
    assert Prompt(id="x", text=text).asked_motion == asked
    assert Prompt(id="x", text=text, motion="subject").asked_motion == "subject"


def test_one_prompt_of_the_suites_leaves_open_what_its_text_says() -> None:
    for name in ("standard", "zh"):
        prompts, _ = load_suite(f"{name}.jsonl")
        said = [p.id for p in prompts if p.asked_motion != p.motion]
        assert said == ["potter-pan-back"]
