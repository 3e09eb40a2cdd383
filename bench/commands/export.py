"""Export results: every clip as a table, VBench's form, and metadata for model cards.

python -m bench.export leaderboard --into DIR
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.errors import MISTAKE, BenchError, complain
from bench.leaderboard.data.loading import find, load
from bench.leaderboard.export.model_card import model_card, why_no_card
from bench.leaderboard.export.vbench_json import vbench
from bench.leaderboard.tables import records_table
from bench.leaderboard.tables.words import plural
from bench.schema import Result
from bench.storage import SAFE_NAME, write_bytes, write_text

Said = Iterator[str]
"""Lines for the screen: what was written, what was left out and why."""

NEEDS_PYARROW = "pyarrow is missing: pip install 'steadybench[parquet]'"


def write_csv(results: Sequence[Result], into: Path) -> Said:
    """`clips.csv`, one row for each clip, and `metrics.csv`, what the scores mean."""
    columns = list(records_table.columns(results))
    for name, rows, header in (
        ("clips.csv", records_table.rows(results), columns),
        ("metrics.csv", records_table.metric_rows(results), records_table.METRIC_COLUMNS),
    ):
        write_bytes(into / name, records_table.as_csv(rows, header))
        yield f"Written: {into / name}"


def write_parquet(results: Sequence[Result], into: Path) -> Said:
    """`clips.parquet`: the same rows, where pyarrow is installed."""
    if not records_table.can_write_parquet():
        yield f"Left out: clips.parquet, {NEEDS_PYARROW}"
        return
    rows, columns = records_table.rows(results), records_table.columns(results)
    write_bytes(into / "clips.parquet", records_table.as_parquet(rows, columns))
    yield f"Written: {into / 'clips.parquet'}"


def write_vbench(results: Sequence[Result], into: Path) -> Said:
    """`vbench/<suite>/<model>.json`, of results that have VBench's columns."""
    without = 0
    for result in results:
        if found := vbench(result):
            path = into / "vbench" / result.suite / f"{result.model}.json"
            write_text(path, json.dumps(found, indent=4, allow_nan=False) + "\n")
            yield f"Written: {path}"
        else:
            without += 1
    if without:
        yield (
            f"Left out: VBench's columns of {plural(without, 'result')}, which have none; "
            "metrics=full computes them"
        )


def write_cards(results: Sequence[Result], into: Path) -> Said:
    """`cards/<suite>/<model>.yaml`, of results that say something about a model."""
    for result in results:
        if why := why_no_card(result):
            yield f"Left out: the card of {result.suite}/{result.model}, {why}"
        else:
            path = into / "cards" / result.suite / f"{result.model}.yaml"
            write_text(path, model_card(result))
            yield f"Written: {path}"


FORMS: Mapping[str, Callable[[Sequence[Result], Path], Said]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "vbench": write_vbench,
    "cards": write_cards,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        Exit code: 0, or 2 after a mistake that the user can mend.
    """
    parser = argparse.ArgumentParser(
        prog="python -m bench.export",
        description="Export results: every clip as CSV and Parquet, VBench's JSON, metadata for "
        "model cards.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="results, run folders or a leaderboard"
    )
    parser.add_argument("--into", required=True, type=Path, metavar="DIR", help="where to write")
    parser.add_argument(
        "--only", nargs="+", choices=FORMS, default=list(FORMS), help="some of the forms alone"
    )
    given = parser.parse_args(arguments)
    try:
        if given.only == ["parquet"] and not records_table.can_write_parquet():
            raise BenchError(f"expected to write Parquet, {NEEDS_PYARROW}")
        results = _loaded(find(given.paths))
        for form in given.only:
            for line in FORMS[form](results, given.into):
                sys.stdout.write(f"{line}\n")
    except BenchError as error:
        complain(error)
        return MISTAKE
    return 0


def _loaded(files: Sequence[Path]) -> list[Result]:
    """The results, sorted; each must be the only one of its suite and model."""
    found: dict[tuple[str, str], tuple[Path, Result]] = {}
    for file in files:
        result = load(file)
        key = (result.suite, result.model)
        if not all(map(SAFE_NAME.fullmatch, key)):
            raise BenchError(
                f"{file}: expected suite and model of letters, digits, '.', '_' and '-', "
                f"came {key!r:.80}"
            )
        if key in found:
            raise BenchError(
                f"expected one result per suite and model, {found[key][0]} and {file} are both "
                f"{'/'.join(key)}: export one of them"
            )
        found[key] = file, result
    return [found[key][1] for key in sorted(found)]


if __name__ == "__main__":
    sys.exit(main())
