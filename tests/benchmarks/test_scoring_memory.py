"""Memory of scoring, as a ratio within one run."""

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.clip import Clip
from bench.metrics.coherence import coherence
from bench.prompts import Prompt
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow
from bench.vision.lpips import Lpips

pytestmark = pytest.mark.benchmark

FRAMES = 16
MOST_GROWTH = 1.5


def evidence_bytes(height: int, width: int) -> tuple[int, int]:
    """What scoring one clip needs at its peak beyond the clip and the networks, and the clip."""
    torch.set_num_threads(1)
    backbones = Backbones(
        {
            "lpips": Lpips(),
            "flow": DisFlow(),
            "cuts": TransNet(),
        },
        torch.device("cpu"),
    )
    for role in ("lpips", "flow", "cuts"):
        backbones.get(role)
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 255 // width, y * 255 // height, (x // 8 + y // 8) % 2 * 255], axis=-1)
    picture = picture.astype(np.uint8)
    frames = np.stack([np.roll(picture, t * width // 64, axis=1) for t in range(FRAMES)])
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the frames
    before = resident_bytes("VmRSS")
    coherence(Analysis(Clip(frames, 8.0), Prompt(id="p", text=""), backbones))
    return resident_bytes("VmHWM") - before, frames.nbytes


def resident_bytes(key: str) -> int:
    """What Linux says of this process: `VmRSS`, now, or `VmHWM`, at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) * 1024


def test_memory_does_not_grow_with_the_resolution(capsys: pytest.CaptureFixture[str]) -> None:
    context = get_context("spawn")  # peaks of a fresh process each
    with ProcessPoolExecutor(1, context) as pool:
        small, _ = pool.submit(evidence_bytes, 288, 512).result()
    with ProcessPoolExecutor(1, context) as pool:
        large, clip = pool.submit(evidence_bytes, 2160, 3840).result()
    with capsys.disabled():
        sys.stdout.write(
            f"\nbeyond the clip, {FRAMES} frames: {small / 2**20:.0f} MiB at 512x288, "
            f"{large / 2**20:.0f} MiB at 3840x2160, whose frames are {clip / 2**20:.0f} MiB\n"
        )
    assert large <= MOST_GROWTH * small
