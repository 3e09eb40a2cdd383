"""Publish results: into a leaderboard's folder go copies of them, its pages, figures and clips."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.leaderboard.data.loading import FILE_NAME, load
from bench.leaderboard.data.rows import SuiteBoard, boards
from bench.leaderboard.render.clips import categories, keep, shelf, spread
from bench.leaderboard.render.figures import figures
from bench.leaderboard.render.markdown import OPENING, render
from bench.leaderboard.render.page import MARK, Beside, page
from bench.leaderboard.render.pictures import draw_model, draw_suite, pictures
from bench.schema import Result
from bench.storage import SAFE_NAME, write_bytes, write_record, write_text

README, PAGE, HEALTH = "README.md", "index.html", "health.md"
_HEAD_CHARACTERS = 1000


def publish(results: Sequence[Path], into: Path, *, copy_clips: bool = True) -> Path:
    """Copy results to `into/results/<suite>/<model>.json`; render `README.md` and `index.html`.

    Both show everything under `into/results`, so that results of other runs stay on them; a
    newer result of the same suite and model takes the place of the older. Nothing is written
    unless every input is valid.

    Args:
        results: result files.
        into: folder of the leaderboard; made if it is missing.
        copy_clips: whether to copy previews, a few of each model, so that the leaderboard can
            travel; else they are linked where they lie.

    Returns:
        Path of `README.md`.

    Raises:
        BenchError: if a file is not a result, two land on the same place, a name is no file
            name, or what lies at `README.md` or `index.html` is not a leaderboard's.
    """
    readme = into / README
    _refuse_foreign(readme, OPENING)
    _refuse_foreign(into / PAGE, MARK)
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
            shelf(board[file], into)  # damage is said before anything is written
    for target, result in loaded.items():
        write_record(target, result)
    # A result that lies in its run's folder has its clips beside it.
    runs = {target: source.parent for target, source in sources.items() if source.name == FILE_NAME}
    suites = boards(board.values())
    for suite in suites:
        known = categories(suite.results)
        for result in suite.results:
            run = runs.get(_target(result, into))
            if run is not None:
                draws = spread(result, known)
                keep(result, draws, run, into, copy=copy_clips)
                draw_model(run, result, draws, sheet(into, result))
    for folder, name in {run.parent: target.parent.name for target, run in runs.items()}.items():
        draw_suite(folder, into / "figures" / f"{name}.png")
    for suite in suites:
        _draw_figures(suite, into)
    for path, text in pages(suites, into).items():
        write_text(path, text)
    return readme


def pages(suites: Sequence[SuiteBoard], into: Path) -> dict[Path, str]:
    """What a leaderboard's pages hold: a pure function of results and of what lies beside them.

    Args:
        suites: what is on them.
        into: folder of the leaderboard, with its pictures and clips.

    Returns:
        Path to text, for `README.md` and `index.html`.
    """
    shelves = {
        (result.suite, result.model): shelf(result, into)
        for suite in suites
        for result in suite.results
    }
    beside = Beside(shelves, pictures(into), into)
    health = HEALTH if (into / HEALTH).exists() else None
    return {
        into / README: render(suites, pictures(into), health=health),
        into / PAGE: page(suites, beside),
    }


def drawn(suite: SuiteBoard, into: Path) -> dict[Path, bytes]:
    """The figures of a suite: path to content, a pure function of its results and kept curves.

    Raises:
        BenchError: if the curves cannot be read.
    """
    folder = into / "figures" / suite.suite
    shelves = {result.model: shelf(result, into) for result in suite.results}
    lags = {model: kept.lags for model, kept in shelves.items() if kept.lags}
    return {folder / f"{figure.name}.svg": figure.svg for figure in figures(suite, lags)}


def _draw_figures(suite: SuiteBoard, into: Path) -> None:
    """Draw a suite's figures anew; those of results that have changed since do not stay."""
    fresh = drawn(suite, into)
    for stale in set((into / "figures" / suite.suite).glob("*.svg")) - fresh.keys():
        stale.unlink()
    for path, svg in fresh.items():
        write_bytes(path, svg)


def published(into: Path) -> list[Path]:
    """Result files a leaderboard's folder holds, sorted."""
    return sorted((into / "results").glob("*/*.json"))


def _refuse_foreign(page: Path, mark: str) -> None:
    """Never write over a file that somebody wrote by hand."""
    if not page.exists():
        return
    try:
        ours = mark in page.read_text("utf-8", errors="replace")[:_HEAD_CHARACTERS]
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
    return _target(result, into)


def _target(result: Result, into: Path) -> Path:
    return into / "results" / result.suite / f"{result.model}.json"


def sheet(into: Path, result: Result) -> Path:
    """Where a model's contact sheet lies."""
    return into / "figures" / result.suite / "models" / f"{result.model}.png"
