"""The score stage: metrics that hang, that break down, and that return what is no score."""

import ctypes
import json
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.clip import Clip
from bench.generators.base import Generator
from bench.metrics.base import Scored, metric
from bench.prompts import Item, Prompt
from bench.run import workers
from bench.run.generation import generate
from bench.run.plan import Plan
from bench.run.scoring import score
from bench.run.workers import in_workers
from bench.schema import ScoreRecord
from bench.storage import RunFolder, read_record
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

CPU = torch.device("cpu")
ITEMS = [Item(Prompt(id=name, text="a ball rolls"), 0) for name in ("one", "two")]


@metric(unit="frames", better=None)
def length(analysis: Analysis) -> float:
    """How many frames the clip has.

    Those that a player shows.
    """
    return float(len(analysis.clip.frames))


@metric(unit="frames", better=None)
def endless(analysis: Analysis) -> float:
    while analysis.prompt.id == "one":
        time.sleep(1)
    return 2.0


@metric(unit="frames", better=None)
def deaf(analysis: Analysis) -> float:
    """Holds the interpreter's lock, so that no other thread of the process runs."""
    if analysis.prompt.id == "one":
        ctypes.PyDLL(None).sleep(600)
    return 3.0


@metric(unit="frames", better=None)
def numpys_own(_: Analysis) -> Scored:
    return Scored(np.float32(1.0))  # type: ignore[arg-type]


@metric(unit="frames", better=None)
def infinite_curve(_: Analysis) -> Scored:
    return Scored(1.0, {"lag_s": (1.0,), "x": (float("inf"),)})


@metric(unit="x", better=None)
def not_finite(_: Analysis) -> Scored:
    return Scored(float("nan"), {"x": (1.0,)})


@metric(unit="frames", better=None)
def broken_for_both(analysis: Analysis) -> float:
    """Breaks down once each of two processes has a clip in hand, and keeps count."""
    begun = Path(os.environ["BEGUN"])
    with begun.open("a") as file:
        file.write(f"{analysis.prompt.id}\n")
    deadline_s = time.monotonic() + 60
    while begun.read_text().count("\n") < 2 and time.monotonic() < deadline_s:
        time.sleep(0.05)
    raise ZeroDivisionError


METRICS = {
    each.id.rpartition(".")[2]: each
    for each in (length, endless, deaf, numpys_own, infinite_curve, not_finite, broken_for_both)
}


class Flat(Generator):
    """One colour a clip."""

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        return Clip(np.full((4, 16, 16, 3), len(prompt.id) + seed, np.uint8), 8.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Of two clips."""
    folder = RunFolder(tmp_path / "suite" / "flat")
    generate(Plan("flat", Flat(), folder, CPU, ITEMS, warmup=0), ITEMS)
    return folder


def score_them(
    folder: RunFolder, names: tuple[str, ...], timeout_s: float | None, *_: object
) -> list[str]:
    workers._GRACE_S = 1.0  # in the worker alone
    return score(
        Plan("flat", Flat(), folder, CPU, ITEMS, max_tries=2),
        {name: METRICS[name] for name in names},
        Backbones({}, CPU),
        [item.prompt for item in ITEMS],
        timeout_s=timeout_s,
    )


def values(folder: RunFolder) -> list[dict[str, Any]]:
    records = [json.loads(folder.score(item.sample).read_text()) for item in ITEMS]
    return [{name: e["value"] for name, e in r["metrics"].items()} for r in records]


def test_a_value_that_is_not_finite_is_null_with_its_reason(folder: RunFolder) -> None:
    assert score_them(folder, ("length", "not_finite"), None) == []
    assert values(folder) == [{"length": 4.0, "not_finite": None}] * 2
    entry = json.loads(folder.score(ITEMS[0].sample).read_text())["metrics"]["not_finite"]
    assert "not finite" in entry["why"]
    assert "series" not in entry


def test_a_metric_that_hangs_is_unscored_there_and_nothing_else_is(folder: RunFolder) -> None:
    names = ("length", "endless", "numpys_own")
    assert in_workers(partial(score_them, folder, names, 3.0), 1, [], 0) == []
    assert values(folder) == [
        {"length": 4.0, "endless": None, "numpys_own": 1.0},
        {"length": 4.0, "endless": 2.0, "numpys_own": 1.0},
    ]
    path = folder.score(ITEMS[0].sample)
    entry = json.loads(path.read_text())["metrics"]["endless"]
    assert entry["why"] == "took longer than score.timeout_s=3"
    assert not list(folder.root.rglob("*.tries"))
    before = path.read_bytes()
    assert score_them(folder, ("length", "endless"), 3.0) == []  # not tried again
    assert path.read_bytes() == before


def test_another_limit_tries_again(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    in_workers(partial(score_them, folder, ("endless",), 3.0), 1, [], 0)
    assert [each["endless"] for each in values(folder)] == [None, 2.0]
    quick = replace(endless, function=lambda _: 5.0)
    monkeypatch.setitem(METRICS, "endless", quick)
    score_them(folder, ("endless",), 4.0)
    assert [each["endless"] for each in values(folder)] == [5.0, 2.0]


def test_a_clip_whose_reading_hangs_is_unscored_and_the_next_is_not(folder: RunFolder) -> None:
    master = folder.master(ITEMS[0].sample)
    content = master.read_bytes()
    master.unlink()
    os.mkfifo(master)  # whoever opens it waits for somebody who writes
    assert in_workers(partial(score_them, folder, ("length", "numpys_own"), 3.0), 1, [], 0) == []
    assert values(folder) == [{"length": None, "numpys_own": None}, {"length": 4, "numpys_own": 1}]
    path = folder.score(ITEMS[0].sample)
    (why,) = {entry["why"] for entry in json.loads(path.read_text())["metrics"].values()}
    assert why == "reading the clip took longer than score.timeout_s=3"
    assert not list(folder.root.rglob("*.tries"))
    before = path.read_bytes()
    assert score_them(folder, ("length",), 3.0) == []  # not tried again
    assert path.read_bytes() == before
    master.unlink()
    master.write_bytes(content)
    assert score_them(folder, ("length", "numpys_own"), 4.0) == []
    assert values(folder) == [{"length": 4.0, "numpys_own": 1.0}] * 2


def test_what_lets_no_thread_run_ends_too(folder: RunFolder) -> None:
    failures = in_workers(partial(score_them, folder, ("deaf",), 1.0), 1, [], 5)
    assert failures == ["one, seed 0: the process died 2 times while scoring this clip"]
    assert json.loads(folder.score(ITEMS[1].sample).read_text())["metrics"]["deaf"]["value"] == 3
    assert not folder.score(ITEMS[0].sample).exists()


def test_what_is_no_score_names_metric_and_clip_and_spoils_nothing(folder: RunFolder) -> None:
    failures = score_them(folder, ("numpys_own", "infinite_curve", "length"), None)
    named = [line.partition(" failed")[0] for line in failures]
    assert named == [f"{item.sample}: infinite_curve" for item in ITEMS]
    assert all("\n" not in line for line in failures)
    assert values(folder) == [{"length": 4.0, "numpys_own": 1.0}] * 2


def test_what_breaks_down_in_one_process_is_not_tried_in_the_next(
    folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_them(folder, ("length",), None)  # so that the records change by nothing
    begun = tmp_path / "begun"
    monkeypatch.setenv("BEGUN", str(begun))
    failures = in_workers(
        partial(score_them, folder, ("length", "broken_for_both"), None), 2, [], 0
    )
    assert sorted(begun.read_text().split()) == ["one", "two"]
    assert len(failures) == 2


def test_a_metric_of_ones_own_is_kept_with_what_it_measures(folder: RunFolder) -> None:
    own = {
        "length": METRICS["length"],
        "silent": METRICS["not_finite"],
        "dynamics": METRICS["deaf"],
    }
    plan = Plan("flat", Flat(), folder, CPU, ITEMS[1:])
    assert score(plan, own, Backbones({}, CPU), []) == []
    entries = read_record(folder.score(ITEMS[1].sample), ScoreRecord).metrics
    measures = {name: entry.measures for name, entry in entries.items()}
    # A column of the package is explained by the package.
    assert measures == {
        "length": "How many frames the clip has.",
        "silent": None,
        "dynamics": None,
    }
