import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench.errors import Unscored
from bench.vision.flow import DisFlow, consistent, pull_back


@pytest.fixture(scope="module")
def dis() -> DisFlow:
    method = DisFlow()
    method.load(torch.device("cpu"))
    return method


def test_a_known_shift_is_found_both_ways(dis: DisFlow) -> None:
    field = dis.field(moving_texture(6, 96, step_px=1.5), stride=2)
    inner = np.s_[:, 16:-16, 16:-16]
    assert field.forward.shape == (4, 96, 96, 2)
    np.testing.assert_allclose(np.median(field.forward[inner], axis=(0, 1, 2)), [-3, 0], atol=0.1)
    np.testing.assert_allclose(np.median(field.backward[inner], axis=(0, 1, 2)), [3, 0], atol=0.1)
    assert field.valid[inner].mean() > 0.95


def test_pulling_the_next_frame_back_gives_this_one(dis: DisFlow) -> None:
    frames = moving_texture(3, 96, step_px=3)
    field = dis.field(frames, stride=1)
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


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (9, 15, 64, 3)])
def test_a_clip_too_short_or_too_small_has_no_flow(dis: DisFlow, shape: tuple[int, ...]) -> None:
    with pytest.raises(Unscored, match="needs at least"):
        dis.field(np.zeros(shape, np.uint8), stride=2)
