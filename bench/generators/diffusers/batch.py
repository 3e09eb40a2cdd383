"""Several seeds in one call of a pipeline: which can make them, and what is repeated for it."""

from collections.abc import Mapping
from typing import Any

import torch

from bench.errors import BenchError

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


def check_batch(pipeline: str, size: int, *, images: bool) -> None:
    """Refuse a batch whose clips would not be those of single calls.

    Args:
        pipeline: name of its class.
        size: clips of a batch, more than one.
        images: whether any of the prompts has an image that the pipeline will get.

    Raises:
        BenchError: if the pipeline cannot make such batches, or nobody tested whether it can.
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
