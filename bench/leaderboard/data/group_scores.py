"""Cross-clip identity beside the other metrics of a result: one value for each group of clips."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from bench.leaderboard.data.rows import HEADLINE, clip_value, prompt_means
from bench.metrics.cross_clip import BETTER, UNIT
from bench.schema import ClipResult, MetricDescription, Result

NAME = "cross_clip_identity"


def metrics_and_groups(result: Result) -> Mapping[str, MetricDescription]:
    """The metrics of a result, and cross-clip identity if its groups were compared."""
    basis = result.cross_clip
    if basis is None or basis.fingerprint is None or basis.why is not None:
        return result.metrics
    return {
        **result.metrics,
        NAME: MetricDescription(
            unit=UNIT, better=BETTER, version=basis.version, fingerprint=basis.fingerprint
        ),
    }


def group_means(result: Result, field: str = "value") -> dict[str, float]:
    """Mean over the clips of each group that has any, in the order of the result's clips.

    Args:
        result: its clips have their parts in the comparison.
        field: of `Likeness`.
    """
    values: defaultdict[str, list[float]] = defaultdict(list)
    for clip in result.clips:
        if clip.cross_clip is not None and getattr(clip.cross_clip, field) is not None:
            values[clip.cross_clip.group].append(getattr(clip.cross_clip, field))
    return {group: float(np.mean(each)) for group, each in values.items()}


def means(result: Result, metric: str, headline: str = HEADLINE) -> dict[str, float]:
    """Mean for each prompt that has a value, or for each group of what is a number of groups."""
    return group_means(result) if metric == NAME else prompt_means(result, metric, headline)


def clip_part(clip: ClipResult, metric: str, headline: str = HEADLINE) -> float | None:
    """The value with which a clip counts in those means; None if it counts in none."""
    if metric == NAME:
        return clip.cross_clip.value if clip.cross_clip else None
    return clip_value(clip, metric, headline)


def member_of(clip: ClipResult, metric: str) -> str | None:
    """The prompt, or the group, whose mean a clip counts in."""
    if metric == NAME:
        return clip.cross_clip.group if clip.cross_clip else None
    return clip.prompt
