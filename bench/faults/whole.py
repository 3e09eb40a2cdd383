"""Faults of whole frames: how they look, and how they follow each other.

Each is a pure function of (frames uint8 `[T, H, W, 3]`, level, rng), with what its levels
mean. One rng state gives the same pattern at every level, only stronger.
"""

import io

import av
import cv2
import numpy as np

from bench.faults.tools import (
    Frame,
    Frames,
    blend,
    displace,
    each,
    fault,
    flow_between,
    greys_of,
    rotate_hue,
    smooth_warp,
    to_uint8,
)

_EXPOSURES = 9  # pictures that make one of an open shutter


@fault("largest change of a frame's brightness, as a share of it", (0.02, 0.05, 0.10))
def flicker(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every frame gets its own brightness."""
    gains = 1 + level * rng.uniform(-1, 1, len(frames))
    return each(lambda frame, gain: to_uint8(frame * np.float32(gain)), frames, gains)


@fault("standard deviation, in grey levels of 0..255", (3, 8, 20), 255)
def noise(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Gaussian grain, new in every frame."""
    grain = (rng.standard_normal(frame.shape, dtype=np.float32) for frame in frames)
    return each(lambda frame, values: to_uint8(frame + level * values), frames, grain)


@fault("root mean square displacement, in 1/128 of the short side", (0.5, 1, 2), 16)
def wobble(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Every frame is warped by a smooth field of its own, like jelly."""
    height, width = frames.shape[1:3]
    rms = level * min(height, width) / 128
    return each(lambda frame: displace(frame, smooth_warp(rng, height, width, rms)), frames)


@fault("share of the other picture in the last frame", (0.15, 0.30, 0.60))
def drift(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The picture slowly turns into a warped version of itself with other hues."""
    height, width = frames.shape[1:3]
    field = smooth_warp(rng, height, width, 0.05 * min(height, width))
    degrees = rng.choice([-1, 1]) * rng.uniform(110, 170)
    others = (displace(rotate_hue(frame, degrees), field) for frame in frames)
    return each(blend, frames, others, np.linspace(0, level, len(frames)))


@fault()
def half_resolution(frames: Frames, _level: float, _rng: np.random.Generator) -> Frames:
    """Averaged down by two, enlarged again."""
    height, width = frames.shape[1:3]
    half = ((width + 1) // 2, (height + 1) // 2)
    small = (cv2.resize(frame, half, interpolation=cv2.INTER_AREA) for frame in frames)
    return each(lambda s: cv2.resize(s, (width, height), interpolation=cv2.INTER_CUBIC), small)


@fault("constant rate factor of H.264", (18, 28, 35), 51)
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


@fault("turn of the hues at the end, in degrees", (20, 45, 90), 180)
def hue_drift(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The hues turn, ever further."""
    return each(rotate_hue, frames, rng.choice([-1, 1]) * np.linspace(0, level, len(frames)))


@fault("spread of the blur at the end, in 1/128 of the short side", (0.7, 1.5, 3), 32)
def soften(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Detail is lost, ever more: the picture grows blurred."""
    sigmas = np.linspace(0, level * min(frames.shape[1:3]) / 128, len(frames)).tolist()
    return each(lambda f, sigma: cv2.GaussianBlur(f, (0, 0), sigma) if sigma else f, frames, sigmas)


@fault("spread of the blur, in 1/128 of the short side", (0.7, 1.5, 3), 32)
def blur(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Every frame is out of focus, all alike."""
    sigma = level * min(frames.shape[1:3]) / 128
    return each(lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma), frames)


@fault(
    "how long the shutter is open, as a share of the step to the next frame; film has 0.5",
    (0.25, 0.5, 1.0),
)
def open_shutter(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """The shutter stays open for a part of each step: what moves is blurred along its way.

    The last frame, which leads nowhere, stays sharp.
    """
    shares = np.linspace(0, -level, _EXPOSURES).tolist()

    def exposed(first: Frame, second: Frame) -> Frame:
        flow = flow_between(*greys_of(np.stack([first, second])))
        return to_uint8(np.mean([displace(first, share * flow) for share in shares], axis=0))

    return np.concatenate([each(exposed, frames[:-1], frames[1:]), frames[-1:]])


@fault("how far the torn part is moved, as a share of the width", (0.02, 0.05, 0.1), 0.5)
def tear(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The picture is torn: below a line, another one in each frame, it is moved sideways."""
    height, width = frames.shape[1:3]
    damaged = frames.copy()
    for t in range(len(frames)):
        line = int(rng.uniform(0.1, 0.8) * height)
        across = max(1, round(level * width)) * int(rng.choice([-1, 1]))
        damaged[t, line:] = np.roll(frames[t, line:], across, axis=1)
    return damaged


@fault("share of the frame's area whose blocks are lost", (0.02, 0.06, 0.15))
def blocks(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Square blocks are lost: they show one colour, or what was there some frames ago."""
    count, height, width = frames.shape[:3]
    side = max(2, min(height, width) // 12)
    rows, columns = -(-height // side), -(-width // side)
    damaged = frames.copy()
    for t in range(count):
        luck, flat = rng.uniform(0, 1, (2, rows, columns))
        for row, column in np.argwhere(luck < level).tolist():
            place = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            block = frames[t][place]
            plain = block.mean(axis=(0, 1)).round().astype(np.uint8)
            damaged[t][place] = plain if flat[row, column] < 0.5 else frames[max(0, t - 3)][place]
    return damaged


@fault(
    "standard deviation of the shift, in 1/128 of the short side; turns go with it", (1, 2, 4), 32
)
def shake(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """The camera jerks: every frame is moved and turned a little by itself."""
    height, width = frames.shape[1:3]
    unit = min(height, width) / 128

    def jerk(frame: Frame) -> Frame:
        across, down, turn = rng.standard_normal(3) * (level * unit, level * unit, level / 4)
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, 1.0)
        matrix[:, 2] += across, down
        how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
        jerked: Frame = cv2.warpAffine(frame, matrix, (width, height), **how)
        return jerked

    return each(jerk, frames)


@fault("number of frames between two true ones; they are blends of these", (1, 3, 7), 64)
def crossfade(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Only every few frames a true one; between them the picture fades from one to the next."""
    apart = 1 + int(np.ceil(level))
    last = len(frames) - 1
    damaged = frames.copy()
    for start in range(0, last, apart):
        stop = min(start + apart, last)
        for t in range(start + 1, stop):
            damaged[t] = blend(frames[start], frames[stop], (t - start) / (stop - start))
    return damaged


@fault("share of the trail of earlier frames", (0.3, 0.5, 0.7), 0.99)
def ghost(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Earlier frames shine through."""
    trail = [frames[0]]
    for frame in frames[1:]:
        trail.append(blend(frame, trail[-1], level))
    return np.stack(trail)


@fault("by how much long and short steps differ: at 1 they are as 3 to 1", (0.3, 0.6, 1.0))
def judder(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Time goes in uneven steps: short, long, short, long; no frame is repeated."""
    last, steps = len(frames) - 1, np.arange(len(frames))
    times = np.minimum(steps + level / 2 * (steps % 2), last)
    return each(lambda time: _between(frames, float(time)), times)


def _between(frames: Frames, time: float) -> Frame:
    """The picture between two frames, each moved along the flow from one to the other."""
    before, share = int(time), time - int(time)
    if not share:
        still: Frame = frames[before]
        return still
    first, second = frames[before], frames[before + 1]
    flow = flow_between(*greys_of(frames[before : before + 2]))
    return blend(displace(first, -share * flow), displace(second, (1 - share) * flow), share)


@fault(
    "share of frames that repeat the one before; 0.5 holds every frame twice",
    (0.25, 0.5, 0.67),
    0.9,
)
def hold(frames: Frames, level: float, _rng: np.random.Generator) -> Frames:
    """Frames are held while time goes on: stutter."""
    held = frames.copy()
    for t in range(1, len(frames)):
        if _van_der_corput(t - 1) < level:
            held[t] = held[t - 1]
    return held


def _van_der_corput(number: int) -> float:
    """0, 1/2, 1/4, 3/4, ...: any share of its values below x is spread evenly, about x."""
    bits = f"{number:b}"
    return int(bits[::-1], 2) / (1 << len(bits))


@fault(
    "share of frames lost, in pairs; neither the first nor the last, so none of only two",
    (0.12, 0.25, 0.5),
    0.9,
)
def drop(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Pairs of frames are lost; the clip gets shorter and its motion jumps."""
    count = len(frames)
    inner = np.arange(1, count - 1)  # the first and the last frame stay
    rank = rng.permutation(count)[inner // 2]
    lost = inner[np.argsort(rank, kind="stable")][: round(level * count)]
    return np.delete(frames, lost, axis=0)


@fault(
    "share of the pairs of neighbours that change places; at least one pair does", (0.25, 0.5, 1.0)
)
def order(frames: Frames, level: float, rng: np.random.Generator) -> Frames:
    """Neighbouring frames change places."""
    pairs = rng.permutation(len(frames) // 2)
    source = np.arange(len(frames))
    for pair in pairs[: int(np.ceil(level * len(pairs)))].tolist():
        source[2 * pair], source[2 * pair + 1] = 2 * pair + 1, 2 * pair
    return frames[source]


@fault()
def shuffle(frames: Frames, _level: float, rng: np.random.Generator) -> Frames:
    """All frames in random order; never the right one."""
    right = np.arange(len(frames))
    source = rng.permutation(right)
    while np.array_equal(source, right):
        source = rng.permutation(right)
    shuffled: Frames = frames[source]
    return shuffled
