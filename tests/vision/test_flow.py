import numpy as np
import pytest
import torch
from conftest import moving_texture
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import BenchError, Unscored
from bench.vision.flow import DisFlow, consistent, pull_back, reliable


@pytest.fixture(scope="module")
def dis() -> DisFlow:
    method = DisFlow()
    method.load(torch.device("cpu"))
    return method


def flows(dis: DisFlow, frames: NDArray[np.uint8], stride: int) -> tuple[Tensor, Tensor]:
    (grey,) = dis.encode(torch.from_numpy(frames))
    first, second, size = [grey[:-stride]], [grey[stride:]], frames.shape[1:3]
    return dis.flows(first, second, size), dis.flows(second, first, size)


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
