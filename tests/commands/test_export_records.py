"""Clips as flat rows, in CSV and Parquet."""

import csv
import io
from pathlib import Path

import fake_results as fake
import pytest

from bench.commands.export import (
    COLUMNS,
    METRIC_COLUMNS,
    as_csv,
    as_parquet,
    columns,
    metric_rows,
    metrics_sha256,
    rows,
)
from bench.leaderboard.data.files import load
from bench.schema import Result

SCHEMA_1 = Path(__file__).parents[1] / "leaderboard/fixtures" / "result_schema_1.json"


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"))))


def results() -> list[Result]:
    clips = [
        fake.clip(
            "p00", scores={"flicker": -0.25, "identity": None}, unscored={"identity": "dark"}
        ),
        fake.failed("p01", error='=HYPERLINK("http://x","y")'),
    ]
    content = fake.result("wan", clips, prompts=2, card={"title": "@wan, 2", "licence": None})
    return [load(SCHEMA_1), fake.loaded(content)]


def test_every_clip_is_a_row_and_every_metric_a_column() -> None:
    runs = results()
    lines = read(as_csv(rows(runs), list(columns(runs))))
    assert [(line["suite"], line["model"]) for line in lines] == [("few", "pan")] * 6 + [
        ("toy", "wan")
    ] * 2
    ball, star = lines[0], lines[2]
    assert (ball["prompt"], ball["category"], ball["seed"]) == ("ball", "object_motion", "0")
    assert (ball["status"], ball["lossy"], ball["warm"]) == ("ok", "true", "false")
    assert float(ball["score_adherence"]) == 14.435319043695927
    assert (ball["latency_s"], ball["wait_s"]) == ("", "0.47891338399858796")
    assert (star["status"], star["frames"], star["score_adherence"]) == ("error", "", "")
    assert star["error"] == "the program ended with exit code 1: no stars tonight"
    assert lines[6]["unscored"] == "identity: dark"
    assert lines[6]["score_flicker"] == "-0.25"


def test_a_clip_of_a_group_says_its_part_in_cross_clip_identity() -> None:
    content = fake.result("wan", prompts=2, score=lambda *_: {"flicker": 0.1})
    alone = fake.loaded(content)
    content["clips"][0]["cross_clip"] = {
        "group": "nurse", "own": 0.8, "others": 0.7, "value": 0.1, "won": 0.75
    }  # fmt: skip
    content["cross_clip"] = {"version": 1, "fingerprint": "f", "why": None}
    runs = [fake.loaded(content)]
    first, second = read(as_csv(rows(runs), list(columns(runs))))
    keys = ("group", "cross_clip_value", "cross_clip_won")
    assert [first[key] for key in keys] == ["nurse", "0.1", "0.75"]
    assert [second[key] for key in keys] == ["", "", ""]
    meanings = {line["metric"]: line for line in read(as_csv(metric_rows(runs), METRIC_COLUMNS))}
    assert meanings["cross_clip_identity"]["fingerprint"] == "f"
    assert first["metrics_sha256"] == meanings["flicker"]["metrics_sha256"]
    assert first["metrics_sha256"] != metrics_sha256(alone)


def test_no_cell_is_a_formula() -> None:
    runs = results()
    lines = read(as_csv(rows(runs), list(columns(runs))))
    assert lines[7]["error"] == '\'=HYPERLINK("http://x","y")'
    assert lines[7]["title"] == "'@wan, 2"
    texts = [name for name, kind in COLUMNS.items() if kind is str]
    for line in lines:
        assert all(line[name].lstrip()[:1] not in {"=", "+", "-", "@"} for name in texts)


@pytest.mark.parametrize("before", ["", "\t", "\r", "\n", "  ", "\x00", "\u200b"])
@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x"])
def test_what_a_spreadsheet_would_run_is_marked_as_text(text: str, before: str) -> None:
    assert read(as_csv([{"a": before + text}], ["a"])) == [{"a": f"'{text}"}]


def test_a_text_of_several_lines_is_one_cell() -> None:
    assert as_csv([{"a": 'x\r=1\n"y"'}], ["a"]) == b'a\n"x =1 ""y"""\n'


def test_a_metric_named_like_a_formula_is_no_formula_either() -> None:
    assert as_csv([], ["=cmd()"]) == b"'=cmd()\n"


def test_half_a_surrogate_pair_breaks_no_file() -> None:
    assert as_csv([{"a": "x\ud800"}], ["a"]) == b"a\nx\n"


def test_what_scores_mean_stands_beside_them() -> None:
    runs = results()
    meanings = read(as_csv(metric_rows(runs), METRIC_COLUMNS))
    lines = read(as_csv(rows(runs), list(columns(runs))))
    [flicker] = [
        line
        for line in meanings
        if line["metric"] == "flicker" and line["metrics_sha256"] == lines[6]["metrics_sha256"]
    ]
    assert (flicker["unit"], flicker["better"], flicker["fingerprint"]) == (
        "share of full scale",
        "lower",
        "f1",
    )
    assert len({line["metrics_sha256"] for line in lines}) == 2


def test_parquet_holds_the_same_rows_with_types() -> None:
    parquet = pytest.importorskip(
        "pyarrow.parquet", reason="pyarrow is missing: pip install 'steadybench[parquet]'"
    )
    runs = results()
    table = parquet.read_table(io.BytesIO(as_parquet(rows(runs), columns(runs))))
    assert table.column_names == list(columns(runs))
    expected = [{name: row.get(name) for name in columns(runs)} for row in rows(runs)]
    assert table.to_pylist() == expected
    kinds = {str(table.schema.field(name).type) for name in ("seed", "frames")}
    assert kinds == {"int64"}
    assert str(table.schema.field("score_flicker").type) == "double"
