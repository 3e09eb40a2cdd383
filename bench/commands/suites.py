"""Suites: how many prompts, seeds and clips each has, how long its clips are, what it is for.

Examples:
  steadybench suites                       all of the package
  steadybench suites --config-dir mine     with suites of your own, in mine/suite/NAME.yaml
  steadybench plan suite=standard          what one of them takes
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.commands import choices, parser
from bench.errors import attempt
from bench.storage import PROMPTS


class Suite(NamedTuple):
    """What is said of a suite; None where its prompts are somebody else's to bring."""

    name: str
    prompts: int | None
    seeds: int
    seconds: str
    title: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("suites", __doc__)
    command.add_argument("--config-dir", metavar="DIR", help="folder of your own configuration")
    options = command.parse_args(arguments)
    return attempt(lambda: _list(options.config_dir))


def _list(config_dir: str | None) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("suite")
    for column in ("prompts", "seeds", "clips", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("what it is for")
    for suite in suites(config_dir):
        counts = (suite.prompts, suite.seeds, suite.prompts and suite.prompts * suite.seeds)
        cells = ["-" if count is None else str(count) for count in counts]
        table.add_row(suite.name, *cells, suite.seconds, Text(suite.title))
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(table)
    return 0


def suites(config_dir: str | None = None) -> Iterator[Suite]:
    """Those of the package, and of a folder of the user's own."""
    for path, suite in choices("suite", config_dir):
        lines = _lines(suite.get("prompts"))
        lengths = {line["seconds"] for line in lines or () if line.get("seconds")}
        yield Suite(
            name=path.stem,
            prompts=None if lines is None else len(lines),
            seeds=len(suite["seeds"]),
            seconds=f"{min(lengths):g}-{max(lengths):g}"
            if suite.get("follow_seconds") and lengths
            else "model's",
            title=suite.get("title") or _opening(path.read_text("utf-8")),
        )


def _lines(prompts: str | None) -> list[dict[str, Any]] | None:
    if prompts is None or prompts == "???":
        return None
    file = next((path for path in (Path(prompts), PROMPTS / prompts) if path.is_file()), None)
    if file is None:
        return None
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


def _opening(text: str) -> str:
    """The first sentence of the comment that a file begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines).partition(". ")[0].rstrip(". ")


if __name__ == "__main__":
    sys.exit(main())
