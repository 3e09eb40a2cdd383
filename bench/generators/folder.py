"""Clips that somebody else made: a folder of videos takes a row like any model."""

import hashlib
import math
import os
import re
from pathlib import Path

from bench.clip import Clip
from bench.errors import BenchError, ClipError
from bench.generators.base import Generator
from bench.paths import SAFE_NAME
from bench.prompts import Prompt
from bench.video import VIDEO_SUFFIXES, natural_order, read_video


class FolderGenerator(Generator):
    """Reads clips instead of making them.

    With a suite, the clip for a prompt and seed is the file `<prompt-id>-<seed>.<ext>`. With
    `suite=files`, every video in the folder is a clip of its own.

    Args:
        path: a folder of video files, or of sub-folders that hold PNG frames; `~` is home.
        fps: frames per second of PNG frames, above 0; video files carry their own.

    Raises:
        BenchError: if `path` is no folder, or `fps` no rate.
    """

    measured = False

    def __init__(self, path: str, fps: float | None = None) -> None:
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

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Read the clip for this prompt and seed.

        Raises:
            ClipError: if its file is missing, cannot be read or is no whole video.
        """
        return read_video(self._find(prompt, seed), self.fps)

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:
        """Name and hash of the file, so that a replaced file is another clip.

        Nothing where it cannot be read; `generate` says why.
        """
        try:
            found = self._find(prompt, seed)
            return {"file": _printable(found.name), "sha256": _digest(found)}
        except (ClipError, OSError):
            return {}

    def own_prompts(self) -> list[Prompt]:
        """One prompt without text for each video, named after its file, in natural order.

        Raises:
            BenchError: if the folder holds no video.
        """
        ids = [_safe(path.name) for path in self._videos()]
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

    def _videos(self) -> list[Path]:
        try:
            return sorted(filter(_holds_video, self.path.iterdir()), key=natural_order)
        except OSError as error:
            raise BenchError(
                f"expected to read the folder {str(self.path)!r}, but {error.strerror}: "
                "make it readable, or type model.path=DIR"
            ) from None

    def _find(self, prompt: Prompt, seed: int) -> Path:
        wanted = f"{prompt.id}-{seed}"
        if prompt.text:
            found = [path for path in self._videos() if wanted in (path.name, path.stem)]
        else:
            found = [path for path in self._videos() if _safe(path.name) == prompt.id]
        if not found:
            raise ClipError(f"expected the file {wanted}.<mp4, mkv, ...> in {self.path}")
        if len(found) > 1:
            names = ", ".join(_printable(path.name) for path in found)
            raise ClipError(f"expected one file for {wanted} in {self.path}, found {names}")
        return found[0]


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
