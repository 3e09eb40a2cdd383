"""Faults of how frames look: brightness, grain, shape, hue, sharpness, compression.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng); `bench.faults.registry` says
what the levels mean. One rng state gives the same pattern at every level, only stronger.
"""

import io

import av
import cv2
import numpy as np

from bench.faults.tools import (
    Frames,
    blend,
    displace,
    rotate_hue,
    smooth_warp,
    to_uint8,
)


def flicker(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every frame gets its own brightness."""
    gains = 1 + level * rng.uniform(-1, 1, len(frames))
    return np.stack([to_uint8(f * np.float32(g)) for f, g in zip(frames, gains, strict=True)])


def noise(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Gaussian grain, new in every frame."""
    return np.stack(
        [to_uint8(f + level * rng.standard_normal(f.shape, dtype=np.float32)) for f in frames]
    )


def wobble(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every frame is warped by a smooth field of its own, like jelly."""
    height, width = frames.shape[1:3]
    rms = level * min(height, width) / 128
    return np.stack([displace(f, smooth_warp(rng, height, width, rms)) for f in frames])


def drift(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The picture slowly turns into a warped version of itself with other hues."""
    height, width = frames.shape[1:3]
    field = smooth_warp(rng, height, width, 0.05 * min(height, width))
    degrees = rng.choice([-1, 1]) * rng.uniform(110, 170)
    shares = np.linspace(0, level, len(frames))
    return np.stack(
        [
            blend(f, displace(rotate_hue(f, degrees), field), share)
            for f, share in zip(frames, shares, strict=True)
        ]
    )


def half_resolution(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """Averaged down by two, enlarged again."""
    height, width = frames.shape[1:3]
    half = ((width + 1) // 2, (height + 1) // 2)
    return np.stack(
        [
            cv2.resize(
                cv2.resize(f, half, interpolation=cv2.INTER_AREA),
                (width, height),
                interpolation=cv2.INTER_CUBIC,
            )
            for f in frames
        ]
    )


def lossy(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Through H.264 and back, as if the clip only existed as a file from the web."""
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height = even.shape[2], even.shape[1]
        stream.pix_fmt = "yuv420p"
        # One thread: the bits must not depend on the number of cores. No macroblock tree: with it
        # x264 gives other bits now and then where the width is an odd number of macroblocks.
        stream.options = {"crf": f"{level:g}", "threads": "1", "mbtree": "0"}
        for frame in even:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    file.seek(0)
    with av.open(file, "r") as source:
        decoded = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return np.stack(decoded).astype(np.uint8)[:, :height, :width]
