"""Rows: what counts, what compares, and in which order."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fake_results as fake
import pytest
from fake_results import Content, Score

from bench.leaderboard.check import check
from bench.leaderboard.data.rows import SuiteBoard, boards, prompt_means
from bench.leaderboard.publish import publish

OTHER_PROMPTS = "other prompts (toy.jsonl, sha256 5ca1ab1e and toy.jsonl, sha256 0ther)"
WITH_HEADLINE = fake.METRICS | fake.COHERENCE


def board_of(contents: Iterable[Content]) -> SuiteBoard:
    results = [fake.loaded(content) for content in contents]
    (board,) = boards(results)
    return board


def coherent(level: float) -> Score:
    return lambda prompt, seed: {"coherence": level + prompt / 10 + seed, "flicker": 0.1}


def test_seeds_are_averaged_within_their_prompt() -> None:
    clips = [
        fake.clip("p00", 0, scores={"flicker": 1.0}),
        fake.clip("p00", 1, scores={"flicker": 3.0}),
        fake.clip("p01", 0, scores={"flicker": 8.0}),
        fake.clip("p01", 1, scores={"flicker": None}),
        fake.clip("p02", 0, scores={}),
    ]
    result = fake.loaded(fake.result("m", clips, prompts=3, seeds=(0, 1)))
    assert prompt_means(result, "flicker") == {"p00": 2.0, "p01": 8.0}


def test_a_failed_clip_is_a_headline_of_0_and_nothing_else() -> None:
    content = fake.result("m", score=coherent(50), prompts=2, metrics=WITH_HEADLINE)
    content["clips"][0] = fake.failed("p00")
    result = fake.loaded(content)
    assert prompt_means(result, "coherence") == {"p00": 0.0, "p01": 50.1}
    assert prompt_means(result, "flicker") == {"p01": 0.1}


def test_a_clip_that_cannot_be_read_counts_as_nothing() -> None:
    content = fake.result("m", score=coherent(50), prompts=2, metrics=WITH_HEADLINE)
    content["clips"][0] = fake.failed("p00", status="refused")
    result = fake.loaded(content)
    assert prompt_means(result, "coherence") == {"p01": 50.1}
    (group,) = board_of([content]).groups
    (row,) = group.partial  # as long as a clip of it is missing, whoever keeps it back
    assert (row.scored, row.refused, row.failed, row.unscored, row.missing) == (1, 1, 0, 0, 0)
    footage = {"prompts": {"name": None, "count": 2, "sha256": None}}
    (group,) = board_of([content | footage]).groups
    (row,) = group.complete
    interval = row.scores["coherence"].interval
    assert interval is not None
    assert interval.mean == 50.1


def test_rows_are_ordered_and_ranked_by_the_headline() -> None:
    contents = [
        fake.result("a", score=coherent(50), metrics=WITH_HEADLINE),
        fake.result("b", score=coherent(70), metrics=WITH_HEADLINE),
        fake.result("c", score=coherent(50), metrics=WITH_HEADLINE),
    ]
    (group,) = board_of(contents).groups
    assert [(row.label, row.rank) for row in group.complete] == [
        ("b", (1, 1)),
        ("a", (2, 3)),
        ("c", (2, 3)),
    ]
    assert [row.scores["coherence"].leading for row in group.complete] == [True, False, False]
    assert all(row.scores["flicker"].leading for row in group.complete)
    assert group.unranked is None


def test_without_the_headline_rows_are_ordered_by_name_and_not_ranked() -> None:
    contents = [fake.result(name, score=coherent(1)) for name in "cab"]
    (group,) = board_of(contents).groups
    assert [(row.label, row.rank) for row in group.complete] == [
        ("a", None),
        ("b", None),
        ("c", None),
    ]


def test_fewer_than_20_prompts_lead_and_rank_nowhere() -> None:
    contents = [
        fake.result(name, score=coherent(level), prompts=19, metrics=WITH_HEADLINE)
        for name, level in (("a", 50), ("b", 70))
    ]
    (group,) = board_of(contents).groups
    assert [row.label for row in group.complete] == ["b", "a"]
    assert all(row.rank is None for row in group.complete)
    assert not any(row.scores["coherence"].leading for row in group.complete)
    assert "19 prompts" in group.unranked


@pytest.mark.parametrize("lost", ["missing", "unscored"])
def test_an_incomplete_model_stands_apart_and_moves_no_rank(lost: str) -> None:
    contents = [
        fake.result(name, score=coherent(level), metrics=WITH_HEADLINE)
        for name, level in (("a", 50), ("b", 70), ("half", 99))
    ]
    if lost == "missing":
        del contents[2]["clips"][5:]
    else:
        contents[2]["clips"][0]["scores"] = {"flicker": 0.1}
    (group,) = board_of(contents).groups
    assert [(row.label, row.rank) for row in group.complete] == [("b", (1, 1)), ("a", (2, 2))]
    (row,) = group.partial
    assert (row.label, row.rank) == ("half", None)
    assert (row.missing, row.unscored) == ((19, 0) if lost == "missing" else (0, 1))


def first(prompts: int, name: str, level: float) -> Content:
    """Of a suite of 40 prompts and two seeds, the first so many, as `limit` makes them."""
    content = fake.result(
        name, score=coherent(level), prompts=40, seeds=(0, 1), metrics=WITH_HEADLINE
    )
    del content["clips"][2 * prompts :]
    return content


def test_what_all_have_ranks_whoever_has_more() -> None:
    contents = [first(22, "a", 50), first(40, "b", 70), first(25, "c", 60), first(3, "few", 99)]
    contents[1]["clips"][0] = fake.failed("p00")  # counts, as a 0
    (group,) = board_of(contents).groups
    ranked = [(row.label, row.rank, len(row.result.clips)) for row in group.complete]
    assert ranked == [("b", (1, 1), 44), ("c", (2, 2), 44), ("a", (3, 3), 44)]
    assert group.of_prompts == 40
    assert [row.label for row in group.partial] == ["few"]
    mean = sum(60 + prompt / 10 + 0.5 for prompt in range(22)) / 22
    quality = group.complete[1].quality
    assert quality is not None
    assert quality.interval is not None
    assert quality.interval.mean == pytest.approx(mean)


@pytest.mark.parametrize(("a", "b"), [(19, 40), (19, 19), (40, 3)])
def test_too_few_in_common_rank_nobody(a: int, b: int) -> None:
    (group,) = board_of([first(a, "a", 50), first(b, "b", 70)]).groups
    assert not any(row.rank for row in group.rows)
    assert group.of_prompts is None
    assert [len(row.result.clips) for row in sorted(group.rows, key=lambda row: row.label)] == [
        2 * a,
        2 * b,
    ]


def test_complete_runs_are_never_cut_down() -> None:
    contents = [first(40, "a", 50), first(40, "b", 70), first(30, "c", 60)]
    (group,) = board_of(contents).groups
    assert [len(row.result.clips) for row in group.complete] == [80, 80]
    assert [row.label for row in group.partial] == ["c"]


def test_a_prompt_that_lacks_a_seed_of_anybody_does_not_count() -> None:
    contents = [first(22, "a", 50), first(22, "b", 70)]
    del contents[0]["clips"][5]
    contents[1]["clips"][0]["scores"] = {"flicker": 0.1}
    (group,) = board_of(contents).groups
    assert {row.result.expected.prompts for row in group.complete} == {
        tuple(f"p{n:02d}" for n in range(22) if n not in (0, 2))
    }


def test_a_board_of_what_all_have_says_so_and_passes_its_check(tmp_path: Path) -> None:
    files = [fake.write(first(20, name, level), tmp_path) for name, level in (("a", 50), ("b", 70))]
    board = publish(files, tmp_path / "board").readme
    assert "20 prompts that all have, of 40, x 2 seeds" in board.read_text("utf-8")
    wrong = [f.text for f in check(tmp_path / "board").findings if f.wrong and "page" in f.text]
    assert wrong == []
    publish(files, tmp_path / "again")
    assert board.read_bytes() == (tmp_path / "again" / "README.md").read_bytes()


def test_a_model_with_failures_is_complete_and_pays_for_them() -> None:
    contents = [
        fake.result(name, score=coherent(50), metrics=WITH_HEADLINE) for name in ("fails", "works")
    ]
    for number in range(20):
        contents[0]["clips"][number] = fake.failed(f"p{number:02d}", status="oom")
    (group,) = board_of(contents).groups
    assert [(row.label, row.failed) for row in group.complete] == [("works", 0), ("fails", 20)]
    assert not group.partial


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"prompts": {"name": "toy.jsonl", "count": 24, "sha256": "0ther"}},
            OTHER_PROMPTS,
        ),
        ({"seeds": (0, 1)}, "other seeds (0 and 0, 1)"),
        (
            {
                "metrics": fake.METRICS
                | {"identity": {**fake.METRICS["identity"], "fingerprint": "2"}}
            },
            "other versions or backbones of identity",
        ),
    ],
)
def test_results_that_do_not_compare_never_share_a_group(
    changes: dict[str, Any], said: str
) -> None:
    odd = fake.result("c", score=coherent(1))
    if "seeds" in changes:
        odd = fake.result("c", score=coherent(1), **changes)
    odd |= {key: value for key, value in changes.items() if key != "seeds"}
    contents = [fake.result("a", score=coherent(1)), fake.result("b", score=coherent(1)), odd]
    first, second = board_of(contents).groups
    assert [row.label for row in first.complete + first.partial] == ["a", "b"]
    assert [row.label for row in second.complete + second.partial] == ["c"]
    assert first.differs == ()
    assert second.differs == (said,)


def test_a_metric_that_one_model_has_alone_leaves_the_table_whole() -> None:
    contents = [fake.result(name, score=coherent(1), metrics=WITH_HEADLINE) for name in "ab"]
    less = {name: of for name, of in contents[1]["metrics"].items() if name != "flicker"}
    contents[1]["metrics"] = less
    for clip in contents[1]["clips"]:
        clip["scores"].pop("flicker")
    (group,) = board_of(contents).groups
    assert [row.scores["flicker"].interval is None for row in group.complete] == [False, True]
    assert next(iter(group.metrics)) == "coherence"
    without = {name: of for name, of in less.items() if name != "coherence"}
    for clip in contents[1]["clips"]:
        clip["scores"].pop("coherence")
    first, second = board_of([contents[0], contents[1] | {"metrics": without}]).groups
    assert second.differs == ("coherence of one alone",)
    assert first.differs == ()


def test_random_weights_carry_speed_and_no_score() -> None:
    contents = [
        fake.result("random", score=coherent(99), metrics=WITH_HEADLINE, weights="random"),
        fake.result("real", score=coherent(50), metrics=WITH_HEADLINE),
    ]
    board = board_of(contents)
    assert [row.label for group in board.groups for row in group.complete] == ["real"]
    assert {row.label for rows in board.speeds.values() for row in rows} == {"random", "real"}


def test_models_with_the_same_title_keep_their_names() -> None:
    contents = [
        fake.result(name, score=coherent(1), card={"title": title})
        for name, title in (("a", "Wan"), ("b", "Wan"), ("c", "Mochi"), ("d", None))
    ]
    labels = board_of(contents).labels
    assert labels == {"a": "Wan (a)", "b": "Wan (b)", "c": "Mochi", "d": "d"}


def test_speed_counts_warm_clips_that_succeeded_and_keeps_devices_apart() -> None:
    clips = [
        fake.clip("p00", latency_s=99.0, warm=False),
        fake.clip("p01", latency_s=1.0),
        fake.clip("p02", latency_s=3.0),
        fake.failed("p03"),
        fake.clip(
            "p04",
            device="NVIDIA H200",
            latency_s=4.0,
            peak_memory_allocated_bytes=3 * 2**30,
            peak_memory_reserved_bytes=5 * 2**30,
            energy_j=4000.0,
        ),
    ]
    speeds = board_of([fake.result("m", clips)]).speeds
    assert list(speeds) == ["CPU, Some CPU", "NVIDIA H200, torch 2.15.0"]
    (cpu,), (gpu,) = speeds.values()
    assert cpu.clips == 2
    assert cpu.frames_per_s == 32 / 4
    assert cpu.compute_per_video_s == 4 / 4
    assert cpu.latency_s == pytest.approx((1.1, 2.0, 2.9))
    assert (cpu.allocated_gib, cpu.reserved_gib, cpu.kj_per_video_s) == (None, None, None)
    assert (gpu.allocated_gib, gpu.reserved_gib, gpu.kj_per_video_s) == (3.0, 5.0, 2.0)


def test_clips_that_were_only_read_have_no_speed() -> None:
    assert board_of([fake.result("m", measured=False)]).speeds == {}


def test_lossy_clips_never_share_a_table_with_clips_stored_without_loss() -> None:
    lossy = fake.result("c", score=coherent(99), metrics=WITH_HEADLINE)
    lossy["clips"][3]["lossy"] = True
    contents = [fake.result(name, score=coherent(1), metrics=WITH_HEADLINE) for name in "ab"]
    first, second = board_of([*contents, lossy]).groups
    assert [row.label for row in first.complete] == ["a", "b"]
    assert [row.label for row in second.complete] == ["c"]
    assert second.differs == ("other compression (lossless and lossy)",)


def test_upright_and_wide_clips_never_share_a_table() -> None:
    wide = [fake.result(name, score=coherent(50), metrics=WITH_HEADLINE) for name in "ab"]
    upright = fake.result("c", score=coherent(99), metrics=WITH_HEADLINE) | {"aspect": "9:16"}
    _, second = board_of([*wide, upright]).groups
    assert second.differs == ("other aspect (as each model makes it and 9:16)",)


def test_another_calibration_is_named() -> None:
    contents = [
        fake.result(name, score=coherent(1), calibration={"sha256": sha256})
        for name, sha256 in (("a", "1"), ("b", "1"), ("c", "2"))
    ]
    first, second = board_of(contents).groups
    assert len(first.complete) == 2
    assert second.differs == ("another calibration",)


def test_equal_models_all_lead_in_a_column_that_ranks_nobody() -> None:
    def scored(flicker: float) -> Score:
        return lambda prompt, _seed: {"coherence": 50.0 + prompt, "flicker": flicker + prompt}

    contents = [
        fake.result(name, score=scored(level), metrics=WITH_HEADLINE)
        for name, level in (("a", 1.0), ("b", 1.0), ("c", 5.0))
    ]
    (group,) = board_of(contents).groups
    assert [row.scores["flicker"].leading for row in group.complete] == [True, True, False]


def test_yields_are_those_of_complete_runs_on_prompts() -> None:
    partial = fake.result("b", score=coherent(90), metrics=WITH_HEADLINE)
    del partial["clips"][5:]
    contents = [fake.result("a", score=coherent(90), metrics=WITH_HEADLINE), partial]
    (group,) = board_of(contents).groups
    yields = {row.result.model: row.usable for row in group.rows if row.usable}
    assert list(yields) == ["a"]
    assert yields["a"].cost is not None
    assert yields["a"].cost.source == "CPU, Some CPU"
    assert yields["a"].cost.unit == "CPU-s"
