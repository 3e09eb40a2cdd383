"""The stage that scores clips: whatever metric has no valid value yet is computed."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from bench.clip import Clip, read_clip
from bench.errors import ClipError, Unscored, one_line
from bench.metrics.base import Metric, line_of
from bench.metrics.cross_clip import appearance, appearance_fingerprint, pack
from bench.progress import track
from bench.prompts import Item, Prompt
from bench.run.claims import Claim, claimed, tidy
from bench.run.plan import Plan
from bench.run.workers import LEFT_BY_LIMIT, time_limit
from bench.schema import (
    SCHEMA,
    Appearance,
    ClipRecord,
    Record,
    Sample,
    ScoreEntry,
    ScoreRecord,
)
from bench.storage import RunFolder, fingerprint, read_record, write_record
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

log = logging.getLogger(__name__)


Entry = Callable[..., Record]
"""Of a record, from the clip's analysis; without one, from why there is no value."""


@dataclass(frozen=True)
class Pending:
    """A clip with something left to compute."""

    item: Item
    record: ClipRecord
    scored: ScoreRecord | None  # so far; None if there is none that holds
    missing: list[str]  # metrics
    lacks_appearance: bool
    base: ClipRecord | None  # what the base made of the same draw, where a metric asks


@dataclass(frozen=True)
class Scoring:
    """What the clips of a run are scored by, and where."""

    folder: RunFolder
    base: RunFolder | None  # the run that this one is a variant of
    metrics: Mapping[str, Metric]
    fingerprints: Mapping[str, str]  # of what would compute each metric now
    appearance: str  # the same of what a clip looks like; empty where nobody asks
    timeout_s: float | None  # for one metric of one clip

    @property
    def compares(self) -> bool:
        """Whether any metric holds a clip against that of the base."""
        return any(metric.based for metric in self.metrics.values())

    def pending(self, item: Item, record: ClipRecord) -> Pending | None:
        """What is left to compute of a clip; None if that is nothing."""
        scored = self.folder.scores_of(record)
        if scored is not None and scored.prompt != _asked(item.prompt):
            scored = None
        entries = scored.metrics if scored else {}
        base = _ok_record(self.base, item.sample) if self.base and self.compares else None
        same_base = (scored and scored.base_sha256) == (base and base.frames_sha256)
        missing = [
            name
            for name, metric in self.metrics.items()
            if name not in entries
            or entries[name].fingerprint != self.fingerprints[name]
            or _may_be_in_time(entries[name].why, self.timeout_s)
            or (metric.based and not same_base)
        ]
        seen = scored.appearance if scored else None
        lacks_appearance = item.prompt.group is not None and (
            seen is None
            or seen.fingerprint != self.appearance
            or _may_be_in_time(seen.why, self.timeout_s)
        )
        if not missing and not lacks_appearance:
            return None
        return Pending(item, record, scored, missing, lacks_appearance, base)

    def read(self, work: Pending) -> tuple[Clip, Clip | None]:
        """The clip, and that of the base if it is at hand."""
        clip, other = read_clip(self.folder, work.record), None
        if self.base is not None and work.base is not None:
            with suppress(ClipError):  # that run's trouble; here it is only not at hand
                other = read_clip(self.base, work.base)
        return clip, other

    def compute(self, work: Pending, analysis: Analysis, claim: Claim) -> list[str]:
        """Compute what a clip lacks and write its record; a line for each that broke down."""
        sample = work.item.sample
        damaged: list[str] = []
        facts = self._facts_before(work, has_base=analysis.base is not None)

        def compute(into: dict[str, Any], name: str, entry: Entry) -> None:
            def stop() -> None:
                log.warning("%s: %s %s", sample, name, why := _too_long(self.timeout_s))
                into[name] = entry(None, why)
                self._write(work, facts)
                claim.end()

            try:
                with time_limit(self.timeout_s, stop, LEFT_BY_LIMIT):
                    into[name] = entry(analysis)
            except Unscored as reason:
                into[name] = entry(None, str(reason))
            except Exception as error:
                log.info("%s of %s", name, sample, exc_info=True)
                damaged.append(f"{sample}: {name} failed: {one_line(error)} (bench.log: where)")

        for part in self._parts(work, facts):
            compute(*part)
        self._write(work, facts)
        return damaged

    def leave_unread(self, work: Pending, claim: Claim) -> None:
        """Write that a clip took too long to be read, in place of all that it lacks."""
        why = f"reading the clip {_too_long(self.timeout_s)}"
        log.warning("%s: %s", work.item.sample, why)
        facts = self._facts_before(work, has_base=work.base is not None)
        for into, name, entry in self._parts(work, facts):
            into[name] = entry(None, why)
        self._write(work, facts)
        claim.end()

    def _facts_before(self, work: Pending, *, has_base: bool) -> dict[str, Any]:
        """What the record of a clip's scores says before what it lacks is computed."""
        facts = work.scored.given if work.scored else {}
        if work.lacks_appearance:
            facts.pop("appearance", None)
        facts |= {
            "schema": SCHEMA,
            "frames_sha256": work.record.frames_sha256,
            "prompt": _asked(work.item.prompt),
            "metrics": {k: v for k, v in facts.get("metrics", {}).items() if k not in work.missing},
        }
        if self.compares:
            facts["base_sha256"] = work.base.frames_sha256 if work.base and has_base else None
        return facts

    def _parts(
        self, work: Pending, facts: dict[str, Any]
    ) -> Iterator[tuple[dict[str, Any], str, Entry]]:
        """What a clip lacks: where it goes, under which name, and what makes it."""
        for name in work.missing:
            measures = "" if line_of(name) else self.metrics[name].line
            entry = partial(_entry, self.metrics[name], self.fingerprints[name], measures=measures)
            yield facts["metrics"], name, entry
        if work.lacks_appearance:
            yield facts, "appearance", partial(_appearance, self.appearance)

    def _write(self, work: Pending, facts: Mapping[str, Any]) -> None:
        write_record(self.folder.score(work.item.sample), ScoreRecord(**facts))


def score(
    plan: Plan,
    metrics: Mapping[str, Metric],
    backbones: Backbones,
    suite: Sequence[Prompt],
    *,
    base: RunFolder | None = None,
    timeout_s: float | None = None,
) -> list[str]:
    """Score every clip of a plan that was made, each metric that has no valid value yet.

    A value stays valid while the clip's frames, its prompt and the metric's fingerprint (its
    version and the backbones it draws on) stay the same; metrics that are not configured are left
    alone. A metric without a value gets null and the reason. Of clips of a group, what they look
    like is kept too, for the comparison of all of them. `suite` are all its prompts, to which some
    metrics compare; `base` is the run that this one is a variant of. A metric that takes longer
    than `timeout_s` on a clip ends this process, for another to go on; it is unscored there until
    the limit is another one. So are all metrics of a clip that takes longer to be read.

    Returns:
        One line for each clip whose stored frames could not be read, or that ended the process
        `plan.max_tries` times, and for each metric that broke down on a clip; there is no score
        then, and the next run tries again.
    """
    folder = plan.folder
    # Same clip, same machine, same score: nothing may depend on which kernel was picked.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    records = [(item, _ok_record(folder, item.sample)) for item in plan.items]
    clips_ok = [(item, record) for item, record in records if record]
    if not clips_ok:  # nothing to score: no network need be there
        return []
    grouped = any(item.prompt.group is not None for item, _ in clips_ok)
    scoring = Scoring(
        folder,
        base,
        metrics,
        {name: metric_fingerprint(metric, backbones, suite) for name, metric in metrics.items()},
        appearance_fingerprint(backbones) if grouped else "",
        timeout_s,
    )
    tidy(folder.root / "scores", ([folder.score(item.sample)] for item, _ in clips_ok))
    written_ns = {item.sample: _written_ns(folder, item.sample) for item, _ in clips_ok}
    works = [work for item, record in clips_ok if (work := scoring.pending(item, record))]
    if not works:
        return []
    damaged: list[str] = []

    def begin(before: Pending) -> tuple[Pending, Future[tuple[Clip, Clip | None]]] | None:
        """The work on a clip and its frames to come; None if another process has done it since."""
        sample = before.item.sample
        if _written_ns(folder, sample) != written_ns[sample]:  # what broke down there, would here
            return None
        return before, reader.submit(scoring.read, before)

    with ExitStack() as stack:
        # A clip is read while the one before it is being scored.
        reader = stack.enter_context(ThreadPoolExecutor(1))
        todo = plan.share.ordered(works, lambda work: work.item.sample)
        claims = claimed(todo, lambda work: folder.score(work.item.sample), begin, ahead=1)
        stack.enter_context(closing(claims))
        for mine in track(claims, f"{plan.label}: score", len(works)):
            if mine is None:
                continue
            claim, (work, clips) = mine
            try:
                if claim.begin() > plan.max_tries:
                    why = f"the process died {plan.max_tries} times while scoring this clip"
                    damaged.append(f"{work.item.sample}: {why}")
                    continue
                stop = partial(scoring.leave_unread, work, claim)
                with time_limit(timeout_s, stop, LEFT_BY_LIMIT):
                    clip, other = clips.result()
            except ClipError as error:
                path = folder.record(work.item.sample)
                damaged.append(f"{error}; remove {path} and run again to make it anew")
            else:
                prompt = work.item.prompt
                compared = None if other is None else Analysis(other, prompt, backbones)
                roles = {role for name in work.missing for role in metrics[name].needs}
                if work.lacks_appearance:
                    roles.add("identity")
                analysis = Analysis(clip, prompt, backbones, suite, base=compared, roles=roles)
                damaged += scoring.compute(work, analysis, claim)
            finally:
                claim.end()
    for name, reason in backbones.missing.items():
        log.warning("%s is missing, its metrics are unscored: %s", name, reason)
    return damaged


def _too_long(limit_s: float | None) -> str:
    return "took longer than score.timeout_s" + ("" if limit_s is None else f"={limit_s:g}")


def _may_be_in_time(why: str | None, limit_s: float | None) -> bool:
    """Whether what has no value for `why` was ended by another limit than that of now."""
    return why is not None and _too_long(None) in why and not why.endswith(_too_long(limit_s))


def _ok_record(folder: RunFolder, sample: Sample) -> ClipRecord | None:
    """The record of a clip that was made; None if there is none."""
    path = folder.record(sample)
    record = read_record(path, ClipRecord) if path.exists() else None
    return record if record and record.status == "ok" else None


def _written_ns(folder: RunFolder, sample: Sample) -> int:
    """When the score record of a clip was last written; 0 if there is none."""
    path = folder.score(sample)
    return path.stat().st_mtime_ns if path.exists() else 0


def metric_fingerprint(metric: Metric, backbones: Backbones, suite: Sequence[Prompt]) -> str:
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
    described = {"function": metric.id, "unit": metric.unit, "better": metric.better}
    return fingerprint(described | {"version": metric.version, "backbones": evidence})


def _asked(prompt: Prompt) -> dict[str, Any]:
    """What of a prompt decides the scores of a clip that was made for it."""
    light = {"lighting_change": True} if prompt.lighting_change else {}
    return prompt.content | light


def _entry(
    metric: Metric,
    fingerprint: str,
    analysis: Analysis | None,
    why: str | None = None,
    measures: str = "",
) -> ScoreEntry:
    """What a metric makes of a clip; without one, `why` that is nothing.

    What it `measures` is said of a metric of somebody's own alone: no page could know it otherwise.
    """
    entry: dict[str, Any] = {"value": None}
    if measures:
        entry["measures"] = measures
    if analysis is not None:
        scored = metric.score(analysis)
        entry["value"] = scored.value
        if scored.series:
            entry["series"] = {name: tuple(values) for name, values in scored.series.items()}
        if scored.note:
            entry["note"] = scored.note
    return ScoreEntry(
        unit=metric.unit,
        better=metric.better,
        version=metric.version,
        fingerprint=fingerprint,
        why=why,
        **entry,
    )


def _appearance(fingerprint: str, analysis: Analysis | None, why: str | None = None) -> Appearance:
    """What a clip looks like; without one, `why` that is nothing."""
    vector = None if analysis is None else pack(appearance(analysis))
    return Appearance(vector=vector, why=why, fingerprint=fingerprint)
