"""Other people's videos, animations and folders of frames, read as a person would see them."""

import contextlib
import math
import mmap
import re
import struct
import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from functools import cache
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import cast

import av
import av.container
import av.error
import av.filter
import cv2
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray
from PIL import Image

from bench.clip import HELD_BYTES, Clip, frames_of
from bench.errors import BenchError, ClipError
from bench.truncation import is_truncated

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
"""Of frames in a folder, whatever their case."""

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".wmv", ".flv"}
    | {".ogv", ".gif", ".webp", ".apng"}
)
"""Of files that hold a clip, whatever their case, and so may an animated PNG."""

_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)

_PICTURE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # Pillow knows others, some of them programs
_LOSSLESS_FORMAT = "PNG"  # a WebP does not say
_MOST_PICTURE_BYTES = 2**29  # of its file, which is read whole

# A file may be a list of other files, or of addresses, which nobody meant to be read.
_CONTAINERS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,flv,ogg",
}

# A file may declare a little more than it holds; encoders round durations up.
_MISSING_FRAMES_ALLOWED = 2

# Writers of animations merge equal frames into one of a longer delay. A video that leaves out more
# than this share of its frames has a variable rate.
_HELD_SHARE_ALLOWED = 0.1
_UNEVEN_SHARE_ALLOWED = 0.02
_JITTER = 0.25  # of a step by which one frame may come early or late
_DRIFT = 0.06  # by which the rate of a few frames may differ from that of the clip
_DRIFT_FRAMES = 8
_RATE_TOLERANCE = 0.0005  # 30 is not 30000/1001

_MOST_BACK_S = 0.25  # by which the time of a frame may lie before that of the frame before

_SHORTEST_DELAY_S = 0.01  # as browsers have it: what is not longer is shown for
_DEFAULT_DELAY_S = 0.1  # this long, which is also the grid of an animation of one frame

_SDR = frozenset(
    {
        *(ColorTrc.BT709, ColorTrc.UNSPECIFIED, ColorTrc.GAMMA22, ColorTrc.GAMMA28),
        *(ColorTrc.SMPTE170M, ColorTrc.SMPTE240M, ColorTrc.IEC61966_2_4, ColorTrc.BT1361_ECG),
        *(ColorTrc.IEC61966_2_1, ColorTrc.BT2020_10, ColorTrc.BT2020_12),
    }
)
_WIDE = (ColorPrimaries.BT2020, ColorPrimaries.SMPTE431, ColorPrimaries.SMPTE432)
_BEYOND_SDR = {
    "transfer": {int(each): each.name for each in ColorTrc if each not in _SDR},
    "gamut": {int(each): each.name for each in _WIDE},
}
_NO_ALPHA = "transparency is not looked at"
_NO_PROFILE = "its colour profile is not looked at, colours are scored as they stand"


@dataclass(frozen=True)
class Limits:
    """The largest clip that is read; a larger one is refused, by its header where that says so."""

    frames: int = 20_000
    pixels: int = 8192 * 8192  # of a frame
    seconds: float = 600.0
    bytes: int = 32 * 2**30  # of decoded frames, which are held up to 1 GiB

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                raise BenchError(f"limits.{each.name} must be a number above 0, got {value!r}")

    def check(self, path: Path, size: tuple[int, int], frames: int = 1, seconds: float = 0) -> None:
        """Refuse by ClipError what is larger; `size` is height and width in pixels."""
        pixels = size[0] * size[1]
        amounts = {
            "pixels": pixels,
            "frames": frames,
            "seconds": seconds,
            "bytes": frames * pixels * 3,
        }
        for key, amount in amounts.items():
            if amount > (most := getattr(self, key)):
                what = f"{size[1]}x{size[0]} pixels" if key == "pixels" else f"{amount:.10g} {key}"
                raise ClipError(
                    f"{path}: expected at most {most:.10g} {key}, got {what}: "
                    f"shorten it, or raise model.limits.{key} of model=folder"
                )


LIMITS = Limits()


@dataclass
class _Film:
    """What is known of frames once all of them were read, before they are put on a grid."""

    lengths_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """How long each frame is shown, the last may be unknown (0); empty without times."""
    tick_s: float = 0.0  # to which times are rounded
    rates: Sequence[float] = ()  # that the file declares
    lossy: bool = False
    remarks: list[str] = field(default_factory=list)
    is_animation: bool = False  # of a kind whose writers merge equal frames


# Frames `[H, W, 3]` in order; what is to be known of them is written down on the way.
_Frames = Iterator[NDArray[np.uint8]]
_Reader = Callable[[_Film], _Frames]


def read_video(
    path: Path, fps: float | None = None, *, resample: float | None = None, limits: Limits = LIMITS
) -> Clip:
    """Read a video, an animation (GIF, WebP, APNG), or a folder of numbered frames of one size.

    Frames stand on the grid of a constant rate, each repeated for as long as a player shows it, so
    that a hole in the times is a freeze; `remarks` name such holes. A variable rate is a ClipError
    unless `resample` gives the rate to show such a file at. Frames are upright, deinterlaced and
    of square pixels. `fps` is the rate of a folder; a file carries its own. The clip is `lossy`
    unless the codec is lossless. A file that is cut short is a ClipError.
    """
    if path.is_dir():
        return _read_folder(path, fps, limits)
    if path.exists() and not path.is_file():
        raise ClipError(f"{path}: expected a video, got a pipe or a device")

    def read(film: _Film) -> _Frames:
        try:
            yield from (_animation if _is_picture(path) else _video)(path, limits, film)
        except ClipError:
            raise
        except Exception as error:  # decoders fail in any way on what they were not made for
            reason = getattr(error, "strerror", None) or str(error)
            raise ClipError(f"{path}: expected a video, but it cannot be read: {reason}") from None

    film = _Film()
    queue, shape = _first_pass(read, film, path)
    limits.check(path, shape[1:3], shape[0], float(film.lengths_s.sum()))
    counts, rate = _on_grid(film, shape[0], resample, path)
    shape = (int(counts.sum()), *shape[1:])
    limits.check(path, shape[1:3], shape[0], shape[0] / rate)
    frames = frames_of(lambda: _repeated(_again(queue, read, shape), counts), shape)
    return Clip(frames, rate, film.lossy, tuple(film.remarks))


def _first_pass(
    read: _Reader, film: _Film, path: Path
) -> tuple[deque[NDArray[np.uint8]], tuple[int, int, int, int]]:
    """Read all frames, so that what is wrong is seen now; what is held of them, and their shape.

    All are held up to `HELD_BYTES`, none of more.
    """
    queue: deque[NDArray[np.uint8]] = deque()
    count, shape = 0, (0, 0, 0)
    for frame in read(film):
        if count and frame.shape != shape:
            raise ClipError(f"{path}: expected frames of one size, their size changes")
        height, width, _ = shape = frame.shape
        count += 1
        if count * frame.nbytes <= HELD_BYTES:
            queue.append(frame)
        else:
            queue.clear()
    if not count:
        raise ClipError(f"{path}: expected a video, there is no frame in it")
    return queue, (count, height, width, 3)


def _again(
    queue: deque[NDArray[np.uint8]], read: _Reader, shape: tuple[int, int, int, int]
) -> _Frames:
    """All frames once more: those that were held, given up one by one, or else read anew.

    Of a clip that is too large to be held once its frames are repeated, they are read every time.
    """
    if math.prod(shape) > HELD_BYTES:
        queue.clear()
    if not queue:
        yield from read(_Film())
    while queue:
        yield queue.popleft()


def _repeated(frames: _Frames, counts: NDArray[np.int_]) -> _Frames:
    for frame, count in zip(frames, counts, strict=True):
        for _ in range(count):
            yield frame


def _video(path: Path, limits: Limits, film: _Film) -> _Frames:
    with av.open(path, options=_CONTAINERS) as container:
        if is_truncated(path, container.format.name):
            raise ClipError(
                f"{path}: the file is cut short, it ends within a part of its container: take a "
                "whole one, or, if there is no more of it, convert it, as with ffmpeg -i IN OUT"
            )
        yield from _decoded(container, path, limits, film)


def _decoded(
    container: av.container.InputContainer, path: Path, limits: Limits, film: _Film
) -> _Frames:
    stream = _main_stream(container, path)
    codec = stream.codec_context
    pixel_aspect = stream.sample_aspect_ratio or codec.sample_aspect_ratio or Fraction(1)
    width = round(codec.width * pixel_aspect)
    film.tick_s = float(stream.time_base or 0)
    film.rates = [float(rate) for rate in (stream.average_rate, stream.base_rate) if rate]
    film.lossy = codec.name not in _LOSSLESS_CODECS
    declared_s = (stream.duration or 0) * film.tick_s
    limits.check(path, (codec.height, width), max(1, stream.frames), declared_s)
    if (pictures := len(container.streams.video)) > 1:
        film.remarks.append(f"of {pictures} pictures, that of stream {stream.index}")
    if width != codec.width:
        film.remarks.append(
            f"pixels of {pixel_aspect.numerator}:{pixel_aspect.denominator} are made square, "
            f"{codec.width}x{codec.height} is shown as {width}x{codec.height}"
        )
    for kind, value in (("transfer", codec.color_trc), ("gamut", codec.color_primaries)):
        if name := _BEYOND_SDR[kind].get(value):
            film.remarks.append(
                f"its {kind} {name} is not looked at, colours are scored as they stand"
            )
    has_alpha = codec.format is not None and any(each.is_alpha for each in codec.format.components)
    if has_alpha or stream.metadata.get("alpha_mode") == "1":  # VP8 and VP9 keep it beside
        film.remarks.append(_NO_ALPHA)
    count = 0
    times_s: list[float] = []
    last_s = 0.0
    matrix: Sequence[int] | None = None
    for frame in _deinterlaced(_frames(container, stream, path), stream, film.remarks):
        if not count and (data := frame.side_data.get("DISPLAYMATRIX")) is not None:
            matrix = struct.unpack("9i", bytes(cast("memoryview", data)))
        count += 1
        limits.check(path, (frame.height, frame.width), count)
        square = round(frame.width * pixel_aspect)
        squared = frame if square == frame.width else frame.reformat(square, format="rgb24")
        image = squared.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
        yield np.ascontiguousarray(_upright(image, matrix, path))
        if frame.time is not None and frame.time_base is not None:
            times_s.append(frame.time)
            last_s = float(frame.duration * frame.time_base)
    if times_s and len(times_s) == count:
        ordered_s = _ordered(np.array(times_s), container.format.name, path)
        film.lengths_s = np.diff(ordered_s, append=ordered_s[-1:] + last_s)


def _ordered(times_s: NDArray[np.float64], container: str, path: Path) -> NDArray[np.float64]:
    """Times of frames that come in order, in order; empty where the container cannot tell them.

    AVI knows no order of presentation, and the times of a program stream are those of groups of
    frames, which have the constant rate of the sequence.
    """
    back_s = -np.diff(times_s)
    if not (back_s >= 0).any():
        return times_s
    if container == "mpeg":
        return np.empty(0)
    if container != "avi" and back_s.max() > _MOST_BACK_S:
        raise ClipError(
            f"{path}: expected one video, its times go back by {back_s.max():.2f} s at frame "
            f"{back_s.argmax() + 1}, as where files were joined: convert it, or give each by itself"
        )
    return np.sort(times_s)


def _upright(
    image: NDArray[np.uint8], matrix: Sequence[int] | None, path: Path
) -> NDArray[np.uint8]:
    """Turned and mirrored as a display matrix (of FFmpeg, 3 by 3) says; ClipError if askew."""
    if matrix is None or not any(matrix[:5]):
        return image
    x_of_x, y_of_x, _, x_of_y, y_of_y = matrix[:5]
    straight, across = abs(x_of_x) + abs(y_of_y), abs(y_of_x) + abs(x_of_y)
    if min(straight, across) > 0.01 * max(straight, across):
        raise ClipError(f"{path}: expected a picture turned by a multiple of 90 degrees")
    if across > straight:
        image = image.swapaxes(0, 1)
    return image[:: 1 if y_of_x + y_of_y > 0 else -1, :: 1 if x_of_x + x_of_y > 0 else -1]


def _main_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream that a player shows: the default one, never a cover picture."""
    streams = container.streams.video
    moving = [each for each in streams if not each.disposition & Disposition.attached_pic]
    if not moving:
        raise ClipError(f"{path}: expected a video, there is no picture in it")
    return next((each for each in moving if each.disposition & Disposition.default), moving[0])


def _frames(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> Iterator[av.VideoFrame]:
    """All frames of a stream; ClipError if one is damaged, or more are declared."""
    count, reached_s = 0, 0.0
    for packet in container.demux(stream, *container.streams.audio):
        time = packet.dts if packet.pts is None else packet.pts
        if time is not None and packet.time_base is not None:
            reached_s = max(reached_s, float((time + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        if packet.is_corrupt:
            raise ClipError(f"{path}: frame {count} is damaged; the file may be cut short")
        for frame in stream.decode(packet):
            if frame.is_corrupt:
                raise ClipError(f"{path}: frame {count} is damaged; the file may be cut short")
            count += 1
            yield frame
    _refuse_cut_short(container, stream, count, reached_s, path)


def _deinterlaced(
    frames: Iterable[av.VideoFrame], stream: av.VideoStream, remarks: list[str]
) -> Iterator[av.VideoFrame]:
    """Frames as they are, those that consist of two fields through FFmpeg's bwdif."""
    graph: av.filter.Graph | None = None
    for frame in frames:
        if graph is None and frame.interlaced_frame:
            remarks.append("its frames are interlaced, and were deinterlaced (bwdif)")
            graph = av.filter.Graph()
            source = graph.add_buffer(template=stream)
            bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
            graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


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
        end_s = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        missing.append(round((end_s - reached_s) * rate))
    elif container.duration is not None:
        missing.append(round((container.duration / av.time_base - reached_s) * rate))
    if missing and min(missing) > _MISSING_FRAMES_ALLOWED:
        raise ClipError(
            f"{path}: got {count} frames, {min(missing)} more are declared: the file is cut short"
        )


@cache
def is_animation(path: Path) -> bool:
    """Whether a file of pictures, WebP or PNG, holds more than one."""
    try:
        with Image.open(path, formats=_PICTURE_FORMATS) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # as in `read_video`; whoever reads it will say why
        return False


def _is_picture(path: Path) -> bool:
    """Whether a file is a GIF, a WebP or a PNG, by its first bytes: suffixes are often wrong."""
    with path.open("rb") as file:
        head = file.read(12)
    return head.startswith((b"GIF8", b"\x89PNG")) or (head[:4], head[8:]) == (b"RIFF", b"WEBP")


def _animation(path: Path, limits: Limits, film: _Film) -> _Frames:
    film.is_animation = True
    delays_s: list[float] = []
    with _picture(path) as image:
        limits.check(path, (image.height, image.width))
        count = getattr(image, "n_frames", 1)
        limits.check(path, (image.height, image.width), count)
        is_gif = image.format == "GIF"
        film.lossy = image.format != _LOSSLESS_FORMAT
        # An animated PNG may begin with a picture for those who show no animations.
        for number in range(1 if getattr(image, "default_image", False) else 0, count):
            image.seek(number)
            yield np.asarray(image.convert("RGB"))
            delay_s = image.info.get("duration", 0) / 1000
            delays_s.append(delay_s if delay_s > _SHORTEST_DELAY_S else _DEFAULT_DELAY_S)
            _note(image, film.remarks)
    if is_gif and not _is_whole_gif(path):
        raise ClipError(f"{path}: the file is cut short, its end mark is missing")
    film.lengths_s = np.array(delays_s)
    of_gif = np.abs(film.lengths_s * 100 - np.rint(film.lengths_s * 100)).max() < 1e-6
    film.tick_s = 0.01 if of_gif else 0.001  # what was converted keeps its hundredths


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


def _note(image: Image.Image, remarks: list[str]) -> None:
    """Say once what of a picture is not looked at."""
    profile = image.info.get("icc_profile") or b""
    is_plain = not profile or b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
    if not is_plain and _NO_PROFILE not in remarks:
        remarks.append(_NO_PROFILE)
    if not image.has_transparency_data or _NO_ALPHA in remarks:
        return
    if np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        remarks.append(_NO_ALPHA)


def _picture(path: Path) -> Image.Image:
    """A picture of which the header was read, and nothing is decoded."""
    try:
        return Image.open(path, formats=_PICTURE_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ClipError(f"{path}: {error}") from None


def _on_grid(
    film: _Film, count: int, resample: float | None, path: Path
) -> tuple[NDArray[np.int_], float]:
    """How often each frame is shown at a constant rate, and that rate."""
    inner_s = film.lengths_s[:-1]  # whose end is the time of another frame
    if not inner_s.size:  # a single frame, or no times
        counts = np.ones(count, int)
        still_s = float(film.lengths_s.sum())
        if not film.rates and not still_s:
            raise ClipError(f"{path}: expected a frame rate, the file gives none")
        fps = film.rates[0] if film.rates else 1 / still_s
        if (length := round(still_s / _DEFAULT_DELAY_S)) > 1:
            counts, fps = np.array([length]), 1 / _DEFAULT_DELAY_S
            film.remarks.append(
                f"1 frame that stands for {still_s:.2f} s is {length} at {fps:g} fps"
            )
    else:
        step_s = _grid_step_s(inner_s, film)
        usual_s = step_s or float(np.median(inner_s))
        if usual_s <= 0:
            raise ClipError(f"{path}: expected one frame after the other, most have the same time")
        counts = np.maximum(1, np.rint(film.lengths_s / usual_s)).astype(int)
        fps = _rate(usual_s, len(inner_s), film)
        is_variable = step_s is None or (counts[:-1] > 1).mean() > _HELD_SHARE_ALLOWED
        if is_variable and not (film.is_animation and step_s):
            described = (
                f"frames last from {inner_s.min() * 1000:.0f} to {inner_s.max() * 1000:.0f} ms"
            )
            if resample is None:
                raise ClipError(
                    f"{path}: expected a constant frame rate, {described}: type "
                    f"model.resample={fps:.4g} with model=folder, or convert it, as with "
                    f"ffmpeg -i IN -r {fps:.4g} OUT"
                )
            times_s = np.concatenate([[0], np.cumsum(film.lengths_s)])
            counts, fps = np.diff(np.rint(times_s * resample)).astype(int), resample
            film.remarks.append(f"{described}, resampled to {fps:g} fps")
        else:
            film.remarks.extend(_held(counts, fps, film))
    return counts, fps


def _grid_step_s(lengths_s: NDArray[np.float64], film: _Film) -> float | None:
    """Seconds between the frames of a constant rate of which some may be left out.

    `lengths_s` are from each frame to the next. None if no rate fits: most of the frames that
    follow each other at once must come within `_JITTER` of when they should, and a few of them
    must not go faster or slower than all do. Delays of an animation are exact, but for rounding.
    """
    tick_s = film.tick_s
    shortest_s = float(lengths_s.min())
    for guess_s in (float(np.median(lengths_s)), shortest_s, shortest_s / 2, shortest_s / 3):
        step_s = guess_s
        for _ in range(2):
            if step_s <= 0:  # frames of the same time
                return None
            counts = np.maximum(1, np.rint(lengths_s / step_s))
            adjacent = counts == counts.min()
            step_s = float(lengths_s[adjacent].sum() / counts[adjacent].sum())
        if step_s <= 0:
            return None
        few = counts <= 3 * counts.min()  # a long pause need not be of whole frames
        late_s = np.abs(lengths_s - counts * step_s)
        allowed_s = (
            _rounding_s(counts, step_s, tick_s)
            if film.is_animation
            else (_JITTER * step_s + tick_s)
        )
        uneven = (late_s > allowed_s)[few].mean()
        run_s = (lengths_s / counts)[adjacent]
        window = max(1, min(_DRIFT_FRAMES, len(run_s) // 2))
        local_s = np.convolve(run_s, np.full(window, 1 / window), "valid")
        drift = (np.abs(local_s - step_s) - tick_s / window).max() / step_s
        if uneven <= _UNEVEN_SHARE_ALLOWED and drift <= _DRIFT:
            return step_s
    return None


def _rounding_s(counts: NDArray[np.float64], step_s: float, tick_s: float) -> NDArray[np.float64]:
    """By how much delays of whole frames may differ from so many steps, when all were rounded.

    Of frames that stand for one step, no two may be further apart than a tick; where none does,
    the step was guessed, and a coarse tick must not make any guess fit.
    """
    if counts.min() > 1:
        return np.full(counts.shape, min(tick_s, _JITTER * step_s))
    held_s = np.minimum(counts * tick_s, max(1.001 * tick_s, _JITTER * step_s))
    return np.where(counts == 1, 0.999 * tick_s, held_s)


def _rate(step_s: float, count: int, film: _Film) -> float:
    """The declared rate that the times bear out, else that of the times: those are played."""
    tolerance = _RATE_TOLERANCE + film.tick_s / (count * step_s)
    nearest = min(film.rates, key=lambda rate: abs(rate * step_s - 1), default=0.0)
    if abs(nearest * step_s - 1) <= tolerance:
        return nearest
    return float(Fraction(1 / step_s).limit_denominator(1001))


def _held(counts: NDArray[np.int_], fps: float, film: _Film) -> Iterator[str]:
    """What to say of frames that stand longer than one step of the grid."""
    (held,) = np.nonzero(counts > 1)
    if held.size and film.is_animation:
        yield f"{len(counts)} frames of unequal delay are {counts.sum()} at {fps:.4g} fps"
    elif held.size:
        holes = [f"frame {at} stands for {counts[at]} ({counts[at] / fps:.2f} s)" for at in held]
        more = f" and {len(holes) - 3} more" if holes[3:] else ""
        yield f"holes in its times: at {fps:.4g} fps {', '.join(holes[:3])}{more}"


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


def pictures(folder: Path) -> list[Path]:
    """Files of a folder that may be frames, in natural order."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return sorted((f for f in files if not f.name.startswith(".")), key=natural_order)


def _read_folder(path: Path, fps: float | None, limits: Limits) -> Clip:
    files = frame_files(path)
    if fps is None:
        raise ClipError(f"{path}: frames in a folder carry no rate: say it with model.fps=N")

    def read(film: _Film) -> _Frames:
        shape = None
        for file in files:
            if not file.is_file() or (file.is_symlink() and file.resolve().parent != inside):
                raise ClipError(f"{file}: expected a picture in this folder, got a link or no file")
            try:
                with _picture(file) as picture:
                    size = picture.height, picture.width
                    limits.check(path, size, len(files), len(files) / fps)
                    film.lossy |= picture.format != _LOSSLESS_FORMAT
                    _note(picture, film.remarks)
                image = read_image(file)
            except ClipError:
                raise
            except Exception:  # as in `read_video`
                raise ClipError(
                    f"{file}: expected a PNG, JPEG or WebP, it cannot be read"
                ) from None
            if image.shape != (shape := shape or image.shape):
                raise ClipError(
                    f"{file}: expected frames of one size, height and width are "
                    f"{image.shape[:2]} here and {shape[:2]} in {files[0].name}"
                )
            yield image

    inside = path.resolve()
    film = _Film()
    queue, shape = _first_pass(read, film, path)
    frames = frames_of(lambda: _again(queue, read, shape), shape)
    return Clip(frames, fps, film.lossy, tuple(film.remarks))


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """What sorts frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    numbered = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return numbered, path.name  # 01 and 1 are the same number


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture, uint8 `[H, W, 3]`, RGB, turned the way its EXIF data say."""
    if path.exists() and not path.is_file():
        raise BenchError(f"expected a picture at {path}, got a folder, a pipe or a device")
    decoded = None
    try:
        if path.stat().st_size > _MOST_PICTURE_BYTES:
            raise ClipError(f"{path}: expected a picture of at most {_MOST_PICTURE_BYTES} bytes")
        content = np.frombuffer(path.read_bytes(), np.uint8)
        with _picture(path) as picture:
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
