"""One call of a pipeline: its arguments for several seeds, and its answer as frames."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.errors import BenchError, ClipError

# `num_videos_per_prompt` would say it shorter, and half of the pipelines ignore it or break on it.
# Lists as long as the batch work in all of these: its clips are those of single calls, which is
# tested with tiny versions of them.
_TESTED = frozenset(
    {
        "AnimateDiffPipeline",
        "AnimateDiffSDXLPipeline",
        "AnyFlowPipeline",
        "CogVideoXImageToVideoPipeline",
        "CogVideoXPipeline",
        "EasyAnimatePipeline",
        "HunyuanSkyreelsImageToVideoPipeline",
        "HunyuanVideoFramepackPipeline",
        "HunyuanVideoImageToVideoPipeline",
        "HunyuanVideoPipeline",
        "Kandinsky5T2VPipeline",
        "LTX2Pipeline",
        "LTXConditionPipeline",
        "LTXImageToVideoPipeline",
        "LTXPipeline",
        "MochiPipeline",
        "MotifVideoPipeline",
        "SanaImageToVideoPipeline",
        "SanaVideoPipeline",
        "SkyReelsV2DiffusionForcingPipeline",
        "SkyReelsV2ImageToVideoPipeline",
        "SkyReelsV2Pipeline",
        "StableVideoDiffusionPipeline",
        "TextToVideoSDPipeline",
        "WanImageToVideoPipeline",
        "WanPipeline",
    }
)

# These take one image for all clips of a batch, and refuse a list.
_ONE_IMAGE = frozenset(
    {"SanaImageToVideoPipeline", "SkyReelsV2ImageToVideoPipeline", "WanImageToVideoPipeline"}
)

_OTHER_CLIPS = {
    "I2VGenXLPipeline": "draws a part of its random numbers once for all clips",
    "Kandinsky5I2VPipeline": "makes other clips in a batch than one by one",
    "LattePipeline": "reads the prompt with its padding in a batch, and without it for one clip",
}
_BREAKS = (
    "AllegroPipeline",
    "HeliosPipeline",
    "HunyuanVideo15ImageToVideoPipeline",
    "HunyuanVideo15Pipeline",
    "LTX2ImageToVideoPipeline",
    "TextToVideoZeroPipeline",
)
_WHY_NOT = _OTHER_CLIPS | dict.fromkeys(_BREAKS, "cannot make several clips with a seed each")
_WITH_IMAGES = {"LTXConditionPipeline": "encodes the image by the first seed for all clips"}

_TEXTS = ("prompt", "negative_prompt")

# Values may leave 0..1 by rounding; further out something is wrong.
_OVERSHOOT = 1e-3
_FLAT = 1 / 255  # a frame whose pixels differ by less is of one colour


def check_batch(pipeline: str, size: int, *, images: bool) -> None:
    """Refuse a batch whose clips would not be those of single calls, or that nobody tested.

    `images` is whether any of the prompts has an image that the pipeline will get.
    """
    why = _WHY_NOT.get(pipeline) or (_WITH_IMAGES.get(pipeline) if images else None)
    if why is None and pipeline not in _TESTED:
        why = "was never tested with several clips a call"
    if why is not None:
        raise BenchError(
            f"model.options.batch_size={size}: {pipeline} {why}: type model.options.batch_size=1"
        )


def random_state(device: torch.device) -> bytes:
    """Of the global generators, from which a batch must not draw: they know no clip's seed."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return b"".join(state.numpy().tobytes() for state in states)


def repeated(arguments: Mapping[str, Any], pipeline: str, size: int) -> dict[str, Any]:
    """The arguments of a call that makes one clip, for one that makes `size` of them."""
    names = _TEXTS if pipeline in _ONE_IMAGE else (*_TEXTS, "image")
    several = {name: [arguments[name]] * size for name in names if arguments.get(name) is not None}
    return {**arguments, **several}


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
    finite = np.isfinite(frames)
    if not finite.all():
        share = 1 - finite.mean()
        raise ClipError(f"expected finite pixels, {share:.0%} of them are NaN or infinite")
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
