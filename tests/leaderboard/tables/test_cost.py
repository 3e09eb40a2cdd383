"""Yield and cost: what is usable, how often, and what a usable second costs."""

import itertools
import math
from typing import Any

import fake_results as fake
import numpy as np
import pytest
from fake_results import Content, account

from bench import statistics as stats
from bench.leaderboard.data.costs import Yield, draws_until, pass_at, yield_of
from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.markdown import render

GOOD: dict[str, float | None] = {
    "coherence": 90.0,
    "cuts_unrequested": 0.0,
    "lpips_far": 0.2,
    "adherence_margin": 5.0,
}
DEVICE = ("NVIDIA H200",)


def good(prompt: str, seed: int = 0, **changes: Any) -> Content:
    """A clip of 16 frames at 8 fps, so 2 s, that took 10 s."""
    return fake.clip(prompt, seed, **({"latency_s": 10.0, "scores": GOOD} | changes))


def bad(prompt: str, seed: int = 0, **changes: Any) -> Content:
    return good(prompt, seed, scores=GOOD | {"coherence": 50.0}, **changes)


def judged(clips: list[Content], devices: tuple[str, ...] = DEVICE, **changes: Any) -> Yield:
    prompts = len({clip["prompt"] for clip in clips})
    seeds = sorted({clip["seed"] for clip in clips})
    content = fake.result("m", clips, prompts=prompts, seeds=seeds, **changes)
    content["environment"]["device"] = "NVIDIA H200"
    for clip in content["clips"]:
        clip["device"] = "NVIDIA H200"
    found = yield_of(fake.loaded(content), devices)
    assert found is not None
    return found


def hardware(price: float | None = 3.6, gpus: int = 1) -> Content:
    return {"hardware": {"price_per_gpu_hour": price, "currency": "EUR", "gpus": gpus}}


@pytest.mark.parametrize(
    ("metric", "value", "usable"),
    [
        ("coherence", 80.0, 1),
        ("coherence", 79.99, 0),
        ("cuts_unrequested", 1.0, 0),
        ("lpips_far", 4e-4, 0),
        ("adherence_margin", 0.0, 0),
        ("adherence_margin", None, 0),
    ],
)
def test_a_clip_is_usable_only_if_nothing_is_wrong_with_it(
    metric: str, value: float | None, usable: int
) -> None:
    clips = [good("p00", scores=GOOD | {metric: value}), good("p01")]
    assert judged(clips).usable == 1 + usable


def test_what_no_clip_has_a_value_of_is_not_asked() -> None:
    scores = {"coherence": 90.0, "adherence_margin": None}
    found = judged([good("p00", scores=scores)])
    assert found.usable == 1
    assert found.criteria == ("coherence",)


def test_an_appeal_is_asked_for_only_where_a_least_one_is_set() -> None:
    clips = [good("p00", scores=GOOD | {"appeal": 59.9}), good("p01", scores=GOOD | {"appeal": 60})]
    assert judged(clips).usable == 2
    asked = judged(clips, least_appeal=60)
    assert (asked.usable, asked.share_looser) == (1, 0.5)
    assert "appeal" in asked.criteria


def test_an_appeal_that_no_clip_has_is_not_asked_and_a_line_says_so() -> None:
    metrics = fake.COHERENCE | {"appeal": fake.meaning("points", "higher", "a0")}
    contents = [
        fake.result(
            name,
            [good("p00", scores=GOOD | {"appeal": value})],
            prompts=1,
            metrics=metrics,
            **least,
        )
        for name, value, least in (
            ("bare", None, {"least_appeal": 60}),
            ("seen", 70.0, {"least_appeal": 60}),
            ("free", 50.0, {}),
        )
    ]
    page = render(boards([fake.loaded(content) for content in contents]))
    assert "as appealing as its run asks (at least 60)" in page
    assert "Not asked, for want of appeal: as appealing as its run asks (bare)." in page


def test_without_coherence_nothing_can_be_judged() -> None:
    content = fake.result("m", [good("p00", scores={"flicker": 0.1})], prompts=1)
    assert yield_of(fake.loaded(content), DEVICE) is None


def test_rejects_and_failures_are_paid_for() -> None:
    clips = [good("p00"), bad("p01", latency_s=30.0), fake.failed("p02"), good("p03")]
    found = judged(clips)
    assert found.share.mean == 0.5
    cost = found.cost
    assert cost is not None
    assert cost.unit == "GPU-s"
    # The failed one was not timed: it counts as the median of 10, 30 and 10.
    assert (cost.per_clip, cost.estimated) == (60 / 4, 1)
    assert cost.per_video_s == 60 / 6
    assert cost.per_usable_s is not None
    assert cost.per_usable_s.mean == 60 / 4


def test_a_failure_that_was_timed_counts_as_long_as_it_took() -> None:
    clips = [good("p00"), fake.failed("p01") | {"latency_s": 25.0}]
    cost = judged(clips).cost
    assert cost is not None
    assert (cost.per_clip, cost.estimated) == (35 / 2, 0)


def test_what_only_the_first_clip_pays_is_nobodys_cost() -> None:
    clips = [good("p00", latency_s=500.0, warm=False), good("p01"), good("p02")]
    cost = judged(clips).cost
    assert cost is not None
    assert (cost.per_clip, cost.estimated) == (10, 1)


def test_money_is_seconds_times_gpus_times_price() -> None:
    clips = [good("p00"), bad("p01")]
    cost = judged(clips, **hardware(price=3.6, gpus=2)).cost
    assert cost is not None
    assert cost.unit == "EUR"
    assert "NVIDIA H200, 3.6 EUR an hour each" in cost.source
    assert cost.per_clip == pytest.approx(10 * 2 * 3.6 / 3600)
    assert cost.per_usable_s is not None
    # GPU-seconds per clip x GPUs x price / 3600 / (yield x clip seconds)
    assert cost.per_usable_s.mean == pytest.approx(10 * 2 * 3.6 / 3600 / (0.5 * 2))


def test_without_a_price_gpus_still_count() -> None:
    cost = judged([good("p00")], **hardware(price=None, gpus=4)).cost
    assert cost is not None
    assert (cost.unit, cost.per_clip) == ("GPU-s", 40)


def test_a_price_of_gpus_is_none_of_a_cpu() -> None:
    content = fake.result("m", [good("p00")], prompts=1, **hardware(price=2.49, gpus=4))
    found = yield_of(fake.loaded(content), ("CPU, Some CPU",))
    assert found is not None
    assert found.cost is not None
    assert (found.cost.unit, found.cost.source) == ("CPU-s", "CPU, Some CPU")
    assert found.cost.per_clip == 10


def test_closed_models_cost_what_was_declared() -> None:
    told = {"latency_s": None, "account": account("declared", price_usd=0.3)}
    clips = [good("p00", **told), bad("p01", **told), fake.failed("p02")]
    cost = judged(clips, (), **hardware()).cost
    assert cost is not None
    assert (cost.unit, cost.estimated) == ("USD", 1)
    assert cost.per_usable_s is not None
    assert cost.per_usable_s.mean == pytest.approx(0.9 / 2)


@pytest.mark.parametrize(
    ("devices", "said"), [((), "no clip was timed here"), (("a", "b"), "timed on several devices")]
)
def test_an_unknown_cost_says_why(devices: tuple[str, ...], said: str) -> None:
    found = judged([good("p00", latency_s=None)], devices)
    assert (found.cost, found.why_no_cost) == (None, said)


def test_clips_that_are_all_first_ones_have_no_cost_and_it_says_so() -> None:
    clips = [good("p00", warm=False), good("p01", warm=False)]
    found = judged(clips, ())
    assert found.cost is None
    assert found.why_no_cost is not None
    assert found.why_no_cost.startswith("no clip is warm")


def test_a_yield_of_0_is_a_lower_bound_not_infinity() -> None:
    found = judged([bad(f"p{n:02d}") for n in range(20)])
    assert (found.share.mean, found.share.low) == (0, 0)
    # The yield at which 20 misses out of 20 have a chance of 5%.
    most = found.share.high
    assert most is not None
    assert (1 - most) ** 20 == pytest.approx(0.05)
    assert found.cost is not None
    assert found.cost.per_usable_s is None
    assert found.cost.at_least == pytest.approx(10 / (most * 2))


def test_a_yield_of_1_does_not_claim_to_be_certain() -> None:
    found = judged([good(f"p{n:02d}") for n in range(20)])
    assert (found.share.mean, found.share.high) == (1, 1)
    least = 0.05 ** (1 / 20)
    assert found.share.low == pytest.approx(least)
    assert found.cost is not None
    cost = found.cost.per_usable_s
    assert cost is not None
    assert (cost.mean, cost.low) == (5, 5)
    assert cost.high == pytest.approx(5 / least)


def test_costs_that_spread_more_than_the_yield_keep_their_interval() -> None:
    took = [1.0] * 39 + [1000.0]
    clips = [good(f"p{n:02d}", latency_s=latency) for n, latency in enumerate(took)]
    cost = judged(clips).cost
    assert cost is not None
    assert cost.per_usable_s == stats.ratio(took, [2.0] * 40)


@pytest.mark.parametrize(
    ("make", "low", "high", "dearest"), [(good, 0.05, 1.0, 5 / 0.05), (bad, 0.0, 0.95, None)]
)
def test_one_prompt_that_always_or_never_comes_out_is_no_certainty(
    make: Any, low: float, high: float, dearest: float | None
) -> None:
    found = judged([make("p00", 0), make("p00", 1)])
    assert (found.share.low, found.share.high) == (pytest.approx(low), pytest.approx(high))
    assert found.cost is not None
    if dearest is None:
        assert found.cost.per_usable_s is None
        assert found.cost.at_least == pytest.approx(10 / (0.95 * 2))
    else:
        assert found.cost.per_usable_s == stats.Interval(5.0, 5.0, pytest.approx(dearest), 1)


def test_one_prompt_has_no_interval() -> None:
    found = judged([good("p00", 0), bad("p00", 1)])
    assert (found.share.mean, found.share.low, found.share.high) == (0.5, None, None)
    assert found.cost is not None
    assert found.cost.per_usable_s == stats.Interval(10.0, None, None, 1)


def test_a_model_that_never_made_a_clip_has_a_yield_and_no_cost() -> None:
    found = judged([fake.failed(f"p{n:02d}") for n in range(4)])
    assert (found.share.mean, found.never) == (0, 1)
    assert (found.cost, found.why_no_cost) == (None, "no clip was made")


def test_the_yield_is_shown_at_other_thresholds() -> None:
    levels = (65.0, 75.0, 85.0, 95.0)
    clips = [good(f"p{n:02d}", scores=GOOD | {"coherence": x}) for n, x in enumerate(levels)]
    found = judged(clips)
    assert (found.share_looser, found.share.mean, found.share_stricter) == (0.75, 0.5, 0.25)


def test_pass_at_k_draws_equals_trying_all_of_them() -> None:
    for usable in range(5):
        draws = np.array([True] * usable + [False] * (4 - usable))
        tries = [draws[list(pair)].any() for pair in np.ndindex(4, 4) if pair[0] < pair[1]]
        assert pass_at(2, 4, usable) == pytest.approx(np.mean(tries))
    assert pass_at(4, 4, 1) == 1


def test_draws_until_the_first_usable_one_equal_the_mean_over_all_orders() -> None:
    for usable in range(1, 5):
        draws = [True] * usable + [False] * (4 - usable)
        waits = [1 + order.index(True) for order in itertools.permutations(draws)]
        assert draws_until(4, usable) == pytest.approx(np.mean(waits))
    assert draws_until(4, 0) == 4


def test_hard_prompts_need_more_draws_than_the_yield_says() -> None:
    # One prompt always comes out, one once in four draws, one never.
    kept = {"p00": 4, "p01": 1, "p02": 0}
    clips = [
        good(prompt, seed) if seed < usable else bad(prompt, seed)
        for prompt, usable in kept.items()
        for seed in range(4)
    ]
    found = judged(clips)
    assert found.never == pytest.approx(1 / 3)
    # 1 draw, 2.5 (the one may come first to last), and 4 in vain: for two clips.
    assert found.draws_per_solved == (1 + 2.5 + 4) / 2
    assert found.draws_per_solved > 1 / found.share.mean
    assert found.pass_at == {2: pytest.approx((1 + 0.5 + 0) / 3), 4: pytest.approx(2 / 3)}


def test_one_seed_says_nothing_about_further_draws() -> None:
    found = judged([good("p00"), bad("p01")])
    assert (found.pass_at, found.draws_per_solved) == ({}, None)


def test_the_whole_ratio_is_resampled() -> None:
    generator = np.random.default_rng(0)
    usable = generator.random(30) < 0.6
    took = generator.uniform(5, 50, 30)
    clips = [
        (good if keep else bad)(f"p{n:02d}", latency_s=float(s))
        for n, (keep, s) in enumerate(zip(usable, took, strict=True))
    ]
    cost = judged(clips).cost
    assert cost is not None
    drawn = np.random.default_rng([stats.SEED, 30, 0]).integers(0, 30, (stats.DRAWS, 30))
    ratios = sorted(sum(took[i] for i in row) / (2 * sum(usable[i] for i in row)) for row in drawn)
    assert cost.per_usable_s is not None
    assert cost.per_usable_s.low == pytest.approx(np.quantile(ratios, 0.025), rel=1e-3)
    assert cost.per_usable_s.high == pytest.approx(np.quantile(ratios, 0.975), rel=1e-3)


def test_few_usable_prompts_leave_the_cost_open_above() -> None:
    cost = judged([good("p00"), *(bad(f"p{n:02d}") for n in range(1, 10))]).cost
    assert cost is not None
    assert cost.per_usable_s is not None
    assert cost.per_usable_s.high == math.inf
    assert cost.per_usable_s.low is not None
    assert 0 < cost.per_usable_s.low < cost.per_usable_s.mean
