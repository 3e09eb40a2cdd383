"""The published weights are not at hand in tests: seeded random ones hold parity and plumbing.

The reference is timm's own network, built for the very size of the frames.
"""

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
Network = type[Dino] | type[Dinov2]

PATCH, GRID = {Dino: 16, Dinov2: 14}, {Dino: 14, Dinov2: 37}
SCALED = {
    Dino: v2.Resize(224, antialias=False),
    Dinov2: v2.Resize(224, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
}


def random_state(kind: Network) -> State:
    """Random weights, large enough for attention to matter; neighbouring positions alike."""
    generator = torch.Generator().manual_seed(0)
    network = timm.create_model(kind.architecture, pretrained=False, num_classes=0)
    state = {
        name: torch.randn(value.shape, generator=generator) * 0.05
        for name, value in network.state_dict().items()
    }
    for name in state:
        if name.endswith("gamma") or ("norm" in name and name.endswith("weight")):
            state[name] += 1
    coarse = torch.randn(1, 768, 4, 4, generator=generator)
    smooth = functional.interpolate(coarse, (GRID[kind], GRID[kind]), mode="bilinear")
    state["pos_embed"] = torch.cat(
        [torch.zeros(1, 1, 768), smooth.flatten(2).transpose(1, 2)], dim=1
    )
    return state


@pytest.fixture(scope="module")
def states() -> dict[Network, State]:
    """As the published files have them: DINOv2's with the token that only training needs."""
    mask = {"mask_token": torch.ones(1, 768)}
    return {Dino: random_state(Dino), Dinov2: random_state(Dinov2) | mask}


def load(network: Dino | Dinov2, state: State) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "find", lambda *_, **__: Path("dino.pth"))
        patch.setattr(weights, "read", lambda *_: state)
        network.load(torch.device("cpu"))


@pytest.fixture(scope="module")
def networks(states: dict[Network, State]) -> dict[Network, Dino | Dinov2]:
    built = {kind: kind(batch_size=2) for kind in states}
    for kind, network in built.items():
        load(network, states[kind])
    return built


def timms_own(kind: Network, frames: NDArray[np.uint8], state: State) -> Tensor:
    """Class tokens of timm's network, whose grid is that of the frames, with DINO's positions."""
    prepare = v2.Compose(
        [
            SCALED[kind],
            v2.Lambda(lambda x: x / 255),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    images = prepare(torch.from_numpy(frames).permute(0, 3, 1, 2).float())
    height, width = images.shape[2:]
    patch, side, positions = PATCH[kind], GRID[kind], state["pos_embed"]
    rows, columns = height // patch, width // patch
    if height != width or rows != side:
        grid = positions[:, 1:].reshape(1, side, side, 768).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / side, (columns + 0.1) / side)
        grid = functional.interpolate(grid, scale_factor=factors, mode="bicubic")
        assert grid.shape[2:] == (rows, columns)
        positions = torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
    size = (rows * patch, columns * patch)
    network = timm.create_model(kind.architecture, num_classes=0, img_size=size).eval()
    used = {name: value for name, value in state.items() if name != "mask_token"}
    network.load_state_dict(used | {"pos_embed": positions})
    with torch.inference_mode():
        tokens: Tensor = network.forward_features(images[:, :, : size[0], : size[1]])
    return functional.normalize(tokens[:, 0], dim=-1)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        # Square; wide; tall; one that keeps 14x14 patches without being square; enlarged.
        *((Dino, size) for size in [(256, 256), (240, 352), (300, 250), (256, 266), (100, 120)]),
        # Square; wide, reduced, with sides that 14 does not divide; enlarged.
        *((Dinov2, size) for size in [(224, 224), (300, 431), (120, 100)]),
    ],
)
def test_equals_timms_own_network(
    kind: Network,
    size: tuple[int, int],
    networks: dict[Network, Dino | Dinov2],
    states: dict[Network, State],
) -> None:
    height, width = size
    frames = moving_texture(3, max(size))[:, :height, :width]
    frames[1] = 255 - frames[1]
    embeddings = networks[kind].encode(frames)
    np.testing.assert_allclose(embeddings, timms_own(kind, frames, states[kind]), atol=1e-5)
    assert embeddings[0] @ embeddings[1] < 0.999


def test_too_small_a_frame_has_no_embedding(networks: dict[Network, Dino | Dinov2]) -> None:
    with pytest.raises(Unscored, match="31 px, DINO needs at least 32"):
        networks[Dino].encode(np.zeros((2, 31, 200, 3), np.uint8))


def test_the_mask_token_is_no_part_of_dinov2s_fingerprint(
    networks: dict[Network, Dino | Dinov2], states: dict[Network, State]
) -> None:
    used = {name: value for name, value in states[Dinov2].items() if name != "mask_token"}
    without, other = Dinov2(), Dinov2()
    load(without, used)
    load(other, used | {"norm.bias": used["norm.bias"] + 1})
    assert without.fingerprint == networks[Dinov2].fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("kind", "damage", "message"),
    [
        (Dino, lambda s: s | {"pos_embed": torch.randn(1, 197, 768)}, "failed its self-test"),
        (Dino, lambda s: s | {"pos_embed": torch.zeros(1, 197, 768)}, "failed its self-test"),
        (Dino, lambda s: s | {"cls_token": torch.zeros(1, 1, 384)}, "size mismatch"),
        (Dino, lambda s: {k: v for k, v in s.items() if k != "norm.bias"}, "norm.bias"),
        (Dinov2, lambda s: s | {"register_tokens": torch.zeros(1, 4, 768)}, "register_tokens"),
    ],
)
def test_weights_that_are_untrained_or_another_networks_are_refused(
    kind: Network,
    damage: Callable[[State], State],
    message: str,
    states: dict[Network, State],
) -> None:
    with pytest.raises(BenchError, match=message):
        load(kind(), damage(states[kind]))


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
