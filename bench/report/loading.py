"""Result files: found, read and checked."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.account import is_amount, read_account
from bench.errors import BenchError
from bench.records import read_json
from bench.report.results import Card, ClipResult, Hardware, Metric, Result
from bench.result import SCHEMA

FILE_NAME = "result.json"

_ABSENT = type(None)
_NUMBER = (int, float)


def find(paths: Sequence[Path]) -> list[Path]:
    """Result files at or under the paths, each once, in the order given.

    A path may be a result file, a run's folder that holds one, a folder of such folders (one
    suite), or a folder of those (a whole output folder).

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
    for pattern in (FILE_NAME, f"*/{FILE_NAME}", f"*/*/{FILE_NAME}"):
        if files := sorted(path.glob(pattern)):
            return files
    raise BenchError(
        f"expected {FILE_NAME} in {path} or in a folder below it, found none: "
        "run `python -m bench` first, or give the folder of a finished run"
    )


def load(path: Path) -> Result:
    """Read and check one result file.

    Raises:
        BenchError: if it is not a result of this schema; the file and the key are named.
    """
    content = read_json(path, mend=f"give a {FILE_NAME} as a run wrote it")
    where = str(path)
    schema = _get(content, "schema", (int,), where)
    if schema != SCHEMA:
        age = "newer: update steadybench" if schema > SCHEMA else "older: run the suite again"
        raise BenchError(f"{where}: expected schema {SCHEMA}, came {schema}, which is {age}")
    for place in _not_finite(content):
        raise BenchError(f"{where}: expected finite numbers, {place} is not; it should be null")
    card = _get(content, "card", (dict,), where)
    environment = _get(content, "environment", (dict,), where)
    versions = _get(environment, "versions", (dict,), f"{where}: environment")
    _one_of(content.get("weights"), ("real", "random", None), "weights", where)
    prompts = _get(content, "prompts", (dict,), where)
    expected = _get(content, "expected", (dict,), where)
    metrics = _get(content, "metrics", (dict,), where)
    result = Result(
        model=_get(content, "model", (str,), where),
        suite=_get(content, "suite", (str,), where),
        card=Card(
            title=_text(card.get("title")),
            licence=_text(card.get("licence")),
            parameters=_text(card.get("parameters")),
            open_weights=_optional(card, "open_weights", (bool,), where),
            max_seconds=_optional(card, "max_seconds", _NUMBER, where),
            resolution=_text(card.get("resolution")),
            declared_s_per_video_s=_optional(card, "declared_s_per_video_s", _NUMBER, where),
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
        metrics={name: _metric(metrics[name], name, where) for name in sorted(metrics)},
        fingerprint=_get(content, "fingerprint", (str,), where),
        clips=tuple(
            _clip(entry, f"{where}: clip {number}")
            for number, entry in enumerate(_list(content, "clips", (dict,), where), start=1)
        ),
        content=content,
        hardware=_hardware(content.get("hardware"), where),
        calibration=_text((content.get("calibration") or {}).get("sha256")),
    )
    _check_clips(result, where)
    return result


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
    if not isinstance(entry, dict) or entry.keys() != known:
        raise BenchError(f"{where}: expected 'hardware' with the keys {', '.join(sorted(known))}")
    price = entry["price_per_gpu_hour"]
    if price is not None and not is_amount(price):
        raise BenchError(f"{where}: expected 'price_per_gpu_hour' from 0 or null, came {price!r}")
    currency = _get(entry, "currency", (str,), f"{where}: hardware")
    gpus = _get(entry, "gpus", (int,), f"{where}: hardware")
    if gpus < 1:
        raise BenchError(f"{where}: expected 'gpus' from 1, came {gpus}")
    return Hardware(price, currency, gpus)


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


def _check_clips(result: Result, where: str) -> None:
    prompts, seeds = set(result.expected_prompts), set(result.seeds)
    seen: set[tuple[str, int]] = set()
    for clip in result.clips:
        key = (clip.prompt, clip.seed)
        name = f"prompt {clip.prompt!r} seed {clip.seed}"
        if key in seen:
            raise BenchError(f"{where}: expected each clip once, {name} stands twice")
        if clip.prompt not in prompts or clip.seed not in seeds:
            raise BenchError(f"{where}: {name} is not among the expected prompts and seeds")
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
        _of_kind(value, key, kinds, f"{where}: card")
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


def _not_finite(value: object, place: str = "") -> Iterator[str]:
    """Places, as dotted paths, where a JSON value holds NaN or an infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        yield place
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _not_finite(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}.{index}".lstrip("."))
