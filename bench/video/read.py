"""A file or a folder of frames, read as a clip on the grid of a constant rate."""

import math
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.clip import HELD_BYTES, Clip, frames_of
from bench.errors import ClipError
from bench.video.film import LIMITS, Film, Frames, Limits
from bench.video.folders import frame_files, series_frames
from bench.video.grid import on_grid
from bench.video.images import animation_frames, is_picture
from bench.video.streams import stream_frames

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".mpeg", ".wmv", ".flv"}
    | {".ogv", ".gif", ".webp", ".apng"}
)
"""Of files that hold a clip, whatever their case, and so may an animated PNG."""

_Reader = Callable[[Film], Frames]  # that notes on the film what it sees on the way


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
    if path.is_file() and not path.stat().st_size:
        raise ClipError(f"{path}: expected a video, the file is empty; mend or remove it")

    def read(film: Film) -> Frames:
        try:
            kind = animation_frames if is_picture(path) else stream_frames
            yield from kind(path, limits, film)
        except ClipError:
            raise
        except Exception as error:  # decoders fail in any way on what they were not made for
            reason = getattr(error, "strerror", None) or str(error)
            raise ClipError(
                f"{path}: expected a video, but it cannot be read: {reason}; mend or remove it"
            ) from None

    film = Film()
    queue, shape = _first_pass(read, film, path)
    limits.check(path, shape[1:3], shape[0], float(film.lengths_s.sum()))
    counts, rate = on_grid(film, shape[0], resample, path)
    shape = (int(counts.sum()), *shape[1:])
    limits.check(path, shape[1:3], shape[0], shape[0] / rate)
    frames = frames_of(lambda: _repeated(_again(queue, read, shape), counts), shape)
    return Clip(frames, rate, film.lossy, tuple(film.remarks))


def _read_folder(path: Path, fps: float | None, limits: Limits) -> Clip:
    files = frame_files(path)
    if fps is None:
        raise ClipError(f"{path}: frames in a folder carry no rate: say it with model.fps=N")
    read = partial(series_frames, files, fps, limits)
    film = Film()
    queue, shape = _first_pass(read, film, path)
    frames = frames_of(lambda: _again(queue, read, shape), shape)
    return Clip(frames, fps, film.lossy, tuple(film.remarks))


def _first_pass(
    read: _Reader, film: Film, path: Path
) -> tuple[deque[NDArray[np.uint8]], tuple[int, int, int, int]]:
    """Read all frames, so that what is wrong is seen now; what is held of them, and their shape.

    All are held up to `HELD_BYTES`, none of more.
    """
    queue: deque[NDArray[np.uint8]] = deque()
    count, shape = 0, (0, 0, 0)
    for frame in read(film):
        if count and frame.shape != shape:
            raise ClipError(
                f"{path}: expected frames of one size, height and width are {frame.shape[:2]} from "
                f"frame {count} on and {shape[:2]} before: give each part by itself, or convert "
                "it, as with ffmpeg -i IN OUT"
            )
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
) -> Frames:
    """All frames once more: those that were held, given up one by one, or else read anew.

    Of a clip that is too large to be held once its frames are repeated, they are read every time.
    """
    if math.prod(shape) > HELD_BYTES:
        queue.clear()
    if not queue:
        yield from read(Film())
    while queue:
        yield queue.popleft()


def _repeated(frames: Frames, counts: NDArray[np.int_]) -> Frames:
    for frame, count in zip(frames, counts, strict=True):
        for _ in range(count):
            yield frame
