"""What a leaderboard shows, as numbers: comparable groups of results and their rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench import stats
from bench.report.results import ClipResult, Metric, Result
from bench.report.speed import Speed, speeds

HEADLINE = "coherence"

# The columns after the headline, in this order, where results have them: what it is made of first.
LEAD = (
    "adherence",
    "coherence_worst_second",
    "coherence_flicker",
    "coherence_identity",
    "coherence_smooth",
    "coherence_jumps",
    "coherence_motion",
    "coherence_order",
    "stutter",
    "cuts_unrequested",
    "dynamics",
    "flicker",
    "warp_mae",
    "identity_min",
)


@dataclass(frozen=True)
class Score:
    """A model's mean on one metric.

    Attributes:
        interval: over prompts; None if no clip has a value.
        leading: whether the model has the best mean of its group or is not surely worse.
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
    """

    suite: str
    labels: Mapping[str, str]
    results: tuple[Result, ...]
    groups: tuple[Group, ...]
    speeds: Mapping[str, tuple[Speed, ...]]


def boards(results: Iterable[Result], headline: str = HEADLINE) -> list[SuiteBoard]:
    """The boards of all suites, sorted by suite; a pure function of the results.

    Args:
        results: in any order, at most one per suite and model.
        headline: metric that orders and ranks the rows, where a group has it.
    """
    by_suite: defaultdict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.suite, result.model)):
        by_suite[result.suite].append(result)
    return [_board(suite, members, headline) for suite, members in by_suite.items()]


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
    return {prompt: float(np.mean(seeds)) for prompt, seeds in values.items() if seeds}


def _board(suite: str, results: Sequence[Result], headline: str) -> SuiteBoard:
    labels = _labels(results)
    by_key: defaultdict[object, list[Result]] = defaultdict(list)
    for result in filter(has_quality, results):
        by_key[_comparable(result)].append(result)
    members = sorted(by_key.values(), key=lambda group: (-len(group), group[0].model))
    return SuiteBoard(
        suite=suite,
        labels=labels,
        results=tuple(results),
        groups=tuple(
            _group(group, labels, _differences(members[0][0], group[0]), headline)
            for group in members
        ),
        speeds=speeds(results, labels),
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


def _comparable(result: Result) -> object:
    """Equal exactly for results that may share a table."""
    asked = None
    if result.prompts_sha256 is not None:
        asked = (result.prompts_sha256, frozenset(result.expected_prompts), frozenset(result.seeds))
    return asked, frozenset(result.metrics.items())


def _differences(first: Result, other: Result) -> tuple[str, ...]:
    found = []
    if first.prompts_sha256 != other.prompts_sha256:
        found.append("other prompts")
    elif first.prompts_sha256 and set(first.expected_prompts) != set(other.expected_prompts):
        found.append("another selection of the prompts")
    if first.prompts_sha256 and set(first.seeds) != set(other.seeds):
        found.append("other seeds")
    known = first.metrics.keys() | other.metrics.keys()
    changed = sorted(name for name in known if first.metrics.get(name) != other.metrics.get(name))
    if changed:
        which = "every metric" if len(changed) == len(known) else ", ".join(changed)
        found.append(f"other versions or backbones of {which}")
    return tuple(found)


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
    rankings: dict[str, stats.Ranking | None] = dict.fromkeys(metrics)
    if not footage:
        rankings = {
            name: _ranking(complete, name, metric, headline) for name, metric in metrics.items()
        }
    ranking = rankings.get(headline)
    rows = [
        _row(
            result,
            labels[result.model],
            {name: found is not None and found.leading[index] for name, found in rankings.items()},
            ranking.intervals[index] if ranking else None,
            headline,
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
            _row(result, labels[result.model], dict.fromkeys(metrics, False), None, headline)
            for result in partial
        ),
        differs=differs,
        unranked=_why_unranked(footage, complete, headline in metrics, ranking),
    )


def _counted(result: Result, headline: str) -> tuple[int, int]:
    """How many clips have a score, and how many failed."""
    names = [headline] if headline in result.metrics else list(result.metrics)
    made = [clip for clip in result.clips if clip.status == "ok"]
    scored = sum(any(clip.scores.get(name) is not None for name in names) for clip in made)
    return scored, len(result.clips) - len(made)


def _is_complete(result: Result, headline: str) -> bool:
    return sum(_counted(result, headline)) == result.expected_clips


def _ranking(
    results: Sequence[Result], name: str, metric: Metric, headline: str
) -> stats.Ranking | None:
    """Compare on the prompts for which every result has a value."""
    if metric.better is None or len(results) < 2:
        return None
    means = [prompt_means(result, name, headline) for result in results]
    common = [prompt for prompt in means[0] if all(prompt in other for other in means)]
    values = np.array([[mean[prompt] for prompt in common] for mean in means])
    return stats.rank(values if metric.better == "higher" else -values)


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


def _row(
    result: Result,
    label: str,
    leading: Mapping[str, bool],
    rank: tuple[int, int] | None,
    headline: str,
) -> Row:
    scored, failed = _counted(result, headline)
    scores = {
        name: Score(stats.interval(list(prompt_means(result, name, headline).values())), leads)
        for name, leads in leading.items()
    }
    return Row(result, label, rank, scores, scored, failed)


def _mean(row: Row, metric: str) -> float:
    interval = row.scores[metric].interval
    return interval.mean if interval else 0.0
