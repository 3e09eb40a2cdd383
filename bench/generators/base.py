"""What every generator is: a cheap constructor, weights inside `with`, one clip a call."""

import hashlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from bench.clip import Clip
from bench.errors import BenchError, ClipError, nearest
from bench.prompts import Prompt
from bench.schema import Basis, Delivery, Loaded, Positive, Weights

if TYPE_CHECKING:  # clips that are read from files need no torch
    import torch

    from bench.generators.team import Team
    from bench.measure.stages import StageClock


T = TypeVar("T")

# Arguments of generators, and in words what they must be; see `check_arguments`.
Number = Annotated[float, Field(gt=0, allow_inf_nan=False), "a number above 0"]
Duration = Annotated[Number, "seconds above 0"]
FromOne = Annotated[Positive, "a number from 1"]
Keys = Annotated[Mapping[Any, Any], "keys and values"]


@dataclass(frozen=True)
class GeneratorInfo:
    """What is to be known of a generator beside its clips."""

    # Changed whenever the same arguments give other frames; part of the fingerprint.
    version: str = "1"
    # Whether the time `generate` takes says anything about a model: not where clips are only read
    # from disk, or made by somebody else while this process waits.
    measured: bool = True
    # Arguments of the constructor that decide no frame (time-outs, retries), and so are no part
    # of a clip's fingerprint; `options.key` is a key within one.
    non_semantic: frozenset[str] = frozenset()
    size_requested: tuple[int, int] | None = None  # height and width in pixels
    weights: Weights = "real"  # random: parameters mean nothing, only speed is measured
    takes_images: bool = True  # whether it gets the picture of a prompt that has one
    variant: str = ""  # what sets this row apart from the model as published, for its name
    batch_size: int = 1  # how many seeds of one prompt are asked for at once
    ahead: int = 0  # how many batches to hear of by `begin` before they are asked for
    gpus: int = 1  # that make one clip together
    processes: int = 1  # that do so, a `team` with one of those GPUs each
    # Of the weights, there once `check` is through: repository to commit, or folder to a hash.
    revisions: Mapping[str, str] = field(default_factory=dict)
    stages: "StageClock | None" = None  # times the parts of a clip while the weights are loaded


class Needs(NamedTuple):
    """What the weights of a generator take, before they are loaded."""

    parts: Mapping[str, int]  # network to bytes of its weights, as they are loaded
    repo: str | None = None  # on the hub, where they are downloaded from
    offload: str | None = None  # how they wait in main memory for their turn on the GPU
    quantised: bool = False  # whether they take less on the GPU


@dataclass(frozen=True, eq=False, kw_only=True)
class Delivered(Clip):
    """A clip that was made outside this process, and what it took there."""

    delivery: Delivery
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the clip's own record alone: the command that was run, how it ended."""


class Undelivered(ClipError):  # noqa: N818 - the opposite of Delivered
    """A clip that did not come from outside this process, and what waiting for it took."""

    def __init__(self, message: str, delivery: Delivery, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.delivery, self.details = delivery, details


def delivery_by(basis: Basis, **facts: Any) -> Delivery:  # noqa: ANN401 - as its fields are
    """A delivery of which nothing else is known."""
    unknown = {name: None for name, key in Delivery.model_fields.items() if key.is_required()}
    return Delivery(**unknown | {"basis": basis} | facts)


def deliver(
    read: Callable[[], Clip], delivery: Delivery, details: Mapping[str, Any] = MappingProxyType({})
) -> Delivered:
    """The clip that `read` gives, with its delivery; an error of `read` carries that too."""
    try:
        clip = read()
    except ClipError as error:
        raise Undelivered(str(error), delivery, details) from None
    return Delivered(
        clip.frames, clip.fps, clip.lossy, clip.remarks, delivery=delivery, details=details
    )


def settings(kind: type[T], values: Any, key: str) -> T:  # noqa: ANN401 - T, or its keys
    """A dataclass from a part of the configuration; the nearest to an unknown key is named."""
    if isinstance(values, kind):
        return values
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for name in values or {}:
        if name not in names:
            close = nearest(name, names)
            raise BenchError(f"model.{key} takes no {name!r}{close}; it takes {', '.join(names)}")
    return kind(**(values or {}))


def check_arguments(given: Any, section: str = "") -> None:  # noqa: ANN401 - any dataclass
    """Refuse an argument that is not what it is declared to be, of a `section` of the model's keys.

    Looked at are choices, flags, and types that are annotated with words for what is expected.
    """
    for each in fields(given):
        key, value = f"{section}{each.name}", getattr(given, each.name)
        is_union = get_origin(each.type) in (Union, UnionType)
        kinds: tuple[Any, ...] = get_args(each.type) if is_union else (each.type,)
        if value is None and NoneType in kinds:
            continue
        for kind in kinds:
            if kind is bool:
                require(isinstance(value, bool), key, "true or false", value)
            elif get_origin(kind) is Literal:
                null = [None] if NoneType in kinds else []
                require_choice(key, [*null, *get_args(kind)], value)
            elif get_origin(kind) is Annotated:
                words = [word for word in kind.__metadata__ if isinstance(word, str)]
                require(is_valid(kind, value), key, words[-1], value)


def require(sound: bool, key: str, expected: str, value: object) -> None:
    """Refuse an argument of a generator's constructor that is not what it must be."""
    if not sound:
        raise BenchError(f"model.{key} must be {expected}, got {value!r}")


def require_choice(key: str, choices: Collection[object], value: object) -> None:
    """Refuse what is none of the choices; the nearest is named."""
    if value not in tuple(choices):
        texts = ["null" if choice is None else str(choice) for choice in choices]
        close = nearest(str(value), texts)
        raise BenchError(f"model.{key} must be one of {', '.join(texts)}, got {value!r}{close}")


_KINDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    NoneType: "null",
}


def check_kind(key: str, value: object, annotation: Any) -> None:  # noqa: ANN401 - of any kind
    """Refuse a value of another kind than an argument is annotated with, where that is simple."""
    kinds = get_args(annotation) or (annotation,)
    if all(kind in _KINDS for kind in kinds) and not is_valid(annotation, value):
        expected = " or ".join(_KINDS[kind] for kind in kinds)
        raise BenchError(f"{key} must be {expected}, got {value!r}")


def is_valid(field: Any, value: object) -> bool:  # noqa: ANN401 - a type
    """Whether a value may stand in a field of such a type."""
    try:
        TypeAdapter[Any](field).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def rng_from(*parts: object) -> np.random.Generator:
    """Chance that depends on these parts alone, by their texts."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))


class Generator(ABC):
    """Turns (prompt, seed) into a clip.

    The constructor only checks and keeps its arguments; whatever is heavy is loaded by
    `__enter__` and freed by `__exit__`.
    """

    kind: str = ""
    """What the class is called in every clip's fingerprint, wherever it moves; empty: its path."""
    device: "torch.device"
    """Where to compute; set before the weights are loaded."""
    team: "Team | None" = None
    """The processes that make one clip together, where that is not this one alone; set likewise."""

    def follow(self) -> None:
        """Do what the leader of the team has its generator do, until that is through."""
        assert self.team is not None
        self.team.follow(self)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # What is annotated is an argument of a dataclass.
        unannotated = cls.__dict__.keys() - inspect.get_annotations(cls).keys()
        misplaced = unannotated & {each.name for each in fields(GeneratorInfo)}
        if misplaced:  # else a version would be ignored, and old clips pass for new ones
            name = min(misplaced)
            raise BenchError(
                f"{cls.__name__}.{name} has no meaning: say info = GeneratorInfo({name}=...)"
            )

    @property
    def info(self) -> GeneratorInfo:
        """What holds now; a class may also say it once, `info = GeneratorInfo(version="2")`."""
        return GeneratorInfo()

    @property
    def has_to_load(self) -> bool:
        """Whether there is anything that `__enter__` does."""
        return type(self).__enter__ is not Generator.__enter__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    @abstractmethod
    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Make the clip for this prompt and seed; a `Delivered` one if it is made elsewhere.

        The same arguments give the same frames, bit for bit, on the same machine.
        """

    def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        """Make the clips of as many seeds of one prompt as `info.batch_size` says, in their order.

        One after another, unless a generator makes them in one call. Then each clip is that of
        `generate`, to the rounding of arithmetic in another shape, whatever shares its batch; and
        the same prompt and seeds give the same frames, bit for bit, on the same machine.
        """
        return [self.generate(prompt, seed) for seed in seeds]

    def frames_requested(self, prompt: Prompt) -> int | None:  # noqa: ARG002 - of most, the same
        """How many frames are asked for; None where nobody asks."""
        return None

    def check(self, prompts: Sequence[Prompt]) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse by BenchError, before weights are loaded or files written, what must fail."""

    def needs(self) -> Needs | None:
        """What its weights take, in seconds and without them; None where none are loaded here."""
        return None

    def expect(self, draws: Sequence[tuple[Prompt, int]]) -> None:  # noqa: B027 - most need no notice
        """Hear, before the first of them, which prompts and seeds may be asked for.

        A generator may refuse by BenchError if it lacks what they need.
        """

    def begin(self, draws: Sequence[tuple[Prompt, int]]) -> None:  # noqa: B027 - most make one at a time
        """Hear of a batch that is asked for next, or after `info.ahead` others.

        No other process makes it, so a generator may begin to work ahead.
        """

    def loaded(self) -> Loaded:
        """What is really in use once the weights are there: read, not assumed."""
        return Loaded()

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:  # noqa: ARG002 - most need neither
        """What, beside configuration, prompt and seed, decides the frames: hashes of files read.

        Part of the fingerprint, so that a file that was replaced is scored again.
        """
        return {}

    def file_of(self, prompt: Prompt) -> str | None:  # noqa: ARG002 - most read none
        """The file that a prompt of `own_prompts` stands for, where its id does not say it."""
        return None

    def skipped(self) -> Mapping[str, str]:
        """Files among the clips that hold none, each with the reason."""
        return {}

    def own_prompts(self) -> list[Prompt]:
        """The clips this generator brings with it, one prompt each, for suites without prompts."""
        raise BenchError(
            f"{type(self).__name__} needs prompts and this suite has none: "
            "choose a suite with prompts (suite=toy), or score files with model=folder"
        )
