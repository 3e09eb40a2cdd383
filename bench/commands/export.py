"""Export results: every clip as a row of a table.

python -m bench.export leaderboard --into DIR
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.errors import MISTAKE, BenchError, complain
from bench.leaderboard.data.files import find, load
from bench.leaderboard.tables import records
from bench.schema import Result
from bench.storage import SAFE_NAME, write_bytes

Said = Iterator[str]
"""Lines for the screen: what was written, what was left out and why."""

NEEDS_PYARROW = "pyarrow is missing: pip install 'steadybench[parquet]'"


def write_csv(results: Sequence[Result], into: Path) -> Said:
    """`clips.csv`, one row for each clip, and `metrics.csv`, what the scores mean."""
    columns = list(records.columns(results))
    for name, rows, header in (
        ("clips.csv", records.rows(results), columns),
        ("metrics.csv", records.metric_rows(results), records.METRIC_COLUMNS),
    ):
        write_bytes(into / name, records.as_csv(rows, header))
        yield f"Written: {into / name}"


def write_parquet(results: Sequence[Result], into: Path) -> Said:
    """`clips.parquet`: the same rows, where pyarrow is installed."""
    if not records.can_write_parquet():
        yield f"Left out: clips.parquet, {NEEDS_PYARROW}"
        return
    rows, columns = records.rows(results), records.columns(results)
    write_bytes(into / "clips.parquet", records.as_parquet(rows, columns))
    yield f"Written: {into / 'clips.parquet'}"


FORMS: Mapping[str, Callable[[Sequence[Result], Path], Said]] = {
    "csv": write_csv,
    "parquet": write_parquet,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.export",
        description="Export results: every clip as a row, in CSV and Parquet.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="results, run folders or a leaderboard"
    )
    parser.add_argument("--into", required=True, type=Path, metavar="DIR", help="where to write")
    parser.add_argument(
        "--only", nargs="+", choices=FORMS, default=list(FORMS), help="some of the forms alone"
    )
    options = parser.parse_args(arguments)
    try:
        if options.only == ["parquet"] and not records.can_write_parquet():
            raise BenchError(f"expected to write Parquet, {NEEDS_PYARROW}")
        results = _loaded(find(options.paths))
        for form in options.only:
            for line in FORMS[form](results, options.into):
                sys.stdout.write(f"{line}\n")
    except BenchError as error:
        complain(error)
        return MISTAKE
    return 0


def _loaded(files: Sequence[Path]) -> list[Result]:
    """The results, sorted; each must be the only one of its suite and model."""
    results: dict[tuple[str, str], tuple[Path, Result]] = {}
    for file in files:
        result = load(file)
        key = (result.suite, result.model)
        if not all(map(SAFE_NAME.fullmatch, key)):
            raise BenchError(
                f"{file}: expected suite and model of letters, digits, '.', '_' and '-', "
                f"got {key!r:.80}"
            )
        if key in results:
            raise BenchError(
                f"expected one result per suite and model, {results[key][0]} and {file} are both "
                f"{'/'.join(key)}: export one of them"
            )
        results[key] = file, result
    return [results[key][1] for key in sorted(results)]


if __name__ == "__main__":
    sys.exit(main())
