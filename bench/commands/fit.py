"""How large is a model, before anything is downloaded? Parameters and GiB of each network.

The networks are built without weights, which takes seconds and next to no memory, from a local
folder or the hub's configuration files; where the hub cannot be read, from a table of the package,
and for a model that is not in it the model's card is quoted.

Examples:
  steadybench fit model=wan2_1_1_3b
  steadybench fit model=wan2_1_14b model.load.dtype=float16
  steadybench fit model=mymodel --config-dir mine        a model of your own
"""

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.commands import parser, screen
from bench.commands.composition import add_overrides, compose_config, read_overrides
from bench.config import build_generator, plain
from bench.errors import BenchError, UnavailableError, attempt

if TYPE_CHECKING:  # torch takes seconds, and help needs none of it
    from bench.generators.diffusers.generator import DiffusersGenerator

_GIB = 2**30
_WIDTH_OF_A_FILE = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("fit", __doc__)
    add_overrides(command)
    options = read_overrides(command, arguments)
    return attempt(lambda: _fit(options))


def _fit(options: Namespace) -> int:
    if not any(override.startswith("model=") for override in options.overrides):
        raise BenchError("expected a model: type steadybench fit model=wan2_1_1_3b")
    from omegaconf import open_dict

    from bench.generators.diffusers.generator import DiffusersGenerator

    config = compose_config("bench", options)
    with open_dict(config):
        config.model.pop("videos", None)  # what drives a model does not decide its size
    generator = build_generator(plain(config.model))
    if not isinstance(generator, DiffusersGenerator):
        raise BenchError(
            f"expected a model that runs through diffusers, got {type(generator).__name__}: "
            "type model=wan2_1_1_3b, say"
        )
    show(generator, plain(config.model)["card"])
    return 0


def show(generator: "DiffusersGenerator", card: Mapping[str, Any]) -> None:
    """Print its networks, or what its card says of them; UnavailableError where that is nothing."""
    import torch
    from rich.table import Table

    try:
        parts = generator.parts()
    except UnavailableError as error:
        sizes = [f"{card['parameters']} parameters"] if card.get("parameters") else []
        sizes += [f"{card['weights_gib']} GiB of weights"] if card.get("weights_gib") else []
        if not sizes:
            raise
        line = f"{card['title']}: {', '.join(sizes)}, says its card"
        sys.stdout.write(f"{line}. Not counted: {error}\n")
        return
    parameters, weight = sum(p.parameters for p in parts), sum(p.weight_bytes for p in parts)
    table = Table(show_footer=True)
    table.add_column("component", "all", overflow="fold")
    table.add_column("network", overflow="fold")
    table.add_column("parameters", f"{parameters:,}", justify="right", no_wrap=True)
    table.add_column("weights GiB", f"{weight / _GIB:.2f}", justify="right", no_wrap=True)
    for part in parts:
        size = f"{part.weight_bytes / _GIB:.2f}"
        table.add_row(part.name, part.kind, f"{part.parameters:,}", size)
    console = screen(_WIDTH_OF_A_FILE)
    console.print(table)
    console.print("Weights alone; what is computed with them comes on top.")
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        fits = "fit." if weight < memory else "do not fit; see model.options.offload."
        console.print(f"This GPU has {memory / _GIB:.0f} GiB: they {fits}")


if __name__ == "__main__":
    sys.exit(main())
