"""Statistics of a leaderboard: bootstrap over prompts, Holm's correction, rank intervals.

The prompt is the unit of resampling: a model is asked every prompt once per seed, seeds are
averaged within their prompt beforehand, and it is other prompts the numbers should hold for.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 10_000
SEED = 1979
ALPHA = 0.05
MIN_PROMPTS = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% bootstrap interval.

    Attributes:
        mean: over the prompts, in the metric's unit.
        low: 2.5% percentile of the resampled means; None where one prompt stands alone.
        high: 97.5% percentile; None where one prompt stands alone.
        n: number of prompts.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Half the distance from low to high: the number printed after `±`."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Ranking:
    """What paired comparisons of M models can say about their order.

    Attributes:
        intervals: best and worst rank each model can claim, 1..M, in the order given.
        leading: for each model, whether it has the best mean or is not surely worse than it.
        prompts: number of common prompts the comparison rests on.
    """

    intervals: tuple[tuple[int, int], ...]
    leading: tuple[bool, ...]
    prompts: int


def interval(values: ArrayLike) -> Interval | None:
    """Percentile bootstrap over prompts (Efron 1979; Efron and Tibshirani 1993, ch. 13).

    A draw takes P prompts with replacement and averages them; the interval runs from the 2.5% to
    the 97.5% percentile of 10,000 such means. The random numbers are fixed.

    Args:
        values: one mean per prompt, float `[P]`, finite.

    Returns:
        The interval; without low and high for P = 1, None for P = 0.
    """
    means = _finite(values, dimensions=1)
    count = len(means)
    if count == 0:
        return None
    if count == 1:
        return Interval(float(means[0]), None, None, 1)
    drawn = _counts(count, 0) @ means / count
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    return Interval(float(means.mean()), float(low), float(high), count)


def p_values(values: ArrayLike) -> Floats:
    """Two-sided paired bootstrap p-value of every pair of models.

    Every draw resamples the prompts once, for all models together, so that what is hard about a
    prompt cancels in a difference. With n draws, of which b contradict the sign of the
    difference (a tie contradicts either sign),

        p = min(1, 2 (b + 1) / (n + 1))        (Phipson and Smyth 2010: a p-value is never 0)

    n is 10,000, and more from 23 models on: p cannot fall below 2 / (n + 1), and Holm's first
    step divides alpha by M (M - 1) / 2, so that fewer draws could never tell any pair apart.

    Args:
        values: one mean per model and common prompt, float `[M, P]`, finite.

    Returns:
        float `[M, M]`, symmetric, 0..1, with 1 on the diagonal.
    """
    means = _finite(values, dimensions=2)
    models, prompts = means.shape
    pairs = models * (models - 1) // 2
    chunks = math.ceil(max(DRAWS, 2 * pairs / ALPHA) / DRAWS)
    # Sums in another order differ in their last bits; that must not break a tie.
    tie = 1e-12 * np.abs(means).max(initial=0.0)
    above = np.zeros((models, models), np.int64)  # draws in which row beats column
    for chunk in range(chunks):
        drawn = means @ _counts(prompts, chunk).T / prompts  # [M, DRAWS]
        beaten = drawn + tie
        for model in range(models):
            above[model] += np.count_nonzero(drawn[model] > beaten, axis=1)
    draws = chunks * DRAWS
    against = draws - np.maximum(above, above.T)
    p: Floats = np.minimum(1.0, 2 * (against + 1) / (draws + 1))
    return p


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down correction (Holm 1979).

    With p sorted ascending, the adjusted value is the running maximum of min(1, (K - k) p_k),
    k = 0..K-1. Rejecting adjusted values below alpha bounds the chance of any false rejection.

    Args:
        p: p-values, float `[K]`.

    Returns:
        Adjusted p-values in the order given, float `[K]`.
    """
    raw = _finite(p, dimensions=1)
    order = np.argsort(raw, kind="stable")
    steps = np.minimum(1.0, raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted


def rank(values: ArrayLike) -> Ranking | None:
    """Rank intervals from every pairwise difference, Holm-corrected at 5%.

    A model is surely better than another if its mean is higher and their adjusted p-value is
    below 0.05. Its rank interval is [1 + models surely better, M - models surely worse].

    Args:
        values: one mean per model and common prompt, float `[M, P]`, finite, higher is better.

    Returns:
        The ranking; None if the models have fewer than 20 prompts in common, or if there is no
        model.
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
    return Ranking(
        intervals=tuple(zip(best_rank.tolist(), worst_rank.tolist(), strict=True)),
        leading=tuple((~surely_better[mean.argmax()]).tolist()),
        prompts=prompts,
    )


def _finite(values: ArrayLike, dimensions: int) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != dimensions or not np.isfinite(array).all():
        raise ValueError(
            f"expected finite numbers in {dimensions} dimensions, came shape {array.shape}"
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
