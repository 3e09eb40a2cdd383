"""Batches: what they are made of, what a clip of one is said to take, and how one fails."""

import itertools
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.clip import Clip
from bench.config import deciding
from bench.errors import BenchError, ClipMissing
from bench.faults.degraded import Degraded
from bench.generators.base import Generator, GeneratorInfo
from bench.measure.stages import Peak
from bench.measure.timing import Measured, measure
from bench.prompts import Item, Prompt
from bench.run import generation as stage
from bench.run.generation import generate
from bench.run.plan import Plan, batches_of, check_seeds, find_missing
from bench.storage import RunFolder

CPU = torch.device("cpu")
PROMPTS = [Prompt(id=f"p{n}", text="a ball rolls") for n in range(2)]
ITEMS = [Item(prompt, seed) for prompt in PROMPTS for seed in range(4)]


class Dies(BaseException):
    """Ends the process, as far as a test can tell."""


class Mixed(Generator):
    """Clips by two, in which every pixel depends on both seeds, as rounding may."""

    info = GeneratorInfo(batch_size=2)

    def __init__(self, **happens: Callable[[], None]) -> None:
        self.happens = happens
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        raise AssertionError(f"{prompt.id}, {seed} was asked for alone")

    def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        self.asked.append((prompt.id, tuple(seeds)))
        self.happens.get(f"{prompt.id}_{seeds[0]}", lambda: None)()
        colours = [10 * seed + sum(seeds) for seed in seeds]
        return [Clip(np.full((4, 16, 16, 3), colour, np.uint8), 8.0) for colour in colours]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "suite" / "mixed")


def run(generator: Generator, folder: RunFolder, **changed: Any) -> list[str]:
    plan = Plan("mixed", generator, folder, CPU, ITEMS, **{"warmup": 0, **changed})
    missing = find_missing(plan)
    for item in missing:
        folder.record(item.sample).unlink(missing_ok=True)
    return generate(plan, missing, ahead=2)


def records(folder: RunFolder) -> list[dict[str, Any] | None]:
    paths = [folder.record(item.sample) for item in ITEMS]
    return [json.loads(path.read_text()) if path.exists() else None for path in paths]


def test_the_draws_of_a_prompt_are_cut_in_their_order() -> None:
    assert [[item.seed for item in batch] for batch in batches_of(ITEMS, 2)] == [[0, 1], [2, 3]] * 2
    assert [len(batch) for batch in batches_of(ITEMS, 4)] == [4, 4]
    assert all(len({item.prompt.id for item in batch}) == 1 for batch in batches_of(ITEMS, 4))
    assert batches_of(ITEMS, 1) == [[item] for item in ITEMS]


@pytest.mark.parametrize(
    ("seeds", "size", "expected"),
    [
        ([0], 2, "got 1: type model.options.batch_size=1, or as suite.seeds=[0,1]"),
        ([0, 1, 2], 2, "batch_size=1"),
        ([4, 5, 6, 7], 3, "batches of 3, got 4: type model.options.batch_size=2,"),
    ],
)
def test_seeds_must_fill_the_batches(seeds: list[int], size: int, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        check_seeds(seeds, size)
    assert expected in str(caught.value)
    check_seeds([0, 1, 2, 3], 2)


def test_a_batch_is_made_as_a_whole_and_only_what_is_missing_is_kept(folder: RunFolder) -> None:
    generator = Mixed()
    run(generator, folder, warmup=1)
    whole = [("p0", (0, 1)), ("p0", (2, 3)), ("p1", (0, 1)), ("p1", (2, 3))]
    assert generator.asked == [whole[0], *whole]  # the warm-up has the shape of a batch too
    before = records(folder)
    folder.record(ITEMS[3].sample).unlink()
    written_ns = folder.record(ITEMS[2].sample).stat().st_mtime_ns
    again = Mixed()
    run(again, folder)
    assert again.asked == [("p0", (2, 3))]
    assert folder.record(ITEMS[2].sample).stat().st_mtime_ns == written_ns
    hashes = [record and record["frames_sha256"] for record in records(folder)]
    assert hashes == [record and record["frames_sha256"] for record in before]
    assert all(record and record["batch_size"] == 2 for record in before)


def test_a_clip_takes_its_share_of_what_the_batch_took(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100.0, 3.0)
    monkeypatch.setattr(stage, "measure", partial(measure, clock=lambda: next(clock)))
    run(Mixed(), folder)
    assert [record and record["latency_s"] for record in records(folder)] == [1.5] * 8


def test_time_and_energy_are_shared_and_memory_is_not() -> None:
    took = Measured(
        6.0,
        stages={"encode": 1.0, "denoise": 3.0, "decode": 1.0},
        denoiser_forwards=50,
        peak=Peak(2, 3),
        stage_peaks={"denoise": Peak(2, 3)},
        energy_j=900.0,
    )
    share = took.share(4).facts
    assert share["latency_s"] == 1.5
    parts = {"encode_s": 0.25, "denoise_s": 0.75, "decode_s": 0.25, "other_s": 0.25}
    assert share["stages"] == parts
    assert share["energy_j"] == 225.0
    unshared = {"latency_s": 6.0, "stages": took.facts["stages"], "energy_j": 900.0}
    assert share | unshared == took.facts
    assert took.share(1) == took


def test_a_batch_fails_as_a_whole_each_clip_with_its_share_of_the_time(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100.0, 3.0)
    monkeypatch.setattr(stage, "time", SimpleNamespace(perf_counter=lambda: next(clock)))

    def full() -> None:
        raise torch.OutOfMemoryError("9 GiB")

    def fail() -> None:
        raise RuntimeError("it broke")

    run(Mixed(p0_2=full, p1_0=fail), folder)
    clips = [record for record in records(folder) if record]
    assert [clip["status"] for clip in clips] == ["ok", "ok", "oom", "oom", "error", "error"] + [
        "ok"
    ] * 2
    assert [clip["latency_s"] for clip in clips[2:6]] == [1.5] * 4
    assert {clip["error"] for clip in clips[4:6]} == {"RuntimeError: it broke"}
    again = Mixed()
    run(again, folder, retry_failed=True)
    assert again.asked == [("p0", (2, 3)), ("p1", (0, 1))]


def test_a_batch_that_ends_the_process_is_blamed_as_a_whole(folder: RunFolder) -> None:
    def die() -> None:
        raise Dies

    for _ in range(2):
        with pytest.raises(Dies):
            run(Mixed(p0_2=die), folder, max_tries=2)
    tries = [folder.record(item.sample).with_suffix(".tries") for item in ITEMS]
    assert [path.read_text() for path in tries if path.exists()] == ["2\n"]
    run(Mixed(p0_2=die), folder, max_tries=2)
    status = [record and record["status"] for record in records(folder)]
    assert status == ["ok"] * 2 + ["crashed"] * 2 + ["ok"] * 4
    assert not any(path.exists() for path in tries)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ClipMissing])
def test_a_batch_that_was_stopped_or_is_not_there_did_not_die(
    folder: RunFolder, error: type[BaseException]
) -> None:
    def happen() -> None:
        raise error("not there")

    if error is ClipMissing:
        absent = run(Mixed(p0_2=happen), folder)
        assert absent == [f"p0, seed {seed}: missing: not there" for seed in (2, 3)]
    else:
        with pytest.raises(error):
            run(Mixed(p0_2=happen), folder)
    assert records(folder)[2:4] == [None, None]
    assert not any(folder.record(item.sample).with_suffix(".tries").exists() for item in ITEMS)


def test_a_damaged_model_damages_each_clip_of_a_batch_as_a_single_one() -> None:
    class Alone(Mixed):
        info = GeneratorInfo(batch_size=1)

        def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
            frames = np.arange(8 * 32 * 32 * 3).reshape(8, 32, 32, 3) % (250 + len(prompt.id))
            return [Clip(frames.astype(np.uint8), 8.0) for _ in seeds]

    generator = Degraded(Alone(), "noise", 10.0)
    pair = generator.generate_batch(PROMPTS[0], [0, 1])
    singles = [generator.generate(PROMPTS[0], seed) for seed in (0, 1)]
    assert [clip.sha256 for clip in pair] == [clip.sha256 for clip in singles]
    assert pair[0].sha256 != pair[1].sha256
    assert Degraded(Mixed(), "noise", 10.0).info.batch_size == 2


def test_a_clip_alone_is_asked_for_by_its_seed() -> None:
    class Single(Generator):
        def generate(self, prompt: Prompt, seed: int) -> Clip:
            return Clip(np.full((4, 16, 16, 3), seed, np.uint8), 8.0 + len(prompt.id))

    clips = Single().generate_batch(PROMPTS[0], [7, 3])
    assert [int(clip.frames[0, 0, 0, 0]) for clip in clips] == [7, 3]


def test_an_argument_that_decides_no_frame_is_left_out_at_its_own_depth() -> None:
    class One(Mixed):
        info = GeneratorInfo(non_semantic=frozenset({"options.batch_size", "timeout_s"}))

    options = {"batch_size": 1, "steps": 2}
    model = {"options": options, "call": {"timeout_s": 3}, "timeout_s": 4}
    assert deciding(model, One()) == {"options": {"steps": 2}, "call": {"timeout_s": 3}}
    of = {"of": {"options": options}, "options": options}
    damaged = Degraded(One(), "noise", 10.0)
    assert deciding(of, damaged) == {"of": {"options": {"steps": 2}}, "options": options}
