"""VBench's columns against its published arithmetic, written out frame by frame.

The networks have seeded random weights: what is held is the arithmetic, not published scores.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import open_clip
import pytest
import torch
from conftest import PROMPT, moving_texture
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import InterpolationMode, v2

from bench.clip import Clip
from bench.errors import BenchError, Unscored
from bench.metrics.vbench import (
    vbench_aesthetic_quality,
    vbench_background_consistency,
    vbench_dynamic_degree,
    vbench_subject_consistency,
    vbench_temporal_flickering,
)
from bench.vision import openclip, weights
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.flow import Raft
from bench.vision.identity import AlexNetFeatures, Dino
from bench.vision.openclip import VbenchAesthetic, VbenchClip

Analyse = Callable[..., Analysis]


def changing(frames: int, height: int, width: int) -> NDArray[np.uint8]:
    """A texture that slides, one frame of which is turned to its negative."""
    clip = moving_texture(frames, max(height, width))[:, :height, :width].copy()
    clip[frames // 2] = 255 - clip[frames // 2]
    return clip


def published_consistency(vectors: Tensor) -> float:
    """VBench's loop over the features of one clip."""
    total = 0.0
    first = former = functional.normalize(vectors[:1], dim=-1, p=2)
    for i in range(len(vectors)):
        feature = functional.normalize(vectors[i : i + 1], dim=-1, p=2)
        if i > 0:
            to_former = max(0.0, functional.cosine_similarity(former, feature).item())
            to_first = max(0.0, functional.cosine_similarity(first, feature).item())
            total += (to_former + to_first) / 2
        former = feature
    return total / (len(vectors) - 1)


def test_subject_consistency_is_vbenchs_sum_over_dinos_class_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
    tokens[1:4] += 2 * tokens[0]
    unit = functional.normalize(tokens, dim=-1).numpy()
    seen = []

    def encode(_: Dino, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen.append(frames.shape)
        return unit

    monkeypatch.setattr(Dino, "load", lambda *_: None)
    monkeypatch.setattr(Dino, "encode", encode)
    backbones = Backbones({"vbench_dino": Dino()}, torch.device("cpu"))
    analysis = Analysis(Clip(np.zeros((6, 300, 500, 3), np.uint8), 8.0), PROMPT, backbones)
    expected = published_consistency(tokens)
    assert vbench_subject_consistency(analysis) == pytest.approx(expected, abs=1e-4)
    assert seen == [(6, 300, 500, 3)]  # frames as generated


def test_other_networks_and_flows_give_no_vbench_column(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(4, 128))
    with pytest.raises(Unscored, match="no backbone 'vbench_dino'"):
        vbench_subject_consistency(analysis)
    backbones = Backbones({"vbench_dino": AlexNetFeatures()}, torch.device("cpu"))
    with pytest.raises(Unscored, match="uses DINO ViT-B/16, vbench_dino is AlexNetFeatures"):
        vbench_subject_consistency(Analysis(analysis.clip, PROMPT, backbones))
    with pytest.raises(Unscored, match="VBench uses RAFT, flow is DisFlow"):
        vbench_dynamic_degree(analysis)
    with pytest.raises(Unscored, match="no backbone 'vbench_clip'"):
        vbench_background_consistency(analysis)


@pytest.fixture(scope="module")
def clip_network() -> open_clip.CLIP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.create_model("ViT-B-32-quickgelu").eval()


def prepare(frames: NDArray[np.uint8]) -> Tensor:
    """Frames as VBench feeds them to CLIP."""
    transform = v2.Compose(
        [
            v2.Resize(224, interpolation=InterpolationMode.BICUBIC, antialias=False),
            v2.CenterCrop(224),
            v2.Lambda(lambda x: x / 255),
            v2.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    images: Tensor = transform(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    return images


@pytest.mark.parametrize("size", [(240, 320), (350, 231), (100, 180)])
def test_background_consistency_equals_vbenchs_arithmetic(
    clip_network: open_clip.CLIP, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find", lambda *_, **__: Path("ViT-B-32.pt"))
    monkeypatch.setattr(openclip, "_read_openai", lambda _: clip_network)
    frames = changing(5, *size)
    backbones = Backbones({"vbench_clip": VbenchClip(batch_size=2)}, torch.device("cpu"))
    analysis = Analysis(Clip(frames, 8.0), PROMPT, backbones)
    with torch.inference_mode():
        images = prepare(frames)
        expected = published_consistency(clip_network.encode_image(images))
    assert vbench_background_consistency(analysis) == pytest.approx(expected, abs=1e-4)
    ours = backbones.get("vbench_clip").encode(frames)
    with torch.inference_mode():
        theirs = functional.normalize(clip_network.encode_image(images), dim=-1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_aesthetic_quality_equals_vbenchs_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        text = {"context_length": 8, "vocab_size": 16, "width": 64, "heads": 1, "layers": 1}
        vision = open_clip.model.CLIPVisionCfg(
            layers=2, width=64, head_width=32, patch_size=14, image_size=224
        )
        network = open_clip.CLIP(
            768, vision, open_clip.model.CLIPTextCfg(**text), quick_gelu=True
        ).eval()
        line = torch.nn.Linear(768, 1)
    monkeypatch.setattr(weights, "find", lambda *_, **__: Path("file"))
    monkeypatch.setattr(weights, "read", lambda *_: line.state_dict())
    monkeypatch.setattr(openclip, "_read_openai", lambda _: network)
    frames = changing(5, 240, 320)
    backbones = Backbones({"vbench_aesthetic": VbenchAesthetic(batch_size=2)}, torch.device("cpu"))
    with torch.inference_mode():
        images = prepare(frames)
        units = functional.normalize(network.encode_image(images), dim=-1, p=2)
        expected = float((line(units).squeeze() / 10).mean())
    analysis = Analysis(Clip(frames, 8.0), PROMPT, backbones)
    assert vbench_aesthetic_quality(analysis) == pytest.approx(expected, abs=1e-4)


def test_another_line_is_not_taken_for_laions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "head.pth"
    torch.save(torch.nn.Linear(768, 1).state_dict(), path)
    monkeypatch.setattr(VbenchClip, "load", lambda *_: None)
    with pytest.raises(BenchError, match=r"published weights of LAION's aesthetic predictor"):
        VbenchAesthetic(head=str(path)).load(torch.device("cpu"))


def test_another_file_is_not_taken_for_openais(tmp_path: Path) -> None:
    path = tmp_path / "ViT-B-32.pt"
    path.write_bytes(b"another network")
    with pytest.raises(BenchError, match=r"published weights of CLIP ViT-B/32 \(SHA-256 40d36571"):
        VbenchClip(path=str(path)).load(torch.device("cpu"))


def test_flickering_equals_vbenchs_arithmetic(analyse: Analyse) -> None:
    frames = changing(7, 90, 130)
    errors = [
        np.mean(cv2.absdiff(a.astype(np.float32), b.astype(np.float32)))
        for a, b in pairwise(frames)
    ]
    expected = (255.0 - np.mean(errors).item()) / 255.0
    measured = vbench_temporal_flickering(analyse(frames))
    assert measured == pytest.approx(expected, abs=1e-6)
    assert measured < 0.95


def published_degree(flows: list[NDArray[np.float32]], size: tuple[int, int]) -> bool:
    """VBench's judgement of the flows of one clip, of frames of that size."""
    threshold, wanted = 6.0 * (min(size) / 256.0), round(4 * ((len(flows) + 1) / 16.0))
    count = 0
    for flow in flows:
        rad = np.sqrt(np.square(flow[:, :, 0]) + np.square(flow[:, :, 1]))
        height, width = rad.shape
        longest = np.mean(abs(np.sort(-rad.flatten()))[: int(height * width * 0.05)])
        count += longest > threshold
        if count >= wanted:
            return True
    return False


class KnownFlows(Raft):
    """RAFT whose flows are given; it remembers which frames it was asked about, and how far."""

    def __init__(self, flows: list[NDArray[np.float32]]) -> None:
        super().__init__()
        self.flows = flows
        self.asked: list[int] = []
        self.given = 0

    def load(self, device: torch.device) -> None:
        """Nothing to load."""

    def padded_flows(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        self.asked = [int(frame[0, 0, 0]) for frame in frames]
        for flow in self.flows:
            self.given += 1
            yield flow


@pytest.mark.parametrize("moving_pairs", [0, 2, 3, 9])
@pytest.mark.parametrize("length", [1.99, 2.01])
def test_dynamic_degree_equals_vbenchs_judgement(moving_pairs: int, length: float) -> None:
    # 30 frames at 24 fps: every third is sampled, 10 of them, of which round(10/4) = 2 must move.
    frames = np.zeros((30, 90, 122, 3), np.uint8)
    frames[..., 0] = np.arange(30)[:, None, None]
    flows = [np.zeros((96, 128, 2), np.float32) for _ in range(9)]
    longest = int(0.05 * 96 * 128)
    for flow in flows[:moving_pairs]:
        flow.reshape(-1, 2)[:longest] = length * 90 / 256 * 3 * np.array([0.6, 0.8])
    raft = KnownFlows(flows)
    analysis = Analysis(Clip(frames, 24.0), PROMPT, Backbones({"flow": raft}, torch.device("cpu")))
    expected = published_degree(flows, (90, 122))
    assert vbench_dynamic_degree(analysis) == expected
    assert expected == (moving_pairs >= 2 and length > 2)
    assert raft.asked == list(range(0, 30, 3))
    assert raft.given == (2 if expected else 9)  # it stops when the answer is known


def test_dynamic_degree_of_two_samples_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Raft, "load", lambda *_: None)
    backbones = Backbones({"flow": Raft()}, torch.device("cpu"))
    analysis = Analysis(Clip(np.zeros((4, 128, 128, 3), np.uint8), 16.0), PROMPT, backbones)
    with pytest.raises(Unscored, match="2 sampled frames"):
        vbench_dynamic_degree(analysis)


@pytest.mark.parametrize(
    "metric",
    [vbench_subject_consistency, vbench_background_consistency, vbench_temporal_flickering],
)
def test_one_frame_has_no_consistency(
    metric: Callable[[Analysis], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dino, "load", lambda *_: None)
    monkeypatch.setattr(VbenchClip, "load", lambda *_: None)
    backbones = Backbones({"vbench_dino": Dino(), "vbench_clip": VbenchClip()}, torch.device("cpu"))
    analysis = Analysis(Clip(np.zeros((1, 64, 64, 3), np.uint8), 8.0), PROMPT, backbones)
    with pytest.raises(Unscored, match="1 frame, needs at least 2"):
        metric(analysis)
