"""Submissions: whether published results hold what they must before others compare with them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError
from bench.leaderboard.data.files import calibrations, load, suite_of_result
from bench.leaderboard.data.rows import HEADLINE, SuiteBoard, boards
from bench.leaderboard.rules import allowed, broken_rules, groups_unchecked, headline_unchecked
from bench.leaderboard.tables.table import named, plural, short
from bench.schema import ClipResult, Result, ResultError


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
        findings += (Finding(path, text, True) for text in broken_rules(result))
        findings += (Finding(path, text, False) for text in worth_saying(result))
    spoilt = {finding.file for finding in findings if finding.wrong}
    sound = {path: result for path, result in results.items() if path not in spoilt}
    suites = boards(sound.values())
    return Inspection(results, (*findings, *_apart(sound, suites)), tuple(suites))


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
    yield from filter(None, (headline_unchecked(result), groups_unchecked(result)))
    if unknown := sorted({m.unit for n, m in result.metrics.items() if not allowed(n, m.unit)}):
        yield f"ranges were not checked of metrics in {', '.join(unknown)}"
    yield from _frozen(result)
    if result.prompts_sha256 is not None and suite_of_result(result) is None:
        yield (
            f"stands apart: its prompts, sha256 {short(result.prompts_sha256)}, are those of no "
            "suite in prompts/ (another version of it, a suite of somebody's own, or one with "
            "files that users supply)"
        )
    calibration = result.calibration_sha256
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
