"""How many prompts and seeds tell what difference between two models.

python -m bench.power outputs/toy/* --metric adherence warp_mae
python -m bench.power --footage leaderboard/health.json --metric coherence

A value is taken as y[m, p, s] = model + prompt + (model x prompt) + seed. What is hard about a
prompt is so for both models and leaves their difference; what remains gives it the standard error

    SE = sqrt(2 (s_mp^2 + s_seed^2 / S) / P)        P prompts, S seeds

(two-way analysis of variance with replication; Montgomery 2017, chapters 5 and 13). Prompts
lower the whole of it, seeds only their own part.

Where no models were run, footage may stand in: pieces of films for prompts, a film with a mild
fault for a model, and pieces of one film for draws of one prompt.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import MISTAKE, BenchError, complain, nearest
from bench.leaderboard.data.loading import find, load
from bench.leaderboard.data.results import Result
from bench.validation.variants import CONTENT, LADDERS, ORIGINAL

DESIGNS = ((10, 2), (20, 1), (20, 2), (40, 4), (60, 4), (100, 1), (100, 2), (100, 4), (200, 4))
"""Prompts and seeds of the table: the published suites, and what stands beside them."""

_NORMAL_975 = 1.959964  # two-sided test at 5%
_NORMAL_80 = 0.841621  # found four times out of five


@dataclass(frozen=True)
class Spread:
    """Standard deviations of what a value is made of, in the metric's unit.

    Attributes:
        prompt: what all models find easy or hard about a prompt; cancels in a difference.
        interaction: s_mp, what one model makes of one prompt.
        seed: s_seed, between draws of one model on one prompt.
    """

    prompt: float
    interaction: float
    seed: float

    def standard_error(self, prompts: int, seeds: int) -> float:
        """SE of the difference between two models on the same prompts and seeds."""
        return math.sqrt(2 * (self.interaction**2 + self.seed**2 / seeds) / prompts)

    def detectable(self, prompts: int, seeds: int) -> float:
        """The difference that a two-sided test at 5% finds four times out of five: 2.80 SE."""
        return (_NORMAL_975 + _NORMAL_80) * self.standard_error(prompts, seeds)


def spread(values: ArrayLike) -> Spread:
    """Estimate the standard deviations from a complete table, by the expected mean squares.

    E[MS_seed] = s_seed^2, E[MS_mp] = s_seed^2 + S s_mp^2, E[MS_p] = E[MS_mp] + M S s_p^2. An
    estimate below zero is taken as zero.

    Args:
        values: one value per model, prompt and seed, float `[M, P, S]`, finite, all sides >= 2.
    """
    table = np.asarray(values, np.float64)
    if table.ndim != 3 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite values [M, P, S], all at least 2, came {table.shape}")
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

    Raises:
        BenchError: if fewer than two models, seeds or complete prompts are there.
    """
    if len({result.suite for result in results}) != 1 or len(results) < 2:
        raise BenchError("expected results of two models or more on one suite: type RESULT RESULT")
    known = sorted(set.intersection(*(set(result.metrics) for result in results)))
    if metric not in known:
        raise BenchError(
            f"expected a metric of every result, came {metric!r}{nearest(metric, known)}; "
            f"known are {', '.join(known)}"
        )
    seeds = sorted(set.intersection(*(set(result.seeds) for result in results)))
    if len(seeds) < 2:
        raise BenchError(
            "expected two seeds or more, since one cannot tell seeds from prompts: "
            "run the models with suite.seeds=[0,1,2,3]"
        )
    scores = [
        {(clip.prompt, clip.seed): clip.scores.get(metric) for clip in result.clips}
        for result in results
    ]
    complete = []
    for prompt in results[0].expected_prompts:
        cells = [[held.get((prompt, seed)) for seed in seeds] for held in scores]
        if all(value is not None for row in cells for value in row):
            complete.append(cells)
    if len(complete) < 2:
        raise BenchError(f"expected two prompts or more with {metric} of every model and seed")
    return np.array(complete, np.float64).transpose(1, 0, 2)


def spread_of_footage(values: Sequence[Mapping[str, Any]], metric: str) -> Spread:
    """The standard deviations, as controls on footage show them.

    Models are the untouched pieces and the mildest step of each fault, prompts the pieces. What is
    left of a value after its model's and its piece's mean stands for s_mp; it holds the part of a
    draw that differs by model, so it is rather too large. How pieces of one film differ, under one
    model, stands for s_seed, and how films differ beyond that for the prompt.

    Args:
        values: as `python -m bench.health` writes them into health.json.
        metric: name of a column.

    Raises:
        BenchError: if fewer than two models, or two films of which one has two pieces, have the
            metric.
    """
    kinds = (ORIGINAL, *(kind for kind in (*LADDERS, *CONTENT) if kind != "cut"))
    cells = {
        (value["kind"], value["piece"]): value["scores"].get(metric)
        for value in values
        if value["kind"] in kinds and value["level"] <= 1
    }
    film_of = {value["piece"]: value["file"] for value in values}
    pieces = [p for p in film_of if all(cells.get((kind, p)) is not None for kind in kinds)]
    films = [film_of[piece] for piece in pieces]
    if len(set(films)) < 2 or len(films) == len(set(films)):
        raise BenchError(
            f"expected {metric} of pieces of two films or more, two of one film among them, as "
            "python -m bench.health path=packaged writes them into health.json"
        )
    table = np.array([[cells[kind, piece] for piece in pieces] for kind in kinds], np.float64)
    beyond = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    members = [table[:, [film == name for film in films]] for name in sorted(set(films))]
    within = sum(float(((part - part.mean(axis=1, keepdims=True)) ** 2).sum()) for part in members)
    seed = within / (len(kinds) * (len(films) - len(members)))
    means = np.array([part.mean() for part in members])
    per_film = len(members) / sum(1 / part.shape[1] for part in members)  # harmonic mean
    return Spread(
        prompt=math.sqrt(max(0.0, float(means.var(ddof=1)) - seed / per_film)),
        interaction=math.sqrt((beyond**2).sum() / ((len(kinds) - 1) * (len(films) - 1))),
        seed=math.sqrt(seed),
    )


def render(spreads: dict[str, Spread]) -> str:
    """Two markdown tables: the standard deviations, and what each design can tell apart."""
    lines = ["| metric | prompt | model x prompt | seed |", "| --- | ---: | ---: | ---: |"]
    for name, part in spreads.items():
        lines.append(f"| `{name}` | {part.prompt:.2g} | {part.interaction:.2g} | {part.seed:.2g} |")
    lines += ["", f"| prompts x seeds | clips | {' | '.join(f'`{name}`' for name in spreads)} |"]
    lines.append("| --- | ---: |" + " ---: |" * len(spreads))
    for prompts, seeds in DESIGNS:
        found = (f"{part.detectable(prompts, seeds):.2g}" for part in spreads.values())
        lines.append(f"| {prompts} x {seeds} | {prompts * seeds} | {' | '.join(found)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        Exit code: 0, or 2 after a mistake that the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.power",
        description="How many prompts and seeds tell what difference between two models, judged "
        "by the spread of results that are there.",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", type=Path, help="results or run folders"
    )
    parser.add_argument(
        "--footage",
        metavar="FILE",
        type=Path,
        help="health.json, whose pieces of film stand in for prompts, instead of results",
    )
    parser.add_argument("--metric", nargs="+", required=True, metavar="NAME", help="columns")
    given = parser.parse_args(arguments)
    try:
        if bool(given.paths) == (given.footage is not None):
            raise BenchError("expected results or footage: type PATH PATH, or --footage FILE")
        if given.footage is not None:
            values = _controls(given.footage)
            spreads = {name: spread_of_footage(values, name) for name in given.metric}
        else:
            results = [load(path) for path in find(given.paths)]
            spreads = {name: spread(table_of(results, name)) for name in given.metric}
    except BenchError as error:
        complain(error)
        return MISTAKE
    sys.stdout.write(render(spreads))
    return 0


def _controls(path: Path) -> list[dict[str, Any]]:
    """What `python -m bench.health` wrote."""
    try:
        values = json.loads(path.read_text("utf-8"))
        known = [set(value) for value in values]
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"expected the health.json of a health check, but {error}") from None
    if not known or any(not {"piece", "file", "kind", "level", "scores"} <= keys for keys in known):
        raise BenchError(f"expected the health.json of a health check, {path} is none")
    return list(values)


if __name__ == "__main__":
    sys.exit(main())
