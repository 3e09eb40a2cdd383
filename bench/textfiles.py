"""Text files that people write: UTF-8, CSV and JSON Lines, each row with where it stands."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.storage import read_bytes


def _text(content: bytes, path: Path) -> str:
    """What a file says, without the mark that some editors begin it with."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: expected UTF-8 text, byte {error.start} is not") from None


def lines_of(content: bytes, path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, each behind its number, from 1."""
    for number, line in enumerate(_text(content, path).split("\n"), start=1):
        if line.strip():
            yield number, line


def read_csv(
    path: Path, needed: Sequence[str] = ()
) -> tuple[list[str], Iterator[tuple[str, dict[str, str]]]]:
    """The columns of a CSV file, those that are needed among them, and its rows as they are read.

    Each row comes behind `<path>, line N`; cells are stripped.
    """
    reader = csv.DictReader(io.StringIO(_text(read_bytes(path), path), newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or ())
    except csv.Error as error:
        raise BenchError(f"{path}, line 1: expected CSV, but {error}") from None
    if missing := [name for name in needed if name not in columns]:
        raise BenchError(
            f"{path}, line 1: expected the columns {', '.join(needed)}, got no {missing[0]!r}"
        )

    def rows() -> Iterator[tuple[str, dict[str, str]]]:
        try:
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    amount = "more" if None in row else "fewer"
                    raise BenchError(f"{where}: expected {len(columns)} columns, got {amount}")
                yield where, {name: row[name].strip() for name in columns}
        except csv.Error as error:
            raise BenchError(f"{path}, line {reader.line_num}: expected CSV, but {error}") from None

    return columns, rows()


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV with a header; what a row holds beside the columns is left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON Lines, each behind its line's number."""
    for number, line in lines_of(read_bytes(path), path):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchError(f"{where}: expected JSON, but {error}") from None
        if not isinstance(row, dict):
            raise BenchError(f"{where}: expected a JSON object, got {row!r}")
        yield number, row
