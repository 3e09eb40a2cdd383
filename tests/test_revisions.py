"""Clips of two versions of a model's weights are not passed off as one row."""

import json
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.prompts import Item, Prompt
from bench.run.plan import Plan, unmixed
from bench.storage import RunFolder

ITEMS = [Item(Prompt(id="p", text="a cat"), seed) for seed in (0, 1)]
OLD, NEW = {"a/b": "1" * 40}, {"a/b": "2" * 40}


def plan(*, overwrite: bool = False) -> Plan:
    return Plan("row", {}, ITEMS, overwrite=overwrite)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.loaded.write_text(json.dumps({"revisions": OLD}))
    return run


def test_clips_of_other_weights_are_refused_or_made_again(folder: RunFolder) -> None:
    with pytest.raises(BenchError, match=r"a/b 1{12} -> 2{12}.*overwrite=true"):
        unmixed(ITEMS[1:], plan(), NEW, folder)
    assert unmixed(ITEMS[1:], plan(overwrite=True), NEW, folder) == ITEMS


def test_the_same_weights_go_on_and_so_do_those_of_which_nothing_was_said(
    folder: RunFolder,
) -> None:
    assert unmixed(ITEMS[1:], plan(), OLD, folder) == ITEMS[1:]
    assert unmixed(ITEMS, plan(), NEW, folder) == ITEMS  # no clip is there
    assert unmixed(ITEMS[1:], plan(), {"c/d": "2" * 40}, folder) == ITEMS[1:]
    folder.loaded.write_text("{}")
    assert unmixed(ITEMS[1:], plan(), NEW, folder) == ITEMS[1:]
    folder.loaded.unlink()
    assert unmixed(ITEMS[1:], plan(), NEW, folder) == ITEMS[1:]
