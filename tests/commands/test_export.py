"""The export command."""

import json
from pathlib import Path

import fake_results as fake
import pytest

from bench.commands import export
from bench.commands.export import main


def test_all_forms_are_written_and_what_is_left_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "can_write_parquet", lambda: False)
    for name in ("full", "wan"):
        fake.write(fake.result(name, score=lambda *_: {"flicker": 0.1}), tmp_path / "out")
    into = tmp_path / "exported"
    assert main([str(tmp_path / "out"), "--into", str(into)]) == 0
    assert sorted(path.name for path in into.iterdir()) == ["clips.csv", "metrics.csv"]
    out = capsys.readouterr().out
    assert "Left out: clips.parquet, pyarrow is missing: pip install 'steadybench[parquet]'" in out


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("b", "a"):
        fake.write(fake.result(name, score=lambda *_: {"flicker": 0.1}), tmp_path / "out")
    forms = ["--only", "csv"]
    one, two = tmp_path / "one", tmp_path / "two"
    folders = [str(tmp_path / "out" / "toy" / name) for name in ("a", "b")]
    assert main([*folders, "--into", str(one), *forms]) == 0
    assert main([*reversed(folders), "--into", str(two), *forms]) == 0
    for path in one.rglob("*.*"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()


def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "can_write_parquet", lambda: False)
    one = fake.write(fake.result("wan"), tmp_path / "one")
    two = fake.write(fake.result("wan", score=lambda *_: {"flicker": 0.1}), tmp_path / "two")
    evil = tmp_path / "result.json"
    evil.write_text(json.dumps(fake.result("../../evil")))
    into = ["--into", str(tmp_path / "exported")]
    for arguments, said in (
        ([str(one), str(two)], "are different results of toy/wan"),
        ([str(evil)], "letters, digits"),
        ([str(tmp_path / "nowhere")], "does not exist"),
        ([str(one), "--only", "parquet"], "pip install 'steadybench[parquet]'"),
    ):
        assert main([*arguments, *into]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert said in err
    assert not (tmp_path / "exported").exists()
