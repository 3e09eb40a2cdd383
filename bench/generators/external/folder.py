"""Clips that somebody else made: a folder of videos takes a row like any model."""

import hashlib
import math
import os
import re
from pathlib import Path
from typing import Literal, get_args

from bench.clip import Clip
from bench.errors import BenchError, ClipError, ClipMissing, nearest
from bench.generators.account import Account
from bench.generators.base import Generator
from bench.generators.external.manifest import Entry, read_manifest
from bench.prompts import Prompt
from bench.storage import SAFE_NAME
from bench.video import VIDEO_SUFFIXES, natural_order, read_video

Names = Literal["id", "vbench"]


def stem(prompt: Prompt, seed: int, names: Names = "id") -> str:
    """What the file of a draw is called, less its suffix.

    Args:
        prompt: of the suite.
        seed: of the draw.
        names: `id` for `<prompt-id>-<seed>`; `vbench` for `<prompt>-<index>`, the text itself,
            with the seed as the index.
    """
    return f"{prompt.text if names == 'vbench' else prompt.id}-{seed}"


class FolderGenerator(Generator):
    """Reads clips instead of making them.

    With a suite, a draw's clip is found by its name or through a manifest; without (`suite=files`)
    every video in the folder is a clip of its own.

    Args:
        path: a folder of video files, or of sub-folders that hold PNG frames; `~` is home.
        fps: frames per second of PNG frames, above 0; video files carry their own.
        names: how files are called; see `stem`.
        manifest: a CSV or JSONL file that says which file answers which prompt and seed, and may
            declare what it took; takes the place of `names`. See
            `bench.generators.external.manifest`.

    Raises:
        BenchError: if `path` is no folder, `fps` no rate, or the manifest none.
    """

    kind = "bench.generators.folder.FolderGenerator"

    measured = False
    # `source` holds each file's name and hash; how it was found decides nothing more.
    incidental = frozenset({"names", "manifest"})

    def __init__(
        self,
        path: str,
        fps: float | None = None,
        names: Names = "id",
        manifest: str | None = None,
    ) -> None:
        if not isinstance(path, str) or not path.strip():
            raise BenchError(f"expected a folder of videos, came {path!r}: type model.path=DIR")
        if fps is not None and (
            isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < math.inf
        ):
            raise BenchError(f"folder of videos: fps must be a number above 0, came {fps!r}")
        self.path = Path(os.path.expanduser(path))  # noqa: PTH111 - leaves an unknown ~user alone
        self.fps = fps
        if not self.path.is_dir():
            came = "a file" if self.path.exists() else "nothing"
            raise BenchError(
                f"expected a folder of videos at {path!r}, there is {came}: type model.path=DIR"
            )
        if names not in get_args(Names):
            close = nearest(str(names), get_args(Names))
            raise BenchError(
                f"folder of videos: names must be {' or '.join(get_args(Names))}{close}, "
                f"came {names!r}"
            )
        if manifest is not None and (not isinstance(manifest, str) or not manifest.strip()):
            raise BenchError(f"folder of videos: manifest must be a file, came {manifest!r}")
        self.names = names
        self.manifest: dict[tuple[str, int], Entry] | None = None
        if manifest is not None:
            self.manifest = read_manifest(Path(os.path.expanduser(manifest)))  # noqa: PTH111 - as above

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Read the clip for this prompt and seed.

        Raises:
            ClipMissing: if nobody has put its file there.
            ClipError: if its file cannot be read or is no whole video.
        """
        found = self.find(prompt, seed)
        entry = (self.manifest or {}).get((prompt.id, seed))
        if entry is not None and (entry.wait_s, entry.price_usd) != (None, None):
            self.account = Account("declared", latency_s=entry.wait_s, price_usd=entry.price_usd)
        return read_video(found, self.fps)

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:
        """Name and hash of the file, so that a replaced file is another clip; what is declared.

        Nothing where it cannot be read; `generate` says why.
        """
        try:
            found = self.find(prompt, seed)
            source = {"file": _printable(found.name), "sha256": _digest(found)}
        except (ClipError, OSError):
            return {}
        entry = (self.manifest or {}).get((prompt.id, seed))
        if entry is not None:
            source |= {"wait_s": str(entry.wait_s), "price_usd": str(entry.price_usd)}
        return source

    def own_prompts(self) -> list[Prompt]:
        """One prompt without text for each video, named after its file, in natural order.

        Raises:
            BenchError: if the folder holds no video.
        """
        ids = [_safe(path.name) for path in self.videos()]
        if not ids and any(self.path.glob("*.png")):
            raise BenchError(
                f"expected sub-folders of PNG frames in {str(self.path)!r}, it holds frames "
                f"itself: type model.path={self.path.absolute().parent}"
            )
        if not ids:
            known = ", ".join(sorted(VIDEO_SUFFIXES))
            raise BenchError(
                f"expected videos in {str(self.path)!r}, there are none ({known}, or sub-folders "
                "of PNG frames): type model.path=DIR"
            )
        return [Prompt(id=name, text="") for name in ids]

    def videos(self) -> list[Path]:
        """Video files, and folders of PNG frames, in natural order.

        Raises:
            BenchError: if the folder cannot be listed.
        """
        try:
            return sorted(filter(_holds_video, self.path.iterdir()), key=natural_order)
        except OSError as error:
            raise BenchError(
                f"expected to read the folder {str(self.path)!r}, but {error.strerror}: "
                "make it readable, or type model.path=DIR"
            ) from None

    def find(self, prompt: Prompt, seed: int) -> Path:
        """The file of this draw.

        Raises:
            ClipMissing: if there is none.
            ClipError: if there are several.
        """
        if self.manifest is not None:
            return self._listed(self.manifest.get((prompt.id, seed)), prompt, seed)
        wanted = stem(prompt, seed, self.names)
        if prompt.text:
            found = [path for path in self.videos() if wanted in (path.name, path.stem)]
        else:
            found = [path for path in self.videos() if _safe(path.name) == prompt.id]
        if not found:
            raise ClipMissing(f"expected the file {wanted}.<mp4, mkv, ...> in {self.path}")
        if len(found) > 1:
            names = ", ".join(_printable(path.name) for path in found)
            raise ClipError(f"expected one file for {wanted} in {self.path}, found {names}")
        return found[0]

    def _listed(self, entry: Entry | None, prompt: Prompt, seed: int) -> Path:
        if entry is None:
            raise ClipMissing(f"expected a line for {prompt.id}, seed {seed} in the manifest")
        path = self.path / entry.file
        if not path.exists():
            raise ClipMissing(f"expected the file {entry.file} in {self.path}")
        return path


def _holds_video(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return any(path.glob("*.png")) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES


def _safe(name: str) -> str:
    """The file's name; where it could not be a record's path, what can be kept, and a hash.

    The hash keeps apart what differs only in characters that are lost.
    """
    if SAFE_NAME.fullmatch(name):
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    if suffix.lower() not in VIDEO_SUFFIXES:
        stem, suffix = name, ""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", stem)[:80].strip("-._") or "clip"
    return f"{kept}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}{suffix}"


def _printable(name: str) -> str:
    """The name as text, which file names need not be."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def _digest(path: Path) -> str:
    files = sorted(path.glob("*.png")) if path.is_dir() else [path]
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.read_bytes())
    return sha.hexdigest()
