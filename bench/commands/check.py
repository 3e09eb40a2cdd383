"""Check a leaderboard: results against the rules, figures, clips and pages against the results.

Examples:
  steadybench check                      the folder leaderboard, as before a pull request
  steadybench check outputs/leaderboard  the one that runs write
  steadybench check board > faults.txt   a line for each fault; exit code 1 if there are any
"""

import sys
from collections.abc import Sequence

from bench.commands import parser, uncollected
from bench.commands.publish import path_of
from bench.errors import attempt

DONE, WRONG = 0, 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, 1 if there are faults, 2 after a mistake of the user."""
    command = parser("check", __doc__)
    command.add_argument(
        "folder",
        nargs="?",
        default="leaderboard",
        metavar="DIR",
        help="the leaderboard (default: leaderboard)",
    )
    options = command.parse_args(arguments)
    return attempt(lambda: _report(options.folder))


def _report(folder: str) -> int:
    from bench.leaderboard.check import check
    from bench.leaderboard.tables.table import plain, plural

    with uncollected():
        inspection = check(path_of(folder))
    for finding in sorted(inspection.findings, key=lambda finding: finding.wrong):
        kind = "wrong" if finding.wrong else "note"
        sys.stdout.write(f"{kind}: {finding.file}: {plain(finding.text)}\n")
    notes = plural(len(inspection.findings) - inspection.wrong, "note")
    results = plural(inspection.results, "result")
    sys.stdout.write(f"{results}, {inspection.wrong} wrong, {notes}\n")
    return WRONG if inspection.wrong else DONE


if __name__ == "__main__":
    sys.exit(main())
