"""The progress of long work, with rate and time left; on stderr, so that stdout stays clean.

A bar on a terminal; elsewhere, as under nohup or Slurm, a line a minute. The run's bench.log has
the line in any case. What worker processes do, their parent shows.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
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
from rich.table import Column
from rich.text import Text

T = TypeVar("T")

EVERY_S = 60.0

_BAR, _BESIDE_THE_BAR = 40, 80  # columns of a screen

console = Console(stderr=True)

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """How far one process has come with its work."""

    label: str
    total: int  # pieces to do, in all processes
    clips: int  # that each is of
    done: int = 0  # pieces done by now


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_rate((task.finished_speed or task.speed or 0) * task.fields["clips"]))


class Display:
    """A bar, or a line a minute, for each label, whichever process works at it."""

    def __init__(self) -> None:
        # On a narrow screen the bar gives way, then the label is wrapped; no number is cut.
        number = Column(no_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}", table_column=Column(overflow="fold")),
            BarColumn(min(_BAR, max(1, console.width - _BESIDE_THE_BAR))),
            MofNCompleteColumn(table_column=number),
            _RateColumn(table_column=number),
            TimeElapsedColumn(table_column=number),
            TextColumn("left", table_column=number),
            TimeRemainingColumn(table_column=number),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._lines: set[str] = set()
        self._ticker = _every_minute(self._say_unfinished)

    def __enter__(self) -> Self:
        self._bars.start()
        self._ticker.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.__exit__(None, None, None)
        self._bars.stop()
        for task in self._bars.tasks:
            _say(task)

    def advance(self, step: Step) -> None:
        """Show that so many more pieces are done."""
        if step.label not in self._tasks:
            self._tasks[step.label] = self._bars.add_task(
                step.label, total=step.total, clips=step.clips
            )
        self._bars.advance(self._tasks[step.label], step.done)

    def say(self, line: str) -> None:
        """Show a line of text once, however many processes have it to say."""
        if line not in self._lines:
            self._lines.add(line)
            say_line(line)

    def _say_unfinished(self) -> None:
        for task in self._bars.tasks:
            if not task.finished:
                _say(task)


def _say(task: Task) -> None:
    spent_s = task.finished_time or task.elapsed or 0.0
    done, total = round(task.completed), round(task.total or 0)
    _note(f"{task.description}: {told(done, total, task.fields['clips'], spent_s)}")


def _note(line: str) -> None:
    """In the log, and on a screen that shows no bars."""
    log.info("%s", line)
    if not console.is_terminal:
        say_line(line)


@contextmanager
def _every_minute(say: Callable[[], None]) -> Iterator[None]:
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(EVERY_S):
            say()

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()


_relay: Callable[[Step | str], None] | None = None


def relay_to(send: Callable[[Step | str], None]) -> None:
    """Have another process show how far this one has come, and what it says."""
    global _relay
    _relay = send


def track(items: Iterable[T], label: str, total: int, clips: int = 1) -> Iterator[T]:
    """Yield the items, of so many clips each, showing how far the work has come.

    None is a piece that another process has done, and shown if they have one display.
    """
    start = Step(label, total, clips)
    with ExitStack() as stack:
        show = _relay or stack.enter_context(Display()).advance
        show(start)
        for item in items:
            yield item
            if item is not None or _relay is None:
                show(start._replace(done=1))


@contextmanager
def waiting(label: str) -> Iterator[None]:
    """Say every minute how long something takes that tells nothing, and what it has downloaded.

    On a terminal the hub shows bars of its own; bench.log has the lines in any case.
    """
    start_s, before = time.monotonic(), _downloaded_bytes()

    def say() -> None:
        line = f"{label}, {_duration(time.monotonic() - start_s)} so far"
        if (size := _downloaded_bytes() - before) > 0:
            line += f", {size / 2**30:.1f} GiB downloaded"
        _note(line)

    with _every_minute(say):
        yield


def _downloaded_bytes() -> int:
    """What the hub's cache holds; 0 where nobody asks the hub."""
    return cached_bytes() if "huggingface_hub" in sys.modules else 0


def cached_bytes(repo: str = "*") -> int:
    """What the hub's cache holds of a repository, or of all; what is on its way included."""
    from huggingface_hub import constants

    size = 0
    for path in Path(constants.HF_HUB_CACHE).glob(f"models--{repo.replace('/', '--')}/blobs/*"):
        with suppress(OSError):  # it has its name since
            size += path.stat().st_size
    return size


def say_line(line: str) -> None:
    """A line of text as it stands, however long."""
    if _relay is not None:
        _relay(line)
    else:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def told(done: int, total: int, clips: int, spent_s: float) -> str:
    """How far work has come whose items are of so many clips each, in one line."""
    parts = [f"{done}/{total}"]
    if done and spent_s:
        parts.append(_rate(done * clips / spent_s))
    parts.append(f"{_duration(spent_s)} so far")
    if 0 < done < total:
        parts.append(f"{_duration(spent_s / done * (total - done))} left")
    return ", ".join(parts)


def _rate(speed: float) -> str:
    """Clips a second in words; nothing where it is unknown."""
    if not speed:
        return ""
    return f"{speed:.1f} clips/s" if speed >= 1 else f"{1 / speed:.1f} s/clip"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
