"""The stage that scores clips: whatever metric has no valid value yet is computed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from bench.clip import Clip, read_master
from bench.errors import ClipError, Unscored, one_line
from bench.layout import Item, RunFolder
from bench.metrics.base import Metric
from bench.metrics.cross_clip import appearance, appearance_fingerprint, pack
from bench.progress import track
from bench.prompts import Prompt
from bench.records import fingerprint, read_json, write_json
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

log = logging.getLogger(__name__)

SCHEMA = 1

Entry = dict[str, Any]


@dataclass(frozen=True)
class Pending:
    """A clip with something left to compute.

    Attributes:
        item: the draw.
        record: its record.
        scored: its score record so far, less what no longer holds.
        missing: the metrics to compute.
        unseen: whether what it looks like is to be computed; see `bench.metrics.cross_clip`.
    """

    item: Item
    record: Entry
    scored: Entry
    missing: list[str]
    unseen: bool


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
    alone. A metric without a value gets null and the reason. Of clips of a group, what they look
    like is kept too, for the comparison of all of them.

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
    looks = ""
    pending: list[Pending] = []
    for item in made:
        record = read_json(folder.record(item))
        if record["status"] != "ok":
            continue
        wanted = wanted or {
            name: _fingerprint(metric, backbones, suite) for name, metric in metrics.items()
        }
        scored = _valid(item, record, folder)
        missing = [
            name
            for name in metrics
            if scored["metrics"].get(name, {}).get("fingerprint") != wanted[name]
        ]
        unseen = False
        if item.prompt.group is not None:
            looks = looks or appearance_fingerprint(backbones)
            unseen = scored.get("appearance", {}).get("fingerprint") != looks
        if missing or unseen:
            pending.append(Pending(item, record, scored, missing, unseen))
    if not pending or wanted is None:
        return []
    damaged = []

    def read(work: Pending) -> Clip:
        return read_master(
            folder.master(work.item),
            frames=work.record["frames"],
            sha256=work.record["frames_sha256"],
        )

    clips = _ahead(pending, read)
    for work in track(pending, f"{label}: score"):
        item, scored = work.item, work.scored
        try:
            clip = next(clips).result()
        except ClipError as error:
            damaged.append(f"{error}; remove {folder.record(item)} and run again to make it anew")
            continue
        analysis = Analysis(clip, item.prompt, backbones, suite)
        where = f"{item.prompt.id}, seed {item.seed}"
        entries = scored["metrics"]
        for name in work.missing:
            try:
                entries[name] = _entry(metrics[name], analysis) | {"fingerprint": wanted[name]}
            except Exception as error:
                log.info("%s of %s", name, item.prompt.id, exc_info=True)
                entries.pop(name, None)
                damaged.append(f"{where}: {name} failed: {one_line(error)}")
        if work.unseen:
            try:
                scored["appearance"] = _appearance(analysis) | {"fingerprint": looks}
            except Exception as error:
                log.info("appearance of %s", item.prompt.id, exc_info=True)
                scored.pop("appearance", None)
                damaged.append(f"{where}: appearance failed: {one_line(error)}")
        write_json(
            folder.score(item),
            scored
            | {
                "schema": SCHEMA,
                "frames_sha256": work.record["frames_sha256"],
                "prompt": _asked(item.prompt),
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


def _asked(prompt: Prompt) -> Entry:
    """What of a prompt decides the scores of a clip that was made for it."""
    light = {"lighting_change": True} if prompt.lighting_change else {}
    return prompt.content | light


def _valid(item: Item, record: Entry, folder: RunFolder) -> Entry:
    """The score record, if it is of these frames and this prompt; else an empty one."""
    if folder.score(item).exists():
        scored = read_json(folder.score(item))
        same = scored["frames_sha256"] == record["frames_sha256"]
        if same and scored.get("prompt") == _asked(item.prompt):
            return scored
    return {"metrics": {}}


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


def _appearance(analysis: Analysis) -> Entry:
    try:
        return {"vector": pack(appearance(analysis)), "why": None}
    except Unscored as reason:
        return {"vector": None, "why": str(reason)}
