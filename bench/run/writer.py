"""Writing while the next clip is made: one thread, a short queue, no error unheard."""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)


class Writer:
    """Runs jobs one after another in a thread of its own.

    The error of a job is raised by the next call of any method. Leaving the `with` block waits
    for all jobs that were handed in, whatever ended it. So many jobs `ahead` may wait or run while
    the caller goes on; with 0 each runs at once, in the caller's thread.
    """

    def __init__(self, ahead: int) -> None:
        self._ahead = ahead
        self._pool = ThreadPoolExecutor(1, "writer")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()  # waits
        if error is None:
            self.drain()
        for future in self._pending:
            if (also := future.exception()) is not None:
                log.info("a clip could not be written either", exc_info=also)

    def submit(self, job: Callable[[], None]) -> None:
        """Hand in a job, waiting while too many are pending; not if an earlier one raised."""
        self.check()
        if self._ahead == 0:
            job()
            return
        while len(self._pending) >= self._ahead:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(job))

    def check(self) -> None:
        """Raise what a job that has ended raised."""
        while self._pending and self._pending[0].done():
            self._pending.popleft().result()

    def drain(self) -> None:
        """Wait until nothing is pending, raising what a job raised."""
        while self._pending:
            self._pending.popleft().result()
