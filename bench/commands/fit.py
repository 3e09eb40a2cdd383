"""`python -m bench.fit model=NAME`: how large is it, before anything is downloaded?

Builds the networks on the meta device, which takes seconds and next to no memory, from a local
folder or the hub's configuration files; where the hub cannot be read, from a table of the package.
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
from bench.errors import BenchError
from bench.explain import MISTAKE, attempt
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.random_weights import ARCHITECTURES
from bench.paths import CONF

_GIB = 2**30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `[--config-dir DIR] model=NAME [KEY=VALUE ...]`, the process's arguments by default.

    Returns the exit code: 0, or 2 after a mistake that the user can mend.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    return 0 if attempt(lambda: _show(_generator(_composed(words)))) else MISTAKE


def _composed(words: list[str]) -> dict[str, Any]:
    overrides = [word for word in words if "=" in word and word[:2] != "--"]
    folders = [words[n + 1] for n, word in enumerate(words[:-1]) if word == "--config-dir"]
    folders += [word.partition("=")[2] for word in words if word.startswith("--config-dir=")]
    if not any(override.startswith("model=") for override in overrides):
        raise BenchError("expected a model: type python -m bench.fit model=wan2_1_1_3b")
    searched = [f"hydra.searchpath=[{','.join(f'file://{Path(f).resolve()}' for f in folders)}]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("bench", [*overrides, *(searched if folders else [])])
    with open_dict(config):
        config.model.pop("videos", None)  # what drives a model does not decide its size
    return configuration.plain(config.model)


def _generator(model: dict[str, Any]) -> DiffusersGenerator:
    generator = configuration.build_generator(model)
    if not isinstance(generator, DiffusersGenerator):
        raise BenchError(
            f"expected a model that runs through diffusers, got {type(generator).__name__}: "
            "type model=wan2_1_1_3b, say"
        )
    return generator


def _show(generator: DiffusersGenerator) -> None:
    parts = generator.parts()
    parameters, weight = sum(p.parameters for p in parts), sum(p.weight_bytes for p in parts)
    table = Table(show_footer=True)
    table.add_column("component", "all")
    table.add_column("network")
    table.add_column("parameters", f"{parameters:,}", justify="right")
    table.add_column("weights GiB", f"{weight / _GIB:.2f}", justify="right")
    for part in parts:
        table.add_row(
            part.name, part.kind, f"{part.parameters:,}", f"{part.weight_bytes / _GIB:.2f}"
        )
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    console.print(table)
    console.print("Weights alone; what is computed with them comes on top.")
    if not isinstance(generator.description, Path):
        console.print(
            f"The hub cannot be read from here: sizes are those of {ARCHITECTURES.name}, a table "
            "of this package."
        )
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        fits = "fit." if weight < memory else "do not fit; see model.options.offload."
        console.print(f"This GPU has {memory / _GIB:.0f} GiB: they {fits}")


if __name__ == "__main__":
    sys.exit(main())
