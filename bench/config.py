"""The configuration: checked once, typed, and built into objects before any work begins."""

import inspect
import pkgutil
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from bench.errors import BenchError, nearest, one_line
from bench.generators.base import Generator
from bench.metrics.base import Metric
from bench.schema import MAX_INT, Hardware
from bench.storage import SAFE_NAME
from bench.vision.backbones import Backbone

if TYPE_CHECKING:
    from bench.vision.backbones import TextNetwork

# What a model's YAML says for people; it changes no frame, so it is in no fingerprint.
_COSMETIC = frozenset({"name", "card"})

Stage = Literal["generate", "score", "publish"]

STAGES: tuple[Stage, ...] = get_args(Stage)

# The top level of conf/bench.yaml; `+key=value` could add anything to it.
SETTINGS = (
    *("model", "text", "suite", "metrics", "out", "stages", "device"),
    *("limit", "warmup", "overwrite", "retry_failed", "max_tries", "hardware"),
)

_TAKEN = ("leaderboard", "images")  # folders of ${out} that hold no suite


@dataclass(frozen=True)
class SuiteConfig:
    """What is asked of every model.

    Attributes:
        name: of its folder.
        prompts: name or path of the prompt file; None where the generator brings its clips.
        seeds: different ones, from 0 to 2^53.
        files: folder of the pictures and videos that the prompt file names; None beside it.
        aspect: width to height, as `9:16`; None as each model makes it.
        follow_seconds: whether models make the lengths that prompts ask for.
        images: the model that makes the pictures clips begin with; None where files hold them.
        adherence_network: the one image-text network that may score it; None for every real one.
    """

    name: str
    prompts: str | None
    seeds: tuple[int, ...]
    files: str | None = None
    aspect: str | None = None
    follow_seconds: bool = False
    images: Mapping[str, Any] | None = None
    adherence_network: str | None = None

    @property
    def file_name(self) -> str | None:
        """Of the prompts; where they lie is their owner's business, and is not published."""
        return None if self.prompts is None else Path(self.prompts).name


@dataclass(frozen=True)
class MetricsConfig:
    """What is computed of every clip.

    Attributes:
        compute: name of a metric to its import path.
        backbones: role to the configuration of a network; an empty one is left out.
    """

    compute: Mapping[str, str]
    backbones: Mapping[str, Any]


@dataclass(frozen=True)
class RunConfig:
    """One job: a model on a suite; `conf/bench.yaml`, composed and checked.

    Attributes:
        model: the generator's `_target_` and arguments, `name` and `card`.
        out: folder of all suites.
        stages: to go through.
        device: as torch names it, or `auto`.
        limit: prompts to generate for; None for all.
        warmup: generations made and thrown away before the first timed one of each shape.
        overwrite: whether clips of another configuration are made again.
        retry_failed: whether failed clips are made again.
        max_tries: beginnings without an end after which a clip is recorded as crashed.
        hardware: what it costs.
        resolved: all of it as JSON values, for `run.json`.
    """

    model: Mapping[str, Any]
    suite: SuiteConfig
    metrics: MetricsConfig
    out: Path
    stages: frozenset[Stage]
    device: str
    limit: int | None
    warmup: int
    overwrite: bool
    retry_failed: bool
    max_tries: int
    hardware: Hardware
    resolved: Mapping[str, Any]


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as JSON values, interpolations resolved, missing values refused."""
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def parse_run(config: Mapping[str, Any]) -> RunConfig:
    """The settings of `conf/bench.yaml`, composed and resolved, each held against what it may be.

    A command line gives text where it should give something else (`overwrite=no`, `limit=abc`).
    """
    for key in config:
        _need_choice(key, SETTINGS, "a setting")
    suite = _mapping(config.get("suite"), "suite", "a suite")
    metrics = _mapping(config.get("metrics"), "metrics", "a set of metrics")
    model = _mapping(config.get("model"), "model", "a model")
    stages = config["stages"]
    _need(isinstance(stages, list) and bool(stages), "stages", "a list, as stages=[score]", stages)
    for stage in stages:
        _need_choice(stage, STAGES, "stages")
    _need(_is_text(config["out"]), "out", "the name of a folder", config["out"])
    for key in ("overwrite", "retry_failed"):
        _need(isinstance(config[key], bool), key, "true or false", config[key])
    limit = config["limit"]
    _need(limit is None or _is_count(limit, 1), "limit", "at least 1 prompt, or null", limit)
    _need(_is_count(config["warmup"], 0), "warmup", "a number from 0", config["warmup"])
    _need(_is_count(config["max_tries"], 1), "max_tries", "a number from 1", config["max_tries"])
    if model.get("card") is not None:
        _mapping(model["card"], "model.card", "keys and values")
    return RunConfig(
        model=model,
        suite=_suite(suite),
        metrics=MetricsConfig(
            **{
                key: _mapping(metrics.get(key), f"metrics.{key}", "keys and values")
                for key in ("compute", "backbones")
            }
        ),
        out=Path(config["out"]),
        stages=frozenset(stages),
        device=config["device"],
        limit=limit,
        warmup=config["warmup"],
        overwrite=config["overwrite"],
        retry_failed=config["retry_failed"],
        max_tries=config["max_tries"],
        hardware=_hardware(config["hardware"]),
        resolved=config,
    )


def _suite(suite: Mapping[str, Any]) -> SuiteConfig:
    _need(_is_text(suite.get("name")), "suite.name", "a name", suite.get("name"))
    name = check_name(suite["name"])
    _need(name not in _TAKEN, "suite.name", "another name", name)
    prompts = suite.get("prompts")
    _need(prompts is None or _is_text(prompts), "suite.prompts", "a prompt file, or null", prompts)
    seeds: Any = suite.get("seeds")
    whole = (
        isinstance(seeds, list) and bool(seeds) and all(type(n) is int and n >= 0 for n in seeds)
    )
    _need(whole, "suite.seeds", "a list of whole numbers, as suite.seeds=[0,1]", seeds)
    exact = max(seeds) <= MAX_INT
    _need(exact, "suite.seeds", "numbers up to 2^53, as result.json may hold", seeds)
    _need(len(set(seeds)) == len(seeds), "suite.seeds", "a list of different numbers", seeds)
    _need(
        prompts is not None or seeds == [0], "suite.seeds", "[0] for files, which have one", seeds
    )
    aspect = suite.get("aspect")
    shape = isinstance(aspect, str) and re.fullmatch("[1-9][0-9]*:[1-9][0-9]*", aspect) is not None
    # Without quotes YAML reads 9:16 as nine minutes and sixteen seconds.
    _need(aspect is None or shape, "suite.aspect", '"WIDTH:HEIGHT" in quotes, or null', aspect)
    follow = suite.get("follow_seconds", False)
    _need(isinstance(follow, bool), "suite.follow_seconds", "true or false", follow)
    return SuiteConfig(
        name=name,
        prompts=prompts,
        seeds=tuple(seeds),
        files=suite.get("files"),
        aspect=aspect,
        follow_seconds=follow,
        images=suite.get("images"),
        adherence_network=suite.get("adherence_network"),
    )


def _hardware(hardware: object) -> Hardware:
    keys = tuple(Hardware.model_fields)
    values = _mapping(hardware, "hardware", f"the keys {', '.join(keys)}")
    for key in values:
        _need_choice(key, keys, "a key of hardware")
    price, currency, gpus = map(values.get, keys)
    priced = price is None or _is_price(price)
    _need(priced, "hardware.price_per_gpu_hour", "a price from 0, as 2.49, or null", price)
    named = isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) is not None
    _need(named, "hardware.currency", "three capital letters, as USD or EUR", currency)
    _need(_is_count(gpus, 1), "hardware.gpus", "a number from 1", gpus)
    return Hardware(price_per_gpu_hour=price, currency=str(currency), gpus=cast("int", gpus))


def check_name(name: object) -> str:
    """The name of a row or a suite, which also names a folder on every system."""
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise BenchError(
            "names must be 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or "
            f"digit, got {name!r}: add ++model.name=NAME or suite.name=NAME"
        )
    return name


def functional(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration less what is only for people, at every depth."""
    return {
        key: functional(value) if isinstance(value, Mapping) else value
        for key, value in model.items()
        if key not in _COSMETIC
    }


def deciding(model: Mapping[str, Any], generator: Generator) -> dict[str, Any]:
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


def build_generator(model: Mapping[str, Any], where: str = "model") -> Generator:
    """The generator that a model's configuration describes, not yet loaded.

    Args:
        model: the configuration.
        where: its key, for messages.
    """
    generator = _build(functional(model), where)
    if not isinstance(generator, Generator):
        raise BenchError(
            f"{where}._target_: expected a Generator, got {type(generator).__name__}; "
            "see bench/generators/base.py"
        )
    return generator


def build_backbones(configured: Mapping[str, Any]) -> dict[str, Backbone]:
    """The backbones of `metrics.backbones`, by role, not yet loaded; an empty one is left out."""
    return {
        role: _build(target, f"metrics.backbones.{role}")
        for role, target in configured.items()
        if target
    }


def check_network(suite: SuiteConfig, backbones: Mapping[str, Backbone]) -> None:
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


def build_metrics(configured: Mapping[str, str]) -> dict[str, Metric]:
    """The metrics of `metrics.compute`: column name to import path."""
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
    _need(isinstance(config, Mapping), where, "keys and values with a _target_", config)
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
    _need(_is_text(path), where, "an import path", path)
    try:
        return pkgutil.resolve_name(path)
    except Exception as error:  # the user's own module may fail in any way while it is imported
        raise BenchError(
            f"{where}: cannot import {path!r}: {one_line(error)}; a module of your own must lie in "
            "a folder of PYTHONPATH"
        ) from None


def _mapping(value: object, key: str, expected: str) -> Mapping[str, Any]:
    _need(isinstance(value, Mapping), key, expected, value)
    return cast("Mapping[str, Any]", value)


def _need(sound: bool, key: str, expected: str, value: object) -> None:
    if not sound:
        raise BenchError(f"{key} must be {expected}, got {value!r}")


def _need_choice(value: object, choices: Sequence[str], key: str) -> None:
    expected = f"one of {', '.join(choices)}{nearest(str(value), choices)}"
    _need(value in choices, key, expected, value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object, least: int) -> bool:
    return type(value) is int and least <= value <= MAX_INT


def _is_price(value: object) -> bool:
    return type(value) in (int, float) and 0 <= cast("float", value) <= 1e9
