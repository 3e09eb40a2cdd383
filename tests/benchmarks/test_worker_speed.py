"""What more processes give, as ratios within one run."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bench.progress import track
from bench.run.claims import Share, claimed
from bench.run.workers import cores, in_workers
from bench.schema import Sample

pytestmark = pytest.mark.benchmark

LEAST_EFFICIENCY = 0.9
ITEM_S = 1.0
MOST_OF_ONE_WORKER = 0.55


def sleep_through(folder: Path, count: int, items: int, number: int, _: bool) -> list[str]:
    """Begin together, when all are there, and work off items that only take time."""
    (folder / f"{number}.ready").touch()
    while len(list(folder.glob("*.ready"))) < count:
        time.sleep(0.01)
    begun_s = time.time()

    def begin(item: int) -> list[int] | None:
        return None if (folder / f"{item}.json").exists() else [item]

    works = Share(number, count).ordered(range(items), lambda item: Sample("p", item))
    for mine in track(claimed(works, lambda item: folder / f"{item}.json", begin), "sleep", items):
        if mine is not None:
            claim, (item,) = mine
            claim.begin()
            time.sleep(ITEM_S)
            (folder / f"{item}.json").touch()
            claim.end()
    return [f"{begun_s} {time.time()}"]


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers_that_wait_for_a_gpu_scale(
    workers: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = 8 * workers
    spans = in_workers(partial(sleep_through, tmp_path, workers, items), workers, [], 0)
    begun_s, ended_s = zip(*(map(float, span.split()) for span in spans), strict=True)
    efficiency = items * ITEM_S / workers / (max(ended_s) - min(begun_s))
    with capsys.disabled():
        print(f"\n{workers} workers, {items} items of {ITEM_S:g} s: efficiency {efficiency:.1%}")  # noqa: T201
    assert efficiency >= LEAST_EFFICIENCY


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_two_workers_score_in_half_the_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the time between the first score and the last, so start-up apart."""

    def bench(*arguments: str) -> None:
        command = [sys.executable, "-m", "bench", "text=none", "model.height=256", "limit=8"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True
        )

    def score_s(workers: int) -> tuple[float, dict[str, object]]:
        folder = tmp_path / "outputs" / "toy" / "toy_steady"
        for path in folder.glob("scores/*/*.json"):
            path.unlink()
        bench("stages=[score]", f"score.workers={workers}")
        paths = sorted(folder.glob("scores/*/*.json"))
        written_s = sorted(path.stat().st_mtime for path in paths)
        # The first of each worker starts the clock, so its clip is not counted.
        spent_s = (written_s[-1] - written_s[workers - 1]) / (len(paths) - workers)
        return spent_s, {str(path): json.loads(path.read_text()) for path in paths}

    bench("stages=[generate]", "suite.seeds=[0]")
    rounds = [(score_s(1), score_s(2)) for _ in range(3)]
    ratio = sorted(two[0] / one[0] for one, two in rounds)[1]
    with capsys.disabled():
        print(f"\ntwo workers score in {ratio:.2f} of the time of one")  # noqa: T201
    assert all(one[1] == two[1] for one, two in rounds)
    assert ratio <= MOST_OF_ONE_WORKER
