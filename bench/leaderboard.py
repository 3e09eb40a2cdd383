"""Publish results: copy result files into a leaderboard's folder and render its page.

python -m bench.leaderboard outputs/standard/* --into leaderboard
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.errors import BenchError
from bench.paths import SAFE_NAME
from bench.records import write_json, write_text
from bench.report.console import show
from bench.report.loading import FILE_NAME, find, load
from bench.report.markdown import OPENING, render
from bench.report.pictures import draw_suite
from bench.report.results import Result


def publish(results: Sequence[Path], into: Path) -> Path:
    """Copy results to `into/results/<suite>/<model>.json` and render `into/README.md`.

    The page shows everything under `into/results`, so that results of other runs stay on it; a
    newer result of the same suite and model takes the place of the older. Nothing is written
    unless every input is valid.

    Args:
        results: result files.
        into: folder of the leaderboard; made if it is missing.

    Returns:
        Path of the page.

    Raises:
        BenchError: if a file is not a result, two land on the same place, a name is no file
            name, or `into/README.md` is not a leaderboard's.
    """
    page = into / "README.md"
    _refuse_foreign(page)
    sources: dict[Path, Path] = {}
    loaded: dict[Path, Result] = {}
    for source in results:
        result = load(source)
        target = _place(result, source, into)
        if target in sources:
            raise BenchError(
                f"expected one result per suite and model, {sources[target]} and {source} are both "
                f"{result.suite}/{result.model}: publish one of them, or rename a model"
            )
        sources[target], loaded[target] = source, result
    board = dict(loaded)
    for file in published(into):
        if file not in loaded:
            board[file] = load(file)
            if file != (place := _place(board[file], file, into)):
                raise BenchError(f"{file}: expected what it holds at {place}; move or remove it")
    for target, result in loaded.items():
        write_json(target, result.content)
    # A result that lies in its run's folder has its clips beside it; they are drawn once a suite.
    folders = {
        source.parent.parent: target.parent.name
        for target, source in sources.items()
        if source.name == FILE_NAME
    }
    for folder, suite in folders.items():
        draw_suite(folder, into / "figures" / f"{suite}.png")
    pictures = {path.stem: f"figures/{path.name}" for path in sorted(into.glob("figures/*.png"))}
    health = "health.md" if (into / "health.md").exists() else None
    write_text(page, render(board.values(), pictures, health=health))
    return page


def published(into: Path) -> list[Path]:
    """Result files a leaderboard's folder holds, sorted."""
    return sorted((into / "results").glob("*/*.json"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        Exit code: 0, or 2 after a mistake that the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.leaderboard",
        description="Publish results: copy them into a leaderboard's folder and render its page.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a result.json, a run's folder, or a folder of run folders",
    )
    parser.add_argument("--into", required=True, metavar="DIR", help="folder of the leaderboard")
    given = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has arrows
    try:
        *paths, into = map(_path, (*given.paths, given.into))
        page = publish(find(paths), into)
        everything = [load(file) for file in published(into)]
    except BenchError as error:
        sys.stderr.write(f"steadybench: {' '.join(str(error).split())}\n")
        return 2
    console = Console()
    show(everything, console)
    console.print(f"Written: {page}", markup=False, highlight=False, soft_wrap=True)
    return 0


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable in a script; pathlib takes it for this very folder
        raise BenchError("expected a path, came an empty one: type PATH... --into DIR")
    return Path(text)


def _refuse_foreign(page: Path) -> None:
    """Never write over a README that somebody wrote by hand."""
    if not page.exists():
        return
    try:
        ours = page.read_text("utf-8", errors="replace").startswith(OPENING)
    except OSError as error:
        raise BenchError(f"expected to read {page}, but {error.strerror}") from None
    if not ours:
        raise BenchError(
            f"expected a leaderboard's page at {page}, it is another file: "
            "choose another folder with --into DIR"
        )


def _place(result: Result, source: Path, into: Path) -> Path:
    """Where a result lies once published."""
    for name in (result.suite, result.model):
        if not SAFE_NAME.fullmatch(name):
            raise BenchError(
                f"{source}: expected suite and model of letters, digits, '.', '_' and '-', "
                f"came {name!r:.80}"
            )
    return into / "results" / result.suite / f"{result.model}.json"


if __name__ == "__main__":
    sys.exit(main())
