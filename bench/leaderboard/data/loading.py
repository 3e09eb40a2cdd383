"""Result files: found below the paths that a user gives, and loaded."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.schema import Result
from bench.storage import read_record

FILE_NAME = "result.json"
PUBLISHED = "results/*/*.json"
"""Where a leaderboard's folder holds results: one folder a suite, one file a model."""


def find(paths: Sequence[Path]) -> list[Path]:
    """Result files at or under the paths, each once, in the order given.

    A path may be a result file, a run's folder that holds one, a folder of such folders (one
    suite), a folder of those (a whole output folder), or the folder of a leaderboard.
    """
    files: dict[Path, Path] = {}
    for file in (file for path in paths for file in _find(path)):
        files.setdefault(file.resolve(), file)
    return list(files.values())


def _find(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BenchError(f"expected a result file or a run's folder, {path} does not exist")
    for pattern in (FILE_NAME, f"*/{FILE_NAME}", f"*/*/{FILE_NAME}", PUBLISHED):
        if files := sorted(path.glob(pattern)):
            return files
    raise BenchError(
        f"expected {FILE_NAME} in {path} or in a folder below it, found none: "
        "run `python -m bench` first, or give the folder of a finished run"
    )


def load(path: Path) -> Result:
    """One result file; what is wrong with it is a `ResultError`, with all faults."""
    return read_record(path, Result, mend=f"give a {FILE_NAME} as a run wrote it")
