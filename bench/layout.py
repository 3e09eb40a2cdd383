"""RunFolder: where one run's files lie; no reading or writing of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.prompts import Prompt


class Item(NamedTuple):
    """One draw: a prompt and a seed."""

    prompt: Prompt
    seed: int


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

    def master(self, item: Item) -> Path:
        """The clip's frames, lossless."""
        return self._of(item, "clips", ".mkv")

    def record(self, item: Item) -> Path:
        """The clip's record; that it exists is the done flag."""
        return self._of(item, "clips", ".json")

    def tries(self, item: Item) -> Path:
        """How often making this clip was begun without ending in a record."""
        return self._of(item, "clips", ".tries")

    def score(self, item: Item) -> Path:
        """The clip's scores."""
        return self._of(item, "scores", ".json")

    def preview(self, item: Item) -> Path:
        """The clip for a browser, lossy."""
        return self._of(item, "previews", ".mp4")

    def _of(self, item: Item, kind: str, suffix: str) -> Path:
        return self.root / kind / item.prompt.id / f"{item.seed}{suffix}"
