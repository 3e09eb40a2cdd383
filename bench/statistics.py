"""Statistics of a leaderboard: bootstrap over prompts, Holm's correction, rank intervals.

The prompt is the unit of resampling: a model is asked every prompt once per seed, seeds are
averaged within their prompt beforehand, and it is other prompts the numbers should hold for.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
SEED = 1979
ALPHA = 0.05
MIN_PROMPTS = 20

# Rows and draws that are worked on at once: some 8 MB, so that a processor's cache holds most.
_BLOCK = 64
_DRAWS_PER_BLOCK = 2_000  # a multiple of 8, see _count; DRAWS is a multiple of it

# Of votes: draws, models squared times draws at once (some 8 MB), and how a fit ends.
_VOTE_DRAWS = 2_000
_VOTE_BLOCK = 1_000_000
_RIDGE = 0.1
_NEWTON_STEPS = 50
_NEWTON_TOLERANCE = 1e-9
_FOUND = 2.80  # standard errors: two-sided at 5%, found four times out of five
NEVER = 100_000
"""Votes that nobody will cast."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over n prompts and its 95% bootstrap interval, all in the metric's unit.

    `low` and `high` are the 2.5% and 97.5% percentiles of the resampled means; None where one
    prompt stands alone.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper; the mean twice where it stands alone."""
        low, high = (self.mean if end is None else end for end in (self.low, self.high))
        return low, high


def interval(values: ArrayLike) -> Interval | None:
    """Percentile bootstrap over prompts (Efron 1979; Efron and Tibshirani 1993, ch. 13).

    A draw takes P prompts with replacement and averages them; the interval runs from the 2.5% to
    the 97.5% percentile of 10,000 such means. The random numbers are fixed.

    Values are one mean per prompt, float `[P]`, finite; None for P = 0.
    """
    return intervals([values])[0]


def intervals(samples: Sequence[ArrayLike]) -> list[Interval | None]:
    """The interval of each sample, as `interval` has it, at the price of a few matrix products.

    Samples may differ in size. Those of one size share their draws: which prompts a draw takes
    does not depend on the numbers that are averaged.
    """
    means = [_finite(values, dimensions=1) for values in samples]
    results: list[Interval | None] = [
        Interval(float(mean[0]), None, None, 1) if len(mean) == 1 else None for mean in means
    ]
    places: defaultdict[int, list[int]] = defaultdict(list)
    for place, mean in enumerate(means):
        if len(mean) > 1:
            places[len(mean)].append(place)
    for count, at in places.items():
        for start in range(0, len(at), _BLOCK):
            block = at[start : start + _BLOCK]
            stacked = np.stack([means[place] for place in block])
            drawn = stacked @ _counts(count, 0).T / count
            low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2], axis=1)
            for place, mean, *bounds in zip(block, stacked.mean(axis=1), low, high, strict=True):
                results[place] = Interval(float(mean), float(bounds[0]), float(bounds[1]), count)
    return results


def ratio(numerators: ArrayLike, denominators: ArrayLike) -> Interval | None:
    """A ratio of two sums over prompts, and its percentile bootstrap.

    A draw takes P prompts with replacement and divides the sum of their numerators by that of
    their denominators, so that what goes together within a prompt stays together. A draw whose
    denominators are all 0 is a ratio of infinity, as is then `high` where more than 2.5% are.

    Both are float `[P]`, finite, at least 0. `mean` is the ratio of the sums; None where the
    denominators add up to 0, or for P = 0: there is no ratio.
    """
    over, under = _finite(numerators, dimensions=1), _finite(denominators, dimensions=1)
    count = len(over)
    if not under.sum():
        return None
    whole = float(over.sum() / under.sum())
    if count == 1:
        return Interval(whole, None, None, 1)
    counts = _counts(count, 0)
    drawn_over, drawn_under = counts @ over, counts @ under
    drawn = np.full(DRAWS, np.inf)
    np.divide(drawn_over, drawn_under, out=drawn, where=drawn_under > 0)
    # Nearest draws, outwards: between a number and infinity there is nothing to interpolate.
    low = np.quantile(drawn, ALPHA / 2, method="lower")
    high = np.quantile(drawn, 1 - ALPHA / 2, method="higher")
    return Interval(whole, float(low), float(high), count)


def most_when_none(prompts: int) -> float:
    """The largest share that can hide behind 0 successes on so many prompts, at 95% confidence.

    1 - .05^(1/P), about 3/P, the "rule of three" (Hanley and Lippman-Hand 1983). Prompts are
    counted, not clips: seeds of one prompt are no independent tries.
    """
    return float(1 - ALPHA ** (1 / prompts))


def p_values(values: ArrayLike) -> Floats:
    """Two-sided paired bootstrap p-value of every pair of models.

    Every draw resamples the prompts once, for all models together, so that what is hard about a
    prompt cancels in a difference. With n draws, of which b contradict the sign of the
    difference (a tie contradicts either sign),

        p = min(1, 2 (b + 1) / (n + 1))        (Phipson and Smyth 2010: a p-value is never 0)

    n is 10,000, and more from 23 models on: p cannot fall below 2 / (n + 1), and Holm's first
    step divides alpha by M (M - 1) / 2, so that fewer draws could never tell any pair apart.

    From one mean per model and common prompt, float `[M, P]`, finite, to float `[M, M]`,
    symmetric, 0..1, with 1 on the diagonal.
    """
    means = _finite(values, dimensions=2)
    models = len(means)
    above = np.zeros((models, models), np.int64)  # draws in which row beats column
    draws = 0
    order = means.mean(axis=1).argsort()  # in which models that need to be compared are neighbours
    for drawn in _drawn(means, comparisons=models * (models - 1) // 2):
        drawn = drawn[order]
        beaten = drawn + _tie(means)
        surely = drawn.min(axis=1)[:, None] > beaten.max(axis=1)  # in all of these draws
        above += drawn.shape[1] * surely
        for model in range(models):
            (unsure,) = np.nonzero(~(surely[model] | surely[:, model]))
            near = slice(unsure[0], unsure[-1] + 1)
            won = _count(drawn[model] > beaten[near])
            above[model, near] += np.where(surely[model, near], 0, won)
        draws += drawn.shape[1]
    places = order.argsort()
    above = above[places][:, places]
    return _p_values(np.maximum(above, above.T), draws)


def leading(values: ArrayLike) -> tuple[bool, ...] | None:
    """Which models have the best mean, or are not surely worse than the model that has it.

    The p-values of `p_values`, for the M - 1 comparisons with the best alone and Holm-corrected
    over those: nothing is claimed of other pairs, so that they need not be paid for (comparisons
    with the best: Hsu 1984). The best of many equal models is the luckiest, so that of twenty, on
    24 to 100 prompts, 22 to 25% are called worse without a correction and 3 to 4% with this one.
    It bounds the share of such mistakes, not the chance of a single one, which `ranks` does.

    Values are one mean per model and common prompt, float `[M, P]`, finite, higher is better. None
    if the models have fewer than 20 prompts in common, or if there is no model.
    """
    means = _finite(values, dimensions=2)
    models, prompts = means.shape
    if models == 0 or prompts < MIN_PROMPTS:
        return None
    mean = means.mean(axis=1)
    best = int(mean.argmax())
    beaten = np.zeros(models, np.int64)  # draws in which the best beats each
    draws = 0
    for drawn in _drawn(means, comparisons=models - 1):
        beaten += _count(drawn[best] > drawn + _tie(means))
        draws += drawn.shape[1]
    others = np.arange(models) != best
    adjusted = np.ones(models)
    adjusted[others] = holm(_p_values(beaten[others], draws))
    return tuple(((adjusted >= ALPHA) | (mean >= mean[best])).tolist())


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down correction (Holm 1979).

    With p sorted ascending, the adjusted value is the running maximum of min(1, (K - k) p_k),
    k = 0..K-1. Rejecting adjusted values below alpha bounds the chance of any false rejection.
    Float `[K]` in and out, in the order given.
    """
    raw = _finite(p, dimensions=1)
    order = np.argsort(raw, kind="stable")
    steps = np.minimum(1.0, raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def ranks(values: ArrayLike) -> tuple[tuple[int, int], ...] | None:
    """Best and worst rank that each of M models can claim, 1..M, in the order given.

    From every pairwise difference, Holm-corrected at 5%: a model is surely better than another if
    its mean is higher and their adjusted p-value is below 0.05. Its ranks are from 1 + models
    surely better to M - models surely worse.

    Values are one mean per model and common prompt, float `[M, P]`, finite, higher is better. None
    if the models have fewer than 20 prompts in common, or if there is no model.
    """
    means = _finite(values, dimensions=2)
    models, prompts = means.shape
    if models == 0 or prompts < MIN_PROMPTS:
        return None
    upper = np.triu_indices(models, k=1)
    adjusted = np.ones((models, models))
    adjusted[upper] = holm(p_values(means)[upper])
    adjusted = np.minimum(adjusted, adjusted.T)
    mean = means.mean(axis=1)
    surely_better = (adjusted < ALPHA) & (mean[:, None] > mean[None, :])  # row than column
    best_rank = 1 + surely_better.sum(axis=0)
    worst_rank = models - surely_better.sum(axis=1)
    return tuple(zip(best_rank.tolist(), worst_rank.tolist(), strict=True))


def _drawn(means: Floats, comparisons: int) -> Iterator[Floats]:
    """Resampled means, in blocks `[M, draws]`: 10,000 draws, or as many as Holm's step needs."""
    prompts = means.shape[1]
    for chunk in range(math.ceil(max(DRAWS, 2 * comparisons / ALPHA) / DRAWS)):
        counts = _counts(prompts, chunk)
        for start in range(0, DRAWS, _DRAWS_PER_BLOCK):
            yield means @ counts[start : start + _DRAWS_PER_BLOCK].T / prompts


def _count(true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row are true, eight at a time; `[M, draws]`, draws a multiple of 8."""
    counted: NDArray[np.int64] = np.bitwise_count(true.view(np.uint64)).sum(axis=1, dtype=np.int64)
    return counted


def _tie(means: Floats) -> float:
    """How far apart two means may be and still tie.

    Sums in another order differ in their last bits; that must not break a tie.
    """
    return float(1e-12 * np.abs(means).max(initial=0.0))


def _p_values(agreeing: NDArray[np.int64], draws: int) -> Floats:
    p: Floats = np.minimum(1.0, 2 * (draws - agreeing + 1) / (draws + 1))
    return p


def _finite(values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != dimensions or not np.isfinite(array).all():
        raise ValueError(
            f"expected finite numbers in {dimensions} dimensions, got shape {array.shape}"
        )
    return array


@lru_cache(maxsize=2)
def _counts(prompts: int, chunk: int) -> Floats:
    """How often each draw took each prompt: float `[10,000, P]`, rows summing to P.

    The same at every call; in chunks, so that memory stays bounded however many draws are asked.
    """
    taken = np.random.default_rng([SEED, prompts, chunk]).integers(0, prompts, (DRAWS, prompts))
    taken += prompts * np.arange(DRAWS)[:, None]
    counts = np.bincount(taken.ravel(), minlength=DRAWS * prompts)
    return counts.reshape(DRAWS, prompts).astype(np.float64)


# ---- Preferences: who wins when two are put side by side ----


@dataclass(frozen=True)
class Preferences:
    """What comparisons of M models say of each, in the order given.

    `strengths` are log-odds (Bradley and Terry 1952) around a mean of 0: exp(a - b) are the odds
    that people take one before the other. `shares` are the mean chance to win against each of the
    other models, 0..1.
    """

    strengths: tuple[Interval, ...]
    shares: tuple[Interval, ...]
    order: tuple[int, ...]  # models, the strongest first
    missing: int | None  # votes until the two best are told apart; 0 if they are, None if NEVER


def preferences(wins: ArrayLike) -> Preferences | None:
    """Bradley-Terry strengths, and their bootstrap over prompts.

    A draw takes P prompts with replacement, with all votes on each, so that votes on one prompt
    need not be independent. `missing` is how many more votes like those so far, at the gap there
    is now, find a difference four times out of five: N ((2.80 SE / gap)^2 - 1), with the standard
    error SE of the bootstrap.

    Wins are float `[P, M, M]`, at least 0: on each prompt, how often the row won against the
    column; a tie is half a win for both. None without a vote or with under two models or prompts.
    """
    per_prompt = np.asarray(wins, np.float64)
    prompts, models = per_prompt.shape[:2]
    votes = float(per_prompt.sum())
    if not votes or models < 2 or prompts < 2:
        return None
    whole = bradley_terry(per_prompt.sum(axis=0)[None])
    flat = per_prompt.reshape(prompts, -1)
    counts = _counts(prompts, 0)[:_VOTE_DRAWS]
    size = max(1, _VOTE_BLOCK // models**2)
    blocks = [
        bradley_terry((counts[start : start + size] @ flat).reshape(-1, models, models), whole)
        for start in range(0, len(counts), size)
    ]
    drawn = np.concatenate(blocks)
    order = np.argsort(-whole[0], kind="stable")
    first, second = order[:2]
    gaps = drawn[:, first] - drawn[:, second]
    gap = _drawn_interval(float(whole[0, first] - whole[0, second]), gaps, prompts)
    return Preferences(
        strengths=tuple(map(_drawn_interval, whole[0], drawn.T, [prompts] * models)),
        shares=tuple(map(_drawn_interval, _shares(whole)[0], _shares(drawn).T, [prompts] * models)),
        order=tuple(order.tolist()),
        missing=_missing(gap, float(gaps.std()), votes),
    )


def bradley_terry(wins: ArrayLike, start: ArrayLike | None = None) -> Floats:
    """Strengths under which these wins are likeliest, float `[B, M]` of wins `[B, M, M]`, mean 0.

    Newton's method on the log-likelihood sum w_ij log sigmoid(a_i - a_j), less .05 a^2 of each
    model, without which one that never lost were infinitely strong. Begins at `start`.
    """
    won = np.asarray(wins, np.float64)
    models = won.shape[-1]
    played, total = won + won.swapaxes(1, 2), won.sum(axis=2)
    strengths = np.zeros(won.shape[:2])
    if start is not None:
        strengths += np.asarray(start, np.float64)
    diagonal = np.arange(models)
    for _ in range(_NEWTON_STEPS):
        chance = _sigmoid(strengths[:, :, None] - strengths[:, None, :])
        gradient = total - (played * chance).sum(axis=2) - _RIDGE * strengths
        hessian = -played * chance * (1 - chance)
        hessian[:, diagonal, diagonal] = (
            _RIDGE - hessian.sum(axis=2) + hessian[:, diagonal, diagonal]
        )
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        strengths += step.clip(-1, 1)
        if np.abs(step).max(initial=0.0) < _NEWTON_TOLERANCE:
            break
    centred: Floats = strengths - strengths.mean(axis=1, keepdims=True)
    return centred


def _sigmoid(values: Floats) -> Floats:
    chance: Floats = 1 / (1 + np.exp(-values))
    return chance


def _shares(strengths: Floats) -> Floats:
    """Mean chance to win against each of the others, `[B, M]`."""
    chance = _sigmoid(strengths[:, :, None] - strengths[:, None, :])
    shares: Floats = (chance.sum(axis=2) - 0.5) / (strengths.shape[1] - 1)
    return shares


def _drawn_interval(mean: float, drawn: Floats, prompts: int) -> Interval:
    """The expanded percentile interval (Hesterberg 2015, section 4.4.2).

    The percentiles are those that a normal of the sample's own spread needs to hold the t interval;
    the plain ones are too narrow, by 8% at 20 prompts. Quantiles of t by Cornish and Fisher.
    """
    z, freedom = NormalDist().inv_cdf(1 - ALPHA / 2), prompts - 1
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    tail = NormalDist().cdf(-t * math.sqrt(prompts / freedom))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(float(mean), float(low), float(high), prompts)


def _missing(gap: Interval, error: float, votes: float) -> int | None:
    if gap.low is not None and gap.low > 0:
        return 0
    needed = votes * ((_FOUND * error) ** 2 / gap.mean**2 - 1) if gap.mean else math.inf
    return math.ceil(max(1.0, needed)) if needed < NEVER else None
