"""Do the metrics agree with people? The tables of `people.md`, and what the headline is held to."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.tables.table import Cell, Column, Table
from bench.metrics.base import Metric
from bench.validation.agreement import (
    Agreement,
    Floats,
    agreement,
    lead,
    mean_of,
    rater_agreement,
)
from bench.validation.page import HEADLINE, Check, checks_table, document, table
from bench.validation.ratings import QUESTIONS
from bench.validation.scores import VBENCH, Opinion, directions

TEMPORAL, STATIC, ALIGNMENT = QUESTIONS
RIVAL = "vbench_temporal_flickering"
APPEAL = ("appeal", "appeal_worst_second", "technical_quality", "vbench_aesthetic_quality")
"""Columns that judge frames one by one, and claim nothing of how they follow each other."""

MOST_APART = 10
"""So many clips are listed on which the headline and people part most."""

TITLES = {
    TEMPORAL: "Temporal quality: does it hold together and move well?",
    STATIC: "Static quality: how do single frames look?",
    ALIGNMENT: "Alignment: does it show the prompt?",
}

INTRO = """\
# Do the metrics agree with people?

Clips that people have rated, scored by every metric. Made by `steadybench validate people=DIR`.
{clips} clips of {models} models to {prompts} prompts, and {real} of real footage, each with the
ratings of up to {raters} people. What a metric can reach at best is the first row of each table:
how a rater agrees with the mean of the others.

All columns but `real` are of generated clips:

- **Spearman**: rank correlation with the mean rating; **95%**: its bootstrap interval over prompts
- **pairs**: how often the metric prefers, of two clips of one prompt, the one that people prefer;
  half is chance
- **within a model**: mean of the rank correlations over the clips of each model alone
- **models**: how many pairs of models the metric's means put in people's order
- **real**: the place of real footage without a cut among the models, by the mean
"""


@dataclass(frozen=True)
class Panel:
    """The opinions on one question, as arrays over clips."""

    opinions: Sequence[Opinion]  # of all clips that somebody rated
    ratings: Floats  # `[N, R]`, NaN for none
    people: Floats  # mean rating, `[N]`
    generated: NDArray[np.bool_]  # whether a model made the clip, `[N]`
    uncut: NDArray[np.bool_]  # whether no cut was seen in it, `[N]`

    @classmethod
    def of(cls, opinions: Iterable[Opinion], question: str) -> "Panel | None":
        """Those on one question; None if nobody was asked it, or of no generated clip."""
        answers = [each for each in opinions if _rated(each, question)]
        if all(each.real for each in answers):
            return None
        raters = max(len(each.ratings[question]) for each in answers)
        ratings = np.full((len(answers), raters), np.nan)
        for row, each in zip(ratings, answers, strict=True):
            row[: len(each.ratings[question])] = each.ratings[question]
        return cls(
            opinions=answers,
            ratings=ratings,
            people=mean_of(ratings),
            generated=np.array([not each.real for each in answers]),
            uncut=np.array([not each.scores.get("cuts") for each in answers]),
        )

    def metric(self, name: str, better: str) -> Floats:
        """A metric's values, turned so that more is better; NaN where it has none."""
        values = np.array([opinion.scores.get(name) for opinion in self.opinions], np.float64)
        return values if better == "higher" else -values

    def agreement(self, values: Floats) -> Agreement:
        """Of values `[N]` with the mean rating, on generated clips."""
        generated = self.generated
        return agreement(values[generated], self.people[generated], self.prompts, self.models)

    @property
    def prompts(self) -> list[str]:
        """Of the generated clips."""
        return [each.prompt_id for each in self.opinions if not each.real]

    @property
    def models(self) -> list[str]:
        """Of the generated clips."""
        return [each.model for each in self.opinions if not each.real]

    def means(self, values: Floats) -> dict[str, float]:
        """Mean of each model, in the order in which people rate them, the best first."""
        owners = np.array([each.model for each in self.opinions])
        rated = {
            model: float(np.nanmean(self.people[owners == model])) for model in set(self.models)
        }
        order = sorted(rated, key=lambda model: (-rated[model], model))
        return {model: _mean(values[owners == model]) for model in order}

    def real_mean(self, values: Floats) -> float:
        """Mean of the real clips without a cut; NaN if there is none."""
        return _mean(values[~self.generated & self.uncut])


def checks(opinions: Sequence[Opinion], metrics: Mapping[str, Metric]) -> list[Check]:
    """Hold the headline against the raters: is it as good as one of them?"""
    panel = Panel.of(opinions, TEMPORAL)
    better = directions(metrics, opinions)
    if panel is None or HEADLINE not in better:
        return [Check("clips with ratings of temporal quality and a headline", "none", held=False)]
    values = panel.metric(HEADLINE, better[HEADLINE])
    ours, raters = panel.agreement(values), _raters(panel)
    judged = []
    for what, attribute in (
        ("rank correlation with people", "spearman"),
        ("pairs of one prompt in people's order", "pairs"),
        ("rank correlation within a model", "within_model"),
    ):
        reached, *theirs = (getattr(each, attribute) for each in (ours, *raters))
        bars = [each for each in theirs if each is not None]
        bar = float(np.median(bars)) if bars else math.inf
        what = f"{what} ≥ that of the middle rater{f', {bar:.2f}' if bars else ''}"
        judged.append((what, _figure(reached), reached is not None and reached >= bar))
    right, count = _ordered(panel, values)
    judged.append(("models in people's order", f"{right} of {count}", right == count))
    real, best = panel.real_mean(values), max(panel.means(values).values())
    if not np.isnan(real):
        measured = f"{real:.1f}; best model {best:.1f}"
        judged.append(("real footage above every model", measured, real > best))
    if RIVAL in better and (ahead := _lead(panel, better)) is not None:
        measured = f"{ahead[0]:+.2f} ({_bounds(*ahead[1:])})"
        judged.append(
            (f"correlates better with people than {RIVAL}, surely", measured, ahead[1] > 0)
        )
    return [Check(f"{HEADLINE}: {what}", measured, held) for what, measured, held in judged]


def render(opinions: Sequence[Opinion], page_tables: Iterable[Table]) -> str:
    """The page as markdown, with the tables of `tables`; the same bytes for the same opinions."""
    generated = [each for each in opinions if not each.real]
    intro = INTRO.format(
        clips=len(generated),
        models=len({each.model for each in generated}),
        prompts=len({each.prompt_id for each in generated}),
        real=len(opinions) - len(generated),
        raters=max(len(ratings) for each in opinions for ratings in each.ratings.values()),
    )
    return document(intro, page_tables)


def tables(
    opinions: Sequence[Opinion], metrics: Mapping[str, Metric], judged: Iterable[Check]
) -> Iterator[Table]:
    """Those of the page."""
    better = directions(metrics, opinions)
    yield checks_table(judged, "what")
    for question in QUESTIONS:
        panel = Panel.of(opinions, question)
        names = [name for name in better if fits(name, question)]
        if panel is None:
            continue
        yield _agreement_table(panel, question, {name: better[name] for name in names})
        if question == TEMPORAL:
            yield _models_table(panel, better)
            yield _apart_table(panel, better)
    if reasons := _reasons(opinions, metrics):
        yield table("What could not be computed", ("metric", "why"), (), reasons.items())


def _agreement_table(panel: Panel, question: str, better: Mapping[str, str]) -> Table:
    values = {name: panel.metric(name, direction) for name, direction in better.items()}
    scored = {name: panel.agreement(each) for name, each in values.items()}
    reached = {name: -2.0 if s.spearman is None else s.spearman for name, s in scored.items()}
    raters = _raters(panel)
    rows: list[Sequence[str | Cell]] = [
        (
            "a rater, against the others",
            _range([each.spearman for each in raters]),
            "",
            _range([each.pairs for each in raters], percent=True),
            _range([each.within_model for each in raters]),
            "",
            _place(panel, panel.people),
            str(int(panel.generated.sum())),
        )
    ]
    rows += [
        (
            Cell(name, strong=name == HEADLINE),
            _figure(scored[name].spearman),
            _bounds(scored[name].low, scored[name].high),
            _percent(scored[name].pairs),
            _figure(scored[name].within_model),
            "{} of {}".format(*_ordered(panel, values[name])),
            _place(panel, values[name]),
            str(scored[name].clips),
        )
        for name in sorted(scored, key=lambda name: -reached[name])
    ]
    above = "" if scored else "No metric of this has a value: see below."
    numbers: list[str | Column[Any]] = ["Spearman", "95%", "pairs", "within a model"]
    numbers += [Column(name, minor=True) for name in ("models", "real", "clips")]
    return table(TITLES[question], ("metric",), numbers, rows, above)


def _models_table(panel: Panel, better: Mapping[str, str]) -> Table:
    columns_of = {"people": panel.people} | {
        name: panel.metric(name, "higher") for name in (HEADLINE, *VBENCH) if name in better
    }
    names = list(panel.means(panel.people))
    rows = [
        (name, *(_figure(mean, 3) for mean in (*panel.means(each).values(), panel.real_mean(each))))
        for name, each in columns_of.items()
    ]
    cut = int((~panel.generated & ~panel.uncut).sum())
    below = f"Real footage without the clips in which a cut was seen: {cut}." if cut else ""
    title = "The models, the best first in people's eyes"
    return table(title, ("mean",), (*names, "real"), rows, below=below)


def _apart_table(panel: Panel, better: Mapping[str, str]) -> Table:
    rows = []
    if HEADLINE in better:
        values = panel.metric(HEADLINE, better[HEADLINE])
        rated = np.flatnonzero(np.isfinite(values) & np.isfinite(panel.people))
        ranks = [_share_below(opinion[rated]) for opinion in (values, panel.people)]
        apart = ranks[0] - ranks[1]
        for place in np.argsort(-np.abs(apart), kind="stable")[:MOST_APART].tolist():
            clip = panel.opinions[rated[place]]
            rated_as = f"{panel.people[rated[place]]:.2f}", f"{values[rated[place]]:.1f}"
            rows.append((clip.file, *rated_as, "too high" if apart[place] > 0 else "too low"))
    numbers = ("people", HEADLINE, f"{HEADLINE} is")
    return table(f"Where {HEADLINE} and people part most", ("clip",), numbers, rows)


def _raters(panel: Panel) -> list[Agreement]:
    return rater_agreement(panel.ratings[panel.generated], panel.prompts, panel.models)


def _lead(panel: Panel, better: Mapping[str, str]) -> tuple[float, float, float] | None:
    ours, theirs = (panel.metric(name, better[name])[panel.generated] for name in (HEADLINE, RIVAL))
    return lead(ours, theirs, panel.people[panel.generated], panel.prompts)


def _ordered(panel: Panel, values: Floats) -> tuple[int, int]:
    """How many pairs of models stand in people's order, of how many that people tell apart."""
    people, metric = panel.means(panel.people), panel.means(values)
    distinct = [pair for pair in combinations(people, 2) if people[pair[0]] != people[pair[1]]]
    return sum(metric[better] > metric[worse] for better, worse in distinct), len(distinct)


def _place(panel: Panel, values: Floats) -> str:
    """Of real footage among the models: `1 of 5` if it is above all of four."""
    real, models = panel.real_mean(values), panel.means(values)
    if np.isnan(real):
        return "–"
    return f"{1 + sum(mean >= real for mean in models.values())} of {len(models) + 1}"


def _reasons(opinions: Sequence[Opinion], metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Metrics that rank and have no value on any clip, with the first reason given."""
    scored = directions(metrics, opinions)
    return {
        name: next((each.unscored[name] for each in opinions if name in each.unscored), "")
        for name, metric in metrics.items()
        if metric.better and name not in scored
    }


def fits(name: str, question: str) -> bool:
    """Whether a metric claims anything about what was asked."""
    if name.startswith("adherence"):
        return question == ALIGNMENT
    return question == STATIC if name in APPEAL else question != ALIGNMENT


def _rated(opinion: Opinion, question: str) -> bool:
    return any(rating is not None for rating in opinion.ratings.get(question, ()))


def _share_below(values: Floats) -> Floats:
    """How many of the others are below, ties a half, as a share: float `[N]`, 0..1."""
    less = (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2
    shares: Floats = less / len(values)
    return shares


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else np.nan


def _bounds(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _range(values: Iterable[float | None], *, percent: bool = False) -> str:
    numbers = sorted(value for value in values if value is not None)
    if not numbers:
        return "–"
    show = _percent if percent else _figure
    return " to ".join(dict.fromkeys((show(numbers[0]), show(numbers[-1]))))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _figure(value: float | None, digits: int = 2) -> str:
    """With so many decimals below 10, one from there on."""
    if value is None or np.isnan(value):
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.{digits}f}"
