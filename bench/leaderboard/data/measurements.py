"""What a clip's record says of its making beyond time, peak and energy; read and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchError
from bench.generators.account import is_amount

STAGES = ("encode", "denoise", "decode", "other")


@dataclass(frozen=True)
class Measurements:
    """Measured beside a clip's time, peak memory and energy; files of before hold none of it.

    Attributes:
        batch_size: how many clips were made at once; time and energy are one clip's share.
        software: the versions that speed depends on most.
        stages: seconds of each of `STAGES`; None where they could not be told apart.
        denoiser_forwards: calls of a denoiser; None as for `stages`.
        stage_memory: most bytes by stage and kind, as `denoise_allocated_bytes`; None off CUDA.
        alone: whether nobody else computed on the GPU; None if unknown.
        slowed_by: why the GPU was slower than it could be.
        power_limit_w: watts at which the GPU was capped; None if unknown.
        unmeasured: why a value is None, by its key in the file.
    """

    batch_size: int = 1
    software: str | None = None
    stages: Mapping[str, float] | None = None
    denoiser_forwards: int | None = None
    stage_memory: Mapping[str, int] | None = None
    alone: bool | None = None
    slowed_by: tuple[str, ...] = ()
    power_limit_w: float | None = None
    unmeasured: Mapping[str, str] = field(default_factory=dict)


def read_measurements(entry: Mapping[str, Any], where: str) -> Measurements:
    """From a clip of a result file; what is not there was not measured.

    Raises:
        BenchError: if a value is of another kind; `where` and the key are named.
    """
    gpu = _object(entry, "gpu", where)
    stages = _object(entry, "stages", where) or None
    if stages is not None:
        keys = [f"{stage}_s" for stage in STAGES]
        if sorted(stages) != sorted(keys) or not all(map(is_amount, stages.values())):
            raise BenchError(f"{where}: expected 'stages' with seconds for {', '.join(keys)}")
        stages = {stage: stages[f"{stage}_s"] for stage in STAGES}
    memory = _object(entry, "stage_memory", where) or None
    if memory is not None and not all(map(is_amount, memory.values())):
        raise BenchError(f"{where}: expected 'stage_memory' with bytes, came {memory!r:.80}")
    return Measurements(
        batch_size=_batch_size(entry, where),
        software=_text(entry.get("software")),
        stages=stages,
        denoiser_forwards=read_amount(entry, "denoiser_forwards", where),
        stage_memory=memory,
        alone=gpu.get("alone"),
        slowed_by=tuple(map(str, gpu.get("slowed_by") or ())),
        power_limit_w=read_amount(gpu, "power_limit_w", where),
        unmeasured={key: str(why) for key, why in _object(entry, "unmeasured", where).items()},
    )


def _batch_size(entry: Mapping[str, Any], where: str) -> int:
    size = entry.get("batch_size", 1)  # files of before hold clips made one by one
    if type(size) is not int or size < 1:
        raise BenchError(f"{where}: expected 'batch_size' as a number from 1, came {size!r:.80}")
    return size


def read_amount(entry: object, key: str, where: str) -> Any:  # noqa: ANN401 - int or float
    """A number from 0 that stands in an object; None where either is missing.

    Raises:
        BenchError: if it is anything else.
    """
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if value is not None and not is_amount(value):
        raise BenchError(f"{where}: expected {key!r} as a number from 0, came {value!r:.80}")
    return value


def read_software(environment: Mapping[str, Any], torch: str | None) -> str | None:
    """What `software` would say of a file of before, from its environment."""
    if torch is None:
        return None
    cuda = environment.get("cuda")
    return f"torch {torch.partition('+')[0]}" + (f", CUDA {cuda}" if cuda else "")


def _object(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = entry.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BenchError(f"{where}: expected {key!r} as an object, came {value!r:.80}")
    return value


def _text(value: object) -> str | None:
    return None if value is None else str(value)
