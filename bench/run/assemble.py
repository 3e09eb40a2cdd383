"""result.json: the one file of a run that is published, put together from its records."""

from collections.abc import Sequence
from typing import Any

from bench.errors import BenchError
from bench.prompts import Item
from bench.run.groups import compare_groups
from bench.storage import RunFolder, fingerprint, read_json, write_json

SCHEMA = 1

# What a clip's record keeps to itself: the fingerprint's ingredients stand in run.json, and
# details (commands, what programs said) may name folders and people.
_PRIVATE = frozenset({"schema", "inputs", "fingerprint", "details"})


def assemble(items: Sequence[Item], folder: RunFolder) -> dict[str, Any]:
    """Put result.json together from run.json and the records, and write it.

    A pure function of those files: interrupted and resumed runs end with the same result as
    one that ran through, timing aside.

    Raises:
        BenchError: if clips were scored by different versions of one metric.
    """
    run = read_json(folder.run)
    metrics: dict[str, Any] = {}
    calibration = None
    clips = []
    appearances = {}
    for item in items:
        if not folder.record(item.sample).exists():
            continue
        record = read_json(folder.record(item.sample))
        clip = {key: value for key, value in record.items() if key not in _PRIVATE}
        stored = _scores(item, record, folder)
        scored = stored.get("metrics", {})
        calibration = calibration or stored.get("calibration")
        for name, entry in scored.items():
            described = {key: entry[key] for key in ("unit", "better", "version", "fingerprint")}
            if metrics.setdefault(name, described) != described:
                raise BenchError(
                    f"{folder.root}: {name} was computed in two ways; "
                    "run again with stages=[score] and the whole suite"
                )
        clip["scores"] = {name: entry["value"] for name, entry in scored.items()}
        clip["unscored"] = {
            name: entry["why"] for name, entry in scored.items() if entry["value"] is None
        }
        clip["notes"] = {name: entry["note"] for name, entry in scored.items() if "note" in entry}
        clips.append(clip)
        appearances[item.prompt.id, item.seed] = stored.get("appearance")
    public = ("model", "suite", "card", "measured", "environment", "prompts", "expected")
    loaded = read_json(folder.loaded) if folder.loaded.exists() else {}
    result = {key: run[key] for key in public} | {
        "weights": run.get("weights", "real"),  # runs of before there were others do not say
        "loaded": loaded,
        "hardware": run.get("hardware"),
        "generator_version": run.get("generator_version"),
        "aspect": run["config"]["suite"].get("aspect"),
        "schema": SCHEMA,
        "metrics": metrics,
        "calibration": calibration,
        "fingerprint": fingerprint(
            [run["functional"], run.get("generator_version"), run["prompts"], metrics]
        ),
        "clips": clips,
    }
    if any(item.prompt.group is not None for item in items):
        compared = compare_groups(items, clips, appearances).json_values
        result["cross_clip"] = compared
        result["fingerprint"] = fingerprint([result["fingerprint"], compared["fingerprint"]])
    write_json(folder.result, result)
    return result


def _scores(item: Item, record: dict[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The record of a clip's scores; empty if there is none that holds."""
    if record["status"] != "ok" or not folder.score(item.sample).exists():
        return {}
    scored = read_json(folder.score(item.sample))
    if scored["frames_sha256"] != record["frames_sha256"]:
        return {}  # made again since; the score stage has not seen the new frames
    return scored
