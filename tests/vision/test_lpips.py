import warnings

import lpips
import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench import weights
from bench.errors import Unscored
from bench.vision.analysis import Backbones
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


def test_too_small_a_frame_has_no_features(backbones: Backbones) -> None:
    network = backbones.get("lpips")
    with pytest.raises(Unscored, match="31 px"):
        network.features(np.zeros((2, 31, 200, 3), np.uint8))
    assert len(network.features(np.zeros((1, 32, 32, 3), np.uint8))) == 5
