"""Submissions: whether published results hold what they must before others compare with them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError
from bench.leaderboard.catalogue import calibrations, suite_of_result
from bench.leaderboard.check_amounts import wrong_amounts
from bench.leaderboard.check_groups import unknown_groups, wrong_groups
from bench.leaderboard.check_scores import not_recomputed, wrong_scores
from bench.leaderboard.data.loading import load
from bench.leaderboard.data.rows import HEADLINE, SuiteBoard, boards
from bench.leaderboard.tables.words import named, plural, short
from bench.leaderboard.units import allowed
from bench.schema import ClipResult, Result, ResultError
from bench.storage import SAFE_NAME

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Finding(NamedTuple):
    """What a reader of a result file should know.

    Attributes:
        file: which file.
        text: what it is, in one line.
        wrong: whether it must be mended; otherwise it is only said.
    """

    file: Path
    text: str
    wrong: bool


@dataclass(frozen=True)
class Inspection:
    """What was found in the results of a leaderboard.

    Attributes:
        results: those that could be read, by file.
        findings: in the order of the files.
        suites: what a leaderboard shows of those in which nothing is wrong.
    """

    results: Mapping[Path, Result]
    findings: tuple[Finding, ...]
    suites: tuple[SuiteBoard, ...]


def inspect(folder: Path) -> Inspection:
    """Look at every file of a folder of results, `<suite>/<model>.json`, for all that is wrong.

    Args:
        folder: the `results/` of a leaderboard.

    Raises:
        BenchError: if there is no such folder.
    """
    if not folder.is_dir():
        raise BenchError(f"expected the results of a leaderboard in {folder}, it is no folder")
    results: dict[Path, Result] = {}
    findings: list[Finding] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            results[path] = result = load(path)
        except BenchError as error:
            faults = error.faults if isinstance(error, ResultError) else (str(error),)
            findings += (Finding(path, fault.removeprefix(f"{path}: "), True) for fault in faults)
            continue
        place = folder / result.suite / f"{result.model}.json"
        if path != place:
            findings.append(Finding(path, f"expected what it holds at {place}", True))
        findings += (Finding(path, text, True) for text in wrong(result))
        findings += (Finding(path, text, False) for text in worth_saying(result))
    spoilt = {finding.file for finding in findings if finding.wrong}
    sound = {path: result for path, result in results.items() if path not in spoilt}
    suites = boards(sound.values())
    return Inspection(results, (*findings, *_apart(sound, suites)), tuple(suites))


def wrong(result: Result) -> Iterator[str]:
    """What no run of this benchmark would have written, one line each."""
    yield from _wrong_names(result)
    yield from _wrong_hashes(result)
    yield from _wrong_prompts(result)
    yield from _wrong_calibration(result)
    yield from _wrong_clips(result)
    yield from wrong_amounts(result)
    yield from wrong_scores(result)
    yield from wrong_groups(result, suite_of_result(result))


def worth_saying(result: Result) -> Iterator[str]:
    """What is allowed and what a reader should know, one line each."""
    if len(result.clips) < result.expected_clips:
        yield f"incomplete: {len(result.clips)} of {result.expected_clips} clips"
    if failed := sum(clip.status != "ok" for clip in result.clips):
        yield f"{plural(failed, 'clip')} failed; each counts as a {HEADLINE} of 0"
    for name in result.metrics:
        made_without = [
            clip
            for clip in result.clips
            if clip.status == "ok" and name not in clip.scores and name not in clip.unscored
        ]
        if made_without and not result.random_weights:
            yield f"{name} was not computed for {named(made_without)}"
    yield from not_recomputed(result)
    yield from unknown_groups(result)
    if unknown := sorted({m.unit for n, m in result.metrics.items() if not allowed(n, m.unit)}):
        yield f"ranges were not checked of metrics in {', '.join(unknown)}"
    yield from _frozen(result)
    if result.prompts_sha256 is not None and suite_of_result(result) is None:
        yield (
            f"stands apart: its prompts, sha256 {short(result.prompts_sha256)}, are those of no "
            "suite in prompts/ (another version of it, a suite of somebody's own, or one with "
            "files that users supply)"
        )
    calibration = _calibration(result)
    if calibration is not None and calibration not in calibrations():
        yield (
            f"stands apart: its calibration, sha256 {short(calibration)}, is none of "
            "conf/calibration/"
        )


def _apart(results: Mapping[Path, Result], suites: Iterable[SuiteBoard]) -> Iterator[Finding]:
    """Results that share no table with the most of their suite, and why."""
    path_of = {(result.suite, result.model): path for path, result in results.items()}
    for board in suites:
        for group in board.groups:
            for row in group.rows:
                if group.differs:
                    text = f"stands apart from others of its suite: {' and '.join(group.differs)}"
                    yield Finding(path_of[board.suite, row.result.model], text, False)


def _wrong_names(result: Result) -> Iterator[str]:
    for kind, names in {
        "suite": [result.suite],
        "model": [result.model],
        "prompt id": result.expected_prompts,
    }.items():
        for name in names:
            if not SAFE_NAME.fullmatch(name):
                yield f"expected a {kind} of letters, digits, '.', '_' and '-', came {name!r:.80}"


def _wrong_hashes(result: Result) -> Iterator[str]:
    hashes = {"fingerprint": result.fingerprint, "prompts.sha256": result.prompts_sha256} | {
        f"fingerprint of {name}": metric.fingerprint for name, metric in result.metrics.items()
    }
    if result.cross_clip is not None:
        hashes["fingerprint of cross_clip"] = result.cross_clip.fingerprint
    for name, value in hashes.items():
        if value is not None and not _SHA256.fullmatch(value):
            yield f"expected {name} as 64 hexadecimal digits, came {value!r:.80}"
    if result.commit is not None and not _COMMIT.fullmatch(result.commit):
        yield f"expected the commit as 40 hexadecimal digits, came {result.commit!r:.80}"


def _wrong_prompts(result: Result) -> Iterator[str]:
    for key, values in (("prompts", result.expected_prompts), ("seeds", result.seeds)):
        if twice := [value for value, count in Counter(values).items() if count > 1]:
            yield f"expected each of the expected {key} once, {twice[0]!r} stands twice"
    count = result.prompts.count
    if count != len(result.expected_prompts):
        yield f"prompts.count is {count}, the expected prompts are {len(result.expected_prompts)}"
    if (suite := suite_of_result(result)) is None:
        return
    if set(result.expected_prompts) != suite.categories.keys():
        yield f"its prompts have the hash of {suite.file}, and other ids"
    elsewhere = [c for c in result.clips if c.category != suite.categories.get(c.prompt)]
    if elsewhere:
        yield f"{named(elsewhere)}: another category than in {suite.file}"


def _wrong_calibration(result: Result) -> Iterator[str]:
    described = result.calibration
    calibration = _calibration(result)
    if described is None:
        if any(clip.scores.get(HEADLINE) is not None for clip in result.clips):
            yield f"{HEADLINE} has values, but no calibration is named"
    elif calibration is None:
        yield "expected 'calibration' with a sha256 of 64 hexadecimal digits"
    elif calibration in calibrations() and described.scales != calibrations()[calibration]:
        scales = dict(calibrations()[calibration])
        yield f"the scales of its calibration are {scales}, came {described.scales}"


def _calibration(result: Result) -> str | None:
    """Hash of the calibration; None if there is none, or nothing that could be its hash."""
    value = result.calibration_sha256
    return value if value is not None and _SHA256.fullmatch(value) else None


def _wrong_clips(result: Result) -> Iterator[str]:
    failed = [clip for clip in result.clips if clip.status != "ok"]
    made = [clip for clip in result.clips if clip.status == "ok"]
    faults = {
        "failed, but has scores": [c for c in failed if any(_values(c))],
        "failed, but does not say how": [c for c in failed if not (c.error or "").strip()],
        "failed, but has frames": [c for c in failed if c.frames or c.frames_sha256],
        "is ok, but has an error": [c for c in made if c.error is not None],
        "is ok, but frames_sha256 is not 64 hexadecimal digits": [
            c for c in made if not _SHA256.fullmatch(c.frames_sha256 or "")
        ],
        "has scores of metrics that the file does not describe": [
            c for c in made if not (c.scores.keys() | c.unscored.keys()) <= result.metrics.keys()
        ],
    }
    if result.random_weights:
        faults["is of random weights, but has scores"] = [c for c in made if any(_values(c))]
    for fault, clips in faults.items():
        if clips:
            yield f"{named(clips)}: {fault}"


def _frozen(result: Result) -> Iterator[str]:
    """Clips of different prompts or seeds with the very same frames."""
    same: defaultdict[str, list[ClipResult]] = defaultdict(list)
    for clip in result.clips:
        if clip.frames_sha256:
            same[clip.frames_sha256].append(clip)
    for clips in same.values():
        if len(clips) > 1:
            seeds = len({clip.seed for clip in clips})
            prompts = len({clip.prompt for clip in clips})
            ignored = " and ".join(
                noun for noun, count in (("prompt", prompts), ("seed", seeds)) if count > 1
            )
            yield f"{named(clips)}: the very same frames, as if the {ignored} were ignored"


def _values(clip: ClipResult) -> Iterator[bool]:
    return (value is not None for value in clip.scores.values())
