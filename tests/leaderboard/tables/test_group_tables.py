"""The table of cross-clip identity: what stands in it, in which order, and what is left out."""

from collections.abc import Iterable
from typing import Any

import fake_results as fake
from fake_results import Content

from bench.leaderboard.data.rows import boards, group_means
from bench.leaderboard.render.markdown import render
from bench.leaderboard.tables.suite import identity_tables
from bench.leaderboard.tables.table import Table


def drawn(
    model: str, value: float, fingerprint: str = "f", why: str | None = None, groups: int = 3
) -> Content:
    """Two prompts of each group, two seeds; the groups have value - .1, value, value + .1, ..."""
    content = fake.result(
        model, prompts=2 * groups, seeds=(0, 1), score=lambda _p, _s: {"flicker": 0.1}
    )
    for clip in content["clips"]:
        group = int(clip["prompt"][1:]) % groups
        part = {"own": 0.8, "others": 0.7, "value": value + (group - 1) / 10, "won": 0.75}
        if why is None:
            clip["cross_clip"] = {"group": f"g{group}", **part}
    return content | {"cross_clip": {"version": 1, "fingerprint": fingerprint, "why": why}}


def tables_of(contents: Iterable[Content]) -> list[Table]:
    (board,) = boards([fake.loaded(content) for content in contents])
    return list(identity_tables(board))


def cells(table: Table) -> list[list[str]]:
    return table.texts


def test_models_are_ordered_by_what_they_keep_over_groups() -> None:
    contents = [
        drawn("changing", 0.0),
        drawn("faithful", 0.3),
        drawn("unknown", 0, why="no weights"),
    ]
    (table,) = tables_of(contents)
    names = [row[0] for row in cells(table)]
    assert names == ["faithful", "changing", "unknown"]
    assert cells(table)[0][1:] == ["0.300", "0.750", "0.800", "0.700", "3"]
    assert cells(table)[2][1:] == ["-"] * 5
    assert table.below == (
        "Means over fewer than 5 groups stand without ±: so few carry no interval.",
        "unknown has none: no weights.",
    )


def test_five_groups_carry_an_interval() -> None:
    (table,) = tables_of([drawn("m", 0.3, groups=5)])
    assert cells(table)[0][1:3] == ["0.40 ±0.12", "0.750 ±0"]
    assert table.below == ()


def test_seeds_and_prompts_are_averaged_within_their_group() -> None:
    content = drawn("m", 0.0)
    content["clips"][0]["cross_clip"]["value"] = 0.7  # one of four clips of g0, instead of -.1
    result = fake.loaded(content)
    assert group_means(result.clips, "value") == [0.1, 0.0, 0.1]


def test_clips_with_nothing_to_compare_are_counted() -> None:
    content: dict[str, Any] = drawn("m", 0.2)
    lost = {"own": None, "others": None, "value": 0.0, "won": 0.5}
    content["clips"][3]["cross_clip"] |= lost
    (table,) = tables_of([content])
    assert table.below[1].startswith("m: 1 clip of 12 could be compared with nothing")


def test_other_networks_never_share_a_table() -> None:
    tables = tables_of([drawn("a", 0.1), drawn("b", 0.2, fingerprint="g")])
    assert [len(table.rows) for table in tables] == [1, 1]


def test_a_suite_without_groups_has_no_such_table() -> None:
    assert tables_of([fake.result("m")]) == []
    page = render(boards([fake.loaded(drawn("m", 0.1))]))
    assert "### Cross-clip identity" in page
