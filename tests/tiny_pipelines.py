"""Tiny pipelines of real classes with random weights, written as folders that models load from.

They stand in for weights of many gigabytes: everything but the weights is what a real model runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import torch
import transformers
import yaml

from bench.clip import Clip
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.load import is_modular
from bench.generators.diffusers.random_weights import STUB_TOKENIZERS, component
from bench.prompts import Prompt

ROUNDING = 2
"""Of 255: what the same sums in another order may change.

The last bits of float32 come out differently, and after a few steps a value next to the middle of
two of 0..255 is the other one.
"""


@dataclass(frozen=True)
class Tiny:
    """One pipeline: what it is made of, and what its model's YAML would say.

    Attributes:
        pipeline: its class, as a YAML calls it.
        parts: its components, as an entry of architectures.yaml.
        call: keyword arguments, for clips of 32x32 pixels; None where it makes no clip.
        more: other arguments of the generator.
    """

    pipeline: str
    parts: Mapping[str, Any]
    call: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, path: Path | str) -> dict[str, Any]:
        """Of `DiffusersGenerator`, and of a YAML."""
        size = {"height": 32, "width": 32, "num_inference_steps": 2}
        call = {**size, **(self.call or {})}
        call = {key: value for key, value in call.items() if key not in size or value is not None}
        load = {"dtype": "float32", **self.more.get("load", {})}
        defaults = {"pipeline": self.pipeline, "path": str(path), "fps": 8, "multiple": 8}
        return {**defaults, **self.more, "call": call, "load": load}

    def generator(self, path: Path | str, /, **changed: Any) -> DiffusersGenerator:
        """With other arguments; keys and values are added to those there are."""
        arguments = self.arguments(path)
        for key, value in changed.items():
            adds = isinstance(value, dict) and key in arguments
            arguments[key] = {**arguments[key], **value} if adds else value
        return DiffusersGenerator(**arguments)

    def build(self) -> Any:
        """The pipeline, with the same weights each time."""
        kind = getattr(diffusers, self.pipeline)
        parts = {
            name: part(entry) if isinstance(entry, Mapping) else entry
            for name, entry in self.parts.items()
        }
        if is_modular(kind):
            pipe = kind()
            pipe.update_components(**parts)
            return pipe
        if kind in COSMOS:
            pipe = kind(**parts, safety_checker=Unguarded())
            pipe.register_modules(safety_checker=None)  # no folder has one; each makes its own
            return pipe
        pipe = kind(**parts)
        if kind is diffusers.EasyAnimateInpaintPipeline:
            # As published; no argument of its class.
            pipe.vae.register_to_config(cache_mag_vae=True)
        for module in pipe.components.values():
            if isinstance(module, torch.nn.Module):
                module.eval()  # what a pipeline puts together itself is in training mode
        return pipe


def part(entry: Mapping[str, Any]) -> Any:
    """A component, a network with the same weights each time."""
    if entry.get("stub") in STUBS:
        return STUBS[entry["stub"]]()
    torch.manual_seed(0)
    part = component(entry)
    return part.eval() if isinstance(part, torch.nn.Module) else part


def seeing_tokenizer() -> Any:
    """As Qwen's, with marks of pictures and videos."""
    tokenizer = STUB_TOKENIZERS["qwen"]()
    names = ("vision_start", "vision_end", "image_pad", "video_pad")
    tokenizer.add_tokens([f"<|{name}|>" for name in names], special_tokens=True)
    return tokenizer


def seeing_processor() -> Any:
    """As Qwen3-VL's."""
    return transformers.Qwen3VLProcessor(
        image_processor=transformers.Qwen2VLImageProcessor(patch_size=16),
        tokenizer=seeing_tokenizer(),
        video_processor=transformers.Qwen3VLVideoProcessor(),
    )


def motion_adapter() -> Any:
    """What makes Stable Diffusion move."""
    return part(TINY["animatediff"].parts["motion_adapter"])


def pictured(folder: Path) -> Prompt:
    """A prompt with an image, which is written into a folder."""
    noise = np.random.default_rng(0).integers(0, 255, (48, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "image.png"), noise)
    return Prompt(id="p", text="a cat walks past a fence", image=folder / "image.png")


def difference(clip: Clip, other: Clip) -> int:
    """The largest of any pixel, of 255."""
    return int(np.abs(clip.frames.astype(int) - other.frames.astype(int)).max())


def shrink_tiles(vae: Any) -> None:
    """Allegro decodes whole tiles of 24 x 320 x 320 alone, which takes 10 s; a test needs less."""
    vae.use_tiling = True
    vae.kernel, vae.stride = (8, 16, 16), (4, 8, 8)
    vae.tile_overlap_t, vae.tile_overlap_h, vae.tile_overlap_w = 4, 8, 8


STUBS: Mapping[str, Callable[[], Any]] = {"seeing": seeing_tokenizer, "looking": seeing_processor}


class Unguarded:
    """In place of Cosmos' guardrail, a package with gigabytes of weights: everything is safe."""

    def to(self, *_: object) -> None:
        """It has no weights."""

    def check_text_safety(self, _: str) -> bool:
        return True

    def check_video_safety(self, frames: Any) -> Any:
        return frames


COSMOS = (
    *(diffusers.CosmosTextToWorldPipeline, diffusers.CosmosVideoToWorldPipeline),
    *(diffusers.Cosmos2VideoToWorldPipeline, diffusers.Cosmos2_5_PredictBasePipeline),
)


def _read() -> dict[str, Tiny]:
    file = Path(__file__).with_suffix(".yaml")
    own = ("pipeline", "parts", "call")
    return {
        name: Tiny(
            **{key: entry[key] for key in own if key in entry},
            more={key: value for key, value in entry.items() if key not in own},
        )
        for name, entry in yaml.safe_load(file.read_text("utf-8"))["pipelines"].items()
    }


TINY = _read()
