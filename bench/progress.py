"""The progress bar of long work, with rate and time left; on stderr, so that stdout stays clean."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

console = Console(stderr=True)


class _RateColumn(ProgressColumn):
    def __init__(self, clips: int) -> None:
        super().__init__()
        self._clips = clips

    def render(self, task: Task) -> Text:
        speed = (task.finished_speed or task.speed or 0) * self._clips
        if not speed:
            return Text("")
        return Text(f"{speed:.1f} clips/s" if speed >= 1 else f"{1 / speed:.1f} s/clip")


def track(items: Sequence[T], label: str, clips: int = 1) -> Iterator[T]:
    """Yield the items, of so many clips each, showing how far the work has come."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(clips),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield from progress.track(items, description=label)
