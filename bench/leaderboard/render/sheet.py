"""Contact sheets: clips as rows of frames, for eyes."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.clip import Clip
from bench.storage import write_bytes

# Matplotlib brings a font that knows more scripts than Pillow's own.
_FONT = str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
# Nothing behind the frames, and an ink that reads on white and on black.
_BACKGROUND = (0, 0, 0, 0)
_INK = (117, 124, 134, 255)
_COLOURS = 256
_GAP_PX = 4
_WIDEST = 3  # a frame in heights; a wider one is drawn lower


def contact_sheet(
    rows: Sequence[tuple[str, Clip]], path: Path, *, columns: int = 8, height_px: int = 112
) -> None:
    """Draw one row per clip: its label, then frames evenly spaced over its length.

    Args:
        rows: label and clip, from top to bottom.
        path: PNG to write.
        columns: frames per row; a shorter clip shows all it has.
        height_px: height of a frame in the picture, in pixels.

    Raises:
        BenchError: if the picture cannot be written.
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
    chosen = np.linspace(0, len(clip.frames) - 1, count).round().astype(int)
    height, width = clip.frames.shape[1:3]
    scale = height_px / max(height, width / _WIDEST)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    strip = Image.new("RGBA", (count * (size[0] + _GAP_PX) - _GAP_PX, height_px), _BACKGROUND)
    for column, index in enumerate(chosen):
        frame = cv2.resize(clip.frames[index], size, interpolation=cv2.INTER_AREA)
        strip.paste(
            Image.fromarray(frame), (column * (size[0] + _GAP_PX), (height_px - size[1]) // 2)
        )
    return strip
