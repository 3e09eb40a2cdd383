"""The configuration: composed, checked once, typed, and built into objects before any work."""

import argparse
import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import hydra
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from bench.errors import BenchError, attempt, nearest, one_line
from bench.schema import MAX_INT, Hardware, NonBlank, Points, Store, must_be, semantic
from bench.storage import CONF, SAFE_NAME
from bench.trust import FLAG, HELP, accept_command_line, refuse_code

if TYPE_CHECKING:  # they import torch, which takes seconds: only what builds something pays them
    from bench.generators.base import Generator
    from bench.metrics.base import Metric
    from bench.vision.backbones import Backbone, TextNetwork

# What a model's YAML says for people; it changes no frame, so it is in no fingerprint.
_COSMETIC = frozenset({"name", "card"})

# A folder's clips are called by the name of the folder; see `conf/model/folder.yaml`.
OmegaConf.register_new_resolver("basename", lambda path: Path(path).resolve().name, replace=True)

# An option of half the steps: see `conf/experiment/acceleration.yaml`.
OmegaConf.register_new_resolver("half", lambda count: max(1, count // 2), replace=True)

_TAKEN = ("leaderboard", "images")  # folders of ${out} that hold no suite

_MAPPING = "keys and values"
_NAMED_FOLDER = "the name of a folder"

_PRICE = ("price_per_gpu_hour", "currency")

_EXPECTED = {
    "model": "a model",
    "text": "an image-text network",
    "suite": "a suite",
    "suite.prompts": "a prompt file, or null",
    "suite.seeds": "a list of different whole numbers from 0 to 2^53, as suite.seeds=[0,1]",
    "suite.files": "a folder of images and driving videos, or null",
    # Without quotes YAML reads 9:16 as nine minutes and sixteen seconds.
    "suite.aspect": '"WIDTH:HEIGHT" in quotes, or null',
    "suite.follow_seconds": "true or false",
    "suite.images": f"{_MAPPING} of a model, or null",
    "suite.adherence_network": "the name of a network, or null",
    "metrics": "a set of metrics",
    "metrics.compute": _MAPPING,
    "metrics.backbones": _MAPPING,
    "out": _NAMED_FOLDER,
    "stages": "a list, as stages=[score]",
    "device": "the name of a device, as auto",
    "limit": "at least 1 prompt, or null",
    "warmup": "a number from 0",
    "overwrite": "true or false",
    "retry_failed": "true or false",
    "max_tries": "a number from 1",
    "least_appeal": "points from 0 to 100, as 60, or null",
    "launch": "the keys workers, jobs and job",
    "launch.workers": "a number from 1, or auto",
    "launch.jobs": "a number from 1",
    "launch.job": "a number from 0 and below launch.jobs",
    "score": "the keys workers and timeout_s",
    "score.workers": "a number from 1, or auto",
    "score.timeout_s": "seconds above 0, or null",
    "store": " or ".join(get_args(Store)),
    "load_timeout_s": "seconds above 0, or null",
    "timeout_s": "seconds above 0, or null",
    "hardware": f"the keys {' and '.join(_PRICE)}",
    "hardware.price_per_gpu_hour": "a price from 0, as 2.49, or null",
    "hardware.currency": "three capital letters, as USD or EUR",
}
"""What each setting must be."""


def check_name(name: object) -> str:
    """The name of a row or a suite, which also names a folder on every system."""
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise BenchError(
            "names must be 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or "
            f"digit, got {name!r}: add ++model.name=NAME or suite.name=NAME"
        )
    return name


def _folder(name: object) -> Path:
    if not isinstance(name, str) or not name.strip():
        raise semantic(_NAMED_FOLDER)
    return Path(name)


def _workers(value: object) -> object:
    if value != "auto" and not (type(value) is int and value >= 1):
        raise ValueError
    return value


# A command line gives text where it should give something else, as overwrite=no or limit=abc.
Flag = Annotated[bool, Field(strict=True)]
Whole = Annotated[int, Field(strict=True, ge=0, le=MAX_INT)]
Stage = Literal["generate", "score", "publish"]
Workers = Annotated[int | Literal["auto"], PlainValidator(_workers)]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True)


class SuiteConfig(_Settings):
    """What is asked of every model."""

    name: Annotated[str, BeforeValidator(check_name)]
    """Of its folder."""
    prompts: NonBlank | None = None
    """Name or path of the prompt file; None where the generator brings its clips."""
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1)]
    """Different ones."""
    files: NonBlank | None = None
    """Folder of the pictures and videos that the prompt file names; None beside it."""
    aspect: Annotated[str, Field(pattern="^[1-9][0-9]*:[1-9][0-9]*$")] | None = None
    """Width to height, as `9:16`; None as each model makes it."""
    follow_seconds: Flag = False
    """Whether models make the lengths that prompts ask for."""
    images: Mapping[str, Any] | None = None
    """The model that makes the pictures clips begin with; None where files hold them."""
    adherence_network: NonBlank | None = None
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
            raise ValueError
        if others.data.get("prompts", "") is None and seeds != (0,):
            raise semantic("[0] for files, which have one")
        return seeds

    @property
    def file_name(self) -> str | None:
        """Of the prompts; where they lie is their owner's business, and is not published."""
        return None if self.prompts is None else Path(self.prompts).name


class MetricsConfig(_Settings):
    """What is computed of every clip."""

    compute: Mapping[str, Any]
    """Name of a metric to its import path."""
    backbones: Mapping[str, Any]
    """Role to the configuration of a network; an empty one is left out."""


class LaunchConfig(_Settings):
    """Which processes make the clips of a model; see `conf/launch/`."""

    workers: Workers
    """Processes of one machine."""
    jobs: Annotated[Whole, Field(ge=1)]
    """Of a cluster, each with its workers."""
    job: Whole
    """Which of them this is."""

    @field_validator("job")
    @classmethod
    def _is_one_of_them(cls, job: int, others: ValidationInfo) -> int:
        if job >= others.data.get("jobs", job + 1):
            raise ValueError
        return job


class ScoreConfig(_Settings):
    """How clips are scored."""

    workers: Workers
    """Processes of one machine."""
    timeout_s: Limit | None
    """After which a metric of a clip ends its process and is unscored there; None for no limit."""


class RunConfig(_Settings, extra="forbid"):
    """One job: a model on a suite; `conf/bench.yaml`, composed and checked."""

    model: Mapping[str, Any]
    """The generator's `_target_` and arguments, `name` and `card`."""
    text: Any = None
    """The image-text network, to which `metrics.backbones` refers."""
    suite: SuiteConfig
    """What is asked of every model."""
    metrics: MetricsConfig
    """What is computed of every clip."""
    out: Annotated[Path, BeforeValidator(_folder)]
    """Folder of all suites."""
    stages: Annotated[frozenset[Stage], Field(min_length=1)]
    """To go through."""
    device: str
    """As torch names it, or `auto`."""
    limit: Annotated[Whole, Field(ge=1)] | None
    """Prompts to generate for; None for all."""
    warmup: Whole
    """Generations made and thrown away before the first timed one of each shape."""
    overwrite: Flag
    """Whether clips of another configuration are made again."""
    retry_failed: Flag
    """Whether failed clips are made again."""
    max_tries: Annotated[Whole, Field(ge=1)]
    """Beginnings without an end after which a clip is recorded as crashed."""
    least_appeal: Points | None
    """That a clip must have to be usable; None where none is asked."""
    store: Store
    """How the frames of clips are kept."""
    load_timeout_s: Limit | None
    """After which loading a model ends its process and is a mistake; None for no limit."""
    timeout_s: Limit | None
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
            raise semantic(f"the keys {' and '.join(_PRICE)}{nearest(key, _PRICE)}")
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
        raise BenchError(must_be(error, _EXPECTED)) from None


def functional(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration less what is only for people, at every depth."""
    return {
        key: functional(value) if isinstance(value, Mapping) else value
        for key, value in model.items()
        if key not in _COSMETIC
    }


def deciding(model: Mapping[str, Any], generator: "Generator") -> dict[str, Any]:
    """A model's configuration less what decides no frame of it; part of every fingerprint.

    Classes are called by their `kind`, so that a file that moves makes no clip again.
    """
    return _by_kind(_without(functional(model), generator.info.non_semantic))


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


def _without(values: Mapping[str, Any], paths: Collection[str], where: str = "") -> dict[str, Any]:
    return {
        key: _without(value, paths, f"{where}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{where}{key}" not in paths
    }


def build_generator(model: Mapping[str, Any], where: str = "model") -> "Generator":
    """The generator that a model's configuration describes, not yet loaded."""
    from bench.generators.base import Generator

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
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in config:
            raise BenchError(f"{where}: {target} needs {name!r}: add {where}.{name}=VALUE")


def _imported(path: str, where: str) -> Any:  # noqa: ANN401 - whatever stands at that path
    if not isinstance(path, str) or not path.strip():
        raise BenchError(f"{where} must be an import path, got {path!r}")
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:  # the user's own module may fail in any way while it is imported
        raise BenchError(
            f"{where}: cannot import {path!r}: {one_line(error)}; a module of your own must lie in "
            "a folder of PYTHONPATH"
        ) from None


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Have a command take what `python -m bench` takes."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for python -m bench")
    parser.add_argument("--config-dir", metavar="DIR", help="folder of your own configuration")
    parser.add_argument(FLAG, action="store_true", help=HELP)


def read_overrides(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The command line (None: of the process), where options may stand between overrides."""
    options, more = parser.parse_known_args(arguments)
    if unknown := [argument for argument in more if argument.startswith("-")]:
        parser.error(f"there is no {unknown[0]}")
    options.overrides += more
    return options


def compose_config(name: str, options: argparse.Namespace) -> DictConfig:
    """`conf/<name>.yaml` with the overrides of a command line."""
    return compose_choice(name, options)[0]


def compose_choice(name: str, options: argparse.Namespace) -> tuple[DictConfig, str]:
    """As `compose_config`, and the name of the model's YAML."""
    if not options.allow_code:
        refuse_code(name, options.overrides, options.config_dir)
    overrides = list(options.overrides)
    if options.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(options.config_dir).resolve()}]")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(name, overrides, return_hydra_config=True)
    choice = str(config.hydra.runtime.choices.get("model"))
    with open_dict(config):
        del config.hydra
    return config, choice


def run_command(name: str, job: Callable[[dict[str, Any]], int]) -> int:
    """A command whose whole command line is Hydra's, of `conf/<name>.yaml`; its exit code."""
    configs: list[dict[str, Any]] = []  # none where Hydra only shows something, as with --cfg job

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)
    def compose_config(config: DictConfig) -> None:
        configs.append(plain(config))

    def run() -> int:
        accept_command_line(name)
        compose_config()
        return max(map(job, configs), default=0)

    return attempt(run)
