import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench.errors import Unscored
from bench.vision.backbones import Backbones
from bench.vision.identity import AlexNetFeatures


def test_frames_are_unit_vectors_that_tell_pictures_apart(
    backbones: Backbones,
) -> None:
    network = backbones.get("identity")
    frames = moving_texture(4, 128)
    frames[3] = np.random.default_rng(0).integers(0, 256, (128, 128, 3))
    seen = network.encode(frames)
    assert seen.shape == (4, 576)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=-1), 1, atol=1e-5)
    assert seen[0] @ seen[1] > 0.98
    assert seen[0] @ seen[3] < 0.8


def test_batch_size_changes_nothing() -> None:
    frames = moving_texture(5, 160)
    seen = []
    for batch_size in (1, 2, 16):
        network = AlexNetFeatures(batch_size=batch_size)
        network.load(torch.device("cpu"))
        seen.append(network.encode(frames))
    for other in seen[1:]:
        np.testing.assert_allclose(seen[0], other, atol=1e-5)


def test_large_frames_are_reduced_first(backbones: Backbones) -> None:
    network = backbones.get("identity")
    frames = moving_texture(1, 128)
    doubled = frames.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(network.encode(doubled), network.encode(frames), atol=1e-5)


def test_too_small_a_frame_has_no_embedding(backbones: Backbones) -> None:
    with pytest.raises(Unscored, match="31 px"):
        backbones.get("identity").encode(np.zeros((2, 31, 200, 3), np.uint8))
