"""Whether a published leaderboard holds what it must before others compare with it.

Results are held against the rules, figures and clips against the results, pages against both.
"""

import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from bench.errors import BenchError
from bench.leaderboard.data.files import load, suite_of_result
from bench.leaderboard.data.rows import HEADLINE, SuiteBoard, boards
from bench.leaderboard.data.votes import PUBLISHED as VOTES
from bench.leaderboard.data.votes import matching, read_votes
from bench.leaderboard.publish import drawings, pages, sheet, tables_of
from bench.leaderboard.render.gallery import (
    INDEX,
    Gallery,
    gallery_folder,
    load_gallery,
    preview_path,
)
from bench.leaderboard.rules import (
    allowed,
    broken_rules,
    groups_unchecked,
    headline_unchecked,
    uncomputed,
)
from bench.leaderboard.tables.table import named, plural, short
from bench.metrics.headline import SUBJECT_NONE
from bench.schema import ClipResult, Result, ResultError
from bench.storage import file_sha256

_BEFORE, _AFTER = 20, 40  # characters that are shown where a line is not as it should be

_SOUND = 50.0  # points, which no clip has that shows nothing

_SVG_TAGS = frozenset(
    {"svg", "defs", "g", "path", "rect", "text", "tspan", "use", "clipPath", "style", "metadata"}
    | {"RDF", "Work", "type", "format", "title"}
)
"""Elements that figures are made of. The page holds them itself, so that it must be no others."""
_STYLE = re.compile(r"\*\{(stroke-[a-z]+: [a-z]+(; )?)*\}")
"""Of all of a figure's lines; a page has one style for all of it."""


class Finding(NamedTuple):
    """What a reader of a file should know, in one line."""

    file: Path
    text: str
    wrong: bool  # whether it must be mended; otherwise it is only said


@dataclass(frozen=True)
class Inspection:
    """What was found in a leaderboard."""

    results: int  # that could be read
    findings: list[Finding]
    suites: Sequence[SuiteBoard]  # what a leaderboard shows of results with nothing wrong

    @property
    def wrong(self) -> int:
        """How many findings must be mended."""
        return sum(finding.wrong for finding in self.findings)


def check(board: Path) -> Inspection:
    """Whether a leaderboard's folder holds valid results, and the very pages that they give.

    Every aggregate stands on the page and is computed from clips, so that rendering it anew and
    comparing bytes recomputes them all.
    """
    inspection = inspect(board / "results")
    if not inspection.wrong:
        inspection.findings.extend(wrong_files(inspection.suites, board))
    if inspection.wrong:
        why = "its pages are not compared with its results until these are mended"
        inspection.findings.append(Finding(board, why, wrong=False))
        return inspection
    drawn = tables_of(inspection.suites, board)
    for page, expected in pages(inspection.suites, drawn, board).items():
        if differs := _first_difference(page, expected):
            text = f"expected what its results give, but {differs}; {_again(board)}"
            inspection.findings.append(Finding(page, text, wrong=True))
    return inspection


def _again(into: Path) -> str:
    """What to type where something is not what the results give."""
    return f"type steadybench publish {into} --into {into}"


# ---- Results ----


def inspect(folder: Path) -> Inspection:
    """All that is wrong in the `results/` of a leaderboard, `<suite>/<model>.json`."""
    if not folder.is_dir():
        raise BenchError(f"expected the results of a leaderboard in {folder}, it is no folder")
    results: dict[Path, Result] = {}
    findings: list[Finding] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            results[path] = result = load(path)
        except BenchError as error:
            faults = error.faults if isinstance(error, ResultError) else (str(error),)
            findings += (Finding(path, fault.removeprefix(f"{path}: "), True) for fault in faults)
            continue
        place = folder / result.suite / f"{result.model}.json"
        if path != place:
            findings.append(Finding(path, f"expected what it holds at {place}", True))
        findings += (Finding(path, text, True) for text in broken_rules(result))
        findings += (Finding(path, text, False) for text in worth_saying(result))
    findings += _twins(results)
    spoilt = {finding.file for finding in findings if finding.wrong}
    path_of = {(r.suite, r.model): path for path, r in results.items() if path not in spoilt}
    votes, unread = read_votes(sorted(folder.parent.glob(VOTES)))
    for text in (*unread, *matching(votes, results.values())[1]):
        findings.append(Finding(folder.parent / "votes", text, False))
    suites = boards((results[path] for path in path_of.values()), votes)
    for board in suites:
        for group in board.groups:
            for row in group.rows if group.differs else ():
                text = f"stands apart from others of its suite: {' and '.join(group.differs)}"
                findings.append(Finding(path_of[board.suite, row.result.model], text, False))
    return Inspection(len(results), findings, suites)


def worth_saying(result: Result) -> Iterator[str]:
    """What is allowed and what a reader should know, one line each."""
    if len(result.clips) < result.expected_clips:
        yield f"incomplete: {len(result.clips)} of {result.expected_clips} clips"
    if failed := sum(clip.is_failure for clip in result.clips):
        yield f"{plural(failed, 'clip')} failed; each counts as a {HEADLINE} of 0"
    if refused := sum(clip.status == "refused" for clip in result.clips):
        counts = "counts" if refused == 1 else "count"
        yield f"{plural(refused, 'clip')} could not be read, and {counts} as nothing"
    for name, clips in uncomputed(result).items():
        if clips and not result.random_weights:
            yield f"{name} was not computed for {named(clips)}"
    yield from filter(None, (headline_unchecked(result), groups_unchecked(result)))
    if unknown := sorted({m.unit for n, m in result.metrics.items() if not allowed(n, m.unit)}):
        yield f"ranges were not checked of metrics in {', '.join(unknown)}"
    yield from _frozen(result)
    still = [
        clip
        for clip in result.clips
        if (clip.scores.get(HEADLINE) or 0) > _SOUND
        and (clip.scores.get("dynamics") or 0) < SUBJECT_NONE
        and "dynamics" in clip.scores
    ]
    if 2 * len(still) > len(result.clips):
        yield (
            f"{named(still)}: a {HEADLINE} above {_SOUND:g}, and next to nothing moves by dynamics"
        )
    if result.prompts.sha256 is not None and suite_of_result(result) is None:
        yield (
            f"has a table of its own: prompts of sha256 {short(result.prompts.sha256)} are those "
            "of no suite in prompts/ (another version of it, a suite of one's own, or one of files "
            "that users supply)"
        )


def _frozen(result: Result) -> Iterator[str]:
    """Clips of different prompts or seeds with the very same frames."""
    same: defaultdict[str, list[ClipResult]] = defaultdict(list)
    for clip in result.clips:
        if clip.frames_sha256:
            same[clip.frames_sha256].append(clip)
    for clips in same.values():
        if len(clips) > 1:
            keys = ("prompt", "seed")
            varied = [key for key in keys if len({getattr(clip, key) for clip in clips}) > 1]
            ignored = " and ".join(varied)
            yield f"{named(clips)}: the very same frames, as if the {ignored} were ignored"


def _twins(results: Mapping[Path, Result]) -> Iterator[Finding]:
    """Rows with clips of rows of their suite before them: frames, or all scores to the last digit.

    One line for each such row, which names the row with most of these clips.
    """

    def marks(clip: ClipResult) -> set[object]:
        telling = 0 < (clip.scores.get(HEADLINE) or 0) < 100  # a frozen clip is like another
        scores = frozenset(clip.scores.items()) if telling else None
        return {mark for mark in (clip.frames_sha256, scores) if mark}

    owners: dict[object, Path] = {}  # of each mark, the first file that has it
    for path, result in results.items():
        copies, shares = [], Counter[Path]()
        for clip in result.clips:
            firsts = {owners.setdefault((result.suite, mark), path) for mark in marks(clip)}
            if others := firsts - {path}:
                copies.append(clip)
                shares.update(others)
        if not copies or result.prompts.sha256 is None:
            continue  # of footage everybody may show the same
        model = results[max(sorted(shares), key=shares.__getitem__)].model
        is_copy = 2 * len(copies) > len(result.clips)
        name = f", as if it were {model} under another name" if is_copy else ""
        text = f"{named(copies)}: the very frames or scores of {model}{name}"
        yield Finding(path, text, wrong=is_copy)


# ---- Figures and clips beside them ----


def wrong_files(suites: Iterable[SuiteBoard], into: Path) -> Iterator[Finding]:
    """What must be mended under `figures/` and `clips/`.

    Figures must be there and be images. Their bytes depend on who drew them, and prove nothing.
    """
    explained: set[Path] = set()
    for board in suites:
        readable = True
        for result in board.results:
            folder = gallery_folder(into, result)
            explained |= {sheet(into, result), folder / INDEX}
            if folder.is_dir():
                explained |= {preview_path(folder, draw) for draw in result.expected.samples}
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
            yield Finding(path, f"expected a PNG image; {_again(into)}", wrong=True)


def _wrong_clips(result: Result, gallery: Gallery, into: Path) -> Iterator[Finding]:
    folder = gallery_folder(into, result)
    suite = suite_of_result(result)
    for clip in gallery.clips:
        path = preview_path(folder, clip.sample)
        digest = file_sha256(path) if path.is_file() else None
        if digest and clip.preview_sha256 not in (None, digest):
            text = f"expected the preview of sha256 {clip.preview_sha256:.8}, got {digest:.8}"
            yield Finding(path, f"{text}; publish the run again", wrong=True)
        asked = suite.prompts.get(clip.prompt) if suite else None
        if suite is not None and clip.text not in (None, asked and asked.text):
            text = f"prompt {clip.prompt!r} has another text than in {suite.file}"
            yield Finding(folder / INDEX, text, wrong=True)


def _wrong_figures(board: SuiteBoard, into: Path) -> Iterator[Finding]:
    expected = drawings(board, into).keys()
    existing = set((into / "figures" / board.suite).glob("*.svg"))
    for path in sorted(expected | existing):
        if path not in expected:
            fault = "no results give such a figure"
        elif not path.is_file():
            fault = "expected a figure, there is none"
        elif not _is_figure(path):
            fault = "expected an SVG image of shapes and text alone"
        else:
            continue
        yield Finding(path, f"{fault}; {_again(into)}", wrong=True)


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


# ---- Pages ----


def _first_difference(page: Path, expected: str) -> str | None:
    """Where a page is not the text it should be; None if it is."""
    try:
        content = page.read_bytes()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if content == expected.encode():
        return None
    lines = content.decode("utf-8", errors="replace").split("\n")
    pairs = enumerate(zip_longest(lines, expected.split("\n")), start=1)
    for number, (line, correct) in pairs:
        if line != correct:
            characters = zip(line or "", correct or "", strict=False)
            at = sum(1 for _ in takewhile(lambda two: two[0] == two[1], characters))
            return f"line {number} should have {_around(correct, at)} and has {_around(line, at)}"
    return "it holds bytes that are no UTF-8"


def _around(line: str | None, at: int) -> str:
    """What of a line stands at a place and a little before it, for people."""
    if line is None:
        return "no line"
    begin, end = max(0, at - _BEFORE), at + _AFTER
    cut = line[begin:end]
    return f"{'…' if begin else ''}{cut!r}{'…' if end < len(line) else ''}"
