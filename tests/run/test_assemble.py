"""Assembling a result: a pure function of records, which are refused if they are not whole."""

import json
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np
import pytest
import torch

from bench.clip import Clip
from bench.errors import BenchError
from bench.generators.base import Generator
from bench.prompts import Item, Prompt
from bench.run.assemble import assemble
from bench.run.generation import generate
from bench.run.plan import Plan
from bench.schema import (
    ClipRecord,
    Result,
    ScoreEntry,
    ScoreRecord,
)
from bench.storage import RunFolder, read_record, write_record

ITEM = Item(Prompt("p0", "a ball rolls"), 0)


class Grey(Generator):
    """Makes grey clips."""

    def generate(self, prompt: Prompt, seed: int) -> Clip:  # noqa: ARG002
        return Clip(np.full((4, 16, 16, 3), 128, np.uint8), 8.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of one clip, scored by one metric."""
    folder = RunFolder(tmp_path / "suite" / "grey")
    write_record(folder.run, fake_runs.described("grey"))
    generate(Plan("grey", Grey(), folder, torch.device("cpu"), [ITEM]), [ITEM])
    entry = ScoreEntry(
        unit="ratio", better="lower", version=1, fingerprint="f", value=0.5, why=None
    )
    clip = read_record(folder.record(ITEM.sample), ClipRecord)
    scored = ScoreRecord(
        schema=1, frames_sha256=str(clip.frames_sha256), prompt={}, metrics={"warp": entry}
    )
    write_record(folder.score(ITEM.sample), scored)
    return folder


def test_a_result_holds_its_clips_and_their_scores(folder: RunFolder) -> None:
    result = assemble([ITEM], folder)
    assert read_record(folder.result, Result) == result
    assert result.clips[0].scores == {"warp": 0.5}
    assert result.metrics["warp"].unit == "ratio"


def test_what_a_metric_says_of_itself_decides_nothing(folder: RunFolder) -> None:
    before = assemble([ITEM], folder)
    assert "measures" not in before.given
    scored = read_record(folder.score(ITEM.sample), ScoreRecord)
    entry = scored.metrics["warp"].replace(measures="How far it bends.")
    write_record(folder.score(ITEM.sample), scored.replace(metrics={"warp": entry}))
    after = assemble([ITEM], folder)
    assert after.measures == {"warp": "How far it bends."}
    assert after.fingerprint == before.fingerprint
    assert after.metrics == before.metrics


def test_a_record_that_a_run_writes_says_everything_but_what_came_from_outside(
    folder: RunFolder,
) -> None:
    record = read_record(folder.record(ITEM.sample), ClipRecord)
    outside = {"delivery", "details", "file", "remarks"}
    assert ClipRecord.model_fields.keys() - record.model_fields_set == outside


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("clip", {"seed": None}, r"0\.json: seed: expected a whole number, got null; remove"),
        ("score", {"metrics": None}, r"0\.json: metrics: expected an object, got null; remove"),
        ("run", {"card": None}, r"run\.json: card: expected an object, got null; remove the file"),
        ("clip", {"schema": 2}, r"0\.json: expected schema 1, got 2, which is newer: update"),
    ],
)
def test_a_record_that_is_not_whole_is_refused_with_what_to_do(
    folder: RunFolder, file: str, change: dict[str, Any], message: str
) -> None:
    path = {
        "clip": folder.record(ITEM.sample),
        "score": folder.score(ITEM.sample),
        "run": folder.run,
    }[file]
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(BenchError, match=message):
        assemble([ITEM], folder)
