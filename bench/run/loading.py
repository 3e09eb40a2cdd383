"""Loading a generator: within its time, and each way to fail in one line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from bench.errors import MISTAKE, BenchError, one_line
from bench.generators.base import Generator
from bench.run.workers import tell_mistake, time_limit

log = logging.getLogger(__name__)


@contextmanager
def load_limit(label: str, limit_s: float | None) -> Iterator[None]:
    """End this process with a line for the user if the block takes longer: see `time_limit`."""
    line = (
        f"{label}: loading took longer than load_timeout_s={limit_s or 0:g}: if it was at work, as "
        "at a download, which goes on where it stopped, type a larger one, or load_timeout_s=null"
    )
    with time_limit(limit_s, partial(tell_mistake, line), MISTAKE):
        yield


@contextmanager
def opened(generator: Generator, label: str, limit_s: float | None) -> Iterator[None]:
    """A generator with what it needs loaded, which is freed at the end."""
    try:
        with load_limit(label, limit_s):
            generator.__enter__()
    except BenchError:
        raise
    except Exception as error:
        log.info("loading %s", label, exc_info=True)
        raise BenchError(f"{label} cannot be loaded: {one_line(error)}") from None
    try:
        yield
    except BaseException as error:
        try:
            generator.__exit__(type(error), error, error.__traceback__)
        except Exception:
            # A broken device frees nothing either; what ends the run is the error of before.
            log.info("unloading %s", label, exc_info=True)
        raise
    generator.__exit__(None, None, None)
