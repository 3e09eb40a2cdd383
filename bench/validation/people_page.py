"""Do the metrics agree with people? The tables of `people.md`, and what the headline is held to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bench.leaderboard.tables.table import Cell, Column, Table, text_columns
from bench.metrics.base import Metric
from bench.validation.agreement import Agreement, agreement, lead, mean_of, rater_agreement
from bench.validation.page import HEADLINE, Check, checks_table, document
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

Clips that people have rated, scored by every metric. Made by `python -m bench.health people=DIR`.
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

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """The opinions on one question, as arrays over clips.

    Attributes:
        opinions: of all clips that somebody rated.
        ratings: float `[N, R]`, NaN for none.
        people: mean rating, float `[N]`.
        generated: whether a model made the clip, bool `[N]`.
        uncut: whether no cut was seen in it, bool `[N]`.
    """

    opinions: Sequence[Opinion]
    ratings: Floats
    people: Floats
    generated: NDArray[np.bool_]
    uncut: NDArray[np.bool_]

    @classmethod
    def of(cls, opinions: Iterable[Opinion], question: str) -> "Panel | None":
        """Those on one question; None if nobody was asked it, or of no generated clip."""
        answers = [each for each in opinions if _rated(each, question)]
        if all(each.real for each in answers):
            return None
        raters = max(len(each.ratings[question]) for each in answers)
        ratings = np.full((len(answers), raters), np.nan)
        for row, each in zip(ratings, answers, strict=True):
            row[: len(each.ratings[question])] = _floats(each.ratings[question])
        return cls(
            opinions=answers,
            ratings=ratings,
            people=mean_of(ratings),
            generated=np.array([not each.real for each in answers]),
            uncut=np.array([not each.scores.get("cuts") for each in answers]),
        )

    def metric(self, name: str, better: str) -> Floats:
        """A metric's values, turned so that more is better; NaN where it has none."""
        sign = 1.0 if better == "higher" else -1.0
        return sign * _floats([opinion.scores.get(name) for opinion in self.opinions])

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
    ours = panel.agreement(values)
    raters = _raters(panel)
    judged = []
    for what, attribute in (
        ("rank correlation with people", "spearman"),
        ("pairs of one prompt in people's order", "pairs"),
        ("rank correlation within a model", "within_model"),
    ):
        reached = getattr(ours, attribute)
        bars = [getattr(each, attribute) for each in raters if getattr(each, attribute) is not None]
        bar = float(np.median(bars)) if bars else None
        judged.append(
            Check(
                f"{HEADLINE}: {what} ≥ that of the middle rater"
                + (f", {bar:.2f}" if bar is not None else ""),
                _figure(reached),
                reached is not None and bar is not None and reached >= bar,
            )
        )
    right, count = _ordered(panel, values)
    judged.append(
        Check(f"{HEADLINE}: models in people's order", f"{right} of {count}", right == count)
    )
    real, best = panel.real_mean(values), max(panel.means(values).values())
    if not np.isnan(real):
        judged.append(
            Check(
                f"{HEADLINE}: real footage above every model",
                f"{real:.1f}; best model {best:.1f}",
                bool(real > best),
            )
        )
    if RIVAL in better and (ahead := _lead(panel, better)) is not None:
        judged.append(
            Check(
                f"{HEADLINE}: correlates better with people than {RIVAL}, surely",
                f"{ahead[0]:+.2f} ({_bounds(*ahead[1:])})",
                ahead[1] > 0,
            )
        )
    return judged


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
    reasons = _reasons(opinions, metrics)
    if reasons:
        yield Table(
            "What could not be computed",
            text_columns(("metric", "why")),
            tuple((Cell(name), Cell(reason)) for name, reason in reasons.items()),
        )


def _agreement_table(panel: Panel, question: str, better: Mapping[str, str]) -> Table:
    rows = []
    for name, direction in better.items():
        values = panel.metric(name, direction)
        scored = panel.agreement(values)
        right, count = _ordered(panel, values)
        rows.append(
            (
                -2.0 if scored.spearman is None else scored.spearman,
                (
                    Cell(name, strong=name == HEADLINE),
                    Cell(_figure(scored.spearman)),
                    Cell(_bounds(scored.low, scored.high)),
                    Cell(_percent(scored.pairs)),
                    Cell(_figure(scored.within_model)),
                    Cell(f"{right} of {count}"),
                    Cell(_place(panel, values)),
                    Cell(str(scored.clips)),
                ),
            )
        )
    rows.sort(key=lambda row: -row[0])
    raters = _raters(panel)
    people = (
        Cell("a rater, against the others"),
        Cell(_range([each.spearman for each in raters])),
        Cell(""),
        Cell(_range([each.pairs for each in raters], percent=True)),
        Cell(_range([each.within_model for each in raters])),
        Cell(""),
        Cell(_place(panel, panel.people)),
        Cell(str(int(panel.generated.sum()))),
    )
    above = () if rows else ("No metric of this has a value: see below.",)
    columns = (
        *text_columns(("metric",)),
        *map(Column, ("Spearman", "95%", "pairs", "within a model")),
        *(Column(name, minor=True) for name in ("models", "real", "clips")),
    )
    return Table(TITLES[question], columns, (people, *(row for _, row in rows)), above)


def _models_table(panel: Panel, better: Mapping[str, str]) -> Table:
    columns_of = {"people": panel.people} | {
        name: panel.metric(name, better[name]) * (1 if better[name] == "higher" else -1)
        for name in (HEADLINE, *VBENCH)
        if name in better
    }
    names = list(panel.means(panel.people))
    rows = tuple(
        (
            Cell(name),
            *(Cell(_figure(value, 3)) for value in panel.means(values).values()),
            Cell(_figure(panel.real_mean(values), 3)),
        )
        for name, values in columns_of.items()
    )
    cut = int((~panel.generated & ~panel.uncut).sum())
    below = (f"Real footage without the clips in which a cut was seen: {cut}.",) if cut else ()
    columns = (*text_columns(("mean",)), *map(Column, (*names, "real")))
    return Table("The models, the best first in people's eyes", columns, rows, below=below)


def _apart_table(panel: Panel, better: Mapping[str, str]) -> Table:
    rows = []
    if HEADLINE in better:
        values = panel.metric(HEADLINE, better[HEADLINE])
        rated = np.flatnonzero(np.isfinite(values) & np.isfinite(panel.people))
        ranks = [_share_below(opinion[rated]) for opinion in (values, panel.people)]
        apart = ranks[0] - ranks[1]
        for place in np.argsort(-np.abs(apart), kind="stable")[:MOST_APART].tolist():
            clip = panel.opinions[rated[place]]
            rows.append(
                (
                    Cell(clip.file),
                    Cell(f"{panel.people[rated[place]]:.2f}"),
                    Cell(f"{values[rated[place]]:.1f}"),
                    Cell("too high" if apart[place] > 0 else "too low"),
                )
            )
    columns = (*text_columns(("clip",)), *map(Column, ("people", HEADLINE, f"{HEADLINE} is")))
    return Table(f"Where {HEADLINE} and people part most", columns, tuple(rows))


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


def _reasons(opinions: Iterable[Opinion], metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Metrics that rank and have no value on any clip, with the first reason given."""
    everywhere = list(opinions)
    scored = directions(metrics, everywhere)
    return {
        name: next((each.unscored[name] for each in everywhere if name in each.unscored), "")
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


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


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
