import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench.errors import BenchError, Unscored
from bench.vision.flow import DisFlow, both_ways, consistent, pull_back


@pytest.fixture(scope="module")
def dis() -> DisFlow:
    method = DisFlow()
    method.load(torch.device("cpu"))
    return method


def test_a_known_shift_is_found_both_ways(dis: DisFlow) -> None:
    field = dis.field(dis.encode(moving_texture(6, 96, step_px=1.5)), stride=2)
    inner = np.s_[:, 16:-16, 16:-16]
    assert field.forward.shape == (4, 96, 96, 2)
    np.testing.assert_allclose(np.median(field.forward[inner], axis=(0, 1, 2)), [-3, 0], atol=0.1)
    np.testing.assert_allclose(np.median(field.backward[inner], axis=(0, 1, 2)), [3, 0], atol=0.1)
    assert field.valid[inner].mean() > 0.95


def test_pulling_the_next_frame_back_gives_this_one(dis: DisFlow) -> None:
    frames = moving_texture(3, 96, step_px=3)
    field = dis.field(dis.encode(frames), stride=1)
    inner = np.s_[16:-16, 16:-16]
    back = pull_back(frames[1], field.forward[0])
    before = np.abs(frames[1][inner].astype(float) - frames[0][inner]).mean()
    assert np.abs(back[inner] - frames[0][inner]).mean() < 0.1 * before


def test_pixels_that_leave_the_frame_are_not_valid() -> None:
    flow = np.full((20, 20, 2), [5, 0], np.float32)
    valid = consistent(flow, -flow)
    assert valid[:, :15].all()
    assert not valid[:, 15:].any()


def test_flows_that_disagree_are_not_valid() -> None:
    flow = np.full((20, 20, 2), [2, 0], np.float32)
    assert not consistent(flow, flow).any()
    assert consistent(np.zeros_like(flow), np.zeros_like(flow)).all()


def test_too_small_a_frame_has_no_flow(dis: DisFlow) -> None:
    with pytest.raises(Unscored, match="15 px, flow needs at least 16"):
        dis.encode(np.zeros((9, 15, 64, 3), np.uint8))


def test_a_field_that_is_mostly_invalid_is_unreliable() -> None:
    flow = np.zeros((6, 20, 20, 2), np.float32)
    flow[1:3] = 50
    field = both_ways(1, flow, -flow)
    assert field.reliable().tolist() == [0, 3, 4, 5]
    flow[3] = 50
    with pytest.raises(Unscored, match="unreliable in 3 of 6"):
        both_ways(1, flow, -flow).reliable()


def test_an_unknown_preset_is_refused_before_any_clip() -> None:
    with pytest.raises(BenchError, match="one of ultrafast, fast, medium, got 'slow'"):
        DisFlow("slow")
