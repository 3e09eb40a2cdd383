"""Damaged generators: delegation, common random numbers, the toy models' configs."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest
import shipped
import torch

from bench.clip import Clip
from bench.config import build_generator
from bench.errors import BenchError
from bench.faults.degraded import Degraded
from bench.generators.base import Delivered, Generator, GeneratorInfo, deliver, delivery_by
from bench.generators.toy.generator import ToyGenerator
from bench.measure.stages import StageClock
from bench.prompts import Prompt
from bench.storage import CONF

PROMPT = Prompt("p", "a red ball rolls from left to right over a wooden floor")


class Inner(Generator):
    """Remembers whether it is open."""

    info = GeneratorInfo(measured=False)

    def __init__(self, lossy: bool = False) -> None:
        self.opened = False
        self.lossy = lossy

    def __enter__(self) -> Self:
        self.opened = True
        return self

    def __exit__(self, *_: object) -> None:
        self.opened = False

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        assert self.opened
        grey = np.random.default_rng(seed + len(prompt.id)).integers(50, 200, (4, 20, 20, 3))
        return Clip(grey.astype(np.uint8), 5.0, self.lossy)

    def frames_requested(self, prompt: Prompt) -> int:  # noqa: ARG002 - of all, the same
        return 4

    def own_prompts(self) -> list[Prompt]:
        return [PROMPT]


def test_it_delegates_to_the_generator_it_damages() -> None:
    inner = Inner()
    damaged = Degraded(inner, "noise", 8)
    assert damaged.info.measured is False
    assert damaged.frames_requested(PROMPT) == 4
    assert damaged.own_prompts() == [PROMPT]
    with damaged as opened:
        assert opened is damaged
        assert inner.opened
        assert damaged.generate(PROMPT, 0).fps == 5.0
    assert not inner.opened


def test_all_that_is_known_of_the_generator_is_known_of_the_damaged_one() -> None:
    inner = Inner()
    inner.info = GeneratorInfo(
        version="7",
        measured=False,
        non_semantic=frozenset({"timeout_s"}),
        size_requested=(20, 20),
        weights="random",
        takes_images=False,
        variant="tiled",
        batch_size=4,
        ahead=2,
        gpus=2,
        processes=2,
        revisions={"a/b": "1" * 40},
        stages=StageClock(SimpleNamespace(components={}), torch.device("cpu")),
    )
    of, damaged = inner.info, Degraded(inner, "noise", 8).info
    nothing = GeneratorInfo()
    for field in fields(GeneratorInfo):
        value = getattr(of, field.name)
        assert value != getattr(nothing, field.name), f"{field.name}: give it another value here"
        if field.name not in ("version", "non_semantic"):
            assert getattr(damaged, field.name) == value, field.name
    assert damaged.version == "1 of 7"
    assert damaged.non_semantic == {"of.timeout_s"}


def test_every_question_reaches_the_generator_it_damages() -> None:
    asked = {name for name in vars(Generator) if not name.startswith("_")} - {"kind"}
    assert asked | {"__enter__", "__exit__"} <= vars(Degraded).keys()
    inner = Inner()
    Degraded(inner, "noise", 8).device = torch.device("meta")
    assert inner.device == torch.device("meta")


def test_a_damaged_clip_was_delivered_as_the_other_was() -> None:
    class Fetched(Inner):
        def generate(self, prompt: Prompt, seed: int) -> Clip:
            clip = super().generate(prompt, seed)
            return deliver(lambda: clip, delivery_by("declared", price_usd=0.5), {"model": "m"})

    with Degraded(Fetched(), "noise", 8) as damaged:
        output = damaged.generate(PROMPT, 0)
    assert isinstance(output, Delivered)
    assert (output.delivery.price_usd, output.details) == (0.5, {"model": "m"})


def test_the_damage_is_the_same_every_time_and_another_for_other_prompts_and_seeds() -> None:
    def grain(prompt: Prompt, seed: int) -> np.ndarray:
        with Degraded(Inner(), "noise", 8) as damaged, Inner() as clean:
            frames = damaged.generate(prompt, seed).frames.astype(int)
            return frames - clean.generate(prompt, seed).frames

    assert np.array_equal(grain(PROMPT, 0), grain(PROMPT, 0))
    assert not np.array_equal(grain(PROMPT, 0), grain(PROMPT, 1))
    assert not np.array_equal(grain(PROMPT, 0), grain(Prompt("q", PROMPT.text), 0))


def test_levels_share_one_pattern() -> None:
    with Inner() as inner:
        clean = inner.generate(PROMPT, 0).frames.astype(int)
        low, high = (
            Degraded(inner, "noise", level).generate(PROMPT, 0).frames - clean for level in (3, 12)
        )
    assert np.corrcoef(low.ravel(), high.ravel())[0, 1] > 0.98


def test_only_lossy_frames_are_called_lossy() -> None:
    with Inner() as inner, Inner(lossy=True) as file:
        assert Degraded(inner, "lossy", 28).generate(PROMPT, 0).lossy
        assert not Degraded(inner, "noise", 3).generate(PROMPT, 0).lossy
        assert Degraded(file, "noise", 3).generate(PROMPT, 0).lossy


@pytest.mark.parametrize(
    ("fault", "level", "message"),
    [
        ("flickr", 0.1, r"got 'flickr' \(did you mean 'flicker'"),
        ("xyz", 0.1, r"fault must be one of flicker, .*got 'xyz'$"),
        ("drift", 1.5, "fault drift: expected a level above 0 and up to 1"),
        ("flicker", "abc", "level must be a number, got 'abc'"),
        ("flicker", None, "level must be a number, got None"),
    ],
)
def test_what_is_no_fault_is_refused_before_anything_is_made(
    fault: str, level: Any, message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        Degraded(Inner(), fault, level)


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "model").glob("toy_*")))
def test_the_toy_models_differ_from_the_steady_one_only_by_their_fault(name: str) -> None:
    model = shipped.config(f"model={name}")["model"]
    facts = {"title", "licence", "parameters", "open_weights", "commercial_use", "max_seconds"}
    assert set(model["card"]) == facts
    with build_generator(model) as generator:
        clip = generator.generate(PROMPT, 0)
    steady = ToyGenerator().generate(PROMPT, 0)
    assert clip.frames.shape == steady.frames.shape
    assert generator.frames_requested(PROMPT) == 16
    assert np.array_equal(clip.frames, steady.frames) == (name == "toy_steady")


def test_what_belongs_into_info_is_refused_elsewhere() -> None:
    """A version that nobody reads would let clips of other frames pass for the same."""
    with pytest.raises(BenchError, match=r"Old.version has no meaning: say info = GeneratorInfo"):
        type("Old", (Generator,), {"version": "2"})
