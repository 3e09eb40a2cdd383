"""What a result file holds: one model on one suite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.generators.account import Account
from bench.leaderboard.data.measurements import Measurements
from bench.metrics.cross_clip import Likeness
from bench.run.groups import Comparison


@dataclass(frozen=True)
class Metric:
    """What a score means, and what it was computed with.

    Two results compare only where these are equal.

    Attributes:
        unit: of the value, as printed.
        better: the good direction; None for a number that is only shown.
        version: of the formula.
        fingerprint: hex; covers formula, constants and backbone.
    """

    unit: str
    better: Literal["higher", "lower"] | None
    version: int
    fingerprint: str


@dataclass(frozen=True)
class Card:
    """What the maker of a model says about it; anything may be missing.

    Attributes:
        title: for people.
        licence: of the weights, or how they may be used.
        parameters: how many.
        open_weights: whether anybody can have the weights.
        max_seconds: longest clip, in seconds of video.
        resolution: largest, as a text: 1280x720.
        declared_s_per_video_s: seconds from request to clip per second of video, as published.
    """

    title: str | None
    licence: str | None
    parameters: str | None
    open_weights: bool | None = None
    max_seconds: float | None = None
    resolution: str | None = None
    declared_s_per_video_s: float | None = None


@dataclass(frozen=True)
class Hardware:
    """What the hardware of a run costs, as its user says.

    Attributes:
        price_per_gpu_hour: in the currency; None if nobody said.
        currency: three letters: USD.
        gpus: how many made one clip together.
    """

    price_per_gpu_hour: float | None = None
    currency: str = "USD"
    gpus: int = 1


@dataclass(frozen=True)
class ClipResult:
    """One clip that a run made, or failed to make.

    Attributes:
        prompt: id of its prompt, or of the file where there are no prompts.
        seed: seed of the draw.
        status: ok, or how it failed.
        error: one line; None for a clip that is ok.
        frames: delivered, None without a clip; so are height and width (pixels) and fps.
        frames_sha256: hex, of the decoded frames; None without a clip.
        lossy: whether the frames come from a lossy file.
        device: name of the hardware it was made on.
        latency_s: seconds of compute, until it failed for a clip that did; None where nobody
            timed it.
        peak_memory_allocated_bytes: on the device; None on a CPU, as is reserved.
        energy_j: joules the device drew; None where nobody measured it.
        warm: False for a clip whose time includes what only the first one pays.
        scores: value of each metric; None where it has none.
        unscored: why a metric has no value.
        account: what the clip took where it was made, if that was not here.
        seconds_requested: how long the prompt asks it to be; None where it does not.
        cross_clip: how it compares with the other clips of its group; None where it has none.
        took: what else was measured when it was made.
        category: of its prompt; None if it has none, or the file is of before it was kept.
    """

    prompt: str
    seed: int
    status: Literal["ok", "error", "oom", "crashed"]
    error: str | None
    frames: int | None
    height: int | None
    width: int | None
    fps: float | None
    frames_sha256: str | None
    lossy: bool
    device: str | None
    latency_s: float | None
    peak_memory_allocated_bytes: int | None
    peak_memory_reserved_bytes: int | None
    energy_j: float | None
    warm: bool
    scores: Mapping[str, float | None]
    unscored: Mapping[str, str]
    account: Account | None = None
    seconds_requested: float | None = None
    cross_clip: Likeness | None = None
    took: Measurements = field(default_factory=Measurements)
    category: str | None = None

    @property
    def video_s(self) -> float:
        """Seconds of video; 0 without a clip."""
        return self.frames / self.fps if self.frames and self.fps else 0.0

    @property
    def shape(self) -> tuple[int, int, int, float]:
        """Frames, width, height, and fps; zeros without a clip."""
        return self.frames or 0, self.width or 0, self.height or 0, self.fps or 0.0


@dataclass(frozen=True)
class Result:
    """One model on one suite: a `result.json`.

    Attributes:
        model: name of the model's configuration.
        suite: name of the suite's configuration.
        card: what its maker says.
        random_weights: whether parameters were random, so that only speed means anything.
        measured: whether clips were made here and timed; False if they were read from disk.
        device: name of the hardware of the run.
        cpu: name of the processor.
        torch: version, None if unknown.
        commit: of the benchmark's code, None outside a checkout.
        dirty: whether the checkout held uncommitted changes.
        prompts_sha256: of the suite file; None if every clip is footage of its own.
        expected_prompts: prompt ids that a complete run holds.
        seeds: seeds that a complete run holds, for every prompt.
        metrics: name to meaning.
        fingerprint: hex, of everything that decides the numbers.
        clips: in the order of the file.
        content: the file as it was read, to be published unchanged.
        cross_clip: with what the clips of groups were compared; None where there are no groups.
        software: the versions that speed depends on most; None if unknown.
        power_limit_w: watts at which the GPU of the run is capped; None without, or if unknown.
        weights_on_device_bytes: parameters and buffers on the device that computes; None if
            nothing was loaded, or the file does not say.
        hardware: what it costs.
        calibration: sha256 of the headline's scales, hex; None without.
        aspect: width to height that was asked of every model, as `9:16`; None where nobody asked.
    """

    model: str
    suite: str
    card: Card
    random_weights: bool
    measured: bool
    device: str
    cpu: str | None
    torch: str | None
    commit: str | None
    dirty: bool | None
    prompts_sha256: str | None
    expected_prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    metrics: Mapping[str, Metric]
    fingerprint: str
    clips: tuple[ClipResult, ...]
    content: Mapping[str, Any]
    cross_clip: Comparison | None = None
    software: str | None = None
    power_limit_w: float | None = None
    weights_on_device_bytes: int | None = None
    hardware: Hardware = Hardware()
    calibration: str | None = None
    aspect: str | None = None

    @property
    def lossy(self) -> bool:
        """Whether any clip exists only as a lossy file."""
        return any(clip.lossy for clip in self.clips)

    @property
    def expected_clips(self) -> int:
        """N: how many clips a complete run holds."""
        return len(self.expected_prompts) * len(self.seeds)
