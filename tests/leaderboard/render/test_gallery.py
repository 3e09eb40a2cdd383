"""The gallery of a leaderboard: which clips, how many, and what is believed of an index."""

import json
from pathlib import Path

import fake_results as fake
import fake_runs
import pytest

from bench.errors import BenchError
from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import prompt_categories
from bench.leaderboard.render import gallery
from bench.leaderboard.render.gallery import (
    Gallery,
    draw_order,
    load_gallery,
    save_gallery,
)

CATEGORIES = ("people", "people", "people", "motion", "scenes")


def content(model: str = "wan", seeds: tuple[int, ...] = (0, 1)) -> fake.Content:
    made = fake.result(model, prompts=5, seeds=seeds)
    for entry in made["clips"]:
        entry["category"] = CATEGORIES[int(entry["prompt"][1:])]
    return made


def saved(path: Path, into: Path, *, copy: bool = True) -> Gallery:
    result = load(path)
    draws = draw_order(result, prompt_categories([result]))
    save_gallery(result, draws, path.parent, into, copy=copy)
    return load_gallery(result, into)


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_the_first_draws_are_one_of_each_category_and_of_one_seed() -> None:
    result = fake.loaded(content())
    draws = draw_order(result, prompt_categories([result]))
    assert draws[:5] == [("p00", 0), ("p03", 0), ("p04", 0), ("p01", 0), ("p02", 0)]
    assert sorted(draws) == sorted((clip.prompt, clip.seed) for clip in result.clips)


def test_an_incomplete_run_takes_its_categories_from_the_others() -> None:
    half = content("half")
    del half["clips"][2:]
    results = [fake.loaded(made) for made in (content(), half)]
    known = prompt_categories(results)
    assert draw_order(results[1], known) == draw_order(results[0], known)


def test_copied_clips_come_with_text_curves_and_mean_lags(tmp_path: Path) -> None:
    path = fake_runs.write(content(seeds=(0,)), tmp_path, made=3)
    found = saved(path, tmp_path / "board")
    assert [clip.source for clip in found.clips] == [
        f"clips/toy/wan/{prompt}/0.mp4" for prompt in ("p00", "p01", "p02")
    ]
    first = found.clips[0]
    assert (tmp_path / "board" / str(first.source)).stat().st_size > 500
    assert first.text == "a ball rolls"
    assert set(first.curves) == {"adherence"}, "a series that names no times is no curve"
    assert first.curves["adherence"].at_s[:2] == (0, 0.125)
    assert found.lags is not None
    assert found.lags["identity_lag"].values == (1, pytest.approx(0.89), None)


def test_the_curve_of_a_metric_is_the_series_that_bears_its_name(tmp_path: Path) -> None:
    path = fake_runs.write(content(seeds=(0,)), tmp_path, made=1)
    (record,) = path.parent.glob("scores/p00/*.json")
    scores = json.loads(record.read_text("utf-8"))
    series = scores["metrics"]["adherence"]["series"]
    series |= {"a_part": [0.5] * len(series["adherence"])}  # before it in the alphabet
    before = series["adherence"]
    record.write_text(json.dumps(scores), "utf-8")
    (clip,) = (c for c in saved(path, tmp_path / "board").clips if c.curves)
    assert clip.curves["adherence"].values == pytest.approx(before, rel=1e-3)


def test_no_more_is_copied_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_runs.write(content(seeds=(0,)), tmp_path, made=5)
    monkeypatch.setattr(gallery, "MOST_COPIED", 3)
    assert [clip.prompt for clip in saved(path, tmp_path / "a").clips] == ["p00", "p03", "p04"]
    size = (path.parent / "previews" / "p00" / "0.mp4").stat().st_size
    monkeypatch.setattr(gallery, "MOST_COPIED_BYTES", 2.5 * size)
    found = saved(path, tmp_path / "b").clips
    assert [clip.prompt for clip in found if clip.source] == ["p00", "p03"]
    assert found[2].curves, "curves cost little"


def test_linked_clips_stay_where_they_are(tmp_path: Path) -> None:
    path = fake_runs.write(content(seeds=(0,)), tmp_path, made=2)
    found = saved(path, tmp_path / "leaderboard", copy=False)
    assert [clip.source for clip in found.clips] == [
        "../toy/wan/previews/p00/0.mp4", "../toy/wan/previews/p01/0.mp4",
    ]  # fmt: skip
    assert files(tmp_path / "leaderboard") == ["clips/toy/wan/clips.json"]


def test_publishing_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    board = tmp_path / "board"
    saved(fake_runs.write(content(seeds=(0,)), tmp_path / "old", made=4), board)
    saved(fake_runs.write(content(seeds=(0,)), tmp_path / "new", made=1), board)
    assert files(board) == ["clips/toy/wan/clips.json", "clips/toy/wan/p00/0.mp4"]


def test_a_result_without_its_run_keeps_what_was_published(tmp_path: Path) -> None:
    board = tmp_path / "board"
    path = fake_runs.write(content(seeds=(0,)), tmp_path / "run", made=2)
    saved(path, board)
    before = files(board)
    alone = fake.write(json.loads(path.read_text("utf-8")), tmp_path / "alone")
    assert len(saved(alone, board).clips) == 2
    assert files(board) == before


def test_clips_of_other_frames_than_the_scored_ones_are_not_shown(tmp_path: Path) -> None:
    board = tmp_path / "board"
    made = content(seeds=(0,))
    saved(fake_runs.write(made, tmp_path, made=2), board)
    made["clips"][0]["frames_sha256"] = "99"
    assert [clip.prompt for clip in load_gallery(fake.loaded(made), board).clips] == ["p01"]


def test_prompts_that_are_no_file_names_are_left_out(tmp_path: Path) -> None:
    made = fake.result("wan", [fake.clip("../../p"), fake.clip("ok")])
    made["expected"] = {"prompts": ["../../p", "ok"], "seeds": [0]}
    (tmp_path / "toy" / "wan" / "previews" / "ok").mkdir(parents=True)
    (tmp_path / "toy" / "wan" / "previews" / "ok" / "0.mp4").write_bytes(b"x")
    found = saved(fake.write(made, tmp_path), tmp_path / "board")
    assert [clip.prompt for clip in found.clips] == ["ok"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"schema": 2}, "expected schema 1, got 2"),
        ({"clips": [{"prompt": "../p00"}]}, r"clips\[0\].prompt: expected text like"),
        ({"lags": {"x": {"at_s": [1], "values": [1, 2]}}}, "a curve of even length"),
        ({"lags": {"x": {"at_s": [float("nan")], "values": [1]}}}, "expected a finite number"),
    ],
)
def test_an_index_that_was_tampered_with_is_one_line(
    change: dict[str, object], fault: str, tmp_path: Path
) -> None:
    path = fake_runs.write(content(seeds=(0,)), tmp_path, made=1)
    saved(path, tmp_path)
    index = tmp_path / "clips" / "toy" / "wan" / "clips.json"
    index.write_text(json.dumps(json.loads(index.read_text("utf-8")) | change), "utf-8")
    result = load(path)
    with pytest.raises(BenchError, match=rf"clips\.json: .*{fault}"):
        load_gallery(result, tmp_path)
