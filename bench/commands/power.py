"""How many prompts and seeds tell what difference between two models.

Judged by the spread of results that are there: of two models or more, on one suite, with two seeds
or more. The first table says how much values vary, the second which difference a suite of so many
prompts and seeds finds four times out of five.

Examples:
  steadybench power outputs/standard/* --metric coherence
  steadybench power leaderboard/results/smoke/*.json --metric coherence adherence
  steadybench power outputs/toy_groups/* --metric adherence warp_mae

A value is taken as y[m, p, s] = model + prompt + (model x prompt) + seed. What is hard about a
prompt is so for both models and leaves their difference; what remains gives it the standard error

    SE = sqrt(2 (s_mp^2 + s_seed^2 / S) / P)        P prompts, S seeds

(two-way analysis of variance with replication; Montgomery 2017, chapters 5 and 13). Prompts
lower the whole of it, seeds only their own part.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.commands import parser
from bench.errors import BenchError, attempt, nearest
from bench.leaderboard.data.files import find, load
from bench.schema import Result, Sample

DESIGNS = ((10, 2), (20, 1), (20, 2), (40, 4), (60, 4), (100, 1), (100, 2), (100, 4), (200, 4))
"""Prompts and seeds of the table: the published suites, and what stands beside them."""

_NORMAL_975 = 1.959964  # two-sided test at 5%
_NORMAL_80 = 0.841621  # found four times out of five


@dataclass(frozen=True)
class Spread:
    """Standard deviations of what a value is made of, in the metric's unit."""

    prompt: float  # what all models find easy or hard about a prompt; cancels in a difference
    interaction: float  # s_mp, what one model makes of one prompt
    seed: float  # s_seed, between draws of one model on one prompt

    def standard_error(self, prompts: int, seeds: int) -> float:
        """SE of the difference between two models on the same prompts and seeds."""
        return math.sqrt(2 * (self.interaction**2 + self.seed**2 / seeds) / prompts)

    def detectable(self, prompts: int, seeds: int) -> float:
        """The difference that a two-sided test at 5% finds four times out of five: 2.80 SE."""
        return (_NORMAL_975 + _NORMAL_80) * self.standard_error(prompts, seeds)


def spread(values: ArrayLike) -> Spread:
    """Estimate the standard deviations from a complete table, by the expected mean squares.

    E[MS_seed] = s_seed^2, E[MS_mp] = s_seed^2 + S s_mp^2, E[MS_p] = E[MS_mp] + M S s_p^2. An
    estimate below zero is taken as zero. The values are finite floats `[M, P, S]`, one per model,
    prompt and seed, of each of which there are two or more.
    """
    table = np.asarray(values, np.float64)
    if table.ndim != 3 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite values [M, P, S], all at least 2, got {table.shape}")
    models, prompts, seeds = table.shape
    cells = table.mean(axis=2)
    rows, columns = cells.mean(axis=1, keepdims=True), cells.mean(axis=0, keepdims=True)
    within = table - cells[:, :, None]
    beyond = cells - rows - columns + cells.mean()
    seed = (within**2).sum() / (models * prompts * (seeds - 1))
    interaction = seeds * (beyond**2).sum() / ((models - 1) * (prompts - 1))
    prompt = models * seeds * ((columns - cells.mean()) ** 2).sum() / (prompts - 1)
    return Spread(
        prompt=math.sqrt(max(0.0, prompt - interaction) / (models * seeds)),
        interaction=math.sqrt(max(0.0, interaction - seed) / seeds),
        seed=math.sqrt(seed),
    )


def table_of(results: Sequence[Result], metric: str) -> NDArray[np.float64]:
    """One metric of several results of one suite, float `[M, P, S]`.

    A prompt that lacks a value of any model or seed is left out of all.
    """
    shared = sorted(set.intersection(*(set(result.metrics) for result in results)))
    if metric not in shared:
        raise BenchError(
            f"expected a metric of every result, got {metric!r}{nearest(metric, shared)}; "
            f"these are {', '.join(shared)}"
        )
    if len({result.suite for result in results}) != 1 or len(results) < 2:
        raise BenchError("expected results of two models or more on one suite: type RESULT RESULT")
    seeds = sorted(set.intersection(*(set(result.expected.seeds) for result in results)))
    if len(seeds) < 2:
        raise BenchError(
            "expected two seeds or more, since one cannot tell seeds from prompts: "
            "run the models with suite.seeds=[0,1,2,3]"
        )
    scores = [{clip.sample: clip.scores.get(metric) for clip in r.clips} for r in results]
    complete = []
    for prompt in results[0].expected.prompts:
        cells = [[values.get(Sample(prompt, seed)) for seed in seeds] for values in scores]
        if all(value is not None for row in cells for value in row):
            complete.append(cells)
    if len(complete) < 2:
        raise BenchError(f"expected two prompts or more with {metric} of every model and seed")
    return np.array(complete, np.float64).transpose(1, 0, 2)


def render(spreads: dict[str, Spread]) -> str:
    """Two markdown tables: the standard deviations, and what each design can tell apart."""
    lines = ["| metric | prompt | model x prompt | seed |", "| --- | ---: | ---: | ---: |"]
    for name, part in spreads.items():
        lines.append(f"| `{name}` | {part.prompt:.2g} | {part.interaction:.2g} | {part.seed:.2g} |")
    lines += ["", f"| prompts x seeds | clips | {' | '.join(f'`{name}`' for name in spreads)} |"]
    lines.append("| --- | ---: |" + " ---: |" * len(spreads))
    for prompts, seeds in DESIGNS:
        cells = (f"{part.detectable(prompts, seeds):.2g}" for part in spreads.values())
        lines.append(f"| {prompts} x {seeds} | {prompts * seeds} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("power", __doc__)
    command.add_argument(
        "paths", nargs="+", metavar="PATH", type=Path, help="results or run folders"
    )
    command.add_argument("--metric", nargs="+", required=True, metavar="NAME", help="columns")
    options = command.parse_args(arguments)
    return attempt(lambda: _print_tables(options.paths, options.metric))


def _print_tables(paths: Sequence[Path], metrics: Sequence[str]) -> int:
    results = [load(path) for path in find(paths)]
    sys.stdout.write(render({name: spread(table_of(results, name)) for name in metrics}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
