"""Tiny pipelines on the path that real models take: loaded from a folder, called, checked."""

from collections.abc import Callable
from pathlib import Path

import cv2
import diffusers
import numpy as np
import pytest
import torch
from tiny_dits import shrink_tiles
from tiny_pipelines import TINY

from bench.clip import Clip, write_master
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt

# These give another number of frames than they are asked for, which a record then shows.
DELIVERED = {"hunyuan_i2v": 5, "framepack": 13}


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "image.png"), noise)
    return Prompt(id="p", text="a cat walks past a fence", image=tmp_path / "image.png")


@pytest.mark.parametrize("name", TINY)
def test_the_same_seed_gives_the_same_clip_bit_for_bit(
    name: str, tiny: Callable[[str], Path], prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusers.AutoencoderKLAllegro, "enable_tiling", shrink_tiles)
    generator = DiffusersGenerator(**TINY[name].arguments(str(tiny(name))))
    generator.check([prompt])
    with generator:
        clip = generator.generate(prompt, 0)
        torch.rand(3)  # whatever else draws in between
        again = generator.generate(prompt, 0)
        other = generator.generate(prompt, 1)
        found = generator.loaded()
    assert generator.pipe is None
    assert again.sha256 == clip.sha256
    assert other.sha256 != clip.sha256
    assert clip.frames.shape[1:] == (*generator.info.size_requested, 3)
    assert len(clip.frames) == DELIVERED.get(name, generator.frames_requested(prompt))
    assert clip.fps == 8
    assert all(dtypes == ["float32"] for dtypes in found["dtypes"].values())
    assert all(used for used in found["attention"].values())


def test_an_animation_is_driven_by_videos(
    tiny: Callable[[str], Path], prompt: Prompt, tmp_path: Path
) -> None:
    videos = {}
    for number, name in enumerate(("pose_video", "face_video")):
        frames = np.random.default_rng(number).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
        write_master(Clip(frames, 16), tmp_path / f"{name}.mkv")
        videos[name] = str(tmp_path / f"{name}.mkv")
    call = {"height": 32, "width": 32, "num_inference_steps": 2, "segment_frame_length": 5}
    generator = DiffusersGenerator(
        "WanAnimatePipeline",
        {**call, "prev_segment_conditioning_frames": 1, "max_sequence_length": 16},
        16,
        path=str(tiny("wan_animate")),
        task="i2v",
        load={"dtype": "float32"},
        videos=videos,
    )
    generator.check([prompt])
    with generator:
        clips = [generator.generate(prompt, 0) for _ in range(2)]
    assert clips[0].sha256 == clips[1].sha256
    assert clips[0].frames.shape == (5, 32, 32, 3)
    assert len(set(generator.source(prompt, 0).values())) == 2


def test_a_pipeline_loaded_anew_gives_the_same_clip(
    tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    made = []
    for _ in range(2):
        with DiffusersGenerator(**TINY["i2vgen_xl"].arguments(str(tiny("i2vgen_xl")))) as g:
            made.append(g.generate(prompt, 0).sha256)
    assert made[0] == made[1]
