"""From a composed Hydra configuration to objects, with mistakes named before work begins."""

import inspect
import pkgutil
from collections.abc import Mapping
from typing import Any, cast

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from bench.errors import BenchError, nearest
from bench.generators.base import Generator
from bench.metrics.base import Metric
from bench.paths import SAFE_NAME
from bench.vision.backbones import Backbone
from bench.vision.text import TextNetwork

STAGES = ("generate", "score", "publish")

# What a model's YAML says for people; it changes no frame, so it is in no fingerprint.
_COSMETIC = frozenset({"name", "card"})


def functional(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model's configuration less what is only for people, at every depth."""
    return {
        key: functional(value) if isinstance(value, Mapping) else value
        for key, value in model.items()
        if key not in _COSMETIC
    }


def build_generator(model: Mapping[str, Any]) -> Generator:
    """The generator that a model's configuration describes, not yet loaded.

    Raises:
        BenchError: if an argument is unknown or missing, or the target is no generator.
    """
    made = _build(functional(model), "model")
    if not isinstance(made, Generator):
        raise BenchError(
            f"model._target_: expected a Generator, came {type(made).__name__}; "
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


def check_stages(stages: list[str]) -> None:
    """Raises BenchError for a stage there is not."""
    for stage in stages:
        if stage not in STAGES:
            raise BenchError(
                f"unknown stage {stage!r}{nearest(stage, STAGES)}; stages are {', '.join(STAGES)}"
            )


def check_name(name: str) -> str:
    """A row's name, which also names a folder.

    Raises:
        BenchError: if it could not be one everywhere.
    """
    if not SAFE_NAME.fullmatch(name):
        raise BenchError(
            f"the row's name must be 1 to 100 letters, digits, '.', '_' or '-', came {name!r}: "
            "add model.name=NAME"
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
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise BenchError(f"{where}: cannot import {path!r}: {str(error).splitlines()[0]}") from None
