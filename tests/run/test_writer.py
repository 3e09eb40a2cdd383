"""The writer: in order, a few ahead at most, no error unheard, nothing left undone."""

import threading
from collections.abc import Callable

import pytest

from bench.run.generation import Writer


def test_jobs_run_in_order_and_all_of_them() -> None:
    done: list[int] = []
    with Writer(2) as writer:
        for number in range(10):
            writer.submit(lambda number=number: done.append(number))
    assert done == list(range(10))


def test_no_more_than_so_many_are_pending() -> None:
    free = threading.Semaphore(0)
    begun: list[int] = []

    def job(number: int) -> Callable[[], None]:
        def work() -> None:
            begun.append(number)
            assert free.acquire(timeout=10)

        return work

    with Writer(2) as writer:
        writer.submit(job(0))
        writer.submit(job(1))
        third = threading.Thread(target=lambda: writer.submit(job(2)))
        third.start()
        third.join(0.2)
        assert third.is_alive()  # it waits for the first
        free.release(3)
        third.join(10)
        assert not third.is_alive()
    assert begun == [0, 1, 2]


def test_with_nothing_ahead_a_job_runs_at_once_in_the_same_thread() -> None:
    threads: list[threading.Thread] = []
    with Writer(0) as writer:
        writer.submit(lambda: threads.append(threading.current_thread()))
        assert threads == [threading.current_thread()]


@pytest.mark.parametrize("call", ["submit", "settle", "leave"])
def test_an_error_is_raised_by_the_next_call(call: str) -> None:
    def job() -> None:
        raise OSError("no space left")

    def run() -> None:
        with Writer(1) as writer:
            writer.submit(job)
            if call == "submit":
                writer.submit(lambda: None)
            elif call == "settle":
                writer.settle()

    with pytest.raises(OSError, match="no space left"):
        run()


def test_an_interruption_waits_for_what_was_handed_in() -> None:
    begun, done = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        done.wait(0.2)
        done.set()

    def run() -> None:
        with Writer(2) as writer:
            writer.submit(job)
            begun.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert done.is_set()
