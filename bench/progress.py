"""The progress bar of long work, with rate and time left; on stderr, so that stdout stays clean."""

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

console = Console(stderr=True)


class Step(NamedTuple):
    """How far one process has come with its work."""

    label: str
    total: int  # pieces to do, in all processes
    clips: int  # that each is of
    done: int = 0  # pieces done by now


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = (task.finished_speed or task.speed or 0) * task.fields["clips"]
        if not speed:
            return Text("")
        return Text(f"{speed:.1f} clips/s" if speed >= 1 else f"{1 / speed:.1f} s/clip")


class Bars:
    """One bar for each label, whichever process works at it."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, step: Step) -> None:
        """Show that so many more pieces are done."""
        if step.label not in self._tasks:
            self._tasks[step.label] = self._progress.add_task(
                step.label, total=step.total, clips=step.clips
            )
        self._progress.advance(self._tasks[step.label], step.done)


_relay: Callable[[Step], None] | None = None


def relay_to(send: Callable[[Step], None]) -> None:
    """Have another process show how far this one has come."""
    global _relay
    _relay = send


def track(items: Iterable[T], label: str, total: int, clips: int = 1) -> Iterator[T]:
    """Yield the items, of so many clips each, showing how far the work has come.

    None is a piece that another process has done, and shown if they have one display.
    """
    start = Step(label, total, clips)
    if _relay is not None:
        _relay(start)
        for item in items:
            yield item
            if item is not None:
                _relay(start._replace(done=1))
        return
    with Bars() as bars:
        bars.advance(start)
        for item in items:
            yield item
            bars.advance(start._replace(done=1))
