"""Tiny pipelines on the path that real models take: loaded from a folder, called, checked."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import numpy as np
import pytest
import torch
from tiny_pipelines import (
    COSMOS,
    ROUNDING,
    TINY,
    Unguarded,
    difference,
    pictured,
    shrink_tiles,
)

from bench.clip import Clip, write_master
from bench.errors import BenchError
from bench.generators.diffusers.call import _TESTED, _WHY_NOT, check_batch
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt
from bench.storage import CONF

# These give another number of frames than they are asked for, which a record then shows.
DELIVERED = {"hunyuan_i2v": 5, "framepack": 13}


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    return pictured(tmp_path_factory.mktemp("prompt"))


class Opened(NamedTuple):
    """A loaded pipeline, its prompt, and its clips of the seeds 0 and 1."""

    generator: DiffusersGenerator
    prompt: Prompt
    clips: list[Clip]


ANIMATIONS = {
    "wan_animate": ("pose_video", "face_video"),
    "wan_animate_2": ("driving_video",),
    "wan_animate_2_distilled": ("driving_video",),
}
# ConsisID has a module of tests.
PROMPTED = [
    name for name, entry in TINY.items() if entry.call and name not in (*ANIMATIONS, "consisid")
]
# Over 5 s. The attention of two animations is made to be compiled, and is not here.
SLOW = ("anyflow_far", "helios_distilled", "helios_mid", "wan_animate_2", "wan_animate_2_distilled")


def marked(names: Iterable[str]) -> list[Any]:
    """The names as parameters; those that take long are slow tests."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in names]


@pytest.fixture(scope="module", params=marked(PROMPTED))
def opened(
    request: pytest.FixtureRequest, tiny: Callable[[str], Path], prompt: Prompt
) -> Iterator[Opened]:
    """Each pipeline in turn, loaded once for all tests of it."""
    name = request.param
    generator = TINY[name].generator(tiny(name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusers.AutoencoderKLAllegro, "enable_tiling", shrink_tiles)
        for kind in COSMOS:
            patch.setattr(f"{kind.__module__}.CosmosSafetyChecker", Unguarded)
        generator.check([prompt])
        with generator:
            clips = [generator.generate(prompt, seed) for seed in (0, 1)]
            yield Opened(generator, prompt, clips)


def test_the_same_seed_gives_the_same_clip_bit_for_bit(
    opened: Opened, request: pytest.FixtureRequest
) -> None:
    generator, prompt, (clip, other) = opened
    torch.rand(3)  # whatever else draws in between
    again = generator.generate(prompt, 0)
    loaded = generator.loaded()
    assert again.sha256 == clip.sha256
    assert other.sha256 != clip.sha256
    assert clip.frames.shape[1:] == (*generator.info.size_requested, 3)
    name = request.node.callspec.params["opened"]
    assert len(clip.frames) == DELIVERED.get(name, generator.frames_requested(prompt))
    assert clip.fps == 8
    assert all(dtypes == ["float32"] for dtypes in loaded.dtypes.values())
    assert all(used for used in loaded.attention.values())
    assert (clip.sound is not None) == name.startswith(("ltx_2", "minimax_h3"))


def test_a_clip_of_a_batch_is_that_of_its_seed_alone_or_refused(opened: Opened) -> None:
    generator, prompt, single = opened
    if generator.pipeline in _WHY_NOT:
        with pytest.raises(BenchError, match=r"type model\.options\.batch_size=1"):
            check_batch(generator.pipeline, 2, images=False)
        return
    if generator.pipeline == "LTXConditionPipeline":  # whose batches take no image
        prompt = Prompt(id="p", text=prompt.text)
        single = [generator.generate(prompt, seed) for seed in (0, 1)]
    check_batch(generator.pipeline, 2, images=prompt.image is not None)
    batch = generator.generate_batch(prompt, [0, 1])
    again = generator.generate_batch(prompt, [0, 1])
    assert difference(*single) > 5 * ROUNDING  # or nothing would be shown
    assert max(map(difference, batch, single)) <= ROUNDING
    assert [clip.sha256 for clip in again] == [clip.sha256 for clip in batch]


def test_every_pipeline_that_may_make_batches_is_tested_here() -> None:
    assert {TINY[name].pipeline for name in PROMPTED} - _WHY_NOT.keys() == _TESTED


# Of these, what is shown is only that their YAMLs bind to them.
WITHOUT_A_TINY_ONE = {"Kandinsky6TI2VAPipeline", "LTX2DFRPipeline"}


def test_the_class_of_every_yaml_has_a_tiny_pipeline() -> None:
    """One for each class, whatever number of models it serves."""
    texts = [path.read_text() for path in (CONF / "model").glob("*.yaml")]
    used = {line for text in texts for line in re.findall(r"^pipeline: (\w+)$", text, re.M)}
    assert used - {entry.pipeline for entry in TINY.values()} == WITHOUT_A_TINY_ONE


@pytest.mark.parametrize("name", marked(ANIMATIONS))
def test_an_animation_is_driven_by_videos(
    tiny: Callable[[str], Path], prompt: Prompt, tmp_path: Path, name: str
) -> None:
    files = {}
    for number, video in enumerate(ANIMATIONS[name]):
        frames = np.random.default_rng(number).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
        write_master(Clip(frames, 16), tmp_path / f"{video}.mkv")
        files[video] = str(tmp_path / f"{video}.mkv")
    generator = TINY[name].generator(tiny(name), videos=files)
    generator.check([prompt])
    with generator:
        clips = [generator.generate(prompt, 0) for _ in range(2)]
    assert clips[0].sha256 == clips[1].sha256
    assert clips[0].frames.shape == (5, 32, 32, 3)
    assert len(set(generator.source(prompt, 0).values())) == len(files)


def test_a_pipeline_loaded_anew_gives_the_same_clip(
    tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    hashes = []
    for _ in range(2):
        with TINY["i2vgen_xl"].generator(tiny("i2vgen_xl")) as g:
            hashes.append(g.generate(prompt, 0).sha256)
        assert g.pipe is None
    assert hashes[0] == hashes[1]
