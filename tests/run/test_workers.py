"""Worker processes: started again when they die, given up at last, never left behind."""

import io
import logging
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from bench import progress
from bench.errors import BenchError
from bench.progress import say_line, track
from bench.run.workers import ENDED_BY_LIMIT, LEFT_BY_LIMIT, in_workers


def tell(folder: Path, number: int, again: bool) -> list[str]:
    """Fails in the same way in every worker, and in one of its own."""
    (folder / f"{number}-{os.environ.get('CUDA_VISIBLE_DEVICES')}").touch()
    say_line("loading")
    logging.getLogger("bench").warning("slow\x1b[2J")
    for _ in track(range(3), "work", 6):
        pass
    return ["all", f"worker {number}{' again' if again else ''}"]


def die(folder: Path, code: int, lives: int, _: int, again: bool) -> list[str]:
    """Ends without a word so many times."""
    lived = len(list(folder.iterdir()))
    (folder / str(lived)).touch()
    for _ in track([0], "work", 9):
        if lived < lives:
            os._exit(code)
    return [f"again {again}"]


def fail(number: int, again: bool) -> list[str]:
    raise BenchError(f"no weights here, {number}, {again}")


def hang(folder: Path, _: int, __: bool) -> list[str]:
    (folder / str(os.getpid())).touch()
    time.sleep(120)
    return []


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_each_worker_has_a_gpu_and_everything_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "console", Console(file=(file := io.StringIO())))
    with caplog.at_level(logging.INFO, "bench.progress"):
        failures = in_workers(partial(tell, tmp_path), 2, ["3", "5"], 5)
    *lines, last = file.getvalue().splitlines()
    assert sorted(lines) == ["loading", "slow\ufffd[2J"]
    assert last.startswith("work: 6/6, ")
    assert caplog.messages == [last]
    assert sorted(failures) == ["all", "worker 0", "worker 1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-3", "1-5"]


def test_a_worker_that_dies_is_started_again(tmp_path: Path) -> None:
    assert in_workers(partial(die, tmp_path, 9, 1), 1, [], 1) == ["again True"]


@pytest.mark.parametrize("code", [ENDED_BY_LIMIT, LEFT_BY_LIMIT])
def test_a_worker_that_a_limit_ended_did_not_die(tmp_path: Path, code: int) -> None:
    assert in_workers(partial(die, tmp_path, code, 1), 1, [], 0) == ["again True"]


def test_workers_that_only_die_are_given_up(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"died 2 times with nothing done .* exit code 9"):
        in_workers(partial(die, tmp_path, 9, 99), 1, [], 1)


def test_a_mistake_is_told_as_it_is() -> None:
    with pytest.raises(BenchError, match="no weights here, 0, False"):
        in_workers(fail, 1, [], 5)


def test_ctrl_c_leaves_no_survivor(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run unwatched

    def interrupt() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        in_workers(partial(hang, tmp_path), 2, [], 5)
    assert not any(lives(int(path.name)) for path in tmp_path.iterdir())
