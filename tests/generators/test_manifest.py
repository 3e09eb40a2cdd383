import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.generators.external.manifest import Entry, read_manifest

EXPECTED = {
    ("cat", 0): Entry("a, b.mp4", 12.5, 0.4),
    ("cat", 1): Entry("c.mp4", None, None),
}


def test_csv_and_jsonl_say_the_same(tmp_path: Path) -> None:
    sheet = tmp_path / "list.csv"
    sheet.write_text(
        'prompt,file,seed,price_usd,wait_s,text\ncat,"a, b.mp4",0,0.4,12.5,"a\n""cat"""\n'
        "cat,c.mp4,1,,,\n",
        "utf-8-sig",
    )
    assert read_manifest(sheet) == EXPECTED
    lines = tmp_path / "list.jsonl"
    rows = [
        {"file": "a, b.mp4", "prompt": "cat", "seed": 0, "wait_s": 12.5, "price_usd": 0.4},
        {"file": "c.mp4", "prompt": "cat", "seed": 1, "wait_s": None},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert read_manifest(lines) == EXPECTED


HEADER = "file,prompt,seed,wait_s\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.csv", "", "line 1: expected the columns file, prompt, seed, no 'file' came"),
        ("l.csv", "file,prompt\n", "no 'seed' came"),
        ("l.csv", "file,promt,seed\n", "unknown column 'promt', did you mean 'prompt'"),
        ("l.csv", HEADER, "expected at least one clip"),
        ("l.csv", f"{HEADER}a.mp4,cat,x,\n", "line 2: 'seed' must be a whole number .*came 'x'"),
        ("l.csv", f"{HEADER}a.mp4,cat,0.5,\n", "line 2: 'seed' must be a whole number"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,fast\n", "line 2: 'wait_s' must be a number .*'fast'"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,-1\n", "line 2: 'wait_s' must be a number from 0"),
        ("l.csv", f"{HEADER}a.mp4,cat,0,nan\n", "line 2: 'wait_s' must be a number from 0"),
        ("l.csv", f"{HEADER}a.mp4,cat\n", "line 2: expected 4 columns"),
        ("l.csv", f"{HEADER},cat,0,\n", "line 2: 'file' must be a text"),
        ("l.csv", f"{HEADER}a,cat,0,\nb,cat,0,\n", "line 3: prompt 'cat' and seed 0 stand there"),
        ("l.jsonl", "{", "line 1: expected JSON"),
        ("l.jsonl", "[1]", "line 1: expected a JSON object"),
        ("l.jsonl", '{"file": "a", "prompt": "c", "seed": true}', "'seed' must be a whole number"),
        ("l.jsonl", '{"file": "a", "prompt": 3, "seed": 0}', "'prompt' must be a text, came 3"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BenchError, match=message) as caught:
        read_manifest(tmp_path / name)
    assert name in str(caught.value)


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="but No such file"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes(b"file,prompt,seed\n\xff,a,0\n")
    with pytest.raises(BenchError, match="expected UTF-8 text"):
        read_manifest(tmp_path / "latin.csv")
