"""Two results side by side: the same prompts and seeds, and how far the values differ on each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from bench import statistics as stats
from bench.leaderboard.catalogue import suite_of
from bench.leaderboard.data.group_scores import (
    NAME,
    clip_part,
    means,
    member_of,
    metrics_and_groups,
)
from bench.leaderboard.data.rows import HEADLINE, has_quality
from bench.leaderboard.tables.words import short
from bench.schema import ClipResult, MetricDescription, Result

Key = tuple[str, int]
"""A prompt's id, or a file's name, and a seed."""


@dataclass(frozen=True)
class Pairs:
    """Values of one metric for two results, over the clips of which both have one.

    Attributes:
        metric: its name.
        meaning: unit, direction, and what it was computed with.
        a: mean over seeds, for each prompt, or for each group; of the first result.
        b: of the second, for the same.
        noun: what has a mean each.
    """

    metric: str
    meaning: MetricDescription
    a: Mapping[str, float]
    b: Mapping[str, float]
    noun: Literal["prompt", "file", "group"] = "prompt"

    def differences(self, prompts: Collection[str] | None = None) -> dict[str, float]:
        """A - B for each prompt, or for those of the prompts that have values."""
        wanted = self.a if prompts is None else [name for name in self.a if name in prompts]
        return {name: self.a[name] - self.b[name] for name in wanted}

    def interval(self, prompts: Collection[str] | None = None) -> stats.Interval | None:
        """Mean of A - B and its interval, resampling prompts; None without prompts."""
        return stats.interval(list(self.differences(prompts).values()))


def apart(a: Result, b: Result) -> list[str]:
    """Why two results do not compare, each reason naming what differs; empty if they do.

    Footage without prompts compares file by file, if the same files are there; a published suite
    compares with itself in another language (see `languages`).
    """
    if unscored := [result.model for result in (a, b) if not has_quality(result)]:
        return [f"{' and '.join(unscored)} has no scores"]
    found = []
    if a.prompts_sha256 != b.prompts_sha256 and not languages(a, b):
        found.append(f"other prompts ({_prompts(a)} and {_prompts(b)})")
    elif a.prompts_sha256 and set(a.expected_prompts) != set(b.expected_prompts):
        found.append("another selection of the prompts")
    elif not a.clips or not b.clips or not common(a, b):
        found.append("no clips of the same prompt and seed")
    if set(a.seeds) != set(b.seeds):
        found.append(f"other seeds ({_listed(a.seeds)} and {_listed(b.seeds)})")
    if a.lossy != b.lossy:
        found.append(
            f"clips that exist only as lossy files ({a.model if a.lossy else b.model}'s alone; "
            "compression smooths frames, which some scores reward)"
        )
    if not any(b.metrics.get(name) == metric for name, metric in a.metrics.items()):
        found.append("other versions or backbones of every metric")
    return found


def languages(a: Result, b: Result) -> tuple[str, str] | None:
    """The files of two published suites that are each other in another language.

    Their prompts share ids and categories; None for one suite, or for two that are no such thing.
    """
    first, second = suite_of(a.prompts_sha256, {}), suite_of(b.prompts_sha256, {})
    if first is None or second is None or first == second:
        return None
    return (first.file, second.file) if first.categories == second.categories else None


def common(a: Result, b: Result) -> set[Key]:
    """Prompts and seeds of which both results have a clip, or the failure to make one."""
    return _clips(a).keys() & _clips(b).keys()


def left_out(a: Result, b: Result) -> dict[str, str]:
    """Metrics of either result that do not compare, and why."""
    found = {}
    first, second = metrics_and_groups(a), metrics_and_groups(b)
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second:
            found[name] = "not in both"
        elif first[name] != second[name]:
            found[name] = "other version or backbones"
    return found


def pairs(a: Result, b: Result, metric: str, headline: str = HEADLINE) -> Pairs:
    """The values of one metric that both results have, paired clip by clip."""
    known = [_clips(a), _clips(b)]
    both = {
        key
        for key in common(a, b)
        if all(clip_part(clips[key], metric, headline) is not None for clips in known)
    }
    first, second = (
        means(
            result.replace(clips=tuple(clip for key, clip in clips.items() if key in both)),
            metric,
            headline,
        )
        for result, clips in zip((a, b), known, strict=True)
    )
    meaning = metrics_and_groups(a)[metric]
    return Pairs(metric, meaning, first, second, "group" if metric == NAME else noun(a))


def noun(result: Result) -> Literal["prompt", "file"]:
    """What the clips of a result answer: prompts, or nothing but the name of their file."""
    return "prompt" if result.prompts_sha256 else "file"


def widest(a: Result, b: Result, metric: str, name: str, headline: str = HEADLINE) -> Key:
    """The clip in which two results differ most on a prompt or group; the first of several."""
    known = [_clips(a), _clips(b)]

    def distance(key: Key) -> float:
        values = [clip_part(clips[key], metric, headline) for clips in known]
        first, second = values
        return -1.0 if first is None or second is None else abs(first - second)

    own = (key for key in common(a, b) if member_of(known[0][key], metric) == name)
    return max(sorted(own), key=distance)


def categories(result: Result) -> dict[str, set[str]]:
    """Category to its prompts, in the order of the result's clips."""
    found: dict[str, set[str]] = {}
    for clip in result.clips:
        found.setdefault(str(clip.category), set()).add(clip.prompt)
    return found


def _clips(result: Result) -> dict[Key, ClipResult]:
    return {(clip.prompt, clip.seed): clip for clip in result.clips}


def _prompts(result: Result) -> str:
    if result.prompts_sha256 is None:
        return "footage without any"
    return f"{result.prompts.name}, sha256 {short(result.prompts_sha256)}"


def _listed(seeds: Collection[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))
