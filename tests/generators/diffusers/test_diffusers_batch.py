"""Several seeds in one call: what decides a clip, and what is refused.

That each tiny pipeline makes the clips of single calls stands in test_diffusers_tiny.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
from tiny_pipelines import ROUNDING, TINY, difference, pictured

from bench.errors import BenchError, ClipError
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt

TEXT = Prompt(id="p", text="a cat walks past a fence")


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return pictured(tmp_path)


def make(name: str, path: Path, size: int, **changed: Any) -> DiffusersGenerator:
    arguments = TINY[name].arguments(path) | {"options": {"batch_size": size}} | changed
    return DiffusersGenerator(**arguments)


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


def test_random_numbers_of_no_seed_are_found_when_they_are_drawn(
    tiny: Callable[[str], Path],
) -> None:
    scheduler = {"stochastic_sampling": True}  # its noise is drawn for all clips together
    model = make("ltx", tiny("ltx"), 2, load={"dtype": "float32", "scheduler": scheduler})
    with model as generator:
        generator.generate(TEXT, 0)
        with pytest.raises(ClipError, match=r"no seed's own.*: type model\.options\.batch_size=1"):
            generator.generate_batch(TEXT, [0, 1])


def test_a_clip_that_shows_nothing_is_named_by_its_seed(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    call = diffusers.AutoencoderKLWan.decode

    def black(vae: Any, *arguments: Any, **more: Any) -> Any:
        videos = call(vae, *arguments, **more)
        videos[0][1].fill_(-1.0)
        return videos

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
    same = {"options.parallel"}  # neither is made by several processes
    assert (one.info.non_semantic, one.info.variant) == (same | {"options.batch_size"}, "")
    assert (two.info.non_semantic, two.info.variant) == (same, "batch-2")
