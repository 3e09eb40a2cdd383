from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import cv2
import numpy as np
import pytest
import torch
from conftest import PROMPT, moving_texture
from numpy.typing import NDArray
from torch import Tensor

from bench.clip import Clip, Streamed
from bench.errors import Unscored
from bench.metrics.appeal import technical_quality
from bench.metrics.coherence import coherence
from bench.metrics.consistency import (
    flicker,
    lag_ratio,
    lpips_far,
    occlusion,
    smoothness,
    stutter,
    tlpips,
    warp,
    warp_lpips,
    warp_mae,
)
from bench.metrics.cuts import cuts, cuts_unrequested
from bench.metrics.identity import (
    identity_adjacent,
    identity_first,
    identity_lag,
    identity_min,
    identity_slope,
    lpips_lag,
)
from bench.metrics.motion import dynamics, dynamics_raw
from bench.metrics.vbench import vbench_temporal_flickering
from bench.vision.analysis import BLOCK, FEATURE_BYTES, Analysis
from bench.vision.backbones import Backbones
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow
from bench.vision.identity import AlexNetFeatures
from bench.vision.lpips import Lpips

Analyse = Callable[..., Analysis]

METRICS = (
    tlpips,
    lpips_far,
    lag_ratio,
    flicker,
    dynamics,
    dynamics_raw,
    warp_mae,
    warp_lpips,
    warp,
    smoothness,
    occlusion,
    identity_first,
    identity_min,
    identity_adjacent,
    identity_slope,
    identity_lag,
    lpips_lag,
    cuts,
    cuts_unrequested,
)


class CountingFlow(DisFlow):
    """DIS that counts the frames it looks at and the flows it finds."""

    def __init__(self, passes: Counter[str]) -> None:
        super().__init__()
        self.passes = passes

    def encode(self, frames: Tensor) -> list[Tensor]:
        self.passes["flow frames"] += len(frames)
        return super().encode(frames)

    def flows(
        self, first: Sequence[Tensor], second: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        self.passes["flows"] += len(first[0])
        return super().flows(first, second, size)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[Backbones, Counter[str]]:
    """Backbones, and how many pictures pass each from now on."""
    passes: Counter[str] = Counter()
    lpips, identity, transnet = Lpips(batch_size=5), AlexNetFeatures(batch_size=5), TransNet()
    backbones = Backbones(
        {"lpips": lpips, "flow": CountingFlow(passes), "identity": identity, "cuts": transnet},
        torch.device("cpu"),
    )
    for role in ("lpips", "flow", "identity", "cuts"):
        backbones.get(role)
    lpips._net.net.register_forward_hook(lambda _, given, __: passes.update(lpips=len(given[0])))
    transnet._network.register_forward_hook(lambda *_: passes.update(windows=1))
    cells = identity._cells

    def count_cells(images: torch.Tensor) -> torch.Tensor:
        passes["identity"] += len(images)
        return cells(images)

    monkeypatch.setattr(identity, "_cells", count_cells)
    return backbones, passes


def test_each_picture_passes_each_backbone_once_however_many_metrics_run(
    counted: tuple[Backbones, Counter[str]],
) -> None:
    backbones, passes = counted
    analysis = Analysis(Clip(moving_texture(24, 96), 16.0), PROMPT, backbones)
    for _ in range(2):
        for metric in METRICS:
            metric(analysis)
    real, warped, halfway = 24, 24 - 2, 24 - 2 * 2
    assert passes == {
        "lpips": real + warped + halfway,
        "identity": real,
        "windows": 1,
        "flow frames": real,
        "flows": 2 * warped + 2 * halfway,
    }


def test_of_a_long_clip_only_the_seam_of_its_halves_passes_lpips_twice(
    counted: tuple[Backbones, Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbones, passes = counted
    count = 10 * BLOCK
    frames = moving_texture(count, 96)
    most_bytes = frames[..., 0].size * FEATURE_BYTES - 1
    monkeypatch.setattr("bench.vision.analysis.LARGE_BYTES", most_bytes)
    analysis = Analysis(Clip(frames, 4.0), PROMPT, backbones)
    for metric in (tlpips, lpips_far, lpips_lag, warp_lpips, smoothness):
        metric(analysis)
    assert len(analysis._large._blocks) < count // BLOCK * 5  # features, grey, two flows, valid
    assert passes["lpips"] <= count + (count - 1) + (count - 2) + BLOCK


def test_evidence_that_was_dropped_is_computed_anew_and_equal(
    backbones: Backbones, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(moving_texture(40, 96), 16.0)
    everything, little = Analysis(clip, PROMPT, backbones), Analysis(clip, PROMPT, backbones)
    monkeypatch.setattr(little._large, "_most_bytes", 1)
    monkeypatch.setattr("bench.vision.analysis._HOLES_BYTES", 2**20)
    trims: list[int] = []
    monkeypatch.setattr(
        "bench.vision.analysis.give_back_holes",
        lambda: trims.append(len(little._large._blocks)),
    )
    for metric in (*METRICS, coherence):
        assert metric(little) == pytest.approx(metric(everything), rel=1e-5), metric.id
    assert len(trims) > 10
    assert len(little._large._blocks) == 1
    assert len(everything._large._blocks) > 10


def test_evidence_of_any_part_is_that_part_of_all(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(40, 96))
    (counts,) = analysis.along("t", 3, lambda part: [np.arange(part.start, part.stop)])
    assert counts.tolist() == list(range(37))
    for start, stop in ((0, 16), (5, 37), (17, 18), (20, 20), (32, 31), (0, -2)):
        part = slice(start, stop)
        (some,) = analysis.along("t", 3, lambda _: [], part)
        assert some.tolist() == list(range(start, stop))
    with pytest.raises(Unscored, match="40 frames, needs at least 41"):
        analysis.along("t", 40, lambda _: [])


def test_working_frames_are_never_enlarged(analyse: Analyse) -> None:
    assert analyse(moving_texture(4, 96)).frames.shape == (4, 96, 96, 3)
    tall = np.zeros((2, 1024, 512, 3), np.uint8)
    assert analyse(tall).frames.shape == (2, 512, 256, 3)


def test_a_small_clip_is_not_seen_twice(analyse: Analyse) -> None:
    small, large = analyse(moving_texture(4, 96)), analyse(moving_texture(4, 160))
    assert small.reduced() is small
    assert large.reduced().frames.shape[1:3] == (128, 128)


def test_a_clip_that_is_streamed_is_decoded_once_and_scored_alike(backbones: Backbones) -> None:
    frames = moving_texture(26, 160)
    passes: list[int] = []

    def read() -> Iterator[NDArray[np.uint8]]:
        passes.append(0)
        for frame in frames:
            passes[-1] += 1
            yield frame

    streamed = Streamed(frames.shape, read)
    held = Analysis(Clip(frames, 16.0), PROMPT, backbones)
    once = Analysis(
        Clip(cast("NDArray[np.uint8]", streamed), 16.0), PROMPT, backbones, roles=("identity",)
    )
    asked = (*METRICS, coherence, technical_quality, stutter, vbench_temporal_flickering)
    for metric in asked:
        assert metric(once) == pytest.approx(metric(held), abs=1e-6), metric.id
    assert passes == [26]


def test_halfway_frames_of_a_steady_motion_are_the_frames_between(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(8, 96, step_px=2))
    plain = analysis.lpips(1).mean()
    assert analysis.compare_halfway(1).distances.shape == (6,)
    assert analysis.compare_halfway(1).distances.mean() < 0.1 * plain


def test_halfway_distance_equals_a_naive_loop(analyse: Analyse) -> None:
    frames = moving_texture(7, 96, step_px=2)
    frames[3] = 255 - frames[3]
    analysis = analyse(frames)
    network, field = analysis.backbone("lpips"), analysis.flow(4)
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)

    def cubic(image: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
        where = (x + flow[..., 0] / 2, y + flow[..., 1] / 2)
        return cv2.remap(
            image.astype(np.float32), *where, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )

    expected = []
    for t in range(2, 5):
        first = cubic(frames[t - 2], field.backward[t - 2])
        last = cubic(frames[t + 2], field.forward[t - 2])
        middle = ((first + last) / 2).clip(0, 255)
        both = network._layers(torch.from_numpy(np.stack([frames[t], middle])))
        expected.append(sum(float((a - b).square().sum(0).mean()) for a, b in both))
    np.testing.assert_allclose(analysis.compare_halfway(2).distances, expected, atol=1e-6)


def test_a_warped_frame_that_motion_explains_costs_little(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(6, 96, step_px=3))
    assert len(analysis.compare_warped(1).distances) == 5
    assert analysis.compare_warped(1).distances.mean() < 0.1 * analysis.lpips(1).mean()


def test_a_clip_too_short_has_no_evidence(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(2, 96))
    with pytest.raises(Unscored, match="2 frames, needs at least 3"):
        analysis.compare_halfway(1)
    with pytest.raises(Unscored, match="2 frames, needs at least 3"):
        analysis.likeness(2)
