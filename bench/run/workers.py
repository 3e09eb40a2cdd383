"""Worker processes of this machine: one for each GPU or core, started again when they die.

One that needs several processes, each with a GPU, has torch start and watch them, as torchrun does.
"""

import faulthandler
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import psutil

from bench.errors import BenchError, DeviceLost, Screen, complain, explain, prepare_output
from bench.progress import Display, Step, relay_to

log = logging.getLogger(__name__)

ENDED_BY_LIMIT = 75
"""Exit code of a worker that ended itself because a piece of work took too long, and is done with
it: no death to count."""

LEFT_BY_LIMIT = 76
"""The same, where another goes on with the piece."""

_GRACE_S = 10.0
"""For a process that was told to stop, or to record why it stops."""

_LOOK_S = 1.0
"""Between two looks at whether the workers live."""

T = TypeVar("T", bound=Hashable)

Work = Callable[[int, bool], list[T]]
"""What a worker does, by its number and whether it is started again; what there is to tell."""


@dataclass(frozen=True)
class Done:
    """The last message of a worker: what there is to tell, or the mistake that ended it."""

    told: list[Any]
    mistake: str | None = None


@dataclass
class _Worker:
    number: int
    process: ForkServerProcess
    messages: Connection
    step: Step | None = None  # the last it told of
    done: Done | None = None


def cores() -> int:
    """Of this machine, that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def time_limit(
    limit_s: float | None, stop: Callable[[], None], code: int = ENDED_BY_LIMIT
) -> Iterator[None]:
    """Have another thread call `stop`, then end this process, if the block takes longer.

    The programs that it has started end with it.

    Nothing gentler ends what hangs in a kernel or a library. What lets no other thread run, not
    even to call `stop`, dies a little later, and that counts as a death.
    """
    if limit_s is None:
        yield
        return

    def end() -> None:
        faulthandler.cancel_dump_traceback_later()  # `stop` may take its time
        try:
            stop()
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # it is gone
                    child.kill()
        finally:
            os._exit(code)

    timer = threading.Timer(limit_s, end)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(limit_s + _GRACE_S, exit=True, file=2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        timer.cancel()


_tell: Callable[["Done"], None] | None = None  # the parent of this process, if it is a worker


def tell_mistake(line: str) -> None:
    """Say what the user has to mend where this process is about to end, and can raise nothing."""
    log.info("%s", line)
    if _tell is None:
        complain(BenchError(line))
    else:
        _tell(Done([], line))


def in_workers(
    work: Work[T],
    count: int,
    gpus: Sequence[str],
    max_deaths: int,
    gpus_each: int = 1,
    processes_each: int = 1,
    imports: Sequence[str] = (),
) -> list[T]:
    """Do the same work in so many processes, which see to it that they share it.

    They have `gpus_each` of the `gpus`, in turn, and one progress display. One that dies is started
    again, until they died more than `max_deaths` times with nothing done in between. None outlives
    this call, whatever ends it. Where a worker is to be several processes, the work is done in
    each, as one of the group that `torch.distributed` then finds; the first speaks for all.
    `imports` are modules that all of them need and that take seconds to import.

    Returns:
        What any worker has to tell, each once.
    """
    parts = len(gpus) // gpus_each
    shares = [gpus[part * gpus_each :][:gpus_each] for part in range(parts)] or [gpus]

    # A fork of a process that has used torch may hang: they are forks of one that has only imported
    # it, once for all of them.
    context = get_context("forkserver")
    context.set_forkserver_preload(list(imports))  # those of the first call of this process

    def start(number: int, *, again: bool = False) -> _Worker:
        messages, theirs = context.Pipe(duplex=False)
        life = partial(_live, work, number, again)
        mine = shares[number % len(shares)]
        environment = dict(os.environ)  # not that of when the first worker was started
        process = context.Process(
            target=_be_worker, args=(environment, life, mine, processes_each, theirs)
        )
        process.start()
        theirs.close()
        return _Worker(number, process, messages)

    running: list[_Worker] = []
    ended: list[Done] = []
    deaths = 0
    try:
        with Display() as display:
            running += [start(number) for number in range(count)]
            while running:
                # A child of a worker may hold its end of the pipe open, so its death is looked for.
                wait([worker.messages for worker in running], timeout=_LOOK_S)
                for worker in list(running):
                    lives = worker.process.is_alive()
                    if _listen(worker, display):
                        deaths = 0
                    if lives:
                        continue
                    running.remove(worker)
                    if worker.done is not None:
                        ended.append(worker.done)
                        continue
                    code = worker.process.exitcode
                    if code == ENDED_BY_LIMIT and worker.step is not None:
                        display.advance(worker.step._replace(done=1))
                    elif code != LEFT_BY_LIMIT:
                        deaths += 1
                        log.info("worker %d died: %s", worker.number, code)
                    if deaths > max_deaths:
                        raise BenchError(
                            f"worker processes died {deaths} times with nothing done in between, "
                            f"the last with exit code {code}: look for the "
                            "reason in bench.log and in the log of the system"
                        )
                    running.append(start(worker.number, again=True))
    finally:
        _stop([worker.process for worker in running])
    for done in ended:
        if done.mistake is not None:
            raise BenchError(done.mistake)
    return list(dict.fromkeys(each for done in ended for each in done.told))


def _listen(worker: _Worker, display: Display) -> bool:
    """Hear what a worker has said by now; whether something is done."""
    advanced = False
    with suppress(EOFError, OSError):  # it is gone
        while worker.messages.poll():
            said = worker.messages.recv()
            if isinstance(said, Done):
                worker.done = said
            elif isinstance(said, Step):
                worker.step = said
                display.advance(said)
                advanced |= said.done > 0
            else:
                display.say(said)
    return advanced


def _stop(processes: Sequence[ForkServerProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_GRACE_S)
        process.kill()
        process.join()


def _be_worker(
    environment: Mapping[str, str],
    life: Callable[[Connection | None], None],
    gpus: Sequence[str],
    processes: int,
    messages: Connection,
) -> None:
    """What a worker process does first."""
    _outlive_nobody()
    os.environ.clear()
    os.environ.update(environment)
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    if processes == 1:
        life(messages)
    else:
        _be_several(life, processes, messages)


def _be_several(
    life: Callable[[Connection | None], None], processes: int, messages: Connection
) -> None:
    """Be so many processes, each with the GPU of its number, and end as the first that dies."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.disable(logging.ERROR)  # what torch has to say of deaths, the parent says
    with tempfile.TemporaryDirectory(prefix="steadybench-") as scratch:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=processes,
            run_id="steadybench",
            logs_specs=DefaultLogsSpecs(scratch),
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,  # by whoever has started this one
            signals_to_handle="SIGTERM",
            shutdown_timeout=round(_GRACE_S / 2),
            virtual_local_rank=True,
        )
        try:
            elastic_launch(config, _be_one_of_several)(life, messages)
        except ChildFailedError as error:
            sys.exit(max(1, error.get_first_failure()[1].exitcode))
        except SignalException:  # told to stop, it has stopped them
            return


def _be_one_of_several(life: Callable[[Connection | None], None], messages: Connection) -> None:
    _outlive_nobody()
    life(messages if os.environ["RANK"] == "0" else None)


def _outlive_nobody() -> None:
    """End when told to, and with the process that started this one."""
    # Ctrl-C reaches every process of a terminal; the parent stops this one, once and gently.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _live(work: Work[T], number: int, again: bool, messages: Connection | None) -> None:
    """Do the work and say how far it is, unless nobody is to hear; who ends silently has died."""
    global _tell
    send = messages.send if messages is not None else lambda _: None
    _tell = send
    relay_to(send)
    logging.getLogger("bench").addHandler(Screen(logging.WARNING))
    prepare_output()
    try:
        done = Done(work(number, again))
    except (KeyboardInterrupt, DeviceLost):
        return
    except Exception as error:
        done = Done([], explain(error))
    send(done)


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)  # it hangs where Python hears no signal
