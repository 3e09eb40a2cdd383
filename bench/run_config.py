"""RunConfig: the configuration of one job, checked once and handed on in typed parts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from bench.errors import BenchError, nearest
from bench.paths import SAFE_NAME
from bench.schema import MAX_INT, Hardware

Stage = Literal["generate", "score", "publish"]

STAGES: tuple[Stage, ...] = get_args(Stage)

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
    """One job: a model on a suite.

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


def parse_run(config: Mapping[str, Any]) -> RunConfig:
    """The settings of `conf/bench.yaml`, composed and resolved, each held against what it may be.

    A command line gives text where it should give something else (`overwrite=no`, `limit=abc`).

    Raises:
        BenchError: naming the first key that is wrong, what it must be and what came.
    """
    for key in config:
        known = f"one of {', '.join(SETTINGS)}{nearest(str(key), SETTINGS)}"
        _need(key in SETTINGS, "a setting", known, key)
    suite = _mapping(config.get("suite"), "suite", "a suite")
    metrics = _mapping(config.get("metrics"), "metrics", "a set of metrics")
    model = _mapping(config.get("model"), "model", "a model")
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
    seeds = suite.get("seeds")
    sound = isinstance(seeds, list) and bool(seeds) and all(_is_count(seed, 0) for seed in seeds)
    _need(sound, "suite.seeds", "a list of whole numbers, as suite.seeds=[0,1]", seeds)
    seeds = cast("list[int]", seeds)
    limit = "numbers up to 2^53, as result.json may hold"
    _need(max(seeds) <= MAX_INT, "suite.seeds", limit, seeds)
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
    known = tuple(Hardware.model_fields)
    values = _mapping(hardware, "hardware", f"the keys {', '.join(known)}")
    for key in values:
        expected = f"one of {', '.join(known)}{nearest(str(key), known)}"
        _need(key in known, "a key of hardware", expected, key)
    price, currency, gpus = map(values.get, known)
    priced = price is None or _is_price(price)
    _need(priced, "hardware.price_per_gpu_hour", "a price from 0, as 2.49, or null", price)
    named = isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency) is not None
    _need(named, "hardware.currency", "three capital letters, as USD or EUR", currency)
    _need(_is_count(gpus, 1), "hardware.gpus", "a number from 1", gpus)
    count = cast("int", gpus)
    _need(count <= MAX_INT, "hardware.gpus", "a number up to 2^53", count)
    return Hardware(price_per_gpu_hour=price, currency=str(currency), gpus=count)


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


def _mapping(value: object, key: str, expected: str) -> Mapping[str, Any]:
    _need(isinstance(value, Mapping), key, expected, value)
    return cast("Mapping[str, Any]", value)


def _need(sound: bool, key: str, expected: str, came: object) -> None:
    if not sound:
        raise BenchError(f"{key} must be {expected}, came {came!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e9
