"""Images, still and animated: how they are read, cropped and shrunk."""

import contextlib
import mmap
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from bench.errors import BenchError, ClipError
from bench.video.film import DEFAULT_DELAY_S, LIMITS, NO_ALPHA, Film, Frames, Limits

_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # Pillow knows others, some of them programs
_MOST_PICTURE_BYTES = 2**29  # of its file, which is read whole

LOSSLESS_FORMAT = "PNG"
"""Of Pillow's names; a WebP does not say."""

_SHORTEST_DELAY_S = 0.01  # as browsers have it: what is not longer gets the default
_NO_PROFILE = "its colour profile is not looked at, colours are scored as they stand"


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture, uint8 `[H, W, 3]`, RGB, turned the way its EXIF data say."""
    if path.exists() and not path.is_file():
        raise BenchError(f"expected a picture at {path}, got a folder, a pipe or a device")
    decoded = None
    try:
        if path.stat().st_size > _MOST_PICTURE_BYTES:
            raise ClipError(f"{path}: expected a picture of at most {_MOST_PICTURE_BYTES} bytes")
        content = np.frombuffer(path.read_bytes(), np.uint8)
        with open_picture(path) as picture:
            LIMITS.check(path, (picture.height, picture.width))
        decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB)
    except ClipError as error:
        raise BenchError(str(error)) from None
    except OSError as error:
        if error.errno is not None:  # else Pillow knows no such picture
            raise BenchError(f"expected a picture at {path}, but {error.strerror}") from None
    if decoded is None:
        raise BenchError(f"expected a picture at {path}, got something else: give PNG or JPEG")
    image: NDArray[np.uint8] = decoded
    return image


def open_picture(path: Path) -> Image.Image:
    """A picture of which the header was read, and nothing is decoded."""
    try:
        return Image.open(path, formats=_PICTURE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ClipError(f"{path}: {error}") from None


def note(image: Image.Image, remarks: list[str]) -> None:
    """Say once what of a picture is not looked at."""
    profile = image.info.get("icc_profile") or b""
    is_plain = not profile or b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
    if not is_plain and _NO_PROFILE not in remarks:
        remarks.append(_NO_PROFILE)
    if not image.has_transparency_data or NO_ALPHA in remarks:
        return
    if np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        remarks.append(NO_ALPHA)


def is_picture(path: Path) -> bool:
    """Whether a file is a GIF, a WebP or a PNG, by its first bytes: suffixes are often wrong."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith((b"GIF8", b"\x89PNG")) or (head[:4], head[8:]) == (b"RIFF", b"WEBP")


@cache
def is_animation(path: Path) -> bool:
    """Whether a file of pictures, WebP or PNG, holds more than one."""
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # as in `read_video`; whoever reads it will say why
        return False


def animation_frames(path: Path, limits: Limits, film: Film) -> Frames:
    """The frames of an animation, and how long a browser shows each."""
    film.is_animation = True
    delays_s: list[float] = []
    with open_picture(path) as image:
        size = height, width = image.height, image.width
        limits.check(path, size)
        count = getattr(image, "n_frames", 1)
        limits.check(path, size, count)
        is_gif = image.format == "GIF"
        film.lossy = image.format != LOSSLESS_FORMAT
        # An animated PNG may begin with a picture for those who show no animations.
        for number in range(1 if getattr(image, "default_image", False) else 0, count):
            image.seek(number)
            yield _shown(image)[:height, :width]  # some frames reach beyond the screen of a GIF
            delay_s = image.info.get("duration", 0) / 1000
            delays_s.append(delay_s if delay_s > _SHORTEST_DELAY_S else DEFAULT_DELAY_S)
            note(image, film.remarks)
    if is_gif and not _is_whole_gif(path):
        raise ClipError(f"{path}: the file is cut short, its end mark is missing")
    film.lengths_s = np.array(delays_s)
    of_gif = np.abs(film.lengths_s * 100 - np.rint(film.lengths_s * 100)).max() < 1e-6
    film.tick_s = 0.01 if of_gif else 0.001  # what was converted keeps its hundredths


def _shown(image: Image.Image) -> NDArray[np.uint8]:
    """The frame of an animation that was sought.

    Pillow 13 draws a frame of an animated PNG onto the very copy of the picture to which it may
    have to go back after it; so that copy is put aside.
    """
    if not (isinstance(image, PngImageFile) and image.is_animated):
        return _rgb(image)
    backdrop = getattr(image, "_prev_im", None)  # other versions of Pillow may have none
    copy = backdrop and backdrop.copy()
    frame = _rgb(image)
    if copy:
        image._prev_im = copy
    return frame


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode != "I;16":
        return np.asarray(image.convert("RGB"))
    grey = (np.asarray(image) >> 8).astype(np.uint8)  # which `convert` would cut off at 255
    return np.repeat(grey[..., None], 3, axis=2)


def _is_whole_gif(path: Path) -> bool:
    """Whether its blocks lead to the end mark, which is a byte that frames may hold as well."""

    def table(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 128 else 0

    with (
        contextlib.suppress(IndexError),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        at = 13 + table(content[10])
        while content[at] != ord(";"):
            if content[at] == ord(","):
                at += 11 + table(content[at + 9])
            elif content[at] == ord("!"):
                at += 2
            while size := content[at]:  # sub-blocks; of padding, none
                at += 1 + size
            at += 1
        return True
    return False


def crop_to(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The largest centred part of that aspect ratio, resized, as image-to-video models are given.

    Uint8 `[H, W, 3]` in, `[height, width, 3]` out: area filter where it shrinks, cubic where it
    grows.
    """
    scale = max(height / image.shape[0], width / image.shape[1])
    part_height = min(image.shape[0], round(height / scale))
    part_width = min(image.shape[1], round(width / scale))
    top, left = (image.shape[0] - part_height) // 2, (image.shape[1] - part_width) // 2
    part = image[top : top + part_height, left : left + part_width]
    filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(part, (width, height), interpolation=filter_)
    return resized


def shrink(frame: NDArray[np.uint8], short_side_px: int) -> NDArray[np.uint8]:
    """A frame `[H, W, 3]` of that short side (area filter), or as it is if it has no more."""
    height, width = shrunk_size(frame.shape[0], frame.shape[1], short_side_px)
    if (height, width) == frame.shape[:2]:
        return frame
    small: NDArray[np.uint8] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return small


def shrunk_size(height: int, width: int, short_side_px: int) -> tuple[int, int]:
    """Height and width of what `shrink` makes of a frame."""
    scale = min(1.0, short_side_px / min(height, width))
    return round(height * scale), round(width * scale)
