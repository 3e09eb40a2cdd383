"""The configuration: checked once, typed, and built into objects before any work."""

import inspect
import pkgutil
import re
import sys
from collections.abc import Collection, Mapping
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from bench.errors import BenchError, nearest, one_line
from bench.schema import MAX_INT, Hardware, NonBlank, Points, Store, semantic, shown
from bench.storage import NAME_RULE, SAFE_NAME, safe_part

if TYPE_CHECKING:  # they import torch, which takes seconds: only what builds something pays them
    from bench.generators.base import Generator
    from bench.metrics.base import Metric
    from bench.vision.backbones import Backbone, TextNetwork

# What a model's YAML says for people; it changes no frame, so it is in no fingerprint.
_COSMETIC = frozenset({"name", "card"})


def _name_of_folder(path: str) -> str:
    """The row of a folder's clips, see `conf/model/folder.yaml`: its name, or what can be kept."""
    name = Path(path).expanduser().resolve().name
    if SAFE_NAME.fullmatch(name):
        return name
    return safe_part(name, 100) or name


OmegaConf.register_new_resolver("basename", _name_of_folder, replace=True)

# An option of half the steps: see `conf/experiment/acceleration.yaml`.
OmegaConf.register_new_resolver("half", lambda count: max(1, count // 2), replace=True)

_TAKEN = ("leaderboard", "images")  # folders of ${out} that hold no suite

_MAPPING = "keys and values"

_PRICE = {
    "price_per_gpu_hour": "a price from 0, as 2.49, or null",
    "currency": "three capital letters, as USD or EUR",
}
"""What may be said of hardware, and what each must be."""

_KEYS_OF_HARDWARE = f"the keys {' and '.join(_PRICE)}"


def check_name(name: object) -> str:
    """The name of a row or a suite, which also names a folder on every system."""
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise BenchError(
            f"names must be {NAME_RULE}, got {name!r}: add ++model.name=NAME or suite.name=NAME"
        )
    return name


def _must_be(phrase: str) -> WrapValidator:
    """What a setting must be, in words, for any fault that says nothing better."""

    def check(value: object, validate: ValidatorFunctionWrapHandler) -> object:
        try:
            return validate(value)
        except ValidationError as error:
            if error.errors()[0]["type"] in ("literal_error", "semantic"):
                raise
            raise semantic(phrase) from None

    return WrapValidator(check)


_BELOW = "a number from 0 and below launch.jobs"
_SEEDS = "a list of different whole numbers from 0 to 2^53, as suite.seeds=[0,1]"

# A command line gives text where it should give something else, as overwrite=no or limit=abc.
Whole = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
FromOne = Annotated[Whole, Field(ge=1)]
Seeds = Annotated[
    tuple[Annotated[Whole, _must_be(_SEEDS)], ...], Field(min_length=1), _must_be(_SEEDS)
]
Ratio = Annotated[str, Field(pattern="^[1-9][0-9]*:[1-9][0-9]*$")]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True), _must_be("true or false")]
Workers = Annotated[FromOne | Literal["auto"], _must_be("a number from 1, or auto")]
Limit = Annotated[Above0 | None, _must_be("seconds above 0, or null")]
Values = Annotated[Mapping[str, Any], _must_be(_MAPPING)]
Folder = Annotated[
    Path,
    BeforeValidator(TypeAdapter(NonBlank).validate_python),
    _must_be("the name of a folder"),
]
Stage = Literal["generate", "score", "publish"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True)


class SuiteConfig(_Settings):
    """What is asked of every model."""

    name: Annotated[str, BeforeValidator(check_name)]
    """Of its folder."""
    prompts: Annotated[NonBlank | None, _must_be("a prompt file, or null")] = None
    """Name or path of the prompt file; None where the generator brings its clips."""
    seeds: Seeds
    """Different ones."""
    files: Annotated[
        NonBlank | None, _must_be("a folder of images and driving videos, or null")
    ] = None
    """Folder of the pictures and videos that the prompt file names; None beside it."""
    # Without quotes YAML reads 9:16 as nine minutes and sixteen seconds.
    aspect: Annotated[Ratio | None, _must_be('"WIDTH:HEIGHT" in quotes, or null')] = None
    """Width to height, as `9:16`; None as each model makes it."""
    follow_seconds: Flag = False
    """Whether models make the lengths that prompts ask for."""
    images: Annotated[Mapping[str, Any] | None, _must_be(f"{_MAPPING} of a model, or null")] = None
    """The model that makes the pictures clips begin with; None where files hold them."""
    adherence_network: Annotated[NonBlank | None, _must_be("the name of a network, or null")] = None
    """The one image-text network that may score it; None for every real one."""

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in _TAKEN:
            raise semantic("another name")
        return name

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...], others: ValidationInfo) -> tuple[int, ...]:
        if len({*seeds}) < len(seeds):
            raise semantic(_SEEDS)
        if others.data.get("prompts", "") is None and seeds != (0,):
            raise semantic("[0] for files, which have one")
        return seeds

    @property
    def file_name(self) -> str | None:
        """Of the prompts; where they lie is their owner's business, and is not published."""
        return None if self.prompts is None else Path(self.prompts).name


class MetricsConfig(_Settings):
    """What is computed of every clip."""

    compute: Values
    """Name of a metric to its import path."""
    backbones: Values
    """Role to the configuration of a network; an empty one is left out."""


class LaunchConfig(_Settings):
    """Which processes make the clips of a model; see `conf/launch/`."""

    workers: Workers
    """Processes of one machine."""
    jobs: Annotated[FromOne, _must_be("a number from 1")]
    """Of a cluster, each with its workers."""
    job: Annotated[Whole, _must_be(_BELOW)]
    """Which of them this is."""

    @field_validator("job")
    @classmethod
    def _is_one_of_them(cls, job: int, others: ValidationInfo) -> int:
        if job >= others.data.get("jobs", job + 1):
            raise semantic(_BELOW)
        return job


class ScoreConfig(_Settings):
    """How clips are scored."""

    workers: Workers
    """Processes of one machine."""
    timeout_s: Limit
    """After which a metric of a clip ends its process and is unscored there; None for no limit."""


class RunConfig(_Settings, extra="forbid"):
    """One job: a model on a suite; `conf/bench.yaml`, composed and checked."""

    model: Annotated[Mapping[str, Any], _must_be("a model")]
    """The generator's `_target_` and arguments, `name` and `card`."""
    text: Any = None
    """The image-text network, to which `metrics.backbones` refers."""
    suite: SuiteConfig
    """What is asked of every model."""
    metrics: MetricsConfig
    """What is computed of every clip."""
    out: Folder
    """Folder of all suites."""
    stages: Annotated[frozenset[Stage], Field(min_length=1), _must_be("a list, as stages=[score]")]
    """To go through."""
    device: Annotated[str, _must_be("the name of a device, as auto")]
    """As torch names it, or `auto`."""
    limit: Annotated[FromOne | None, _must_be("at least 1 prompt, or null")]
    """Prompts to generate for; None for all."""
    warmup: Annotated[Whole, _must_be("a number from 0")]
    """Generations made and thrown away before the first timed one of each shape."""
    overwrite: Flag
    """Whether clips of another configuration are made again."""
    retry_failed: Flag
    """Whether failed clips are made again."""
    max_tries: Annotated[FromOne, _must_be("a number from 1")]
    """Beginnings without an end after which a clip is recorded as crashed."""
    least_appeal: Annotated[Points | None, _must_be("points from 0 to 100, as 60, or null")]
    """That a clip must have to be usable; None where none is asked."""
    store: Store
    """How the frames of clips are kept."""
    load_timeout_s: Limit
    """After which loading a model ends its process and is a mistake; None for no limit."""
    timeout_s: Limit
    """After which making a clip ends its process and is recorded as failed; None for no limit."""
    launch: LaunchConfig
    """Who makes the clips."""
    score: ScoreConfig
    """Who scores them."""
    hardware: Hardware
    """What it costs."""
    resolved: Mapping[str, Any]
    """All of it as JSON values, for `run.json`."""

    @field_validator("model")
    @classmethod
    def _has_card(cls, model: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(model.get("card"), Mapping | None):
            raise semantic("a model whose card is keys and values")
        return model

    @field_validator("hardware")
    @classmethod
    def _is_known(cls, hardware: Hardware) -> Hardware:
        if "gpus" in hardware.model_fields_set:
            raise semantic("a price alone, as the GPUs of a clip are counted while it is made")
        for key in hardware.__pydantic_extra__ or {}:
            raise semantic(_KEYS_OF_HARDWARE + nearest(key, _PRICE))
        return hardware


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as JSON values, interpolations resolved, missing values refused."""
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def parse_run(config: Mapping[str, Any]) -> RunConfig:
    """The settings of `conf/bench.yaml`, composed and resolved, each as it may be."""
    try:
        return RunConfig.model_validate({**config, "resolved": config})
    except ValidationError as error:
        raise BenchError(_mistake(error)) from None


def _mistake(error: ValidationError) -> str:
    """`KEY must be PHRASE, got VALUE` of the first fault."""
    detail = error.errors(include_url=False)[0]
    key = ".".join(map(str, takewhile(lambda part: isinstance(part, str), detail["loc"])))
    value, phrase = detail["input"], _PRICE.get(key.removeprefix("hardware."), detail["msg"])
    if detail["type"] == "missing":
        value, phrase = None, "there"
    elif detail["type"] == "model_type":
        phrase = _KEYS_OF_HARDWARE if key == "hardware" else _MAPPING
    elif detail["type"] in ("literal_error", "extra_forbidden"):
        choices = re.findall("'([^']*)'", detail.get("ctx", {}).get("expected", ""))
        if not choices:
            key, value, choices = "a key", key, [*RunConfig.model_fields]
            choices.remove("resolved")
        phrase = f"one of {', '.join(choices)}{nearest(str(value), choices)}"
    got = f"{value!r:.60}" if isinstance(value, list) else shown(value)
    return f"{key} must be {phrase}, got {got}"


def functional(
    model: Mapping[str, Any], less: Collection[str] = (), where: str = ""
) -> dict[str, Any]:
    """A model's configuration less what is only for people, at every depth.

    And `less` some paths, as `options.batch_size`; `where` begins those of a part of it.
    """
    return {
        key: functional(value, less, f"{where}{key}.") if isinstance(value, Mapping) else value
        for key, value in model.items()
        if key not in _COSMETIC and f"{where}{key}" not in less
    }


def deciding(model: Mapping[str, Any], generator: "Generator") -> dict[str, Any]:
    """A model's configuration less what decides no frame of it; part of every fingerprint.

    Classes are called by their `kind`, so that a file that moves makes no clip again.
    """
    return _by_kind(functional(model, generator.info.non_semantic))


def _by_kind(values: Mapping[str, Any]) -> dict[str, Any]:
    kind = (
        getattr(_imported(values["_target_"], "_target_"), "kind", "")
        if "_target_" in values
        else ""
    )
    return {
        key: _by_kind(value) if isinstance(value, Mapping) else value
        for key, value in values.items()
    } | ({"_target_": kind} if kind else {})


def build_generator(model: Mapping[str, Any], where: str = "model") -> "Generator":
    """The generator that a model's configuration describes, not yet loaded."""
    from bench.generators.base import Generator

    if "_target_" not in model:
        raise BenchError(
            f"{where}: expected what makes clips: begin its YAML with `defaults: [diffusers, "
            "_self_]`, or say a _target_, the import path of a generator of your own"
        )
    generator = _build(functional(model), where)
    if not isinstance(generator, Generator):
        raise BenchError(
            f"{where}._target_: expected a Generator, got {type(generator).__name__}; "
            "see bench/generators/base.py"
        )
    return generator


def build_backbones(configured: Mapping[str, Any]) -> "dict[str, Backbone]":
    """The backbones of `metrics.backbones`, by role, not yet loaded; an empty one is left out."""
    return {
        role: _build(target, f"metrics.backbones.{role}")
        for role, target in configured.items()
        if target
    }


def check_network(suite: SuiteConfig, backbones: "Mapping[str, Backbone]") -> None:
    """Hold the image-text network against the one that the suite names.

    A network that means nothing outside its own suite has to be named by it.
    """
    network = cast("TextNetwork | None", backbones.get("text"))
    if network is None:
        return
    named = suite.adherence_network
    if named is not None and named != network.name:
        raise BenchError(
            f"suite {suite.name} may be scored by the image-text network {named!r} alone, "
            f"got {network.name!r}: leave out text=..., or take text=none"
        )
    if named is None and not network.general:
        raise BenchError(
            f"the image-text network {network.name!r} means nothing on suite {suite.name}, "
            "which does not name it: take text=vit_b_32, or text=none"
        )


def build_metrics(configured: Mapping[str, str]) -> "dict[str, Metric]":
    """The metrics of `metrics.compute`: column name to import path."""
    from bench.metrics.base import Metric

    metrics = {}
    for name, path in configured.items():
        metric = _imported(path, f"metrics.compute.{name}")
        if not isinstance(metric, Metric):
            raise BenchError(
                f"metrics.compute.{name}: {path!r} is no metric; "
                "decorate the function with @metric(...) from bench.metrics.base"
            )
        metrics[name] = metric
    return metrics


def _build(config: Mapping[str, Any], where: str) -> Any:  # noqa: ANN401 - whatever it names
    _check_arguments(config, where)
    try:
        return instantiate(dict(config), _convert_="all")
    except InstantiationException as error:
        # A constructor's own BenchError comes wrapped; it says it better.
        if isinstance(error.__cause__, BenchError):
            raise error.__cause__ from None
        raise BenchError(f"{where}: {' '.join(str(error).split())}") from None


def _check_arguments(config: Mapping[str, Any], where: str) -> None:
    """Hold the keys against the constructor's signature, at every depth, before calling it."""
    from bench.generators.base import check_kind

    if not isinstance(config, Mapping):
        raise BenchError(f"{where} must be {_MAPPING} with a _target_, got {config!r}")
    for key, value in config.items():
        if isinstance(value, Mapping) and "_target_" in value:
            _check_arguments(value, f"{where}.{key}")
    target = config.get("_target_")
    if target is None:
        raise BenchError(f"{where}: expected a _target_, the import path of what to build")
    parameters = inspect.signature(_imported(target, f"{where}._target_")).parameters
    accepted = tuple(parameters)
    for key in config.keys() - {"_target_"}:
        if key not in parameters:
            raise BenchError(
                f"{where}: {target} takes no {key!r}{nearest(key, accepted)}; "
                f"it takes {', '.join(accepted)}"
            )
        check_kind(f"{where}.{key}", config[key], parameters[key].annotation)
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in config:
            raise BenchError(f"{where}: {target} needs {name!r}: add {where}.{name}=VALUE")


def _imported(path: str, where: str) -> Any:  # noqa: ANN401 - whatever stands at that path
    if not isinstance(path, str) or not path.strip():
        raise BenchError(f"{where} must be an import path, got {path!r}")
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:  # the user's own module may fail in any way while it is imported
        home, _, name = path.rpartition(".")
        if isinstance(error, AttributeError) and home in sys.modules:
            remedy = f"there is none{nearest(name, vars(sys.modules[home]))}"
        else:
            remedy = "a module of your own must lie here or in a folder of PYTHONPATH"
        raise BenchError(f"{where}: cannot import {path!r}: {one_line(error)}; {remedy}") from None
