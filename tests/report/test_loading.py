"""Result files: found, read, and refused."""

import json
import math
from pathlib import Path
from typing import Any

import fake_results as fake
import pytest
from fake_results import Content

from bench.errors import BenchError
from bench.report.loading import find, load


def error_of(content: Content, tmp_path: Path) -> str:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(BenchError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_result_is_read(tmp_path: Path) -> None:
    content = fake.result(
        "wan", score=lambda p, _: {"flicker": p / 10, "identity": None}, prompts=3
    )
    result = load(fake.write(content, tmp_path))
    assert (result.model, result.suite, result.expected_clips) == ("wan", "toy", 3)
    assert result.metrics["flicker"].better == "lower"
    assert [clip.scores["flicker"] for clip in result.clips] == [0.0, 0.1, 0.2]
    assert result.clips[0].scores["identity"] is None
    assert result.clips[0].video_s == 2.0
    assert result.torch == "2.15.0"
    assert not result.random_weights
    assert result.content == content


@pytest.mark.parametrize(
    ("schema", "said"), [(2, "update steadybench"), (0, "run the suite again")]
)
def test_another_schema_is_refused(schema: int, said: str, tmp_path: Path) -> None:
    assert said in error_of(fake.result("wan", schema=schema), tmp_path)


@pytest.mark.parametrize(
    "key", ["schema", "model", "suite", "environment", "prompts", "expected", "metrics", "clips"]
)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    content = fake.result("wan")
    del content[key]
    assert repr(key) in error_of(content, tmp_path)


def test_a_missing_key_of_a_clip_is_named_with_the_clip(tmp_path: Path) -> None:
    content = fake.result("wan")
    del content["clips"][4]["warm"]
    message = error_of(content, tmp_path)
    assert "clip 5" in message
    assert "'warm'" in message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value: Any, tmp_path: Path) -> None:
    content = fake.result("wan")
    content["clips"][2]["scores"] = {"flicker": value}
    assert "clips.2.scores.flicker" in error_of(content, tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "lost"}, "'lost'"),
        ({"seed": True}, "'seed'"),
        ({"fps": 0.0}, "'fps'"),
        ({"frames": None}, "'frames'"),
        ({"latency_s": "fast"}, "'latency_s'"),
        ({"scores": {"flicker": "low"}}, "scores"),
        ({"unscored": {"flicker": None}}, "unscored"),
        ({"prompt": "stranger"}, "not among the expected"),
        ({"prompt": "p01"}, "stands twice"),
    ],
)
def test_a_clip_that_makes_no_sense_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    content = fake.result("wan")
    content["clips"][0] |= change
    assert said in error_of(content, tmp_path)


def test_a_metric_with_an_unknown_direction_is_refused(tmp_path: Path) -> None:
    metrics = {"flicker": fake.METRICS["flicker"] | {"better": "more"}}
    assert "'more'" in error_of(fake.result("wan", metrics=metrics), tmp_path)


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("{half", "utf-8")
    with pytest.raises(BenchError, match=r"result\.json"):
        load(path)


def test_find_takes_files_run_folders_suites_and_output_folders(tmp_path: Path) -> None:
    one = fake.write(fake.result("one"), tmp_path)
    two = fake.write(fake.result("two"), tmp_path)
    assert find([one]) == [one]
    assert find([one.parent]) == [one]
    assert find([tmp_path / "toy"]) == [one, two]
    assert find([tmp_path]) == [one, two]
    assert find([two, tmp_path, one.parent]) == [two, one]


def test_find_refuses_what_holds_no_result(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="found none"):
        find([tmp_path])
    with pytest.raises(BenchError, match="does not exist"):
        find([tmp_path / "nowhere"])
