"""One thin module per command."""

import gc
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import BenchError, one_line
from bench.storage import CONF

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType

_GAP = 2  # blanks between two columns of a table


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
    """Print a table of texts; its width is that of the terminal where there is one."""
    console = screen(width)
    console.print(laid_out(headings, rows, console.width, numbers=numbers))


def laid_out(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    width: int,
    *,
    numbers: Collection[str] = (),
) -> "Group":
    """A table of texts in so many columns of a screen; no name, number or other word is broken.

    Columns of the headings `numbers` are set flush right. The columns for which there is no room,
    those on the right, stand by name below their row; `-`, where nobody says, is left out there.
    """
    from rich.cells import cell_len
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    body = list(rows)
    columns = list(zip(headings, *body, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    # Names stand whole in the first column; elsewhere a text is wrapped between its words.
    wide = whole[:1] + [
        max(cell_len(word) for text in column for word in text.split() or [""])
        for column in columns[1:]
    ]
    shown = max(1, sum(end - _GAP <= width for end in accumulate(each + _GAP for each in wide)))
    spare = width + _GAP - sum(each + _GAP for each in wide[:shown])
    for at in range(1, shown):
        more = max(0, min(spare, whole[at] - wide[at]))
        wide[at] += more
        spare -= more

    def line(texts: Sequence[str], style: str = "") -> Table:
        grid = Table.grid(padding=(0, _GAP))
        for heading, each in zip(headings[:shown], wide, strict=False):
            side: Literal["left", "right"] = "right" if heading in numbers else "left"
            grid.add_column(justify=side, width=each, overflow="fold")
        grid.add_row(*map(Text, texts[:shown]), style=style)
        return grid

    def below(row: Sequence[str]) -> Iterator[Padding]:
        hidden = [
            f"{heading}: {text}"
            for heading, text in zip(headings[shown:], row[shown:], strict=True)
            if text != "-"
        ]
        if hidden:
            yield Padding(Text("; ".join(hidden)), (0, 0, 0, 4))

    lines: list[RenderableType] = [line(headings, "bold")]
    for row in body:
        lines += [line(row), *below(row)]
    return Group(*lines)


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
