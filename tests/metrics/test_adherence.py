from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import pytest
import torch
from fake_compass import Compass

from bench.clip import Clip
from bench.errors import Unscored
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.adherence import (
    adherence,
    adherence_drift,
    adherence_margin,
    adherence_min,
)
from bench.prompts import Prompt, load_suite
from bench.statistics import interval
from bench.vision.analysis import Analysis, Backbones
from bench.vision.openclip import ToyClip

SUITE, _ = load_suite("toy.jsonl")


def bearings(
    degrees: Sequence[int],
    text: str = "east",
    suite: Sequence[str] = ("east", "north"),
    fps: float = 8.0,
    network: Compass | None = None,
) -> Analysis:
    frames = np.zeros((len(degrees), 4, 4, 3), np.uint8)
    frames[:] = np.array(degrees, np.uint8)[:, None, None, None]
    prompts = [Prompt(id=f"p{n}", text=other) for n, other in enumerate(suite)]
    backbones = Backbones({"text": network or Compass()}, torch.device("cpu"))
    return Analysis(Clip(frames, fps), Prompt(id="p", text=text), backbones, prompts)


def test_the_values_are_those_of_the_formulas() -> None:
    degrees = np.array([0, 20, 40, 60, 80, 100, 120, 140])
    cosines = np.cos(np.deg2rad(degrees))
    evidence = bearings(degrees.tolist())
    values = 100 * np.maximum(cosines, 0)
    assert adherence(evidence) == pytest.approx(values.mean(), abs=1e-4)
    assert adherence_min(evidence) == 0
    slope = np.polyfit(np.arange(8) / 8, values, 1)[0]
    assert adherence_drift(evidence) == pytest.approx(slope, abs=1e-3)
    margin = 100 * (cosines - np.sin(np.deg2rad(degrees))).mean()
    assert adherence_margin(evidence) == pytest.approx(margin, abs=1e-4)


def test_each_frame_of_the_series_has_its_time() -> None:
    scored = adherence.score(bearings(range(0, 90, 2), fps=15))
    assert scored.series["time_s"] == pytest.approx(np.rint(np.linspace(0, 44, 8)) / 15)
    assert len(scored.series["adherence"]) == 8
    assert np.mean(scored.series["adherence"]) == pytest.approx(scored.value)
    assert scored.note is None


def test_every_frame_is_embedded_once_for_all_metrics() -> None:
    network = Compass()
    evidence = bearings(range(16), network=network)
    for metric in (adherence, adherence_min, adherence_drift, adherence_margin):
        metric(evidence)
    assert network.seen == [0, 2, 4, 6, 9, 11, 13, 15]
    evidence.image_embeddings(np.arange(16))
    assert sorted(network.seen) == list(range(16))


def test_a_clip_between_all_prompts_has_no_margin() -> None:
    assert adherence_margin(bearings([45] * 8)) == pytest.approx(0, abs=1e-4)
    assert adherence(bearings([45] * 8)) > 70


def test_a_frozen_clip_does_not_drift() -> None:
    assert adherence_drift(bearings([37] * 30)) == 0


def test_the_order_of_prompts_changes_nothing() -> None:
    texts = ["east", "north", "north at length", "cannot be read", "east"]
    margins = {adherence_margin(bearings([10] * 8, suite=order)) for order in (texts, texts[::-1])}
    assert len(margins) == 1


@pytest.mark.parametrize("suite", [(), ("east",), ("east", "east", "cannot be read")])
def test_one_prompt_alone_has_no_margin(suite: tuple[str, ...]) -> None:
    with pytest.raises(Unscored, match="no other prompt"):
        adherence_margin(bearings([10] * 8, suite=suite))


def test_short_clips() -> None:
    assert len(adherence.score(bearings([0, 10, 20])).series["time_s"]) == 3
    one = bearings([0])
    assert adherence(one) == adherence_min(one) == pytest.approx(100)
    with pytest.raises(Unscored, match="1 frame"):
        adherence_drift(one)


@pytest.mark.parametrize("text", ["", "  \n"])
def test_without_a_prompt_nothing_is_scored_nor_loaded(text: str) -> None:
    evidence = Analysis(
        Clip(np.zeros((8, 4, 4, 3), np.uint8), 8.0),
        Prompt(id="p", text=text),
        Backbones({}, torch.device("cpu")),
    )
    for metric in (adherence, adherence_min, adherence_drift, adherence_margin):
        with pytest.raises(Unscored, match="no prompt"):
            metric(evidence)


def test_a_truncated_prompt_is_noted() -> None:
    scored = adherence.score(bearings([90] * 8, text="north at length"))
    assert scored.value == pytest.approx(100)
    assert scored.note == "the prompt has 15 tokens, the network reads the first 8"


# From here on with the network that is shipped, on clips whose content is known.


@pytest.fixture(scope="module")
def toy() -> Backbones:
    return Backbones({"text": ToyClip()}, torch.device("cpu"))


@pytest.fixture(scope="module")
def steady() -> list[Clip]:
    """Every prompt of the toy suite, drawn as it says."""
    return [ToyGenerator().generate(prompt, 0) for prompt in SUITE]


Score = Callable[[Clip, Prompt], float]


@pytest.fixture
def score(toy: Backbones) -> Score:
    return lambda clip, prompt: adherence(Analysis(clip, prompt, toy, SUITE))


def test_the_right_prompt_beats_a_wrong_one(score: Score, steady: list[Clip]) -> None:
    for n, clip in enumerate(steady[:8]):
        assert score(clip, SUITE[n]) > score(clip, SUITE[n + 1]) + 10


def test_nine_of_ten_clips_find_their_prompt_among_24(toy: Backbones, steady: list[Clip]) -> None:
    network = cast("ToyClip", toy.get("text"))
    phrases = np.stack([network.embed_text(prompt.text).vector for prompt in SUITE])
    clips = np.stack([network.embed_images(clip.frames[::2]).mean(axis=0) for clip in steady])
    assert ((clips @ phrases.T).argmax(axis=1) == np.arange(24)).mean() >= 0.9


def test_a_model_that_does_not_listen_is_far_below(score: Score, steady: list[Clip]) -> None:
    deaf = [ToyGenerator(deaf=True).generate(prompt, 0) for prompt in SUITE]
    heard = interval([score(clip, prompt) for clip, prompt in zip(steady, SUITE, strict=True)])
    unheard = interval([score(clip, prompt) for clip, prompt in zip(deaf, SUITE, strict=True)])
    assert unheard.high < heard.low


def test_a_clip_that_becomes_another_thing_halfway(toy: Backbones, steady: list[Clip]) -> None:
    for (prompt, clip), (_, other) in pairwise(zip(SUITE[:9], steady[:9], strict=True)):
        turned = Clip(np.concatenate([clip.frames[:8], other.frames[8:]]), clip.fps)
        whole, half = (Analysis(c, prompt, toy, SUITE) for c in (clip, turned))
        assert adherence_drift(half) < -5 < adherence_drift(whole)
        assert adherence_min(half) < adherence_min(whole) - 10
        assert adherence_margin(half) < adherence_margin(whole)


def test_the_toy_network_reads_the_toy_worlds_words_only(score: Score) -> None:
    clip = Clip(np.zeros((8, 64, 64, 3), np.uint8), 8.0)
    for text in ("a red zebra spins", "一个红色的球"):
        with pytest.raises(Unscored, match="words of the toy world"):
            score(clip, Prompt(id="p", text=text))
    assert score(clip, Prompt(id="p", text="A red ball, spins over GREEN\x07 grass.")) >= 0
