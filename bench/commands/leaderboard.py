"""The leaderboard's command: publish results, or check what is published.

python -m bench.leaderboard outputs/standard/* --into leaderboard
python -m bench.leaderboard --check leaderboard      is everything there as it should be?
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile, zip_longest
from pathlib import Path

from rich.console import Console

from bench.errors import MISTAKE, BenchError, complain, prepare_output
from bench.leaderboard.check import Finding, Inspection, inspect
from bench.leaderboard.check_files import publish_again, wrong_files
from bench.leaderboard.data.files import find
from bench.leaderboard.publish import PAGE, pages, publish
from bench.leaderboard.render.console import show
from bench.leaderboard.tables.table import plain, plural

DONE, WRONG = 0, 1

_BEFORE, _AFTER = 20, 40  # characters that are shown where a line is not as it should be


def check(board: Path) -> Inspection:
    """Whether a leaderboard's folder holds valid results, and the very pages that they give.

    Every aggregate stands on the page and is computed from clips, so that rendering it anew and
    comparing bytes recomputes them all.
    """
    inspection = inspect(board / "results")
    if not _any_wrong(inspection):
        inspection = _with(inspection, wrong_files(inspection.suites, board))
    if _any_wrong(inspection):
        why = "its pages are not compared with its results until these are mended"
        return _with(inspection, [Finding(board, why, wrong=False)])
    mend = publish_again(board)
    stale = (
        Finding(page, f"expected what its results give, but {differs}; {mend}", wrong=True)
        for page, expected in pages(inspection.suites, board).items()
        if (differs := _first_difference(page, expected))
    )
    return _with(inspection, stale)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, 1 if a check found faults, 2 after a mistake of the user."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.leaderboard",
        description="Publish results: copy them into a leaderboard's folder and render its page.",
    )
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="a result.json, a run's folder, or a folder of run folders",
    )
    parser.add_argument("--into", metavar="DIR", help="folder of the leaderboard")
    parser.add_argument(
        "--check",
        nargs="?",
        const="leaderboard",
        metavar="DIR",
        help="publish nothing; say what is wrong in the leaderboard (default: leaderboard)",
    )
    options = parser.parse_args(arguments)
    if options.check is None and not (options.paths and options.into is not None):
        parser.error("expected PATH... --into DIR, or --check DIR")
    if options.check is not None and (options.paths or options.into is not None):
        parser.error("expected --check DIR alone: publish first, then check")
    prepare_output()
    try:
        if options.check is not None:
            return _report(check(_path(options.check)))
        *paths, into = map(_path, (*options.paths, options.into))
        written = publish(find(paths), into)
    except BenchError as error:
        complain(error)
        return MISTAKE
    console = Console()
    show(written.suites, console)
    line = f"Written: {written.readme} and {written.readme.with_name(PAGE)}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return DONE


def _any_wrong(inspection: Inspection) -> bool:
    return any(finding.wrong for finding in inspection.findings)


def _with(inspection: Inspection, more: Iterable[Finding]) -> Inspection:
    return replace(inspection, findings=(*inspection.findings, *more))


def _report(inspection: Inspection) -> int:
    for finding in sorted(inspection.findings, key=lambda finding: finding.wrong):
        kind = "wrong" if finding.wrong else "note"
        sys.stdout.write(f"{kind}: {finding.file}: {plain(finding.text)}\n")
    wrong = sum(finding.wrong for finding in inspection.findings)
    notes = plural(len(inspection.findings) - wrong, "note")
    sys.stdout.write(f"{plural(len(inspection.results), 'result')}, {wrong} wrong, {notes}\n")
    return WRONG if wrong else DONE


def _first_difference(page: Path, expected: str) -> str | None:
    """Where a page is not the text it should be; None if it is."""
    try:
        held = page.read_bytes()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if held == expected.encode():
        return None
    lines = held.decode("utf-8", errors="replace").split("\n")
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


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable in a script; pathlib takes it for this very folder
        raise BenchError(
            "expected a path, got an empty one: type PATH... --into DIR, or --check DIR"
        )
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
