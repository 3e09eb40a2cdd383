"""The progress of long work, with rate and time left; on stderr, so that stdout stays clean.

A bar on a terminal; elsewhere, as under nohup or Slurm, a line a minute. The run's bench.log has
the line in any case.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
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

EVERY_S = 60.0

console = Console(stderr=True)

log = logging.getLogger(__name__)


class _RateColumn(ProgressColumn):
    def __init__(self, clips: int) -> None:
        super().__init__()
        self._clips = clips

    def render(self, task: Task) -> Text:
        return Text(_rate((task.finished_speed or task.speed or 0) * self._clips))


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
    start_s, done, ended = time.monotonic(), 0, threading.Event()

    def say() -> None:
        line = f"{label}: {told(done, len(items), clips, time.monotonic() - start_s)}"
        log.info(line)
        if not console.is_terminal:
            say_line(line)

    def tick() -> None:
        while not ended.wait(EVERY_S):
            say()

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task(label, total=len(items))
            for item in items:
                yield item
                done += 1
                progress.advance(task)
    finally:
        ended.set()
        ticker.join()
        say()


def say_line(line: str) -> None:
    """A line of text as it stands, however long."""
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
