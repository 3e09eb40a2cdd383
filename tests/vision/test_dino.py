"""DINO's published weights are not at hand in tests: seeded random ones hold parity and plumbing.

The reference is written out from the paper's network, operation by operation.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from conftest import moving_texture
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from bench.errors import BenchError, Unscored
from bench.vision import weights
from bench.vision.identity import Dino

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """Random weights, large enough for attention to matter; neighbouring positions alike."""
    generator = torch.Generator().manual_seed(0)
    network = timm.create_model("vit_base_patch16_224.dino", pretrained=False, num_classes=0)
    made = {
        name: torch.randn(value.shape, generator=generator) * 0.05
        for name, value in network.state_dict().items()
    }
    for name in made:
        if "norm" in name and name.endswith("weight"):
            made[name] += 1
    coarse = torch.randn(1, 768, 4, 4, generator=generator)
    smooth = functional.interpolate(coarse, (14, 14), mode="bilinear")
    made["pos_embed"] = torch.cat(
        [torch.zeros(1, 1, 768), smooth.flatten(2).transpose(1, 2)], dim=1
    )
    return made


def load(network: Dino, state: State) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "find", lambda *_, **__: Path("dino.pth"))
        patch.setattr(weights, "read", lambda *_: state)
        network.load(torch.device("cpu"))


@pytest.fixture(scope="module")
def dino(state: State) -> Dino:
    network = Dino(batch_size=2)
    load(network, state)
    return network


def reference(frames: NDArray[np.uint8], state: State) -> Tensor:
    """Tokens of each frame, as DINO's own code computes them for VBench's preparation."""
    prepare = v2.Compose(
        [
            v2.Resize(224, antialias=False),
            v2.Lambda(lambda x: x / 255),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = prepare(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    rows, columns = images.shape[2] // 16, images.shape[3] // 16

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    patches = images[:, :, : rows * 16, : columns * 16].unfold(2, 16, 16).unfold(3, 16, 16)
    patches = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    x = patches @ state["patch_embed.proj.weight"].flatten(1).T + state["patch_embed.proj.bias"]
    positions = state["pos_embed"]
    if images.shape[2] != images.shape[3] or rows * columns != 196:
        grid = positions[:, 1:].reshape(1, 14, 14, 768).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / math.sqrt(196), (columns + 0.1) / math.sqrt(196))
        grid = functional.interpolate(grid, scale_factor=factors, mode="bicubic")
        assert grid.shape[2:] == (rows, columns)
        grid = grid.permute(0, 2, 3, 1).reshape(1, -1, 768)
        positions = torch.cat([positions[:, :1], grid], dim=1)
    x = torch.cat([state["cls_token"].expand(len(x), -1, -1), x], dim=1) + positions
    for i in range(12):
        block = f"blocks.{i}"
        qkv = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv")
        q, k, v = qkv.reshape(len(x), -1, 3, 12, 64).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / 8).softmax(-1)
        mixed = (attention @ v).transpose(1, 2).flatten(2)
        x = x + linear(mixed, f"{block}.attn.proj")
        hidden = linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = x + linear(hidden, f"{block}.mlp.fc2")
    return functional.normalize(norm(x, "norm"), dim=-1)


# Square; wide; tall; one that keeps 14x14 patches without being square; enlarged.
@pytest.mark.parametrize("size", [(256, 256), (240, 352), (300, 250), (256, 266), (100, 120)])
def test_equals_dinos_own_arithmetic(dino: Dino, state: State, size: tuple[int, int]) -> None:
    height, width = size
    frames = moving_texture(2, max(size))[:, :height, :width]
    frames[1] = 255 - frames[1]
    seen = dino.encode(frames)
    expected = reference(frames, state)
    np.testing.assert_allclose(seen.frames, expected[:, 0], atol=1e-5)
    np.testing.assert_allclose(seen.patches, expected[:, 1:], atol=1e-5)
    assert seen.frames[0] @ seen.frames[1] < 0.999


def test_too_small_a_frame_has_no_embedding(dino: Dino) -> None:
    with pytest.raises(Unscored, match="31 px, DINO needs at least 32"):
        dino.encode(np.zeros((2, 31, 200, 3), np.uint8))


def test_batch_size_changes_nothing(dino: Dino, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving_texture(3, 224)
    pairs = dino.encode(frames)
    monkeypatch.setattr(dino, "batch_size", 1)
    np.testing.assert_allclose(pairs.frames, dino.encode(frames).frames, atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s | {"pos_embed": torch.randn(1, 197, 768)}, "failed its self-test"),
        (lambda s: s | {"pos_embed": torch.zeros(1, 197, 768)}, "failed its self-test"),
        (lambda s: s | {"cls_token": torch.zeros(1, 1, 384)}, "size mismatch"),
        (lambda s: {k: v for k, v in s.items() if k != "norm.bias"}, "norm.bias"),
    ],
)
def test_weights_that_are_untrained_or_another_networks_are_refused(
    state: State, damage: Callable[[State], State], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        load(Dino(), damage(state))
