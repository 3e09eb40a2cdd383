"""How far runs have come: read from their files alone, while jobs run, wherever they are seen.

Examples:
  steadybench status                          every run under outputs
  steadybench status out=/shared/out --watch  of jobs elsewhere, again every five seconds
  steadybench status --json                   for programs
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from rich.console import Group
from rich.live import Live

from bench.commands import laid_out, parser, screen
from bench.errors import BenchError, attempt
from bench.schema import Record, Run
from bench.storage import RunFolder, read_record

RECENT = 20
"""So many of the latest records tell the rate."""

IDLE = 10
"""After so many times what a piece of work takes without a new record, nobody seems to work."""

_WATCH_S = 5.0
_LEAST_IDLE_S = 60.0
_WIDTH_OF_A_FILE = 200


@dataclass(frozen=True)
class Progress:
    """How far one run has come: counts of clips, rates, and seconds to the end."""

    suite: str
    model: str
    expected: int  # of a complete run
    made: int
    failed: int  # with a record that tells so
    refused: int  # files that could not be read, no failure of the model
    missing: int  # without a record, of those that the run asks for
    left_out: int  # the same of those beyond the run's limit
    scored: int  # of those that are made
    made_per_hour: float | None  # lately; None if nobody makes any
    scored_per_hour: float | None  # lately; None if nobody scores any
    left_s: float | None  # None if it is not known
    why: str | None  # it is not known, or what it leaves out


def progress_of(folder: RunFolder, now_s: float) -> Progress:
    """The run in a folder, at a time in seconds since 1970."""
    run = read_record(folder.run, Run)
    expected = run.expected.samples
    within_limit = {*run.expected.prompts[: run.limit]}
    missing = left_out = 0
    made_at_s: list[float] = []
    scored_at_s: list[float] = []
    statuses: Counter[str] = Counter()
    for sample in expected:
        written_s = _written_s(folder.record(sample))
        status = written_s and _status(folder.record(sample), written_s)
        if not (written_s and status):
            missing += sample.prompt_id in within_limit
            left_out += sample.prompt_id not in within_limit
            continue
        made_at_s.append(written_s)
        statuses[status] += 1
        if status != "ok":
            continue
        scored_s = _written_s(folder.score(sample))
        if scored_s is not None and scored_s >= written_s:
            scored_at_s.append(scored_s)
    made, refused = statuses["ok"], statuses["refused"]
    making, scoring = _interval_s(made_at_s, now_s), _interval_s(scored_at_s, now_s)
    left_s, why = _left_s(missing, made - len(scored_at_s), making, scoring)
    if left_s is None:
        why = _since("made", made_at_s, now_s) if missing else _since("scored", scored_at_s, now_s)
    beyond = f"{left_out} left out by limit={run.limit}" if left_out else None
    return Progress(
        suite=run.suite,
        model=run.model,
        expected=len(expected),
        made=made,
        failed=statuses.total() - made - refused,
        refused=refused,
        missing=missing,
        left_out=left_out,
        scored=len(scored_at_s),
        made_per_hour=3600 / making if making else None,
        scored_per_hour=3600 / scoring if scoring else None,
        left_s=left_s,
        why=", ".join(filter(None, (why, beyond))) or None,
    )


@cache
def _status(record: Path, written_s: float) -> str | None:  # noqa: ARG001 - when it was as it is
    """The one thing that is read of a record, once while it stays as it is; None if it is gone."""
    try:
        return str(read_record(record, Record).given.get("status"))
    except BenchError:
        if record.exists():
            raise
        return None


def _written_s(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _interval_s(written_s: list[float], now_s: float) -> float | None:
    """Seconds from one record to the next, of the latest; None if they are too few or long ago."""
    latest = sorted(written_s)[-RECENT:]
    if len(latest) < 2:
        return None
    interval_s = (latest[-1] - latest[0]) / (len(latest) - 1)
    if now_s - latest[-1] > max(IDLE * interval_s, _LEAST_IDLE_S):
        return None
    return interval_s or None


def _left_s(
    missing: int, unscored: int, making_s: float | None, scoring_s: float | None
) -> tuple[float | None, str | None]:
    """Seconds to the last score, where clips are made first and scored then, and what that omits.

    None where nobody seems to work.
    """
    if not missing and not unscored:
        return 0.0, None
    if (making_s if missing else scoring_s) is None:
        return None, None
    if scoring_s is None:
        return missing * (making_s or 0.0), "and scoring"
    return missing * (making_s or 0.0) + (missing + unscored) * scoring_s, None


def _since(verb: str, written_s: list[float], now_s: float) -> str:
    """When a clip was last made, or scored."""
    if not written_s:
        return f"no clip is {verb} yet"
    age_s = max(1.0, now_s - max(written_s))
    days = round(age_s / 86400)
    return f"the last was {verb} {f'{days} days' if days > 1 else _clock(age_s)} ago"


def find(out: Path) -> list[RunFolder]:
    """The runs under a folder of outputs or of a suite, or the run whose folder it is."""
    for pattern in ("run.json", "*/run.json", "*/*/run.json"):
        if records := sorted(out.glob(pattern)):
            return [RunFolder(path.parent) for path in records]
    raise BenchError(
        f"expected runs in {out}, there are none: type out=DIR, as out=outputs or out=outputs/SUITE"
    )


def table(runs: Sequence[Progress], width: int) -> Group:
    """A line for each run, on a screen so wide."""
    counts = ("made", "failed", "refused", "missing", "scored", "made/h", "scored/h")
    rows = []
    for run in runs:
        cells = [f"{run.made}/{run.expected}", run.failed, run.refused, run.missing, run.scored]
        rates = [
            (f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}") if rate else "-"
            for rate in (run.made_per_hour, run.scored_per_hour)
        ]
        left = [] if run.left_s is None else [_clock(run.left_s)]
        left += [] if run.why is None else [run.why]
        rows.append((run.suite, run.model, *map(str, cells), *rates, ", ".join(left)))
    return laid_out(("suite", "model", *counts, "left"), rows, width, numbers=counts)


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return "done" if not seconds else f"{minutes // 60}:{minutes % 60:02} h" if minutes else "1 min"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    command = parser("status", __doc__)
    command.add_argument(
        "out", nargs="?", default="out=outputs", metavar="out=DIR", help="default: out=outputs"
    )
    command.add_argument("--watch", action="store_true", help=f"again every {_WATCH_S:g} s")
    command.add_argument("--json", action="store_true", help="one JSON array, or one each time")
    options = command.parse_args(arguments)
    try:
        return attempt(lambda: _run(options))
    except KeyboardInterrupt:
        return 0


def _run(options: argparse.Namespace) -> int:
    looks = _looks(Path(options.out.removeprefix("out=")), again=options.watch)
    console = screen(_WIDTH_OF_A_FILE)
    if options.watch and console.is_terminal and not options.json:
        with Live(console=console, auto_refresh=False) as live:
            for runs in looks:
                live.update(table(runs, console.width), refresh=True)
    for runs in looks:
        if options.json:
            sys.stdout.write(json.dumps([asdict(run) for run in runs]) + "\n")
        else:
            console.print(table(runs, console.width))
        sys.stdout.flush()
    return 0


def _looks(out: Path, *, again: bool) -> Iterator[list[Progress]]:
    while True:
        yield [progress_of(folder, time.time()) for folder in find(out)]
        if not again:
            return
        time.sleep(_WATCH_S)


if __name__ == "__main__":
    sys.exit(main())
