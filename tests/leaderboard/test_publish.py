"""Publishing results."""

import io
import json
import subprocess
import sys
from pathlib import Path

import fake_results as fake
import fake_runs
import pytest

from bench.errors import BenchError
from bench.leaderboard.__main__ import main
from bench.leaderboard.publish import publish
from bench.storage import PACKAGE


def steady(prompt: int, _seed: int) -> dict[str, float | None]:
    return {"flicker": prompt / 100, "identity": 0.9}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_results_are_copied_and_the_page_is_written(tmp_path: Path) -> None:
    source = fake.write(fake.result("wan", score=steady), tmp_path / "outputs")
    page = publish([source], tmp_path / "board").readme
    copy = tmp_path / "board" / "results" / "toy" / "wan.json"
    assert page == tmp_path / "board" / "README.md"
    assert copy.read_bytes() == source.read_bytes()
    assert "| wan |" in page.read_text("utf-8")


def test_what_was_published_before_stays_and_is_replaced_by_newer(tmp_path: Path) -> None:
    board, outputs = tmp_path / "board", tmp_path / "outputs"
    publish([fake.write(fake.result("a", score=steady), outputs)], board)
    page = publish([fake.write(fake.result("b", score=steady), outputs)], board).readme
    assert "| a |" in page.read_text("utf-8")
    assert "| b |" in page.read_text("utf-8")
    newer = fake.result("a", score=lambda *_: {"flicker": 0.5, "identity": 0.25})
    page = publish([fake.write(newer, outputs)], board).readme
    assert page.read_text("utf-8").count("| a | ") == 4  # scores, terms, speed, provenance
    assert "0.250 ±0" in page.read_text("utf-8")


def test_models_that_people_have_rated_show_it(tmp_path: Path) -> None:
    board, outputs = tmp_path / "board", tmp_path / "outputs"
    sources = [fake.write(fake.result(name, score=steady), outputs) for name in "ab"]
    rated = {"a": [2, 3, None], "b": [4.5, 4, 5], "footage": [5]}
    clips = [
        {"model": name, "ratings": {"temporal_quality": ratings}, "real": name == "footage"}
        for name, ratings in rated.items()
    ]
    board.mkdir()
    (board / "people.json").write_text(json.dumps(clips))
    text = publish(sources, board).readme.read_text("utf-8")
    assert "People rate b highest." in text
    assert "how these models' clips move, 1 to 5: b 4.50, a 2.50." in text
    alike = [clip | {"ratings": {"temporal_quality": [3]}} for clip in clips]
    (board / "people.json").write_text(json.dumps(alike))
    assert "highest" not in publish(sources, board).readme.read_text("utf-8")
    (board / "people.json").write_text(json.dumps(clips[:1]))
    assert "1 to 5" not in publish(sources, board).readme.read_text("utf-8")


@pytest.mark.parametrize("text", ["{}x", "[1]", '[{"model": "a", "real": false}]', '{"a": 1}'])
def test_ratings_of_another_form_are_refused_before_anything_is_written(
    text: str, tmp_path: Path
) -> None:
    source = fake.write(fake.result("wan", score=steady), tmp_path / "outputs")
    board = tmp_path / "board"
    board.mkdir()
    (board / "people.json").write_text(text)
    with pytest.raises(BenchError, match=r"people\.json: expected what `steadybench validate"):
        publish([source], board)
    assert snapshot(board) == {"people.json": text.encode()}


def test_two_results_for_one_place_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    one = fake.write(fake.result("wan"), tmp_path / "one")
    two = fake.write(fake.result("wan", score=steady), tmp_path / "two")
    with pytest.raises(BenchError) as refused:
        publish([one, two], tmp_path / "board")
    assert str(refused.value) == (
        f"expected one result per suite and model, {one} and {two} are different results of "
        "toy/wan: give only the one that counts, or make the other anew with ++model.name=NAME"
    )
    assert not (tmp_path / "board").exists()


def test_the_same_result_given_again_by_another_path_is_published_once(tmp_path: Path) -> None:
    run = fake_runs.write(fake.result("wan", score=steady), tmp_path / "outputs", made=1)
    copy = fake.write(json.loads(run.read_bytes()), tmp_path / "copy").rename(tmp_path / "wan.json")
    publish([copy, run], tmp_path / "board")
    assert snapshot(tmp_path / "board")["results/toy/wan.json"] == run.read_bytes()
    assert (tmp_path / "board" / "clips/toy/wan/clips.json").is_file(), "those of the run"


def test_a_bad_result_among_good_ones_leaves_the_board_as_it_was(tmp_path: Path) -> None:
    board = tmp_path / "board"
    publish([fake.write(fake.result("a", score=steady), tmp_path)], board)
    before = snapshot(board)
    good = fake.write(fake.result("b"), tmp_path)
    bad = fake.write(fake.result("c", schema=99), tmp_path)
    with pytest.raises(BenchError, match="schema"):
        publish([good, bad], board)
    assert snapshot(board) == before


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "a\nb"])
def test_names_that_are_no_file_names_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(fake.result(name)), "utf-8")
    with pytest.raises(BenchError, match="letters, digits"):
        publish([path], tmp_path / "board")


def test_a_published_file_under_another_name_is_refused(tmp_path: Path) -> None:
    board = tmp_path / "board"
    publish([fake.write(fake.result("a", score=steady), tmp_path)], board)
    results = board / "results" / "toy"
    (results / "copy.json").write_bytes((results / "a.json").read_bytes())
    with pytest.raises(BenchError, match=r"copy\.json"):
        publish([fake.write(fake.result("b"), tmp_path)], board)


def test_command_prints_the_table_and_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.write(fake.result("wan", score=steady), tmp_path / "outputs")
    board = tmp_path / "board"
    assert main([str(tmp_path / "outputs"), "--into", str(board)]) == 0
    out, err = capsys.readouterr()
    assert "flicker" in out
    assert str(board / "README.md") in out
    assert err == ""


def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--into", str(tmp_path / "board")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("steadybench: expected result.json")


@pytest.mark.parametrize("into", ["", " "])
def test_an_empty_path_is_no_folder(
    into: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = fake.write(fake.result("wan", score=steady), tmp_path / "outputs")
    assert main([str(source), "--into", into]) == 2
    assert "--into DIR" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


@pytest.mark.parametrize("text", ["", "# My project\n", "# Leaderboard\n\nof my own\n"])
def test_a_readme_of_somebody_else_is_kept(text: str, tmp_path: Path) -> None:
    source = fake.write(fake.result("wan", score=steady), tmp_path / "outputs")
    board = tmp_path / "board"
    board.mkdir()
    (board / "README.md").write_text(text)
    with pytest.raises(BenchError, match="another folder with --into DIR"):
        publish([source], board)
    assert snapshot(board) == {"README.md": text.encode()}


def test_a_broken_neighbour_stops_nobody(tmp_path: Path) -> None:
    source = fake.write(fake.result("wan", score=steady), tmp_path)
    neighbour = source.parent.parent / "old" / "result.json"
    neighbour.parent.mkdir()
    neighbour.write_text("{")
    assert publish([source], tmp_path / "board").readme.is_file()
    with pytest.raises(BenchError, match=r"old/result\.json.*as a run wrote it"):
        publish([neighbour], tmp_path / "board")


def test_a_terminal_without_arrows_shows_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fake.write(fake.result("wan", score=steady), tmp_path)
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main([str(source), "--into", str(tmp_path / "board")]) == 0
    sys.stdout.flush()
    assert b"flicker ?" in raw.getvalue()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--check", str(PACKAGE.parent / "leaderboard")]]
)
def test_publishing_and_checking_need_no_networks(arguments: list[str]) -> None:
    script = (
        "import sys; from bench.leaderboard.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'diffusers'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"
