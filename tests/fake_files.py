"""Videos and pictures as files, for tests of whatever reads them."""

import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def write(
    path: Path,
    frames: np.ndarray,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    ticks: list[int] | None = None,
    front: bool = False,
    turned: int | None = None,
) -> Path:
    """A video at 10 fps; `ticks` gives each frame's time in hundredths of a second."""
    muxer = {"movflags": "+faststart"} if front else {}
    with av.open(path, "w", options=muxer) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        if ticks:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 100)
        if turned is not None:
            stream.set_display_rotation(turned)
        for number, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pixels)
            frame.pts = ticks[number] if ticks else number * 10
            frame.time_base = Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG, which holds no pixels."""
    chunk = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    head = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk
    return head + zlib.crc32(chunk).to_bytes(4, "big") + b"\0\0\0\0IDAT" + b"\x35\xaf\x06\x1e"
