"""From a composed Hydra configuration to objects, with mistakes named before work begins."""

import inspect
import pkgutil
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from bench.errors import BenchError, nearest, one_line
from bench.generators.account import is_amount
from bench.generators.base import Generator
from bench.metrics.base import Metric
from bench.storage import SAFE_NAME
from bench.vision.backbones import Backbone
from bench.vision.text import TextNetwork

STAGES = ("generate", "score", "publish")

# The top level of conf/bench.yaml; `+key=value` could add anything to it.
SETTINGS = (
    "model",
    "text",
    "suite",
    "metrics",
    "out",
    "stages",
    "device",
    "limit",
    "warmup",
    "overwrite",
    "retry_failed",
    "max_tries",
    "hardware",
)

# What a model's YAML says for people; it changes no frame, so it is in no fingerprint.
_COSMETIC = frozenset({"name", "card"})


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
    return _by_kind(_without(functional(model), generator.incidental))


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

    Raises:
        BenchError: if an argument is unknown or missing, or the target is no generator.
    """
    made = _build(functional(model), where)
    if not isinstance(made, Generator):
        raise BenchError(
            f"{where}._target_: expected a Generator, came {type(made).__name__}; "
            "see bench/generators/base.py"
        )
    return made


def build_backbones(configured: Mapping[str, Any]) -> dict[str, Backbone]:
    """The backbones of `metrics.backbones`, by role, not yet loaded; an empty one is left out."""
    return {
        role: _build(target, f"metrics.backbones.{role}")
        for role, target in configured.items()
        if target
    }


def check_network(suite: Mapping[str, Any], backbones: Mapping[str, Backbone]) -> None:
    """Hold the image-text network against the one that the suite names.

    Raises:
        BenchError: if the suite names another, or the network means nothing outside its own.
    """
    network = _text_network(backbones)
    if network is None:
        return
    named = suite.get("adherence_network")
    if named is not None and named != network.name:
        raise BenchError(
            f"suite {suite['name']} may be scored by the image-text network {named!r} alone, "
            f"came {network.name!r}: leave out text=..., or take text=none"
        )
    if named is None and not network.general:
        raise BenchError(
            f"the image-text network {network.name!r} means nothing on suite {suite['name']}, "
            "which does not name it: take text=vit_b_32, or text=none"
        )


def _text_network(backbones: Mapping[str, Backbone]) -> TextNetwork | None:
    return cast("TextNetwork | None", backbones.get("text"))


def build_metrics(configured: Mapping[str, str]) -> dict[str, Metric]:
    """The metrics of `metrics.compute`: column name to import path.

    Raises:
        BenchError: if a path cannot be imported, or is no metric.
    """
    metrics = {}
    for name, path in configured.items():
        found = _imported(path, f"metrics.compute.{name}")
        if not isinstance(found, Metric):
            raise BenchError(
                f"metrics.compute.{name}: {path!r} is no metric; "
                "decorate the function with @metric(...) from bench.metrics.base"
            )
        metrics[name] = found
    return metrics


def check_settings(config: Mapping[str, Any]) -> None:
    """Hold the run's own settings against what they may be, before anything is read or made.

    A command line gives text where it should give something else (`overwrite=no`, `limit=abc`).

    Raises:
        BenchError: naming the first key that is wrong, what it must be and what came.
    """
    for key in config:
        known = f"one of {', '.join(SETTINGS)}{nearest(str(key), SETTINGS)}"
        _need(key in SETTINGS, "a setting", known, key)
    suite, metrics, model = config.get("suite"), config.get("metrics"), config.get("model")
    _need(isinstance(suite, Mapping), "suite", "a suite", suite)
    _need(isinstance(metrics, Mapping), "metrics", "a set of metrics", metrics)
    _need(isinstance(model, Mapping), "model", "a model", model)
    assert isinstance(suite, Mapping)
    assert isinstance(metrics, Mapping)
    assert isinstance(model, Mapping)
    stages = config["stages"]
    _need(isinstance(stages, list) and bool(stages), "stages", "a list, as stages=[score]", stages)
    for stage in stages:
        known = f"one of {', '.join(STAGES)}{nearest(str(stage), STAGES)}"
        _need(stage in STAGES, "stages", known, stage)
    _need(_is_text(config["out"]), "out", "the name of a folder", config["out"])
    for key in ("overwrite", "retry_failed"):
        _need(isinstance(config[key], bool), key, "true or false", config[key])
    limit = config["limit"]
    _need(limit is None or _is_count(limit, 1), "limit", "at least 1 prompt, or null", limit)
    _need(_is_count(config["warmup"], 0), "warmup", "a number from 0", config["warmup"])
    _need(_is_count(config["max_tries"], 1), "max_tries", "a number from 1", config["max_tries"])
    _check_hardware(config["hardware"])
    _need(_is_text(suite.get("name")), "suite.name", "a name", suite.get("name"))
    check_name(suite["name"])
    taken = ("leaderboard", "images")  # folders of ${out} that hold no suite
    _need(suite["name"] not in taken, "suite.name", "another name", suite["name"])
    prompts = suite.get("prompts")
    _need(prompts is None or _is_text(prompts), "suite.prompts", "a prompt file, or null", prompts)
    seeds = suite.get("seeds")
    sound = isinstance(seeds, list) and bool(seeds) and all(_is_count(seed, 0) for seed in seeds)
    _need(sound, "suite.seeds", "a list of whole numbers, as suite.seeds=[0,1]", seeds)
    assert isinstance(seeds, list)
    _need(max(seeds) <= 2**53, "suite.seeds", "numbers up to 2^53, as result.json may hold", seeds)
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
    card = model.get("card")
    _need(card is None or isinstance(card, Mapping), "model.card", "keys and values", card)
    for key in ("backbones", "compute"):
        value = metrics.get(key)
        _need(isinstance(value, Mapping), f"metrics.{key}", "keys and values", value)


def _check_hardware(hardware: object) -> None:
    known = ("price_per_gpu_hour", "currency", "gpus")
    _need(isinstance(hardware, Mapping), "hardware", f"the keys {', '.join(known)}", hardware)
    assert isinstance(hardware, Mapping)
    for key in hardware:
        expected = f"one of {', '.join(known)}{nearest(str(key), known)}"
        _need(key in known, "a key of hardware", expected, key)
    price, currency, gpus = map(hardware.get, known)
    priced = price is None or is_amount(price)
    _need(priced, "hardware.price_per_gpu_hour", "a price from 0, as 2.49, or null", price)
    named = isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) is not None
    _need(named, "hardware.currency", "three capital letters, as USD or EUR", currency)
    _need(_is_count(gpus, 1), "hardware.gpus", "a number from 1", gpus)


def _need(sound: bool, key: str, expected: str, came: object) -> None:
    if not sound:
        raise BenchError(f"{key} must be {expected}, came {came!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_name(name: object) -> str:
    """The name of a row or a suite, which also names a folder.

    Raises:
        BenchError: if it could not be one everywhere.
    """
    if not isinstance(name, str) or not SAFE_NAME.fullmatch(name):
        raise BenchError(
            "names must be 1 to 100 letters, digits, '.', '_' or '-', beginning with a letter or "
            f"digit, came {name!r}: add ++model.name=NAME or suite.name=NAME"
        )
    return name


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration as JSON values, interpolations resolved, missing values refused."""
    resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


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
