"""Several seeds in one call: what decides a clip, and what is refused.

That each tiny pipeline makes the clips of single calls stands in test_diffusers_tiny.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
from tiny_pipelines import TINY

from bench.errors import BenchError, ClipError
from bench.generators.diffusers.call import repeated
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt

ROUNDING = 2  # of 255; see test_diffusers_tiny.py

TEXT = Prompt(id="p", text="a cat walks past a fence")


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "image.png"), noise)
    return Prompt(id="p", text="a cat walks past a fence", image=tmp_path / "image.png")


def make(name: str, path: Path, size: int, **changed: Any) -> DiffusersGenerator:
    arguments = TINY[name].arguments(str(path)) | {"options": {"batch_size": size}} | changed
    return DiffusersGenerator(**arguments)


def difference(clip: Any, other: Any) -> int:
    return int(np.abs(clip.frames.astype(int) - other.frames.astype(int)).max())


@pytest.mark.parametrize("name", ["wan", "svd"])
def test_what_shares_a_batch_decides_nothing_of_a_clip(
    name: str, tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    with make(name, tiny(name), 3) as generator:
        first = generator.generate_batch(prompt, [0, 1, 2])
        other = generator.generate_batch(prompt, [5, 1, 9])
    assert difference(first[1], other[1]) <= ROUNDING
    assert difference(first[0], other[0]) > 5 * ROUNDING


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("latte", {}, "LattePipeline reads the prompt with its padding"),
        ("i2vgen_xl", {}, "once for all clips"),
        ("allegro", {}, "cannot make several clips with a seed each"),
        ("ltx_condition", {}, "encodes the image by the first seed"),
        ("wan", {"pipeline": "WanVideoToVideoPipeline", "call": {}}, "was never tested"),
    ],
)
def test_a_batch_that_would_be_other_clips_is_refused_before_weights_are_loaded(
    name: str, changed: dict[str, Any], expected: str, tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    with pytest.raises(BenchError) as caught:
        make(name, tiny(name), 2, **changed).check([prompt])
    assert expected in str(caught.value)
    assert str(caught.value).endswith("type model.options.batch_size=1")
    if not changed:
        make(name, tiny(name), 1).check([prompt])


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "many", None])
def test_a_batch_size_is_a_number_from_one(size: Any, tiny: Callable[[str], Path]) -> None:
    with pytest.raises(BenchError, match=r"model\.options\.batch_size must be a number from 1"):
        make("wan", tiny("wan"), size)


def test_texts_and_images_are_repeated_and_nothing_else() -> None:
    given = {"prompt": "a", "negative_prompt": "b", "image": "picture", "template": "t"}
    listed = {"prompt": ["a"] * 2, "negative_prompt": ["b"] * 2}
    assert repeated(given, "LTXPipeline", 2) == {**given, **listed, "image": ["picture"] * 2}
    assert repeated(given, "WanImageToVideoPipeline", 2) == {**given, **listed}
    assert repeated({"negative_prompt": None}, "LTXPipeline", 2) == {"negative_prompt": None}


def test_random_numbers_of_no_seed_are_found_when_they_are_drawn(
    tiny: Callable[[str], Path],
) -> None:
    scheduler = {"stochastic_sampling": True}  # its noise is drawn for all clips together
    made = make("ltx", tiny("ltx"), 2, load={"dtype": "float32", "scheduler": scheduler})
    with made as generator:
        generator.generate(TEXT, 0)
        with pytest.raises(ClipError, match=r"no seed's own.*: type model\.options\.batch_size=1"):
            generator.generate_batch(TEXT, [0, 1])


def test_a_clip_that_shows_nothing_is_named_by_its_seed(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = diffusers.AutoencoderKLWan.decode

    def black(vae: Any, *arguments: Any, **more: Any) -> Any:
        made = call(vae, *arguments, **more)
        made[0][1].fill_(-1.0)
        return made

    monkeypatch.setattr(diffusers.AutoencoderKLWan, "decode", black)
    with (
        make("wan", tiny("wan"), 2) as generator,
        pytest.raises(ClipError, match=r"seed 8: .* frames that show nothing"),
    ):
        generator.generate_batch(TEXT, [7, 8])


def test_a_model_of_one_clip_a_call_is_the_one_of_before_there_were_batches(
    tiny: Callable[[str], Path],
) -> None:
    one, two = make("wan", tiny("wan"), 1), make("wan", tiny("wan"), 2)
    without = {"options.batch_size", "options.parallel"}
    assert (one.info.non_semantic, one.info.variant) == (without, "")
    assert (two.info.non_semantic, two.info.variant) == (
        without - {"options.batch_size"},
        "batch-2",
    )
