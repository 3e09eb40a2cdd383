"""VBench's columns, computed as VBench 1.0 computes them, to lay beside its numbers.

Huang et al., "VBench: Comprehensive Benchmark Suite for Video Generative Models", CVPR 2024. The
values are of the frames as generated, not normalised, one for each clip. VBench averages its two
consistencies over all frames of all clips: where lengths differ, weigh a clip by its frames less
one. They reward clips that do not move; that is why they are columns and not the headline. Where
a network's weights cannot be had, or of a single frame, there is no value.
"""

from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored, need_frames
from bench.metrics.base import metric
from bench.vision.analysis import Analysis
from bench.vision.flow import Raft, lengths
from bench.vision.identity import Dino

if TYPE_CHECKING:
    from bench.vision.openclip import VbenchAesthetic

_SAMPLES_PER_S = 8
_TOP_SHARE = 0.05
_MOVING_PX = 6.0  # for a short side of 256 pixels
_MOVING_PAIRS = 4 / 16  # pairs that must move, for each sampled frame


@metric(unit="cosine", better="higher", needs=["vbench_dino"])
def vbench_subject_consistency(analysis: Analysis) -> float:
    """Mean over t >= 1 of s_t = (max(0, cos(t-1, t)) + max(0, cos(0, t))) / 2, with DINO ViT-B/16.

    Embeddings are class tokens of every frame; see `bench.vision.identity`. Range [0, 1].

    Raises:
        Unscored: if `vbench_dino` is another network.
    """
    network = analysis.backbone("vbench_dino")
    if not isinstance(network, Dino):
        raise Unscored(f"VBench uses DINO ViT-B/16, vbench_dino is {type(network).__name__}")
    need_frames(len(analysis.clip.frames), 2)
    return _consistency(analysis.seen_by("vbench_dino"))


@metric(unit="cosine", better="higher", needs=["vbench_clip"])
def vbench_background_consistency(analysis: Analysis) -> float:
    """As `vbench_subject_consistency`, with image embeddings of CLIP ViT-B/32.

    Range [0, 1].
    """
    need_frames(len(analysis.clip.frames), 2)
    return _consistency(analysis.seen_by("vbench_clip"))


@metric(unit="share of full scale", better="higher", needs=["vbench_aesthetic"])
def vbench_aesthetic_quality(analysis: Analysis) -> float:
    """Mean over all frames of LAION's aesthetic rating / 10, from CLIP ViT-L/14.

    About [0, 1]; a line has no bounds.
    """
    network = cast("VbenchAesthetic", analysis.backbone("vbench_aesthetic"))
    ratings = network.ratings(analysis.seen_by("vbench_aesthetic"))
    return float((ratings / 10).mean(dtype=np.float64))


@metric(unit="share of full scale", better="higher")
def vbench_temporal_flickering(analysis: Analysis) -> float:
    """(255 - mean_t MAE(x_t, x_t+1)) / 255 over adjacent frames. Range [0, 1]."""
    need_frames(len(analysis.clip.frames), 2)
    return (255 - float(analysis.changes.mean())) / 255


@metric(unit="0 or 1", better="higher", needs=["flow"])
def vbench_dynamic_degree(analysis: Analysis) -> float:
    """1 if the clip moves, 0 if not, by RAFT on every max(1, round(fps / 8))-th frame.

    A pair of successive sampled frames moves if the mean of the 5% longest flow vectors (the
    frame's padding included) exceeds 6 min(H, W) / 256 pixels; the clip moves if at least
    round(T' / 4) pairs do, T' being the number of sampled frames.

    Raises:
        Unscored: if `flow` is another method than RAFT, or the frames do not suit it; or if T' is
            under 3, where VBench calls every clip moving.
    """
    method = analysis.backbone("flow")
    if not isinstance(method, Raft):
        raise Unscored(f"VBench uses RAFT, flow is {type(method).__name__}")
    frames, stride = analysis.clip.frames, max(1, round(analysis.clip.fps / _SAMPLES_PER_S))
    count = len(range(0, len(frames), stride))
    least = round(_MOVING_PAIRS * count)
    need_frames(count, 3, "sampled frame")  # of which one pair may be enough
    threshold = _MOVING_PX * min(frames.shape[1:3]) / 256
    sampled = islice(frames, 0, None, stride)
    moving = (flow for flow in method.padded_flows(sampled) if _longest(flow) > threshold)
    return float(len(list(islice(moving, least))) == least)  # no more flow than it takes


def _consistency(vectors: NDArray[np.float32]) -> float:
    """Mean of s_t over t >= 1, of unit vectors `[T, D]`."""
    to_first = vectors[1:] @ vectors[0]
    to_former = (vectors[1:] * vectors[:-1]).sum(axis=1)
    return float((np.maximum(to_first, 0) + np.maximum(to_former, 0)).mean() / 2)


def _longest(flow: NDArray[np.float32]) -> float:
    """Mean of the 5% longest vectors of a flow `[H, W, 2]`, in pixels."""
    ordered = np.sort(lengths(flow), axis=None)
    return float(ordered[-int(_TOP_SHARE * ordered.size) :].mean())
