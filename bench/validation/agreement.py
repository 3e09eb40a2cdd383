"""How well two opinions of the same clips agree: ranks, pairs within a prompt, order of models.

Clips that either opinion does not rate (NaN) take no part. The unit of resampling is the prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 2_000
SEED = 1979
LEAST_CLIPS = 3
"""Fewer have no rank correlation worth the name."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Of one opinion with another. None where the clips do not suffice."""

    clips: int  # rated by both
    spearman: float | None  # rank correlation over all clips, -1..1
    low: float | None  # 2.5% percentile of its bootstrap over prompts
    high: float | None  # 97.5% percentile
    # Of the pairs of one prompt that the second opinion tells apart, the share that the first puts
    # in the same order; a tie counts a half.
    pairs: float | None
    within_model: float | None  # mean over models of the rank correlation over one model's clips


def agreement(
    first: ArrayLike, second: ArrayLike, prompts: Sequence[str], models: Sequence[str]
) -> Agreement:
    """How well the first opinion agrees with the second.

    Both are float `[N]`, higher is better, NaN for none; prompts and models are those of each clip.
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    both = np.isfinite(one) & np.isfinite(other)
    one, other = one[both], other[both]
    prompt_of, model_of = np.asarray(prompts)[both], np.asarray(models)[both]
    drawn = _resampled(prompt_of, lambda clips: spearman(one[clips], other[clips]))
    right = [
        (np.sign(one[i] - one[j]) * np.sign(other[i] - other[j]) + 1) / 2
        for prompt in np.unique(prompt_of)
        for i, j in combinations(np.flatnonzero(prompt_of == prompt), 2)
        if other[i] != other[j]
    ]
    within = [
        spearman(one[model_of == model], other[model_of == model]) for model in np.unique(model_of)
    ]
    defined = [rho for rho in within if rho is not None]
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist() if len(drawn) else (None, None)
    return Agreement(
        clips=len(one),
        spearman=spearman(one, other),
        low=low,
        high=high,
        pairs=float(np.mean(right)) if right else None,
        within_model=float(np.mean(defined)) if defined else None,
    )


def rater_agreement(
    ratings: ArrayLike, prompts: Sequence[str], models: Sequence[str]
) -> list[Agreement]:
    """Each rater's agreement with the mean of the others: what no metric need surpass.

    Ratings are float `[N, R]`, NaN for none; prompts and models are those of each clip.
    """
    given = np.asarray(ratings, np.float64)
    if given.shape[1] < 2:
        return []
    return [
        agreement(given[:, rater], mean_of(np.delete(given, rater, axis=1)), prompts, models)
        for rater in range(given.shape[1])
    ]


def lead(
    first: ArrayLike, second: ArrayLike, people: ArrayLike, prompts: Sequence[str]
) -> tuple[float, float, float] | None:
    """By how much the first correlates better with people than the second, with a 95% interval.

    Paired bootstrap: both are correlated over the same resampled prompts. None where the clips
    that all three rate do not suffice.
    """
    opinions = np.stack([np.asarray(each, np.float64) for each in (first, second, people)])
    rated = np.isfinite(opinions).all(axis=0)
    one, other, said = opinions[:, rated]

    def difference(clips: NDArray[np.int64]) -> float | None:
        ours, theirs = spearman(one[clips], said[clips]), spearman(other[clips], said[clips])
        return None if ours is None or theirs is None else ours - theirs

    whole = difference(np.arange(len(said)))
    drawn = _resampled(np.asarray(prompts)[rated], difference)
    if whole is None or not len(drawn):
        return None
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return whole, low, high


def spearman(first: ArrayLike, second: ArrayLike) -> float | None:
    """Rank correlation, ties at their mean rank; None for under 3 clips or a constant."""
    one, other = _ranks(first), _ranks(second)
    if len(one) < LEAST_CLIPS:
        return None
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / spread if spread else None


def mean_of(ratings: Floats) -> Floats:
    """Mean over raters, of those that rated: float `[N]` of `[N, R]`, NaN where none did."""
    given = np.isfinite(ratings)
    count = given.sum(axis=1)
    total = np.where(given, ratings, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _ranks(values: ArrayLike) -> Floats:
    _, place, count = np.unique(
        np.asarray(values, np.float64), return_inverse=True, return_counts=True
    )
    below = np.cumsum(count) - count
    ranks: Floats = (below + (count - 1) / 2)[place]
    return ranks


def _resampled(
    prompts: NDArray[np.str_], statistic: Callable[[NDArray[np.int64]], float | None]
) -> Floats:
    """A statistic of clips, over draws of as many prompts with replacement, where it is defined."""
    groups = [np.flatnonzero(prompts == prompt) for prompt in np.unique(prompts)]
    if len(groups) < 2:
        return np.empty(0)
    rng = np.random.default_rng([SEED, len(groups)])
    taken = rng.integers(0, len(groups), (DRAWS, len(groups)))
    drawn = (statistic(np.concatenate([groups[i] for i in draw])) for draw in taken.tolist())
    return np.array([value for value in drawn if value is not None])
