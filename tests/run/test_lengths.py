"""Lengths: models follow the seconds of a prompt as far as their cards and frame rules go."""

from pathlib import Path
from typing import Any

import fake_results as fake
import numpy as np
import pytest
import shipped
import yaml

from bench.clip import Clip
from bench.config import parse_run
from bench.errors import BenchError
from bench.faults.degraded import Degraded
from bench.generators.diffusers.call import FrameRule
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.toy.generator import ToyGenerator
from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.tables.suite import length_tables
from bench.prompts import Prompt, load_suite
from bench.run.conditioning import with_length
from bench.storage import CONF

ROLL = "a red ball rolls from left to right over a wooden floor"


@pytest.mark.parametrize(
    ("rule", "own", "seconds", "count"),
    [
        ("4k+1", 81, 1.0, 17),  # of 16
        ("4k+1", 81, 3.9, 61),  # of 62.4
        ("4k+1", 81, 60.0, 81),  # as long as the card says, 5.1 s
        ("4k+1", 97, 60.0, 97),  # its own length, though the card says less
        ("8k+1 up to 49", 33, 60.0, 49),
        ("any", 81, 2.0, 32),
        (81, 81, 2.0, 81),
        ("16k", 64, 0.1, 16),
    ],
)
def test_the_nearest_legal_count_is_made(
    rule: str | int, own: int, seconds: float, count: int
) -> None:
    assert FrameRule.parse(rule).closest(seconds, 16.0, 5.1, own) == count


@pytest.mark.parametrize("card", sorted((CONF / "model").glob("*.yaml")), ids=lambda p: p.stem)
def test_no_model_is_cut_below_its_own_length(card: Path) -> None:
    model = yaml.safe_load(card.read_text())
    own = (model.get("call") or {}).get((model.get("inputs") or {}).get("num_frames", "num_frames"))
    longest_s = (model.get("card") or {}).get("max_seconds")
    if own is None or longest_s is None:
        return
    rule = FrameRule.parse(model.get("frames", "any"))
    count = rule.closest(3600.0, model["fps"], longest_s, own)
    assert count >= own
    assert rule.holds(count)
    assert count / model["fps"] == pytest.approx(longest_s, rel=0.15)


class Pipe:
    """Answers with as many frames as it is asked for."""

    def __call__(self, prompt: str, num_frames: int, **_: Any) -> Any:
        pixels = np.random.default_rng(len(prompt)).random((1, num_frames, 16, 16, 3))
        return type("Answer", (), {"frames": pixels})()


def made(generator: DiffusersGenerator, seconds: float | None) -> Clip:
    generator.pipe = Pipe()
    return generator.generate(Prompt("p", "x", seconds=seconds), 0)


def test_a_diffusers_model_follows_where_it_is_told_to() -> None:
    arguments: dict[str, Any] = {"pipeline": "P", "path": ".", "fps": 8, "frames": "4k+1"}
    arguments["call"] = {"num_frames": 9}
    told = DiffusersGenerator(**arguments, longest_s=6.1)
    for seconds, frames in ((2.0, 17), (60.0, 49), (None, 9)):
        assert len(made(told, seconds).frames) == frames
        assert told.frames_requested(Prompt("p", "x", seconds=seconds)) == frames
    assert len(made(DiffusersGenerator(**arguments), 2.0).frames) == 9
    with pytest.raises(BenchError, match=r"model\.longest_s must be seconds above 0, got 0"):
        DiffusersGenerator(**arguments, longest_s=0)


def test_the_card_says_how_far_a_model_follows(caplog: pytest.LogCaptureFixture) -> None:
    model = {"call": {"num_frames": 9}, "card": {"max_seconds": 6.1}}
    assert with_length(model, True, "m") == model | {"longest_s": 6.1}
    assert with_length(model, False, "m") == model
    assert with_length({"path": "clips"}, True, "m") == {"path": "clips"}
    assert not caplog.records
    unsaid = {"call": {"num_frames": 9}, "card": {"max_seconds": None}}
    assert with_length(unsaid, True, "m") == unsaid
    assert "has no max_seconds" in caplog.text


def test_a_suite_says_whether_lengths_are_followed() -> None:
    long, toy = shipped.config("suite=long"), shipped.config("suite=toy")
    assert long["suite"]["follow_seconds"] is True
    assert "follow_seconds" not in toy["suite"]
    long["suite"]["follow_seconds"] = "yes"
    with pytest.raises(BenchError, match=r"suite\.follow_seconds must be true or false"):
        parse_run(long)


def test_the_toy_model_follows_and_the_toy_suite_says_nothing() -> None:
    model = Degraded(ToyGenerator(fps=4.0), "hold", 0.5)
    prompt = Prompt("p", ROLL, seconds=3)
    assert len(model.generate(prompt, 0).frames) == model.frames_requested(prompt) == 12
    whole = ToyGenerator(fps=4.0, seconds=3).generate(Prompt("p", ROLL), 0)
    followed = ToyGenerator(fps=4.0).generate(Prompt("p", ROLL, seconds=3), 0)
    assert np.array_equal(whole.frames, followed.frames)
    suites = [load_suite(name)[0] for name in ("toy.jsonl", "toy_groups.jsonl")]
    assert {prompt.seconds for suite in suites for prompt in suite} == {None}


def test_the_leaderboard_says_who_was_shorter_than_asked(tmp_path: Path) -> None:
    contents = []
    for model, frames in (("able", (80, 475)), ("short", (40, 40))):
        clips = [
            fake.clip(f"p{n:02d}", frames=count, seconds_requested=asked)
            for n, (count, asked) in enumerate(zip(frames, (10, 60.0), strict=True))
        ]
        content = fake.result(model, clips, prompts=2)
        contents.append(content | {"card": {"max_seconds": 60 if model == "able" else 5.1}})
    (board,) = boards([load(fake.write(content, tmp_path)) for content in contents])
    (table,) = length_tables(board)
    assert table.texts == [
        ["able", "10-60", "10-59.4", "2/2", "60"],
        ["short", "10-60", "5", "0/2", "5.10"],
    ]
    (silent,) = boards([load(fake.write(fake.result("silent"), tmp_path / "other"))])
    assert list(length_tables(silent)) == []
