"""How large is a model, before anything is downloaded? Needs `model=NAME`.

Builds the networks on the meta device, which takes seconds and next to no memory, from a local
folder, the hub's cache, the sizes that the benchmark knows, or the hub's configuration files.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import open_dict
from rich.console import Console
from rich.table import Table

from bench.commands.overrides import add_overrides, composed, read
from bench.config import build_generator, plain
from bench.errors import BenchError, attempt
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.random_weights import Part

_GIB = 2**30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = ArgumentParser(prog="python -m bench.fit", description=__doc__)
    add_overrides(parser)
    given = read(parser, arguments)

    def show_sizes() -> int:
        if not any(override.startswith("model=") for override in given.overrides):
            raise BenchError("expected a model: type python -m bench.fit model=wan2_1_1_3b")
        config = composed("bench", given)
        with open_dict(config):
            config.model.pop("videos", None)  # what drives a model does not decide its size
        _show(sizes(plain(config.model)))
        return 0

    return attempt(show_sizes)


def sizes(model: dict[str, Any]) -> list[Part]:
    """Every network of a model's configuration with its size."""
    generator = build_generator(model)
    if not isinstance(generator, DiffusersGenerator):
        raise BenchError(
            f"expected a model that runs through diffusers, got {type(generator).__name__}: "
            "type model=wan2_1_1_3b, say"
        )
    return generator.parts()


def _show(parts: Sequence[Part]) -> None:
    parameters, weight = sum(p.parameters for p in parts), sum(p.weight_bytes for p in parts)
    table = Table(show_footer=True)
    table.add_column("component", "all")
    table.add_column("network")
    table.add_column("parameters", f"{parameters:,}", justify="right")
    table.add_column("weights GiB", f"{weight / _GIB:.2f}", justify="right")
    for part in parts:
        size = f"{part.weight_bytes / _GIB:.2f}"
        table.add_row(part.name, part.kind, f"{part.parameters:,}", size)
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print("Weights alone; what is computed with them comes on top.", highlight=False)
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        verdict = "fit." if weight < memory else "do not fit; see model.options.offload."
        console.print(f"This GPU has {memory / _GIB:.0f} GiB: they {verdict}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
