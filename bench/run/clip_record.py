"""What a clip's record says of the clip: what was made and what it took, or how it failed."""

from typing import Any

from bench.clip import Clip
from bench.generators.base import Generator
from bench.measure.throughput import Measured
from bench.prompts import Prompt

Record = dict[str, Any]

NOT_HERE = "the clip was not made in this process"

# What only a clip that was made and measured has.
_ABSENT = (
    *("frames", "height", "width", "fps", "frames_sha256", "latency_s", "stages"),
    *("denoiser_forwards", "peak_memory_allocated_bytes", "peak_memory_reserved_bytes"),
    *("stage_memory", "energy_j", "gpu"),
)


def requested(generator: Generator, prompt: Prompt) -> Record:
    """What was asked for."""
    height, width = generator.size_requested or (None, None)
    return {
        "seconds_requested": prompt.seconds,
        "frames_requested": generator.frames_requested(prompt),
        "height_requested": height,
        "width_requested": width,
    }


def made(clip: Clip, took: Measured, *, timed: bool) -> Record:
    """Of a clip that was made.

    Args:
        clip: as it was stored.
        took: what it took.
        timed: whether that says anything about the model; if not, all of it is null.
    """
    frames, height, width, _ = clip.frames.shape
    measured = took.record
    if not timed:
        nothing = {key: None for key in measured if key != "unmeasured"}
        measured = nothing | {"unmeasured": dict.fromkeys(nothing, NOT_HERE)}
    return {
        "status": "ok",
        "error": None,
        "frames": frames,
        "height": height,
        "width": width,
        "fps": clip.fps,
        "lossy": clip.lossy,
        "frames_sha256": clip.sha256,
        **measured,
    }


def failed(status: str, error: str, latency_s: float | None = None) -> Record:
    """Of a clip that was not made.

    Args:
        status: error, oom or crashed.
        error: one line.
        latency_s: seconds until it failed, which somebody pays for too; None where nobody timed.
    """
    return dict.fromkeys(_ABSENT) | {
        "status": status,
        "error": error,
        "latency_s": latency_s,
        "lossy": False,
        "unmeasured": {},
    }
