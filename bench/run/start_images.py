"""The pictures that image-to-video models begin with: files of the suite, or made once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch

from bench.errors import BenchError, ClipError, one_line
from bench.generators.base import Generator
from bench.progress import track
from bench.prompts import Prompt
from bench.storage import fingerprint, write_bytes

_SEED = 0  # one picture a prompt, whatever the seeds of the clips


def missing_images(
    prompts: Sequence[Prompt], maker: Generator, settings: Mapping[str, Any], folder: Path
) -> tuple[list[Prompt], list[Prompt]]:
    """Give every prompt its image, and say which of the images are still to be made.

    Args:
        prompts: those that have an image keep it.
        maker: makes the others from their image prompt, or else their text: the first frame of
            its clip.
        settings: its configuration, which with the prompt decides an image's name.
        folder: where made images are kept for every model and run.

    Returns:
        All prompts, each with an image; and those of them whose image is not there yet.
    """
    given = [
        prompt if prompt.image else replace(prompt, image=_place(prompt, maker, settings, folder))
        for prompt in prompts
    ]
    return given, [prompt for prompt in given if prompt.image and not prompt.image.is_file()]


def make_images(prompts: Sequence[Prompt], maker: Generator, device: torch.device) -> None:
    """Make the image of each prompt, and keep it without loss.

    Raises:
        BenchError: if the model cannot be loaded, or an image cannot be made.
    """
    bare = [replace(prompt, text=_asked(prompt), image=None) for prompt in prompts]
    maker.device = device
    try:
        maker.check(bare)
    except BenchError as error:  # a generator knows itself as `model`
        raise BenchError(str(error).replace("model.", "suite.images.")) from None
    with maker:
        for prompt, text in zip(track(prompts, "reference images"), bare, strict=True):
            try:
                image = maker.generate(text, _SEED).frames[0]
            except (ClipError, RuntimeError) as error:
                why = str(error) if isinstance(error, ClipError) else one_line(error)
                raise BenchError(f"the image of prompt {prompt.id!r} failed: {why}") from None
            written, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            assert written
            assert prompt.image is not None
            write_bytes(prompt.image, png.tobytes())


def _asked(prompt: Prompt) -> str:
    """What a text-to-image model is asked for: the picture, not what happens in it."""
    return prompt.image_prompt or prompt.text


def suite_sha256(file_sha256: str, prompts: Sequence[Prompt]) -> str:
    """SHA-256 (hex) of all that a suite gives to models: its file, and its images if it has any.

    Results that began with other pixels must not share a table.
    """
    images = {prompt.id: prompt.content["image"] for prompt in prompts if prompt.image}
    return fingerprint([file_sha256, images]) if images else file_sha256


def _place(prompt: Prompt, maker: Generator, settings: Mapping[str, Any], folder: Path) -> Path:
    made_from = {
        "model": settings,
        "version": maker.info.version,
        "text": _asked(prompt),
        "seed": _SEED,
    }
    return folder / f"{prompt.id}-{fingerprint(made_from)[:12]}.png"
