"""Manifests: which file answers which prompt and seed, and what its maker says it took."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError, nearest
from bench.generators.account import is_amount

NEEDED = ("file", "prompt", "seed")
FOR_THE_MAKER = ("text", "seconds", "aspect", "image", "image_prompt", "driving_video")
"""What the clip must be; nothing reads these columns back."""

OPTIONAL = ("wait_s", "price_usd", *FOR_THE_MAKER)

_KNOWN = NEEDED + OPTIONAL


@dataclass(frozen=True)
class Entry:
    """One clip of a manifest.

    Attributes:
        file: relative to the folder of clips.
        wait_s: declared seconds from the request to the clip; None if not said.
        price_usd: declared price of the clip; None if not said.
    """

    file: str
    wait_s: float | None
    price_usd: float | None


def read_manifest(path: Path) -> dict[tuple[str, int], Entry]:
    """Read a CSV file with a header, or JSONL, one clip a line, by prompt id and seed.

    Raises:
        BenchError: if the file cannot be read or a line is none; the line is named.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise BenchError(
            f"expected a manifest at {path}, but {error.strerror}: type model.manifest=FILE"
        ) from None
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: expected UTF-8 text, byte {error.start} is not") from None
    rows = _json_lines(text, path) if path.suffix.lower() == ".jsonl" else _csv_lines(text, path)
    entries: dict[tuple[str, int], Entry] = {}
    for number, row in rows:
        where = f"{path}, line {number}"
        key, entry = _entry(row, where)
        if key in entries:
            raise BenchError(f"{where}: prompt {key[0]!r} and seed {key[1]} stand there already")
        entries[key] = entry
    if not entries:
        raise BenchError(f"{path}: expected at least one clip, found none")
    return entries


def _csv_lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        _check_keys(reader.fieldnames or (), f"{path}, line 1")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise BenchError(f"{where}: expected {len(reader.fieldnames or ())} columns")
            numbers = {
                key: _number(row.get(key) or None) for key in ("seed", "wait_s", "price_usd")
            }
            yield reader.line_num, row | numbers
    except csv.Error as error:
        raise BenchError(f"{path}, line {reader.line_num}: expected CSV, but {error}") from None


def _number(text: str | None) -> float | str | None:
    """The number that a text says; what says none is left to be complained about."""
    for kind in (int, float):
        try:
            return text if text is None else kind(text)
        except ValueError:
            continue
    return text


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchError(f"{path}, line {number}: expected JSON, but {error}") from None
        if not isinstance(row, dict):
            raise BenchError(f"{path}, line {number}: expected a JSON object")
        _check_keys(row, f"{path}, line {number}")
        yield number, row


def _check_keys(keys: object, where: str) -> None:
    names = list(keys) if isinstance(keys, Mapping | list | tuple) else []
    for name in names:
        if name not in _KNOWN:
            close = nearest(str(name), _KNOWN)
            known = ", ".join(_KNOWN)
            raise BenchError(f"{where}: unknown column {name!r}{close}; known are {known}")
    for name in NEEDED:
        if name not in names:
            raise BenchError(f"{where}: expected the columns {', '.join(NEEDED)}, no {name!r} came")


def _entry(row: Mapping[str, Any], where: str) -> tuple[tuple[str, int], Entry]:
    file, prompt, seed = (row.get(key) for key in NEEDED)
    for key, value in (("file", file), ("prompt", prompt)):
        if not isinstance(value, str) or not value.strip():
            raise BenchError(f"{where}: {key!r} must be a text, came {value!r}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise BenchError(f"{where}: 'seed' must be a whole number from 0, came {seed!r}")
    for key in ("wait_s", "price_usd"):
        if row.get(key) is not None and not is_amount(row[key]):
            raise BenchError(f"{where}: {key!r} must be a number from 0, came {row[key]!r}")
    return (str(prompt), seed), Entry(str(file), row.get("wait_s"), row.get("price_usd"))
