"""The warm-up: once for each shape, never for nothing, and only the first of a shape is cold."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.clip import Clip
from bench.errors import ClipError
from bench.generators.base import Generator, GeneratorInfo
from bench.measure.timing import Measured
from bench.prompts import Item, Prompt
from bench.run import generation as stage
from bench.run.generation import generate
from bench.run.plan import Plan
from bench.storage import RunFolder

CPU = torch.device("cpu")
SECONDS = (1.0, 1.0, 2.0, 1.0, 2.0)
ITEMS = [Item(Prompt(f"p{n}", "a ball", seconds=s), 0) for n, s in enumerate(SECONDS)]


class ByLength(Generator):
    """As long as the prompt says; from the calls that `fails` names nothing comes."""

    info = GeneratorInfo()

    def __init__(self, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.fails = fails
        self.asked: list[str] = []

    def frames_requested(self, prompt: Prompt) -> int:
        return int(8 * (prompt.seconds or 0))

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        self.asked.append(prompt.id)
        if self.fails(len(self.asked)):
            raise ClipError("it cannot")
        return Clip(np.full((self.frames_requested(prompt), 16, 16, 3), seed, np.uint8), 8.0)


def warm(generator: Generator, folder: Path, warmup: int = 1) -> list[bool]:
    """Of each clip in the plan's order, whether its record calls it warm."""
    run = RunFolder(folder / "suite" / "model")
    generate(Plan("model", generator, run, CPU, ITEMS, warmup=warmup), ITEMS)
    return [json.loads(run.record(item.sample).read_text())["warm"] for item in ITEMS]


def test_each_shape_is_warmed_up_when_it_first_comes(tmp_path: Path) -> None:
    model = ByLength()
    assert warm(model, tmp_path, warmup=2) == [True] * 5
    assert model.asked == ["p0", "p0", "p0", "p1", "p2", "p2", "p2", "p3", "p4"]


def test_a_model_that_always_fails_is_warmed_up_once_a_shape(tmp_path: Path) -> None:
    model = ByLength(fails=lambda _: True)
    assert warm(model, tmp_path) == [False] * 5
    assert model.asked == ["p0", "p0", "p1", "p2", "p2", "p3", "p4"]


def test_after_a_warm_up_that_failed_the_first_success_is_cold(tmp_path: Path) -> None:
    model = ByLength(fails=lambda call: call == 1)
    assert warm(model, tmp_path) == [False, True, True, True, True]
    assert model.asked == ["p0", "p0", "p1", "p2", "p2", "p3", "p4"]


def test_without_a_warm_up_only_the_first_of_a_shape_is_cold(tmp_path: Path) -> None:
    model = ByLength()
    assert warm(model, tmp_path, warmup=0) == [False, True, False, True, True]
    assert len(model.asked) == len(ITEMS)


def test_what_is_only_read_is_never_warm(tmp_path: Path) -> None:
    model = ByLength()
    model.info = GeneratorInfo(measured=False)
    assert warm(model, tmp_path) == [False] * 5
    assert len(model.asked) == len(ITEMS)


def test_clips_of_two_lengths_take_two_times_and_that_needs_no_remark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = ByLength()

    def measure(work: Callable[[], list[Clip]], *_: object, **__: object) -> object:
        clips = work()
        return clips, Measured(float(len(clips[0].frames)))

    monkeypatch.setattr(stage, "measure", measure)
    with caplog.at_level(logging.WARNING):
        warm(model, tmp_path)
    assert caplog.messages == []
