"""One call of a pipeline: its arguments, checked before any weights are loaded, and its answer."""

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.clip import Sound
from bench.errors import BenchError, ClipError, nearest
from bench.generators.base import FromOne, check_kind, is_valid, require
from bench.generators.diffusers.load import is_modular
from bench.prompts import Prompt

# What the generator passes itself; a YAML that sets one of these would be overruled unseen.
_OURS = ("self", "generator", "output_type", "return_dict", "prompt", "image")

# `num_videos_per_prompt` would say it shorter, and half of the pipelines ignore it or break on it.
# Lists as long as the batch work in all of these: its clips are those of single calls, which is
# tested with tiny versions of them.
_TESTED = frozenset(
    {
        *("AnimateDiffPipeline", "AnimateDiffSDXLPipeline", "AnyFlowPipeline"),
        *("CosmosTextToWorldPipeline", "CosmosVideoToWorldPipeline"),
        "Cosmos2VideoToWorldPipeline",
        *("CogVideoXPipeline", "CogVideoXImageToVideoPipeline", "EasyAnimatePipeline"),
        *("HunyuanVideoPipeline", "HunyuanVideoImageToVideoPipeline"),
        *("HunyuanVideoFramepackPipeline", "HunyuanSkyreelsImageToVideoPipeline"),
        *("Kandinsky5T2VPipeline", "LTXPipeline", "LTXImageToVideoPipeline"),
        *("LTXConditionPipeline", "LTX2Pipeline", "MochiPipeline", "MotifVideoPipeline"),
        *("SanaVideoPipeline", "SanaImageToVideoPipeline", "SkyReelsV2Pipeline"),
        *("SkyReelsV2ImageToVideoPipeline", "SkyReelsV2DiffusionForcingPipeline"),
        *("StableVideoDiffusionPipeline", "TextToVideoSDPipeline"),
        *("WanPipeline", "WanImageToVideoPipeline", "WanModularPipeline", "AnyFlowFARPipeline"),
    }
)

# These take one image for all clips of a batch, and refuse a list.
_ONE_IMAGE = frozenset(
    {"SanaImageToVideoPipeline", "SkyReelsV2ImageToVideoPipeline", "WanImageToVideoPipeline"}
)

_WHY_NOT = {
    **dict.fromkeys(
        (
            *("AllegroPipeline", "Cosmos3OmniPipeline", "EasyAnimateInpaintPipeline"),
            *("HeliosPipeline", "HeliosPyramidPipeline", "HunyuanVideo15ImageToVideoPipeline"),
            *("HunyuanVideo15Pipeline", "LTX2ImageToVideoPipeline", "MiniMaxH3ModularPipeline"),
            *("LTXI2VLongMultiPromptPipeline", "MotifVideoImage2VideoPipeline", "SanaWMPipeline"),
            *("TextToVideoZeroPipeline", "WanVACEPipeline"),
        ),
        "cannot make several clips with a seed each",
    ),
    "Cosmos2_5_PredictBasePipeline": "fails where several clips start from an image",
    "I2VGenXLPipeline": "draws a part of its random numbers once for all clips",
    "Kandinsky5I2VPipeline": "makes other clips in a batch than one by one",
    "LattePipeline": "reads the prompt with its padding in a batch, and without it for one clip",
    "SkyReelsV2DiffusionForcingImageToVideoPipeline": "adds noise of no seed's own to the image",
}
_WHY_NOT_WITH_IMAGES = {"LTXConditionPipeline": "encodes the image by the first seed for all clips"}

# Values may leave 0..1 by rounding; further out something is wrong.
_OVERSHOOT = 1e-3
_FLAT = 1 / 255  # a frame whose pixels differ by less is of one colour

_RULE = re.compile(
    r"(?P<any>any)|(?:(?P<step>\d+)k(?:\+(?P<offset>\d+))?)?(?: ?up to (?P<most>\d+))?"
)


@dataclass(frozen=True)
class FrameRule:
    """Which frame counts a model makes as asked; others come back changed or not at all.

    Legal counts are `step * k + offset`, k = 0, 1, ..., from `least` to `most`, where that is not
    None; `text` is the rule as written in the YAML.
    """

    text: str
    step: int = 1
    offset: int = 0
    least: int = 1
    most: int | None = None

    @classmethod
    def parse(cls, rule: str | int) -> "FrameRule":
        """Read `any`, `16` (exactly), `up to 32`, `4k+1`, `8k+1 up to 49` or `4k`."""
        text = str(rule).strip()
        if text.isdecimal() and int(text) > 0:
            return cls(text, least=int(text), most=int(text))
        match = _RULE.fullmatch(text)
        if not text or match is None or match["step"] == "0":
            examples = "any, a number, 'up to 32', '4k+1' or '8k+1 up to 49'"
            raise BenchError(f"model.frames must be {examples}, got {rule!r}")
        step, offset = int(match["step"] or 1), int(match["offset"] or 0)
        most = int(match["most"]) if match["most"] else None
        return cls(text, step, offset, max(1, offset or step), most)

    def holds(self, count: int) -> bool:
        """Whether a model makes exactly this many frames."""
        within = count >= self.least and (self.most is None or count <= self.most)
        return within and (count - self.offset) % self.step == 0

    def nearest(self, count: int) -> list[int]:
        """The legal counts next to this one, below and above, as far as there are any."""
        highest = count - 1 if self.most is None else min(count - 1, self.most)
        below = filter(self.holds, range(highest, 0, -1))
        above = filter(self.holds, range(count + 1, max(self.least, count + self.step) + 1))
        return [*islice(below, 1), *islice(above, 1)]

    def closest(self, seconds: float, fps: float, longest_s: float, own: int) -> int:
        """The legal count whose length comes nearest to `seconds`.

        It is not longer than `longest_s`, to a tenth of a second as cards say it, or than `own`,
        the count that the model makes where nobody asks.
        """
        most = max(own, int((longest_s + 0.05) * fps))
        counts = filter(self.holds, range(1, most + 1))
        return min(counts, key=lambda count: (abs(count - seconds * fps), -count), default=own)


def parameters(pipeline: Any) -> Mapping[str, inspect.Parameter]:  # noqa: ANN401 - a class
    """What a pipeline, or the blocks of a modular one, may be called with, and what it must be."""
    if not is_modular(pipeline):
        return inspect.signature(pipeline.__call__).parameters
    import diffusers

    blocks = getattr(diffusers, pipeline.default_blocks_name)()
    # They also list what one block makes for another.
    own, nothing = set(blocks.intermediate_output_names), inspect.Parameter.empty
    takeable = {}
    for each in blocks.inputs:
        if each.name is not None:
            needed = each.required and each.default is None and each.name not in own
            takeable[each.name] = inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=nothing if needed else each.default,
            )
    return takeable


def check_call(
    pipeline: type, call: Mapping[str, Any], inputs: Mapping[str, str], also: tuple[str, ...] = ()
) -> None:
    """Hold the keys of a call against the pipeline's signature, in both directions.

    `inputs` maps our names to the pipeline's, where they differ; `also` are arguments that the
    generator will add.
    """
    name, takeable = pipeline.__name__, parameters(pipeline)
    takes = [key for key in takeable if key not in _OURS]
    for key in call:
        if key in _OURS:
            raise BenchError(f"model.call.{key} is set by the run itself: leave it out")
        if key not in takeable:
            # A key of the wrong model may be near to nothing: then all are named.
            close = difflib.get_close_matches(key, takes, n=1, cutoff=0.6)
            mend = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(takes)}"
            raise BenchError(f"model.call.{key}: {name} takes no {key!r}; {mend}")
        check_kind(f"model.call.{key}", call[key], takeable[key].annotation)
    steps = call.get("num_inference_steps", 1)
    require(is_valid(FromOne, steps), "call.num_inference_steps", "a number from 1", steps)
    for ours, theirs in inputs.items():
        if theirs not in takeable:
            close_name = nearest(theirs, takeable)
            raise BenchError(f"model.inputs.{ours}: {name} takes no {theirs!r}{close_name}")
    present = {*call, *inputs.values(), *also}
    for key in takes:
        parameter = takeable[key]
        variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if parameter.default is parameter.empty and not variable and key not in present:
            raise BenchError(f"{name} needs {key!r}: add +model.call.{key}=VALUE")


def check_frames(rule: FrameRule, key: str, count: int) -> None:
    """Refuse a count that the model would change without a word; the nearest are named."""
    require(is_valid(FromOne, count), f"call.{key}", "a number of frames", count)
    if not rule.holds(count):
        near = " or ".join(map(str, reversed(rule.nearest(count))))
        legal = f"exactly {rule.text}" if rule.text.isdecimal() else rule.text
        raise BenchError(
            f"model.call.{key} must be {legal}, got {count}: type model.call.{key}={near}"
        )


def check_size(size: Mapping[str, Any], multiple: int, where: str) -> None:
    """Refuse a height or width that the model cannot make; the nearest are named."""
    for key in ("height", "width"):
        pixels: Any = size.get(key)
        require(is_valid(FromOne, pixels), f"{where}.{key}", "a number of pixels", pixels)
        if pixels % multiple:
            below = pixels - pixels % multiple
            near = " or ".join(str(n) for n in (below + multiple, below) if n > 0)
            raise BenchError(
                f"model.{where}.{key} must be a multiple of {multiple}, got {pixels}: "
                f"type model.{where}.{key}={near}"
            )


def check_images(
    pipeline: type, task: str, prompts: Sequence[Prompt], *, key: str, sized: bool
) -> None:
    """Refuse a task that is not the pipeline's, and prompts without an image that it needs.

    `key` is its name for an image; `sized` is whether it is clear to what size images are cropped.
    """
    name = pipeline.__name__
    image = parameters(pipeline).get(key)
    if image is None and task != "t2v":
        raise BenchError(f"{name} takes no image: type model.task=t2v")
    if image is not None and image.default is image.empty and task != "i2v":
        raise BenchError(f"{name} animates an image: type model.task=i2v")
    if task != "i2v":
        return
    for prompt in prompts:
        if prompt.image is None:
            raise BenchError(
                f"{name} animates an image, and prompt {prompt.id!r} has none: "
                "take suite=i2v, or a model that makes video from text"
            )
    if not sized:
        raise BenchError(
            "the image must be cropped to some size: add model.image_size.height=PIXELS "
            "and model.image_size.width=PIXELS"
        )


def check_batch(pipeline: str, size: int, *, images: bool) -> None:
    """Refuse a batch whose clips would not be those of single calls, or that nobody tested.

    `images` is whether any of the prompts has an image that the pipeline will get.
    """
    why = _WHY_NOT.get(pipeline) or (_WHY_NOT_WITH_IMAGES.get(pipeline) if images else None)
    if why is None and pipeline not in _TESTED:
        why = "was never tested with several clips a call"
    if why is not None:
        raise BenchError(
            f"model.options.batch_size={size}: {pipeline} {why}: type model.options.batch_size=1"
        )


def repeated(arguments: Mapping[str, Any], pipeline: str, size: int) -> dict[str, Any]:
    """The arguments of a call that makes one clip, for one that makes `size` of them."""
    names = ["prompt", "negative_prompt"] + (["image"] if pipeline not in _ONE_IMAGE else [])
    several = {name: [arguments[name]] * size for name in names if arguments.get(name) is not None}
    return {**arguments, **several}


def to_image(pixels: NDArray[np.uint8], key: str) -> Any:  # noqa: ANN401 - as a pipeline takes it
    """An image `[H, W, 3]` as an argument of this name: a `video` is a clip of one frame.

    Such a clip is floats in 0..1, `[1, 1, H, W, 3]`.
    """
    return pixels[None, None] / np.float32(255) if key == "video" else Image.fromarray(pixels)


def random_state(device: torch.device) -> bytes:
    """Of the global generators, from which a batch must not draw: they know no clip's seed."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return b"".join(state.numpy().tobytes() for state in states)


def to_frames(answer: Any, *, flat_allowed: bool = False) -> NDArray[np.uint8]:  # noqa: ANN401 - see below
    """What a pipeline calls frames, as uint8 `[T, H, W, 3]`.

    Takes floats in 0..1, `[1, T, H, W, 3]` or `[T, H, W, 3]`, as an array or a list; anything else
    is a ClipError, and so are values that are not finite and, unless `flat_allowed`, frames of one
    colour each.
    """
    frames = np.asarray(answer)
    if frames.ndim == 5 and len(frames) == 1:
        frames = frames[0]
    if frames.ndim != 4 or frames.shape[-1] != 3 or not np.issubdtype(frames.dtype, np.floating):
        raise ClipError(
            "expected float frames [T, H, W, 3] of the pipeline, "
            f"got {frames.dtype} {list(frames.shape)}"
        )
    finite = np.isfinite(frames).mean()
    if finite < 1:
        raise ClipError(f"expected finite pixels, {1 - finite:.0%} of them are NaN or infinite")
    low, high = float(frames.min()), float(frames.max())
    if low < -_OVERSHOOT or high > 1 + _OVERSHOOT:
        raise ClipError(f"expected pixels from 0 to 1, got {low:.3g} to {high:.3g}")
    spread = np.ptp(frames.reshape(len(frames), -1, 3), axis=1).max()
    if spread < _FLAT and not flat_allowed:
        colour = ", ".join(f"{value:.2f}" for value in frames.mean(axis=(0, 1, 2)))
        raise ClipError(
            f"the pipeline gave {len(frames)} frames that show nothing, all of one colour "
            f"(about {colour} of 1): see model.call and model.load.dtype"
        )
    whole: NDArray[np.uint8] = np.rint(frames.clip(0, 1) * 255).astype(np.uint8)
    return whole


def to_sound(answer: Any, pipe: Any) -> Sound | None:  # noqa: ANN401 - of any pipeline
    """What is to be heard with one clip; None where that is nothing, or no rate is said."""
    audio = getattr(answer, "audio", None)
    vocoder = getattr(getattr(pipe, "vocoder", None), "config", None)
    rates = (
        getattr(answer, "sampling_rate", None),
        getattr(pipe, "audio_sample_rate", None),
        getattr(vocoder, "output_sampling_rate", None),
    )
    rate_hz = next((int(rate) for rate in rates if rate), None)
    if audio is None or rate_hz is None:
        return None
    samples = np.atleast_2d(torch.as_tensor(audio[0]).float().cpu().numpy())
    return Sound(samples, rate_hz) if np.isfinite(samples).all() else None
