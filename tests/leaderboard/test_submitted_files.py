"""Figures and clips beside published results: what the check says of those that were exchanged."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_runs
import pytest

from bench.leaderboard.__main__ import main
from bench.leaderboard.check import wrong_files
from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.publish import pages, publish, tables_of
from bench.prompts import load_suite
from bench.storage import PACKAGE

RESULTS = PACKAGE.parent / "leaderboard" / "results" / "toy"
INJECTED = b"</svg></figure><h1>Injected heading</h1><script>alert(1)</script>"
FIRST = load_suite("toy.jsonl")[0][0]


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of two models with figures, contact sheets and a clip of each."""
    folder = tmp_path_factory.mktemp("runs")
    runs = []
    for model, source in (("one", "toy_steady"), ("two", "toy_wobbling")):
        content = json.loads((RESULTS / f"{source}.json").read_text("utf-8"))
        content["model"] = model
        runs.append(fake_runs.write(content, folder / "outputs", made=1, text=FIRST.text))
    publish(runs, folder / "board")
    return folder / "board"


@pytest.fixture
def board(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "board"))


def said(board: Path) -> list[str]:
    results = [load(path) for path in sorted((board / "results").rglob("*.json"))]
    findings = wrong_files(boards(results), board)
    return [f"{finding.file.relative_to(board)}: {finding.text}" for finding in findings]


def index_of(board: Path, model: str = "one") -> Path:
    return board / "clips" / "toy" / model / "clips.json"


def spoil_index(board: Path, change: Callable[[Any], None]) -> None:
    index = json.loads(index_of(board).read_text("utf-8"))
    change(index)
    index_of(board).write_text(json.dumps(index), "utf-8")


def test_what_was_published_is_right(board: Path) -> None:
    assert {path.suffix for path in board.rglob("*.*")} >= {".svg", ".png", ".mp4", ".json"}
    assert main(["--check", str(board)]) == 0


def inside(text: bytes) -> Callable[[bytes], bytes]:
    return lambda svg: svg.replace(b"</svg>", text + b"</svg>")


@pytest.mark.parametrize(
    "put",
    [
        lambda svg: svg + INJECTED,
        lambda _: b"no figure",
        lambda _: b"",
        inside(b"<script>alert(1)</script>"),
        inside(b"<style>tr { display: none }</style>"),
        inside(b'<g onload="alert(1)"/>'),
        inside(b'<use href="http://example.com/x.svg#a"/>'),
        inside(b'<g style="position: fixed"/>'),
    ],
)
def test_a_figure_that_is_more_than_an_image_is_said(
    put: Callable[[bytes], bytes], board: Path
) -> None:
    figure = board / "figures" / "toy" / "parts.svg"
    figure.write_bytes(put(figure.read_bytes()))
    (line,) = said(board)
    assert line.startswith("figures/toy/parts.svg: expected an SVG image of shapes and text alone")


def test_figures_of_another_drawing_library_are_right(board: Path) -> None:
    figure = board / "figures" / "toy" / "parts.svg"
    figure.write_bytes(inside(b"<!-- drawn otherwise --><g/>")(figure.read_bytes()))
    assert said(board) == []


def test_a_contact_sheet_is_a_png(board: Path) -> None:
    sheet = board / "figures" / "toy" / "models" / "one.png"
    sheet.write_bytes(b"\x89PNG")
    (line,) = said(board)
    assert line.startswith("figures/toy/models/one.png: expected a PNG image")


def test_nothing_that_follows_a_figure_comes_onto_the_page(board: Path) -> None:
    figure = board / "figures" / "toy" / "parts.svg"
    figure.write_bytes(figure.read_bytes() + INJECTED)
    results = [load(path) for path in (board / "results").rglob("*.json")]
    suites = boards(results)
    page = pages(suites, tables_of(suites, board), board)[board / "index.html"]
    assert "Injected" not in page
    assert page.count("<svg") == page.count("</svg>") > 0


def test_figures_too_many_and_too_few_are_said(board: Path) -> None:
    figures = board / "figures" / "toy"
    (figures / "parts.svg").rename(figures / "extra.svg")
    assert [line.partition("; ")[0] for line in said(board)] == [
        "figures/toy/extra.svg: no results give such a figure",
        "figures/toy/parts.svg: expected a figure, there is none",
    ]


def test_files_that_no_result_explains_are_said(board: Path) -> None:
    strays = ["clips/toy/three/clips.json", "figures/other.png", "figures/toy/models/x.png"]
    for name in strays:
        (board / name).parent.mkdir(parents=True, exist_ok=True)
        (board / name).write_text("x")
    assert said(board) == [f"{name}: no result here explains it; remove it" for name in strays]


def test_a_clip_of_another_model_is_said(board: Path) -> None:
    one, two = (index_of(board, model).parent / FIRST.id / "0.mp4" for model in ("one", "two"))
    one.write_bytes(two.read_bytes() + b"\0")
    (line,) = said(board)
    assert line.startswith(f"clips/toy/one/{FIRST.id}/0.mp4: expected the preview of sha256")


def test_an_index_of_before_hashes_were_kept_is_read(board: Path) -> None:
    spoil_index(board, lambda index: [clip.pop("preview_sha256") for clip in index["clips"]])
    assert said(board) == []


def test_a_text_that_is_not_the_prompts_is_said(board: Path) -> None:
    spoil_index(board, lambda index: index["clips"][0].update(text="a much harder prompt"))
    (line,) = said(board)
    assert f"prompt {FIRST.id!r} has another text than in prompts/toy.jsonl" in line


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda index: index.update(schema=2), "expected schema 1, got 2"),
        (lambda index: index.update(clips=3), "clips: expected a list, got 3"),
        (lambda index: index["clips"][0].update(seed=float("inf")), "clips[0].seed: expected"),
        (lambda index: index["lags"].update(x={"at_s": [10**400], "values": [1]}), "lags.x.at_s"),
    ],
)
def test_broken_indices_are_all_said(
    change: Callable[[Any], None], fault: str, board: Path
) -> None:
    spoil_index(board, change)
    index_of(board, "two").write_text("{")
    first, second = said(board)
    assert first.startswith(f"clips/toy/one/clips.json: {fault}")
    assert second.startswith("clips/toy/two/clips.json: expected JSON")


def test_a_page_is_not_drawn_from_what_is_wrong(
    board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (board / "figures" / "toy" / "parts.svg").write_text("no figure")
    spoil_index(board, lambda index: index.update(clips=3))
    (board / "stray").write_text("only folders of the benchmark's own are looked into")
    assert main(["--check", str(board)]) == 1
    assert " 1 wrong, 2 notes" in capsys.readouterr().out
    shutil.rmtree(board / "clips")
    assert main(["--check", str(board)]) == 1
    publish([], board)
    assert main(["--check", str(board)]) == 0
