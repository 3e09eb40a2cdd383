"""The table that is read first: quality beside what it takes, and on what terms."""

from pathlib import Path

import fake_results as fake
import pytest
from fake_results import Content, account

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.tables.suite import tables
from bench.leaderboard.tables.table import Table

BESIDE = ("adherence", "dynamics", "lost_flicker")
METRICS = fake.COHERENCE | dict.fromkeys(BESIDE, fake.METRICS["identity"])
SCORES = {"coherence": 90.0, "adherence": 30.0, "dynamics": 0.2, "lost_flicker": 99.0}


def model(name: str, **changes: object) -> Content:
    content = fake.result(name, score=lambda *_: SCORES, metrics=METRICS)
    for clip in content["clips"]:
        clip |= changes
    return content


def table_of(contents: list[Content], tmp_path: Path, title: str = "Headline") -> Table:
    (board,) = boards([load(fake.write(content, tmp_path)) for content in contents])
    (table,) = [table for table in tables(board) if table.title == title]
    return table


def rows_of(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.headers, texts, strict=True)) for texts in table.texts]


def test_a_row_says_what_a_buyer_asks(tmp_path: Path) -> None:
    ours = model("ours", peak_memory_allocated_bytes=12 * 2**30)
    ours["card"] = {"title": "Ours", "licence": "MIT", "open_weights": True, "max_seconds": 5}
    table = table_of([ours, model("other")], tmp_path)
    assert rows_of(table)[0] == {
        "rank": "1-2",
        "model": "other",
        "coherence ↑": "90 ±0",
        "adherence ↑": "30 ±0",
        "dynamics ↑": "0.200 ±0",
        "s per s of video ↓": "0.250",
        "peak GiB ↓": "-",
        "cost per usable s ↓": "0.250 CPU-s",
        "licence": "Apache-2.0",
        "resolution": "128x96",
        "max duration s": "-",
        "open weights": "-",
        "clips": "24/24",
        "failed": "0",
    }
    mine = rows_of(table)[1]
    assert mine["peak GiB ↓"] == "12.0"
    assert (mine["max duration s"], mine["open weights"]) == ("5", "yes")
    assert "Seconds, memory and cost are those of CPU, Some CPU." in table.above


def test_different_devices_are_named_in_each_row(tmp_path: Path) -> None:
    rented = model("b", device="NVIDIA H200", latency_s=4.0)
    rented["hardware"] = {"price_per_gpu_hour": 3600, "currency": "USD", "gpus": 1}
    table = table_of([model("a"), rented], tmp_path)
    speeds = [row["s per s of video ↓"] for row in rows_of(table)]
    assert speeds == ["0.250 (CPU, Some CPU)", "2 (NVIDIA H200, torch 2.15.0)"]
    costs = [row["cost per usable s ↓"] for row in rows_of(table)]
    assert costs == ["0.250 CPU-s", "2 USD"]
    assert not any("Seconds" in line for line in table.above)


@pytest.mark.parametrize("title", ["Headline", "Yield and cost"])
def test_amounts_in_different_units_are_not_sorted_against_each_other(
    title: str, tmp_path: Path
) -> None:
    seconds, paid = (model(name, device="NVIDIA H200") for name in ("seconds", "paid"))
    paid["hardware"] = {"price_per_gpu_hour": 1, "currency": "EUR", "gpus": 1}

    def sorted_by(contents: list[Content]) -> set[bool]:
        table = table_of(contents, tmp_path, title)
        shown = [at for at, header in enumerate(table.headers) if "per usable s" in header]
        return {row[at] is None for row in table.numbers for at in shown}

    assert sorted_by([seconds, paid]) == {True}
    seconds["hardware"] = paid["hardware"] | {"price_per_gpu_hour": 2}
    assert sorted_by([seconds, paid]) == {False}


@pytest.mark.parametrize("column", ["s per s of video ↓", "cost per usable s ↓", "peak GiB ↓"])
def test_nothing_leads_in_what_belongs_to_the_hardware(column: str, tmp_path: Path) -> None:
    fast = model("fast", latency_s=0.1, peak_memory_allocated_bytes=2**30)
    table = table_of([fast, model("slow", peak_memory_allocated_bytes=2**34)], tmp_path)
    at = table.headers.index(column)
    assert not any(row[at].strong for row in table.rows)


def test_seconds_that_were_only_told_say_by_whom(tmp_path: Path) -> None:
    told = model("told", latency_s=None, account=account("request", latency_s=6.0))
    told["measured"] = False
    (row,) = rows_of(table_of([told], tmp_path))
    assert row["s per s of video ↓"] == "3 (request to answer, queue included)"
    assert "cost per usable s ↓" not in row  # waiting is not compute


def test_what_nobody_knows_is_left_out_and_named(tmp_path: Path) -> None:
    table = table_of([model("a")], tmp_path)
    assert "peak GiB ↓" not in table.headers
    assert "Known of no row: peak GiB, max duration s, open weights." in table.below


def test_sub_scores_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    table = table_of([model("a")], tmp_path, "Sub-scores")
    assert table.headers == ["model", "lost_flicker ↑"]
