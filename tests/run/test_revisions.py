"""Clips of two versions of a model's weights are not passed off as one row."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from bench.clip import Clip
from bench.errors import BenchError
from bench.generators.base import Generator, GeneratorInfo
from bench.prompts import Item, Prompt
from bench.run.plan import Plan, unmixed
from bench.storage import RunFolder

ITEMS = [Item(Prompt(id="p", text="a cat"), seed) for seed in (0, 1)]
OLD, NEW = {"a/b": "1" * 40}, {"a/b": "2" * 40}


class Revised(Generator):
    """One whose weights are of some revisions."""

    def __init__(self, revisions: Mapping[str, str]) -> None:
        self.revisions = revisions

    @property
    def info(self) -> GeneratorInfo:
        return GeneratorInfo(revisions=self.revisions)

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        raise NotImplementedError


def plan(folder: RunFolder, revisions: Mapping[str, str], *, overwrite: bool = False) -> Plan:
    return Plan("row", Revised(revisions), folder, torch.device("cpu"), ITEMS, overwrite=overwrite)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.loaded.write_text(json.dumps({"revisions": OLD}))
    return run


def test_clips_of_other_weights_are_refused_or_made_again(folder: RunFolder) -> None:
    with pytest.raises(BenchError, match=r"a/b 1{12} -> 2{12}.*overwrite=true"):
        unmixed(ITEMS[1:], plan(folder, NEW))
    assert unmixed(ITEMS[1:], plan(folder, NEW, overwrite=True)) == ITEMS


def test_the_same_weights_go_on_and_so_do_those_of_which_nothing_was_said(
    folder: RunFolder,
) -> None:
    assert unmixed(ITEMS[1:], plan(folder, OLD)) == ITEMS[1:]
    assert unmixed(ITEMS, plan(folder, NEW)) == ITEMS  # no clip is there
    assert unmixed(ITEMS[1:], plan(folder, {"c/d": "2" * 40})) == ITEMS[1:]
    folder.loaded.write_text("{}")
    assert unmixed(ITEMS[1:], plan(folder, NEW)) == ITEMS[1:]
    folder.loaded.unlink()
    assert unmixed(ITEMS[1:], plan(folder, NEW)) == ITEMS[1:]
