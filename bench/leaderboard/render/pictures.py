"""Pictures of clips, and which pictures a leaderboard has beside it.

Of a suite, one prompt as every model shows it, or the clips of a folder; of a model, the same three
prompts as of every other. Random weights make noise, which is timed and never shown.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.clip import Clip, read_master
from bench.errors import BenchError, ClipError
from bench.leaderboard.data.loading import FILE_NAME, load
from bench.leaderboard.render.clips import Draw
from bench.leaderboard.render.sheet import contact_sheet
from bench.schema import ClipResult, Result

_MAX_ROWS = 12
_PROMPTS_PER_MODEL = 3
_KINDS = ("pareto", "parts", "lag")


@dataclass(frozen=True)
class Picture:
    """A picture that lies beside a leaderboard.

    Attributes:
        path: relative to the leaderboard's folder.
        alt: what it shows.
        model: whose contact sheet it is; empty for a picture of the whole suite.
    """

    path: str
    alt: str
    model: str = ""


def pictures(into: Path) -> dict[str, list[Picture]]:
    """What lies in `into/figures`: suite to its pictures, in the order in which they are shown."""
    found: defaultdict[str, list[Picture]] = defaultdict(list)
    figures = into / "figures"
    for path in sorted(figures.glob("*.png")):
        found[path.stem].append(Picture(f"figures/{path.name}", f"Frames of {path.stem}"))
    drawn = sorted(figures.glob("*/*.svg"), key=lambda path: (_kind(path.stem), path.stem))
    for path in drawn:
        suite = path.parent.name
        found[suite].append(Picture(f"figures/{suite}/{path.name}", _alt(path.stem)))
    for path in sorted(figures.glob("*/models/*.png")):
        suite = path.parent.parent.name
        source = f"figures/{suite}/models/{path.name}"
        found[suite].append(Picture(source, f"Frames of {path.stem}", path.stem))
    return dict(found)


def _kind(stem: str) -> int:
    kind = stem.split("-")[0]
    return _KINDS.index(kind) if kind in _KINDS else len(_KINDS)


def _alt(stem: str) -> str:
    kind = stem.split("-")[0]
    texts = {
        "pareto": "Quality against compute: 95% interval of the mean, and 5% to 95% of the clips' "
        "times; the line joins models than which no other is both faster and better",
        "parts": "The headline and its parts, with 95% intervals",
        "lag": "Likeness and distance of two frames over the time between them",
    }
    return texts.get(kind, kind)


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


def draw_model(run: Path, result: Result, draws: Sequence[Draw], picture: Path) -> bool:
    """Draw a model's clips of the first three draws, where their frames lie in its run's folder.

    Args:
        run: the folder.
        result: of the run.
        draws: in an order that is the same for all models of a suite.
        picture: PNG to write.

    Returns:
        Whether there was anything to draw.
    """
    if result.random_weights:
        picture.unlink(missing_ok=True)  # of real weights, or of before noise was left out
        return False
    made = {(clip.prompt, clip.seed): clip for clip in result.clips if clip.status == "ok"}
    rows = [
        (draw[0], clip)
        for draw in draws[:_PROMPTS_PER_MODEL]
        if draw in made and (clip := _frames(run, made[draw])) is not None
    ]
    if rows:
        contact_sheet(rows, picture, columns=6, height_px=96)
    return bool(rows)


def _runs(suite_folder: Path) -> Iterator[tuple[Path, Result]]:
    for path in sorted(suite_folder.glob(f"*/{FILE_NAME}")):
        try:
            result = load(path)
        except BenchError:
            continue  # another run's trouble, for that run to tell; a picture can do without
        if not result.random_weights:
            yield path.parent, result


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
