"""Publish results: copy them into a leaderboard's folder, and draw its page.

Results that the leaderboard has stay on it; a newer one of the same suite and model replaces the
older. Nothing is written unless every input is valid.

Examples:
  steadybench publish outputs/standard/* --into board           all models of a suite
  steadybench publish outputs --into board                      all suites
  steadybench publish outputs/toy/toy_steady --into board       one run
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.commands import parser, uncollected
from bench.errors import BenchError, attempt
from bench.run.claims import held
from bench.storage import PART


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, 2 after a mistake of the user."""
    command = parser("publish", __doc__)
    command.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a result.json, a run's folder, or a folder of run folders",
    )
    command.add_argument("--into", required=True, metavar="DIR", help="folder of the leaderboard")
    options = command.parse_args(arguments)
    return attempt(lambda: _publish(options.paths, options.into))


def _publish(paths: Sequence[str], into: str) -> int:
    from rich.console import Console

    from bench.leaderboard.data.files import find
    from bench.leaderboard.publish import PAGE, publish
    from bench.leaderboard.render.console import show

    files = find([path_of(path) for path in paths])
    with uncollected(), to_itself(path_of(into)):
        written = publish(files, path_of(into))
    console = Console()
    show(written.suites, written.tables, console)
    line = f"Written: {written.readme} and {written.readme.with_name(PAGE)}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


@contextmanager
def to_itself(board: Path) -> Iterator[None]:
    """Keep a leaderboard to this process, and remove what one that died has left half written."""
    with held(board / "leaderboard.json"):
        for part in board.rglob(f".*{PART}"):
            part.unlink(missing_ok=True)
        yield


def path_of(text: str) -> Path:
    """A path of the command line, which must not be empty."""
    if not text.strip():  # an unset variable in a script; pathlib takes it for this very folder
        raise BenchError("expected a path, got an empty one: type PATH... --into DIR")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
