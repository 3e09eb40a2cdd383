"""The stage that scores clips: whatever metric has no valid value yet is computed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import torch

from bench.clip import Clip, read_master
from bench.errors import ClipError, Unscored, one_line
from bench.layout import Item, RunFolder
from bench.metrics.base import Metric
from bench.progress import track
from bench.prompts import Prompt
from bench.records import fingerprint, read_json, write_json
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

if TYPE_CHECKING:
    from bench.metrics.calibration import Calibration

log = logging.getLogger(__name__)

SCHEMA = 1

Entry = dict[str, Any]

Pending = tuple[Item, Entry, dict[str, Entry], list[str]]
"""A draw, its record, its scores so far, and the metrics to compute."""


def score(
    label: str,
    items: Sequence[Item],
    metrics: Mapping[str, Metric],
    backbones: Backbones,
    folder: RunFolder,
    suite: Sequence[Prompt],
) -> list[str]:
    """Score every clip that was made, each metric that has no valid value yet.

    A value stays valid while the clip's frames, its prompt and the metric's fingerprint (its
    version and the backbones it draws on) stay the same; metrics that are not configured are left
    alone. A metric without a value gets null and the reason.

    Args:
        label: what the progress bar calls it.
        items: the draws.
        metrics: name to metric.
        backbones: where evidence comes from.
        folder: the run's folder.
        suite: all prompts of the suite, to which some metrics compare.

    Returns:
        One line for each clip whose stored frames could not be read, and for each metric that
        broke down on a clip; there is no score then, and the next run tries again.
    """
    made = [item for item in items if folder.record(item).exists()]
    # Same clip, same machine, same score: nothing may depend on which kernel was picked.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    wanted: dict[str, str] | None = None
    pending: list[Pending] = []
    for item in made:
        record = read_json(folder.record(item))
        if record["status"] != "ok":
            continue
        wanted = wanted or {
            name: _fingerprint(metric, backbones, suite) for name, metric in metrics.items()
        }
        entries = _valid_entries(item, record, folder)
        missing = [
            name for name in metrics if entries.get(name, {}).get("fingerprint") != wanted[name]
        ]
        if missing:
            pending.append((item, record, entries, missing))
    if not pending or wanted is None:
        return []
    calibration = _calibration(backbones)
    damaged = []

    def read(work: Pending) -> Clip:
        item, record, _, _ = work
        return read_master(
            folder.master(item), frames=record["frames"], sha256=record["frames_sha256"]
        )

    clips = _ahead(pending, read)
    for item, record, entries, missing in track(pending, f"{label}: score"):
        try:
            clip = next(clips).result()
        except ClipError as error:
            damaged.append(f"{error}; remove {folder.record(item)} and run again to make it anew")
            continue
        analysis = Analysis(clip, item.prompt, backbones, suite)
        for name in missing:
            try:
                entries[name] = _entry(metrics[name], analysis) | {"fingerprint": wanted[name]}
            except Exception as error:
                log.info("%s of %s", name, item.prompt.id, exc_info=True)
                entries.pop(name, None)
                where = f"{item.prompt.id}, seed {item.seed}"
                damaged.append(f"{where}: {name} failed: {one_line(error)}")
        write_json(
            folder.score(item),
            {
                "schema": SCHEMA,
                "frames_sha256": record["frames_sha256"],
                "prompt": item.prompt.content,
                "calibration": calibration,
                "metrics": entries,
            },
        )
    for name, reason in backbones.missing.items():
        log.warning("%s is missing, its metrics are unscored: %s", name, reason)
    return damaged


def _fingerprint(metric: Metric, backbones: Backbones, suite: Sequence[Prompt]) -> str:
    """What computed a value: the metric's version, and the backbones' methods and weights.

    Of a metric that reads the suite's prompts, these are part of it, in whatever order. A missing
    backbone is named as such, so that the value is computed once it is there.
    """
    evidence: dict[str, str] = {}
    for name in metric.needs:
        try:
            evidence[name] = backbones.get(name).fingerprint
        except Unscored:
            evidence[name] = "missing"
    if metric.prompted:
        evidence["prompts"] = fingerprint(sorted({fingerprint(p.content) for p in suite}))
    function = f"{metric.function.__module__}.{metric.function.__qualname__}"
    described = {"function": function, "unit": metric.unit, "better": metric.better}
    return fingerprint(described | {"version": metric.version, "backbones": evidence})


def _ahead(pending: Sequence[Pending], read: Callable[[Pending], Clip]) -> Iterator[Future[Clip]]:
    """Clips as they are read, each while the one before it is being scored."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, pending[0])
        for following in pending[1:]:
            clip, coming = coming, reader.submit(read, following)
            yield clip
        yield coming


def _calibration(backbones: Backbones) -> dict[str, Any] | None:
    """What the headline is measured in, for the record; None if there is no calibration."""
    try:
        return cast("Calibration", backbones.get("calibration")).described
    except Unscored:
        return None


def _valid_entries(item: Item, record: Entry, folder: RunFolder) -> dict[str, Entry]:
    if not folder.score(item).exists():
        return {}
    scored = read_json(folder.score(item))
    if scored["frames_sha256"] != record["frames_sha256"]:
        return {}
    if scored.get("prompt") != item.prompt.content:
        return {}
    entries: dict[str, Entry] = scored["metrics"]
    return entries


def _entry(metric: Metric, analysis: Analysis) -> Entry:
    entry: Entry = {"unit": metric.unit, "better": metric.better, "version": metric.version}
    try:
        scored = metric.score(analysis)
    except Unscored as reason:
        return entry | {"value": None, "why": str(reason)}
    entry |= {"value": scored.value, "why": None}
    if scored.series:
        entry["series"] = {name: list(values) for name, values in scored.series.items()}
    if scored.note:
        entry["note"] = scored.note
    return entry
