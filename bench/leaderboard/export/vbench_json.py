"""Results in the form in which VBench writes its own: `{dimension: [mean, clips]}`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.schema import ClipResult, Result

DIMENSIONS: Mapping[str, str] = {
    "vbench_subject_consistency": "subject_consistency",
    "vbench_background_consistency": "background_consistency",
    "vbench_temporal_flickering": "temporal_flickering",
    "vbench_dynamic_degree": "dynamic_degree",
}
"""The columns that are VBench's formula, to its name for them; nothing else is exported as its."""

_OVER_FRAMES = {"subject_consistency", "background_consistency"}


def vbench(result: Result) -> dict[str, list[Any]]:
    """The dimensions of which clips have values; a clip without one is left out, as VBench does.

    VBench 1.0 averages its consistencies over all frames of all clips but the first of each, the
    others over clips; `dynamic_degree` is true or false for a clip. Paths are those of the
    frames that were scored, relative to the run's folder.

    Returns:
        Dimension to `[mean, [{"video_path": ..., "video_results": ...}, ...]]`.
    """
    found: dict[str, list[Any]] = {}
    for metric, dimension in DIMENSIONS.items():
        valued = [
            (clip, value)
            for clip in result.clips
            if (value := clip.scores.get(metric)) is not None and clip.status == "ok"
        ]
        if valued and metric in result.metrics:
            clips = [
                {
                    "video_path": f"clips/{clip.prompt}/{clip.seed}.mkv",
                    "video_results": bool(value) if dimension == "dynamic_degree" else value,
                }
                for clip, value in valued
            ]
            found[dimension] = [_mean(valued, over_frames=dimension in _OVER_FRAMES), clips]
    return found


def _mean(valued: Sequence[tuple[ClipResult, float]], *, over_frames: bool) -> float:
    weights = [(clip.frames or 0) - 1 if over_frames else 1 for clip, _ in valued]
    pairs = zip(weights, valued, strict=True)
    return math.fsum(weight * value for weight, (_, value) in pairs) / sum(weights)
