"""Prompts, and the published suite files they live in: validated, hashed."""

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from bench.errors import BenchError
from bench.schema import Sample
from bench.storage import NAME_RULE, PROMPTS, SAFE_NAME, file_sha256, read_bytes
from bench.textfiles import lines_of
from bench.video import read_image

Motion = Literal["subject", "camera", "any"]

LIGHTING_CHANGE = "lighting_change"
"""The tag of a prompt that asks for changing light."""

_CAMERA_MOVES = re.compile(
    r"\bcamera(?:\s+(?:is|\w+ly))*\s+"
    r"(?:pan|tilt|zoom|doll|track|push|pull|cran|orbit|circl|rotat|mov|glid|fl|follow|sweep|ris"
    r"|descend|travel)(?:e?s|ies|[nly]?ing)\b"
    r"|镜头(?:缓缓|慢慢|缓慢|逐渐)?(?:从|向|绕|沿|随|跟|摇|推|拉|移|升|降|环)",
    re.IGNORECASE,
)
"""A sentence of which the camera is the subject: "the camera slowly tilting downwards"."""


@dataclass(frozen=True)
class Prompt:
    """One fixed prompt of a suite; in the suite file, paths are relative to it."""

    id: str  # unique within the suite; names files
    text: str  # what the model is asked for; empty only where clips are scored without prompts
    category: str = "uncategorised"  # by which the leaderboard can be split
    tags: tuple[str, ...] = ()  # in a published suite the first names what the prompt tests
    motion: Motion = "any"  # what must move for a clip to count as moving
    shots: int = 1  # cuts beyond `shots - 1` are unrequested
    image: Path | None = None  # that an image-to-video model begins with
    image_prompt: str | None = None  # for the text-to-image model that makes the image, if any
    subject: str | None = None  # the words of `text` for whom or what must keep its identity
    seconds: float | None = None  # of the clip, > 0; None where the model's own length will do
    group: str | None = None  # whose prompts show the same character
    driving_video: Path | None = None  # the poses that an animation model follows

    @property
    def lighting_change(self) -> bool:
        """Whether it asks for changing light, which then is no flicker."""
        return LIGHTING_CHANGE in self.tags

    @property
    def asked_motion(self) -> Motion:
        """`motion`, or `camera` where that is `any` and the text says how the camera moves."""
        said = self.motion == "any" and _CAMERA_MOVES.search(self.text)
        return "camera" if said else self.motion

    @cached_property
    def content(self) -> dict[str, str | float]:
        """What a model is given: the text, the SHA-256 of each file, the length, if any."""
        files = {"image": self.image, "driving_video": self.driving_video}
        hashes = {key: file_sha256(path) for key, path in files.items() if path}
        length = {} if self.seconds is None else {"seconds": self.seconds}
        return {"text": self.text, **hashes, **length}


class Item(NamedTuple):
    """One draw: a prompt and a seed."""

    prompt: Prompt
    seed: int

    @property
    def sample(self) -> Sample:
        """What its files are called by."""
        return Sample(self.prompt.id, self.seed)


def load_suite(name: str | Path, files: str | Path | None = None) -> tuple[list[Prompt], str]:
    """Read a suite file, one JSON object a line: the prompts in file order, and a SHA-256 (hex).

    `name` is a file of the published `prompts/` folder, or a path to a file of the user's own;
    `files` the folder of the images and driving videos that it names, where they do not lie beside
    it. The hash is of the file's bytes; with `files`, of those and of what the user supplied, since
    results compare only over the same.
    """
    path = Path(name) if Path(name).is_file() else PROMPTS / name
    if not path.is_file():
        published = ", ".join(sorted(p.name for p in PROMPTS.glob("*.jsonl")))
        raise BenchError(
            f"expected a prompt file, {str(name)!r} is none: "
            f"give a path, or one of {published} in {PROMPTS}"
        )
    raw = read_bytes(path)
    folder = path.parent if files is None else _supplied(files)
    prompts = [
        _with_files(prompt, f"{path}, line {number}", folder)
        for number, prompt in parse_suite(raw, path).items()
    ]
    sha = hashlib.sha256(raw)
    if files is not None:
        for prompt in prompts:
            sha.update(repr(sorted(prompt.content.items())).encode())
    return prompts, sha.hexdigest()


def parse_suite(raw: bytes, path: Path) -> dict[int, Prompt]:
    """The prompts of a suite file, by line; the files that they name are not looked at."""
    prompts: dict[int, Prompt] = {}
    line_of: dict[str, int] = {}
    for number, line in lines_of(raw, path):
        prompt = prompts[number] = _parse(line, f"{path}, line {number}")
        if (before := line_of.setdefault(prompt.id, number)) != number:
            raise BenchError(
                f"{path}, line {number}: prompt id {prompt.id!r} stands already on line "
                f"{before}; every id must be unique"
            )
    if not prompts:
        raise BenchError(f"{path}: expected at least one prompt, got none")
    return prompts


def _supplied(files: str | Path) -> Path:
    folder = Path(files).expanduser()
    if not folder.is_dir():
        raise BenchError(
            f"expected a folder of images and driving videos, {str(files)!r} is none: "
            "type suite.files=DIR"
        )
    return folder


def _parse(line: str, where: str) -> Prompt:
    try:
        entry = json.loads(line, object_pairs_hook=_without_twins)
        json.dumps(entry, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise BenchError(
            f"{where}: expected one JSON object, as {_EXAMPLE}, got {line.strip():.40} "
            f"({error.msg.lower()} at column {error.colno})"
        ) from None
    except UnicodeEncodeError:
        raise BenchError(f"{where}: expected text, got half a surrogate pair (\\ud800)") from None
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{where}: expected one JSON object, but {error}") from None
    if not isinstance(entry, dict):
        raise BenchError(f"{where}: expected a JSON object, got {type(entry).__name__}")
    _check(entry, where)
    if "tags" in entry:
        entry["tags"] = tuple(entry["tags"])
    if "seconds" in entry:
        entry["seconds"] = float(entry["seconds"])  # 10 and 10.0 are one length
    for key in _FILE_KEYS:
        if key in entry:
            entry[key] = Path(entry[key])
    return Prompt(**entry)


def _with_files(prompt: Prompt, where: str, folder: Path) -> Prompt:
    """The prompt with its files in a folder, where they must be."""
    paths = {key: folder / name for key in _FILE_KEYS if (name := getattr(prompt, key)) is not None}
    for key, path in paths.items():
        if path.exists() and not path.resolve().is_relative_to(folder.resolve()):
            name = str(getattr(prompt, key))
            raise BenchError(f"{where}: {key!r} must lie in {folder}, {name!r} leads out")
    if "image" in paths:
        try:
            read_image(paths["image"])
        except BenchError as error:
            raise BenchError(f"{where}: 'image': {error}") from None
    if "driving_video" in paths and not (path := paths["driving_video"]).is_file():
        raise BenchError(f"{where}: 'driving_video': expected a video at {path}, there is none")
    return replace(prompt, **paths)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; of two equal keys, the one that was meant cannot be known."""
    entry = dict(pairs)
    if len(entry) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in entry if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return entry


def _is_name(value: object) -> bool:
    return isinstance(value, str) and SAFE_NAME.fullmatch(value) is not None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_file(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    return bool(value.strip()) and not Path(value).is_absolute()


_EXAMPLE = '{"id": "ball", "text": "a red ball rolls"}'

_NAME = (_is_name, NAME_RULE)
_TEXT = (_is_text, "a text that is not empty")
_FILE = (_is_file, "a path relative to the suite file")
_FILE_KEYS = ("image", "driving_video")

_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "id": _NAME,
    "text": _TEXT,
    "category": _TEXT,
    "tags": (lambda v: type(v) is list and all(type(tag) is str for tag in v), "a list of texts"),
    "motion": (lambda value: value in get_args(Motion), " | ".join(get_args(Motion))),
    "shots": (lambda value: type(value) is int and value >= 1, ">= 1"),
    "image": _FILE,
    "image_prompt": _TEXT,
    "subject": _TEXT,
    "seconds": (lambda v: type(v) in (int, float) and 0 < v < math.inf, "a number above 0"),
    "group": _NAME,
    "driving_video": _FILE,
}
"""What each key of a line must be: the test, and its words."""


def _check(entry: dict[str, Any], where: str) -> None:
    if unknown := sorted(entry.keys() - _KEYS):
        raise BenchError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    for key in ("id", "text", *entry):
        is_sound, expected = _KEYS[key]
        if not is_sound(entry.get(key)):
            raise BenchError(f"{where}: {key!r} must be {expected}, got {entry.get(key)!r}")
    if entry.keys() >= {"image", "image_prompt"}:
        raise BenchError(f"{where}: 'image_prompt' must be left out beside 'image'")


if __name__ == "__main__":  # what `python -m bench.prompts` has done before there were commands
    sys.argv.insert(1, "prompts")
    raise SystemExit(import_module("bench.cli").main())
