"""Contact sheets of clips, as PNG.

Of a suite, one prompt as every model shows it, or the clips of a folder; of a model, the same three
prompts as of every other. Random weights make noise, which is timed and never shown.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.clip import Clip, read_clip
from bench.errors import ClipError
from bench.leaderboard.render.figures import named
from bench.schema import ClipResult, Result, Sample
from bench.storage import RunFolder, write_bytes

_MAX_ROWS = 12
_PROMPTS_PER_MODEL = 3

# Matplotlib brings a font that knows more scripts than Pillow's own.
_FONT = str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
# Nothing behind the frames, and an ink that reads on white and on black.
_BACKGROUND = (0, 0, 0, 0)
_INK = (117, 124, 134, 255)
_COLOURS = 256
_GAP_PX = 4
_WIDEST = 3  # a frame in heights; a wider one is drawn lower


def draw_suite(
    runs: Sequence[tuple[Path, Result]], labels: Mapping[str, str], picture: Path
) -> bool:
    """Draw the clips of a suite's runs whose frames lie in their folders; whether there were any.

    With prompts: the first prompt and seed that every model made, one row per model. Without:
    the first clips of all folders. Labels are models to their names for people.
    """
    real = [(folder, result) for folder, result in runs if not result.random_weights]
    rows = _of_one_prompt(real, labels) or _of_any_clip(real, labels)
    if rows:
        contact_sheet(rows, picture)
    return bool(rows)


def draw_model(run: Path, result: Result, draws: Sequence[Sample], picture: Path) -> bool:
    """Draw a model's first three draws, where their frames lie in its run; whether any did."""
    if result.random_weights:
        picture.unlink(missing_ok=True)  # of real weights, or of before noise was left out
        return False
    clips = {clip.sample: clip for clip in result.successes}
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
    labels = [named(label) for label, _ in rows]
    label_px = 2 * _GAP_PX + round(max(map(font.getlength, labels)))
    strips = [_strip(clip, columns, height_px) for _, clip in rows]
    width = label_px + max(strip.width for strip in strips)
    sheet = Image.new("RGBA", (width, len(rows) * (height_px + _GAP_PX) - _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, (label, strip) in enumerate(zip(labels, strips, strict=True)):
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


def _of_one_prompt(
    runs: Sequence[tuple[Path, Result]], labels: Mapping[str, str]
) -> list[tuple[str, Clip]]:
    clips = [{clip.sample: clip for clip in result.successes} for _, result in runs]
    for draw in clips[0] if clips else ():
        rows = [
            (labels[result.model], frames)
            for (folder, result), own in zip(runs, clips, strict=True)
            if draw in own
            and result.prompts.sha256 is not None
            and (frames := _frames(folder, own[draw])) is not None
        ]
        if len(rows) == len(runs):
            return rows[:_MAX_ROWS]
    return []


def _of_any_clip(
    runs: Sequence[tuple[Path, Result]], labels: Mapping[str, str]
) -> list[tuple[str, Clip]]:
    rows = (
        (f"{labels[result.model]}: {clip.prompt}", frames)
        for folder, result in runs
        for clip in result.successes
        if (frames := _frames(folder, clip)) is not None
    )
    return list(islice(rows, _MAX_ROWS))


def _frames(folder: Path, clip: ClipResult) -> Clip | None:
    """The clip's frames, if they lie here: a result from another machine comes without."""
    run = RunFolder(folder)
    if not run.master(clip.sample).is_file():
        return None
    try:
        return read_clip(run, clip)
    except ClipError:
        return None  # the run has said so; a picture can do without
