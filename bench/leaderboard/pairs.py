"""Two results side by side: the clips of both, how far they differ, and what that allows to say."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from bench import statistics as stats
from bench.leaderboard.data.comparability import differences
from bench.leaderboard.data.costs import Criteria, is_usable, judged_by, why_unjudged
from bench.leaderboard.data.rows import (
    ALIKE,
    GROUP_METRIC,
    HEADLINE,
    USABLE,
    all_metrics,
    clip_value,
    has_quality,
    member_of,
)
from bench.leaderboard.tables.table import (
    ARROWS,
    NONE,
    Cell,
    Column,
    Table,
    mean,
    mean_cell,
    number,
    plural,
    tabulate,
)
from bench.schema import ClipResult, MetricDescription, Result, Sample
from bench.statistics import MIN_PROMPTS, Interval

SHOWN_PROMPTS = 5

SHOWN_BY_CATEGORY = 4  # metrics that the table of categories has room for
_MAJOR = 2  # of those, so many stay on a narrow screen
_ROUNDING = 1e-9  # of sums in another order: no difference between models

Noun = Literal["prompt", "file", "group"]

_SHARE = MetricDescription(unit="% of clips", better="higher", version=1, fingerprint=USABLE)
"""What `USABLE` means where it stands among metrics: a clip counts 0 or 100."""


@dataclass(frozen=True)
class Pairs:
    """One metric of results A and B: its mean over seeds for each prompt, file or group of both."""

    metric: str
    meaning: MetricDescription
    a: Mapping[str, float]
    b: Mapping[str, float]
    noun: Noun = "prompt"

    def differences(self, prompts: Collection[str] | None = None) -> dict[str, float]:
        """A - B for each prompt, or for those of the prompts that have values."""
        names = self.a if prompts is None else [name for name in self.a if name in prompts]
        return {name: self.a[name] - self.b[name] for name in names}

    @cached_property
    def gap(self) -> Interval | None:
        """Mean of A - B and its interval, resampling prompts; None without prompts."""
        return stats.interval(list(self.differences().values()))

    def extremes(self) -> dict[str, float]:
        """A - B of the prompts where it is largest; one without any difference is none."""
        ordered = sorted(self.differences().items(), key=lambda item: -abs(item[1]))
        return {prompt: value for prompt, value in ordered[:SHOWN_PROMPTS] if value}


@dataclass(frozen=True)
class Comparison:
    """Results A and B, and what both have."""

    a: Result
    b: Result

    @cached_property
    def clips(self) -> dict[Sample, tuple[ClipResult, ClipResult]]:
        """Both clips, or failures to make one, of every draw of both, in the order of A."""
        place = {prompt: number for number, prompt in enumerate(self.a.expected.prompts)}
        others = {clip.sample: clip for clip in self.b.clips}
        clips = sorted(self.a.clips, key=lambda clip: (place[clip.prompt], clip.seed))
        return {clip.sample: (clip, others[clip.sample]) for clip in clips if clip.sample in others}

    @property
    def noun(self) -> Noun:
        """What clips answer: prompts, or nothing but the name of their file."""
        return "prompt" if self.a.prompts.sha256 else "file"

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why the results do not compare, each reason naming what differs; empty if they do."""
        if unscored := [result.model for result in (self.a, self.b) if not has_quality(result)]:
            return (f"{' and '.join(unscored)} has no scores",)
        reasons = differences(self.a, self.b, paired=True)
        return reasons if reasons or self.clips else ("no clips of the same prompt and seed",)

    @cached_property
    def metrics(self) -> dict[str, MetricDescription]:
        """What both have and compares: metrics, and the share of usable clips."""
        shared = {
            name: metric
            for name, metric in all_metrics(self.a).items()
            if name not in self.left_out
        }
        if self.a.prompts.sha256 and USABLE not in self.left_out:
            return {**shared, USABLE: _SHARE}
        return shared

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Metrics of either result that do not compare, and why."""
        a, b = all_metrics(self.a), all_metrics(self.b)
        reasons = {
            name: "other version or backbones" if name in a and name in b else "not in both"
            for name in sorted(a.keys() | b.keys())
            if a.get(name) != b.get(name)
        }
        # A clip's likeness to its group depends on which other clips there are.
        if GROUP_METRIC in a.keys() & b.keys() and self.a.expected != self.b.expected:
            reasons.setdefault(GROUP_METRIC, "other prompts or seeds")
        if self.a.prompts.sha256 and (why := self._why_unjudged(reasons)):
            reasons[USABLE] = why
        return reasons

    @property
    def categories(self) -> dict[str, set[str]]:
        """Category to its prompts, in the order of the clips."""
        prompts: dict[str, set[str]] = {}
        for clip in self.a.clips:
            prompts.setdefault(str(clip.category), set()).add(clip.prompt)
        return prompts

    def pairs(self, metric: str) -> Pairs:
        """The values of a metric that both have, paired clip by clip."""
        values: dict[str, list[tuple[float, float]]] = {}
        for one, other in self.clips.values():
            member = member_of(one, metric)
            first, second = self._values(metric, one, other)
            if member is not None and first is not None and second is not None:
                values.setdefault(member, []).append((first, second))
        a, b = (
            {
                name: math.fsum(pair[side] for pair in each) / len(each)
                for name, each in values.items()
            }
            for side in (0, 1)
        )
        noun = "group" if metric == GROUP_METRIC else self.noun
        return Pairs(metric, self.metrics[metric], a, b, noun)

    def widest(self, metric: str, name: str) -> Sample:
        """The draw in which both differ most on a prompt or group; the first of several."""
        distances = {}
        for sample, (one, other) in self.clips.items():
            if member_of(one, metric) == name:
                a, b = self._values(metric, one, other)
                distances[sample] = -1.0 if a is None or b is None else abs(a - b)
        return max(sorted(distances), key=distances.__getitem__)

    @cached_property
    def _criteria(self) -> tuple[Criteria, Criteria]:
        return judged_by(self.a), judged_by(self.b)

    def _why_unjudged(self, left_out: Mapping[str, str]) -> str | None:
        """Why clips of both are not usable or not by the same measure; None if they are."""
        if differing := sorted(left_out.keys() & self._criteria[0].keys()):
            return f"{' and '.join(differing)} is left out"
        return why_unjudged([self.a, self.b])

    def _values(self, metric: str, *clips: ClipResult) -> tuple[float | None, ...]:
        """What a metric has for a clip of A and the same of B; None for what was not scored."""
        if metric != USABLE:
            return tuple(clip_value(clip, metric) for clip in clips)
        return tuple(
            None if clip_value(clip, HEADLINE) is None else 100.0 * is_usable(clip, criteria)
            for clip, criteria in zip(clips, self._criteria, strict=True)
        )


# ---- Tables, and the one sentence that they allow ----


def verdict(a: str, b: str, compared: Pairs) -> str:
    """One sentence on what the difference between a and b is, no more than its interval says."""
    noun, unit = compared.noun, compared.meaning.unit
    metric = "the share of usable clips" if compared.metric == USABLE else compared.metric
    differences = list(compared.differences().values())
    count, gap = len(differences), compared.gap
    if gap is None or count < MIN_PROMPTS:
        had = plural(count, f"common {noun}")
        return f"{had} cannot tell {a} from {b} in {metric}: at least {MIN_PROMPTS} are needed."
    if max(map(abs, differences)) <= _ROUNDING * max(map(abs, compared.a.values())):
        return f"{a} and {b} are equal in {metric} on each of {count} {noun}s."
    if not _is_sure(gap):
        return (
            f"These {count} {noun}s do not tell {a} from {b} in {metric}: A - B lies between "
            f"{' and '.join(map(number, gap.ends))} ({unit}; 95% interval)."
        )
    ahead, behind = (a, b) if gap.mean > 0 else (b, a)
    ends = map(number, sorted(map(abs, gap.ends)))
    by = f"by {' to '.join(dict.fromkeys(ends))} ({unit}; 95% interval)"
    if compared.meaning.better is None:
        return f"On {noun}s like these {count}, {ahead} has more {metric} than {behind}, {by}."
    if compared.metric == USABLE:
        more = f"more clips of {ahead} than of {behind} are usable"
        return f"On {noun}s like these {count}, {more}, {by}."
    if compared.meaning.better == "lower":
        ahead, behind = behind, ahead
    return f"On {noun}s like these {count}, {ahead} is better than {behind} in {metric}, {by}."


def overall(compared: Sequence[Pairs]) -> Table:
    """One line a metric: both means over the common prompts, and their difference."""
    columns: list[Column[Pairs]] = [
        Column("metric", lambda each: each.metric + ARROWS[each.meaning.better], kind="name"),
        Column("A", lambda each: sum(each.a.values()) / len(each.a), minor=True),
        Column("B", lambda each: sum(each.b.values()) / len(each.b), minor=True),
        Column("A - B", lambda each: mean_cell(each.gap)),
        Column("95% interval", lambda each: mean_cell(each.gap), _range),
        Column("better", _better, kind="text"),
        Column(
            "prompts",
            lambda each: plural(len(each.a), "group") if each.noun == "group" else str(len(each.a)),
            minor=True,
        ),
        Column("unit", lambda each: each.meaning.unit, kind="text", minor=True),
    ]
    below = (
        "Each interval stands alone: of twenty that should hold 0, one does not. The ranks of a "
        "leaderboard allow for that over all its models; of two alone, go by these. Neither is "
        f"called better where it holds 0, or on fewer than {MIN_PROMPTS} prompts."
    )
    valued = [each for each in compared if each.a]
    return tabulate("Difference A - B by metric", columns, valued, below=[below])


def by_category(compared: Sequence[Pairs], categories: Mapping[str, Collection[str]]) -> Table:
    """One line a category (of prompts): the differences in the metrics that stand first."""
    first = [each for each in compared if each.noun != "group"][:SHOWN_BY_CATEGORY]

    def gap(category: str, of: Pairs) -> Cell:
        interval = stats.interval(list(of.differences(categories[category]).values()))
        return mean_cell(interval, strong=interval is not None and _is_sure(interval))

    columns: list[Column[str]] = [
        Column("category", str, kind="name"),
        Column("prompts", lambda category: len(first[0].differences(categories[category]))),
    ]
    for place, each in enumerate(first):
        better, minor = each.meaning.better, place >= _MAJOR
        columns.append(Column(each.metric, partial(gap, of=each), mean, better, minor=minor))
    rows = [
        category
        for category, prompts in categories.items()
        if any(each.differences(prompts) for each in first)
    ]
    below = (
        "± is half the width of the 95% interval, which is too narrow on fewer than "
        f"{MIN_PROMPTS} prompts."
    )
    return tabulate("Difference A - B by category", columns, rows, below=[below])


def most(compared: Pairs) -> Table:
    """The prompts, or groups, on which a metric differs most."""
    columns: list[Column[str]] = [
        Column(compared.noun, str, kind="name"),
        Column("A", compared.a.get),
        Column("B", compared.b.get),
        Column("A - B", compared.extremes().get),
    ]
    return tabulate(f"Where {compared.metric} differs most", columns, list(compared.extremes()))


def _is_sure(gap: Interval) -> bool:
    """Whether an interval leaves out 0, over prompts enough to have a say."""
    low, high = gap.ends
    return gap.n >= MIN_PROMPTS and (low > 0 or high < 0)


def _better(each: Pairs) -> str | None:
    gap = each.gap
    if each.meaning.better is None or gap is None or not _is_sure(gap):
        return None
    if abs(gap.mean) < ALIKE.get(each.meaning.unit, 0):
        return None
    return "A" if (gap.mean > 0) == (each.meaning.better == "higher") else "B"


def _range(cell: Cell) -> str:
    return " to ".join(map(number, cell.interval or ())) or NONE
