"""Two results side by side: the same prompts and seeds, and how far the values differ on each."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from bench import statistics as stats
from bench.leaderboard.data.comparable import differences
from bench.leaderboard.data.rows import (
    GROUP_METRIC,
    all_metrics,
    clip_value,
    has_quality,
    member_of,
)
from bench.schema import ClipResult, MetricDescription, Result

Key = tuple[str, int]
"""A prompt's id, or a file's name, and a seed."""

Noun = Literal["prompt", "file", "group"]


@dataclass(frozen=True)
class Pairs:
    """Values of one metric for two results, over the clips of which both have one.

    Attributes:
        meaning: unit, direction, and what it was computed with.
        a: mean over seeds, for each prompt, or for each group; of the first result.
        b: of the second, for the same.
        noun: what has a mean each.
    """

    metric: str
    meaning: MetricDescription
    a: Mapping[str, float]
    b: Mapping[str, float]
    noun: Noun = "prompt"

    def differences(self, prompts: Collection[str] | None = None) -> dict[str, float]:
        """A - B for each prompt, or for those of the prompts that have values."""
        names = self.a if prompts is None else [name for name in self.a if name in prompts]
        return {name: self.a[name] - self.b[name] for name in names}

    def interval(self, prompts: Collection[str] | None = None) -> stats.Interval | None:
        """Mean of A - B and its interval, resampling prompts; None without prompts."""
        return stats.interval(list(self.differences(prompts).values()))


def obstacles(a: Result, b: Result) -> tuple[str, ...]:
    """Why two results do not compare, each reason naming what differs; empty if they do."""
    if unscored := [result.model for result in (a, b) if not has_quality(result)]:
        return (f"{' and '.join(unscored)} has no scores",)
    reasons = differences(a, b, paired=True)
    return reasons if reasons or common(a, b) else ("no clips of the same prompt and seed",)


def common(a: Result, b: Result) -> set[Key]:
    """Prompts and seeds of which both results have a clip, or the failure to make one."""
    return _clips(a).keys() & _clips(b).keys()


def left_out(a: Result, b: Result) -> dict[str, str]:
    """Metrics of either result that do not compare, and why."""
    first, second = all_metrics(a), all_metrics(b)
    return {
        name: "other version or backbones" if name in first and name in second else "not in both"
        for name in sorted(first.keys() | second.keys())
        if first.get(name) != second.get(name)
    }


def pairs(a: Result, b: Result, metric: str) -> Pairs:
    """The values of one metric that both results have, paired clip by clip."""
    clips = _clips(a), _clips(b)
    place = {prompt: number for number, prompt in enumerate(a.expected_prompts)}
    values: tuple[dict[str, list[float]], dict[str, list[float]]] = {}, {}
    for key in sorted(clips[0], key=lambda key: place[key[0]]):
        if key in clips[1] and (member := member_of(clips[0][key], metric)) is not None:
            first, second = (clip_value(side[key], metric) for side in clips)
            if first is not None and second is not None:
                values[0].setdefault(member, []).append(first)
                values[1].setdefault(member, []).append(second)
    first_means, second_means = (
        {name: math.fsum(each) / len(each) for name, each in side.items()} for side in values
    )
    of = "group" if metric == GROUP_METRIC else noun(a)
    return Pairs(metric, all_metrics(a)[metric], first_means, second_means, of)


def noun(result: Result) -> Noun:
    """What the clips of a result answer: prompts, or nothing but the name of their file."""
    return "prompt" if result.prompts_sha256 else "file"


def widest(a: Result, b: Result, metric: str, name: str) -> Key:
    """The clip in which two results differ most on a prompt or group; the first of several."""
    sides = _clips(a), _clips(b)

    def distance(key: Key) -> float:
        first, second = (clip_value(side[key], metric) for side in sides)
        return -1.0 if first is None or second is None else abs(first - second)

    own = (key for key in common(a, b) if member_of(sides[0][key], metric) == name)
    return max(sorted(own), key=distance)


def categories(result: Result) -> dict[str, set[str]]:
    """Category to its prompts, in the order of the result's clips."""
    prompts: dict[str, set[str]] = {}
    for clip in result.clips:
        prompts.setdefault(str(clip.category), set()).add(clip.prompt)
    return prompts


def _clips(result: Result) -> dict[Key, ClipResult]:
    return {(clip.prompt, clip.seed): clip for clip in result.clips}
