"""The headline by category of prompt."""

import fake_results as fake
import pytest
from fake_results import Content

from bench.leaderboard.data.rows import Group, boards, by_category
from bench.leaderboard.tables.scores import category_tables

METRICS = fake.COHERENCE | fake.METRICS


def group_of(content: Content) -> Group:
    ((group,),) = [board.groups for board in boards([fake.loaded(content)])]
    return group


def in_categories(*kinds: str | None) -> Content:
    """A result whose clip of prompt p has a coherence of p, failed clips aside."""
    clips = [
        fake.clip(f"p{n:02d}", category=kind, scores={"coherence": float(n)})
        for n, kind in enumerate(kinds)
    ]
    return fake.result("m", clips, prompts=len(kinds), metrics=METRICS)


def test_a_category_is_the_mean_over_its_prompts() -> None:
    content = in_categories("hands", "water", "hands", None, "water", "hands")
    content["clips"][5] = fake.failed("p05") | {"category": "hands"}
    found = by_category(group_of(content))
    assert list(found) == ["hands", "water"]
    hands, water = (found[kind]["m"] for kind in found)
    assert hands is not None
    assert water is not None
    assert (hands.mean, hands.n) == (pytest.approx(2 / 3), 3)  # 0, 2, and a failed clip's 0
    assert (water.mean, water.n) == (2.5, 2)


def test_the_table_counts_the_prompts_of_each_category() -> None:
    (table,) = category_tables(group_of(in_categories("b", "a", "b")), "")
    assert table.headers == ["model", "a (1)", "b (2)"]
    assert table.texts[0] == ["m", "1", "1"]


def test_few_prompts_have_no_interval_and_a_line_says_so() -> None:
    four, five = in_categories(*"abbbb"), in_categories(*"aaaaabbbbb")
    (table,) = category_tables(group_of(four), "")
    assert table.texts[0] == ["m", "0", "2.50"]
    assert table.below == (
        "Means over fewer than 5 prompts stand without ±: so few carry no interval.",
    )
    (table,) = category_tables(group_of(five), "")
    assert table.texts[0] == ["m", "2.0 ±1.2", "7.0 ±1.2"]
    assert table.below == ()


@pytest.mark.parametrize("kinds", [("a", "a"), (None, None)])
def test_one_category_or_none_makes_no_table(kinds: tuple[str | None]) -> None:
    assert not list(category_tables(group_of(in_categories(*kinds)), ""))


def test_a_file_of_before_categories_were_kept_still_loads() -> None:
    content = in_categories("a", "b")
    for clip in content["clips"]:
        del clip["category"]
    assert not list(category_tables(group_of(content), ""))


def test_many_categories_are_split_into_tables_that_can_be_read() -> None:
    content = in_categories(*(f"c{n:02d}" for n in range(17)))
    tables = list(category_tables(group_of(content), ""))
    assert [len(table.columns) for table in tables] == [10, 9]
