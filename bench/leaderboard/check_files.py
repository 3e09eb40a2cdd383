"""Figures and clips beside published results: those that the results give, and no others."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import product, starmap
from pathlib import Path

from PIL import Image

from bench.errors import BenchError
from bench.leaderboard.check import Finding
from bench.leaderboard.data.files import suite_of_result
from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.publish import drawings, sheet
from bench.leaderboard.render.gallery import (
    INDEX,
    Gallery,
    gallery_folder,
    load_gallery,
    preview_path,
)
from bench.schema import Result, Sample

_SVG_TAGS = frozenset(
    {"svg", "defs", "g", "path", "rect", "text", "tspan", "use", "clipPath", "style", "metadata"}
    | {"RDF", "Work", "type", "format", "title"}
)
"""Elements that figures are made of. The page holds them itself, so that it must be no others."""
_STYLE = re.compile(r"\*\{(stroke-[a-z]+: [a-z]+(; )?)*\}")
"""Of all of a figure's lines; a page has one style for all of it."""


def wrong_files(suites: Iterable[SuiteBoard], into: Path) -> Iterator[Finding]:
    """What must be mended under `figures/` and `clips/`.

    Figures must be there and be images. Their bytes depend on who drew them, and prove nothing.
    """
    explained: set[Path] = set()
    for board in suites:
        readable = True
        for result in board.results:
            folder = gallery_folder(into, result)
            draws = starmap(Sample, product(result.expected_prompts, result.seeds))
            explained |= {sheet(into, result), folder / INDEX}
            explained |= {preview_path(folder, draw) for draw in draws}
            try:
                yield from _wrong_clips(result, load_gallery(result, into), into)
            except BenchError as error:
                readable = False
                text = str(error).removeprefix(f"{folder / INDEX}: ")
                yield Finding(folder / INDEX, text, wrong=True)
        explained.add(into / "figures" / f"{board.suite}.png")
        explained |= set((into / "figures" / board.suite).glob("*.svg"))  # judged by themselves
        if readable:  # one of them shows the curves that are kept beside the clips
            yield from _wrong_figures(board, into)
    for path in sorted(p for name in ("clips", "figures") for p in (into / name).rglob("*")):
        if path.is_dir():
            continue
        if path not in explained:
            yield Finding(path, "no result here explains it; remove it", wrong=True)
        elif path.suffix == ".png" and not _is_png(path):
            yield Finding(path, f"expected a PNG image; {publish_again(into)}", wrong=True)


def publish_again(into: Path) -> str:
    """What to type where something is not what the results give."""
    return f"type python -m bench.leaderboard {into} --into {into}"


def _wrong_clips(result: Result, gallery: Gallery, into: Path) -> Iterator[Finding]:
    folder = gallery_folder(into, result)
    suite = suite_of_result(result)
    for clip in gallery.clips:
        path = preview_path(folder, clip.sample)
        digest = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        if digest and clip.preview_sha256 not in (None, digest):
            text = f"expected the preview of sha256 {clip.preview_sha256:.8}, got {digest:.8}"
            yield Finding(path, f"{text}; publish the run again", wrong=True)
        if suite is not None and clip.text not in (None, suite.texts.get(clip.prompt)):
            text = f"prompt {clip.prompt!r} has another text than in {suite.file}"
            yield Finding(folder / INDEX, text, wrong=True)


def _wrong_figures(board: SuiteBoard, into: Path) -> Iterator[Finding]:
    expected = drawings(board, into).keys()
    present = set((into / "figures" / board.suite).glob("*.svg"))
    for path in sorted(expected | present):
        if path not in expected:
            fault = "no results give such a figure"
        elif not path.is_file():
            fault = "expected a figure, there is none"
        elif not _is_figure(path):
            fault = "expected an SVG image of shapes and text alone"
        else:
            continue
        yield Finding(path, f"{fault}; {publish_again(into)}", wrong=True)


def _is_figure(path: Path) -> bool:
    """Whether a file is an SVG image in which nothing acts, links or leaves its place."""
    try:
        root = ET.fromstring(path.read_bytes())
    except ET.ParseError:
        return False
    elements = [(element.tag.rpartition("}")[2], element) for element in root.iter()]
    attributes = [
        (key.rpartition("}")[2].lower(), value)
        for _, element in elements
        for key, value in element.items()
    ]
    return (
        elements[0][0] == "svg"
        and _SVG_TAGS.issuperset(name for name, _ in elements)
        and all(value.startswith("#") for key, value in attributes if key == "href")
        and not any(key.startswith("on") or "position" in value for key, value in attributes)
        and all(_STYLE.fullmatch(each.text or "") for name, each in elements if name == "style")
    )


def _is_png(path: Path) -> bool:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.verify()
    except (OSError, SyntaxError):  # what Pillow raises for a broken PNG
        return False
    return True
