"""The leaderboard's command: publish results, or check what is published.

python -m bench.leaderboard outputs/standard/* --into leaderboard
python -m bench.leaderboard --check leaderboard      is everything there as it should be?
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.errors import BenchError, attempt
from bench.leaderboard.check import Inspection, check
from bench.leaderboard.data.files import find
from bench.leaderboard.publish import PAGE, publish
from bench.leaderboard.render.console import show
from bench.leaderboard.tables.table import plain, plural

DONE, WRONG = 0, 1


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
    if options.check is None:
        return attempt(lambda: _publish(options.paths, options.into))
    if options.paths or options.into is not None:
        parser.error("expected --check DIR alone: publish first, then check")
    return attempt(lambda: _report(check(_path(options.check))))


def _publish(paths: Sequence[str], into: str) -> int:
    written = publish(find([_path(path) for path in paths]), _path(into))
    console = Console()
    show(written.suites, console)
    line = f"Written: {written.readme} and {written.readme.with_name(PAGE)}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
    return DONE


def _report(inspection: Inspection) -> int:
    for finding in sorted(inspection.findings, key=lambda finding: finding.wrong):
        kind = "wrong" if finding.wrong else "note"
        sys.stdout.write(f"{kind}: {finding.file}: {plain(finding.text)}\n")
    notes = plural(len(inspection.findings) - inspection.wrong, "note")
    results = plural(len(inspection.results), "result")
    sys.stdout.write(f"{results}, {inspection.wrong} wrong, {notes}\n")
    return WRONG if inspection.wrong else DONE


def _path(text: str) -> Path:
    if not text.strip():  # an unset variable in a script; pathlib takes it for this very folder
        raise BenchError(
            "expected a path, got an empty one: type PATH... --into DIR, or --check DIR"
        )
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
