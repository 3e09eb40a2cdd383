"""What a leaderboard shows, as numbers: comparable groups of results and their rows."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import statistics as stats
from bench.leaderboard.data.comparable import comparable, differences
from bench.leaderboard.data.cost import Yield, yield_of
from bench.leaderboard.data.speed import Speed, devices, speeds
from bench.metrics.cross_clip import BETTER, UNIT
from bench.schema import ClipResult, MetricDescription, Result

HEADLINE = "coherence"

# What stands beside the headline, and what it is made of: tables of their own, in this order,
# where results have them.
BESIDE = ("adherence", "dynamics")
SUB_SCORES = (
    "coherence_worst_second",
    "lost_tremble",
    "lost_churn",
    "lost_flicker",
    "lost_jumps",
    "lost_identity",
    "lost_blending",
    "lost_order",
    "lost_stutter",
    "lost_motion",
    "stutter",
    "cuts_unrequested",
)
# The columns after the headline: those, then what sees most of the rest.
LEAD = (*BESIDE, *SUB_SCORES, "flicker", "warp_mae", "identity_min")

GROUP_METRIC = "cross_clip_identity"
"""The one number that is of a group of clips, and not of a clip."""


@dataclass(frozen=True)
class Score:
    """A model's mean on one metric.

    Attributes:
        interval: over prompts; None if no clip has a value.
        leading: whether the model has the best mean of its group or is not surely worse; Holm's
            correction is over all pairs for the headline, over those with the best elsewhere.
    """

    interval: stats.Interval | None
    leading: bool


@dataclass(frozen=True)
class Row:
    """One model in one table.

    Attributes:
        rank: best and worst rank the model can claim; None if it is not ranked.
        scores: one per metric of the group.
        scored: clips with a score (with a headline score, where there is that metric).
        failed: clips that the model could not make; each counts as a headline of 0.
    """

    result: Result
    label: str
    rank: tuple[int, int] | None
    scores: Mapping[str, Score]
    scored: int
    failed: int

    @property
    def missing(self) -> int:
        """Clips that a complete run holds and this one has not made yet."""
        return self.result.expected_clips - len(self.result.clips)

    @property
    def unscored(self) -> int:
        """Clips that were made and have no score."""
        return len(self.result.clips) - self.scored - self.failed


@dataclass(frozen=True)
class Group:
    """Results with the same prompts, seeds and metrics: nothing else may share a table.

    Attributes:
        footage: whether every clip is footage of its own, so that no two rows compare.
        metrics: headline first, then LEAD, those without a better direction last, else by name.
        complete: rows in which every expected clip counts, best headline first.
        partial: rows that lack clips, whose means are over other clips than the rest.
        differs: in what from the first group of the suite; empty for the first.
        unranked: why no row has a rank; None if they have.
    """

    footage: bool
    metrics: Mapping[str, MetricDescription]
    complete: tuple[Row, ...]
    partial: tuple[Row, ...]
    differs: tuple[str, ...]
    unranked: str | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The complete ones, then the partial ones."""
        return self.complete + self.partial


@dataclass(frozen=True)
class SuiteBoard:
    """Everything the leaderboard shows about one suite.

    Attributes:
        labels: model to its name for people.
        results: sorted by model.
        groups: comparable results, the largest group first.
        speeds: device name to its rows, fastest first.
        yields: model to its yield and cost, for complete runs on prompts.
    """

    suite: str
    labels: Mapping[str, str]
    results: tuple[Result, ...]
    groups: tuple[Group, ...]
    speeds: Mapping[str, tuple[Speed, ...]]
    yields: Mapping[str, Yield]


def boards(results: Iterable[Result]) -> list[SuiteBoard]:
    """The boards of all suites, sorted, those of files without prompts last.

    A pure function of the results, of which there is at most one per suite and model.
    """
    by_suite: defaultdict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.suite, result.model)):
        by_suite[result.suite].append(result)
    asked = {suite: members[0].prompts_sha256 is not None for suite, members in by_suite.items()}
    suites = sorted(by_suite, key=lambda suite: (not asked[suite], suite))
    return [_board(suite, by_suite[suite]) for suite in suites]


def has_quality(result: Result) -> bool:
    """Whether scores mean anything: random weights are timed only, and a run may be unscored."""
    return bool(result.metrics) and not result.random_weights


def in_order(metrics: Iterable[str], first: str = HEADLINE) -> list[str]:
    """Names of metrics as they are read: one first, then the headline, LEAD, the rest."""
    lead = [first, HEADLINE, *LEAD]
    return sorted(metrics, key=lambda name: (lead.index(name) if name in lead else len(lead), name))


def all_metrics(result: Result) -> Mapping[str, MetricDescription]:
    """The metrics of a result, and cross-clip identity if its groups were compared."""
    basis = result.cross_clip
    if basis is None or basis.fingerprint is None or basis.why is not None:
        return result.metrics
    of_groups = MetricDescription(
        unit=UNIT, better=BETTER, version=basis.version, fingerprint=basis.fingerprint
    )
    return {**result.metrics, GROUP_METRIC: of_groups}


def member_of(clip: ClipResult, metric: str) -> str | None:
    """The prompt in whose mean of a metric a clip counts, or the group; None if in none."""
    if metric == GROUP_METRIC:
        return clip.cross_clip.group if clip.cross_clip else None
    return clip.prompt


def clip_value(clip: ClipResult, metric: str) -> float | None:
    """The value with which a clip counts: a failed clip is a headline of 0, and nothing else."""
    if metric == GROUP_METRIC:
        return clip.cross_clip.value if clip.cross_clip else None
    if clip.status != "ok":
        return 0.0 if metric == HEADLINE else None
    return clip.scores.get(metric)


def prompt_means(result: Result, metric: str) -> dict[str, float]:
    """Mean over seeds for each expected prompt that has a value, in the result's order."""
    values: dict[str, list[float]] = {prompt: [] for prompt in result.expected_prompts}
    for clip in result.clips:
        value = clip_value(clip, metric)
        if value is not None:
            values[clip.prompt].append(value)
    return {prompt: math.fsum(seeds) / len(seeds) for prompt, seeds in values.items() if seeds}


def group_means(clips: Iterable[ClipResult], field: str = "value") -> dict[str, float]:
    """Mean over the clips of each group that has any, of a field of `Likeness`."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for clip in clips:
        if clip.cross_clip is not None and getattr(clip.cross_clip, field) is not None:
            values[clip.cross_clip.group].append(getattr(clip.cross_clip, field))
    return {group: float(np.mean(each)) for group, each in values.items()}


def prompt_categories(results: Iterable[Result]) -> dict[str, str]:
    """Prompt to its category, as far as any result of a suite says."""
    return {
        clip.prompt: clip.category for result in results for clip in result.clips if clip.category
    }


def by_category(group: Group) -> dict[str, dict[str, stats.Interval | None]]:
    """Category, in alphabetical order, to model to the headline's mean over its prompts."""
    category = prompt_categories(row.result for row in group.rows)
    kinds = sorted(set(category.values()))
    means = {row.result.model: prompt_means(row.result, HEADLINE) for row in group.complete}
    values = [
        [value for prompt, value in means[model].items() if category.get(prompt) == kind]
        for kind in kinds
        for model in means
    ]
    intervals = iter(stats.intervals(values))
    return {kind: {model: next(intervals) for model in means} for kind in kinds}


def _board(suite: str, results: Sequence[Result]) -> SuiteBoard:
    labels = _labels(results)
    by_key: defaultdict[object, list[Result]] = defaultdict(list)
    for result in filter(has_quality, results):
        by_key[comparable(result)].append(result)
    members = sorted(by_key.values(), key=lambda group: (-len(group), group[0].model))
    groups = tuple(_group(group, labels, differences(members[0][0], group[0])) for group in members)
    timed = speeds(results, labels)
    yields = {
        row.result.model: yield_of(row.result, devices(row.result, timed))
        for group in groups
        if not group.footage
        for row in group.complete
    }
    return SuiteBoard(
        suite=suite,
        labels=labels,
        results=tuple(results),
        groups=groups,
        speeds=timed,
        yields={model: share for model, share in yields.items() if share},
    )


def _labels(results: Sequence[Result]) -> dict[str, str]:
    """Titles, with the model's own name behind where two share one."""
    titles = {result.model: result.card.title or result.model for result in results}
    counts = Counter(result.card.title for result in results if result.card.title)
    return {
        model: f"{title} ({model})" if counts[title] > 1 else title
        for model, title in titles.items()
    }


def _group(results: Sequence[Result], labels: Mapping[str, str], differs: tuple[str, ...]) -> Group:
    footage = results[0].prompts_sha256 is None
    metrics = dict(
        sorted(
            results[0].metrics.items(),
            key=lambda item: (
                item[0] != HEADLINE,
                LEAD.index(item[0]) if item[0] in LEAD else len(LEAD),
                item[1].better is None,
                item[0],
            ),
        )
    )
    complete = [result for result in results if footage or _is_complete(result)]
    models = [result.model for result in complete]
    means = {
        result.model: {name: prompt_means(result, name) for name in metrics} for result in results
    }
    ranking = None
    leads: dict[str, dict[str, bool]] = {}
    if not footage and len(complete) > 1:
        for name, metric in metrics.items():
            if metric.better is None:
                continue
            common = _common([means[model][name] for model in models], metric.better)
            if name == HEADLINE:
                ranking = stats.rank(common)
                leading = ranking.leading if ranking else None
            else:
                leading = stats.leading(common)
            leads[name] = dict(zip(models, leading, strict=True)) if leading else {}
    values = [list(prompts.values()) for each in means.values() for prompts in each.values()]
    intervals = iter(stats.intervals(values))
    ranks = dict(zip(models, ranking.intervals, strict=True)) if ranking else {}
    rows = [
        Row(
            result,
            labels[result.model],
            ranks.get(result.model),
            {
                name: Score(next(intervals), leads.get(name, {}).get(result.model, False))
                for name in metrics
            },
            *_counted(result),
        )
        for result in results
    ]
    best_first = rows
    if HEADLINE in metrics:
        sign = -1 if metrics[HEADLINE].better == "higher" else 1
        best_first = sorted(rows, key=lambda row: (sign * _mean(row), row.result.model))
    return Group(
        footage=footage,
        metrics=metrics,
        complete=tuple(row for row in best_first if row.result.model in models),
        partial=tuple(row for row in rows if row.result.model not in models),
        differs=differs,
        unranked=_why_unranked(footage, complete, HEADLINE in metrics, ranking),
    )


def _common(means: Sequence[Mapping[str, float]], better: str) -> NDArray[np.float64]:
    """Values on the prompts for which every model has one, `[M, P]`, higher is better."""
    prompts = [prompt for prompt in means[0] if all(prompt in other for other in means)]
    values = np.array([[mean[prompt] for prompt in prompts] for mean in means], np.float64)
    return values if better == "higher" else -values


def _counted(result: Result) -> tuple[int, int]:
    """How many clips have a score, and how many failed."""
    names = [HEADLINE] if HEADLINE in result.metrics else list(result.metrics)
    delivered = [clip for clip in result.clips if clip.status == "ok"]
    scored = sum(any(clip.scores.get(name) is not None for name in names) for clip in delivered)
    return scored, len(result.clips) - len(delivered)


def _is_complete(result: Result) -> bool:
    return sum(_counted(result)) == result.expected_clips


def _why_unranked(
    footage: bool, complete: Sequence[Result], has_headline: bool, ranking: stats.Ranking | None
) -> str | None:
    if footage:
        return "each row is other footage"
    if ranking or not has_headline or not complete:
        return None
    if len(complete) == 1:
        return "one model alone has no rank"
    prompts = len(complete[0].expected_prompts)
    return f"{prompts} prompts, and fewer than {stats.MIN_PROMPTS} carry no ranking"


def _mean(row: Row) -> float:
    interval = row.scores[HEADLINE].interval
    return interval.mean if interval else 0.0
