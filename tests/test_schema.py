"""The format of the files that join the stages: read, written back, and refused."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import schema
from bench.schema import (
    ClipRecord,
    ClipResult,
    Delivery,
    Record,
    Result,
    ResultError,
    Sample,
    ScoreEntry,
    ScoreRecord,
    dump,
    parse,
)
from tools.documents import documents

ROOT = Path(__file__).parent.parent
FIXTURES = sorted((ROOT / "tests").glob("*/fixtures/result_*.json"))
PUBLISHED = sorted((ROOT / "leaderboard" / "results").glob("*/*.json"))

Content = dict[str, Any]
Mutation = Callable[[Content], None]


def content() -> Content:
    values: Content = json.loads(FIXTURES[-1].read_text("utf-8"))
    return values


def read(values: object) -> Result:
    return parse(Result, json.dumps(values), "result.json", "give another")


def faults_of(values: object) -> tuple[str, ...]:
    with pytest.raises(ResultError) as caught:
        read(values)
    assert all(fault.startswith("result.json: ") for fault in caught.value.faults)
    assert all(fault.isprintable() for fault in caught.value.faults)
    return caught.value.faults


def clip_record(**changes: Any) -> Content:
    clip = content()["clips"][0]
    private = ("scores", "unscored", "notes", "cross_clip")
    public = {key: value for key, value in clip.items() if key not in private}
    return public | {"schema": 1, "inputs": {"seed": 0}, "fingerprint": "f" * 64} | changes


@pytest.mark.parametrize(
    "path", FIXTURES + PUBLISHED, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_what_is_read_is_written_back_byte_for_byte(path: Path) -> None:
    text = path.read_text("utf-8")
    result = parse(Result, text, path.name, "give another")
    assert dump(result) == text
    assert dump(result.replace()) == text


def test_keys_of_tomorrow_are_written_back_and_make_no_difference() -> None:
    values = content()
    clip = values["clips"][0]
    for place in (values, values["card"], clip, values["metrics"]["warp"], values["expected"]):
        place["tomorrow"] = {"more": [1, None, 0.5]}
    result = read(values)
    assert json.loads(dump(result)) == values
    assert result == read(content())
    assert hash(result.metrics["warp"]) == hash(read(content()).metrics["warp"])


def test_whole_numbers_stay_whole_where_any_number_may_stand() -> None:
    values = content()
    values["card"]["max_seconds"] = 5
    values["clips"][0]["scores"]["warp"] = 0
    assert '"max_seconds": 5,' in dump(read(values))
    assert '"warp": 0' in dump(read(values))


def test_files_of_before_a_key_was_kept_have_its_default() -> None:
    values = content()
    for key in ("weights", "hardware", "loaded", "calibration", "cross_clip", "generator_version"):
        values.pop(key, None)
    for clip in values["clips"]:
        for key in ("batch_size", "software", "account", "cross_clip", "notes", "unmeasured"):
            clip.pop(key, None)
    result = read(values)
    assert (result.weights, result.aspect, result.calibration) == ("real", None, None)
    assert result.loaded is None
    assert (result.clips[0].batch_size, result.clips[0].delivery) == (1, None)
    assert json.loads(dump(result)) == values


def test_a_result_answers_for_what_stands_deeper() -> None:
    result = read(content())
    assert result.environment.software == "torch 2.15.0"
    assert result.expected_clips == len(result.expected.samples) == 4
    assert result.expected.samples[0] == result.clips[0].sample == Sample(result.clips[0].prompt, 0)
    assert result.clips[0].video_s == result.clips[0].frames / result.clips[0].fps
    assert result.clips[0].stage_s is None


def test_stages_are_whole_or_null() -> None:
    values = content()
    stages = {"encode_s": 0.1, "denoise_s": 2, "decode_s": 0.2, "other_s": 0.0}
    values["clips"][0]["stages"] = stages
    assert read(values).clips[0].stage_s == {
        "encode": 0.1,
        "denoise": 2,
        "decode": 0.2,
        "other": 0.0,
    }
    values["clips"][0]["stages"] = {"encode_s": 0.1}
    assert faults_of(values) == (
        "result.json: clips[0].stages: expected seconds for every stage or null",
    )


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        ("clips.3.latency_s", -1, "clips[3].latency_s: expected a number >= 0, got -1"),
        ("clips.0.latency_s", "fast", "clips[0].latency_s: expected a number, got 'fast'"),
        ("clips.0.latency_s", 1e308, "clips[0].latency_s: expected a number <= 1e+07, got 1e+308"),
        ("clips.0.latency_s", True, "clips[0].latency_s: expected a number, got true"),
        ("clips.0.seed", 2**60, f"clips[0].seed: expected a number <= 9.0072e+15, got {2**60}"),
        ("clips.0.seed", True, "clips[0].seed: expected a whole number, got true"),
        ("clips.0.seed", 0.5, "clips[0].seed: expected a whole number, got 0.5"),
        ("clips.0.seed", None, "clips[0].seed: expected a whole number, got null"),
        ("clips.0.fps", 0, "clips[0]: expected fps above 0 of a clip that is ok, got 0"),
        ("clips.0.width", None, "clips[0]: expected width above 0 of a clip that is ok, got None"),
        ("clips.0.warm", 1, "clips[0].warm: expected true or false, got 1"),
        ("clips.0.prompt", 5, "clips[0].prompt: expected text, got 5"),
        (
            "clips.0.status",
            "lost",
            "clips[0].status: expected one of 'ok', 'error', 'oom', 'crashed' or 'refused', "
            "got 'lost'",
        ),
        ("clips.0.scores", [], "clips[0].scores: expected an object, got a list"),
        ("clips.0.scores.warp", "low", "clips[0].scores.warp: expected a number, got 'low'"),
        (
            "clips.0.scores.warp",
            float("nan"),
            "clips[0].scores.warp: expected a finite number or null, got nan",
        ),
        ("clips.0.unscored.warp", None, "clips[0].unscored.warp: expected text, got null"),
        ("clips.0", 7, "clips[0]: expected an object, got 7"),
        ("clips", {}, "clips: expected a list, got an object"),
        ("metrics.warp.version", 1.5, "metrics.warp.version: expected a whole number, got 1.5"),
        (
            "metrics.warp.better",
            "more",
            "metrics.warp.better: expected one of 'higher' or 'lower', got 'more'",
        ),
        ("hardware.currency", "usd", "hardware.currency: expected text like ^[A-Z]{3}$, got 'usd'"),
        ("hardware.gpus", 0, "hardware.gpus: expected a number >= 1, got 0"),
        ("card.title", " ", "card.title: expected text like \\S, got ' '"),
        (
            "card.licence",
            "x" * 201,
            f"card.licence: expected text of at most 200 letters, got 'xxx{'x' * 76}",
        ),
        ("clips.0.width", 10**9, "clips[0].width: expected a number <= 65536, got 1000000000"),
        ("clips.0.batch_size", 0, "clips[0].batch_size: expected a number >= 1, got 0"),
        ("clips.0.gpu", "H200", "clips[0].gpu: expected an object, got 'H200'"),
        ("clips.0.account", [1], "clips[0].account: expected an object, got a list"),
        ("weights", "some", "weights: expected one of 'real' or 'random', got 'some'"),
        ("tomorrow", [2**60], "tomorrow: expected a whole number up to 2^53 at [0]"),
        (
            "loaded",
            {"scheduler": {"a": {"b": float("inf")}}},
            "loaded.scheduler.a: expected a finite number or null at b",
        ),
        ("schema", 2, "expected schema 1, got 2, which is newer: update steadybench"),
        ("schema", 0, "expected schema 1, got 0, which is older and must be made anew"),
    ],
)  # fmt: skip
def test_a_wrong_value_costs_one_line_that_names_file_and_key(
    place: str, value: object, fault: str
) -> None:
    values = content()
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    inner: Any = values
    for part in parents:
        inner = inner[part]
    inner[last] = value
    assert faults_of(values) == (f"result.json: {fault}",)


def test_all_faults_are_told_at_once() -> None:
    values = content()
    values["clips"][0]["fps"] = -1
    values["clips"][2]["seed"] = "x"
    del values["clips"][3]["warm"]
    del values["suite"]
    assert [fault.removeprefix("result.json: ") for fault in faults_of(values)] == [
        "suite: expected this key, it is missing",
        "clips[0].fps: expected a number >= 0, got -1",
        "clips[2].seed: expected a whole number, got 'x'",
        "clips[3].warm: expected this key, it is missing",
    ]
    with pytest.raises(ResultError, match="first of 4 faults"):
        read(values)


def test_the_message_says_what_to_do_unless_the_schema_does() -> None:
    with pytest.raises(ResultError, match=r"suite: expected this key, it is missing; give another"):
        read({key: value for key, value in content().items() if key != "suite"})
    with pytest.raises(ResultError, match=r"newer: update steadybench$"):
        read(content() | {"schema": 2})


def test_clips_stand_once_and_are_expected() -> None:
    values = content()
    first, second = values["clips"][:2]
    second["prompt"] = first["prompt"]
    values["clips"][2]["prompt"] = "stranger"
    assert [fault.removeprefix("result.json: ") for fault in faults_of(values)] == [
        f"expected each clip once, {first['prompt']}, seed 0 stands 2 times",
        "stranger, seed 0 is not among the expected prompts and seeds",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{half",
        "[" * 5000,
        '{"a":' * 5000,
        '{"schema": 1, "x": "\\ud800"}',
        "\ufeff{}",
        "[]",
        "1",
        "null",
    ],
)
def test_what_is_no_json_object_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ResultError, match=r"^result\.json: expected ") as caught:
        parse(Result, text, "result.json", "give another")
    assert str(caught.value).isprintable()


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ResultError, match=r"^result\.json: expected JSON"):
        parse(Result, b'{"schema": 1, "model": "\xff"}', "result.json", "give another")


@pytest.mark.parametrize("key", ["seed", "latency_s", "tomorrow"])
def test_a_number_that_python_would_not_print_is_refused(key: str) -> None:
    text = json.dumps(content() | {"clips": [content()["clips"][0] | {key: "HERE"}]})
    with pytest.raises(ResultError) as caught:
        parse(Result, text.replace('"HERE"', "9" * 5000), "result.json", "give another")
    assert len(str(caught.value)) < 200


def test_a_key_that_could_break_the_line_is_quoted() -> None:
    values = content()
    values["clips"][0]["scores"]["a\nb\x1b[31m"] = "x"
    assert r"'a\nb\x1b[31m'" in faults_of(values)[0]


def test_a_record_is_checked_when_it_is_made_and_cannot_be_changed() -> None:
    record = parse(ClipRecord, json.dumps(clip_record()), "0.json", "remove it")
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        record.replace(latency_s=-1)
    with pytest.raises(ValueError, match="frozen"):
        record.latency_s = 3.0  # type: ignore[misc]
    assert record.replace(latency_s=3.0).latency_s == 3.0
    assert record.replace(latency_s=3.0).inputs == record.inputs


def test_what_is_private_of_a_clips_record_is_not_published() -> None:
    record = parse(ClipRecord, json.dumps(clip_record(details={"pid": 4})), "0.json", "remove it")
    clip = ClipResult.of(record, scores={"warp": None}, unscored={"warp": "static"}, notes={})
    written = json.loads(schema.dump(clip))
    assert not written.keys() & {"schema", "inputs", "fingerprint", "details"}
    expected = {key: value for key, value in clip_record().items() if key in written}
    assert written == expected | {
        "scores": {"warp": None},
        "unscored": {"warp": "static"},
        "notes": {},
    }


def test_a_delivery_stands_under_the_key_account() -> None:
    delivery = Delivery(
        basis="request",
        latency_s=2.5,
        price_usd=None,
        started_at_s=None,
        attempts=1,
        concurrency=None,
        server_latency_s=None,
        server_peak_memory_bytes=None,
    )
    record = parse(ClipRecord, json.dumps(clip_record()), "0.json", "").replace(account=delivery)
    assert record.delivery == delivery
    assert json.loads(dump(record))["account"]["latency_s"] == 2.5


def test_what_a_text_says_at_its_top_level_is_seen_without_reading_it() -> None:
    class Words(Record):
        status: str
        nested: dict[str, str]

    plain = dump(Words(status="error", nested={"status": "ok"})).encode()
    quoting = dump(Words(status='\n "status": "ok"\n', nested={})).encode()
    assert schema.says(plain, {"status": "error"})
    for text in (plain, quoting, plain[:-2]):
        assert not schema.says(text, {"status": "ok"})
    assert not schema.says(plain[:-2], {"status": "error"})


def test_a_score_record_keeps_curves() -> None:
    entry = {"unit": "ratio", "better": "lower", "version": 1, "fingerprint": "0", "value": 0.5}
    values = {
        "schema": 1,
        "frames_sha256": "0",
        "prompt": {"text": "x"},
        "metrics": {"warp": entry | {"why": None, "series": {"time_s": [0, 0.5, None]}}},
        "appearance": {"vector": None, "why": "too small", "fingerprint": "0"},
    }
    record = parse(ScoreRecord, json.dumps(values), "0.json", "")
    assert record.metrics["warp"].series["time_s"] == (0, 0.5, None)
    assert json.loads(dump(record)) == values


ABSURD: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**53, 2**60, -(2**60), 10**400, 10**4000, 0.5, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), -float("inf"), "", " ", "x", "a\nb", "\ud800", "\udfff", "é"),
    *([], [None], {}, {"": 1}, {"a": {"b": [float("nan")]}}, {"schema": 1}, [[[[[[]]]]]]),
)


def mutate(value: Any, draw: random.Random) -> None:
    """Change one value somewhere in a JSON object, drop it, or add a key."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            value.update(tomorrow=1) if isinstance(value, dict) else value.append(1)
            return
        key = draw.choice(keys)
        if isinstance(value[key], dict | list) and draw.random() < 0.8:
            value = value[key]
            continue
        action = draw.randrange(4)
        if action == 0:
            del value[key]
        elif action == 1 and isinstance(value, dict):
            value[draw.choice(["tomorrow", "", "a.b", "\x1b", "\ud800"])] = draw.choice(ABSURD)
        else:
            value[key] = draw.choice(ABSURD)
        return


@pytest.mark.parametrize(
    ("points", "fault"),
    [
        ([0.5, "x"], r"series.c\[1\]: expected a number, got 'x'"),
        ([0.5, None, 1e16], r"series.c\[2\]: expected a number <= 1e\+15, got 1e\+16"),
        ([-1e16], r"series.c\[0\]: expected a number >= -1e\+15, got -1e\+16"),
        (
            [float("inf"), float("-inf")],
            r"series.c\[0\]: expected a finite number or null, got inf",
        ),
        ([True], r"series.c\[0\]: expected a number, got true"),
        (0.5, r"series.c: expected a list, got 0.5"),
    ],
)
def test_a_curve_names_the_point_that_is_wrong(points: object, fault: str) -> None:
    plain = {"unit": "x", "better": None, "version": 1, "fingerprint": "f", "value": 1, "why": None}
    entry = json.dumps(plain | {"series": {"c": points}})
    with pytest.raises(ResultError, match=fault):
        parse(ScoreEntry, entry, "0.json", "give another")


def test_no_mutation_of_a_result_brings_anything_but_a_result_or_one_line_faults() -> None:
    draw = random.Random(14)
    text = FIXTURES[-1].read_text("utf-8")
    refused, faults = 0, list[str]()
    for _ in range(2000):
        values = json.loads(text)
        for _ in range(draw.randint(1, 3)):
            mutate(values, draw)
        mutated = json.dumps(values)
        try:
            result = parse(Result, mutated, "result.json", "give another")
        except ResultError as refusal:  # any other kind fails the test
            refused += 1
            faults += refusal.faults
        else:
            assert json.loads(dump(result)) == values
    for fault in faults:
        assert fault.startswith("result.json: ")
        assert fault.isprintable()
        assert len(fault) < 400
    assert 500 < refused < 2000


def _records(kind: type[Record]) -> list[type[Record]]:
    return [record for sub in kind.__subclasses__() for record in (sub, *_records(sub))]


@pytest.mark.parametrize("kind", _records(Record), ids=lambda kind: kind.__name__)
def test_every_field_is_documented_in_one_line(kind: type[Record]) -> None:
    assert kind.__doc__
    for name, field in kind.model_fields.items():
        assert field.description, f"{kind.__name__}.{name}"
        assert "\n" not in field.description.strip()


def test_the_format_is_read_without_torch() -> None:
    code = "import sys, bench.schema; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_the_generated_parts_of_the_documentation_are_those_of_today() -> None:
    for path, text in documents().items():
        assert path.read_text("utf-8") == text, "type python -m tools.documents"
