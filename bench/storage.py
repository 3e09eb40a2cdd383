"""Where files lie, how they are written whole or not at all, and whether a record still holds."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from bench.errors import BenchError
from bench.schema import ClipFacts, R, Record, Sample, ScoreRecord, dump, json_text, parse

# What prompt ids, suites and models may be called: their names become paths on every system.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or digit"

PACKAGE = Path(__file__).resolve().parent


# A wheel carries conf/ and prompts/ inside the package; a checkout (also when installed editable)
# has them at the top level, beside the package.
_DATA = PACKAGE / "data" if (PACKAGE / "data" / "conf").is_dir() else PACKAGE.parent
CONF, PROMPTS = _DATA / "conf", _DATA / "prompts"

KINDS = ("clips", "scores", "previews")
"""Folders of a run that hold files of its draws."""


@dataclass(frozen=True)
class RunFolder:
    """`${out}/<suite>/<model>/` and the files in it."""

    root: Path

    @property
    def run(self) -> Path:
        """The resolved configuration and the environment of the last run."""
        return self.root / "run.json"

    @property
    def loaded(self) -> Path:
        """What was really in use when clips were last made: weights, dtypes, attention."""
        return self.root / "loaded.json"

    @property
    def result(self) -> Path:
        """The one file that is published."""
        return self.root / "result.json"

    @property
    def log(self) -> Path:
        """What happened, with tracebacks."""
        return self.root / "bench.log"

    def master(self, sample: Sample) -> Path:
        """The clip's frames, lossless."""
        return self._of(sample, "clips", ".mkv")

    def record(self, sample: Sample) -> Path:
        """The clip's record; that it exists is the done flag."""
        return self._of(sample, "clips", ".json")

    def score(self, sample: Sample) -> Path:
        """The clip's scores."""
        return self._of(sample, "scores", ".json")

    def preview(self, sample: Sample) -> Path:
        """The clip for a browser, lossy."""
        return self._of(sample, "previews", ".mp4")

    def scores_of(self, clip: ClipFacts) -> ScoreRecord | None:
        """The record of a clip's scores; None if there is none of the frames that it has now."""
        path = self.score(clip.sample)
        if clip.status != "ok" or not path.exists():
            return None
        scored = read_record(path, ScoreRecord)
        return scored if scored.frames_sha256 == clip.frames_sha256 else None

    def names(self, kind: str) -> set[str]:
        """The files of a kind that are there, as `file_name` has them, by a look into each folder.

        To ask for each of a hundred thousand files by itself takes seconds.
        """
        root = self.root / kind
        folders = [each for each in os.scandir(root) if each.is_dir()] if root.is_dir() else []
        return {f"{folder.name}/{each.name}" for folder in folders for each in os.scandir(folder)}

    def read(self, kind: str, name: str) -> bytes:
        """What one of those files holds; to make a Path of each would take a second more."""
        return read_bytes(f"{self.root}/{kind}/{name}")

    def _of(self, sample: Sample, kind: str, suffix: str) -> Path:
        return self.root.joinpath(kind, file_name(sample, suffix))


def safe_part(name: str, most: int) -> str:
    """What of a name can be one by `SAFE_NAME`, of so many characters; empty if nothing can."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:most].strip("-._")


def file_name(sample: Sample, suffix: str) -> str:
    """What a file of a draw is called in the folder of its kind: `<prompt-id>/<seed>.<suffix>`."""
    return f"{sample.prompt_id}/{sample.seed}{suffix}"


@contextmanager
def expect_to(action: str) -> Iterator[None]:
    """BenchError where the file system refuses what is about to be done."""
    try:
        yield
    except OSError as error:
        raise BenchError(
            f"expected to {action}, but {(error.strerror or str(error)).lower()}: "
            "make that possible, or choose another folder with out=DIR or --into DIR"
        ) from None


PART = ".part"
"""What the name of a half-written file ends in. It begins with a dot and the name it is to have."""


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """A file to write to in place of another, whose name never stands over half its content.

    It lies in the same folder, is flushed to disk after the `with` block, and then renamed, which
    POSIX does atomically; a reader, or a run killed at any moment, sees the old file or the new
    one. What a block that raises has written is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(PART, f".{path.name}.", path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; see `part_of`."""
    with expect_to(f"write {path}"), part_of(path) as part:
        part.write_bytes(content)


def remove_parts(path: Path) -> None:
    """Remove what processes that died while they wrote a file, or another of its stem, have left.

    For whoever has those files to itself.
    """
    for part in path.parent.glob(f".{path.stem}.*{PART}"):
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write a JSON value; see `write_bytes`."""
    write_text(path, json_text(value))


MEND = "remove the file and run again"


def write_record(path: Path, record: Record) -> None:
    """Write a record as JSON; see `write_bytes`."""
    write_text(path, dump(record))


def read_record(path: Path, kind: type[R], mend: str = MEND) -> R:
    """The record that stands in a file; a `ResultError` names everything that is wrong with it."""
    return parse(kind, read_bytes(path), str(path), mend)


def read_bytes(path: Path | str) -> bytes:
    """What a file holds."""
    try:
        with FileIO(path) as file:  # without a buffer, which costs as much as to read a record
            return file.readall()
    except OSError as error:
        raise BenchError(f"expected to read {path}, but {error.strerror}") from None


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of what a file holds."""
    return hashlib.sha256(read_bytes(path)).hexdigest()


_CANONICAL = json.JSONEncoder(sort_keys=True, allow_nan=False, separators=(",", ":"))


def fingerprint(value: object) -> str:
    """SHA-256 (hex) of a JSON value, independent of key order."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def changes(old: object, new: object) -> list[str]:
    """What differs between two JSON values, one `key.path old -> new` each, in key order."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        f"{key} {before.get(key, '(absent)')} -> {after.get(key, '(absent)')}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, json.dumps(value, sort_keys=True, ensure_ascii=False)
