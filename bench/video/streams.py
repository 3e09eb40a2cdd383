"""The pictures of a video stream: of the one that a player shows, whole, upright and square."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import av.container
import av.error
import av.filter
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, ColorTrc
from numpy.typing import NDArray

from bench.errors import ClipError
from bench.video.film import NO_ALPHA, Film, Frames, Limits
from bench.video.truncation import is_truncated

_LOSSLESS_CODECS = frozenset(
    {"apng", "ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo"}
)

# A file may be a list of other files, or of addresses, which nobody meant to be read.
_CONTAINERS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,flv,ogg",
}

# A file may declare a little more than it holds; encoders round durations up.
_MISSING_FRAMES_ALLOWED = 2

_MOST_BACK_S = 0.25  # by which the time of a frame may lie before that of the frame before

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


def stream_frames(path: Path, limits: Limits, film: Film) -> Frames:
    """The frames of a video file, and their times; ClipError if it is cut short."""
    with av.open(path, options=_CONTAINERS, metadata_errors="replace") as container:
        if is_truncated(path, container.format.name):
            raise ClipError(
                f"{path}: the file is cut short, it ends within a part of its container: take a "
                "whole one, or, if there is no more of it, convert it, as with ffmpeg -i IN OUT"
            )
        yield from _decoded(container, path, limits, film)


def _decoded(
    container: av.container.InputContainer, path: Path, limits: Limits, film: Film
) -> Frames:
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
        film.remarks.append(NO_ALPHA)
    count = 0
    times_s: list[float] = []
    last_s = 0.0
    aspects: set[Fraction] = set()
    matrix: Sequence[int] | None = None
    for frame in _deinterlaced(_frames(container, stream, path), stream, film.remarks):
        if not count and (data := frame.side_data.get("DISPLAYMATRIX")) is not None:
            matrix = struct.unpack("9i", bytes(cast("memoryview", data)))
        count += 1
        limits.check(path, (frame.height, frame.width), count)
        aspects.add(codec.sample_aspect_ratio or Fraction(1))
        if len(aspects) > 1:
            raise ClipError(
                f"{path}: expected pixels of one shape, it changes near frame {count - 1}: "
                "give each part by itself"
            )
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


def _main_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """The stream that a player shows: the default one, never a cover picture."""
    streams = container.streams.video
    moving = [each for each in streams if not each.disposition & Disposition.attached_pic]
    if not moving:
        raise ClipError(f"{path}: expected a video, there is no picture in it")
    moving.sort(key=lambda each: each.frames == 1)  # an animated AVIF begins with its still picture
    main = next((each for each in moving if each.disposition & Disposition.default), moving[0])
    if main.codec_context is None:
        raise ClipError(
            f"{path}: expected a video that FFmpeg can decode, got one of an unknown codec, or "
            "encrypted: convert it with the program that made it, as to H.264"
        )
    return main


def _frames(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> Iterator[av.VideoFrame]:
    """All frames of a stream; ClipError if one is damaged, or more are declared."""
    count, reached_s = 0, 0.0
    # A length of the whole file may be that of any stream in it.
    others = container.streams.audio if stream.duration is not None else container.streams
    for packet in container.demux(stream, *others):
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


def _refuse_cut_short(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    count: int,
    reached_s: float,
    path: Path,
) -> None:
    """Half a file often decodes without complaint: hold what came against what is declared.

    Whatever is declared must be missing. A trimmed video declares frames that its edit list
    leaves out, and plays for as long as it says; where sound or subtitles outlast the picture, it
    is they that reach the declared end.
    """
    rate = float(stream.average_rate or stream.guessed_rate or 0)
    missing = []
    if stream.frames:
        missing.append(stream.frames - count)
    if stream.duration is not None and stream.time_base is not None:
        # Where FFmpeg counts no frames, as in fragments, the length that it gives may be the end,
        # and a late start a guess.
        start = stream.start_time or 0
        start = start if stream.frames else min(start, 0)
        end_s = float((start + stream.duration) * stream.time_base)
        missing.append(round((end_s - reached_s) * rate))
    elif container.duration is not None:
        missing.append(round((container.duration / av.time_base - reached_s) * rate))
    if missing and min(missing) > _MISSING_FRAMES_ALLOWED:
        raise ClipError(
            f"{path}: got {count} frames, {min(missing)} more are declared: the file is cut short"
        )


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
