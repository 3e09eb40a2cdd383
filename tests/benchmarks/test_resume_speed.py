"""What it costs to see that a long run has nothing left to make."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.generators.toy.generator import ToyGenerator
from bench.measure.timing import MEASURED
from bench.prompts import Item, Prompt
from bench.run.generation import _described
from bench.run.plan import Plan, find_missing
from bench.schema import ClipRecord, dump
from bench.storage import RunFolder

pytestmark = pytest.mark.benchmark

# Of a hundred thousand, a tenth: each is looked at once and by itself.
RECORDS, SEEDS = 10_000, 4
ROUNDS = 5
# Of the time to read the same files and parse them as JSON: 15 us each on a quiet machine, where
# the bound is 2.4 s for 100,000.
MOST_OF_PARSING = 1.6
MODEL = {
    "repo": "maker/model-5B",
    "revision": "0" * 40,
    "call": {"height": 480, "width": 832, "num_frames": 81, "negative_prompt": "blurred, " * 20},
    "load": {"dtype": "bfloat16", "vae": "float32"},
}


def cpu_s(work: Callable[[], object]) -> float:
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def test_a_long_run_is_looked_through_in_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, generator = RunFolder(tmp_path / "run"), ToyGenerator()
    prompts = [
        Prompt(id=f"p{number:05d}", text=f"ball {number} rolls over a floor " * 3)
        for number in range(RECORDS // SEEDS)
    ]
    items = [Item(prompt, seed) for prompt in prompts for seed in range(SEEDS)]
    plan = Plan("model", generator, folder, torch.device("cpu"), items, MODEL)
    made = dict.fromkeys(MEASURED) | {"latency_s": 50.0, "unmeasured": {}}
    made |= {"status": "ok", "error": None, "frames": 81, "height": 480, "width": 832, "fps": 16.0}
    made |= {"lossy": False, "warm": True, "frames_sha256": "a" * 64}
    for item in plan.items:
        facts = _described(plan, item) | made
        path = folder.record(item.sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dump(ClipRecord(**facts)))
        folder.master(item.sample).touch()
    paths = [folder.record(item.sample) for item in plan.items]

    def parse() -> None:
        for path in paths:
            json.loads(path.read_bytes())

    assert find_missing(plan) == []
    rounds = [(cpu_s(lambda: find_missing(plan)), cpu_s(parse)) for _ in range(ROUNDS)]
    ratio = np.median([look_s / parsing_s for look_s, parsing_s in rounds])
    look_s = np.median([look_s for look_s, _ in rounds])
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{RECORDS} records are looked through in {look_s:.2f} s of processor, "
            f"{ratio:.2f} times bare JSON"
        )
    assert ratio <= MOST_OF_PARSING
