"""The picture of a suite: the same prompt as every model shows it, or the clips of a folder."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from bench.clip import Clip, read_master
from bench.errors import BenchError, ClipError
from bench.report.loading import FILE_NAME, load
from bench.report.results import ClipResult, Result
from bench.report.sheet import contact_sheet

_MAX_ROWS = 12


def draw_suite(suite_folder: Path, picture: Path) -> bool:
    """Draw the clips of a suite's runs, where their frames lie beside their results.

    With prompts: the first prompt and seed that every model made, one row per model. Without:
    the first clips of all folders.

    Args:
        suite_folder: holds one folder per model, each with its result.json and clips/.
        picture: PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    runs = list(_runs(suite_folder))
    rows = _of_one_prompt(runs) or _of_any_clip(runs)
    if rows:
        contact_sheet(rows, picture)
    return bool(rows)


def _runs(suite_folder: Path) -> Iterator[tuple[Path, Result]]:
    for path in sorted(suite_folder.glob(f"*/{FILE_NAME}")):
        try:
            yield path.parent, load(path)
        except BenchError:
            continue  # another run's trouble, for that run to tell; a picture can do without


def _of_one_prompt(runs: Sequence[tuple[Path, Result]]) -> list[tuple[str, Clip]]:
    made = [{(c.prompt, c.seed): c for c in result.clips if c.status == "ok"} for _, result in runs]
    for key in made[0] if made else ():
        rows = [
            (result.model, _frames(folder, clips[key]))
            for (folder, result), clips in zip(runs, made, strict=True)
            if key in clips and result.prompts_sha256 is not None
        ]
        shown = [(label, clip) for label, clip in rows if clip is not None]
        if len(shown) == len(runs):
            return shown[:_MAX_ROWS]
    return []


def _of_any_clip(runs: Sequence[tuple[Path, Result]]) -> list[tuple[str, Clip]]:
    made = (
        (f"{result.model}: {clip.prompt}", _frames(folder, clip))
        for folder, result in runs
        for clip in result.clips
        if clip.status == "ok"
    )
    shown = ((label, clip) for label, clip in made if clip is not None)
    return list(islice(shown, _MAX_ROWS))


def _frames(folder: Path, clip: ClipResult) -> Clip | None:
    """The clip's frames, if they lie here: a result from another machine comes without."""
    path = folder / "clips" / clip.prompt / f"{clip.seed}.mkv"
    if not path.exists() or clip.frames is None or clip.frames_sha256 is None:
        return None
    try:
        return read_master(path, frames=clip.frames, sha256=clip.frames_sha256)
    except ClipError:
        return None  # the run has said so; a picture can do without
