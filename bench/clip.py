"""Clip: frames and a rate; stored as a lossless master, previewed as H.264."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from bench.errors import ClipError
from bench.schema import ClipFacts
from bench.storage import RunFolder, part_of

_MAX_RATE_DENOMINATOR = 1001  # holds 24000/1001 and its kin exactly

_FPS_STORED = (0.01, 1000.0)  # Matroska counts in milliseconds

HELD_BYTES = 2**30
"""Frames that are larger than this together are decoded whenever they are asked for."""
_LAYOUTS = {1: "mono", 2: "stereo"}  # channels to what PyAV calls them

_CONTAINERS = {".mkv": "matroska", ".mp4": "mp4"}  # by the name that a file is to have

_MIN_SIDE_PX = 2  # the smallest picture that FFV1 stores
_MIN_SIDE_OF_16_SLICES_PX = 16


@dataclass(eq=False)
class Streamed:
    """Frames too many to be held: those asked for are decoded, and nothing else is kept.

    It stands in for an array of uint8 `[T, H, W, 3]` that is read from front to back; going back
    starts anew. What needs an array of all of them gets one.
    """

    shape: tuple[int, int, int, int]
    read: Callable[[], Iterator[NDArray[np.uint8]]]  # all frames in order, `[H, W, 3]`
    dtype = np.dtype(np.uint8)
    _coming: Iterator[NDArray[np.uint8]] = field(default_factory=lambda: iter(()), init=False)
    _at: int = field(default=-1, init=False)  # the frame that `_coming` gave last; -1 before any
    _frame: NDArray[np.uint8] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return self.read()

    def __getitem__(self, which: int | slice | Iterable[int]) -> NDArray[np.uint8]:
        every = range(len(self))
        if isinstance(which, int | np.integer):
            return self._get(every[which])
        indices = every[which] if isinstance(which, slice) else [every[index] for index in which]
        frames = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for place in np.argsort(indices, kind="stable"):
            frames[place] = self._get(indices[place])
        return frames

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401
        return np.stack(list(self)).astype(dtype or self.dtype)

    def _get(self, index: int) -> NDArray[np.uint8]:
        if self._frame is None or index < self._at:
            self._coming, self._at = self.read(), -1
        while self._frame is None or self._at < index:
            self._frame, self._at = next(self._coming), self._at + 1
        return self._frame


def frames_of(
    read: Callable[[], Iterator[NDArray[np.uint8]]], shape: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """Frames that can be read again, in an array if it is of at most `HELD_BYTES`.

    Otherwise in what behaves like one; see `Streamed`.
    """
    if math.prod(shape) > HELD_BYTES:
        return cast("NDArray[np.uint8]", Streamed(shape, read))
    array = np.empty(shape, np.uint8)
    for place, frame in zip(array, read(), strict=True):
        place[:] = frame
    return array


@dataclass(frozen=True, eq=False)
class Sound:
    """What a model makes beside the frames; kept and played, never scored."""

    samples: NDArray[np.float32]
    """`[channels, N]`, one or two channels, -1..1."""
    rate_hz: int
    """Samples per second and channel."""

    def __post_init__(self) -> None:
        channels, count = self.samples.shape
        if channels not in _LAYOUTS or not count or not np.isfinite(self.samples).all():
            raise ClipError(f"expected sound of one or two channels, got {[channels, count]}")


@dataclass(frozen=True, eq=False)
class Clip:
    """One generated or loaded video; a ClipError if the frames or the rate are anything else."""

    frames: NDArray[np.uint8]
    """`[T, H, W, 3]`, RGB, T >= 1."""
    fps: float
    """Frames per second, 0.01 to 1000."""
    lossy: bool = False
    """Whether the frames come from a lossy file and no lossless one exists."""
    remarks: tuple[str, ...] = ()
    """On how its file was read, one line each: holes in its times, pixels that are not square."""
    sound: Sound | None = None
    """What is heard with them; no part of the hash."""

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise ClipError(f"expected uint8 frames [T, H, W, 3], got {dtype} {list(shape)}")
        if min(shape[1:3]) < _MIN_SIDE_PX:
            raise ClipError(f"expected frames of at least 2x2 pixels, got {list(shape[1:3])}")
        slowest, fastest = _FPS_STORED
        if not slowest <= self.fps <= fastest:
            raise ClipError(
                f"expected {slowest:g} to {fastest:g} frames per second, got {self.fps:g}"
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of shape and pixels; the same whatever encoder stored them."""
        sha = hashlib.sha256(repr(self.frames.shape).encode())
        for frame in self.frames:
            sha.update(np.ascontiguousarray(frame).data)
        return sha.hexdigest()

    @property
    def seconds(self) -> float:
        """Length: T / fps."""
        return len(self.frames) / self.fps


def write_master(clip: Clip, path: Path) -> None:
    """Store the frames exactly: FFV1 version 3 with a checksum per slice, in Matroska.

    Sound goes along, in 16 bits.

    The file stands whole under its name or not at all.
    """
    short_side_px = min(clip.frames.shape[1:3])
    slices = "16" if short_side_px >= _MIN_SIDE_OF_16_SLICES_PX else "4"
    options = {"level": "3", "slices": slices, "slicecrc": "1"}
    _write(clip, path, "ffv1", "bgr0", options)


def write_compressed(clip: Clip, path: Path) -> Clip:
    """Store the frames with a loss of about 47 dB: H.264 of RGB, at a constant rate factor of 12.

    RGB, since what comes out of a conversion of colours depends on the machine that reads it.

    Returns:
        The clip as it will be read.
    """
    _write(clip, path, "libx264rgb", "bgr24", {"crf": "12", "preset": "veryfast"})
    return replace(clip, frames=frames_of(lambda: _stored(path), clip.frames.shape), lossy=True)


def read_clip(folder: RunFolder, clip: ClipFacts) -> Clip:
    """The frames of a clip in its run's folder; a ClipError where they are gone, or are others."""
    path = folder.master(clip.sample)
    return read_master(path, frames=clip.frames or 0, sha256=clip.frames_sha256 or "")


def read_master(path: Path, *, frames: int, sha256: str) -> Clip:
    """Read a master back, and make sure that it holds the frames that its record says.

    Half a file can decode without an error.
    """
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            rate, size = stream.average_rate, (stream.height, stream.width)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise ClipError(f"{path}: cannot be read: {error}") from None
    try:
        clip = Clip(frames_of(lambda: _stored(path), (frames, *size, 3)), float(rate or 0))
    except ValueError:
        raise ClipError(f"{path}: expected {frames} frames, others are left in it") from None
    if clip.sha256 != sha256:
        raise ClipError(f"{path}: the frames are not those that were written")
    return clip


def _stored(path: Path) -> Iterator[NDArray[np.uint8]]:
    try:
        with av.open(path) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise ClipError(f"{path}: cannot be read: {error}") from None


def read_sound(path: Path) -> Sound | None:
    """What is heard with the frames of a master; None where nothing is."""
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                return None
            rate_hz = container.streams.audio[0].rate
            resampler = av.AudioResampler("fltp")
            packets = (*container.decode(audio=0), None)  # which has it give the rest
            parts = [part.to_ndarray() for frame in packets for part in resampler.resample(frame)]
    except (av.error.FFmpegError, OSError) as error:
        raise ClipError(f"{path}: cannot be read: {error}") from None
    return Sound(np.concatenate(parts, axis=1), rate_hz)


def write_preview(clip: Clip, path: Path) -> None:
    """Write an H.264 file that every browser plays; odd sizes gain a row or column."""
    _write(clip, path, "libx264", "yuv420p", {"crf": "20"})


def _write(clip: Clip, path: Path, codec: str, pixels: str, options: Mapping[str, str]) -> None:
    height, width = clip.frames.shape[1:3]
    more = (height % 2, width % 2) if pixels == "yuv420p" else (0, 0)
    with part_of(path) as part:
        # The index at the front lets a browser start before it has the whole file.
        muxer = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with av.open(part, "w", _CONTAINERS[path.suffix], muxer) as container:
            rate = Fraction(clip.fps).limit_denominator(_MAX_RATE_DENOMINATOR)
            added = container.add_stream(codec, rate=rate, options=dict(options))
            stream = cast("av.VideoStream", added)
            stream.height, stream.width = height + more[0], width + more[1]
            stream.pix_fmt = pixels
            if pixels == "yuv420p":
                stream.codec_context.color_range = ColorRange.MPEG
                stream.codec_context.colorspace = Colorspace.ITU709
                stream.codec_context.color_primaries = 1  # bt709
                stream.codec_context.color_trc = 1
            if clip.sound is not None:
                _write_sound(container, clip.sound, "aac" if path.suffix == ".mp4" else "pcm_s16le")
            for array in clip.frames:
                even = np.pad(array, ((0, more[0]), (0, more[1]), (0, 0)), mode="edge")
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
                if pixels == "yuv420p":
                    frame = frame.reformat(
                        format=pixels, dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG"
                    )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())


def _write_sound(container: av.container.OutputContainer, sound: Sound, codec: str) -> None:
    """To a file whose streams are all there, before their frames: it knows each by its time."""
    layout = _LAYOUTS[len(sound.samples)]
    track = cast("av.AudioStream", container.add_stream(codec, rate=sound.rate_hz, layout=layout))
    samples = np.ascontiguousarray(sound.samples.clip(-1, 1), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = sound.rate_hz
    container.mux(track.encode(frame))
    container.mux(track.encode())
