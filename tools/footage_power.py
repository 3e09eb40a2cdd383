"""What two models' difference could be told by, judged from footage where no models were run.

python -m tools.footage_power outputs/health/health.json --metric coherence

Prints tables of prompts/README.md. Pieces of films stand for prompts, a film with a mild fault for
a model, and pieces of one film for draws of one prompt.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.commands.power import Spread, render
from bench.errors import BenchError, attempt
from bench.validation.variants import CONTENT, LADDERS, ORIGINAL


def spread_of_footage(values: Sequence[Mapping[str, Any]], metric: str) -> Spread:
    """The standard deviations, as controls on footage show them.

    Models are the untouched pieces and the mildest step of each fault, prompts the pieces. What is
    left of a value after its model's and its piece's mean stands for s_mp; it holds the part of a
    draw that differs by model, so it is rather too large. How pieces of one film differ, under one
    model, stands for s_seed, and how films differ beyond that for the prompt.

    Args:
        values: as `steadybench validate` writes them into health.json.
        metric: name of a column.
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
            "steadybench validate path=packaged films=null writes them into health.json"
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", metavar="FILE", type=Path, help="health.json of a health check")
    parser.add_argument("--metric", nargs="+", required=True, metavar="NAME", help="columns")
    given = parser.parse_args(arguments)

    def print_tables() -> int:
        values = _controls(given.path)
        spreads = {name: spread_of_footage(values, name) for name in given.metric}
        sys.stdout.write(render(spreads))
        return 0

    return attempt(print_tables)


def _controls(path: Path) -> list[dict[str, Any]]:
    """What `steadybench validate` wrote."""
    try:
        values = json.loads(path.read_text("utf-8"))
        complete = all({"piece", "file", "kind", "level", "scores"} <= set(v) for v in values)
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"expected the health.json of a health check, but {error}") from None
    if not values or not complete:
        raise BenchError(f"expected the health.json of a health check, {path} is none")
    return list(values)


if __name__ == "__main__":
    sys.exit(main())
