"""Suites: how many prompts, seeds and clips each has, how long its clips are, what it is for.

Examples:
  steadybench suites                       all of the package
  steadybench suites --config-dir mine     with suites of your own, in mine/suite/NAME.yaml
  steadybench plan suite=standard          what one of them takes
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.commands import choices, parser, print_table
from bench.errors import attempt
from bench.prompts import Prompt, parse_suite
from bench.storage import PROMPTS, read_bytes


class Listed(NamedTuple):
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
    rows = []
    for suite in suites(config_dir):
        counts = (suite.prompts, suite.seeds, suite.prompts and suite.prompts * suite.seeds)
        cells = ("-" if count is None else str(count) for count in counts)
        rows.append((suite.name, *cells, suite.seconds, suite.title))
    numbers = ("prompts", "seeds", "clips", "seconds")
    print_table(("suite", *numbers, "what it is for"), rows, numbers=numbers)
    return 0


def suites(config_dir: str | None = None) -> Iterator[Listed]:
    """Those of the package, and of a folder of the user's own."""
    for path, suite in choices("suite", config_dir):
        prompts = _prompts(suite.get("prompts"))
        lengths = {prompt.seconds for prompt in prompts or () if prompt.seconds}
        yield Listed(
            name=path.stem,
            prompts=None if prompts is None else len(prompts),
            seeds=len(suite["seeds"]),
            seconds=f"{min(lengths):g}-{max(lengths):g}"
            if suite.get("follow_seconds") and lengths
            else "model's",
            title=suite.get("title") or _opening(path.read_text("utf-8")),
        )


def _prompts(name: str | None) -> list[Prompt] | None:
    for path in (Path(name), PROMPTS / name) if name else ():
        if path.is_file():
            return list(parse_suite(read_bytes(path), path).values())
    return None


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
