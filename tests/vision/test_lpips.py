import warnings

import lpips
import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench.errors import Unscored
from bench.vision import weights
from bench.vision.backbones import Backbones
from bench.vision.lpips import Lpips


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


def test_equals_a_naive_loop_over_the_package(backbones: Backbones, reference: lpips.LPIPS) -> None:
    frames = moving_texture(8, 96)
    frames[5] = 255 - frames[5]
    network = backbones.get("lpips")
    features = network.features(frames)
    ours = network.distance(features, torch.arange(7), torch.arange(1, 8))
    scaled = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        theirs = [float(reference(scaled[t : t + 1], scaled[t + 1 : t + 2])) for t in range(7)]
    assert max(theirs) > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_batch_size_changes_nothing() -> None:
    frames = moving_texture(7, 64)
    distances = []
    for batch_size in (1, 3, 16):
        network = Lpips(batch_size=batch_size)
        network.load(torch.device("cpu"))
        features = network.features(frames)
        distances.append(
            network.distance(features, torch.zeros(7, dtype=torch.int64), torch.arange(7))
        )
    np.testing.assert_allclose(distances[0], distances[1], atol=1e-5)
    np.testing.assert_allclose(distances[0], distances[2], atol=1e-5)
    assert distances[0][0] == 0


def test_frames_made_from_a_clip_are_compared_as_its_own(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = moving_texture(5, 96)
    features = network.features(frames)
    made = (frame.astype(np.float32) for frame in frames[[4, 3, 0]])
    ours = network.compare(features, np.array([0, 1, 0]), made).distances
    kept = network.distance(features, torch.tensor([0, 1, 0]), torch.tensor([4, 3, 0]))
    np.testing.assert_allclose(ours, kept, atol=1e-6)


def test_the_mask_weighs_each_cell_of_each_layer_by_its_area(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = moving_texture(2, 96)
    valid = np.zeros((1, 96, 96), bool)
    valid[:, :50, 20:] = True
    features = network.features(frames)
    made = [frames[1].astype(np.float32)]
    masked = network.compare(features, np.array([0]), made, valid).distances
    expected = 0.0
    for layer in features:
        squared = (layer[0] - layer[1]).square().sum(dim=0).double()
        height, width = squared.shape
        weight = torch.zeros_like(squared)
        for i in range(height):
            for j in range(width):
                rows = slice(i * 96 // height, -(-(i + 1) * 96 // height))
                columns = slice(j * 96 // width, -(-(j + 1) * 96 // width))
                weight[i, j] = valid[0, rows, columns].mean()
        expected += float((squared * weight).sum() / weight.sum())
    np.testing.assert_allclose(masked, expected, atol=1e-6)
    everything = network.compare(features, np.array([0]), made).distances
    assert abs(masked - everything) > 1e-4


def test_damage_outside_the_mask_is_not_seen_far_from_its_border(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    frames = moving_texture(1, 192)
    damaged = frames[0].astype(np.float32)
    damaged[:, 128:] = 0
    valid = np.ones((1, 192, 192), bool)
    valid[:, :, 64:] = False
    features = network.features(frames)
    whole = network.compare(features, np.array([0]), [damaged]).distances
    masked = network.compare(features, np.array([0]), [damaged], valid).distances
    assert masked[0] < 0.2 * whole[0]


def test_too_small_a_frame_has_no_features(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    with pytest.raises(Unscored, match="31 px"):
        network.features(np.zeros((2, 31, 200, 3), np.uint8))
    assert len(network.features(np.zeros((1, 32, 32, 3), np.uint8))) == 5
