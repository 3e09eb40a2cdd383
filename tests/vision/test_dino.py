"""The published weights are not at hand in tests: seeded random ones hold parity and plumbing.

DINO's reference is written out from the paper's network, operation by operation; DINOv2's is timm's
own network, built for the very size of the frames.
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
from bench.vision.identity import Dino, Dinov2

State = dict[str, Tensor]


def random_state(architecture: str, grid: int) -> State:
    """Random weights, large enough for attention to matter; neighbouring positions alike."""
    generator = torch.Generator().manual_seed(0)
    network = timm.create_model(architecture, pretrained=False, num_classes=0)
    state = {
        name: torch.randn(value.shape, generator=generator) * 0.05
        for name, value in network.state_dict().items()
    }
    for name in state:
        if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
            state[name] += 1
    coarse = torch.randn(1, 768, 4, 4, generator=generator)
    smooth = functional.interpolate(coarse, (grid, grid), mode="bilinear")
    state["pos_embed"] = torch.cat(
        [torch.zeros(1, 1, 768), smooth.flatten(2).transpose(1, 2)], dim=1
    )
    return state


@pytest.fixture(scope="module")
def state() -> State:
    return random_state("vit_base_patch16_224.dino", 14)


@pytest.fixture(scope="module")
def state_of_dinov2() -> State:
    """As the published file has it, with the token that only training needs."""
    mask = {"mask_token": torch.ones(1, 768)}
    return random_state("vit_base_patch14_dinov2", 37) | mask


def load(network: Dino | Dinov2, state: State) -> None:
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
    np.testing.assert_allclose(seen, expected[:, 0], atol=1e-5)
    assert seen[0] @ seen[1] < 0.999


def test_too_small_a_frame_has_no_embedding(dino: Dino) -> None:
    with pytest.raises(Unscored, match="31 px, DINO needs at least 32"):
        dino.encode(np.zeros((2, 31, 200, 3), np.uint8))


def test_batch_size_changes_nothing(dino: Dino, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving_texture(3, 224)
    pairs = dino.encode(frames)
    monkeypatch.setattr(dino, "batch_size", 1)
    np.testing.assert_allclose(pairs, dino.encode(frames), atol=1e-5)


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


@pytest.fixture(scope="module")
def dinov2(state_of_dinov2: State) -> Dinov2:
    network = Dinov2(batch_size=2)
    load(network, state_of_dinov2)
    return network


def timms_own(frames: NDArray[np.uint8], state: State) -> Tensor:
    """Tokens of timm's network, whose grid is that of the frames, with DINOv2's positions on it."""
    prepare = v2.Compose(
        [
            v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.Lambda(lambda x: x / 255),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = prepare(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    rows, columns = images.shape[2] // 14, images.shape[3] // 14
    grid = state["pos_embed"][:, 1:].reshape(1, 37, 37, 768).permute(0, 3, 1, 2)
    factors = ((rows + 0.1) / 37, (columns + 0.1) / 37)
    grid = functional.interpolate(grid, scale_factor=factors, mode="bicubic")
    positions = torch.cat([state["pos_embed"][:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    network = timm.create_model(
        "vit_base_patch14_dinov2", num_classes=0, img_size=(rows * 14, columns * 14)
    ).eval()
    used = {name: value for name, value in state.items() if name != "mask_token"}
    network.load_state_dict(used | {"pos_embed": positions})
    with torch.inference_mode():
        tokens: Tensor = network.forward_features(images[:, :, : rows * 14, : columns * 14])
    return functional.normalize(tokens, dim=-1)


# Square; wide, reduced, with sides that 14 does not divide; enlarged.
@pytest.mark.parametrize("size", [(224, 224), (300, 431), (120, 100)])
def test_dinov2_equals_timms_own_network(
    dinov2: Dinov2, state_of_dinov2: State, size: tuple[int, int]
) -> None:
    height, width = size
    frames = moving_texture(2, max(size))[:, :height, :width]
    frames[1] = 255 - frames[1]
    embeddings = dinov2.encode(frames)
    expected = timms_own(frames, state_of_dinov2)
    np.testing.assert_allclose(embeddings, expected[:, 0], atol=1e-5)
    assert embeddings[0] @ embeddings[1] < 0.999


def test_dinov2_is_fed_without_aliasing(dinov2: Dinov2) -> None:
    """Every fourth line white, to a quarter: grey, where DINO as VBench feeds it sees no line."""
    lines = np.zeros((896, 896, 3), np.uint8)
    lines[:, ::4] = 255
    assert float(dinov2._resized(lines).mean()) == pytest.approx(0.25, abs=0.01)
    aliased = Dino()
    aliased._device = torch.device("cpu")
    assert float(aliased._resized(lines).mean()) == pytest.approx(0, abs=0.01)


def test_dinov2_in_its_own_grid_keeps_the_learnt_positions(
    dinov2: Dinov2, state_of_dinov2: State
) -> None:
    torch.testing.assert_close(dinov2._positions(37, 37, True), state_of_dinov2["pos_embed"])
    assert dinov2._positions(37, 37, False).shape == (1, 1 + 37 * 37, 768)


def test_the_mask_token_is_no_part_of_dinov2s_fingerprint(
    dinov2: Dinov2, state_of_dinov2: State
) -> None:
    used = {name: value for name, value in state_of_dinov2.items() if name != "mask_token"}
    without = Dinov2()
    load(without, used)
    assert without.fingerprint == dinov2.fingerprint
    other = Dinov2()
    load(other, used | {"norm.bias": used["norm.bias"] + 1})
    assert other.fingerprint != dinov2.fingerprint


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s | {"pos_embed": torch.randn(1, 1370, 768)}, "DINOv2 .*failed its self-test"),
        (lambda s: s | {"register_tokens": torch.zeros(1, 4, 768)}, "register_tokens"),
        (lambda s: {k: v for k, v in s.items() if k != "blocks.3.ls1.gamma"}, "ls1.gamma"),
    ],
)
def test_weights_of_another_dinov2_are_refused(
    state_of_dinov2: State, damage: Callable[[State], State], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        load(Dinov2(), damage(state_of_dinov2))


@pytest.mark.parametrize(
    ("network", "file", "role"),
    [
        (Dinov2(), "dinov2_vitb14_pretrain.pth", "identity"),
        (Dino(), "dino_vitbase16_pretrain.pth", "vbench_dino"),
    ],
)
def test_without_weights_the_reason_is_one_line_that_says_what_to_do(
    network: Dino | Dinov2, file: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_connection(url: str, *_: object, **__: object) -> None:
        raise OSError(f"no route to {url}")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_connection)
    with pytest.raises(Unscored) as caught:
        network.load(torch.device("cpu"))
    reason = str(caught.value)
    assert "\n" not in reason
    assert file in reason
    assert reason.endswith(f"set metrics.backbones.{role}.path=FILE")
