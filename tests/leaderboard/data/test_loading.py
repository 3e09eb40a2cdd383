"""Result files: found, read, and refused."""

import json
from pathlib import Path

import fake_results as fake
import pytest

from bench.errors import BenchError
from bench.leaderboard.data.files import find, load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.markdown import render
from bench.schema import dump

SCHEMA_1 = Path(__file__).parents[1] / "fixtures" / "result_schema_1.json"
"""A result as a run wrote it when schema 1 was new; it must load for as long as schema 1 does."""

SCHEMA_1_GROUPS = SCHEMA_1.with_name("result_schema_1_groups.json")
"""One of later, with hardware, groups, batches, software and the generator's version."""


def test_a_result_is_read(tmp_path: Path) -> None:
    content = fake.result(
        "wan", score=lambda p, _: {"flicker": p / 10, "identity": None}, prompts=3
    )
    result = load(fake.write(content, tmp_path))
    assert (result.model, result.suite, result.expected_clips) == ("wan", "toy", 3)
    assert result.metrics["flicker"].better == "lower"
    assert [clip.scores["flicker"] for clip in result.clips] == [0.0, 0.1, 0.2]
    assert result.clips[0].scores["identity"] is None
    assert result.clips[0].video_s == 2.0
    assert result.environment.versions["torch"] == "2.15.0"
    assert not result.random_weights
    assert json.loads(dump(result)) == content


def test_a_result_of_the_first_schema_loads_and_renders() -> None:
    result = load(SCHEMA_1)
    assert (result.model, result.suite, result.expected.seeds) == ("pan", "few", (0, 1))
    assert (result.card.title, result.card.licence) == ("Pan", "MIT")
    assert result.card.open_weights is True
    assert not result.measured
    assert [clip.status for clip in result.clips] == ["ok", "ok", "error", "error", "ok", "ok"]
    ball, cube = result.clips[0], result.clips[4]
    assert ball.scores["adherence"] == 14.435319043695927
    assert ball.shape == (16, 128, 128, 8.0)
    assert ball.lossy
    assert ball.delivery is not None
    assert ball.delivery.latency_s == 0.47891338399858796
    assert cube.scores["warp"] is None
    assert "static clip" in cube.unscored["warp"]
    page = render(boards([result]))
    assert "Pan" in page
    assert "no stars tonight" in page


def test_keys_of_tomorrow_are_left_alone(tmp_path: Path) -> None:
    content = json.loads(SCHEMA_1.read_text("utf-8"))
    clip = content["clips"][0]
    metric = content["metrics"]["warp"]
    for place in (content, content["card"], content["environment"], content["prompts"], clip):
        place["tomorrow"] = {"more": 1}
    for place in (clip["account"], content["expected"], content["calibration"], metric):
        place["tomorrow"] = None
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content), "utf-8")
    assert load(path).clips == load(SCHEMA_1).clips
    assert render(boards([load(path)])) == render(boards([load(SCHEMA_1)]))


def test_a_result_of_groups_loads_with_all_that_was_measured() -> None:
    result = load(SCHEMA_1_GROUPS)
    assert (result.model, result.suite, result.expected.seeds) == ("toy_drifting", "four", (0,))
    assert result.hardware is not None
    assert result.hardware.price_per_gpu_hour == 2.49
    assert result.environment.software == "torch 2.15.0"
    assert result.cross_clip is not None
    assert result.cross_clip.why is None
    values = [clip.cross_clip.value for clip in result.clips if clip.cross_clip is not None]
    assert values == pytest.approx([0.034552, -0.000785, 0.005846, 0.041184], abs=1e-6)
    assert "### Cross-clip identity" in render(boards([result]))


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("{half", "utf-8")
    with pytest.raises(BenchError, match=r"result\.json: expected JSON.*as a run wrote it"):
        load(path)


def test_find_takes_files_run_folders_suites_and_output_folders(tmp_path: Path) -> None:
    one = fake.write(fake.result("one"), tmp_path)
    two = fake.write(fake.result("two"), tmp_path)
    assert find([one]) == [one]
    assert find([one.parent]) == [one]
    assert find([tmp_path / "toy"]) == [one, two]
    assert find([tmp_path]) == [one, two]
    assert find([two, tmp_path, one.parent]) == [two, one]
    (tmp_path / "multirun.yaml").touch()
    assert find(sorted(tmp_path.iterdir())) == [one, two], "OUTPUTS/* after a run of several models"


def test_find_takes_a_leaderboard(tmp_path: Path) -> None:
    file = tmp_path / "results" / "toy" / "wan.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert find([tmp_path]) == [file]


def test_a_run_that_is_named_without_its_folder_is_found_for_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outputs" / "toy" / "toy_steady").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for typed in ("toy_steady", "model=toy_steady", "out=outputs/toy/toy_steady"):
        with pytest.raises(BenchError, match=r"did you mean outputs/toy/toy_steady\?"):
            find([Path(typed)])
    with pytest.raises(BenchError, match=r"did you mean outputs/toy\?"):
        find([Path("suite=toy")])
    with pytest.raises(BenchError, match=r"did you mean 'toy_steady'\?"):
        find([Path("outputs/toy/toy_stedy")])


def test_find_refuses_what_holds_no_result(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="found none"):
        find([tmp_path])
    with pytest.raises(BenchError, match="does not exist"):
        find([tmp_path / "nowhere"])
