"""One thin module per command."""

import gc
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, one_line
from bench.storage import CONF

if TYPE_CHECKING:
    from rich.console import Console


def parser(name: str, document: str | None) -> ArgumentParser:
    """The parser of a command, whose help is its module's docstring as it stands."""
    return ArgumentParser(
        prog=f"steadybench {name}",
        description=document,
        formatter_class=RawDescriptionHelpFormatter,
    )


def check_folder(config_dir: str | None) -> None:
    """Refuse a folder of one's own configuration that holds none; Hydra would only warn."""
    if config_dir is None:
        return
    folder = Path(config_dir)
    if not folder.is_dir():
        raise BenchError(
            f"expected a folder of configuration, {config_dir!r} is none: type --config-dir DIR"
        )
    if (CONF / folder.name).is_dir() and not (folder / folder.name).is_dir():
        raise BenchError(
            f"expected a folder that holds {folder.name}/, got that folder itself: "
            f"type --config-dir {folder.parent}"
        )


def screen(width: int) -> "Console":
    """What is printed on: as wide as the terminal, so many columns where there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else width, highlight=False)


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    width: int = 140,
) -> None:
    """Print a table of texts; its width is that of the terminal where there is one.

    Columns of the headings `numbers` are set flush right. What a narrow terminal has no room for
    is left out from the right, so that no name is broken.
    """
    from rich.table import Table
    from rich.text import Text

    console = screen(width)
    body = list(rows)
    least = [
        max(len(word) for row in (headings, *body) for word in row[at].split() or [""])
        for at in range(len(headings))
    ]
    least[:1] = [max(map(len, (headings[0], *(row[0] for row in body))))]
    shown = sum(total <= console.width for total in accumulate(wide + 1 for wide in least))
    table = Table(box=None, pad_edge=False)
    for heading in headings[:shown]:
        table.add_column(
            heading,
            justify="right" if heading in numbers else "left",
            overflow="fold",
            no_wrap=heading == headings[0],
        )
    for row in body:
        table.add_row(*map(Text, row[:shown]))
    console.print(table)
    if shown < len(headings):
        hidden = ", ".join(headings[shown:])
        console.print(f"No room for {hidden}: a wider window shows them.", markup=False)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which would visit a great many objects in vain."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def files_of(group: str, config_dir: str | None) -> dict[str, Path]:
    """Names and YAMLs of a group of the configuration, those of a folder of one's own last."""
    check_folder(config_dir)
    folders = [CONF, *([Path(config_dir)] if config_dir else [])]
    return {
        path.stem: path for folder in folders for path in sorted(folder.glob(f"{group}/*.yaml"))
    }


def choices(group: str, config_dir: str | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The YAMLs of a group of the configuration, and what each says with those it builds on.

    Those of a folder of the user's own come last. As Hydra composes them, in a hundredth of the
    time.
    """
    import yaml
    from omegaconf import OmegaConf

    paths = files_of(group, config_dir)

    def read(name: str) -> Any:  # noqa: ANN401 - a mapping of OmegaConf
        try:
            values = yaml.safe_load(paths[name].read_text("utf-8")) or {}
        except yaml.YAMLError as error:
            raise BenchError(f"{paths[name]}: no YAML: {one_line(error)}") from error
        bases = [base for base in values.pop("defaults", ()) if isinstance(base, str)]
        return OmegaConf.merge(*(read(base) for base in bases if base in paths), values)

    for name, path in paths.items():
        values = OmegaConf.to_container(read(name))
        assert isinstance(values, dict)
        yield path, {str(key): value for key, value in values.items()}
