"""What a leaderboard shows, as numbers: groups of results that compare, and their rows."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress

import numpy as np
from numpy.typing import NDArray

from bench import statistics as stats
from bench.leaderboard.data.comparability import conditions, differences
from bench.leaderboard.data.costs import (
    Speed,
    Yield,
    devices,
    speeds,
    why_unjudged,
    yield_of,
)
from bench.leaderboard.data.votes import Preference, Vote, matching, preference
from bench.metrics.cross_clip import BETTER, UNIT
from bench.schema import ClipResult, Expected, MetricDescription, Result

HEADLINE = "coherence"
USABLE = "usable"
"""The share of clips that can be used, by which models are ranked where it can be had."""

# What stands beside the headline, and what it is made of: tables of their own, in this order,
# where results have them.
BESIDE = ("adherence", "appeal")
DYNAMICS = "dynamics"
PARTS = (
    *("lost_tremble", "lost_churn", "lost_flicker", "lost_wobble", "lost_judder", "lost_jumps"),
    *("lost_identity", "lost_blending", "lost_order", "lost_stutter", "lost_motion"),
)
"""Points that kinds of damage took; with the headline they add up to 100."""
SUB_SCORES = ("coherence_worst_second", *PARTS, "stutter", "cuts_unrequested")
# The columns after the headline: those, then what sees most of the rest.
LEAD = (*BESIDE, DYNAMICS, *SUB_SCORES, "technical_quality", "flicker", "warp_mae", "identity_min")

ALIKE = {"points": 0.005}
"""How far apart two means may be that look the same: half of the last digit that is shown."""

GROUP_METRIC = "cross_clip_identity"
"""The one number that is of a group of clips, and not of a clip."""


@dataclass(frozen=True)
class Score:
    """A model's mean on one metric."""

    interval: stats.Interval | None  # over prompts; None if no clip has a value
    leading: bool
    """Of what ranks, whether its best rank is 1; of the rest, whether it has the best mean of its
    group, one that looks like it, or is not surely worse."""


@dataclass(frozen=True)
class Row:
    """One model in one table."""

    result: Result
    label: str
    rank: tuple[int, int] | None  # best and worst that the model can claim; None if not ranked
    scores: Mapping[str, Score]  # one per metric of the group
    scored: int  # clips with a score (with a headline, where there is that metric)
    failed: int  # clips that could not be made; each counts as a headline of 0
    refused: int  # clips whose file could not be read; they count as nothing
    speeds: Mapping[str, Speed]  # by the device it was timed on
    usable: Yield | None  # of a complete run on prompts that can be judged
    quality: Score | None
    """What its group is ranked by, the share of usable clips (0..1) or the headline; None where
    it is not to be ranked."""

    @property
    def missing(self) -> int:
        """Clips that a complete run holds and this one has not made yet."""
        return self.result.expected_clips - len(self.result.clips)

    @property
    def unscored(self) -> int:
        """Clips that were made and have no score."""
        return len(self.result.clips) - self.scored - self.failed - self.refused


@dataclass(frozen=True)
class Group:
    """Results with the same prompts and seeds, whose metrics are the same where both have them."""

    footage: bool  # whether every clip is footage of its own, so that no two rows compare
    metrics: Mapping[str, MetricDescription]  # of any row; headline, LEAD, what is only shown last
    complete: tuple[Row, ...]  # every expected clip counts; the best first
    partial: tuple[Row, ...]  # lack clips, so that their means are over other clips than the rest
    differs: tuple[str, ...]  # in what from the first group of the suite; empty for the first
    ranked_by: str  # USABLE, or HEADLINE where not all clips can be judged, or not alike
    unjudged: str | None  # why not by USABLE; None if it is
    unranked: str | None  # why no row has a rank; None if they have
    of_prompts: int | None  # of the suite, where rows are cut down to what they have in common
    preference: Preference | None  # what people's votes say; they decide no rank

    @property
    def rows(self) -> tuple[Row, ...]:
        """The complete ones, then the partial ones."""
        return self.complete + self.partial

    @property
    def measures(self) -> Mapping[str, str]:
        """What metrics of somebody's own say that they measure."""
        return {name: line for row in self.rows for name, line in row.result.measures.items()}

    def by_prompt(self, row: Row) -> Mapping[str, float]:
        """Of a complete row what the group is ranked by, prompt by prompt."""
        if self.ranked_by == HEADLINE:
            return prompt_means(row.result, HEADLINE)
        return row.usable.by_prompt if row.usable else {}


@dataclass(frozen=True)
class SuiteBoard:
    """Everything the leaderboard shows about one suite."""

    suite: str
    labels: Mapping[str, str]  # model to its name for people
    results: tuple[Result, ...]  # sorted by model
    groups: tuple[Group, ...]  # the largest first
    speeds: Mapping[str, tuple[Speed, ...]]  # device to its rows, fastest first

    @property
    def footage(self) -> bool:
        """Whether its clips are files without prompts."""
        return self.results[0].prompts.sha256 is None

    @property
    def ranked(self) -> tuple[Result, ...]:
        """All results, the best of each group first, those without scores last."""
        by_rank = {row.result.model: row.result for group in self.groups for row in group.rows}
        return tuple((by_rank | {result.model: result for result in self.results}).values())


def boards(results: Iterable[Result], votes: Iterable[Vote] = ()) -> list[SuiteBoard]:
    """The boards of all suites, sorted, those of files without prompts last.

    A pure function of the results, of which there is at most one per suite and model, and of
    people's votes on their clips; votes on other clips are left out.
    """
    by_suite: defaultdict[str, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.suite, result.model)):
        by_suite[result.suite].append(result)
    cast: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in matching(votes, chain(*by_suite.values()))[0]:
        cast[vote.suite].append(vote)
    suites = [_board(suite, members, cast[suite]) for suite, members in by_suite.items()]
    return sorted(suites, key=lambda board: (board.footage, board.suite))


def has_quality(result: Result) -> bool:
    """Whether scores mean anything: random weights are timed only, and a run may be unscored."""
    return bool(result.metrics) and not result.random_weights


def decisive(result: Result) -> list[str]:
    """The metrics of which a clip has one if it is scored: the headline, where there is that."""
    return [HEADLINE] if HEADLINE in result.metrics else list(result.metrics)


def in_order(metrics: Iterable[str], first: str = HEADLINE) -> list[str]:
    """Names of metrics as they are read: one first, then what ranks, LEAD, the rest."""
    lead = [first, USABLE, HEADLINE, *LEAD]
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
        return 0.0 if metric == HEADLINE and clip.is_failure else None
    return clip.scores.get(metric)


def prompt_means(result: Result, metric: str) -> dict[str, float]:
    """Mean over seeds for each expected prompt that has a value, in the result's order."""
    values: dict[str, list[float]] = {prompt: [] for prompt in result.expected.prompts}
    for clip in result.clips:
        if (value := clip_value(clip, metric)) is not None:
            values[clip.prompt].append(value)
    return {prompt: math.fsum(seeds) / len(seeds) for prompt, seeds in values.items() if seeds}


def group_means(clips: Iterable[ClipResult], field: str) -> list[float]:
    """Mean over the clips of each group that has any, of a field of `Likeness`."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for clip in clips:
        if clip.cross_clip is not None and getattr(clip.cross_clip, field) is not None:
            values[clip.cross_clip.group].append(getattr(clip.cross_clip, field))
    return [float(np.mean(each)) for each in values.values()]


def prompt_categories(results: Iterable[Result]) -> dict[str, str]:
    """Prompt to its category, as far as any result of a suite says."""
    return {
        clip.prompt: clip.category for result in results for clip in result.clips if clip.category
    }


def by_category(group: Group) -> dict[str, dict[str, stats.Interval | None]]:
    """Category, in alphabetical order, to model to the headline's mean over its prompts."""
    category = prompt_categories(row.result for row in group.rows)
    means = {row.result.model: prompt_means(row.result, HEADLINE) for row in group.complete}
    cells = [(kind, model) for kind in sorted(set(category.values())) for model in means]
    values = [
        [value for prompt, value in means[model].items() if category.get(prompt) == kind]
        for kind, model in cells
    ]
    table: defaultdict[str, dict[str, stats.Interval | None]] = defaultdict(dict)
    for (kind, model), interval in zip(cells, stats.intervals(values), strict=True):
        table[kind][model] = interval
    return table


def _board(suite: str, results: Sequence[Result], votes: Sequence[Vote]) -> SuiteBoard:
    labels = _labels(results)
    by_device = speeds(results, labels)
    members = _members(filter(has_quality, results))
    groups = tuple(
        _group(
            _on_common(group),
            labels,
            by_device,
            next(filter(None, (differences(first, group[0]) for first in members[0])), ()),
            len(group[0].expected.prompts),
            votes,
        )
        for group in members
    )
    return SuiteBoard(suite, labels, tuple(results), groups, by_device)


def _members(results: Iterable[Result]) -> list[list[Result]]:
    """Results that share a table, sorted by model; the largest group first.

    Of results of the same prompts, seeds and metrics one stands for all, so that not every two are
    held against each other. Rows of footage never compare; they share a table wherever their
    metrics do.
    """
    by_key: defaultdict[Hashable, list[Result]] = defaultdict(list)
    for result in results:
        footage = result.prompts.sha256 is None
        made_under = [None if footage else value for value, _ in conditions(result).values()]
        by_key[(*made_under, result.calibration, frozenset(result.metrics.items()))].append(result)
    groups: list[list[list[Result]]] = []
    for alike in sorted(by_key.values(), key=_by_size):
        for group in groups:
            if not any(differences(others[0], alike[0]) for others in group):
                group.append(alike)
                break
        else:
            groups.append([alike])
    members = [sorted(chain(*group), key=lambda result: result.model) for group in groups]
    return sorted(members, key=_by_size)


def _by_size(group: Sequence[Result]) -> tuple[int, str]:
    return -len(group), group[0].model


def _on_common(results: Sequence[Result]) -> list[Result]:
    """Results of one group, cut down to the prompts that they have in common, where that ranks.

    As they are where two are complete, which rank over all prompts, or where two have fewer than
    20 in common. Who has fewest prompts stays out if the others would be left with too few.
    """
    if results[0].prompts.sha256 is None or sum(map(_is_complete, results)) > 1:
        return list(results)
    whole = {result.model: _whole_prompts(result) for result in results}
    common, members = set(results[0].expected.prompts), set()
    for model in sorted(whole, key=lambda model: (-len(whole[model]), model)):
        if len(common & whole[model]) >= stats.MIN_PROMPTS:
            common &= whole[model]
            members.add(model)
    if len(members) < 2:
        return list(results)
    return [_cut(result, common) if result.model in members else result for result in results]


def _whole_prompts(result: Result) -> set[str]:
    """Prompts of which every seed counts."""
    counts = Counter(clip.prompt for clip in _counting(result))
    return {prompt for prompt, count in counts.items() if count == len(result.expected.seeds)}


def _cut(result: Result, prompts: Collection[str]) -> Result:
    """As if the suite had these prompts alone."""
    expected = tuple(prompt for prompt in result.expected.prompts if prompt in prompts)
    return result.replace(
        clips=tuple(clip for clip in result.clips if clip.prompt in prompts),
        expected=Expected(prompts=expected, seeds=result.expected.seeds),
    )


def _labels(results: Sequence[Result]) -> dict[str, str]:
    """Titles, with the model's own name behind where two share one."""
    titles = {result.model: result.card.title or result.model for result in results}
    counts = Counter(result.card.title for result in results if result.card.title)
    return {
        model: f"{title} ({model})" if counts[title] > 1 else title
        for model, title in titles.items()
    }


def _group(
    results: Sequence[Result],
    labels: Mapping[str, str],
    by_device: Mapping[str, Sequence[Speed]],
    differs: tuple[str, ...],
    prompts: int,
    votes: Sequence[Vote],
) -> Group:
    footage = results[0].prompts.sha256 is None
    every = {name: metric for result in results for name, metric in result.metrics.items()}
    last = {name for name, each in every.items() if each.better is None} - {HEADLINE, *LEAD}
    metrics = {name: every[name] for name in sorted(in_order(every), key=last.__contains__)}
    complete = [result for result in results if footage or _is_complete(result)]
    models = [result.model for result in complete]
    means = {
        result.model: {name: prompt_means(result, name) for name in metrics} for result in results
    }
    on_devices = {result.model: devices(result, by_device) for result in results}
    usable = {
        result.model: None if footage else yield_of(result, on_devices[result.model])
        for result in complete
    }
    unjudged = why_unjudged(complete)
    ranked_by = HEADLINE if unjudged else USABLE
    common = {}
    if len(complete) > 1 and not footage:
        common = {
            name: _common([means[model][name] for model in models], metric.better)
            for name, metric in metrics.items()
            if metric.better is not None
        }
        if ranked_by == USABLE:
            shares = (share.by_prompt if share else {} for share in usable.values())
            common[USABLE] = _common(list(shares))
    leaders = {
        name: set(compress(models, _leading(values, metrics[name])))
        for name, values in common.items()
        if name != ranked_by
    }
    ranking = stats.ranks(common[ranked_by]) if ranked_by in common else None
    ranks = dict(zip(models, ranking or (), strict=False))
    leaders[ranked_by] = {model for model, (best, _) in ranks.items() if best == 1}
    values = [list(prompts.values()) for each in means.values() for prompts in each.values()]
    intervals = iter(stats.intervals(values))
    rows = []
    for result in results:
        model = result.model
        failed = sum(clip.is_failure for clip in result.clips)
        scores = {name: Score(next(intervals), model in leaders.get(name, ())) for name in metrics}
        judged = usable.get(model)
        quality = scores.get(HEADLINE)
        if ranked_by == USABLE:
            quality = Score(judged.share, model in leaders[USABLE]) if judged else None
        row = Row(
            result=result,
            label=labels[model],
            rank=ranks.get(model),
            scores=scores,
            scored=len(_counting(result)) - failed,
            failed=failed,
            refused=sum(clip.status == "refused" for clip in result.clips),
            speeds=on_devices[model],
            usable=judged,
            quality=quality if model in models else None,
        )
        rows.append(row)

    def place(row: Row) -> tuple[float, float, str]:
        """Of a complete row, the best first."""
        share = row.usable.share.mean if row.usable and ranked_by == USABLE else 0
        score = row.scores[HEADLINE].interval if HEADLINE in metrics else None
        sign = -1 if score and metrics[HEADLINE].better == "higher" else 1
        return -share, sign * (score.mean if score else 0), row.result.model

    return Group(
        footage=footage,
        metrics=metrics,
        complete=tuple(sorted((row for row in rows if row.result.model in models), key=place)),
        partial=tuple(row for row in rows if row.result.model not in models),
        differs=differs,
        ranked_by=ranked_by,
        unjudged=unjudged,
        unranked=None if ranking else _why_unranked(footage, complete, HEADLINE in metrics),
        of_prompts=(
            prompts if any(len(each.expected.prompts) < prompts for each in results) else None
        ),
        preference=preference(votes, (result.model for result in results)),
    )


def _leading(values: NDArray[np.float64], metric: MetricDescription) -> list[bool]:
    """Which models lead, those included whose mean looks the same as the best."""
    leading = stats.leading(values)
    if leading is None:
        return []
    mean = values.mean(axis=1)
    alike = mean >= mean.max() - ALIKE.get(metric.unit, 0)
    return [bool(one or other) for one, other in zip(alike, leading, strict=True)]


def _common(means: Sequence[Mapping[str, float]], better: str = "higher") -> NDArray[np.float64]:
    """Values on the prompts for which every model has one, `[M, P]`, higher is better."""
    prompts = [prompt for prompt in means[0] if all(prompt in other for other in means)]
    values = np.array([[mean[prompt] for prompt in prompts] for mean in means], np.float64)
    return values if better == "higher" else -values


def _counting(result: Result) -> list[ClipResult]:
    """The clips that are scored, or failed."""
    names = decisive(result)
    return [
        clip
        for clip in result.clips
        if clip.is_failure or any(clip.scores.get(name) is not None for name in names)
    ]


def _is_complete(result: Result) -> bool:
    return len(_counting(result)) == result.expected_clips


def _why_unranked(footage: bool, complete: Sequence[Result], has_headline: bool) -> str | None:
    if footage:
        return "each row is other footage"
    if not has_headline or not complete:
        return None
    if len(complete) == 1:
        return "one model alone has no rank"
    prompts = len(complete[0].expected.prompts)
    return f"{prompts} prompts, and fewer than {stats.MIN_PROMPTS} carry no ranking"
