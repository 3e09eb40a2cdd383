"""What speed costs: variants are found by their cards, and nothing is claimed beyond intervals."""

from typing import Any

import fake_results as fake
import pytest

from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.figures import figures
from bench.leaderboard.tables.table import Table
from bench.leaderboard.tables.variants import variant_tables

METRICS = (
    fake.COHERENCE
    | {"adherence": fake.meaning("100 cos", "higher", "ad")}
    | {"base_lpips": fake.meaning("LPIPS", None, "b1")}
)


def content(model: str, latency_s: float, lost: float = 0.0, prompts: int = 24, **card: Any) -> Any:
    """A result that is so slow, and whose coherence is by so much lower, than others."""
    made = fake.result(
        model,
        score=lambda prompt, seed: {
            "coherence": 90 - prompt % 7 - seed - lost * (prompt % 5) / 2,
            "adherence": 30.0 + prompt,
            "base_lpips": 0.1 + prompt / 1000 if card.get("base") else None,
        },
        prompts=prompts,
        seeds=(0, 1),
        metrics=METRICS,
    )
    made["card"] = {"title": None} | card
    for number, clip in enumerate(made["clips"]):
        clip["latency_s"] = latency_s * (1 + number % 3 / 100)
        if not card.get("base"):
            clip["unscored"] = {"base_lpips": "no clip of a base is at hand"}
    return made


def tables(contents: list[Any]) -> list[Table]:
    (board,) = boards([fake.loaded(each) for each in contents])
    return list(variant_tables(board))


def rows(table: Table) -> dict[str, dict[str, str]]:
    names = [column.name for column in table.columns]
    return {texts[0]: dict(zip(names, texts, strict=True)) for texts in table.texts}


def test_variants_stand_below_their_base_the_fastest_first() -> None:
    (table,) = tables(
        [
            content("slow", 10),
            content("slow-compile", 8, base="slow"),
            content("slow-cached", 5, lost=2, base="slow"),
            content("stranger", 1),
            content("orphan", 1, base="not here"),
        ],
    )
    shown = rows(table)
    assert list(shown) == ["slow", "slow-cached", "slow-compile"]
    assert shown["slow-cached"]["speed-up"] == "2"
    assert shown["slow-compile"]["speed-up"] == "1.25"
    assert shown["slow-compile"]["coherence change"] == "0 (0 to 0)"
    assert shown["slow-cached"]["base_lpips"].startswith("0.11")
    assert shown["slow"]["base_lpips"] == "-"


def test_a_sentence_says_gain_and_loss_with_their_intervals() -> None:
    (table,) = tables(
        [content("slow", 10), content("fast", 5, lost=2, base="slow")],
    )
    (line,) = [each for each in table.below if each.startswith("fast")]
    assert line.startswith("fast: 2 times as fast; coherence 1.9 lower, between 2.5 lower and ")
    assert "adherence the same on each of 24 prompts" in line


def test_a_loss_that_may_be_none_is_said_on_both_sides() -> None:
    fast = content("fast", 5, base="slow")
    for number, clip in enumerate(fast["clips"]):
        clip["scores"]["coherence"] += (-1) ** (number // 2) * 3 - 0.5
    (table,) = tables([content("slow", 10), fast])
    assert "coherence 0.50 lower, between 1.8 lower and 0.75 higher" in " ".join(table.below)


@pytest.mark.parametrize(
    ("prompts", "words"), [(1, "on a single prompt, which has no"), (7, "7 prompts, too few")]
)
def test_few_clips_claim_nothing(prompts: int, words: str) -> None:
    contents = [
        content("slow", 10, prompts=prompts),
        content("fast", 5, lost=2, prompts=prompts, base="slow"),
    ]
    (table,) = tables(contents)
    assert words in " ".join(table.below)
    assert "between" not in " ".join(table.below)


def test_other_devices_have_no_speed_up_and_shared_seeds_compare() -> None:
    elsewhere = content("fast", 5, base="slow")
    for clip in elsewhere["clips"]:
        clip["device"] = "NVIDIA H200"
    del elsewhere["clips"][1::2]
    elsewhere["expected"]["seeds"] = [0]
    (table,) = tables([content("slow", 10), elsewhere])
    assert "fast: no clock timed it and its base alike; coherence the same" in " ".join(table.below)


def test_more_gpus_for_a_clip_are_a_speed_up_over_one_of_them() -> None:
    both = [content("one", 10), content("one-ulysses-4", 4, base="one")]
    for made, gpus in zip(both, (1, 4), strict=True):
        made["hardware"] = {"gpus": gpus}
        for clip in made["clips"]:
            clip["device"] = "NVIDIA H200"
    (table,) = tables(both)
    assert rows(table)["one-ulysses-4"]["speed-up"].startswith("2.5")


def test_clips_made_elsewhere_are_as_fast_as_their_makers_say() -> None:
    contents = [content("slow", 10), content("fast", 5, base="slow")]
    for each, waited_s in zip(contents, (60.0, 20.0), strict=True):
        each["measured"] = False
        for clip in each["clips"]:
            clip |= {"latency_s": None, "account": fake.account("declared", latency_s=waited_s)}
    (table,) = tables(contents)
    assert rows(table)["fast"]["speed-up"] == "3"
    assert "Seconds, memory and energy: declared with the clips." in table.above


def test_a_figure_shows_every_variant_that_was_timed_and_scored() -> None:
    contents = [
        content("slow", 10),
        content("fast", 5, lost=2, base="slow"),
        content("faster", 4, lost=3, base="slow"),
        content("untimed", 4, base="slow") | {"measured": False},
    ]
    (board,) = boards([fake.loaded(each) for each in contents])
    (drawing,) = [each for each in figures(board, {}) if each.name.startswith("speed")]
    assert drawing.name == "speed-slow-cpu-some-cpu"
    assert ">fast<" in (svg := drawing.draw().decode())
    assert {">slow<", ">faster<"} == {word for word in (">slow<", ">faster<", ">untimed<")
                                      if word in svg}  # fmt: skip
