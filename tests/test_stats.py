"""Bootstrap, Holm's correction and rank intervals, against naive loops and planted gaps."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from bench import statistics as stats


def naive_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resampled means of every row, one draw at a time, with the same random numbers."""
    models, prompts = values.shape
    drawn = np.random.default_rng([stats.SEED, prompts, 0]).integers(
        0, prompts, (stats.DRAWS, prompts)
    )
    means = [
        [sum(values[model][i] for i in indices) / prompts for model in range(models)]
        for indices in drawn
    ]
    return np.array(means)


def test_interval_equals_a_naive_loop() -> None:
    values = np.random.default_rng(0).random((1, 7))
    drawn = naive_means(values)[:, 0]
    interval = stats.interval(values[0])
    assert interval.n == 7
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(np.percentile(drawn, 2.5))
    assert interval.high == pytest.approx(np.percentile(drawn, 97.5))


def test_p_values_equal_a_naive_loop() -> None:
    values = np.random.default_rng(1).random((3, 6)) + np.array([[0], [0.1], [0.3]])
    drawn = naive_means(values)
    expected = np.ones((3, 3))
    for a in range(3):
        for b in range(3):
            if a != b:
                against = min(
                    (drawn[:, a] <= drawn[:, b]).sum(), (drawn[:, a] >= drawn[:, b]).sum()
                )
                expected[a, b] = min(1, 2 * (against + 1) / (stats.DRAWS + 1))
    assert stats.p_values(values) == pytest.approx(expected)
    assert 0 < expected[0, 2] < expected[0, 1] < 1  # or the comparison above says little


def test_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    samples = np.random.default_rng(2).normal(3, 1, (400, 60))
    covered = [interval.low <= 3 <= interval.high for interval in map(stats.interval, samples)]
    assert 0.91 <= np.mean(covered) <= 0.98


def test_interval_is_the_same_every_time_and_ignores_what_ran_before() -> None:
    values = np.random.default_rng(3).random(30)
    first = stats.interval(values)
    stats.interval(values[:11])
    stats.p_values(np.random.default_rng(4).random((4, 30)))
    assert stats.interval(values) == first


def test_no_prompt_has_no_interval_and_one_prompt_no_width() -> None:
    assert stats.interval([]) is None
    alone = stats.interval([0.7])
    assert alone == stats.Interval(mean=0.7, low=None, high=None, n=1)
    assert alone.ends == (0.7, 0.7)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.interval([1.0, bad])


def test_holm_textbook_example() -> None:
    # Four hypotheses at .01 .04 .03 .005: only the two smallest survive 5%.
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_1_and_keeps_the_order_of_ties() -> None:
    assert stats.holm([0.9, 0.9, 0.2]).tolist() == pytest.approx([1.0, 1.0, 0.6])
    assert stats.holm([]).size == 0


def test_a_planted_gap_is_found_although_prompts_differ_far_more_than_models() -> None:
    generator = np.random.default_rng(5)
    hardness = generator.normal(0, 10, 40)
    values = hardness + np.array([[0], [2], [0]]) + generator.normal(0, 0.5, (3, 40))
    assert stats.ranks(values) == ((2, 3), (1, 1), (2, 3))
    assert stats.leading(values) == (False, True, False)
    wide = [stats.interval(row) for row in values]
    assert wide[0].high > wide[1].mean  # unpaired intervals would have missed it


def test_identical_models_tie() -> None:
    row = np.random.default_rng(6).random(25)
    assert stats.ranks([row, row, row]) == ((1, 3),) * 3
    assert (stats.p_values([row, row]) == 1).all()


def test_equal_means_summed_in_another_order_tie() -> None:
    values = np.full((2, 20), 0.1)
    values[1] += 1e-17
    values[1, 3] = np.nextafter(0.1, 1)
    assert (stats.p_values(values) == 1).all()


def test_fewer_than_20_common_prompts_are_not_ranked() -> None:
    values = np.arange(2.0)[:, None] + np.zeros((2, 20))
    assert stats.ranks(values) == ((2, 2), (1, 1))
    assert stats.ranks(values[:, :19]) is None


def test_false_rankings_are_rare_when_all_models_are_alike() -> None:
    generator = np.random.default_rng(7)
    rankings = [stats.ranks(generator.normal(size=(5, 40))) for _ in range(40)]
    assert sum(intervals != ((1, 5),) * 5 for intervals in rankings) <= 5


def test_many_models_can_still_be_told_apart() -> None:
    # With 10,000 draws Holm could not reject a single one of these 435 pairs.
    values = 10.0 * np.arange(30)[:, None] + np.random.default_rng(8).normal(size=(30, 24))
    assert stats.ranks(values) == tuple((30 - m, 30 - m) for m in range(30))


def test_intervals_of_many_samples_are_those_of_each_alone() -> None:
    generator = np.random.default_rng(9)
    samples = [generator.random(count) for count in (30, 7, 1, 30, 0, *[30] * 100)]
    for together, sample in zip(stats.intervals(samples), samples, strict=True):
        alone = stats.interval(sample)
        assert (together is None) == (len(sample) == 0)
        if together is not None and alone is not None:
            assert together.n == alone.n
            assert together.mean == pytest.approx(alone.mean)
            assert together.low == pytest.approx(alone.low)
            assert together.high == pytest.approx(alone.high)


def slow_ranking(values: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Rank intervals, pair by pair and draw by draw; of up to 22 models."""
    models = len(values)
    drawn = naive_means(values)
    pairs = []
    for a in range(models):
        for b in range(a):
            wins = max((drawn[:, a] > drawn[:, b]).sum(), (drawn[:, a] < drawn[:, b]).sum())
            pairs.append((min(1, 2 * (stats.DRAWS - wins + 1) / (stats.DRAWS + 1)), a, b))
    pairs.sort()
    better, worse = [0] * models, [0] * models
    for step, (p, a, b) in enumerate(pairs):
        if p * (len(pairs) - step) >= stats.ALPHA:
            break  # Holm: from the first that is not rejected on, none is
        high, low = (a, b) if values[a].mean() > values[b].mean() else (b, a)
        better[low] += 1
        worse[high] += 1
    return tuple((1 + better[m], models - worse[m]) for m in range(models))


def test_ranking_equals_a_slow_reference() -> None:
    generator = np.random.default_rng(10)
    level = np.array([[0.0], [0.3], [0.8], [1.1], [1.5], [3.0]])
    values = level + generator.normal(size=(1, 24)) * 3 + generator.normal(size=(6, 24))
    ranks = stats.ranks(values)
    assert ranks == slow_ranking(values)
    assert len(set(ranks)) >= 3  # or the comparison says little


def test_a_planted_gap_of_5_points_is_found_and_a_smaller_one_is_not_claimed() -> None:
    # The spreads of real suites: prompts differ by 15 points, draws of one prompt by 10.
    generator = np.random.default_rng(11)
    hardness = generator.normal(70, 15, 100)
    draws = generator.normal(0, 10, (3, 100, 4)).mean(axis=2)
    values = hardness + np.array([[5.0], [0.0], [0.2]]) + draws
    assert stats.ranks(values) == ((1, 1), (2, 3), (2, 3))


def test_leading_equals_a_slow_reference() -> None:
    generator = np.random.default_rng(12)
    level = np.array([[0.0], [0.6], [0.8], [1.0], [-2.0]])
    values = level + generator.normal(size=(1, 25)) * 3 + generator.normal(size=(5, 25))
    drawn = naive_means(values)
    best = int(values.mean(axis=1).argmax())
    others = [m for m in range(5) if m != best]
    p = [
        min(1, 2 * ((drawn[:, best] <= drawn[:, m]).sum() + 1) / (stats.DRAWS + 1)) for m in others
    ]
    expected = [True] * 5
    for m, adjusted in zip(others, stats.holm(p), strict=True):
        expected[m] = bool(adjusted >= stats.ALPHA)
    assert list(stats.leading(values)) == expected
    assert 1 < sum(expected) < 5


def test_leading_needs_20_prompts_and_identical_models_all_lead() -> None:
    row = np.random.default_rng(13).random(25)
    assert stats.leading([row, row, row]) == (True,) * 3
    assert stats.leading([row[:19], row[:19]]) is None
    assert stats.leading([row]) == (True,)
    assert stats.leading(np.empty((0, 25))) is None


def test_equal_models_rarely_lose_the_lead_to_the_luckiest_of_them() -> None:
    generator = np.random.default_rng(14)
    leads = [stats.leading(generator.normal(size=(20, 50))) for _ in range(40)]
    assert np.mean(leads) > 0.95


def test_a_ratio_is_that_of_the_sums() -> None:
    ratio = stats.ratio([2.0, 4.0, 6.0, 0.0], [1.0, 1.0, 2.0, 0.0])
    assert ratio.mean == 3
    assert 2 <= ratio.low < 3 < ratio.high <= 4
    # What always goes together in a prompt leaves nothing to doubt.
    assert stats.ratio([1.0, 5.0, 9.0], [2.0, 10.0, 18.0]) == stats.Interval(0.5, 0.5, 0.5, 3)


def test_a_ratio_without_a_denominator_is_none_and_with_few_is_open_above() -> None:
    assert stats.ratio([1.0, 2.0], [0.0, 0.0]) is None
    assert stats.ratio([], []) is None
    assert stats.ratio([3.0], [2.0]) == stats.Interval(1.5, None, None, 1)
    assert stats.ratio([1.0] * 9, [1.0] + [0.0] * 8).high == math.inf


def votes(rng: np.random.Generator, prompts: int, each: int, truth: np.ndarray) -> np.ndarray:
    """Wins `[P, M, M]` of so many votes on each prompt, between two models at random."""
    one, other = np.triu_indices(len(truth), 1)
    pair = rng.integers(0, len(one), (prompts, each))
    a, b = one[pair], other[pair]
    won = rng.random(pair.shape) < 1 / (1 + np.exp(truth[b] - truth[a]))
    prompt = np.broadcast_to(np.arange(prompts)[:, None], pair.shape)
    wins = np.zeros((prompts, len(truth), len(truth)))
    np.add.at(wins, (prompt, a, b), won)
    np.add.at(wins, (prompt, b, a), ~won)
    return wins


def test_strengths_are_where_the_likelihood_is_highest() -> None:
    wins = votes(np.random.default_rng(1), 30, 20, np.array([1.0, 0.0, -1.0])).sum(axis=0)

    def likelihood(strengths: np.ndarray) -> float:
        gaps = strengths[:, None] - strengths
        return float(-(wins * np.log1p(np.exp(-gaps))).sum() - 0.05 * (strengths**2).sum())

    (levels,) = stats.bradley_terry(wins[None])
    assert levels.sum() == pytest.approx(0, abs=1e-9)
    for model in range(3):
        for step in (-0.01, 0.01):
            moved = levels + step * (np.arange(3) == model)
            assert likelihood(moved - moved.mean()) < likelihood(levels)


def test_a_model_that_never_lost_has_a_strength_all_the_same() -> None:
    wins = np.zeros((20, 3, 3))
    wins[:, 0, 1:] = 1
    preferences = stats.preferences(wins)
    assert preferences.order[0] == 0
    assert all(np.isfinite([each.low, each.high]).all() for each in preferences.strengths)
    assert preferences.shares[0].mean > 0.9
    assert preferences.missing == 0


def test_equal_models_are_not_told_apart_and_preferences_need_votes() -> None:
    assert stats.preferences(np.zeros((5, 3, 3))) is None
    assert stats.preferences(np.ones((1, 2, 2))) is None
    preferences = stats.preferences(np.ones((20, 2, 2)) - np.eye(2))
    assert preferences.missing is None
    assert [each.mean for each in preferences.shares] == pytest.approx([0.5, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize(("prompts", "each"), [(20, 12), (40, 8)])
def test_intervals_of_strengths_hold_the_truth_in_95_of_100_cases(prompts: int, each: int) -> None:
    rng = np.random.default_rng(7)
    truth = np.array([0.8, 0.2, -0.2, -0.8])
    covered = [
        [
            interval.low <= level <= interval.high
            for interval, level in zip(preferences.strengths, truth, strict=True)
        ]
        for _ in range(1000)
        if (preferences := stats.preferences(votes(rng, prompts, each, truth)))
    ]
    assert len(covered) == 1000
    shares = np.mean(covered, axis=0)
    assert np.mean(shares) == pytest.approx(0.95, abs=0.02)
    assert shares == pytest.approx(0.95, abs=0.025)
