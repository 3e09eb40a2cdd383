"""Clip: frames and a rate; stored as a lossless master, previewed as H.264."""

import hashlib
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from bench.errors import ClipError

_MAX_RATE_DENOMINATOR = 1001  # holds 24000/1001 and its kin exactly

_FPS_STORED = (0.01, 1000.0)  # Matroska counts in milliseconds

_LAYOUTS = {1: "mono", 2: "stereo"}  # channels to what PyAV calls them

_MIN_SIDE_PX = 2  # the smallest picture that FFV1 stores
_MIN_SIDE_OF_16_SLICES_PX = 16


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
    """Frames per second, > 0."""
    lossy: bool = False
    """Whether the frames come from a lossy file and no lossless one exists."""
    sound: Sound | None = None
    """What is heard with them; no part of the hash."""

    def __post_init__(self) -> None:
        shape, dtype = self.frames.shape, self.frames.dtype
        if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise ClipError(f"expected uint8 frames [T, H, W, 3], got {dtype} {list(shape)}")
        if min(shape[1:3]) < _MIN_SIDE_PX:
            raise ClipError(f"expected frames of at least 2x2 pixels, got {list(shape[1:3])}")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ClipError(f"expected a frame rate above 0, got {self.fps}")

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of shape and pixels; the same whatever encoder stored them."""
        sha = hashlib.sha256(repr(self.frames.shape).encode())
        sha.update(np.ascontiguousarray(self.frames).data)
        return sha.hexdigest()

    @property
    def seconds(self) -> float:
        """Length: T / fps."""
        return len(self.frames) / self.fps


def write_master(clip: Clip, path: Path) -> None:
    """Store the frames exactly: FFV1 version 3 with a checksum per slice, in Matroska.

    Sound goes along, in 16 bits.

    The file stands whole under its name or not at all. A rate outside 0.01..1000 frames per
    second is a ClipError.
    """
    short_side_px = min(clip.frames.shape[1:3])
    slices = "16" if short_side_px >= _MIN_SIDE_OF_16_SLICES_PX else "4"
    options = {"level": "3", "slices": slices, "slicecrc": "1"}
    _write(clip, clip.frames, path, "ffv1", "bgr0", options)


def read_master(path: Path, *, frames: int, sha256: str) -> Clip:
    """Read a master back, and make sure that it holds the frames that its record says.

    Half a file can decode without an error.
    """
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            rate = stream.average_rate
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise ClipError(f"{path}: cannot be read: {error}") from None
    if len(decoded) != frames or rate is None:
        raise ClipError(f"{path}: expected {frames} frames, {len(decoded)} are left in it")
    clip = Clip(np.stack(decoded), float(rate))
    if clip.sha256 != sha256:
        raise ClipError(f"{path}: the frames are not those that were written")
    return clip


def write_preview(clip: Clip, path: Path) -> None:
    """Write an H.264 file that every browser plays; odd sizes gain a row or column."""
    height, width = clip.frames.shape[1:3]
    even = np.pad(clip.frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    _write(clip, even, path, "libx264", "yuv420p", {"crf": "20"})


def _write(
    clip: Clip,
    frames: NDArray[np.uint8],
    path: Path,
    codec: str,
    pixels: str,
    options: Mapping[str, str],
) -> None:
    slowest, fastest = _FPS_STORED
    if not slowest <= clip.fps <= fastest:
        asked = f"got {clip.fps:g}"
        raise ClipError(f"a file holds {slowest:g} to {fastest:g} frames per second, {asked}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        # The index at the front lets a browser start before it has the whole file.
        muxer = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with av.open(temporary, "w", options=muxer) as container:
            rate = Fraction(clip.fps).limit_denominator(_MAX_RATE_DENOMINATOR)
            added = container.add_stream(codec, rate=rate, options=dict(options))
            stream = cast("av.VideoStream", added)
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = pixels
            if pixels == "yuv420p":
                stream.codec_context.color_range = ColorRange.MPEG
                stream.codec_context.colorspace = Colorspace.ITU709
                stream.codec_context.color_primaries = 1  # bt709
                stream.codec_context.color_trc = 1
            if clip.sound is not None:
                _write_sound(container, clip.sound, "aac" if path.suffix == ".mp4" else "pcm_s16le")
            for array in frames:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
                if pixels == "yuv420p":
                    frame = frame.reformat(
                        format=pixels, dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG"
                    )
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_sound(container: av.container.OutputContainer, sound: Sound, codec: str) -> None:
    """To a file whose streams are all there, before their frames: it knows each by its time."""
    layout = _LAYOUTS[len(sound.samples)]
    track = cast("av.AudioStream", container.add_stream(codec, rate=sound.rate_hz, layout=layout))
    samples = np.ascontiguousarray(sound.samples.clip(-1, 1), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = sound.rate_hz
    container.mux(track.encode(frame))
    container.mux(track.encode())
