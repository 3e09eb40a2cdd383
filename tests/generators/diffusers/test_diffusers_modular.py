"""Pipelines of blocks, through the same adapter: what is theirs alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_pipelines import TINY

from bench.errors import BenchError
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt

PROMPT = Prompt(id="p", text="a cat walks past a fence")


def generator(name: str, path: Path, **more: Any) -> DiffusersGenerator:
    return TINY[name].generator(path, **more)


def test_the_same_networks_in_blocks_make_the_same_clip(tiny: Callable[[str], Path]) -> None:
    blocks = {"guider": {"guidance_scale": 5.0}}
    clips = []
    for each in (
        generator("wan", tiny("wan")),
        generator("wan_modular", tiny("wan_modular"), load=blocks),
    ):
        each.check([PROMPT])
        with each:
            clips.append(each.generate(PROMPT, 0))
            assert each.clock is not None
            assert each.clock.denoiser_forwards == 4  # two steps, with guidance
    assert clips[0].sha256 == clips[1].sha256


def test_a_part_that_cannot_be_loaded_stops_the_run(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    """The library's own `load_components` would log it and go on without."""
    folder = tmp_path / "copy"
    shutil.copytree(tiny("wan_modular"), folder)
    next(folder.glob("transformer/*.safetensors")).write_bytes(b"no weights")
    with pytest.raises(BenchError, match="cannot be loaded: "):
        generator("wan_modular", folder).__enter__()


def test_a_part_that_is_left_out_is_not_loaded(tiny: Callable[[str], Path]) -> None:
    folder = tiny("minimax_h3")
    index = json.loads((folder / "modular_model_index.json").read_text())
    assert "transformer_ref" in index  # of another workflow, and twice the weights
    with generator("minimax_h3", folder) as each:
        assert "transformer_ref" not in each.loaded().parameters


def test_mistakes_are_named_before_weights_are_read(tiny: Callable[[str], Path]) -> None:
    folder = tiny("wan_modular")
    with pytest.raises(BenchError, match="takes no 'num_frame'; did you mean 'num_frames'"):
        generator("wan_modular", folder, call={"num_frame": 9}).check([PROMPT])
    with pytest.raises(BenchError, match=r"takes no image: type model\.task=t2v"):
        generator("wan_modular", folder, task="i2v").check([PROMPT])
    with pytest.raises(BenchError, match=r"holds no modular_model_index\.json"):
        generator("wan_modular", tiny("wan")).check([PROMPT])


def test_its_networks_are_counted_and_filled_without_weights(tiny: Callable[[str], Path]) -> None:
    each = generator("wan_modular", tiny("wan_modular"), weights="random")
    assert {part.name for part in each.parts()} == {"text_encoder", "transformer", "vae"}
    each.check([PROMPT])
    with each:
        assert each.generate(PROMPT, 0).frames.shape == (9, 32, 32, 3)
    huge = DiffusersGenerator(
        "MiniMaxH3ModularPipeline", {}, 24, repo="MiniMaxAI/MiniMax-H3", weights="random"
    )
    with pytest.raises(BenchError, match="need its tokenizers: connect once"):
        huge.__enter__()
