"""Changing light that a prompt asks for is no flicker; light that swings back is one anywhere."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_results as fake
import numpy as np
import pytest
import torch
from conftest import PROMPT
from numpy.typing import NDArray

from bench.clip import write_master
from bench.errors import Unscored
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.coherence import lost_flicker
from bench.metrics.consistency import flicker
from bench.metrics.damage import Window
from bench.metrics.damage import flicker as damage
from bench.prompts import LIGHTING_CHANGE, Item, load_suite
from bench.run.plan import Plan
from bench.run.scoring import score
from bench.storage import RunFolder
from bench.video import read_video
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

Analyse = Callable[..., Analysis]

ASKED = replace(PROMPT, tags=(LIGHTING_CHANGE,))
COUNT = 20

FADE = np.linspace(1, 0.4, COUNT)
LAMP = np.where(np.arange(COUNT) < COUNT // 2, 0.4, 1.0)
STROBE = 1 - 0.3 * (np.arange(COUNT) % 2)
SUNSET = np.linspace([1, 0.8, 0.5], [0.3, 0.4, 0.7], COUNT)


@pytest.fixture(scope="module", params=["toy", "real"])
def frames(request: pytest.FixtureRequest, footage: Path) -> NDArray[np.uint8]:
    """At 8 frames per second, so that a time step is one frame."""
    if request.param == "toy":
        return ToyGenerator(seconds=COUNT / 8).generate(PROMPT, 0).frames
    return read_video(footage / "carphone_pristine.mp4").frames[:80:4]


def lit(frames: NDArray[np.uint8], gains: NDArray[np.float64]) -> NDArray[np.uint8]:
    lights = gains.reshape(COUNT, 1, 1, -1)
    return (frames * lights).clip(0, 255).round().astype(np.uint8)


def shown(analyse: Analyse, frames: NDArray[np.uint8], asked: bool) -> float:
    return damage(analyse(frames, 8.0, ASKED if asked else PROMPT), 1, Window(0, COUNT))


@pytest.mark.parametrize("gains", [FADE, LAMP, SUNSET], ids=["fade", "lamp", "sunset"])
def test_light_that_goes_one_way_costs_nothing_where_it_was_asked_for(
    analyse: Analyse, frames: NDArray[np.uint8], gains: NDArray[np.float64]
) -> None:
    assert shown(analyse, lit(frames, gains), asked=True) < 0.002


def test_a_lamp_is_one_moment_and_costs_next_to_nothing(
    analyse: Analyse, frames: NDArray[np.uint8]
) -> None:
    steady = shown(analyse, frames, asked=False)
    assert shown(analyse, lit(frames, LAMP), asked=False) < steady + 0.004


def test_a_strobe_costs_the_same_whatever_was_asked_for(
    analyse: Analyse, frames: NDArray[np.uint8]
) -> None:
    anywhere, asked = (shown(analyse, lit(frames, STROBE), asked) for asked in (False, True))
    assert anywhere > 0.05
    assert 0.85 * anywhere < asked <= anywhere


def test_the_record_says_which_rule_counted_and_what_has_no_value(analyse: Analyse) -> None:
    clip = ToyGenerator().generate(PROMPT, 0)
    asked, plain = (analyse(clip.frames, clip.fps, prompt) for prompt in (ASKED, PROMPT))
    assert lost_flicker.score(asked).note == (
        "changing light was asked for: only what swings back counts"
    )
    assert lost_flicker.score(plain).note is None
    assert flicker(plain) >= 0
    with pytest.raises(Unscored, match="changing light was asked for"):
        flicker(asked)


def test_only_prompts_that_ask_for_light_are_exempt() -> None:
    asking = [prompt.id for prompt in load_suite("standard.jsonl")[0] if prompt.lighting_change]
    assert asking == [
        "lamp-switched-on", "cloud-shadows", "gold-to-blue", "campfire-guitar", "stage-colours",
    ]  # fmt: skip
    assert not any(prompt.lighting_change for prompt in load_suite("toy.jsonl")[0])


def test_a_tag_that_is_added_makes_the_scores_again(tmp_path: Path, backbones: Backbones) -> None:
    folder, clip = RunFolder(tmp_path), ToyGenerator(32, 32).generate(PROMPT, 0)
    item = Item(PROMPT, 0)
    write_master(clip, folder.master(item.sample))
    content = fake.clip(PROMPT.id, frames=len(clip.frames), frames_sha256=clip.sha256)
    del content["scores"], content["unscored"]
    record = content | {"schema": 1, "inputs": {}, "fingerprint": "f"}
    folder.record(item.sample).write_text(json.dumps(record))

    def stored(item: Item) -> float | None:
        plan = Plan("m", ToyGenerator(32, 32), folder, torch.device("cpu"), [item])
        assert score(plan, {"flicker": flicker}, backbones, [item.prompt]) == []
        value: float | None = json.loads(folder.score(item.sample).read_text())["metrics"][
            "flicker"
        ]["value"]
        return value

    assert stored(item) is not None
    assert stored(Item(ASKED, 0)) is None
