"""Export results: every clip as a row of a table, for spreadsheets and data frames.

Writes clips.csv and clips.parquet, and metrics.csv: unit, direction and version of every score.

Examples:
  steadybench export leaderboard --into tables             all that is published
  steadybench export outputs/toy --into tables             a suite's runs
  steadybench export outputs --into tables --only csv      one of the forms
"""

import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bench.commands import parser
from bench.errors import BenchError, attempt
from bench.leaderboard.data.files import find, load_each, read_each
from bench.leaderboard.data.rows import all_metrics
from bench.leaderboard.tables.table import plain
from bench.schema import Result
from bench.storage import fingerprint, write_bytes

Value = str | int | float | bool | None
Row = Mapping[str, Value]

COLUMNS: Mapping[str, type] = {
    "suite": str,
    "model": str,
    "title": str,
    "prompts_sha256": str,
    "metrics_sha256": str,
    "prompt": str,
    "file": str,
    "category": str,
    "group": str,
    "seed": int,
    "status": str,
    "error": str,
    "frames_requested": int,
    "frames": int,
    "width": int,
    "height": int,
    "fps": float,
    "lossy": bool,
    "device": str,
    "warm": bool,
    "latency_s": float,
    "wait_s": float,
    "price_usd": float,
    "peak_memory_allocated_bytes": int,
    "peak_memory_reserved_bytes": int,
    "energy_j": float,
    "frames_sha256": str,
    "cross_clip_value": float,
    "cross_clip_won": float,
    "unscored": str,
}
"""What is said of every clip, and of what type; `score_NAME`, a float, follows for every metric.

Scores of two rows compare only where their `metrics_sha256` is the same. `wait_s` is from asking to
having, where the clip was made elsewhere. `cross_clip_value` and `cross_clip_won` are the clip's
part in the cross-clip identity of its `group`. `unscored` says which metrics have no value, and
why.
"""
METRIC_COLUMNS = ("metrics_sha256", "metric", "unit", "better", "version", "fingerprint")

FORMS = ("csv", "parquet")
NEEDS_PYARROW = "pyarrow is missing: pip install 'steadybench[parquet]'"

_FORMULA = frozenset("=+-@")
_DTYPES = {str: "string", int: "Int64", float: "Float64", bool: "boolean"}


def columns(results: Iterable[Result]) -> dict[str, type]:
    """Names and types of all columns, those of the metrics by name."""
    metrics = sorted({name for result in results for name in result.metrics})
    return {**COLUMNS, **{f"score_{name}": float for name in metrics}}


def rows(results: Iterable[Result]) -> Iterator[Row]:
    """One row for each clip, in the order of the results and their files."""
    for result in results:
        of_result = {
            "suite": result.suite,
            "model": result.model,
            "title": result.card.title,
            "prompts_sha256": result.prompts.sha256,
            "metrics_sha256": metrics_sha256(result),
        }
        for clip in result.clips:
            part, delivery = clip.cross_clip, clip.delivery
            reasons = (f"{name}: {why}" for name, why in sorted(clip.unscored.items()))
            yield {
                **{key: value for key, value in vars(clip).items() if key in COLUMNS},
                **of_result,
                "wait_s": delivery.latency_s if delivery else None,
                "price_usd": delivery.price_usd if delivery else None,
                "group": part.group if part else None,
                "cross_clip_value": part.value if part else None,
                "cross_clip_won": part.won if part else None,
                "unscored": "; ".join(reasons) or None,
                **{f"score_{name}": value for name, value in clip.scores.items()},
            }


def metric_rows(results: Iterable[Result]) -> list[Row]:
    """What the scores mean: one row for each metric of each way of computing them all."""
    meanings = {
        (metrics_sha256(result), name): {"metric": name, **vars(metric)}
        for result in results
        for name, metric in all_metrics(result).items()
    }
    return [{"metrics_sha256": key[0], **meanings[key]} for key in sorted(meanings)]


def metrics_sha256(result: Result) -> str:
    """Equal for results whose metrics are the same, in every version and backbone."""
    return fingerprint({name: vars(metric) for name, metric in all_metrics(result).items()})


def as_csv(rows: Iterable[Row], columns: Iterable[str]) -> bytes:
    """Rows as CSV, UTF-8, with a header; nothing where there is no value.

    Texts are put on one line. One that a spreadsheet would take for a formula, since it begins
    with = + - or @, has a ' before it: names and error messages come from elsewhere, and a table
    must not run them.
    """
    import pandas as pd

    names = list(columns)
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    frame = pd.DataFrame(cells, columns=list(map(_cell, names)), dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n")).encode("utf-8")


def as_parquet(rows: Iterable[Row], columns: Mapping[str, type]) -> bytes:
    """Rows as a Parquet file, texts as they are; needs pyarrow (`can_write_parquet`)."""
    import pandas as pd

    values = [[_text(row.get(name)) for name in columns] for row in rows]
    frame = pd.DataFrame(values, columns=list(columns), dtype=object)
    file = io.BytesIO()
    types = {name: _DTYPES[kind] for name, kind in columns.items()}
    frame.astype(types).to_parquet(file, engine="pyarrow", index=False)
    return file.getvalue()


def can_write_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def _cell(value: Value) -> Value:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if text[:1] in _FORMULA else text
    return value


def _text(value: Value) -> Value:
    """Half a surrogate pair is JSON, but no text."""
    return value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value


# ---- The command ----


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    command = parser("export", __doc__)
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="results, run folders or a leaderboard"
    )
    command.add_argument("--into", required=True, type=Path, metavar="DIR", help="where to write")
    command.add_argument(
        "--only", nargs="+", choices=FORMS, default=list(FORMS), help="some of the forms alone"
    )
    options = command.parse_args(arguments)
    return attempt(lambda: export(options.paths, options.into, options.only))


def export(paths: Sequence[Path], into: Path, forms: Sequence[str]) -> int:
    """Write `clips.csv` with `metrics.csv`, their units and versions, and `clips.parquet`."""
    parquet = "parquet" in forms and can_write_parquet()
    if forms == ["parquet"] and not parquet:
        raise BenchError(f"expected to write Parquet, {NEEDS_PYARROW}")
    loaded = load_each(read_each(find(paths)), "export one of them")
    results = sorted(loaded.values(), key=lambda result: (result.suite, result.model))
    files = {}
    if "csv" in forms:
        files["clips.csv"] = as_csv(rows(results), columns(results))
        files["metrics.csv"] = as_csv(metric_rows(results), METRIC_COLUMNS)
    if parquet:
        files["clips.parquet"] = as_parquet(rows(results), columns(results))
    for name, content in files.items():
        write_bytes(into / name, content)
        sys.stdout.write(f"Written: {into / name}\n")
    if "parquet" in forms and not parquet:
        sys.stdout.write(f"Left out: clips.parquet, {NEEDS_PYARROW}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
