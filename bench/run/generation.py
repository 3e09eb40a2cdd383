"""The stage that makes clips: whatever has no record yet is generated, timed and recorded."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import torch

from bench.clip import Clip, write_master, write_preview
from bench.errors import BenchError, ClipError, ClipMissing, one_line
from bench.generators.base import Generator
from bench.measure.environment import device_name, software
from bench.measure.gpu import Board
from bench.measure.throughput import Measured
from bench.measure.warnings import Timing, remarks
from bench.progress import track
from bench.prompts import Item
from bench.run.attempt import attempt
from bench.run.batches import cut
from bench.run.clip_record import Record, failed, made, requested
from bench.run.warm_up import WarmUp
from bench.run.writer import Writer
from bench.storage import RunFolder, changes, fingerprint, read_json, write_json, write_text

log = logging.getLogger(__name__)

SCHEMA = 1


@dataclass(frozen=True)
class Plan:
    """What to make, and how.

    Attributes:
        label: what the progress bar calls it.
        model: the model's configuration less its cosmetic fields; part of every fingerprint.
        items: the draws, in order.
        warmup: generations made and thrown away before the first timed one of each shape.
        max_tries: after so many beginnings without an end an item is recorded as crashed.
        overwrite: make clips again whose record was made with another configuration.
        retry_failed: make clips again whose record tells of a failure.
    """

    label: str
    model: dict[str, Any]
    items: Sequence[Item]
    warmup: int = 1
    max_tries: int = 5
    overwrite: bool = False
    retry_failed: bool = False


def find_missing(generator: Generator, plan: Plan, folder: RunFolder) -> list[Item]:
    """The draws of the plan that have no valid record.

    Raises:
        BenchError: if records of another configuration stand in the folder; the first key that
            changed is named.
    """
    return [item for item in plan.items if _is_missing(item, generator, plan, folder)]


def generate(
    generator: Generator,
    plan: Plan,
    missing: Sequence[Item],
    folder: RunFolder,
    device: torch.device,
    ahead: int | None = None,
) -> list[str]:
    """Make the clips that are missing.

    A batch that fails becomes a record of the error for each of its clips; the others go on. The
    clip is written first and its record last, so that a record always has its clip. A batch that
    lacks some of its clips is made as a whole, and those that are there stay as they are.

    Args:
        generator: makes them.
        plan: what to make, and how.
        missing: the draws of the plan that are to be made now.
        folder: where they go.
        device: that computes.
        ahead: how many batches may wait to be written while the next is made. By default 2 on a
            GPU, and 0 on a CPU, where writing would take the cores from what is timed.

    Returns:
        One line for each clip that nobody has supplied yet; those leave no record.

    Raises:
        BenchError: if the folder cannot be written, or the device can compute no more.
    """
    absent: list[str] = []
    if not missing:
        return absent
    if ahead is None:
        ahead = 2 if device.type == "cuda" else 0
    wanted = set(missing)
    size = generator.batch_size
    batches = [batch for batch in cut(plan.items, size) if not wanted.isdisjoint(batch)]
    board = Board.of(device)
    timings: list[Timing] = []
    warm_up = WarmUp(generator, plan.warmup)
    with ExitStack() as opened:
        _open(generator, plan.label, opened)
        write_json(folder.loaded, generator.loaded())
        generator.expect([(item.prompt, item.seed) for batch in batches for item in batch])
        writer = opened.enter_context(Writer(ahead * size))
        for batch in track(batches, f"{plan.label}: generate", clips=size):
            writer.check()
            records = {
                item: _described(generator, plan, item, device) for item in batch if item in wanted
            }
            tries = max([_begin(item, folder) for item in records])
            generator.account = None
            clips: Sequence[object] = [None] * len(batch)
            warm = False
            try:
                if tries > 1 or plan.max_tries == 1:
                    # It may end the process, and what is still to be written be blamed with it.
                    writer.drain()
                if tries > plan.max_tries:
                    died = f"the process died {plan.max_tries} times while making this clip"
                    outcome: Measured | Record = failed("crashed", died)
                else:
                    warm = warm_up.before(batch)
                    clips, outcome = attempt(generator, batch, device, board)
                timed = generator.measured
                if isinstance(outcome, Measured) and timed:
                    timings.append(Timing.of(outcome, warm_up.shape(batch), warm=warm))
                    warm_up.after(batch)
                told = generator.account.record if generator.account is not None else Record()
                finish = partial(_finish, outcome=outcome, folder=folder, timed=timed)
                for item, clip in zip(batch, clips, strict=True):
                    if item in records:  # the others were made before, by the same batch
                        record = records[item] | {"warm": warm} | told
                        writer.submit(partial(finish, record, clip, item))
            except KeyboardInterrupt:
                for item in records:  # the user stopped it, it did not die
                    folder.tries(item.sample).unlink(missing_ok=True)
                raise
            except ClipMissing as error:
                for item in records:
                    folder.tries(item.sample).unlink(missing_ok=True)
                    absent.append(f"{item.prompt.id}, seed {item.seed}: missing: {error}")
    for remark in remarks(timings):
        log.warning("%s: %s", plan.label, remark)
    return absent


def _described(generator: Generator, plan: Plan, item: Item, device: torch.device) -> Record:
    """What a record says before anything is made."""
    inputs = _inputs(generator, plan, item)
    return {
        "schema": SCHEMA,
        "prompt": item.prompt.id,
        "category": item.prompt.category,
        "seed": item.seed,
        "batch_size": generator.batch_size,
        "image_sha256": item.prompt.content.get("image"),
        "device": device_name(device),
        "software": software(device),
        "inputs": inputs,
        "fingerprint": fingerprint(inputs),
        **requested(generator, item.prompt),
    }


def _inputs(generator: Generator, plan: Plan, item: Item) -> dict[str, Any]:
    """All that decides the frames; what a record's fingerprint is made of."""
    return {
        "model": plan.model,
        "generator_version": generator.version,
        "prompt": item.prompt.content,
        "seed": item.seed,
        "source": generator.source(item.prompt, item.seed),
    }


def _is_missing(item: Item, generator: Generator, plan: Plan, folder: RunFolder) -> bool:
    path = folder.record(item.sample)
    if not path.exists():
        return True
    record = read_json(path)
    inputs = _inputs(generator, plan, item)
    failed = record.get("status") != "ok"
    if record.get("fingerprint") != fingerprint(inputs):
        if plan.overwrite or failed:
            return True
        differs = changes(record.get("inputs", {}), inputs)
        shown = ", ".join(differs[:3]) + (f" and {len(differs) - 3} more" if differs[3:] else "")
        raise BenchError(
            f"{folder.root} holds clips of another configuration "
            f"({item.prompt.id}, seed {item.seed}: {shown}); "
            "use overwrite=true to make them again, or another out=DIR"
        )
    return plan.retry_failed if failed else not folder.master(item.sample).exists()


def _open(generator: Generator, label: str, opened: ExitStack) -> None:
    try:
        generator.__enter__()
    except BenchError:
        raise
    except Exception as error:
        log.info("loading %s", label, exc_info=True)
        raise BenchError(f"{label} cannot be loaded: {one_line(error)}") from None

    def close(
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            generator.__exit__(kind, error, traceback)
        except Exception:
            if error is None:
                raise
            # A broken device frees nothing either; what ends the run is the error of before.
            log.info("unloading %s", label, exc_info=True)

    opened.push(close)


def _begin(item: Item, folder: RunFolder) -> int:
    """Note that this item is begun, the how-manieth time: a crash leaves no other trace."""
    path = folder.tries(item.sample)
    before = path.read_text("utf-8").strip() if path.exists() else ""
    tries = 1 + (int(before) if before.isdecimal() else 0)
    write_text(path, f"{tries}\n")
    return tries


def _finish(
    record: Record,
    clip: object,
    item: Item,
    *,
    outcome: Measured | Record,
    folder: RunFolder,
    timed: bool,
) -> None:
    """Store the clip, then its record; only then is the item done."""
    if isinstance(outcome, Measured):
        outcome = _store(clip, outcome, item, folder, timed=timed)
    write_json(folder.record(item.sample), record | outcome)
    folder.tries(item.sample).unlink(missing_ok=True)


def _store(clip: object, took: Measured, item: Item, folder: RunFolder, *, timed: bool) -> Record:
    latency_s = took.latency_s if timed else None
    if not isinstance(clip, Clip):
        return failed("error", f"expected a Clip, came {type(clip).__name__}", latency_s)
    try:
        write_master(clip, folder.master(item.sample))
        write_preview(clip, folder.preview(item.sample))
    except ClipError as error:
        return failed("error", str(error), latency_s)
    except OSError as error:
        raise BenchError(
            f"{folder.root} cannot be written: {error.strerror or error}; "
            "make room, or choose another with out=DIR"
        ) from None
    return made(clip, took, timed=timed)
