"""The stage that makes clips: whatever has no record yet is generated, timed and recorded."""

import errno
import logging
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import torch

from bench.clip import (
    Clip,
    read_clip,
    read_sound,
    write_compressed,
    write_master,
    write_preview,
)
from bench.errors import (
    BenchError,
    ClipError,
    ClipMissing,
    ClipRefused,
    DeviceLost,
    one_line,
    printable,
)
from bench.generators.base import Delivered, Generator, Undelivered
from bench.measure.machine import (
    GpuMonitor,
    device_name,
    free,
    gpu_uuid,
    is_broken,
    is_out_of_memory,
    software,
)
from bench.measure.timing import MEASURED, Measured, measure
from bench.measure.warnings import Shape, Timing, remarks
from bench.progress import say_line, track, waiting
from bench.prompts import Item
from bench.run.claims import Claim, claimed, held
from bench.run.loading import opened
from bench.run.plan import Batch, Plan, batches_of, inputs_of
from bench.run.workers import time_limit
from bench.schema import SCHEMA, ClipRecord, Delivery, Status
from bench.storage import (
    expect_to,
    file_name,
    fingerprint,
    read_record,
    remove_parts,
    write_record,
)

log = logging.getLogger(__name__)

# No failure of the model: disks that are full or must not be written, too many files open.
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE)

_NOT_HERE = "the clip was not made in this process"

Facts = dict[str, Any]
"""Of a clip, by key of its record."""


@dataclass(frozen=True)
class Failure:
    """Why a batch has no clips; `latency_s` of each clip's share until then was spent too."""

    status: Status
    error: str
    latency_s: float | None = None
    delivery: Delivery | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def generate(plan: Plan, missing: Sequence[Item], ahead: int | None = None) -> list[str]:
    """Make those draws of a plan that are missing, with a generator that is not yet loaded.

    A batch that fails becomes a record of the error for each of its clips; the others go on. The
    clip is written first and its record last, so that a record always has its clip. A batch that
    lacks some of its clips is made as a whole, and those that are there stay as they are.

    So many batches `ahead` may wait to be written while the next is made: by default 2 on a GPU,
    and 0 on a CPU, where writing would take the cores from what is timed.

    Returns:
        One line for each clip that nobody has supplied yet; those leave no record.
    """
    generator, folder, device = plan.generator, plan.folder, plan.device
    absent: list[str] = []
    if not missing:
        return absent
    if ahead is None:
        ahead = 2 if device.type == "cuda" else 0
    info = generator.info
    to_make = set(missing)
    batches = plan.share.ordered(
        [b for b in batches_of(plan.items, info.batch_size) if not to_make.isdisjoint(b)],
        lambda batch: batch[0].sample,
    )
    gpu = GpuMonitor.of(device)
    timings: list[Timing] = []
    warm_up = WarmUp(generator, plan.warmup)
    verb = "generate" if info.measured else "collect"  # made elsewhere, or read from files

    def begin(batch: Batch) -> tuple[Batch, list[Item]] | None:
        """The batch, and what of it nobody has made since; None if that is nothing."""
        lacking = [i for i in batch if i in to_make and not folder.record(i.sample).exists()]
        if not lacking:
            return None
        for item in lacking:
            remove_parts(folder.record(item.sample))
            remove_parts(folder.preview(item.sample))
        generator.begin(batch)
        return batch, lacking

    with ExitStack() as stack:
        if generator.has_to_load:
            say_line(f"{plan.label}: loading")
        with waiting(f"{plan.label}: loading"):
            stack.enter_context(opened(generator, plan.label, plan.load_timeout_s))
        with held(folder.loaded):
            write_record(folder.loaded, generator.loaded())
        generator.expect([item for batch in batches for item in batch])
        writer = stack.enter_context(Writer(ahead))
        claims = claimed(batches, lambda b: folder.record(b[0].sample), begin, info.ahead)
        work = stack.enter_context(closing(claims))
        for mine in track(work, f"{plan.label}: {verb}", len(batches), clips=info.batch_size):
            if mine is None:
                continue
            claim, (batch, lacking) = mine
            described = {item: _described(plan, item) for item in lacking}
            finish = partial(_finish, claim, plan)
            warm = False
            try:
                writer.settle(ahead)
                tries = claim.begin()
                if tries > 1 or plan.max_tries == 1:
                    # It may end the process, and what is still to be written be blamed with it.
                    writer.settle()
                clips: Sequence[object] = [None] * len(batch)
                if tries > plan.max_tries:
                    why = f"the process died {plan.max_tries} times while making this clip"
                    outcome: Measured | Failure = Failure("crashed", why)
                else:
                    stop = partial(_stop, writer, plan.timeout_s, partial(finish, described))
                    with time_limit(plan.timeout_s, stop):
                        warm = warm_up.before(batch)
                    with time_limit(plan.timeout_s, stop):
                        clips, outcome = attempt(generator, batch, device, gpu)
                if isinstance(outcome, Measured) and info.measured:
                    timings.append(Timing.of(outcome, warm_up.shape(batch), warm=warm))
                    warm_up.after(batch)
                facts = {item: before | {"warm": warm} for item, before in described.items()}
                new_clips = [clip for item, clip in zip(batch, clips, strict=True) if item in facts]
                writer.submit(partial(finish, facts, outcome, new_clips))
            except ClipMissing as error:
                claim.end()
                absent += [f"{item.sample}: missing: {printable(str(error))}" for item in lacking]
            except DeviceLost:
                claim.end(died=True)
                raise
            except (Exception, KeyboardInterrupt, SystemExit):  # it did not die
                claim.end()
                raise
    for remark in remarks(timings):
        log.warning("%s: %s", plan.label, remark)
    return absent


def restore_previews(plan: Plan) -> None:
    """Make previews again that are gone of clips that are there."""
    folder = plan.folder
    clips, previews = folder.names("clips"), folder.names("previews")
    lacking = [
        item
        for item in plan.items
        if file_name(item.sample, ".mp4") not in previews
        and file_name(item.sample, ".json") in clips  # else somebody may be at it
        and file_name(item.sample, ".mkv") in clips
    ]
    for item in track(lacking, f"{plan.label}: previews", len(lacking)) if lacking else ():
        preview = folder.preview(item.sample)
        with held(preview):
            if preview.exists():  # another process has made it meanwhile
                continue
            record = read_record(folder.record(item.sample), ClipRecord)
            try:
                clip = read_clip(folder, record)
                sound = read_sound(folder.master(item.sample))
                with expect_to(f"write clips into {folder.root}"):
                    write_preview(replace(clip, sound=sound), preview)
            except ClipError:  # which the score stage tells of
                log.info("no preview of %s", item.sample, exc_info=True)


def _stop(writer: "Writer", limit_s: float | None, record: Callable[[Failure], None]) -> None:
    """Record the clips that took too long, after those that wait to be written."""
    writer.settle()
    record(Failure("error", f"took longer than timeout_s={limit_s:g}", limit_s))


def make(generator: Generator, batch: Batch) -> list[Clip]:
    """The clips of a batch, in its order."""
    return generator.generate_batch(batch[0].prompt, [item.seed for item in batch])


def attempt(
    generator: Generator, batch: Batch, device: torch.device, gpu: GpuMonitor | None
) -> tuple[Sequence[object], Measured | Failure]:
    """What the generator made, or nothing; and what each clip of it took, or how it failed.

    DeviceLost if the device can compute no more, or a process that computes with this one. No
    record is left then, so that a clip which ends every process that makes it is recorded as
    crashed in the end.
    """
    info = generator.info
    delivery: Delivery | None = None
    details: Mapping[str, Any] = {}
    start_s = time.perf_counter()
    try:
        clips, took = measure(
            lambda: make(generator, batch), device, stages=info.stages, gpu=gpu, gpus=info.gpus
        )
        return clips, took.share(len(batch))
    except (ClipMissing, DeviceLost):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
            raise BenchError(
                f"{batch[0].sample} could not be made: {error}; mend that, and type the same "
                "command again to go on with what is missing"
            ) from None
        if isinstance(error, Undelivered):
            delivery, details = error.delivery, error.details
        expected = isinstance(error, BenchError | ClipError)
        if not expected:
            log.info("%s", batch[0].sample, exc_info=True)
        status: Status = "refused" if isinstance(error, ClipRefused) else "error"
        if is_out_of_memory(error):
            status = "oom"
        line = printable(str(error)) if expected else one_line(error)
    latency_s = (time.perf_counter() - start_s) / len(batch) if info.measured else None
    # Only here, where the error and with it the frames that it came through are gone.
    if is_broken(device):
        raise DeviceLost(
            f"{batch[0].sample}: {device} can compute no more in this process ({line}); "
            "type the same command again to go on with what is missing"
        )
    if status == "oom":
        free(device)
    return [None] * len(batch), Failure(status, line, latency_s, delivery, details)


class WarmUp:
    """Generates so many `times` and throws away, for each shape, and keeps which are warm by now.

    Compiled code, chosen kernels and the allocator's blocks hold for one shape, so each is warmed
    up when it first comes. A warm-up that fails is not tried again: the next clip of its shape
    that succeeds pays in its place, as the first does where there is no warm-up.
    """

    def __init__(self, generator: Generator, times: int) -> None:
        self._generator = generator
        self._times = times
        self._warm: dict[Shape, bool] = {}  # of those that came

    def shape(self, batch: Batch) -> Shape:
        """What a batch has in common with those that need no warm-up of their own after it."""
        generator = self._generator
        return generator.frames_requested(batch[0].prompt), generator.info.size_requested

    def before(self, batch: Batch) -> bool:
        """Warm the shape of this batch up, if it is new.

        True if a clip made next pays nothing that only a first one pays; False where times say
        nothing about a model.
        """
        if not self._generator.info.measured:
            return False
        shape = self.shape(batch)
        if shape not in self._warm:
            self._warm[shape] = self._times > 0 and self._succeeds(batch)
        return self._warm[shape]

    def after(self, batch: Batch) -> None:
        """Note that a batch was made: whatever only the first of its shape pays is paid."""
        self._warm[self.shape(batch)] = True

    def _succeeds(self, batch: Batch) -> bool:
        try:
            for _ in range(self._times):
                make(self._generator, batch)
        except Exception:
            log.info("warm-up failed; the clip itself will say why", exc_info=True)
            return False
        return True


class Writer:
    """Writes while the next clip is made: one thread, a short queue, no error unheard.

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

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._pool.shutdown()  # waits
        if error is None:
            self.settle()
        for future in self._pending:
            if (also := future.exception()) is not None:
                log.info("a clip could not be written either", exc_info=also)

    def submit(self, job: Callable[[], None]) -> None:
        """Hand in a job, waiting while too many are pending; not if an earlier one raised."""
        if self._ahead == 0:
            job()
            return
        self.settle(self._ahead - 1)
        self._pending.append(self._pool.submit(job))

    def settle(self, most: int = 0) -> None:
        """Wait until at most so many are pending, raising what any that has ended raised."""
        while len(self._pending) > most or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()


def _described(plan: Plan, item: Item) -> Facts:
    """What a record says before anything is made."""
    inputs, info, device = inputs_of(plan, item), plan.generator.info, plan.device
    height, width = info.size_requested or (None, None)
    file = plan.generator.file_of(item.prompt)
    return {
        "schema": SCHEMA,
        "prompt": item.prompt.id,
        **({"file": file} if file else {}),
        "category": item.prompt.category,
        "seed": item.seed,
        "batch_size": info.batch_size,
        "image_sha256": item.prompt.content.get("image"),
        "device": device_name(device),
        "software": software(device),
        "warm": False,
        "node": platform.node(),
        "gpu_uuid": gpu_uuid(device),
        "inputs": inputs,
        "fingerprint": fingerprint(inputs),
        "seconds_requested": item.prompt.seconds,
        "frames_requested": plan.generator.frames_requested(item.prompt),
        "height_requested": height,
        "width_requested": width,
    }


def _finish(
    claim: Claim,
    plan: Plan,
    described: Mapping[Item, Facts],
    outcome: Measured | Failure,
    clips: Sequence[object] | None = None,
) -> None:
    """Store each clip, then its record; only then is it done, and with the last the claim."""
    try:
        clips = clips or [None] * len(described)
        for (item, before), clip in zip(described.items(), clips, strict=True):
            facts = before | _facts(plan, item, outcome, clip)
            write_record(plan.folder.record(item.sample), ClipRecord(**facts))
    finally:
        claim.end()


def _facts(plan: Plan, item: Item, outcome: Measured | Failure, clip: object) -> Facts:
    """What the record of a clip says of its making, once the clip is stored."""
    timed = plan.generator.info.measured
    origin = outcome if isinstance(outcome, Failure) else clip
    facts: Facts = {}
    if isinstance(outcome, Measured):
        try:
            facts = _made(_stored(plan, item, clip), outcome, timed=timed)
        except ClipError as error:
            line = printable(str(error))
            outcome = Failure("error", line, outcome.latency_s if timed else None)
    if isinstance(outcome, Failure):
        facts = _failed(outcome)
    if isinstance(origin, Delivered | Failure) and origin.delivery is not None:
        facts |= {"account": origin.delivery, "details": dict(origin.details)}
    return facts


def _stored(plan: Plan, item: Item, clip: object) -> Clip:
    """The clip as it is stored; a ClipError says why it cannot be."""
    if not isinstance(clip, Clip):
        raise ClipError(f"expected a Clip, got {type(clip).__name__}")
    stored, master = clip, plan.folder.master(item.sample)
    with expect_to(f"write clips into {plan.folder.root}"):
        if plan.store == "visually_lossless":
            stored = write_compressed(clip, master)
        else:
            write_master(clip, master)
        write_preview(clip, plan.folder.preview(item.sample))
    return stored


def _made(clip: Clip, took: Measured, *, timed: bool) -> Facts:
    """Of a clip that was made; what it took is null where that says nothing about the model."""
    frames, height, width, _ = clip.frames.shape
    measured = took.facts
    if not timed:
        measured = dict.fromkeys(MEASURED) | {"unmeasured": dict.fromkeys(MEASURED, _NOT_HERE)}
    return {
        "status": "ok",
        "error": None,
        "frames": frames,
        "height": height,
        "width": width,
        "fps": clip.fps,
        "lossy": clip.lossy,
        "frames_sha256": clip.sha256,
        **({"remarks": clip.remarks} if clip.remarks else {}),
        **measured,
    }


def _failed(failure: Failure) -> Facts:
    clip = ("frames", "height", "width", "fps", "frames_sha256")
    return dict.fromkeys((*clip, *MEASURED)) | {
        "status": failure.status,
        "error": failure.error,
        "latency_s": failure.latency_s,
        "lossy": False,
        "unmeasured": {},
    }
