"""What a leaderboard shows, as numbers: comparable groups of results and their rows."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench import stats
from bench.report.comparable import comparable, differences
from bench.report.economy import Economy, economy
from bench.report.results import ClipResult, Metric, Result
from bench.report.speed import Speed, devices, speeds

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
        result: where the numbers come from.
        label: the model's name for people.
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
    metrics: Mapping[str, Metric]
    complete: tuple[Row, ...]
    partial: tuple[Row, ...]
    differs: tuple[str, ...]
    unranked: str | None

    @property
    def first(self) -> Result:
        """Any of the results, for what all of them share."""
        return (self.complete + self.partial)[0].result


@dataclass(frozen=True)
class SuiteBoard:
    """Everything the leaderboard shows about one suite.

    Attributes:
        suite: its name.
        labels: model to its name for people.
        results: sorted by model.
        groups: comparable results, the largest group first.
        speeds: device name to its rows, fastest first.
        economies: model to what drawing again costs with it, for complete runs on prompts.
    """

    suite: str
    labels: Mapping[str, str]
    results: tuple[Result, ...]
    groups: tuple[Group, ...]
    speeds: Mapping[str, tuple[Speed, ...]]
    economies: Mapping[str, Economy]


def boards(results: Iterable[Result], headline: str = HEADLINE) -> list[SuiteBoard]:
    """The boards of all suites, sorted, those of files without prompts last.

    A pure function of the results.

    Args:
        results: in any order, at most one per suite and model.
        headline: metric that orders and ranks the rows, where a group has it.
    """
    by_suite: defaultdict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.suite, result.model)):
        by_suite[result.suite].append(result)
    asked = {suite: members[0].prompts_sha256 is not None for suite, members in by_suite.items()}
    suites = sorted(by_suite, key=lambda suite: (not asked[suite], suite))
    return [_board(suite, by_suite[suite], headline) for suite in suites]


def has_quality(result: Result) -> bool:
    """Whether scores mean anything: random weights are timed only, and a run may be unscored."""
    return bool(result.metrics) and not result.random_weights


def in_order(metrics: Iterable[str], first: str = HEADLINE) -> list[str]:
    """Names of metrics as they are read: one first, then the headline, LEAD, the rest."""
    lead = [first, HEADLINE, *LEAD]
    return sorted(metrics, key=lambda name: (lead.index(name) if name in lead else len(lead), name))


def clip_value(clip: ClipResult, metric: str, headline: str = HEADLINE) -> float | None:
    """The value with which a clip counts: a failed clip is a headline of 0, and nothing else."""
    if clip.status != "ok":
        return 0.0 if metric == headline else None
    return clip.scores.get(metric)


def prompt_means(result: Result, metric: str, headline: str = HEADLINE) -> dict[str, float]:
    """Mean over seeds for each expected prompt that has a value, in the result's order."""
    values: dict[str, list[float]] = {prompt: [] for prompt in result.expected_prompts}
    for clip in result.clips:
        value = clip_value(clip, metric, headline)
        if value is not None:
            values[clip.prompt].append(value)
    return {prompt: math.fsum(seeds) / len(seeds) for prompt, seeds in values.items() if seeds}


def _board(suite: str, results: Sequence[Result], headline: str) -> SuiteBoard:
    labels = _labels(results)
    by_key: defaultdict[object, list[Result]] = defaultdict(list)
    for result in filter(has_quality, results):
        by_key[comparable(result)].append(result)
    members = sorted(by_key.values(), key=lambda group: (-len(group), group[0].model))
    groups = tuple(
        _group(group, labels, differences(members[0][0], group[0]), headline) for group in members
    )
    timed = speeds(results, labels)
    economies = {
        row.result.model: economy(row.result, devices(row.result, timed))
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
        economies={model: found for model, found in economies.items() if found},
    )


def _labels(results: Sequence[Result]) -> dict[str, str]:
    """Titles, with the model's own name behind where two share one."""
    titles = Counter(result.card.title for result in results)
    return {
        result.model: result.model
        if not result.card.title
        else result.card.title
        if titles[result.card.title] == 1
        else f"{result.card.title} ({result.model})"
        for result in results
    }


def _group(
    results: Sequence[Result], labels: Mapping[str, str], differs: tuple[str, ...], headline: str
) -> Group:
    footage = results[0].prompts_sha256 is None
    metrics = dict(
        sorted(
            results[0].metrics.items(),
            key=lambda item: (
                item[0] != headline,
                LEAD.index(item[0]) if item[0] in LEAD else len(LEAD),
                item[1].better is None,
                item[0],
            ),
        )
    )
    complete = [result for result in results if footage or _is_complete(result, headline)]
    partial = [result for result in results if result not in complete]
    means = {
        result.model: {name: prompt_means(result, name, headline) for name in metrics}
        for result in results
    }
    ranking = None
    leads: dict[str, tuple[bool, ...]] = {}
    if not footage and len(complete) > 1:
        for name, metric in metrics.items():
            if metric.better is None:
                continue
            values = _common([means[result.model][name] for result in complete], metric.better)
            if name == headline:
                ranking = stats.rank(values)
                leads[name] = ranking.leading if ranking else ()
            else:
                leads[name] = stats.leading(values) or ()
    intervals = _intervals(means)
    rows = [
        Row(
            result,
            labels[result.model],
            ranking.intervals[index] if ranking else None,
            {
                name: Score(found, bool(leads.get(name)) and leads[name][index])
                for name, found in intervals[result.model].items()
            },
            *_counted(result, headline),
        )
        for index, result in enumerate(complete)
    ]
    if headline in metrics:
        sign = -1 if metrics[headline].better == "higher" else 1
        rows.sort(key=lambda row: (sign * _mean(row, headline), row.result.model))
    return Group(
        footage=footage,
        metrics=metrics,
        complete=tuple(rows),
        partial=tuple(
            Row(
                result,
                labels[result.model],
                None,
                {name: Score(found, False) for name, found in intervals[result.model].items()},
                *_counted(result, headline),
            )
            for result in partial
        ),
        differs=differs,
        unranked=_why_unranked(footage, complete, headline in metrics, ranking),
    )


def _intervals(
    means: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, stats.Interval | None]]:
    """The interval of every mean, by model and metric, all in one go."""
    found = iter(
        stats.intervals(
            [list(prompts.values()) for metrics in means.values() for prompts in metrics.values()]
        )
    )
    return {model: {name: next(found) for name in metrics} for model, metrics in means.items()}


def _common(means: Sequence[Mapping[str, float]], better: str) -> NDArray[np.float64]:
    """Values on the prompts for which every model has one, `[M, P]`, higher is better."""
    prompts = [prompt for prompt in means[0] if all(prompt in other for other in means)]
    values = np.array([[mean[prompt] for prompt in prompts] for mean in means], np.float64)
    return values if better == "higher" else -values


def _counted(result: Result, headline: str) -> tuple[int, int]:
    """How many clips have a score, and how many failed."""
    names = [headline] if headline in result.metrics else list(result.metrics)
    made = [clip for clip in result.clips if clip.status == "ok"]
    scored = sum(any(clip.scores.get(name) is not None for name in names) for clip in made)
    return scored, len(result.clips) - len(made)


def _is_complete(result: Result, headline: str) -> bool:
    return sum(_counted(result, headline)) == result.expected_clips


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


def _mean(row: Row, metric: str) -> float:
    interval = row.scores[metric].interval
    return interval.mean if interval else 0.0
