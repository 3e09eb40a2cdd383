import json
import os
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.schema import Record, Sample
from bench.storage import (
    RunFolder,
    changes,
    file_name,
    fingerprint,
    read_record,
    write_bytes,
    write_json,
)


def test_json_reads_back_and_diffs_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "record.json"
    write_json(path, {"b": 1, "a": {"d": None, "c": [1.5, "ü"]}})
    assert read_record(path, Record).given == {"a": {"c": [1.5, "ü"], "d": None}, "b": 1}
    keys = [line.split(":")[0].strip() for line in path.read_text().splitlines() if ":" in line]
    assert keys == ['"a"', '"c"', '"d"', '"b"']


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused_and_nothing_is_written(
    tmp_path: Path, value: float
) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "record.json", {"x": value})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match="no space left on device"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BenchError, match=r"expected to write .*another folder with out=DIR"):
        write_json(tmp_path / "file" / "record.json", {})


def test_a_folder_in_the_place_of_the_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "record.json").mkdir()
    with pytest.raises(BenchError, match="expected to write"):
        write_bytes(tmp_path / "record.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


def test_the_files_of_a_run_are_named_as_their_draws_are(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.names("clips") == set()
    sample = Sample("a-prompt", 3)
    write_json(folder.record(sample), {})
    assert folder.names("clips") == {file_name(sample, ".json")}
    assert folder.names("scores") == set()


def test_fingerprint_ignores_key_order_and_nothing_else() -> None:
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    different = [{"a": 1}, {"a": 1.5}, {"a": "1"}, {"a": None}, {}, {"b": 1}]
    assert len({fingerprint(value) for value in different}) == len(different)


def test_changes_name_the_key_and_both_values() -> None:
    old = {"call": {"steps": 50, "size": [1, 2]}, "dtype": "fp16", "gone": 1}
    new = {"call": {"steps": 30, "size": [1, 2]}, "dtype": "fp16", "new": None}
    assert changes(old, new) == [
        "call.steps 50 -> 30",
        "gone 1 -> (absent)",
        "new (absent) -> null",
    ]
    assert changes(json.loads(json.dumps(old)), old) == []
