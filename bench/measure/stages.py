"""Where the time and the memory of a clip go: encoding, denoising and decoding, by hooks."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial, reduce, wraps
from typing import Any, Literal, NamedTuple

import torch

Stage = Literal["encode", "denoise", "decode"]

# A component belongs to a stage by its name; the first that it holds decides, so that a
# cascade's `prior_text_encoder` encodes. Autoencoders are told by what they can do.
_STAGE_OF: tuple[tuple[str, Stage], ...] = (
    ("text_encoder", "encode"),
    ("image_encoder", "encode"),
    ("connectors", "encode"),  # between the text encoder and the denoiser of LTX-2
    ("unet", "denoise"),
    ("transformer", "denoise"),
    ("prior", "denoise"),  # the first part of a cascade
    ("vocoder", "decode"),
)
_OF_AUTOENCODERS: tuple[Stage, ...] = ("encode", "decode")


class Peak(NamedTuple):
    """Most memory at any one time: in use, and held by the allocator, in use or not."""

    allocated_bytes: int
    reserved_bytes: int

    def with_other(self, other: "Peak") -> "Peak":
        """The higher of each."""
        return Peak(*map(max, self, other))


class PeakMemory:
    """Follows the peak of torch's allocator from stage to stage; on a CPU nothing is read.

    Its counters run on the host: reading waits for nothing. A stage lasts from its first call to
    that of another stage, so that what a pipeline does between two denoising steps belongs to
    denoising. What comes before the first stage belongs to none, and to the whole.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self.restart()

    def restart(self) -> None:
        """Begin anew, before any stage."""
        self._stage: Stage | None = None
        self._peaks: dict[Stage | None, Peak] = {}
        if self._device is not None:
            torch.cuda.reset_peak_memory_stats(self._device)

    def enter(self, stage: Stage) -> None:
        """A part of this stage is about to be called."""
        if stage != self._stage:
            self._note()
            self._stage = stage

    def read(self) -> tuple[Peak | None, dict[Stage, Peak]]:
        """Since the beginning: the peak of the whole, None on a CPU, and of each stage."""
        self._note()
        whole = reduce(Peak.with_other, self._peaks.values()) if self._peaks else None
        return whole, {stage: peak for stage, peak in self._peaks.items() if stage is not None}

    def _note(self) -> None:
        if self._device is not None:
            peak = Peak(
                torch.cuda.max_memory_allocated(self._device),
                torch.cuda.max_memory_reserved(self._device),
            )
            torch.cuda.reset_peak_memory_stats(self._device)
            self._peaks[self._stage] = peak.with_other(self._peaks.get(self._stage, peak))


Moment = float | torch.cuda.Event
"""Of a CPU, whose work is done when a call returns; of a GPU, passed when all before it is done."""


def _event(device: torch.device) -> torch.cuda.Event:
    """A moment among the kernels of the current stream, without waiting."""
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _seconds(begin: Any, end: Any) -> float:  # noqa: ANN401 - moments of one device
    """Between two moments, which have passed."""
    if isinstance(begin, torch.cuda.Event):
        return float(begin.elapsed_time(end)) / 1e3
    return float(end - begin)


class StageClock:
    """Times the stages of a pipeline, without a change to what it computes.

    Forward hooks time its encoders and denoisers, wrappers the `encode` and `decode` of its
    autoencoders. Where one runs inside another, the outer one counts, so no moment counts twice.

    The pipeline's weights must be where they compute, and compiled if they will be.

    Attributes:
        memory: peak memory, followed through the same stages.
        denoiser_forwards: calls of a denoiser since the restart.
    """

    def __init__(
        self,
        pipe: Any,  # noqa: ANN401 - any diffusers pipeline
        device: torch.device,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        on_cuda = device.type == "cuda"
        self._now: Callable[[], Moment] = partial(_event, device) if on_cuda else clock
        self.memory = PeakMemory(device)
        self._undo = ExitStack()
        self.restart()
        for name, part in pipe.components.items():
            if isinstance(part, torch.nn.Module):
                self._watch(name, part)

    def restart(self) -> None:
        """Forget what was; before each clip, since one that failed leaves a stage open."""
        self.denoiser_forwards = 0
        self._depth = 0
        self._begin_at: Moment = 0.0
        self._spans: list[tuple[Stage, Moment, Moment]] = []

    def seconds(self) -> dict[Stage, float]:
        """Time in each stage since the restart; on CUDA, after a synchronisation."""
        total: dict[Stage, float] = {"encode": 0.0, "denoise": 0.0, "decode": 0.0}
        for stage, begin, end in self._spans:
            total[stage] += _seconds(begin, end)
        return total

    def close(self) -> None:
        """Leave the pipeline as it was."""
        self._undo.close()

    def _watch(self, name: str, part: torch.nn.Module) -> None:
        if all(callable(getattr(part, method, None)) for method in _OF_AUTOENCODERS):
            for method in _OF_AUTOENCODERS:
                self._wrap(part, method, method)
            return
        stage = next((stage for word, stage in _STAGE_OF if word in name), None)
        if stage is None:
            return
        if part._compiled_call_impl is not None:
            # Hooks would be compiled with the network, and break its graph.
            self._wrap(part, "_compiled_call_impl", stage)
            return
        # First before and last after: what offloading moves is moved inside the stage.
        before = part.register_forward_pre_hook(lambda *_: self._begin(stage), prepend=True)
        after = part.register_forward_hook(lambda *_: self._end(stage))
        self._undo.callback(before.remove)
        self._undo.callback(after.remove)

    def _wrap(self, owner: torch.nn.Module, name: str, stage: Stage) -> None:
        call = getattr(owner, name)

        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it takes
            self._begin(stage)
            answer = call(*args, **kwargs)
            self._end(stage)
            return answer

        own = vars(owner)
        if name in own:  # set on the object itself, so it is put back
            self._undo.callback(own.update, {name: call})
        else:  # of its class, and found there again
            self._undo.callback(own.pop, name)
        own[name] = timed

    def _begin(self, stage: Stage) -> None:
        if stage == "denoise":
            self.denoiser_forwards += 1
        if self._depth == 0:
            self.memory.enter(stage)
            self._begin_at = self._now()
        self._depth += 1

    def _end(self, stage: Stage) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._spans.append((stage, self._begin_at, self._now()))
