"""`python -m bench.fit model=NAME`: how large is it, before anything is downloaded?

Builds the networks on the meta device, which takes seconds and next to no memory, from a local
folder, the hub's cache, the sizes that the benchmark knows, or the hub's configuration files.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import open_dict
from rich.console import Console
from rich.table import Table

from bench import config as configuration
from bench.errors import MISTAKE, BenchError, attempt
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.random_weights import Part
from bench.storage import CONF

_GIB = 2**30


def sizes(model: dict[str, Any]) -> list[Part]:
    """Every network of a model's configuration with its size.

    Raises:
        BenchError: if it is no diffusers model, or nothing describes its networks.
    """
    generator = configuration.build_generator(model)
    if not isinstance(generator, DiffusersGenerator):
        raise BenchError(
            f"expected a model that runs through diffusers, came {type(generator).__name__}: "
            "type model=wan2_1_1_3b, say"
        )
    return generator.parts()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: `[--config-dir DIR] model=NAME [KEY=VALUE ...]`; the process's by default.

    Returns:
        Exit code: 0, or 2 after a mistake that the user can mend.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    return 0 if attempt(lambda: _show(sizes(_composed(given)))) else MISTAKE


def _composed(given: list[str]) -> dict[str, Any]:
    overrides = [argument for argument in given if "=" in argument and argument[:2] != "--"]
    folders = [given[n + 1] for n, word in enumerate(given[:-1]) if word == "--config-dir"]
    folders += [word.partition("=")[2] for word in given if word.startswith("--config-dir=")]
    if not any(override.startswith("model=") for override in overrides):
        raise BenchError("expected a model: type python -m bench.fit model=wan2_1_1_3b")
    searched = [f"hydra.searchpath=[{','.join(f'file://{Path(f).resolve()}' for f in folders)}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("bench", [*overrides, *(searched if folders else [])])
    with open_dict(config):
        config.model.pop("videos", None)  # what drives a model does not decide its size
    return configuration.plain(config.model)


def _show(found: list[Part]) -> None:
    table = Table("component", "network", *("parameters", "weights GiB"), show_footer=True)
    total, weight = sum(p.parameters for p in found), sum(p.weight_bytes for p in found)
    for part in found:
        table.add_row(
            part.name, part.kind, f"{part.parameters:,}", f"{part.weight_bytes / _GIB:.2f}"
        )
    for column, text in zip(
        table.columns, ("all", "", f"{total:,}", f"{weight / _GIB:.2f}"), strict=True
    ):
        column.footer = text
    for column in table.columns[2:]:
        column.justify = "right"
    console = Console(width=None if sys.stdout.isatty() else 100)
    console.print(table)
    console.print("Weights alone; what is computed with them comes on top.", highlight=False)
    if torch.cuda.is_available():
        there = torch.cuda.get_device_properties(0).total_memory
        console.print(
            f"This GPU has {there / _GIB:.0f} GiB: they "
            + ("fit." if weight < there else "do not fit; see model.options.offload."),
            highlight=False,
        )


if __name__ == "__main__":
    sys.exit(main())
