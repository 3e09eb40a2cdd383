"""What the statistics of a large leaderboard cost: time and memory of one fresh process."""

import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from bench.leaderboard.data.rows import LEAD, boards
from bench.leaderboard.render.markdown import render
from bench.schema import (
    Card,
    ClipResult,
    Environment,
    Expected,
    MetricDescription,
    Prompts,
    Result,
)

pytestmark = pytest.mark.benchmark

MODELS, PROMPTS, SEEDS = 100, 100, 4
NAMES = ("coherence", *LEAD)  # 15 metrics, all with a better direction
MOST_S = 10.0
MOST_GIB = 2.0


def a_large_leaderboard() -> list[Result]:
    """Models that differ less than their prompts do, as models do."""
    generator = np.random.default_rng(0)
    names = [f"p{number:03d}" for number in range(PROMPTS)]
    hardness = generator.normal(0, 10, (1, PROMPTS, 1, 1))
    levels = np.linspace(50, 80, MODELS)[:, None, None, None]
    noise = generator.normal(0, 5, (MODELS, PROMPTS, SEEDS, len(NAMES)))
    values = np.clip(levels + hardness + noise, 0, 100)
    metrics = {
        name: MetricDescription(unit="points", better="higher", version=1, fingerprint="f0")
        for name in NAMES
    }
    clip = {
        "status": "ok", "error": None, "frames": 49, "height": 480, "width": 720, "fps": 8.0,
        "frames_sha256": "00", "lossy": False, "device": "cuda", "latency_s": 90.0,
        "peak_memory_allocated_bytes": 2**34, "peak_memory_reserved_bytes": 2**34,
        "energy_j": None, "warm": True, "unscored": {},
    }  # fmt: skip
    return [
        Result(
            model=f"m{model:03d}",
            suite="standard",
            schema=1,
            card=Card(),
            measured=True,
            environment=Environment(device="cuda", versions={}, commit=None, dirty=None),
            prompts=Prompts(sha256="5a"),
            expected=Expected(prompts=tuple(names), seeds=tuple(range(SEEDS))),
            metrics=metrics,
            fingerprint="fe",
            clips=tuple(
                ClipResult(
                    prompt=name,
                    seed=seed,
                    category=f"c{prompt % 17}",
                    scores=dict(zip(NAMES, values[model, prompt, seed].tolist(), strict=True)),
                    **clip,
                )
                for prompt, name in enumerate(names)
                for seed in range(SEEDS)
            ),
        )
        for model in range(MODELS)
    ]


def seconds_and_gib() -> tuple[float, float, float]:
    """Seconds of the numbers alone and of the whole page, and the process's peak memory.

    Seconds of processor, of all cores together: no fewer than pass on the clock of a machine that
    does nothing else, and what else this one does is not counted.
    """
    results = a_large_leaderboard()
    start = time.process_time()
    (board,) = boards(results)
    numbers_s = time.process_time() - start
    (group,) = board.groups
    ranks = [row.rank for row in group.complete]
    assert len(ranks) == MODELS
    assert ranks[0][0] == 1 < ranks[-1][0]  # or it was not these models that were compared
    start = time.process_time()
    render(boards(results))
    page_s = time.process_time() - start
    return numbers_s, page_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def test_a_hundred_models_are_ranked_in_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        numbers_s, page_s, gib = pool.submit(seconds_and_gib).result()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{MODELS} models x {PROMPTS} prompts x {SEEDS} seeds x {len(NAMES)} metrics: "
            f"numbers {numbers_s:.1f} s, whole page {page_s:.1f} s, {gib:.2f} GiB\n"
        )
    assert max(numbers_s, page_s) <= MOST_S
    assert gib <= MOST_GIB
