"""Programs in process groups of their own, none of which outlives the process that wants it.

Run as a file it guards a program: see `guarded`. So it imports nothing of this package.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

_GRACE_S = 5.0  # between asking a program to end and ending it
_LOOK_EVERY_S = 0.02
_KEPT_BYTES = 4000  # of what a program says


def run_group(
    command: list[str], workdir: Path, env: Mapping[str, str], stderr: IO[bytes], timeout_s: float
) -> int:
    """Run a program in a process group of its own, which ends with this call whatever happens."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command,
        cwd=workdir,
        env=env,
        stdin=quiet,
        stdout=quiet,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        if not _ends_within(process.pid, timeout_s):
            raise subprocess.TimeoutExpired(command, timeout_s)
    except BaseException:  # time-out or Ctrl-C
        _signal_group(process.pid, signal.SIGTERM)
        _ends_within(process.pid, _GRACE_S)
        raise
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode


def _ends_within(pid: int, seconds: float) -> bool:
    """Wait, but leave the process unreaped, so that its number stays that of its group."""
    deadline = time.monotonic() + seconds
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, pid, options) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in it
        os.killpg(pid, number)


@contextlib.contextmanager
def guarded(
    command: Sequence[str], env: Mapping[str, str], output: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a `with` block; it also ends where this process dies within it.

    Between the two stands a guard, which ends as the program does, and ends it with all that it
    started once it can read no more from this process.
    """
    guard = subprocess.Popen(
        [sys.executable, "-I", __file__, *command],
        env=env,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is not for it
    )
    assert guard.stdin is not None
    try:
        yield guard
    finally:
        guard.stdin.close()
        guard.wait()


def _guard(command: Sequence[str]) -> int:
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def end() -> None:
        while os.read(sys.stdin.fileno(), 1):  # nothing comes, until nothing can
            pass
        _signal_group(program.pid, signal.SIGTERM)
        _ends_within(program.pid, _GRACE_S)
        _signal_group(program.pid, signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()
    os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    _signal_group(program.pid, signal.SIGKILL)
    return program.wait()


def tail(path: Path) -> str:
    """The end of what a program has said to a file."""
    return path.read_bytes()[-_KEPT_BYTES:].decode("utf-8", errors="replace")


def last_line(path: Path) -> str:
    """Its last line that says anything."""
    lines = [line.strip() for line in tail(path).splitlines()]
    return next((line[-300:] for line in reversed(lines) if line), "nothing")


if __name__ == "__main__":
    sys.exit(_guard(sys.argv[1:]))
