"""Publish results: into a leaderboard's folder go copies of them, its pages, figures and clips."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import BenchError
from bench.leaderboard.data.files import (
    FILE_NAME,
    load_each,
    load_named,
    mean_ratings,
    read_each,
)
from bench.leaderboard.data.rows import SuiteBoard, boards, prompt_categories
from bench.leaderboard.data.votes import PUBLISHED as VOTES
from bench.leaderboard.data.votes import read_votes
from bench.leaderboard.render.contact_sheets import draw_model, draw_suite
from bench.leaderboard.render.figures import Drawing, figures
from bench.leaderboard.render.gallery import draw_order, load_gallery, save_gallery
from bench.leaderboard.render.markdown import OPENING, TRUST, Picture, render
from bench.leaderboard.render.page import MARK, page
from bench.leaderboard.tables.suite import tables
from bench.leaderboard.tables.table import Table
from bench.schema import Result
from bench.storage import KINDS, read_bytes, write_bytes, write_text

README, PAGE = "README.md", "index.html"
_HEAD_BYTES = 1000

_FIGURES = {
    "pareto": "Quality against compute: 95% interval of the mean, and 5% to 95% of the clips' "
    "times; in colour, joined by a line, those than which no other is both faster and better",
    "parts": "The headline, and what costs a model a point or more, with 95% intervals",
    "speed": "What speed costs: change of the headline against speed-up, paired by prompt, with "
    "95% intervals",
    "lag": "Likeness and distance of two frames over the time between them",
}
"""Kind of figure, in the order in which they are shown, to what it shows."""


@dataclass(frozen=True)
class Publication:
    """What was written."""

    readme: Path  # the page that is read first
    suites: list[SuiteBoard]
    tables: Mapping[str, Sequence[Table]]  # all that are on it, by suite
    renewed: frozenset[str]  # suites with news


def publish(files: Sequence[Path], into: Path, *, copy_clips: bool = True) -> Publication:
    """Copy results to `into/results/<suite>/<model>.json`; render `README.md` and `index.html`.

    Both show everything under `into/results`, so that results of other runs stay on them; a
    newer result of the same suite and model takes the place of the older. So do the votes in
    `into/votes/*.jsonl`, as a column of their own. Nothing is written unless every input is valid.
    Previews are copied, a few of each model, so that the leaderboard can travel; else they are
    linked where they lie.
    """
    _refuse_foreign(into / README, OPENING)
    _refuse_foreign(into / PAGE, MARK)
    contents = read_each(files)
    inputs = load_each(
        contents, "give only the one that counts, or make the other anew with ++model.name=NAME"
    )
    everything = {_place(result, into): result for result in inputs.values()}
    for file in sorted((into / "results").glob("*/*.json")):
        if file not in everything:
            result = everything[file] = load_named(file)
            if file != (place := _place(result, into)):
                raise BenchError(f"{file}: expected what it holds at {place}; move or remove it")
            load_gallery(result, into)  # damage is said before anything is written
    mean_ratings(into)  # likewise
    for file, result in inputs.items():
        write_bytes(_place(result, into), contents.pop(file))
    suites = boards(everything.values(), read_votes(sorted(into.glob(VOTES)))[0])
    # A result that lies in its run's folder has its clips beside it.
    runs = {
        (result.suite, result.model): file.parent
        for file, result in inputs.items()
        if file.name == FILE_NAME and any((file.parent / kind).is_dir() for kind in KINDS)
    }
    for board in suites:
        by_prompt = prompt_categories(board.results)
        for result in board.results:
            if run := runs.get((result.suite, result.model)):
                draws = draw_order(result, by_prompt)
                save_gallery(result, draws, run, into, copy=copy_clips)
                draw_model(run, result, draws, sheet(into, result))
        # Runs of the same folder, from whichever command, go into one picture.
        folders = {run.parent for (suite, _), run in runs.items() if suite == board.suite}
        for folder in sorted(folders):
            places = ((runs.get((r.suite, r.model), folder / r.model), r) for r in board.ranked)
            neighbours = [(run, r) for run, r in places if (run / FILE_NAME).is_file()]
            draw_suite(neighbours, board.labels, into / "figures" / f"{board.suite}.png")
    for board in suites:
        fresh = drawings(board, into)
        for stale in set((into / "figures" / board.suite).glob("*.svg")) - fresh.keys():
            stale.unlink()
        for path, figure in fresh.items():
            write_bytes(path, figure.draw())
    drawn = tables_of(suites, into)
    for path, text in pages(suites, drawn, into).items():
        write_text(path, text)
    renewed = frozenset(result.suite for result in inputs.values())
    return Publication(into / README, suites, drawn, renewed)


def tables_of(suites: Sequence[SuiteBoard], into: Path) -> dict[str, list[Table]]:
    """All tables of each suite, with what raters said where their ratings lie in `into`."""
    ratings = mean_ratings(into)
    return {board.suite: _with_ratings(board, ratings) for board in suites}


def pages(
    suites: Sequence[SuiteBoard], drawn: Mapping[str, Sequence[Table]], into: Path
) -> dict[Path, str]:
    """`README.md` and `index.html`, by path: of results and of what lies beside them alone."""
    galleries = {
        (result.suite, result.model): load_gallery(result, into)
        for board in suites
        for result in board.results
    }
    beside = pictures(into)
    trust = [path for path in TRUST if (into / path).exists()]
    return {
        into / README: render(suites, beside, trust, drawn),
        into / PAGE: page(suites, galleries, beside, drawn, into),
    }


def _with_ratings(board: SuiteBoard, ratings: Mapping[str, float]) -> list[Table]:
    """All tables; with the first what raters said of its models, if they have rated each."""
    drawn = list(tables(board))
    models = sorted((result.model for result in board.results), key=lambda m: -ratings.get(m, 0))
    if len(models) < 2 or not ratings.keys() >= {*models}:
        return drawn
    rated = ", ".join(f"{board.labels[model]} {ratings[model]:.2f}" for model in models)
    line = f"People's mean rating of how these models' clips move, 1 to 5: {rated}."
    highest = f" People rate {board.labels[models[0]]} highest."
    is_alone = ratings[models[0]] > ratings[models[1]]
    answer = f"{drawn[0].answer}{highest if is_alone else ''}".strip()
    return [replace(drawn[0], answer=answer, below=(*drawn[0].below, line)), *drawn[1:]]


def pictures(into: Path) -> dict[str, list[Picture]]:
    """What lies in `into/figures`: suite to its pictures, in the order in which they are shown."""
    by_suite: defaultdict[str, list[Picture]] = defaultdict(list)

    def show(path: Path, suite: str, alt: str, model: str = "") -> None:
        by_suite[suite].append(Picture(path.relative_to(into).as_posix(), alt, model))

    figures = into / "figures"
    for path in sorted(figures.glob("*.png")):
        show(path, path.stem, f"Frames of {path.stem}")
    kinds = {path: path.stem.split("-")[0] for path in sorted(figures.glob("*/*.svg"))}
    for path in sorted(kinds, key=lambda path: [*_FIGURES, kinds[path]].index(kinds[path])):
        show(path, path.parent.name, _FIGURES.get(kinds[path], kinds[path]))
    for path in sorted(figures.glob("*/models/*.png")):
        show(path, path.parent.parent.name, f"Frames of {path.stem}", path.stem)
    return dict(by_suite)


def drawings(board: SuiteBoard, into: Path) -> dict[Path, Drawing]:
    """The figures of a suite, by path: of its results and the curves of its galleries."""
    galleries = {result.model: load_gallery(result, into) for result in board.results}
    lags = {model: gallery.lags for model, gallery in galleries.items() if gallery.lags}
    folder = into / "figures" / board.suite
    return {folder / f"{figure.name}.svg": figure for figure in figures(board, lags)}


def sheet(into: Path, result: Result) -> Path:
    """Where a model's contact sheet lies."""
    return into / "figures" / result.suite / "models" / f"{result.model}.png"


def _refuse_foreign(page: Path, mark: str) -> None:
    """Never write over a file that somebody wrote by hand."""
    if page.exists() and mark.encode() not in read_bytes(page)[:_HEAD_BYTES]:
        raise BenchError(
            f"expected a leaderboard's page at {page}, it is another file: "
            "choose another folder with --into DIR"
        )


def _place(result: Result, into: Path) -> Path:
    """Where a result lies once published."""
    return into / "results" / result.suite / f"{result.model}.json"
