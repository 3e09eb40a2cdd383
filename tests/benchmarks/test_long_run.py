"""Memory and descriptors of a process that makes and scores thousands of clips."""

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import psutil
import pytest
import torch

from bench.clip import Clip
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.base import metric
from bench.metrics.consistency import warp_mae
from bench.prompts import Item, Prompt
from bench.run.generation import generate
from bench.run.plan import Plan
from bench.run.scoring import score
from bench.storage import RunFolder
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.flow import DisFlow

pytestmark = pytest.mark.benchmark

CLIPS = 800
SETTLED = 300  # clips by which caches are filled
MOST_GROWTH = 1.05
CPU = torch.device("cpu")

Use = tuple[int, int]
"""Resident bytes and open descriptors."""


def use() -> Use:
    process = psutil.Process()
    return process.memory_info().rss, process.num_fds()


class Watched(ToyGenerator):
    """Notes what its process has in use before each clip; draws one a seed, whatever the prompt."""

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        self.uses.append(use())
        if seed not in self.drawn:
            self.drawn[seed] = super().generate(prompt, seed)
        return replace(self.drawn[seed])

    uses: list[Use] = []  # noqa: RUF012 - of the one there is
    drawn: dict[int, Clip] = {}  # noqa: RUF012


def long_run(root: Path) -> tuple[list[Use], list[Use]]:
    """What is in use before each clip that is made, and before each that is scored."""
    torch.set_num_threads(1)
    prompts = [
        Prompt(id=f"p{number}", text="a red ball rolls from left to right over a wooden floor")
        for number in range(CLIPS // 20)
    ]
    items = [Item(prompt, seed) for prompt in prompts for seed in range(20)]
    folder = RunFolder(root / "long" / "toy")
    generator = Watched(height=16, width=16, seconds=0.5)
    plan = Plan("toy", generator, folder, CPU, items, warmup=0)
    generate(plan, items)
    uses: list[Use] = []

    @metric(unit="bytes", better=None)
    def watched(_: Analysis) -> float:
        uses.append(use())
        return 0.0

    metrics = {"watched": watched, "warp_mae": warp_mae}
    failures = score(plan, metrics, Backbones({"flow": DisFlow()}, CPU), prompts)
    assert not failures
    return generator.uses, uses


def test_thousands_of_clips_take_no_more_than_hundreds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        made, scored = pool.submit(long_run, tmp_path).result()
    assert len(made) == len(scored) == CLIPS
    for verb, uses in (("made", made), ("scored", scored)):
        before, few = map(max, zip(*uses[:SETTLED], strict=True))
        after, many = map(max, zip(*uses[SETTLED:], strict=True))
        with capsys.disabled():
            sys.stdout.write(
                f"\n{CLIPS} clips {verb}: at most {before / 2**20:.1f} MiB and {few} descriptors "
                f"for the first {SETTLED}, {after / 2**20:.1f} MiB and {many} for the others\n"
            )
        assert after <= MOST_GROWTH * before
        assert many <= few
