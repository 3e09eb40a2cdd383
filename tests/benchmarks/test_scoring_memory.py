"""Memory of scoring, as ratios within one run, and what the longest clips take."""

import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

import bench.vision.analysis
from bench.clip import Clip, frames_of
from bench.config import build_metrics
from bench.errors import Unscored
from bench.prompts import Prompt
from bench.storage import CONF
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow
from bench.vision.heap import map_large_arrays
from bench.vision.identity import AlexNetFeatures
from bench.vision.lpips import Lpips

pytestmark = pytest.mark.benchmark

LENGTHS = 64, 128
MOST_GROWTH = 1.5
MOST_OF_WORKING_FRAMES = 2.5
MOST_BYTES_OF_4K = 4 * 2**30
MOST_BYTES_OF_A_MINUTE = 3 * 2**30
PROMPT = Prompt(id="p", text="", motion="subject")


def peak_bytes(
    frames: int, height: int, width: int, fps: float, large_bytes: int
) -> tuple[int, int]:
    """What scoring a clip needs at its peak beyond frames and networks, and the process in all."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    map_large_arrays()
    bench.vision.analysis.LARGE_BYTES = large_bytes
    networks = {
        "lpips": Lpips(),
        "flow": DisFlow(),
        "cuts": TransNet(),
        "identity": AlexNetFeatures(),
    }
    backbones = Backbones(networks, torch.device("cpu"))
    for role in networks:
        backbones.get(role)
    compute = OmegaConf.load(CONF / "metrics" / "compute.yaml")["compute"]
    metrics = build_metrics({str(name): str(path) for name, path in compute.items()})
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // width, y * 255 // height, (x // 8 + y // 8) % 2 * 255], axis=-1)
    picture = picture.astype(np.uint8)

    def read() -> Iterator[NDArray[np.uint8]]:
        for t in range(frames):
            yield np.roll(picture, t * width // 64, axis=1)

    clip = Clip(frames_of(read, (frames, height, width, 3)), fps)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
    before = resident_bytes("VmRSS")
    analysis = Analysis(clip, PROMPT, backbones, roles=networks)
    for metric in metrics.values():  # those of the image-text network have none here
        with suppress(Unscored):  # one may find nothing to measure
            metric.score(analysis)
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return resident_bytes("VmHWM") - before, whole


def resident_bytes(key: str) -> int:
    """What Linux says of this process: `VmRSS`, now, or `VmHWM`, at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024


LARGE_BYTES = bench.vision.analysis.LARGE_BYTES
CLIPS: dict[str, tuple[int, int, int, float, int]] = {  # those that take longest first
    "20 s of 4K": (160, 2160, 3840, 8.0, LARGE_BYTES),
    "long": (LENGTHS[1], 256, 256, 8.0, 2**26),
    "short": (LENGTHS[0], 256, 256, 8.0, 2**26),
    "large": (16, 2160, 3840, 8.0, LARGE_BYTES),
    "small": (16, 288, 512, 8.0, LARGE_BYTES),
}


@pytest.fixture(scope="module")
def peaks() -> dict[str, tuple[int, int]]:
    """`peak_bytes` of each clip, in a fresh process, as a peak is never taken back.

    Two at once, as nothing is timed.
    """
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as pool:
        return dict(
            zip(CLIPS, pool.map(peak_bytes, *zip(*CLIPS.values(), strict=True)), strict=True)
        )


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{line}\n")


def test_memory_does_not_grow_with_the_resolution(
    peaks: dict[str, tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = peaks["small"][0], peaks["large"][0]
    sizes = f"{small / 2**20:.0f} MiB at 512x288, {large / 2**20:.0f} MiB at 3840x2160"
    say(capsys, f"beyond the clip, 16 frames: {sizes}")
    assert large <= MOST_GROWTH * small


def test_memory_grows_with_the_length_by_little_more_than_the_working_frames(
    peaks: dict[str, tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    short, long = peaks["short"][0], peaks["long"][0]
    working = (LENGTHS[1] - LENGTHS[0]) * (256**2 + 128**2) * 3
    taken = ", ".join(
        f"{peak / 2**20:.0f} MiB for {frames} frames"
        for frames, peak in zip(LENGTHS, (short, long), strict=True)
    )
    say(capsys, f"beyond the clip: {taken}, of which {working / 2**20:.0f} MiB more to work on")
    assert long - short <= MOST_OF_WORKING_FRAMES * working


def test_twenty_seconds_of_4k_fit(
    peaks: dict[str, tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    _, whole = peaks["20 s of 4K"]
    say(capsys, f"20 s of 4K at 8 frames a second: the process takes {whole / 2**20:.0f} MiB")
    assert whole <= MOST_BYTES_OF_4K


def test_a_minute_of_720p_would_fit(
    peaks: dict[str, tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Extrapolated, as scoring one takes a quarter of an hour; measured whole it is up to .17 more.

    From the process that scores the longer clip: it is let keep all evidence that may be kept, and
    grows with each frame as from the shorter clip to the longer, by as much more as the working
    frames of 1280x720 are larger.
    """
    short, long = peaks["short"][0], peaks["long"][0]
    larger = (256 * 455 + 128 * 228) / (256**2 + 128**2)
    a_frame = max(0, long - short) / (LENGTHS[1] - LENGTHS[0]) * larger
    kept = LARGE_BYTES - CLIPS["long"][-1]
    whole = peaks["long"][1] + kept + (1440 - LENGTHS[1]) * a_frame
    say(capsys, f"1440 frames of 1280x720, extrapolated: the process takes {whole / 2**20:.0f} MiB")
    assert whole <= MOST_BYTES_OF_A_MINUTE
