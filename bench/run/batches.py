"""Batches: the draws that are made by one call, whatever of them is missing."""

from collections.abc import Sequence
from itertools import groupby

from bench.errors import BenchError
from bench.prompts import Item

Batch = Sequence[Item]
"""Draws of one prompt, in the suite's order."""


def check_seeds(seeds: Sequence[int], size: int) -> None:
    """Hold the seeds of a suite against the batch size.

    Raises:
        BenchError: if they do not fill whole batches; clips of a smaller one would take another
            time and, to a rounding, have other frames.
    """
    count = len(seeds)
    if count % size:
        fits = max(divisor for divisor in range(1, size) if count % divisor == 0)
        first = ",".join(map(str, range(size)))
        raise BenchError(
            f"expected seeds that fill batches of {size}, came {count}: "
            f"type model.options.batch_size={fits}, or as suite.seeds=[{first}]"
        )


def cut(items: Sequence[Item], size: int) -> list[Batch]:
    """Cut the draws of each prompt, in their order, into runs of `size`.

    All draws of a plan go in, made or not: what a batch is made of must not depend on what is
    missing, or a resumed run would give other bits than one that ran through.
    """
    batches: list[Batch] = []
    for _, draws in groupby(items, key=lambda item: item.prompt.id):
        of_prompt = list(draws)
        batches += [of_prompt[start : start + size] for start in range(0, len(of_prompt), size)]
    return batches
