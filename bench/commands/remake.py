"""Remake: make some clips of a row again from their prompts and seeds, score them, and compare.

The configuration is that of the row's name on its suite, and must have the row's fingerprint;
whatever else the row was made with is typed as for a run. Other hardware or versions give other
frames; then PSNR and scores tell how far they agree. PSNR takes the row's frames, where RESULT is
the folder of a run that holds them, or the previews beside it on a leaderboard; a result alone has
neither. stages=[generate] leaves scores out.

Examples:
  steadybench remake leaderboard/results/toy/toy_steady.json
  steadybench remake outputs/smoke/wan2_1_1_3b --clips 2
  steadybench remake RESULT model=wan2_1_1_3b model.call.num_inference_steps=30
"""

import math
import random
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from bench.commands import parser
from bench.commands.composition import add_overrides, compose_choice, read_overrides
from bench.config import parse_run, plain
from bench.errors import BenchError, ClipError, attempt, first_of, printable
from bench.leaderboard.data.files import find_one, load_named
from bench.leaderboard.data.rows import HEADLINE
from bench.leaderboard.tables.table import plural
from bench.schema import ClipRecord, ClipResult, Result
from bench.storage import RunFolder, read_record

if TYPE_CHECKING:  # torch takes seconds, and help needs none of it
    import numpy as np
    from numpy.typing import NDArray

    from bench.run.job import Job

EQUAL, DIFFERENT = 0, 1

_NAMED = 3  # scores that differ most, or that are missing
_ROUNDING = 1e-3  # of a score, on another processor
_LEAST = 1e-3  # below which a score is next to nothing, and so is its share


class Psnr(NamedTuple):
    """How near frames are to others, dB; infinite where they are equal."""

    clip_db: float  # of the mean square over all pixels of the clip
    worst_db: float  # of the frame that is furthest
    of: str  # what was compared

    def __str__(self) -> str:
        return f"PSNR of {self.of} {self.clip_db:.1f} dB, {self.worst_db:.1f} dB at the worst frame"


@dataclass(frozen=True)
class Remade:
    """A clip of the row, and what its draw came to here."""

    row: ClipResult
    here: ClipRecord
    scores: Mapping[str, float]  # of metrics that mean the same here
    psnr: Psnr | None  # None where there is nothing to compare

    @property
    def has_equal_frames(self) -> bool:
        """Whether both have the very same frames."""
        return self.row.frames_sha256 == self.here.frames_sha256 is not None

    @property
    def apart(self) -> list[tuple[float, str]]:
        """By what share each score differs, the furthest first, in words too."""
        apart = []
        for name, here in self.scores.items():
            if (there := self.row.scores.get(name)) is not None:
                share = abs(there - here) / max(abs(there), abs(here), _LEAST)
                apart.append((share, f"{name} {there:.4g} there and {here:.4g} here"))
        return sorted(apart, reverse=True)

    @property
    def is_equal(self) -> bool:
        """Whether frames are the same, and scores but for what rounding may do."""
        return self.has_equal_frames and all(share <= _ROUNDING for share, _ in self.apart)

    def __str__(self) -> str:
        if self.here.status != "ok":
            return f"{self.row.sample}: {self.here.status} here: {self.here.error}"
        frames = "equal frames" if self.has_equal_frames else f"other frames ({self._nearness})"
        others = [text for share, text in self.apart if share > _ROUNDING]
        others.sort(key=lambda text: not text.startswith(f"{HEADLINE} "))
        there = [name for name, value in self.row.scores.items() if value is not None]
        same = f"{len(self.apart)} of {plural(len(there), 'score')} compared"
        missing = [name for name in there if name not in self.scores]
        if missing and self.scores:
            same += f", without {first_of(missing, _NAMED)}"
        scores = ", ".join(others[:_NAMED]) or (f"equal scores ({same})" if self.apart else same)
        return f"{self.row.sample}: {frames}, {scores}"

    @property
    def _nearness(self) -> str:
        there, here = (
            f"{clip.frames} of {clip.width}x{clip.height}" for clip in (self.row, self.here)
        )
        if there != here:
            return f"{there} there, {here} here"
        return "those of the row are not on this machine" if self.psnr is None else str(self.psnr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0 if all clips are equal, 1 if not, 2 after a mistake."""
    command = parser("remake", __doc__)
    command.add_argument("result", type=Path, help="a published result, or a run's folder")
    command.add_argument("--clips", type=int, default=5, metavar="N", help="how many (default: 5)")
    add_overrides(command)
    options = read_overrides(command, arguments)
    if options.clips < 1:
        command.error(f"expected at least 1 clip, got --clips {options.clips}")
    return attempt(lambda: _report(options))


def _report(options: Namespace) -> int:
    file = find_one(options.result)
    result = load_named(file)
    clips = [clip for clip in result.clips if clip.status == "ok"]
    if not clips:
        raise BenchError(f"{file}: expected clips that were made, there are none")
    if not result.measured:
        raise BenchError(f"{file}: expected clips that a model here makes, got clips of files")
    # Drawn anew each time: whoever made the row must not know which.
    draws = random.SystemRandom().sample(clips, min(options.clips, len(clips)))
    pairs = _remade(result, file, draws, options)
    for clip in pairs:
        sys.stdout.write(f"{printable(str(clip))}\n")
    equal = sum(clip.is_equal for clip in pairs)
    devices = {clip.here.device or "an unnamed device" for clip in pairs}
    sys.stdout.write(
        f"{result.model} on suite {result.suite}: {equal} of {plural(len(pairs), 'clip')} equal "
        f"(there {printable(result.environment.device)}, here {', '.join(sorted(devices))})\n"
    )
    return EQUAL if equal == len(pairs) else DIFFERENT


def _remade(
    result: Result, file: Path, draws: Sequence[ClipResult], options: Namespace
) -> list[Remade]:
    keys = {override.lstrip("+").partition("=")[0] for override in options.overrides}
    row = {"model": result.model, "suite": result.suite}
    own = [f"{key}={name}" for key, name in row.items() if key not in keys]
    options.overrides = [*own, *options.overrides]
    config, choice = compose_choice("bench", options)
    # What is there of it may be of another configuration, and is left alone.
    settings = parse_run(plain(config)).model_copy(update={"overwrite": True, "warmup": 0})
    from bench.run.generation import generate
    from bench.run.job import prepare, score_clips

    with tempfile.TemporaryDirectory(prefix="steadybench-") as scratch:
        job = prepare(settings, choice)
        plan = replace(job.plan, folder=RunFolder(Path(scratch, result.suite, "x")))
        job = replace(job, plan=plan)
        _refuse_another(result, job)
        plan.generator.check(job.prompts)
        samples = {clip.sample for clip in draws}
        missing = [item for item in plan.items if item.sample in samples]
        generate(plan, missing)
        if "score" in settings.stages:
            for line in score_clips(job):
                sys.stderr.write(f"{line}\n")
        return [_compared(clip, result, file, plan.folder) for clip in draws]


def _compared(clip: ClipResult, result: Result, file: Path, folder: RunFolder) -> Remade:
    record = read_record(folder.record(clip.sample), ClipRecord)
    scored = folder.scores_of(record)
    entries = {} if scored is None else scored.metrics
    scores = {
        name: entry.value
        for name, entry in entries.items()
        if entry.value is not None
        and name in result.metrics
        and result.metrics[name].fingerprint == entry.fingerprint
    }
    return Remade(clip, record, scores, _psnr_of_row(clip, record, result, file, folder))


def _psnr_of_row(
    row: ClipResult, here: ClipRecord, result: Result, file: Path, folder: RunFolder
) -> Psnr | None:
    """Of the frames that the row scores, or else of previews, if either are on this machine."""
    from bench.clip import read_clip
    from bench.video import read_video

    if here.status != "ok":
        return None
    with suppress(ClipError):
        there = read_clip(RunFolder(file.parent), row)
        return psnr(there.frames, read_clip(folder, here).frames, "frames")
    with suppress(ClipError):
        if (preview := _preview(row, result, file)) is not None:
            previews = [read_video(path).frames for path in (preview, folder.preview(row.sample))]
            return psnr(previews[0], previews[1], "previews")
    return None


def _preview(row: ClipResult, result: Result, file: Path) -> Path | None:
    """That a leaderboard holds of a clip, where the result is one of its files."""
    from bench.leaderboard.render.gallery import load_gallery

    board = file.absolute().parent.parent.parent
    sources = {clip.sample: clip.source for clip in load_gallery(result, board).clips}
    source = sources.get(row.sample)
    return None if source is None else board / unquote(source)


def psnr(
    there: "Iterable[NDArray[np.uint8]]", here: "Iterable[NDArray[np.uint8]]", of: str
) -> Psnr | None:
    """PSNR of frames `[T, H, W, 3]`; None where their numbers or sizes differ."""
    import cv2
    import numpy as np

    errors = []
    try:
        for one, other in zip(there, here, strict=True):
            if one.shape != other.shape:
                return None
            errors.append(cv2.norm(one, other, cv2.NORM_L2SQR) / one.size)
    except ValueError:  # not as many
        return None
    return Psnr(_decibels(float(np.mean(errors))), _decibels(max(errors)), of)


def _decibels(mean_square: float) -> float:
    return 10 * math.log10(255**2 / mean_square) if mean_square else math.inf


def _refuse_another(result: Result, job: "Job") -> None:
    """Nothing that is made here says anything of a row of another configuration."""
    from bench.run.assemble import row_fingerprint

    prompts = job.prompt_file
    if prompts != result.prompts:
        raise BenchError(
            f"expected the prompts of the row ({result.prompts.name}, sha256 "
            f"{result.prompts.sha256!s:.8}), got {prompts.name} of {prompts.sha256!s:.8}: "
            "type suite=NAME, suite.prompts=FILE or suite.files=DIR as for its run"
        )
    digest = row_fingerprint(
        job.plan.model,
        job.plan.generator.info.version,
        prompts,
        result.metrics,
        result.cross_clip,
    )
    if digest != result.fingerprint:
        raise BenchError(
            f"expected the configuration of the row (fingerprint {result.fingerprint:.8}), that of "
            f"{job.plan.label} here is another ({digest:.8}): type what the row was made with, as "
            "model.call.num_inference_steps=30, or take the commit that it names, "
            f"{result.environment.commit or 'which it does not say'}"
        )


if __name__ == "__main__":
    sys.exit(main())
