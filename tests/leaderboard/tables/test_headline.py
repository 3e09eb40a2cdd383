"""The table that is read first: quality beside what it takes, and on what terms."""

from dataclasses import replace
from functools import partial

import fake_results as fake
import pytest
from fake_results import Content, account

from bench.leaderboard.data.rows import boards
from bench.leaderboard.tables.answer import answer
from bench.leaderboard.tables.suite import tables
from bench.leaderboard.tables.table import Table

BESIDE = ("adherence", "dynamics", "lost_flicker")
TERMS = "Speed, size and terms"
METRICS = fake.COHERENCE | dict.fromkeys(BESIDE, fake.METRICS["identity"])
SCORES = {"coherence": 90.0, "adherence": 30.0, "dynamics": 0.2, "lost_flicker": 99.0}


def model(name: str, **changes: object) -> Content:
    content = fake.result(name, score=lambda *_: SCORES, metrics=METRICS)
    for clip in content["clips"]:
        clip |= changes
    return content


def table_of(contents: list[Content], title: str = "Headline") -> Table:
    (board,) = boards([fake.loaded(content) for content in contents])
    (table,) = [table for table in tables(board) if table.title == title]
    return table


def rows_of(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.headers, texts, strict=True)) for texts in table.texts]


def test_a_row_says_what_a_buyer_asks() -> None:
    ours = model("ours", peak_memory_allocated_bytes=12 * 2**30)
    ours["card"] = {"title": "Ours", "licence": "MIT", "open_weights": True, "max_seconds": 5}
    table = table_of([ours, model("other")])
    assert rows_of(table)[0] == {
        "rank": "1-2",
        "model": "other",
        "coherence ↑": "90 ±0",
        "adherence ↑": "30 ±0",
        "s per s of video ↓": "0.250",
        "cost per usable s ↓": "0.250 CPU-s",
    }
    assert table.below[0].endswith("Seconds, memory and cost are those of CPU, Some CPU.")
    other, mine = rows_of(table_of([ours, model("other")], TERMS))
    assert other == {
        "model": "other",
        "dynamics ↑": "0.200 ±0",
        "peak GiB ↓": "-",
        "licence": "Apache-2.0",
        "resolution": "128x96",
        "max duration s": "-",
        "open weights": "-",
        "clips": "24/24",
        "failed": "0",
    }
    assert mine["peak GiB ↓"] == "12.0"
    assert (mine["max duration s"], mine["open weights"]) == ("5", "yes")


def test_different_devices_are_named_in_each_row() -> None:
    rented = model("b", device="NVIDIA H200", latency_s=4.0)
    rented["hardware"] = {"price_per_gpu_hour": 3600, "currency": "USD", "gpus": 1}
    table = table_of([model("a"), rented])
    speeds = [row["s per s of video ↓"] for row in rows_of(table)]
    assert speeds == ["0.250 (CPU, Some CPU)", "2 (NVIDIA H200, torch 2.15.0)"]
    costs = [row["cost per usable s ↓"] for row in rows_of(table)]
    assert costs == ["0.250 CPU-s", "2 USD"]
    assert not any("Seconds" in line for line in table.below)


@pytest.mark.parametrize("title", ["Headline", "Yield and cost"])
def test_amounts_in_different_units_are_not_sorted_against_each_other(title: str) -> None:
    seconds, paid = (model(name, device="NVIDIA H200") for name in ("seconds", "paid"))
    paid["hardware"] = {"price_per_gpu_hour": 1, "currency": "EUR", "gpus": 1}

    def sorted_by(contents: list[Content]) -> set[bool]:
        table = table_of(contents, title)
        shown = [at for at, header in enumerate(table.headers) if "per usable s" in header]
        return {row[at] is None for row in table.numbers for at in shown}

    assert sorted_by([seconds, paid]) == {True}
    seconds["hardware"] = paid["hardware"] | {"price_per_gpu_hour": 2}
    assert sorted_by([seconds, paid]) == {False}


@pytest.mark.parametrize(
    ("title", "column"),
    [
        ("Headline", "s per s of video ↓"),
        ("Headline", "cost per usable s ↓"),
        (TERMS, "peak GiB ↓"),
    ],
)
def test_nothing_leads_in_what_belongs_to_the_hardware(title: str, column: str) -> None:
    fast = model("fast", latency_s=0.1, peak_memory_allocated_bytes=2**30)
    slow = model("slow", peak_memory_allocated_bytes=2**34)
    table = table_of([fast, slow], title)
    at = table.headers.index(column)
    assert not any(row[at].strong for row in table.rows)


def test_seconds_that_were_only_told_say_by_whom() -> None:
    told = model("told", latency_s=None, account=account("request", latency_s=6.0))
    told["measured"] = False
    (row,) = rows_of(table_of([told]))
    assert row["s per s of video ↓"] == "3 (request to answer, queue included)"
    assert "cost per usable s ↓" not in row  # waiting is not compute


def test_what_nobody_knows_is_left_out() -> None:
    table = table_of([model("a")], TERMS)
    assert not {"peak GiB ↓", "max duration s", "open weights"} & set(table.headers)


def test_points_lost_stand_in_a_table_of_their_own_without_what_their_names_share() -> None:
    table = table_of([model("a")], "Points lost to each kind of damage")
    assert table.headers == ["model", "flicker ↑"]


# ---- What ranks: clips that can be used, where what they show was measured ----


JUDGED = fake.COHERENCE | dict.fromkeys(
    ("adherence", "adherence_margin", "appeal"), fake.METRICS["identity"]
)


def judged(name: str, usable: int, coherence: float = 90.0, **changes: object) -> Content:
    """A model of whose 24 clips so many show what was asked for."""

    def score(prompt: int, _seed: int) -> dict[str, float | None]:
        margin = 5.0 if prompt < usable else -5.0
        return {"coherence": coherence, "adherence": 30.0, "adherence_margin": margin}

    content = fake.result(name, score=score, metrics=JUDGED)
    for clip in content["clips"]:
        clip |= changes
    return content


on_gpu = partial(judged, device="NVIDIA H100")


def test_who_ignores_the_prompts_ranks_below_who_follows_them() -> None:
    deaf, steady = judged("deaf", 6, coherence=99.0), judged("steady", 23)
    table = table_of([deaf, steady])
    assert [(row["rank"], row["model"], row["usable ↑"]) for row in rows_of(table)] == [
        ("1", "steady", "96% (88-100)"),
        ("2", "deaf", "25% (8-42)"),
    ]
    assert [row[2].strong for row in table.rows] == [True, False]
    assert [row[3].strong for row in table.rows] == [False, True]
    assert table.answer == "steady leads: 96% (88-100) of its clips can be used."
    assert not table.above


def test_of_models_with_as_many_usable_clips_the_more_coherent_comes_first() -> None:
    table = table_of([judged("a", 20, 85.0), judged("b", 20, 95.0)])
    assert [(row["rank"], row["model"]) for row in rows_of(table)] == [("1-2", "b"), ("1-2", "a")]


def test_a_clip_that_failed_cannot_be_used() -> None:
    fails = judged("fails", 24)
    for number in range(20):
        fails["clips"][number] = fake.failed(f"p{number:02d}", status="oom")
    table = table_of([fails, judged("works", 24, 81.0)])
    assert [(row["rank"], row["model"]) for row in rows_of(table)] == [
        ("1", "works"),
        ("2", "fails"),
    ]


def test_without_adherence_coherence_ranks_and_the_board_says_so() -> None:
    table = table_of([model("a"), model("b")])
    assert "usable ↑" not in table.headers
    assert table.above == (
        "Ordered by coherence alone: nobody measured whether clips show what was asked for.",
    )


def test_models_judged_by_other_criteria_are_not_ranked_by_them() -> None:
    strict = judged("strict", 24) | {"least_appeal": 60}
    for clip in strict["clips"]:
        clip["scores"] |= {"appeal": 50.0}
    table = table_of([strict, judged("lenient", 24)])
    assert table.above == (
        "Ordered by coherence alone: their clips were not judged by the same criteria.",
    )


def test_the_first_table_has_room_for_seven_columns() -> None:
    contents = [judged("a", 20), judged("b", 20)]
    for content in contents:
        for clip in content["clips"]:
            clip["scores"] |= {"appeal": 50.0}
    table = table_of(contents)
    assert [column.name for column in table.columns] == [
        "rank", "model", "usable", "coherence", "adherence", "appeal", "cost per usable s",
    ]  # fmt: skip
    assert "s per s of video ↓" in table_of(contents, TERMS).headers


# ---- The sentence ----


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            [judged("a", 23), judged("b", 22), judged("c", 2)],
            "a and b lead, with first place open between them: "
            "92% to 96% of their clips can be used.",
        ),
        (
            [judged("a", 23), judged("b", 22)],
            "First place is open between all 2 models: 92% to 96% of their clips can be used.",
        ),
        (
            [on_gpu("a", 23), on_gpu("b", 22, latency_s=0.1), on_gpu("c", 2, latency_s=0.01)],
            "a and b lead, with first place open between them: "
            "92% to 96% of their clips can be used; "
            "b is 5.0 times as fast as a.",
        ),
        (  # seconds of a processor depend on what else it did
            [judged("a", 23), judged("b", 22, latency_s=0.1)],
            "First place is open between all 2 models: 92% to 96% of their clips can be used.",
        ),
        (
            [on_gpu("a", 24), on_gpu("c", 15, latency_s=0.1)],
            "a leads: 100% (88-100) of its clips can be used; c is 5.0 times as fast as a and 38 "
            "points behind (21 to 58).",
        ),
        (
            [on_gpu("a", 24), on_gpu("c", 4, latency_s=0.1)],
            "a leads: 100% (88-100) of its clips can be used.",
        ),
        ([judged("a", 0), judged("b", 0)], "No clip of the 2 models can be used."),
        ([judged("a", 23)], "a stands alone: 96% (88-100) of its clips can be used."),
    ],
)  # fmt: skip
def test_the_sentence_says_no_more_than_the_intervals(contents: list[Content], said: str) -> None:
    assert table_of(contents).answer == said


def test_sentence_ranks_and_bold_are_of_one_rule() -> None:
    """Of b alone, a would be surely better; among all pairs of five models it is not."""
    usable = {"a": 21, "b": 17, "c": 2, "d": 2, "e": 2}
    table = table_of([judged(name, clips) for name, clips in usable.items()])
    assert table.answer == (
        "a and b lead, with first place open between them: 71% to 88% of their clips can be used."
    )
    assert [row["rank"] for row in rows_of(table)] == ["1-2", "1-2", "3-5", "3-5", "3-5"]
    at = table.headers.index("usable ↑")
    assert [row[at].strong for row in table.rows] == [True, True, False, False, False]


def test_who_may_be_second_is_not_said_to_lead() -> None:
    """Who is not surely worse than the best may be surely worse than a third."""
    (board,) = boards([fake.loaded(judged(*each)) for each in (("a", 23), ("b", 21), ("c", 9))])
    (group,) = board.groups
    ranks = (1, 2), (2, 2), (2, 3)
    rows = [replace(row, rank=rank) for row, rank in zip(group.complete, ranks, strict=True)]
    said = answer(replace(group, complete=tuple(rows)))
    assert said == "No model is surely better than a: 96% (88-100) of its clips can be used."


def test_no_speed_is_compared_across_devices() -> None:
    fast = judged("fast", 22, latency_s=0.1, device="NVIDIA H200")
    assert "times as fast" not in table_of([judged("a", 23), fast]).answer


def test_who_was_timed_elsewhere_on_the_common_prompts_is_not_compared() -> None:
    """Ranked on 22 prompts, which one made on a GPU of which its other clips are not."""

    def made(name: str, prompts: int, first: str) -> Content:
        content = fake.result(name, score=lambda *_: {"coherence": 90.0}, prompts=60)
        content["clips"] = content["clips"][:prompts]
        for number, clip in enumerate(content["clips"]):
            clip["device"] = first if number < 22 else "GPU B"
        return content

    (board,) = boards([fake.loaded(made("a", 50, "GPU A")), fake.loaded(made("b", 22, "GPU B"))])
    assert "times as fast" not in next(iter(tables(board))).answer


@pytest.mark.parametrize("latencies_s", [(0.1, 0.25), (0.25, 0.1)])
def test_timed_on_two_gpus_the_sentence_is_of_the_lesser_gain(
    latencies_s: tuple[float, float],
) -> None:
    def on_two(name: str, *latencies_s: float) -> Content:
        content = judged(name, 23)
        content["expected"]["seeds"] = [0, 1]
        content["clips"] = [
            clip | {"seed": seed, "device": f"GPU {seed}", "latency_s": latency_s}
            for seed, latency_s in enumerate(latencies_s)
            for clip in content["clips"]
        ]
        return content

    table = table_of([on_two("a", 0.5, 0.5), on_two("b", *latencies_s)])
    assert table.answer.endswith("b is 2 times as fast as a.")
