"""One thin module per command."""

import gc
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.storage import CONF


def parser(name: str, document: str | None) -> ArgumentParser:
    """The parser of a command, whose help is its module's docstring as it stands."""
    return ArgumentParser(
        prog=f"steadybench {name}",
        description=document,
        formatter_class=RawDescriptionHelpFormatter,
    )


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    width: int = 140,
) -> None:
    """Print a table of texts; its width is that of the terminal where there is one.

    Columns of the headings `numbers` are set flush right.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(
            heading, justify="right" if heading in numbers else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else width, highlight=False).print(table)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which would visit a great many values in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def choices(group: str, config_dir: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The YAMLs of a group of the configuration, and what each says with those it builds on.

    Those of a folder of the user's own come last. As Hydra composes them, in a hundredth of the
    time.
    """
    import yaml
    from omegaconf import OmegaConf

    folders = [CONF, *([Path(config_dir)] if config_dir else [])]
    paths = {
        path.stem: path for folder in folders for path in sorted(folder.glob(f"{group}/*.yaml"))
    }

    def read(name: str) -> Any:  # noqa: ANN401 - a mapping of OmegaConf
        values = yaml.safe_load(paths[name].read_text("utf-8")) or {}
        bases = [base for base in values.pop("defaults", ()) if isinstance(base, str)]
        return OmegaConf.merge(*(read(base) for base in bases if base in paths), values)

    for name, path in paths.items():
        values = OmegaConf.to_container(read(name))
        assert isinstance(values, dict)
        yield path, {str(key): value for key, value in values.items()}
