"""Leaderboards of any size with made-up numbers, for tests of the page."""

from pathlib import Path

import fake_results as fake
import fake_runs
import numpy as np

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.publish import publish
from bench.storage import PACKAGE

LICENCES = ("MIT", "Apache-2.0", "CC-BY-NC-4.0")


def publish_many(models: int, into: Path, *, prompts: int = 20) -> list[SuiteBoard]:
    """Publish a suite of so many models with every metric of a real run, and a clip of each."""
    real = load(PACKAGE.parent / "leaderboard" / "results" / "toy" / "toy_steady.json")
    units = {name: metric.unit for name, metric in real.metrics.items()}
    rng = np.random.default_rng(models)

    def scores(level: float) -> dict[str, float | None]:
        values: dict[str, float | None] = {
            name: float(rng.uniform(20, 40) if unit in ("points", "100 cos") else rng.uniform())
            for name, unit in units.items()
        }
        coherence = float(np.clip(rng.normal(level, 15), 0, 100))
        return values | {"coherence": coherence, "cuts_unrequested": 0.0}

    paths = []
    for number in range(models):
        content = fake.result(
            f"model_{number:03d}",
            score=lambda *_, level=50 + 45 * number / models: scores(level),
            metrics={name: metric.json_values for name, metric in real.metrics.items()},
            prompts=prompts,
        )
        content["card"] = {
            "title": f"Model {number}" + " of a Name That Is Rather Long" * (number % 5 == 0),
            "licence": LICENCES[number % 3],
            "open_weights": number % 4 != 0,
        }
        content["hardware"] = {"price_per_gpu_hour": 2.5, "currency": "USD", "gpus": 1}
        for place, clip in enumerate(content["clips"]):
            clip |= {
                "device": "NVIDIA H200",
                "latency_s": float(1 + number + rng.uniform()),
                "frames_sha256": f"{number:03d}{place:03d}",
                "category": ("people", "objects", "weather and water")[place % 3],
            }
        paths.append(fake_runs.write(content, into.parent / "outputs", made=1))
    return publish(paths, into).suites
