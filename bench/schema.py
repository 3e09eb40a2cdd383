"""The format of every JSON file that joins the stages: clip, score, run and result.

Each class is one JSON object, and is used to write it and to read it. A key of JSON that no class
names is kept and written back. Units, ranges and one line on each field stand with the field; the
JSON Schema and the reference page are generated from them.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from bench.errors import BenchError

SCHEMA: Final = 1

STAGES = ("encode", "denoise", "decode", "other")

MAX_INT = 2**53
"""Up to here every reader of JSON tells one whole number from the next."""

# Far beyond any model: they keep sums finite and tables readable, and judge nobody.
_MAX_S = 1e7  # four months
_MAX_VIDEO_S = 1e5
_MAX_BYTES = 2**50
_MAX_PRICE = 1e9
_MAX_VALUE = 1e15


def _number(value: object, convert: Callable[[object], float]) -> float:
    """A float; a whole number stays one, so that what is read is written back as it was."""
    number = convert(value)
    return value if type(value) is int else number


def _points(
    points: object, check: Callable[[object], tuple[float | None, ...]], info: ValidationInfo
) -> tuple[float | None, ...]:
    """A curve, all of it at once where nothing is wrong: to check point by point is slow."""
    curve = tuple(points) if info.mode == "json" and isinstance(points, list) else points
    if isinstance(curve, tuple):
        numbers = [point for point in curve if point is not None]
        if {*map(type, numbers)} <= {float} and math.isfinite(sum(numbers)):
            lowest, highest = min(numbers, default=0), max(numbers, default=0)
            if lowest >= -_MAX_VALUE and highest <= _MAX_VALUE:
                return curve
    return check(curve)


def _json(value: object) -> object:
    """A value of a key that nobody reads, which still has to be JSON that everybody can read."""
    for place, problem in _unwritable(value):
        place = place.removeprefix(".")
        raise semantic(f"expected {problem}{f' at {place}' if place else ''}")
    return value


def _unwritable(value: object) -> Iterator[tuple[str, str]]:
    """Each place in a value that cannot be written, relative to the value, and what to expect."""
    if isinstance(value, float) and not math.isfinite(value):
        yield "", "a finite number or null"
    elif isinstance(value, int) and abs(value) > MAX_INT:
        yield "", "a whole number up to 2^53"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ((f".{_key(key)}{place}", problem) for place, problem in _unwritable(inner))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from ((f"[{index}]{place}", problem) for place, problem in _unwritable(inner))


def _complete(stages: dict[str, float]) -> dict[str, float]:
    if stages and len(stages) < len(STAGES):  # an empty one is an old way to say null
        raise semantic("expected seconds for every stage or null")
    return stages


def _unit(unit: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(json_schema_extra={"unit": unit})


_Number = WrapValidator(_number)

Json = Annotated[Any, AfterValidator(_json)]
NonBlank = Annotated[str, Field(pattern=r"\S")]
Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Positive = Annotated[int, Field(ge=1, le=MAX_INT)]
Seed = Annotated[int, Field(ge=0, le=MAX_INT)]
Frames = Annotated[int, Field(ge=0, le=1_000_000), _unit("frames")]
Pixels = Annotated[int, Field(ge=0, le=2**16), _unit("px")]
Bytes = Annotated[int, Field(ge=0, le=_MAX_BYTES), _unit("bytes")]
Seconds = Annotated[float, Field(ge=0, le=_MAX_S), _unit("s"), _Number]
VideoSeconds = Annotated[float, Field(ge=0, le=_MAX_VIDEO_S), _unit("s"), _Number]
Time = Annotated[float, Field(ge=0, le=1e11), _unit("s since 1970"), _Number]
Rate = Annotated[float, Field(ge=0, le=1e4), _unit("frames/s"), _Number]
Joules = Annotated[float, Field(ge=0, le=1e12), _unit("J"), _Number]
Watts = Annotated[float, Field(ge=0, le=1e6), _unit("W"), _Number]
Points = Annotated[float, Field(ge=0, le=100), _unit("points"), _Number]
Price = Annotated[float, Field(ge=0, le=_MAX_PRICE), _Number]
Value = Annotated[float, Field(ge=-_MAX_VALUE, le=_MAX_VALUE), _Number]
Curve = Annotated[tuple[Value | None, ...], WrapValidator(_points)]
Cosine = Annotated[float, Field(ge=-1.00001, le=1.00001), _Number]

Status = Literal["ok", "error", "oom", "crashed", "refused"]
Better = Literal["higher", "lower"]
Weights = Literal["real", "random"]
Store = Literal["lossless", "visually_lossless"]
Task = Literal["t2v", "i2v", "ti2v"]
Basis = Literal["program", "request", "declared"]
StageKey = Literal["encode_s", "denoise_s", "decode_s", "other_s"]
StageSeconds = Annotated[dict[StageKey, Seconds], AfterValidator(_complete)]


class Sample(NamedTuple):
    """One draw of a run, and the name of its files: a prompt's id and a seed."""

    prompt_id: str
    seed: int

    def __str__(self) -> str:
        return f"{self.prompt_id}, seed {self.seed}"


class Record(BaseModel):
    """A JSON object of a known form, immutable and checked when it is made.

    Two are equal if all fields are; keys that are only kept make no difference.
    """

    model_config = ConfigDict(
        defer_build=True,  # at first use: help and lists need few of them
        frozen=True,
        extra="allow",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )
    if not TYPE_CHECKING:  # for whom this would be an argument of every constructor
        __pydantic_extra__: dict[str, Json]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    @property
    def given(self) -> dict[str, Any]:
        """All keys of JSON that were given or read, nested records as they are."""
        fields = type(self).model_fields
        values = {
            field.alias or name: getattr(self, name)
            for name, field in fields.items()
            if name in self.model_fields_set
        }
        return values | (self.__pydantic_extra__ or {})

    @property
    def json_values(self) -> dict[str, Any]:
        """All keys that were given or read, as JSON values."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - whatever the fields are
        """Another record, checked like this one, with other values under some keys of JSON."""
        return type(self)(**self.given | changes)


class Card(Record):
    """What the maker of a model says about it; anything may be unknown."""

    title: Text | None = None
    """Name for people."""
    base: Text | None = None
    """Name of the row that this one is a faster, smaller or distilled sibling of."""
    licence: Text | None = None
    """Of the weights, or how they may be used."""
    parameters: Text | None = None
    """How many, as text."""
    open_weights: bool | None = None
    """Whether anybody can have the weights."""
    commercial_use: bool | None = None
    """Whether the licence allows it."""
    max_seconds: VideoSeconds | None = None
    """Longest clip."""
    resolution: Text | None = None
    """Largest, as 1280x720."""
    sizes: tuple[Text, ...] | None = None
    """All that the model was made for, as 1280x720."""
    declared_s_per_video_s: Seconds | None = None
    """Seconds from request to clip per second of video, as published."""


class Hardware(Record):
    """What the hardware of a run costs, as its user says."""

    price_per_gpu_hour: Price | None = None
    """In the currency; null if nobody said."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    """Three capital letters."""
    gpus: Positive = 1
    """That made one clip together."""


class Gpu(Record):
    """The GPU of a machine."""

    name: str | None = None
    """As CUDA names it."""
    memory_bytes: Bytes | None = None
    """Total memory."""
    uuid: str | None = None
    """As the driver tells it from others."""
    driver: str | None = None
    """Version."""
    power_limit_w: Watts | None = None
    """At which it is capped."""


def software_name(torch: str, cuda: str | None) -> str:
    """The versions that speed depends on most: figures of two of them are never ranked together."""
    return f"torch {torch.partition('+')[0]}" + (f", CUDA {cuda}" if cuda else "")


class Environment(Record):
    """Everything about a machine that can change output or speed."""

    device: str
    """Name of the GPU, or `cpu`."""
    gpu: Gpu | None = None
    """Null on a CPU."""
    cpu: str | None = None
    """Name of the processor."""
    cpu_threads: Count | None = None
    """That torch used."""
    platform: str | None = None
    """Operating system."""
    python: str | None = None
    """Version."""
    versions: dict[str, str | None]
    """Package to version; null if it is not installed."""
    cuda: str | None = None
    """Version torch was built for; null on a CPU."""
    tf32_matmul: bool | None = None
    """Whether matrix products may round to TF32; null on a CPU."""
    commit: str | None
    """Of the benchmark's code, hex; null outside a checkout."""
    dirty: bool | None
    """Whether that checkout held uncommitted changes."""

    @property
    def software(self) -> str | None:
        """The versions that speed depends on most; None if unknown."""
        torch = self.versions.get("torch")
        return None if torch is None else software_name(torch, self.cuda)


class GpuState(Record):
    """The GPU right after a clip; null is what the driver does not tell."""

    alone: bool | None = None
    """Whether nobody else computed on it, before and after."""
    slowed_by: tuple[str, ...] | None = None
    """Reasons for a lower clock."""
    sm_clock_mhz: Annotated[Count, _unit("MHz")] | None = None
    """Of the multiprocessors."""
    memory_clock_mhz: Annotated[Count, _unit("MHz")] | None = None
    """Of the memory."""
    temperature_c: Annotated[int, Field(ge=-273, le=1000), _unit("degrees Celsius")] | None = None
    """Of the GPU."""
    power_limit_w: Watts | None = None
    """At which it is capped."""


class Delivery(Record):
    """What making a clip took where this process only waited for it, or was told."""

    basis: Basis
    """A program was timed as a whole, a server was asked, or the supplier of the clip says so."""
    latency_s: Seconds | None
    """From the start to the clip, loading or queue included."""
    price_usd: Annotated[Price, _unit("USD")] | None
    """Of the clip."""
    started_at_s: Time | None
    """When it was begun."""
    attempts: Count | None
    """Requests sent until the job was accepted."""
    concurrency: Count | None
    """Requests under way at once."""
    server_latency_s: Seconds | None
    """Of compute, as the server reports it."""
    server_peak_memory_bytes: Bytes | None
    """Of its accelerator, as the server reports it."""
    stack: Text | None = None
    """What served it, with its version."""
    gpus: Positive | None = None
    """That the server computed it with; null where nobody said."""


class Likeness(Record):
    """How a clip compares with its siblings and with the clips of other groups."""

    group: str
    """Its own."""
    own: Cosine | None
    """Mean cosine with its siblings; null if none could be compared."""
    others: Cosine | None
    """Mean cosine with clips of other groups, over the same comparisons."""
    value: Annotated[float, Field(ge=-2.00001, le=2.00001), _Number]
    """`own - others`; comparisons that could not be made count as 0."""
    won: Annotated[float, Field(ge=0, le=1), _Number]
    """Share of comparisons in which the sibling is the more alike."""


class GroupComparison(Record):
    """How the clips of groups were compared."""

    version: Count
    """Of the formula."""
    fingerprint: str | None
    """Of formula and identity network, hex; null where no clip was scored."""
    why: str | None
    """Why there is no comparison; null where there is."""


class ClipFacts(Record):
    """What was asked for, what was made, and what it took; or how it failed."""

    prompt: str
    """Id of the prompt; of the file where there are no prompts."""
    category: str | None = None
    """Of the prompt."""
    file: str | None = None
    """What it was read from, in its folder, where the id of its prompt does not say it."""
    seed: Seed
    """Of the draw."""
    batch_size: Positive = 1
    """Clips made at once; time and energy are one clip's share."""
    image_sha256: str | None = None
    """Of the picture that the clip began with, hex."""
    device: str | None
    """Name of the hardware it was made on."""
    software: str | None = None
    """The versions that speed depends on most."""
    seconds_requested: VideoSeconds | None = None
    """How long the prompt asks the clip to be."""
    frames_requested: Frames | None = None
    """Asked of the model."""
    height_requested: Pixels | None = None
    """Asked of the model."""
    width_requested: Pixels | None = None
    """Asked of the model."""
    status: Status
    """`ok`, or how it failed; `refused` is a file that could not be read, no fault of the model."""
    error: str | None
    """One line; null for a clip that is ok."""
    frames: Frames | None
    """Delivered; null without a clip."""
    height: Pixels | None
    """Of a frame; null without a clip."""
    width: Pixels | None
    """Of a frame; null without a clip."""
    fps: Rate | None
    """Null without a clip."""
    lossy: bool
    """Whether the frames come from a lossy file."""
    frames_sha256: str | None
    """Of the decoded frames, hex; null without a clip."""
    remarks: tuple[str, ...] = ()
    """On how its file was read: holes in its times, pixels that are not square."""
    warm: bool
    """False if the time includes what only the first clip of a shape pays."""
    latency_s: Seconds | None
    """Of compute, until it failed for a clip that did; null where nobody timed it."""
    stages: StageSeconds | None = None
    """Of each stage; null where stages could not be told apart."""
    denoiser_forwards: Count | None = None
    """Calls of a denoiser."""
    peak_memory_allocated_bytes: Bytes | None
    """On the GPU, in use; null on a CPU."""
    peak_memory_reserved_bytes: Bytes | None
    """On the GPU, held by the allocator; null on a CPU."""
    stage_memory: dict[str, Bytes] | None = None
    """Peaks by stage and kind, as `denoise_allocated_bytes`; null on a CPU."""
    energy_j: Joules | None
    """Drawn by the GPU; null where it could not be measured."""
    gpu: GpuState | None = None
    """Right after the clip; null on a CPU."""
    unmeasured: dict[str, str] = Field(default_factory=dict)
    """Key to the reason for its null."""
    delivery: Delivery | None = Field(default=None, alias="account")
    """What the clip took where it was made, if that was not in this process."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.status == "ok":
            for key in ("frames", "height", "width", "fps"):
                if not (value := getattr(self, key)):
                    raise semantic(f"expected {key} above 0 of a clip that is ok, got {value}")
        return self

    @property
    def is_failure(self) -> bool:
        """Whether the model made no clip; a file that cannot be read says nothing about that."""
        return self.status not in ("ok", "refused")

    @property
    def sample(self) -> Sample:
        """Prompt id and seed."""
        return Sample(self.prompt, self.seed)

    @property
    def title(self) -> str:
        """What readers call it: its file, or the id of its prompt."""
        return self.file or self.prompt

    @property
    def video_s(self) -> float:
        """Seconds of video; 0 without a clip."""
        return self.frames / self.fps if self.frames and self.fps else 0.0

    @property
    def shape(self) -> tuple[int, int, int, float]:
        """Frames, width, height, and fps; zeros without a clip."""
        return self.frames or 0, self.width or 0, self.height or 0, self.fps or 0.0

    @property
    def stage_s(self) -> dict[str, float] | None:
        """Seconds of each of `STAGES`; None where they could not be told apart."""
        if not self.stages:
            return None
        return {key.removesuffix("_s"): spent_s for key, spent_s in self.stages.items()}

    @property
    def alone(self) -> bool | None:
        """Whether nobody else computed on the GPU; None if unknown."""
        return self.gpu.alone if self.gpu else None

    @property
    def slowed_by(self) -> tuple[str, ...]:
        """Why the GPU was slower than it could be."""
        return (self.gpu.slowed_by if self.gpu else None) or ()

    @property
    def power_limit_w(self) -> float | None:
        """Watts at which the GPU was capped; None if unknown."""
        return self.gpu.power_limit_w if self.gpu else None


class ClipRecord(ClipFacts):
    """`clips/<prompt>/<seed>.json`: a clip of a run's folder. Its existence is the done flag."""

    schema_version: Literal[1] = Field(alias="schema")
    """Of this form."""
    node: str | None = None
    """Name of the machine it was made on, or asked for."""
    gpu_uuid: str | None = None
    """Of the GPU it was made on, or the first of several, as the driver has it; null on a CPU."""
    inputs: dict[str, Json]
    """All that decides the frames."""
    fingerprint: str
    """SHA-256 of `inputs`, hex."""
    details: dict[str, Json] = Field(default_factory=dict)
    """What is not published: the command that was run, how it ended, the last it said."""


class ClipResult(ClipFacts):
    """A clip of `result.json`: its record, less what is private, and its scores."""

    scores: dict[str, Value | None]
    """Metric to value; null where it has none."""
    unscored: dict[str, str]
    """Metric to the reason for its null."""
    notes: dict[str, str] = Field(default_factory=dict)
    """Metric to what a reader of its value should know."""
    cross_clip: Likeness | None = None
    """How it compares with the clips of its group and others; null without groups."""

    @classmethod
    def of(
        cls,
        record: ClipRecord,
        *,
        scores: Mapping[str, float | None],
        unscored: Mapping[str, str],
        notes: Mapping[str, str],
    ) -> "ClipResult":
        """What is published of a clip's record, and its scores."""
        private = ClipRecord.model_fields.keys() - ClipFacts.model_fields.keys() | {"schema"}
        public = {key: value for key, value in record.given.items() if key not in private}
        return cls(**public, scores=dict(scores), unscored=dict(unscored), notes=dict(notes))


class MetricDescription(Record):
    """What a score means and what it was computed with; results compare where these are equal."""

    unit: str
    """Of the value, as printed."""
    better: Better | None
    """The good direction; null for a number that is only shown."""
    version: Count
    """Of the formula."""
    fingerprint: str
    """Of formula, constants and networks, hex."""


class ScoreEntry(MetricDescription):
    """A clip's score by one metric."""

    value: Value | None
    """Null where the clip allows none."""
    why: str | None
    """There is no value; null where there is."""
    series: dict[str, Curve] = Field(default_factory=dict)
    """Curve to its points."""
    note: str | None = None
    """What a reader of the value should know."""
    measures: str | None = None
    """What a metric of one's own says that it measures, in one line."""


class Appearance(Record):
    """What a clip looks like, to be compared with others of its group."""

    vector: str | None
    """Base64 of a float16 unit vector; null where there is nothing to be seen."""
    why: str | None
    """There is no vector; null where there is."""
    fingerprint: str
    """Of what computed it, hex."""


class Calibration(Record):
    """The scales of the headline's first version; later ones need none."""

    sha256: str
    """Of their file, hex."""


class ScoreRecord(Record):
    """`scores/<prompt>/<seed>.json`: a clip's scores and the curves behind them."""

    schema_version: Literal[1] = Field(alias="schema")
    """Of this form."""
    frames_sha256: str
    """Of the frames that were scored, hex."""
    prompt: dict[str, Json] | None = None
    """What of the prompt decides the scores."""
    base_sha256: str | None = None
    """Of the frames of the base's clip that was compared, hex; null where none was."""
    metrics: dict[str, ScoreEntry]
    """Name to score."""
    appearance: Appearance | None = None
    """Null outside groups."""


class Prompts(Record):
    """The file of prompts."""

    name: str | None = None
    """Of the file; null for footage without prompts."""
    count: Count | None = None
    """Of prompts."""
    sha256: str | None
    """Of the file and the pictures that clips begin with, hex; null for footage."""


class Expected(Record):
    """What a complete run holds: every prompt with every seed."""

    prompts: tuple[str, ...]
    """Ids."""
    seeds: tuple[Seed, ...]
    """The same for every prompt."""

    @property
    def samples(self) -> list[Sample]:
        """All of them, prompt by prompt."""
        return [Sample(*draw) for draw in itertools.product(self.prompts, self.seeds)]


class Loaded(Record):
    """`loaded.json`: what was in use when clips were last made, read back from the weights."""

    source: str | None = None
    """Repository or folder."""
    revisions: dict[str, str] = Field(default_factory=dict)
    """Repository to commit, or folder to a hash."""
    weights: Weights | None = None
    """`random` if only speed was measured."""
    architectures_from: str | None = None
    """Table that the sizes of random weights were taken from; null where the hub was asked."""
    pipeline: str | None = None
    """Its class."""
    parameters: dict[str, Count] = Field(default_factory=dict)
    """Component to how many."""
    weights_on_device_bytes: Bytes | None = None
    """Of parameters and buffers on the device that computes."""
    dtypes: dict[str, Json] = Field(default_factory=dict)
    """Component to the types of its parameters."""
    attention: dict[str, Json] = Field(default_factory=dict)
    """Denoiser to how it computes attention."""
    scheduler: dict[str, Json] = Field(default_factory=dict)
    """Its class and configuration."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was loaded, or nothing is said of it."""
        return not self.model_fields_set


class RunFacts(Record):
    """What is said of a run in `run.json` and `result.json` alike."""

    schema_version: Literal[1] = Field(alias="schema")
    """Of this form."""
    model: str
    """Name of the row."""
    suite: str
    """Name of the suite."""
    card: Card
    """What the maker of the model says."""
    measured: bool
    """Whether clips were made and timed in this process."""
    weights: Weights = "real"
    """`random` if parameters mean nothing, so that only speed was measured."""
    generator_version: str | None = None
    """Raised when a generator makes other frames of the same arguments."""
    environment: Environment
    """Of the machine that made the clips."""
    hardware: Hardware | None = None
    """What it costs."""
    least_appeal: Points | None = None
    """That a clip must have to be usable; null where none is asked."""
    prompts: Prompts
    """Where they come from."""
    expected: Expected
    """What a complete run holds."""
    skipped: dict[str, str] = Field(default_factory=dict)
    """File among the clips that holds none, to the reason."""


class Run(RunFacts):
    """`run.json`: the configuration and the machine of the last run that made clips."""

    functional: dict[str, Json]
    """The model's configuration, as far as it decides frames."""
    config: dict[str, Json]
    """All of the configuration, resolved."""

    @model_validator(mode="after")
    def _says_its_aspect(self) -> Self:
        suite = self.config.get("suite")
        if not isinstance(suite, dict) or not isinstance(suite.get("aspect"), str | None):
            raise semantic("expected config.suite with an aspect, a text or null")
        return self

    @property
    def aspect(self) -> str | None:
        """Width to height that was asked of every model."""
        suite: dict[str, Any] = self.config["suite"]
        return suite.get("aspect")

    @property
    def limit(self) -> int | None:
        """Of so many of the first prompts clips were asked for; None for all."""
        limit = self.config.get("limit")
        return limit if isinstance(limit, int) else None


class Result(RunFacts):
    """`result.json`: one model on one suite; the one file of a run that is published."""

    aspect: str | None = None
    """Width to height that was asked of every model, as `9:16`; null where nobody asked."""
    loaded: Loaded | None = None
    """What was in use when clips were last made."""
    metrics: dict[str, MetricDescription]
    """Name to meaning."""
    measures: dict[str, str] = Field(default_factory=dict)
    """Metric of one's own to what it says that it measures, in one line; decides nothing."""
    calibration: Calibration | None = None
    """Of the headline's first version; null since."""
    cross_clip: GroupComparison | None = None
    """Null where there are no groups."""
    fingerprint: str
    """Of everything that decides the numbers, hex."""
    clips: tuple[ClipResult, ...]
    """One for each that was made or failed, in the order of the suite."""

    @model_validator(mode="after")
    def _holds_expected_clips_once(self) -> Self:
        prompts, seeds = set(self.expected.prompts), set(self.expected.seeds)
        counts = Counter(clip.sample for clip in self.clips)
        faults = [
            f"expected each clip once, {s} stands {n} times" for s, n in counts.items() if n > 1
        ]
        faults += [
            f"{sample} is not among the expected prompts and seeds"
            for sample in counts
            if sample.prompt_id not in prompts or sample.seed not in seeds
        ]
        if faults:
            raise semantic("\n".join(faults))
        return self

    @property
    def random_weights(self) -> bool:
        """Whether parameters were random, so that only speed means anything."""
        return self.weights == "random"

    @property
    def expected_clips(self) -> int:
        """N: how many clips a complete run holds."""
        return len(self.expected.prompts) * len(self.expected.seeds)

    @property
    def successes(self) -> list[ClipResult]:
        """The clips that are ok."""
        return [clip for clip in self.clips if clip.status == "ok"]

    @property
    def lossy(self) -> bool:
        """Whether any clip exists only as a lossy file."""
        return any(clip.lossy for clip in self.clips)


class ResultError(BenchError):
    """A file that is not of its form; the message names the first fault and what to do.

    Attributes:
        faults: all of them, one line each.
    """

    def __init__(self, faults: Sequence[str], mend: str = "") -> None:
        more = f" (the first of {len(faults)} faults)" if len(faults) > 1 else ""
        super().__init__(faults[0] + more + (f"; {mend}" if mend else ""))
        self.faults = tuple(faults)


R = TypeVar("R", bound=Record)


def parse(kind: type[R], content: str | bytes, where: str, mend: str) -> R:
    """The record that stands in a JSON text, UTF-8, of a file that messages call `where`.

    `mend` says what to do about a file that holds anything else; a ResultError has a line for
    everything that is wrong.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise refusal(error, where, mend) from None


def json_text(value: object) -> str:
    """A JSON value as text, keys sorted so that diffs read well; NaN is a ValueError."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def dump(record: Record) -> str:
    """A record as JSON text."""
    return json_text(record.json_values)


def says(content: bytes, values: Mapping[str, str]) -> bool:
    """Whether a text is one that `dump` wrote, and has these plain words at its top level.

    Quicker than to read it. In JSON no text holds the end of a line, so that what begins one with
    a single blank is a key of the top level. Anything else that says the same may be missed.
    """
    lines = (f'\n "{key}": "{value}"'.encode() for key, value in values.items())
    return content.endswith(b"\n}\n") and all(line in content for line in lines)


def semantic(text: str) -> PydanticCustomError:
    """What a validator raises that says itself what was expected."""
    return PydanticCustomError("semantic", "{text}", {"text": text})


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": f"a whole number up to {MAX_INT}",
    "float_type": "a number",
    "finite_number": "a finite number or null",
    "string_type": "text",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of at most {max_length} letters",
    "string_pattern_mismatch": "text like {pattern}",
    "bool_type": "true or false",
    "dict_type": "an object",
    "model_type": "an object",
    "tuple_type": "a list",
    "literal_error": "one of {expected}",
    "greater_than_equal": "a number >= {ge:g}",
    "less_than_equal": "a number <= {le:g}",
}
"""What pydantic calls a fault, in the words of this project."""


def refusal(error: ValidationError, where: str, mend: str) -> ResultError:
    """Pydantic's report, one line for each fault."""
    details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        return ResultError([f"{where}: expected JSON, but {details[0]['ctx']['error']}"], mend)
    for detail in details:
        version = detail["input"]
        if detail["loc"] == ("schema",) and type(version) is int:
            text = f"{where}: expected schema {SCHEMA}, got {shown(version)}, which is "
            if version > SCHEMA:
                return ResultError([f"{text}newer: update steadybench"])
            return ResultError([f"{text}older and must be made anew"], mend)
    faults = [
        f"{where}: {_place(detail['loc'])}{text}"
        for detail in details
        for text in _text(detail).split("\n")
    ]
    return ResultError(faults, mend)


def _text(detail: ErrorDetails) -> str:
    if detail["type"] == "missing":
        return "expected this key, it is missing"
    expected = _EXPECTED.get(detail["type"])
    if expected is None:  # of this module, or of a kind that is not listed: it speaks for itself
        return detail["msg"]
    return f"expected {expected.format(**detail.get('ctx', {}))}, got {shown(detail['input'])}"


_SHOWN_BITS = 256


def shown(value: object) -> str:
    """A value of JSON as a message has it, short however long it is."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return "one of very many digits"
    return f"{value!r:.80}"


def _place(loc: tuple[int | str, ...]) -> str:
    """Where in a file: `clips[3].scores.flicker: `; nothing for the file as a whole."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{_key(part)}" for part in loc)
    return f"{place.lstrip('.')}: " if place else ""


def _key(key: object) -> str:
    """A key as people read it; one that could break the line is quoted."""
    text = str(key)
    return text if text.isprintable() and text and len(text) <= 100 else f"{text!r:.100}"
