"""result.json: the one file of a run that is published, put together from its records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from bench.errors import BenchError, Unscored
from bench.metrics import cross_clip
from bench.prompts import Item
from bench.schema import (
    Appearance,
    ClipRecord,
    ClipResult,
    GroupComparison,
    Likeness,
    Loaded,
    MetricDescription,
    Prompts,
    Result,
    Run,
    RunFacts,
    Sample,
    refusal,
)
from bench.storage import MEND, RunFolder, fingerprint, read_record, write_record


def assemble(items: Sequence[Item], folder: RunFolder) -> Result:
    """Put result.json together from run.json and the records, and write it.

    A pure function of those files: interrupted and resumed runs end with the same result as
    one that ran through, timing aside.
    """
    run = read_record(folder.run, Run)
    metrics: dict[str, MetricDescription] = {}
    measures: dict[str, str] = {}
    clips: list[ClipResult] = []
    appearances: dict[Sample, Appearance] = {}
    for item in items:
        if not folder.record(item.sample).exists():
            continue
        record = read_record(folder.record(item.sample), ClipRecord)
        scored = folder.scores_of(record)
        entries = {} if scored is None else scored.metrics
        if scored is not None and scored.appearance is not None:
            appearances[record.sample] = scored.appearance
        for name, entry in entries.items():
            if entry.measures is not None:
                measures[name] = entry.measures
            meaning = MetricDescription(
                **{key: getattr(entry, key) for key in MetricDescription.model_fields}
            )
            if metrics.setdefault(name, meaning) != meaning:
                raise BenchError(
                    f"{folder.root}: {name} was computed in two ways; "
                    "run again with stages=[score] and the whole suite"
                )
        clips.append(
            ClipResult.of(
                record,
                scores={name: entry.value for name, entry in entries.items()},
                unscored={
                    name: entry.why or "" for name, entry in entries.items() if entry.value is None
                },
                notes={name: entry.note for name, entry in entries.items() if entry.note},
            )
        )
    comparison = None
    if any(item.prompt.group is not None for item in items):
        comparison, likenesses = compare_groups(items, clips, appearances)
        clips = [
            clip.replace(cross_clip=likenesses[clip.sample]) if clip.sample in likenesses else clip
            for clip in clips
        ]
    digest = row_fingerprint(
        run.functional, run.generator_version, run.prompts, metrics, comparison
    )
    facts = {field.alias or key: getattr(run, key) for key, field in RunFacts.model_fields.items()}
    facts |= {"cross_clip": comparison, "measures": measures}
    for key in ("skipped", "cross_clip", "measures"):  # which most results lack
        if not facts[key]:
            del facts[key]
    try:
        result = Result(
            **facts,
            aspect=run.aspect,
            loaded=read_record(folder.loaded, Loaded) if folder.loaded.exists() else Loaded(),
            metrics=metrics,
            fingerprint=digest,
            clips=tuple(clips),
        )
    except ValidationError as error:
        raise refusal(error, str(folder.run), MEND) from None
    write_record(folder.result, result)
    return result


def row_fingerprint(
    functional: Mapping[str, Any],
    generator_version: str | None,
    prompts: Prompts,
    metrics: Mapping[str, MetricDescription],
    groups: GroupComparison | None = None,
) -> str:
    """Of everything that decides the numbers of a row, hex."""
    meanings = {name: described.json_values for name, described in metrics.items()}
    digest = fingerprint([functional, generator_version, prompts.json_values, meanings])
    return digest if groups is None else fingerprint([digest, groups.fingerprint])


def compare_groups(
    items: Sequence[Item], clips: Sequence[ClipResult], appearances: Mapping[Sample, Appearance]
) -> tuple[GroupComparison, dict[Sample, Likeness]]:
    """Compare the clips of the groups of a suite, each with each; all of them or none.

    How they were compared, and the part of each clip of a group.
    """
    by_sample = {clip.sample: clip for clip in clips}
    grouped = [item for item in items if item.prompt.group is not None]
    samples = [item.sample for item in grouped]
    fingerprints = {appearances[sample].fingerprint for sample in samples if sample in appearances}
    if len(fingerprints) > 1:
        raise BenchError(
            "the looks of clips were computed in two ways; "
            "run again with stages=[score] and the whole suite"
        )
    why, likenesses = None, dict[Sample, Likeness]()
    try:
        shots = [
            cross_clip.Shot(
                str(item.prompt.group),
                item.prompt.category,
                item.seed,
                _appearance(sample, by_sample.get(sample), appearances.get(sample)),
            )
            for item, sample in zip(grouped, samples, strict=True)
        ]
        likenesses = dict(zip(samples, cross_clip.compare(shots), strict=True))
    except Unscored as reason:
        why = str(reason)
    comparison = GroupComparison(
        version=cross_clip.VERSION, fingerprint=next(iter(fingerprints), None), why=why
    )
    return comparison, likenesses


def _appearance(
    sample: Sample, clip: ClipResult | None, entry: Appearance | None
) -> NDArray[np.float64] | None:
    """What a clip looks like; None if it shows no character in a shot.

    Unscored if there is no clip yet, or none that was scored.
    """
    name = f"{sample.prompt_id} seed {sample.seed}"
    if clip is None:
        raise Unscored(f"{name} is not made yet, and all clips of the groups are needed")
    if clip.status == "refused":
        raise Unscored(f"{name} could not be read, and all clips of the groups are needed")
    if clip.status != "ok":
        return None
    if entry is None:
        raise Unscored(f"{name} is not scored yet, and all clips of the groups are needed")
    if entry.vector is None:
        raise Unscored(f"{name}: {entry.why}")
    if cross_clip.is_still(clip.scores):
        return None
    try:
        return cross_clip.unpack(entry.vector)
    except ValueError as error:
        raise BenchError(
            f"{name}: expected the looks of a clip in its score record, but {error}; "
            "remove that file and run again"
        ) from None
