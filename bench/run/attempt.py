"""One attempt at a batch: its clips and what they took, or how it failed."""

import logging
import time
from collections.abc import Sequence

import torch

from bench.clip import Clip
from bench.errors import BenchError, ClipError, ClipMissing, one_line
from bench.generators.base import Generator
from bench.measure.gpu import Board
from bench.measure.memory import is_out_of_memory
from bench.measure.throughput import Measured, free, is_broken, measure
from bench.run.batches import Batch
from bench.run.clip_record import Record, failed

log = logging.getLogger(__name__)


def make(generator: Generator, batch: Batch) -> list[Clip]:
    """The clips of a batch, in its order."""
    return generator.generate_batch(batch[0].prompt, [item.seed for item in batch])


def attempt(
    generator: Generator, batch: Batch, device: torch.device, board: Board | None
) -> tuple[Sequence[object], Measured | Record]:
    """What the generator made, or nothing; and what each clip of it took, or how it failed.

    Raises:
        BenchError: if the device can compute no more. No record is left then, so that a clip which
            ends every process that makes it is recorded as crashed in the end.
    """
    begun = time.perf_counter()
    try:
        made, took = measure(
            lambda: make(generator, batch), device, stages=generator.stages, board=board
        )
        return made, took.share(len(batch))
    except ClipMissing:
        raise
    except Exception as error:
        expected = isinstance(error, BenchError | ClipError)
        name = f"{batch[0].prompt.id}, seed {batch[0].seed}"
        if not expected:
            log.info("%s", name, exc_info=True)
        status = "oom" if is_out_of_memory(error) else "error"
        line = str(error) if expected else one_line(error)
    latency_s = (time.perf_counter() - begun) / len(batch) if generator.measured else None
    # Only here, where the error and with it the frames that it came through are gone.
    if is_broken(device):
        raise BenchError(
            f"{name}: {device} can compute no more in this process ({line}); "
            "type the same command again to go on with what is missing"
        )
    if status == "oom":
        free(device)
    return [None] * len(batch), failed(status, line, latency_s)
