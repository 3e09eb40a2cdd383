"""The legend: clips of known faults, what they score, and that both can be made again."""

import pytest

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import HEADLINE
from bench.leaderboard.render.page import LEGEND, legend
from bench.storage import PACKAGE
from tools.legend import LEVELS, clips

RUNGS = (90, 70, 40)


def test_its_clips_are_made_again_to_the_last_bit() -> None:
    scored = load(LEGEND / "result.json").clips
    digests = {clip.prompt.removesuffix(".mkv"): clip.frames_sha256 for clip in scored}
    assert {name: clip.sha256 for name, clip in clips()} == digests


def test_it_shows_what_each_fault_costs_from_90_to_40() -> None:
    shown = legend()
    assert len(shown) == len(LEVELS)
    for examples in shown.values():
        assert [float(each.coherence) for each in examples] == pytest.approx(RUNGS, abs=2.5)
        assert all(each.source.startswith("data:video/mp4;base64,AAAA") for each in examples)


def test_it_is_scored_by_the_metric_that_ranks_today() -> None:
    published = load(PACKAGE.parent / "leaderboard" / "results" / "toy" / "toy_steady.json")
    assert load(LEGEND / "result.json").metrics[HEADLINE] == published.metrics[HEADLINE]
