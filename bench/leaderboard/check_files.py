"""Figures and clips beside published results: those that the results give, and no others."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import product
from pathlib import Path

from bench.errors import BenchError
from bench.leaderboard.catalogue import suite_of_result
from bench.leaderboard.check import Finding
from bench.leaderboard.data.rows import SuiteBoard, boards
from bench.leaderboard.publish import drawn, sheet
from bench.leaderboard.render.clips import INDEX, Shelf, copy_of, shelf, shelf_folder
from bench.schema import Result


def wrong_files(results: Iterable[Result], into: Path) -> Iterator[Finding]:
    """What must be mended under `figures/` and `clips/`.

    Figures are drawn again and compared byte for byte. Contact sheets cannot be, without the
    frames of the runs.

    Args:
        results: all that are published, at most one per suite and model.
        into: folder of the leaderboard.
    """
    explained: set[Path] = set()
    for suite in boards(results):
        readable = True
        for result in suite.results:
            folder = shelf_folder(into, result)
            draws = product(result.expected_prompts, result.seeds)
            explained |= {sheet(into, result), folder / INDEX}
            explained |= {copy_of(folder, draw) for draw in draws}
            try:
                yield from _wrong_clips(result, shelf(result, into), into)
            except BenchError as error:
                readable = False
                text = str(error).removeprefix(f"{folder / INDEX}: ")
                yield Finding(folder / INDEX, text, wrong=True)
        explained.add(into / "figures" / f"{suite.suite}.png")
        explained |= set((into / "figures" / suite.suite).glob("*.svg"))  # judged by themselves
        if readable:  # one of them shows the curves that are kept beside the clips
            yield from _wrong_figures(suite, into)
    for path in sorted(p for name in ("clips", "figures") for p in (into / name).rglob("*")):
        if not path.is_dir() and path not in explained:
            yield Finding(path, "no result here explains it; remove it", wrong=True)


def publish_again(into: Path) -> str:
    """What to type where something is not what the results give."""
    return f"type python -m bench.leaderboard {into} --into {into}"


def _wrong_clips(result: Result, kept: Shelf, into: Path) -> Iterator[Finding]:
    folder = shelf_folder(into, result)
    suite = suite_of_result(result)
    for clip in kept.clips:
        path = copy_of(folder, (clip.prompt, clip.seed))
        came = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if came and clip.preview_sha256 not in (None, came):
            text = f"expected the preview of sha256 {clip.preview_sha256:.8}, came {came:.8}"
            yield Finding(path, f"{text}; publish the run again", wrong=True)
        if suite is not None and clip.text not in (None, suite.texts.get(clip.prompt)):
            text = f"prompt {clip.prompt!r} has another text than in {suite.file}"
            yield Finding(folder / INDEX, text, wrong=True)


def _wrong_figures(suite: SuiteBoard, into: Path) -> Iterator[Finding]:
    expected = drawn(suite, into)
    there = set((into / "figures" / suite.suite).glob("*.svg"))
    for path in sorted(expected.keys() | there):
        if path not in expected:
            fault = "no results give such a figure"
        elif not path.is_file():
            fault = "expected a figure, there is none"
        elif path.read_bytes() != expected[path]:
            fault = "expected the figure that its results give, this is another"
        else:
            continue
        yield Finding(path, f"{fault}; {publish_again(into)}", wrong=True)
