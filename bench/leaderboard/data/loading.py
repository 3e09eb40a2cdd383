"""Result files: found, read and checked."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bench.errors import BenchError
from bench.generators.account import is_amount, read_account
from bench.leaderboard.data.measurements import read_amount, read_measurements, read_software
from bench.leaderboard.data.results import Card, ClipResult, Hardware, Metric, Result
from bench.run.assemble import SCHEMA
from bench.run.groups import read_comparison, read_likeness
from bench.storage import read_json

FILE_NAME = "result.json"
PUBLISHED = "results/*/*.json"
"""Where a leaderboard's folder holds results: one folder a suite, one file a model."""

_MOST = 2**53  # up to here every reader of JSON tells one whole number from the next
_ABSENT = type(None)
_NUMBER = (int, float)

P = ParamSpec("P")
T = TypeVar("T")


class ResultError(BenchError):
    """A result file that holds what it should not; the message names the first fault.

    Attributes:
        faults: all of them, one line each: one for each metric, clip and number that is wrong.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        more = f" (the first of {len(faults)} faults)" if len(faults) > 1 else ""
        super().__init__(faults[0] + more)
        self.faults = tuple(faults)


def find(paths: Sequence[Path]) -> list[Path]:
    """Result files at or under the paths, each once, in the order given.

    A path may be a result file, a run's folder that holds one, a folder of such folders (one
    suite), a folder of those (a whole output folder), or the folder of a leaderboard.

    Raises:
        BenchError: if a path does not exist, or a folder holds no result.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _find(path):
            found.setdefault(file.resolve(), file)
    return list(found.values())


def _find(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise BenchError(f"expected a result file or a run's folder, {path} does not exist")
    for pattern in (FILE_NAME, f"*/{FILE_NAME}", f"*/*/{FILE_NAME}", PUBLISHED):
        if files := sorted(path.glob(pattern)):
            return files
    raise BenchError(
        f"expected {FILE_NAME} in {path} or in a folder below it, found none: "
        "run `python -m bench` first, or give the folder of a finished run"
    )


def load(path: Path) -> Result:
    """Read and check one result file.

    Keys that are not known are left alone: a file may say more than is read here.

    Raises:
        BenchError: if it is not a result of this schema; the file and the key are named. A
            ResultError if single metrics, clips or numbers are wrong.
    """
    content = read_json(path, mend=f"give a {FILE_NAME} as a run wrote it")
    where = str(path)
    schema = _get(content, "schema", (int,), where)
    if schema != SCHEMA:
        age = "newer: update steadybench" if schema > SCHEMA else "older: run the suite again"
        raise BenchError(f"{where}: expected schema {SCHEMA}, came {schema}, which is {age}")
    faults = [f"{where}: {fault}" for fault in _unwritable(content)]
    card = _get(content, "card", (dict,), where)
    environment = _get(content, "environment", (dict,), where)
    versions = _get(environment, "versions", (dict,), f"{where}: environment")
    _one_of(content.get("weights"), ("real", "random", None), "weights", where)
    prompts = _get(content, "prompts", (dict,), where)
    expected = _get(content, "expected", (dict,), where)
    metrics = _get(content, "metrics", (dict,), where)
    clips = _list(content, "clips", (dict,), where)
    result = Result(
        model=_get(content, "model", (str,), where),
        suite=_get(content, "suite", (str,), where),
        card=Card(
            title=_text(card.get("title")),
            licence=_text(card.get("licence")),
            parameters=_text(card.get("parameters")),
            open_weights=_optional(card, "open_weights", (bool,), f"{where}: card"),
            max_seconds=_optional(card, "max_seconds", _NUMBER, f"{where}: card"),
            resolution=_text(card.get("resolution")),
            declared_s_per_video_s=_optional(
                card, "declared_s_per_video_s", _NUMBER, f"{where}: card"
            ),
        ),
        random_weights=content.get("weights") == "random",
        measured=_get(content, "measured", (bool,), where),
        device=_get(environment, "device", (str,), f"{where}: environment"),
        cpu=_text(environment.get("cpu")),
        torch=_text(versions.get("torch")),
        commit=_get(environment, "commit", (str, _ABSENT), f"{where}: environment"),
        dirty=_get(environment, "dirty", (bool, _ABSENT), f"{where}: environment"),
        prompts_sha256=_get(prompts, "sha256", (str, _ABSENT), f"{where}: prompts"),
        expected_prompts=tuple(_list(expected, "prompts", (str,), f"{where}: expected")),
        seeds=tuple(_list(expected, "seeds", (int,), f"{where}: expected")),
        metrics={
            name: metric
            for name in sorted(metrics)
            if (metric := _noting(faults, _metric, metrics[name], name, where))
        },
        fingerprint=_get(content, "fingerprint", (str,), where),
        clips=tuple(
            clip
            for number, entry in enumerate(clips, start=1)
            if (clip := _noting(faults, _clip, entry, f"{where}: clip {number}"))
        ),
        content=content,
        cross_clip=read_comparison(content.get("cross_clip"), where),
        software=read_software(environment, _text(versions.get("torch"))),
        power_limit_w=read_amount(environment.get("gpu"), "power_limit_w", where),
        weights_on_device_bytes=read_amount(
            content.get("loaded"), "weights_on_device_bytes", where
        ),
        hardware=_hardware(content.get("hardware"), where),
        calibration=_calibration(content.get("calibration")),
        aspect=_text(content.get("aspect")),
    )
    faults += _misplaced(result, where)
    if faults:
        raise ResultError(faults)
    return result


def _noting(
    faults: list[str], make: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """What `make` returns; None, and a line more in `faults`, where that is a BenchError."""
    try:
        return make(*args, **kwargs)
    except BenchError as error:
        faults.append(str(error))
        return None


def _metric(entry: object, name: str, where: str) -> Metric:
    where = f"{where}: metric {name!r}"
    if not isinstance(entry, dict):
        raise BenchError(f"{where}: expected an object, came {type(entry).__name__}")
    better = _get(entry, "better", (str, _ABSENT), where)
    _one_of(better, ("higher", "lower", None), "better", where)
    return Metric(
        unit=_get(entry, "unit", (str,), where),
        better=better,
        version=_get(entry, "version", (int,), where),
        fingerprint=_get(entry, "fingerprint", (str,), where),
    )


def _hardware(entry: object, where: str) -> Hardware:
    """What the hardware costs; of files of before it was kept, nothing is known."""
    if entry is None:
        return Hardware()
    known = {field.name for field in fields(Hardware)}
    if not isinstance(entry, dict) or not known <= entry.keys():
        raise BenchError(f"{where}: expected 'hardware' with the keys {', '.join(sorted(known))}")
    price = entry["price_per_gpu_hour"]
    if price is not None and not is_amount(price):
        raise BenchError(f"{where}: expected 'price_per_gpu_hour' from 0 or null, came {price!r}")
    currency = _get(entry, "currency", (str,), f"{where}: hardware")
    gpus = _get(entry, "gpus", (int,), f"{where}: hardware")
    if gpus < 1:
        raise BenchError(f"{where}: expected 'gpus' from 1, came {gpus}")
    return Hardware(price, currency, gpus)


def _calibration(entry: object) -> str | None:
    """Hash of the headline's scales; None if the file names none."""
    return _text(entry.get("sha256")) if isinstance(entry, dict) else None


_CLIP_KEYS: dict[str, tuple[type, ...]] = {
    "prompt": (str,),
    "seed": (int,),
    "status": (str,),
    "error": (str, _ABSENT),
    "frames": (int, _ABSENT),
    "height": (int, _ABSENT),
    "width": (int, _ABSENT),
    "fps": (*_NUMBER, _ABSENT),
    "frames_sha256": (str, _ABSENT),
    "lossy": (bool,),
    "device": (str, _ABSENT),
    "latency_s": (*_NUMBER, _ABSENT),
    "peak_memory_allocated_bytes": (int, _ABSENT),
    "peak_memory_reserved_bytes": (int, _ABSENT),
    "energy_j": (*_NUMBER, _ABSENT),
    "warm": (bool,),
    "scores": (dict,),
    "unscored": (dict,),
}


def _clip(entry: dict[str, Any], where: str) -> ClipResult:
    clip = ClipResult(
        **{key: _get(entry, key, kinds, where) for key, kinds in _CLIP_KEYS.items()},
        account=read_account(entry.get("account"), where),
        seconds_requested=_optional(entry, "seconds_requested", _NUMBER, where),
        cross_clip=read_likeness(entry.get("cross_clip"), where),
        took=read_measurements(entry, where),
        category=_text(entry.get("category")),
    )
    _one_of(clip.status, ("ok", "error", "oom", "crashed"), "status", where)
    if clip.status == "ok":
        for key in ("frames", "height", "width", "fps"):
            if not entry[key] or entry[key] < 0:
                raise BenchError(f"{where}: expected {key!r} above 0, came {entry[key]!r}")
    for name in clip.scores:
        _get(entry["scores"], name, (*_NUMBER, _ABSENT), f"{where}: scores")
    for name in clip.unscored:
        _get(entry["unscored"], name, (str,), f"{where}: unscored")
    return clip


def _misplaced(result: Result, where: str) -> Iterator[str]:
    """One line for each clip that stands twice or that a complete run would not hold."""
    prompts, seeds = set(result.expected_prompts), set(result.seeds)
    seen: set[tuple[str, int]] = set()
    for clip in result.clips:
        key = (clip.prompt, clip.seed)
        name = f"prompt {clip.prompt!r} seed {clip.seed}"
        if key in seen:
            yield f"{where}: expected each clip once, {name} stands twice"
        if clip.prompt not in prompts or clip.seed not in seeds:
            yield f"{where}: {name} is not among the expected prompts and seeds"
        seen.add(key)


def _get(entry: Mapping[str, Any], key: str, kinds: tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - JSON
    """The value of a required key, checked to be of one of the kinds."""
    if key not in entry:
        raise BenchError(f"{where}: expected the key {key!r}, it is missing")
    _of_kind(entry[key], key, kinds, where)
    return entry[key]


def _optional(entry: Mapping[str, Any], key: str, kinds: tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - JSON
    """The value of a key that may be missing, or null, checked to be of one of the kinds."""
    value = entry.get(key)
    if value is not None:
        _of_kind(value, key, kinds, where)
    return value


def _list(entry: Mapping[str, Any], key: str, kinds: tuple[type, ...], where: str) -> list[Any]:
    values: list[Any] = _get(entry, key, (list,), where)
    for value in values:
        _of_kind(value, key, kinds, where)
    return values


def _of_kind(value: object, key: str, kinds: tuple[type, ...], where: str) -> None:
    # bool is a subclass of int, and true is no number of frames.
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join("null" if kind is _ABSENT else kind.__name__ for kind in kinds)
        raise BenchError(f"{where}: expected {key!r} as {expected}, came {value!r:.80}")


def _one_of(value: object, known: tuple[object, ...], key: str, where: str) -> None:
    if value not in known:
        raise BenchError(f"{where}: expected {key!r} as one of {known}, came {value!r:.80}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _unwritable(value: object, place: str = "") -> Iterator[str]:
    """What can be read from JSON and not be published.

    NaN, infinities, whole numbers beyond 2^53, halves of characters.
    """
    if isinstance(value, float) and not math.isfinite(value):
        yield f"expected finite numbers, {place} is not; it should be null"
    elif isinstance(value, int) and abs(value) > _MOST:
        yield f"expected whole numbers up to 2^53, {place} is not"
    elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        yield f"expected text at {place}, came half a surrogate pair"
    elif isinstance(value, dict):
        for key, inner in value.items():
            inside = f"{place}.{key}".lstrip(".")
            yield from _unwritable(key, f"the key {inside!r}")
            yield from _unwritable(inner, inside)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _unwritable(inner, f"{place}.{index}".lstrip("."))
