"""What a large leaderboard costs to publish and to check: each command in a process of its own."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from bench.leaderboard.data.rows import LEAD
from bench.leaderboard.rules import HEADLINE_VERSIONS
from bench.schema import (
    Card,
    ClipResult,
    Environment,
    Expected,
    MetricDescription,
    Prompts,
    Result,
)
from bench.storage import PACKAGE, write_record

pytestmark = pytest.mark.benchmark

MODELS, PROMPTS, SEEDS, METRICS = 100, 100, 4, 30
NAMES = list(dict.fromkeys([*HEADLINE_VERSIONS, "adherence_margin", *LEAD]))
NAMES = [name for name in NAMES if name != "stutter"]
NAMES += [f"further_{number}" for number in range(METRICS - len(NAMES))]

# Seconds of processor, imports included, in units of what Python's json takes for the same files:
# a busy machine slows both down alike. On a quiet one that is .46 s, and the bound 10 s.
MOST_PER_PARSING = 21.7
MOST_GIB = 2.0
MOST_PAGE_BYTES = 5e6

# A fresh process, of one thread. Its peak is asked of Linux, which forgets at the start of a
# program what it was before; `ru_maxrss` does not, and would be that of the tests.
MEASURED = """
import json, sys, time
from pathlib import Path

contents = [path.read_bytes() for path in Path(sys.argv[1]).rglob("*.json")]

def parsing_s():
    begun_s = time.process_time()
    for content in contents:
        json.loads(content)
    return time.process_time() - begun_s

parsing_s()
before_s, begun_s = parsing_s(), time.process_time()
from bench.leaderboard.__main__ import main
code = main(sys.argv[2:])
spent_s = time.process_time() - begun_s
peak_kib = next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l)
told = [code, spent_s, (before_s + parsing_s()) / 2, int(peak_kib.split()[1]) / 2**20]
sys.stderr.write(json.dumps(told))
"""


def a_result(model: int) -> Result:
    """One of many models that differ less than their prompts do, as models do."""
    generator = np.random.default_rng(0)
    hardness = generator.normal(0, 0.6, (PROMPTS, 1, 1))
    generator = np.random.default_rng(model)
    level = 2 + 3 * model / MODELS
    noise = generator.normal(0, 0.5, (PROMPTS, SEEDS, METRICS))
    values = np.abs(level + hardness + noise)
    parts = [number for number, name in enumerate(NAMES) if name.startswith("lost_")]
    values[..., NAMES.index("coherence")] = 100 - values[..., parts].sum(axis=-1)
    values[..., NAMES.index("cuts_unrequested")] = 0
    names = [f"p{number:03d}" for number in range(PROMPTS)]
    clip = {
        "status": "ok", "error": None, "frames": 49, "height": 480, "width": 720, "fps": 8.0,
        "lossy": False, "device": "cuda", "latency_s": 90.0 + model, "energy_j": None,
        "peak_memory_allocated_bytes": 2**34, "peak_memory_reserved_bytes": 2**34,
        "stages": {"encode_s": 0.5, "denoise_s": 80.0, "decode_s": 9.0, "other_s": 0.5},
        "warm": True, "unscored": {},
    }  # fmt: skip
    return Result(
        model=f"m{model:03d}",
        suite="large",
        schema=1,
        card=Card(title=f"Model {model}"),
        measured=True,
        environment=Environment(device="cuda", versions={}, commit=None, dirty=None),
        prompts=Prompts(name="large.jsonl", count=PROMPTS, sha256="5a" * 32),
        expected=Expected(prompts=tuple(names), seeds=tuple(range(SEEDS))),
        metrics={
            name: MetricDescription(
                unit="points",
                better="higher",
                version=HEADLINE_VERSIONS.get(name, 1),
                fingerprint="f0" * 32,
            )
            for name in NAMES
        },
        fingerprint="fe" * 32,
        clips=tuple(
            ClipResult(
                prompt=name,
                seed=seed,
                category=f"c{prompt % 17}",
                frames_sha256=sha256(f"{model}-{prompt}-{seed}".encode()).hexdigest(),
                scores=dict(zip(NAMES, values[prompt, seed].tolist(), strict=True)),
                **clip,
            )
            for prompt, name in enumerate(names)
            for seed in range(SEEDS)
        ),
    )


def test_a_hundred_models_are_published_and_checked_in_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, board = tmp_path / "runs", tmp_path / "board"
    for model in range(MODELS):
        result = a_result(model)
        write_record(runs / "large" / result.model / "result.json", result)

    def measured(*arguments: str) -> tuple[float, float, float]:
        environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", MEASURED, str(runs), *arguments]
        told = subprocess.run(command, env=environment, capture_output=True, check=True, text=True)
        code, spent_s, parsing_s, gib = json.loads(told.stderr)
        assert code == 0
        return spent_s, spent_s / parsing_s, gib

    published = measured(str(runs), "--into", str(board))
    checked = measured("--check", str(board))
    page = (board / "index.html").stat().st_size
    with capsys.disabled():
        for name, (spent_s, ratio, gib) in {"published": published, "checked": checked}.items():
            print(  # noqa: T201
                f"\n{MODELS} models x {PROMPTS} prompts x {SEEDS} seeds x {METRICS} metrics "
                f"{name} in {spent_s:.1f} s, {ratio:.1f} times bare JSON, {gib:.2f} GiB"
            )
        print(f"their page is {page / 1e6:.2f} MB")  # noqa: T201
    assert max(published[1], checked[1]) <= MOST_PER_PARSING
    assert max(published[2], checked[2]) <= MOST_GIB
    assert page <= MOST_PAGE_BYTES
