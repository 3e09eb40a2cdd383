"""Clips that somebody else made: a folder of videos takes a row like any model."""

import hashlib
import re
from pathlib import Path

from bench.clip import Clip
from bench.errors import BenchError, ClipError
from bench.generators.base import Generator
from bench.prompts import Prompt
from bench.video import VIDEO_SUFFIXES, read_video


class FolderGenerator(Generator):
    """Reads clips instead of making them.

    With a suite, the clip for a prompt and seed is the file `<prompt-id>-<seed>.<ext>`. With
    `suite=files`, every video in the folder is a clip of its own.

    Args:
        path: a folder of video files, or of sub-folders that hold PNG frames.
        fps: frames per second of PNG frames; video files carry their own.

    Raises:
        BenchError: if `path` is no folder.
    """

    measured = False

    def __init__(self, path: str, fps: float | None = None) -> None:
        self.path = Path(path)
        self.fps = fps
        if not self.path.is_dir():
            came = "a file" if self.path.exists() else "nothing"
            raise BenchError(
                f"expected a folder of videos at {path!r}, there is {came}: type model.path=DIR"
            )

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Read the clip for this prompt and seed.

        Raises:
            ClipError: if its file is missing or is no whole video.
        """
        return read_video(self._find(prompt, seed), self.fps)

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:
        """Name and hash of the file, so that a replaced file is another clip."""
        try:
            found = self._find(prompt, seed)
        except ClipError:
            return {}
        return {"file": found.name, "sha256": _digest(found)}

    def own_prompts(self) -> list[Prompt]:
        """One prompt without text for each video, named after its file.

        Raises:
            BenchError: if the folder holds no video.
        """
        ids = [_safe(path.name) for path in self._videos()]
        if not ids:
            known = ", ".join(sorted(VIDEO_SUFFIXES))
            raise BenchError(
                f"expected videos in {str(self.path)!r}, there are none ({known}, or sub-folders "
                "of PNG frames): type model.path=DIR"
            )
        twice = {name for name in ids if ids.count(name) > 1}
        if twice:
            raise BenchError(
                f"{str(self.path)!r}: several files would be called {sorted(twice)[0]!r}; "
                "rename them apart in letters, digits, '.', '_' or '-'"
            )
        return [Prompt(id=name, text="") for name in ids]

    def _videos(self) -> list[Path]:
        return sorted(
            path
            for path in self.path.iterdir()
            if not path.name.startswith(".")
            and (
                any(path.glob("*.png")) if path.is_dir() else path.suffix.lower() in VIDEO_SUFFIXES
            )
        )

    def _find(self, prompt: Prompt, seed: int) -> Path:
        wanted = f"{prompt.id}-{seed}"
        if prompt.text:
            found = [path for path in self._videos() if wanted in (path.name, path.stem)]
        else:
            found = [path for path in self._videos() if _safe(path.name) == prompt.id]
        if not found:
            raise ClipError(f"expected the file {wanted}.<mp4, mkv, ...> in {self.path}")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ClipError(f"expected one file for {wanted} in {self.path}, found {names}")
        return found[0]


def _safe(name: str) -> str:
    """The file's name in characters that a record's path may have, extension kept."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:100]
    return safe or "clip"


def _digest(path: Path) -> str:
    files = sorted(path.glob("*.png")) if path.is_dir() else [path]
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.read_bytes())
    return sha.hexdigest()
