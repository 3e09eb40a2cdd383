"""Clips that somebody else made: a folder of videos takes a row like any model.

A manifest, CSV or JSONL, says which file answers which prompt and seed, and what its maker says it
took.
"""

import contextlib
import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ValidationError

from bench.clip import Clip
from bench.errors import (
    BenchError,
    ClipError,
    ClipMissing,
    ClipRefused,
    nearest,
    printable,
)
from bench.generators.base import (
    Generator,
    GeneratorInfo,
    Number,
    check_arguments,
    deliver,
    delivery_by,
    require,
)
from bench.prompts import Prompt
from bench.schema import NonBlank, Price, Record, Seconds, Seed, shown
from bench.storage import SAFE_NAME, safe_part
from bench.textfiles import read_csv, read_json_lines
from bench.video import (
    LIMITS,
    PICTURE_SUFFIXES,
    VIDEO_SUFFIXES,
    Limits,
    is_animation,
    natural_order,
    pictures,
    read_video,
)

Names = Literal["id", "vbench"]

NEEDED = ("file", "prompt", "seed")
"""Columns of a manifest that must be there."""

OPTIONAL = (
    *("wait_s", "price_usd"),
    # What the clip must be, for its maker; nothing reads these columns back.
    *("text", "seconds", "aspect", "image", "image_prompt", "driving_video"),
)

_COLUMNS = NEEDED + OPTIONAL


def stem(prompt: Prompt, seed: int, names: Names = "id") -> str:
    """What the file of a draw is called, less its suffix.

    `<prompt-id>-<seed>`, or, as vbench has it, `<prompt text>-<index>`, the seed being the index.
    """
    return f"{prompt.text if names == 'vbench' else prompt.id}-{seed}"


class Entry(Record):
    """One line of a manifest; columns that only its maker reads are kept."""

    file: NonBlank
    """In the folder of clips."""
    prompt: NonBlank
    """Its id."""
    seed: Seed
    """Of the draw."""
    wait_s: Seconds | None = None
    """What its maker says it took."""
    price_usd: Price | None = None
    """What its maker says it cost."""


_EXPECTED = {
    "file": "a text",
    "prompt": "a text",
    "seed": "a whole number from 0",
    "wait_s": "a number from 0",
    "price_usd": "a number from 0",
}


@dataclass(eq=False)
class FolderGenerator(Generator):
    """Reads clips instead of making them.

    With a suite, a draw's clip is found by its name or through a manifest; without (`suite=files`)
    every video in the folder and its sub-folders is a clip of its own, and so is every sub-folder
    of pictures. A file that cannot be read is refused, and says nothing about the model.
    """

    kind = "bench.generators.folder.FolderGenerator"
    # `source` holds each file's name and hash, and `resample` if it is set; how a file was found,
    # or how large it might have been, decides nothing more.
    info = GeneratorInfo(
        version="2",
        measured=False,
        non_semantic=frozenset({"names", "manifest", "resample", "limits"}),
    )

    path: str  # a folder of video files, or of sub-folders that hold frames; `~` is home
    fps: Number | None = None  # of frames in a folder; video files carry their own
    names: Names = "id"  # how files are called; see `stem`
    manifest: Annotated[NonBlank, "a file"] | None = None  # its file, in place of `names`
    resample: Number | None = None  # the rate to show files of a variable rate at
    limits: Limits = LIMITS  # of a clip

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path.strip():
            raise BenchError(f"expected a folder of videos, got {self.path!r}: type model.path=DIR")
        check_arguments(self)
        require(isinstance(self.limits, Limits), "limits", "Limits", self.limits)
        self.folder = Path(os.path.expanduser(self.path))  # noqa: PTH111 - leaves an unknown ~user alone
        if not self.folder.is_dir():
            what = "a file" if self.folder.exists() else "nothing"
            raise BenchError(
                f"expected a folder of videos at {self.path!r}, there is {what}: "
                "type model.path=DIR"
            )
        self.entries: dict[tuple[str, int], Entry] = {}
        if self.manifest is not None:
            self.entries = read_manifest(Path(os.path.expanduser(self.manifest)))  # noqa: PTH111 - as above

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Read the clip for this prompt and seed.

        ClipMissing if nobody has put its file there, ClipRefused if it cannot be read.
        """
        file = self.find(prompt, seed)
        try:
            clip = read_video(file, self.fps, resample=self.resample, limits=self.limits)
        except ClipError as error:  # where the folder lies is published nowhere
            raise ClipRefused(self._within(str(error))) from None
        entry = self.entries.get((prompt.id, seed))
        if entry is None or (entry.wait_s, entry.price_usd) == (None, None):
            return clip
        delivery = delivery_by("declared", latency_s=entry.wait_s, price_usd=entry.price_usd)
        return deliver(lambda: clip, delivery)

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:
        """Name and hash of the file, so that a replaced file is another clip; what is declared.

        Nothing where it cannot be read; `generate` says why.
        """
        try:
            file = self.find(prompt, seed)
            source = {"file": printable(file.name), "sha256": _digest(file)}
        except (ClipError, OSError):
            return {}
        if self.resample is not None and not file.is_dir():
            source["resample"] = str(self.resample)
        if (entry := self.entries.get((prompt.id, seed))) is not None:
            source |= {"wait_s": str(entry.wait_s), "price_usd": str(entry.price_usd)}
        return source

    def own_prompts(self) -> list[Prompt]:
        """One prompt without text for each video, named after its file, in natural order."""
        ids = [_safe(self._name(path)) for path in self.videos()]
        if not ids and pictures(self.folder):
            raise BenchError(
                f"expected sub-folders of frames in {str(self.folder)!r}, it holds frames "
                f"itself: type model.path={self.folder.absolute().parent}"
            )
        if not ids:
            suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
            raise BenchError(
                f"expected videos in {str(self.folder)!r}, there are none ({suffixes}, or "
                "sub-folders of frames)"
            )
        return [Prompt(id=name, text="") for name in ids]

    def file_of(self, prompt: Prompt) -> str | None:
        """Its path in the folder."""
        own = () if prompt.text else self._by_id[prompt.id]
        names = (printable(self._name(path)) for path in own)
        return next((name for name in names if name != prompt.id), None)

    def videos(self) -> list[Path]:
        """Video files, and folders of frames, at any depth, in natural order."""
        return [path for path, problem in self._listing if problem is None]

    def skipped(self) -> dict[str, str]:
        """Files that hold no clip, by their path in the folder, each with the reason."""
        return {printable(self._name(path)): why for path, why in self._listing if why}

    def find(self, prompt: Prompt, seed: int) -> Path:
        """The file of this draw.

        ClipMissing if there is none, ClipRefused if there are several or it lies elsewhere.
        """
        path = self._find(prompt, seed)
        name = self._within(str(path))
        if not path.exists():
            raise ClipRefused(f"{name}: expected a video, got a link that leads nowhere")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise ClipRefused(f"{name}: expected a video, it leads out of that folder")
        if not (path.is_file() or path.is_dir()):
            raise ClipRefused(f"{name}: expected a video, got a pipe or a device")
        return path

    def _find(self, prompt: Prompt, seed: int) -> Path:
        if self.manifest is not None:
            entry = self.entries.get((prompt.id, seed))
            if entry is None:
                raise ClipMissing(f"expected a line for {prompt.id}, seed {seed} in the manifest")
            forms = [self.folder / unicodedata.normalize(f, entry.file) for f in ("NFC", "NFD")]
            path = next((p for p in (self.folder / entry.file, *forms) if p.exists()), None)
            if path is None:
                raise ClipMissing(f"expected the file {entry.file} in {self.folder}")
            return path
        name = unicodedata.normalize("NFC", stem(prompt, seed, self.names))
        files = self._by_name[name] if prompt.text else self._by_id[prompt.id]
        if not files:
            raise ClipMissing(f"expected the file {name}.<mp4, mkv, ...> in {self.folder}")
        if len(files) > 1:
            names = ", ".join(printable(self._name(path)) for path in files)
            raise ClipRefused(f"expected one file for {name}, got {names}")
        return files[0]

    def _within(self, text: str) -> str:
        return text.replace(f"{self.folder}{os.sep}", "")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    @cached_property
    def _listing(self) -> list[tuple[Path, str | None]]:
        """As `_survey`, of when it was first asked for: a folder may hold very many files."""
        try:
            return list(_survey(self.folder, is_top=True))
        except OSError as error:
            raise BenchError(
                f"expected to read the folder {str(self.folder)!r}, but {error.strerror}: "
                "make it readable, or type model.path=DIR"
            ) from None

    @cached_property
    def _by_name(self) -> Mapping[str, list[Path]]:
        """Videos by their names, with and without suffix, in the form in which equals are equal."""
        files = defaultdict(list)
        for path in self.videos():
            for name in {unicodedata.normalize("NFC", name) for name in (path.name, path.stem)}:
                files[name].append(path)
        return files

    @cached_property
    def _by_id(self) -> Mapping[str, list[Path]]:
        """Videos by the ids of their own prompts."""
        files = defaultdict(list)
        for path in self.videos():
            files[_safe(self._name(path))].append(path)
        return files


def _survey(folder: Path, is_top: bool = False) -> Iterator[tuple[Path, str | None]]:
    """What lies in a folder, and why it is no clip; None where it is one.

    A sub-folder with pictures and without videos is one clip.
    """
    entries = sorted(folder.iterdir(), key=natural_order)
    kinds = {path: _kind(path) for path in entries}
    is_series = not is_top and "picture" in kinds.values() and "video" not in kinds.values()
    if is_series:
        yield folder, None
    for path, kind in kinds.items():
        if kind == "folder" and not is_series:
            try:
                yield from _survey(path)
            except OSError as error:
                yield path, f"cannot be read: {error.strerror}"
        elif kind == "video":
            yield path, None
        elif kind == "folder":
            yield path, "a folder among frames"
        elif kind != "picture":
            yield path, kind
        elif not is_series:
            yield path, "a picture, expected frames in a sub-folder of their own"
    if not entries and not is_top:
        yield folder, "an empty folder"


_NO_SUFFIX = "no suffix of a video or a picture"


def _kind(path: Path) -> str:
    """`video`, `picture` or `folder`; else why it is skipped."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "its name begins with a dot"
    if path.is_dir():
        return "a link to a folder" if path.is_symlink() else "folder"
    if suffix in PICTURE_SUFFIXES and path.is_file():
        return "video" if suffix in (".png", ".webp") and is_animation(path) else "picture"
    if suffix in VIDEO_SUFFIXES:
        return "video"
    is_picture = suffix in PICTURE_SUFFIXES
    return "no picture, but a pipe, a device or a link" if is_picture else _NO_SUFFIX


def _safe(name: str) -> str:
    """The file's name; where it could not be a record's path, what can be kept, and a hash.

    The hash keeps apart what differs only in characters that are lost.
    """
    if SAFE_NAME.fullmatch(name):
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    if suffix.lower() not in VIDEO_SUFFIXES:
        stem, suffix = name, ""
    readable = safe_part(stem, 80) or "clip"
    return f"{readable}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{suffix}"


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    for file in pictures(path) if path.is_dir() else [path]:
        if not file.is_file():
            raise ClipRefused(f"expected a picture at {file}, got a pipe or a device")
        with file.open("rb") as content:
            hashlib.file_digest(content, lambda: sha)
    return sha.hexdigest()


def read_manifest(path: Path) -> dict[tuple[str, int], Entry]:
    """Read a CSV file with a header, or JSONL, one clip a line, by prompt id and seed."""
    if not path.exists():
        raise BenchError(f"expected a manifest at {path}, got none: type model.manifest=FILE")
    lines = _json_lines if path.suffix.lower() == ".jsonl" else _csv_lines
    entries: dict[tuple[str, int], Entry] = {}
    for where, row in lines(path):
        try:
            entry = Entry.model_validate(row)
        except ValidationError as error:
            key = str(error.errors(include_url=False)[0]["loc"][0])
            wrong = f"{key} must be {_EXPECTED[key]}, got {shown(row.get(key))}"
            raise BenchError(f"{where}: {wrong}") from None
        draw = entry.prompt, entry.seed
        if draw in entries:
            raise BenchError(f"{where}: prompt {draw[0]!r} and seed {draw[1]} stand there already")
        entries[draw] = entry
    if not entries:
        raise BenchError(f"{path}: expected at least one clip, got none")
    return entries


def _csv_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    columns, rows = read_csv(path)
    _check_columns(columns, f"{path}, line 1")
    for where, row in rows:
        numbers = ("seed", "wait_s", "price_usd")
        yield where, row | {key: _number(row.get(key)) for key in numbers}


def _number(text: str | None) -> float | str | None:
    """The number that a text says, None if it is empty; else the text, to be complained about."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text) if text else None
    return text


def _json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in read_json_lines(path):
        where = f"{path}, line {number}"
        _check_columns(row, where)
        yield where, row


def _check_columns(names: Collection[str], where: str) -> None:
    for name in names:
        if name not in _COLUMNS:
            close = nearest(str(name), _COLUMNS)
            columns = ", ".join(_COLUMNS)
            raise BenchError(f"{where}: unknown column {name!r}{close}; expected {columns}")
    for name in NEEDED:
        if name not in names:
            raise BenchError(f"{where}: expected the columns {', '.join(NEEDED)}, got no {name!r}")
