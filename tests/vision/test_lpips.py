import warnings
from collections.abc import Sequence

import lpips
import numpy as np
import pytest
import torch
from conftest import moving_texture

import bench.vision.lpips
from bench.errors import Unscored
from bench.vision import weights
from bench.vision.backbones import Backbones
from bench.vision.lpips import Layers, Lpips


@pytest.fixture(scope="module")
def reference() -> lpips.LPIPS:
    """The `lpips` package's own network, with the same trunk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    trunk = weights.alexnet_features()
    with torch.no_grad():
        for name, parameter in network.net.named_parameters():
            index, kind = name.split(".")[1:]
            parameter.copy_(trunk[f"features.{index}.{kind}"])
    return network


def at(features: Layers, indices: Sequence[int]) -> Layers:
    return [layer[list(indices)] for layer in features]


def test_equals_a_naive_loop_over_the_package(backbones: Backbones, reference: lpips.LPIPS) -> None:
    frames = moving_texture(8, 96)
    frames[5] = 255 - frames[5]
    network = backbones.get("lpips")
    features = network.features(torch.from_numpy(frames))
    ours = network.distances(at(features, range(7)), at(features, range(1, 8)))
    scaled = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        theirs = [float(reference(scaled[t : t + 1], scaled[t + 1 : t + 2])) for t in range(7)]
    assert max(theirs) > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    halved = network.features(torch.from_numpy(frames), torch.float16)
    ours = network.distances(at(halved, range(7)), at(halved, range(1, 8)))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_batch_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.from_numpy(moving_texture(7, 64))
    network = Lpips()
    network.load(torch.device("cpu"))
    distances = []
    for batch_size, batch_px, values in (
        (1, 2**20, 1),
        (3, 2**20, 999),
        (16, 2**20, 2**20),
        (16, 1, 2**16),
    ):
        monkeypatch.setattr(network, "batch_size", batch_size)
        monkeypatch.setattr(bench.vision.lpips, "BATCH_PX", batch_px)
        monkeypatch.setattr(bench.vision.lpips, "PART_VALUES", values)
        features = network.features(frames)
        distances.append(network.distances(at(features, [0]), features))
    for each in distances[1:]:
        np.testing.assert_allclose(distances[0], each, atol=1e-5)
    assert distances[0][0] == 0


def test_frames_made_from_a_clip_are_compared_as_its_own(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = torch.from_numpy(moving_texture(5, 96))
    features = network.features(frames)
    ours = network.compare(at(features, [0, 1, 0]), frames[[4, 3, 0]].float()).distances
    stored = network.distances(at(features, [0, 1, 0]), at(features, [4, 3, 0]))
    np.testing.assert_allclose(ours, stored, atol=1e-6)


def test_one_frame_is_compared_with_many(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = torch.from_numpy(moving_texture(20, 64))
    features = network.features(frames)
    one, many = at(features, [3]), at(features, [3] * 20)
    for ours, stated in zip(
        network.compare(one, frames.float()), network.compare(many, frames.float()), strict=True
    ):
        np.testing.assert_allclose(ours, stated, atol=1e-7)
    np.testing.assert_allclose(network.cells(one, features), network.cells(many, features))


def test_the_mask_weighs_each_cell_of_each_layer_by_its_area(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = torch.from_numpy(moving_texture(2, 96))
    valid = torch.zeros(1, 96, 96, dtype=torch.bool)
    valid[:, :50, 20:] = True
    features = network.features(frames)
    masked = network.compare(at(features, [0]), frames[1:].float(), valid).distances
    expected = 0.0
    for layer in features:
        squared = (layer[0] - layer[1]).square().sum(dim=0).double()
        height, width = squared.shape
        weight = torch.zeros_like(squared)
        for i in range(height):
            for j in range(width):
                rows = slice(i * 96 // height, -(-(i + 1) * 96 // height))
                columns = slice(j * 96 // width, -(-(j + 1) * 96 // width))
                weight[i, j] = valid[0, rows, columns].float().mean()
        expected += float((squared * weight).sum() / weight.sum())
    np.testing.assert_allclose(masked, expected, atol=1e-6)
    everything = network.compare(at(features, [0]), frames[1:].float()).distances
    assert abs(masked - everything) > 1e-4


def test_damage_outside_the_mask_is_not_seen_far_from_its_border(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = torch.from_numpy(moving_texture(1, 192))
    damaged = frames.float()
    damaged[:, :, 128:] = 0
    valid = torch.ones(1, 192, 192, dtype=torch.bool)
    valid[:, :, 64:] = False
    features = network.features(frames)
    whole = network.compare(features, damaged).distances
    masked = network.compare(features, damaged, valid).distances
    assert masked[0] < 0.2 * whole[0]


def test_too_small_a_frame_has_no_features(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    with pytest.raises(Unscored, match="31 px"):
        network.features(torch.zeros(2, 31, 200, 3, dtype=torch.uint8))
    assert len(network.features(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))) == 5
