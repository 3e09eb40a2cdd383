"""Contact sheets of clips, and which pictures a leaderboard has beside it.

Of a suite, one prompt as every model shows it, or the clips of a folder; of a model, the same three
prompts as of every other. Random weights make noise, which is timed and never shown.
"""

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.clip import Clip, read_master
from bench.errors import ClipError
from bench.schema import ClipResult, Result, Sample
from bench.storage import write_bytes

_MAX_ROWS = 12
_PROMPTS_PER_MODEL = 3
_FIGURES = {
    "pareto": "Quality against compute: 95% interval of the mean, and 5% to 95% of the clips' "
    "times; the line joins models than which no other is both faster and better",
    "parts": "The headline and its parts, with 95% intervals",
    "speed": "What speed costs: change of the headline against speed-up, paired by prompt, with "
    "95% intervals",
    "lag": "Likeness and distance of two frames over the time between them",
}
"""Kind of figure, in the order in which they are shown, to what it shows."""

# Matplotlib brings a font that knows more scripts than Pillow's own.
_FONT = str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
# Nothing behind the frames, and an ink that reads on white and on black.
_BACKGROUND = (0, 0, 0, 0)
_INK = (117, 124, 134, 255)
_COLOURS = 256
_GAP_PX = 4
_WIDEST = 3  # a frame in heights; a wider one is drawn lower


@dataclass(frozen=True)
class Picture:
    """A picture beside a leaderboard; its path is relative to the leaderboard's folder."""

    path: str
    alt: str
    model: str = ""  # whose contact sheet it is; empty for a picture of the whole suite


def pictures(into: Path) -> dict[str, list[Picture]]:
    """What lies in `into/figures`: suite to its pictures, in the order in which they are shown."""
    by_suite: defaultdict[str, list[Picture]] = defaultdict(list)

    def show(path: Path, suite: str, alt: str, model: str = "") -> None:
        by_suite[suite].append(Picture(path.relative_to(into).as_posix(), alt, model))

    figures = into / "figures"
    for path in sorted(figures.glob("*.png")):
        show(path, path.stem, f"Frames of {path.stem}")
    kinds = {path: path.stem.split("-")[0] for path in sorted(figures.glob("*/*.svg"))}
    for path in sorted(kinds, key=lambda path: [*_FIGURES, kinds[path]].index(kinds[path])):
        show(path, path.parent.name, _FIGURES.get(kinds[path], kinds[path]))
    for path in sorted(figures.glob("*/models/*.png")):
        show(path, path.parent.parent.name, f"Frames of {path.stem}", path.stem)
    return dict(by_suite)


def draw_suite(runs: Sequence[tuple[Path, Result]], picture: Path) -> bool:
    """Draw the clips of a suite's runs whose frames lie in their folders; whether there were any.

    With prompts: the first prompt and seed that every model made, one row per model. Without:
    the first clips of all folders.
    """
    real = [(folder, result) for folder, result in runs if not result.random_weights]
    rows = _of_one_prompt(real) or _of_any_clip(real)
    if rows:
        contact_sheet(rows, picture)
    return bool(rows)


def draw_model(run: Path, result: Result, draws: Sequence[Sample], picture: Path) -> bool:
    """Draw a model's first three draws, where their frames lie in its run; whether any did."""
    if result.random_weights:
        picture.unlink(missing_ok=True)  # of real weights, or of before noise was left out
        return False
    clips = _delivered(result)
    rows = [
        (draw.prompt_id, clip)
        for draw in draws[:_PROMPTS_PER_MODEL]
        if draw in clips and (clip := _frames(run, clips[draw])) is not None
    ]
    if rows:
        contact_sheet(rows, picture, columns=6, height_px=96)
    return bool(rows)


def contact_sheet(
    rows: Sequence[tuple[str, Clip]], path: Path, *, columns: int = 8, height_px: int = 112
) -> None:
    """Write a PNG of one row per clip: its label, then frames evenly spaced over its length.

    A frame is `height_px` high; a clip of fewer frames than columns shows all it has.
    """
    font = ImageFont.truetype(_FONT, size=height_px / 8)
    label_px = 2 * _GAP_PX + round(max(font.getlength(label) for label, _ in rows))
    strips = [_strip(clip, columns, height_px) for _, clip in rows]
    width = label_px + max(strip.width for strip in strips)
    sheet = Image.new("RGBA", (width, len(rows) * (height_px + _GAP_PX) - _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, ((label, _), strip) in enumerate(zip(rows, strips, strict=True)):
        top = number * (height_px + _GAP_PX)
        draw.text((_GAP_PX, top + height_px / 2), label, fill=_INK, font=font, anchor="lm")
        sheet.paste(strip, (label_px, top))
    # Few colours: a picture for eyes, and a quarter of the size, in a repository that keeps many.
    few = sheet.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
    png = io.BytesIO()
    few.save(png, format="PNG", optimize=True)
    write_bytes(path, png.getvalue())


def _strip(clip: Clip, columns: int, height_px: int) -> Image.Image:
    count = min(columns, len(clip.frames))
    indices = np.linspace(0, len(clip.frames) - 1, count).round().astype(int)
    height, width = clip.frames.shape[1:3]
    scale = height_px / max(height, width / _WIDEST)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    strip = Image.new("RGBA", (count * (size[0] + _GAP_PX) - _GAP_PX, height_px), _BACKGROUND)
    for column, index in enumerate(indices):
        frame = cv2.resize(clip.frames[index], size, interpolation=cv2.INTER_AREA)
        corner = (column * (size[0] + _GAP_PX), (height_px - size[1]) // 2)
        strip.paste(Image.fromarray(frame), corner)
    return strip


def _delivered(result: Result) -> dict[Sample, ClipResult]:
    return {clip.sample: clip for clip in result.clips if clip.status == "ok"}


def _of_one_prompt(runs: Sequence[tuple[Path, Result]]) -> list[tuple[str, Clip]]:
    clips = [_delivered(result) for _, result in runs]
    for draw in clips[0] if clips else ():
        rows = [
            (result.model, frames)
            for (folder, result), own in zip(runs, clips, strict=True)
            if draw in own
            and result.prompts.sha256 is not None
            and (frames := _frames(folder, own[draw])) is not None
        ]
        if len(rows) == len(runs):
            return rows[:_MAX_ROWS]
    return []


def _of_any_clip(runs: Sequence[tuple[Path, Result]]) -> list[tuple[str, Clip]]:
    rows = (
        (f"{result.model}: {clip.prompt}", frames)
        for folder, result in runs
        for clip in result.clips
        if clip.status == "ok" and (frames := _frames(folder, clip)) is not None
    )
    return list(islice(rows, _MAX_ROWS))


def _frames(folder: Path, clip: ClipResult) -> Clip | None:
    """The clip's frames, if they lie here: a result from another machine comes without."""
    path = folder / "clips" / clip.prompt / f"{clip.seed}.mkv"
    if not path.exists() or clip.frames is None or clip.frames_sha256 is None:
        return None
    try:
        return read_master(path, frames=clip.frames, sha256=clip.frames_sha256)
    except ClipError:
        return None  # the run has said so; a picture can do without
