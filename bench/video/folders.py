"""Folders of numbered frames: which files are one series, in which order, and what they show."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise
from pathlib import Path

from bench.errors import ClipError
from bench.video.film import Film, Frames, Limits
from bench.video.images import LOSSLESS_FORMAT, note, open_picture, read_image

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
"""Of frames in a folder, whatever their case."""


def pictures(folder: Path) -> list[Path]:
    """Files of a folder that may be frames, in natural order."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return sorted((f for f in files if not f.name.startswith(".")), key=natural_order)


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """What sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    numbered = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return numbered, path.name  # 01 and 1 are the same number


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order of their numbers.

    ClipError if they are no single series without gaps; whatever is in the way is named.
    """
    series: defaultdict[str, dict[int, Path]] = defaultdict(dict)
    files = pictures(folder)
    for file, (name, at) in zip(files, _numbered(files), strict=True):
        if (other := series[name].get(at)) is not None:
            raise ClipError(f"{folder}: two frames have number {at}: {other.name}, {file.name}")
        series[name][at] = file
    if not series:
        raise ClipError(f"{folder}: expected frames in this folder (PNG, JPEG, WebP), got none")
    if len(series) > 1:
        kinds = [f"{name} ({len(each)})" for name, each in series.items()]
        raise ClipError(
            f"{folder}: expected one series of frames, got {', '.join(kinds[:4])}"
            f"{' ...' if kinds[4:] else ''}: move the others away"
        )
    ((name, frames),) = series.items()
    numbers = sorted(frames)
    stride = min((b - a for a, b in pairwise(numbers)), default=1)
    if missing := sum((b - a - 1) // stride for a, b in pairwise(numbers)):
        gaps = chain.from_iterable(range(a + stride, b, stride) for a, b in pairwise(numbers))
        more = f" and {missing - 5} more" if missing > 5 else ""
        raise ClipError(
            f"{folder}: expected frames {name} from {numbers[0]} to {numbers[-1]}, "
            f"{', '.join(map(str, islice(gaps, 5)))}{more} of them missing"
        )
    return [frames[number] for number in numbers]


def _numbered(files: Sequence[Path]) -> Iterator[tuple[str, int]]:
    """Of each file the name with `*` for its number, and the number; 0 where it has none.

    That is the last number of the name, or, where all names are alike but for one, that one.
    """
    names = [re.split(r"(\d+)", unicodedata.normalize("NFC", file.stem)) for file in files]
    alike = len({(len(parts), *parts[::2]) for parts in names}) == 1
    varied = [at for at, texts in enumerate(zip(*names, strict=False)) if len({*texts}) > 1]
    for parts in names:
        at = varied[0] if alike and len(varied) == 1 else len(parts) - 2
        if at < 0:
            yield parts[0], 0
        else:
            yield "".join([*parts[:at], "*", *parts[at + 1 :]]), int(parts[at])


def series_frames(files: Sequence[Path], fps: float, limits: Limits, film: Film) -> Frames:
    """What the files of one folder show, which must be pictures of one size."""
    inside = files[0].parent.resolve()
    shape = None
    for file in files:
        if not file.is_file() or (file.is_symlink() and file.resolve().parent != inside):
            raise ClipError(f"{file}: expected a picture in this folder, got a link or no file")
        try:
            with open_picture(file) as picture:
                size = picture.height, picture.width
                limits.check(file.parent, size, len(files), len(files) / fps)
                film.lossy |= picture.format != LOSSLESS_FORMAT
                note(picture, film.remarks)
            image = read_image(file)
        except ClipError:
            raise
        except Exception:  # decoders fail in any way on what they were not made for
            raise ClipError(f"{file}: expected a PNG, JPEG or WebP, it cannot be read") from None
        if image.shape != (shape := shape or image.shape):
            raise ClipError(
                f"{file}: expected frames of one size, height and width are "
                f"{image.shape[:2]} here and {shape[:2]} in {files[0].name}"
            )
        yield image
