"""Other people's videos, folders of PNG frames and pictures: read, or refused if they mislead."""

import re
from pathlib import Path

import av
import av.container
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from bench.clip import Clip
from bench.errors import BenchError, ClipError

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif"})

_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)

# A file may declare a little more than it holds; encoders round durations up.
_MISSING_FRAMES_ALLOWED = 2
_RATE_TOLERANCE = 0.02
# A GIF counts in hundredths of a second, so that 12 fps alternates between 8 and 9 of them.
_UNEVEN_FACTOR = 1.5
_UNEVEN_SHARE_ALLOWED = 0.02


def read_video(path: Path, fps: float | None = None) -> Clip:
    """Read a video file, or a folder of PNG frames of one size in natural order, into memory.

    Frames are turned upright if the file says how; the clip is `lossy` unless the codec is
    lossless. `fps` is the rate of a folder; a file carries its own. A file that is cut short, or
    has no constant frame rate, is a ClipError. T x H x W x 3 bytes, twice while frames are stacked.
    """
    if path.is_dir():
        return _read_png_folder(path, fps)
    try:
        with av.open(path) as container:
            return _decode(container, path)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ClipError(f"{path}: expected a video, but it cannot be read: {reason}") from None


def _decode(container: av.container.InputContainer, path: Path) -> Clip:
    if not container.streams.video:
        raise ClipError(f"{path}: expected a video, there is no picture in it")
    stream = container.streams.video[0]
    frames: list[NDArray[np.uint8]] = []
    times_s: list[float] = []
    reached_s = 0.0
    for packet in container.demux(stream, *container.streams.audio):
        if packet.pts is not None and packet.time_base is not None:
            end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            reached_s = max(reached_s, end_s)
        if packet.stream.index != stream.index:
            continue
        for frame in stream.decode(packet):
            if frame.is_corrupt:
                raise ClipError(
                    f"{path}: frame {len(frames)} is damaged; the file may be cut short"
                )
            # The display matrix turns counterclockwise, as rot90 does.
            upright = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
            frames.append(np.ascontiguousarray(upright))
            if frame.time is not None:
                times_s.append(frame.time)
    if not frames:
        raise ClipError(f"{path}: expected a video, there is no frame in it")
    _refuse_cut_short(container, stream, len(frames), reached_s, path)
    # AVI knows no order of presentation: frames come in order, their times may not.
    rate = _constant_rate(stream, sorted(times_s), len(frames), path)
    if len({frame.shape for frame in frames}) > 1:
        raise ClipError(f"{path}: expected frames of one size, their size changes")
    codec = stream.codec_context.name
    return Clip(np.stack(frames), rate, lossy=codec not in _LOSSLESS_CODECS)


def _constant_rate(stream: av.VideoStream, times_s: list[float], count: int, path: Path) -> float:
    declared = stream.average_rate or stream.guessed_rate
    if not declared or declared <= 0:
        raise ClipError(f"{path}: expected a frame rate, the file gives none")
    if len(times_s) == count > 2:
        lengths_s = np.diff(times_s)
        typical_s = np.median(lengths_s)
        uneven = (lengths_s > typical_s * _UNEVEN_FACTOR) | (lengths_s * _UNEVEN_FACTOR < typical_s)
        if uneven.mean() > _UNEVEN_SHARE_ALLOWED:
            raise ClipError(
                f"{path}: expected a constant frame rate, frames last from "
                f"{lengths_s.min() * 1000:.0f} to {lengths_s.max() * 1000:.0f} ms: "
                f"convert it first, as with ffmpeg -i IN -r {float(declared):.0f} OUT"
            )
        shown = (count - 1) / (times_s[-1] - times_s[0])
        if abs(shown / float(declared) - 1) > _RATE_TOLERANCE:
            return float(shown)  # headers can be wrong, the times are what is played
    return float(declared)


def _refuse_cut_short(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    count: int,
    reached_s: float,
    path: Path,
) -> None:
    """Half a file often decodes without complaint: hold what came against what is declared.

    Whatever is declared must be missing. A trimmed video declares frames that its edit list
    leaves out, and plays for as long as it says; where sound outlasts the picture, it is the
    sound that reaches the declared end.
    """
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    missing = []
    if stream.frames:
        missing.append(stream.frames - count)
    if stream.duration is not None and stream.time_base is not None:
        missing.append(round(float(stream.duration * stream.time_base) * rate) - count)
    elif container.duration is not None:
        missing.append(round((container.duration / av.time_base - reached_s) * rate))
    if missing and min(missing) > _MISSING_FRAMES_ALLOWED:
        raise ClipError(
            f"{path}: got {count} frames, {min(missing)} more are declared: the file is cut short"
        )
    if path.suffix.lower() == ".gif" and not path.read_bytes().rstrip(b"\0").endswith(b";"):
        raise ClipError(f"{path}: the file is cut short, its end mark is missing")


def _read_png_folder(path: Path, fps: float | None) -> Clip:
    files = sorted(path.glob("[!.]*.png"), key=natural_order)
    if not files:
        raise ClipError(f"{path}: expected PNG frames in this folder, there are none")
    if fps is None:
        raise ClipError(f"{path}: PNG frames carry no rate: say it with model.fps=N")
    frames = []
    for file in files:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise ClipError(f"{file}: expected a PNG picture, it cannot be read")
        frames.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        if frames[-1].shape != frames[0].shape:
            raise ClipError(
                f"{file}: expected frames of one size, height and width are "
                f"{frames[-1].shape[:2]} here and {frames[0].shape[:2]} in {files[0].name}"
            )
    return Clip(np.stack(frames).astype(np.uint8), fps)


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """What sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    numbered = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return numbered, path.name  # 01 and 1 are the same number


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture, uint8 `[H, W, 3]`, RGB, turned the way its EXIF data say."""
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BenchError(f"expected a picture at {path}, but {error.strerror}") from None
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
    if decoded is None:
        raise BenchError(f"expected a picture at {path}, got something else: give PNG or JPEG")
    image: NDArray[np.uint8] = decoded
    return image


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
