import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import cli
from bench.commands.prompts import export, main
from bench.errors import BenchError
from bench.generators.folder import read_manifest
from bench.prompts import Item, Prompt

ITEMS = [Item(Prompt(name, f'a "{name}", \n red'), seed) for name in "ab" for seed in (0, 1)]


def test_an_export_is_a_manifest(tmp_path: Path) -> None:
    for kind in ("csv", "jsonl"):
        path = tmp_path / f"list.{kind}"
        path.write_text(export(ITEMS, kind=kind))
        entries = read_manifest(path)
        assert list(entries) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
        assert [entry.file for entry in entries.values()][:2] == ["a-0.mp4", "a-1.mp4"]
    rows = list(csv.DictReader(io.StringIO(export(ITEMS))))
    assert rows[0]["text"] == ITEMS[0].prompt.text


def test_images_are_named_for_whoever_makes_the_clips(tmp_path: Path) -> None:
    items = [Item(Prompt("a", "x", image=Path("pictures/a.png")), 0), Item(Prompt("b", "y"), 0)]
    path = tmp_path / "list.csv"
    path.write_text(export(items))
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["image"] for row in rows] == ["pictures/a.png", ""]
    assert len(read_manifest(path)) == 2


def exported(*arguments: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    assert main(["export", *arguments]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


@pytest.mark.parametrize(
    ("suite", "column", "value"),
    [
        ("long", "seconds", "15.0"),
        ("short_drama", "aspect", "9:16"),
        ("i2v", "image_prompt", "Portrait photograph of an old fisherman with a white beard "),
    ],
)
def test_a_list_says_what_the_clips_must_be(
    suite: str, column: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.csv"
    row = exported(f"suite={suite}", capsys=capsys)[0]
    assert row[column].startswith(value)
    assert len({"seconds", "aspect", "image_prompt"} & row.keys()) == 1
    assert main(["export", f"suite={suite}", "--into", str(path)]) == 0
    assert read_manifest(path)[row["prompt"], 0].file == row["file"]


def test_pictures_that_were_made_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "suite").mkdir(parents=True)
    asked = {"text": "it rolls", "image_prompt": "a red ball spins in front of a brick wall"}
    (tmp_path / "own.jsonl").write_text(json.dumps({"id": "a"} | asked))
    (tmp_path / "conf" / "suite" / "own.yaml").write_text(
        f"defaults: [/model/toy_steady@images]\nname: own\nprompts: {tmp_path}/own.jsonl\n"
        "seeds: [0]\n"
    )
    where = ["--config-dir", f"{tmp_path}/conf", "suite=own", f"out={tmp_path}/out"]
    assert "image" not in exported(*where, capsys=capsys)[0]
    (tmp_path / "clips").mkdir()
    cv2.imwrite(str(tmp_path / "clips" / "a-0.png"), np.zeros((8, 8, 3), np.uint8))
    run = ["model=folder", f"model.path={tmp_path}/clips", "model.name=x", "stages=[generate]"]
    monkeypatch.setattr("sys.argv", ["steadybench", *where, *run])
    cli.main()
    capsys.readouterr()
    [picture] = (tmp_path / "out" / "images").iterdir()
    assert exported(*where, capsys=capsys)[0]["image"] == str(picture)


def test_names_of_vbench_are_the_texts() -> None:
    items = [Item(Prompt("a", "a cat, running"), 3)]
    (row,) = csv.DictReader(io.StringIO(export(items, names="vbench")))
    assert row["file"] == "a cat, running-3.mp4"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["either/or"], "text of prompt 'p0' can be no file's name: take --names id"),
        (["x" * 256], "can be no file's name"),
        (["same", "same"], "two draws would share the file 'same-0.mp4'"),
    ],
)
def test_texts_that_can_name_no_file_are_refused(texts: list[str], message: str) -> None:
    items = [Item(Prompt(f"p{n}", text), 0) for n, text in enumerate(texts)]
    with pytest.raises(BenchError, match=message):
        export(items, names="vbench")


def test_the_command_of_the_prompts_module() -> None:
    export_ = [sys.executable, "-m", "bench.prompts", "export", "suite=toy", "--format", "jsonl"]
    done = subprocess.run(
        [*export_, "suite.seeds=[0,1]"], capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 48
    assert rows[1]["file"] == "roll-red-ball-1.mp4"


def test_a_suite_of_one_s_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "own.jsonl").write_text('{"id": "a", "text": "x"}')
    (tmp_path / "suite" / "own.yaml").write_text(
        f"name: own\nprompts: {tmp_path}/own.jsonl\nseeds: [5]\n"
    )
    assert main(["export", "suite=own", "--config-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "a-5.mp4,a,5,,,x"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "suite=tyo"], "there is no suite=tyo (did you mean 'toy'?); there are"),
        (["export", "suite=files"], "suite files has no prompts"),
        (["export", "suite=dance"], "suite.files"),
        (["export", "suite.prompts=none.jsonl"], "none.jsonl"),
        (["check", "nowhere", "suite=toy"], "there is nothing: type model.path=DIR"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--fromat", "csv"])
    assert "there is no --fromat" in capsys.readouterr().err
