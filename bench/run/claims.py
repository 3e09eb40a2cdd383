"""Who works on what: locks that die with their process, and a count of the processes that died."""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock, Timeout

from bench.schema import Sample
from bench.storage import expect_to, remove_parts, write_text

W = TypeVar("W")
T = TypeVar("T")

_POLL_S = 0.2


class Share(NamedTuple):
    """One of several processes on one folder: which, from 0, and of how many."""

    number: int = 0
    of: int = 1

    def ordered(self, works: Sequence[W], sample: Callable[[W], Sample]) -> list[W]:
        """Work in the order in which this process looks for something to do.

        Its own part by a hash of the sample first, then its neighbour's, and so on round: so all
        is done however many live, and hardly two ever reach for the same.
        """

        def distance(work: W) -> int:
            digest = hashlib.sha256(str(sample(work)).encode()).digest()
            return (int.from_bytes(digest[:8]) - self.number) % self.of

        return sorted(works, key=distance)


ALL = Share()
"""Of a process that is alone."""


class Claim:
    """Work on one record that this process has, and no other as long as it lives.

    Both files lie beside the record. The lock is the operating system's: it goes with the process,
    whatever ended it. The other file counts beginnings without an end, such as only a process
    leaves that died.
    """

    def __init__(self, record: Path) -> None:
        self._tries = record.with_suffix(".tries")
        self._lock = FileLock(
            record.with_suffix(".lock"),
            poll_interval=_POLL_S,
            thread_local=False,  # taken here, let go by the thread that writes
            fallback_to_soft=False,  # a file alone would outlive its process
        )

    def take(self, *, wait: bool) -> bool:
        """Whether this process has it now; if need be after it waited for whoever had it."""
        path = Path(self._lock.lock_file)
        with expect_to(f"lock {path}"), suppress(Timeout):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=-1 if wait else 0)
            remove_parts(path)
        return self._lock.is_locked

    def begin(self) -> int:
        """Note that the work is begun, the how-manieth time: a death leaves no other trace."""
        before = self._tries.read_text("utf-8").strip() if self._tries.exists() else ""
        tries = 1 + (int(before) if before.isdecimal() else 0)
        write_text(self._tries, f"{tries}\n")
        return tries

    def end(self, *, died: bool = False) -> None:
        """Let go, whether it is done or not; only if it `died` does the beginning count."""
        if self._lock.is_locked:
            if not died:
                self._tries.unlink(missing_ok=True)
            Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()


@contextmanager
def held(record: Path) -> Iterator[None]:
    """Keep a file to this process for a while, waiting for whoever has it."""
    claim = Claim(record)
    claim.take(wait=True)
    try:
        yield
    finally:
        claim.end()


def tidy(records: Path, works: Iterable[Sequence[Path]]) -> None:
    """Remove what processes that died have left of claims on works all of whose records are there.

    By the first of its records is each work claimed; all lie in folders in the folder `records`.
    """
    locks = {lock.with_suffix(".json") for lock in records.glob("*/*.lock")}
    for work in works if locks else ():
        if work[0] in locks and all(record.exists() for record in work):
            release(work[0])


def release(record: Path) -> None:
    """Remove what a process that died has left of its claim; another's claim stays."""
    claim = Claim(record)
    if claim.take(wait=False):
        claim.end()


def claimed(
    works: Sequence[W],
    record: Callable[[W], Path],
    begin: Callable[[W], T | None],
    ahead: int = 0,
) -> Generator[tuple[Claim, T] | None, None, None]:
    """Work off a list together with other processes, each piece by whoever claims it first.

    Of each piece in turn that is now this process's, what `begin` makes of it; so many pieces
    `ahead` are claimed and begun before they are needed. None for a piece that `begin` finds done.
    Pieces that others have come last, once these let go: what a process that died has left is done
    here. The taker ends each claim.
    """
    begun: deque[tuple[Claim, T]] = deque()

    def take(work: W, *, wait: bool) -> bool:
        claim = Claim(record(work))
        if not claim.take(wait=wait):
            return False
        try:
            value = begin(work)
        except BaseException:
            claim.end()
            raise
        if value is None:
            claim.end()
        else:
            begun.append((claim, value))
        return True

    of_others = []
    try:
        for work in works:
            before = len(begun)
            if not take(work, wait=False):
                of_others.append(work)
            elif len(begun) == before:
                yield None
            elif before == ahead:
                yield begun.popleft()
        while begun:
            yield begun.popleft()
        for work in of_others:  # with nothing in hand, so that two never wait for each other
            take(work, wait=True)
            yield begun.popleft() if begun else None
    finally:
        for claim, _ in begun:
            claim.end()
