from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import moving_texture
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.optical_flow import raft_large

from bench.errors import BenchError, Unscored
from bench.vision import weights
from bench.vision.flow import DisFlow, Raft, consistent, pull_back, reliable


@pytest.fixture(scope="module")
def dis() -> DisFlow:
    method = DisFlow()
    method.load(torch.device("cpu"))
    return method


def flows(method: DisFlow | Raft, frames: NDArray[np.uint8], stride: int) -> tuple[Tensor, Tensor]:
    encoded = method.encode(torch.from_numpy(frames))
    first, second = [each[:-stride] for each in encoded], [each[stride:] for each in encoded]
    size = frames.shape[1:3]
    return method.flows(first, second, size), method.flows(second, first, size)


def test_a_known_shift_is_found_both_ways(dis: DisFlow) -> None:
    forward, backward = flows(dis, moving_texture(6, 96, step_px=1.5), 2)
    inner = np.s_[:, 16:-16, 16:-16]
    assert forward.shape == (4, 96, 96, 2)
    np.testing.assert_allclose(np.median(forward[inner], axis=(0, 1, 2)), [-3, 0], atol=0.1)
    np.testing.assert_allclose(np.median(backward[inner], axis=(0, 1, 2)), [3, 0], atol=0.1)
    assert consistent(forward, backward)[inner].float().mean() > 0.95


def test_threads_change_no_bit(dis: DisFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving_texture(8, 96)
    alone, _ = flows(dis, frames, 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert torch.equal(flows(dis, frames, 1)[0], alone)


def test_pulling_the_next_frame_back_gives_this_one(dis: DisFlow) -> None:
    frames = moving_texture(3, 96, step_px=3)
    forward, _ = flows(dis, frames, 1)
    inner = np.s_[16:-16, 16:-16]
    back = pull_back(frames[1], forward[0].numpy())
    before = np.abs(frames[1][inner].astype(float) - frames[0][inner]).mean()
    assert np.abs(back[inner] - frames[0][inner]).mean() < 0.1 * before


def test_pixels_that_leave_the_frame_are_not_valid() -> None:
    flow = torch.tensor([5.0, 0.0]).expand(1, 20, 20, 2)
    valid = consistent(flow, -flow)[0]
    assert valid[:, :15].all()
    assert not valid[:, 15:].any()


def test_flows_that_disagree_are_not_valid() -> None:
    flow = torch.tensor([2.0, 0.0]).expand(1, 20, 20, 2)
    assert not consistent(flow, flow).any()
    assert consistent(torch.zeros(2, 20, 20, 2), torch.zeros(2, 20, 20, 2)).all()


def test_too_small_a_frame_has_no_flow(dis: DisFlow) -> None:
    with pytest.raises(Unscored, match="15 px, flow needs at least 16"):
        dis.encode(torch.zeros(9, 15, 64, 3, dtype=torch.uint8))


def test_flow_that_is_mostly_invalid_is_unreliable() -> None:
    assert reliable(np.array([1, 0.2, 0.29, 0.3, 1, 1])).tolist() == [0, 3, 4, 5]
    with pytest.raises(Unscored, match="unreliable in 3 of 6"):
        reliable(np.array([1, 0.2, 0.29, 0.2, 1, 1]))


def test_an_unknown_preset_is_refused_before_any_clip() -> None:
    with pytest.raises(BenchError, match="one of ultrafast, fast, medium, got 'slow'"):
        DisFlow("slow")


@pytest.fixture(scope="module")
def raft(tmp_path_factory: pytest.TempPathFactory) -> Raft:
    """Its published weights are not at hand: seeded random ones hold parity."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = raft_large(weights=None).state_dict()
    path = tmp_path_factory.mktemp("raft") / "random.pth"
    torch.save(state, path)
    network = Raft(path=str(path), iterations=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "hash_in_name", lambda _: None)
        network.load(torch.device("cpu"))
    return network


def test_equals_torchvisions_forward_pass_both_ways(raft: Raft) -> None:
    frames = moving_texture(4, 128)
    measured = flows(raft, frames, 2)
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        forward = raft._network(images[:2], images[2:], num_flow_updates=2)[-1]
        backward = raft._network(images[2:], images[:2], num_flow_updates=2)[-1]
    assert forward.abs().max() > 0.01
    for ours, theirs in zip(measured, (forward, backward), strict=True):
        np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), atol=1e-4)


def test_frames_are_padded_to_eighths_on_both_sides_and_cropped_again(raft: Raft) -> None:
    frames = np.ascontiguousarray(moving_texture(2, 133)[:, :, :130])
    forward, _ = flows(raft, frames, 1)
    assert forward.shape == (1, 133, 130, 2)
    (padded,) = raft.padded_flows(frames)
    assert padded.shape == (136, 136, 2)
    np.testing.assert_allclose(padded[1:-2, 3:-3], forward[0], atol=1e-4)
    edges = np.pad(frames, ((0, 0), (1, 2), (3, 3), (0, 0)), mode="edge")
    (naive,) = raft.padded_flows(edges)
    np.testing.assert_allclose(padded, naive, atol=1e-4)


def test_rafts_batch_size_changes_nothing(raft: Raft, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving_texture(4, 128)
    both = []
    for batch_size in (1, 4):
        monkeypatch.setattr(raft, "batch_size", batch_size)
        both.append(flows(raft, frames, 1)[0])
    np.testing.assert_allclose(*both, atol=1e-4)


def test_frames_too_small_or_too_large_have_no_flow(raft: Raft) -> None:
    with pytest.raises(Unscored, match="120 px, RAFT needs at least 121"):
        raft.encode(torch.zeros(2, 120, 300, 3, dtype=torch.uint8))
    with pytest.raises(Unscored, match=r"3840x2160 px would take RAFT \d+ GiB"):
        raft.encode(torch.zeros(1, 2160, 3840, 3, dtype=torch.uint8))


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raft_large_C_T_V1-22a6c225.pth"
    torch.save({}, path)
    with pytest.raises(BenchError, match=r"published weights of RAFT \(SHA-256 22a6c225"):
        Raft(path=str(path)).load(torch.device("cpu"))
