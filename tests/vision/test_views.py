from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
import torch
from conftest import PROMPT, moving_texture
from numpy.typing import NDArray

import bench.vision.views
from bench.clip import Clip, Streamed
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.views import look, sampled


def streamed(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    def read() -> Iterator[NDArray[np.uint8]]:
        yield from frames

    return cast("NDArray[np.uint8]", Streamed(frames.shape, read))


class Means:
    """A network that makes the mean colour of a frame, and breaks down at a bright one."""

    fingerprint = "means"

    def __init__(self) -> None:
        self.shown: list[int] = []

    def load(self, device: torch.device) -> None:
        """Nothing to load."""

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.shown.append(len(frames))
        means = np.stack([frame.mean(axis=(0, 1), dtype=np.float32) for frame in frames])
        if (means > 250).any():
            raise RuntimeError("too bright")
        return means


def analysis_of(frames: NDArray[np.uint8], network: Means) -> Analysis:
    backbones = Backbones({"identity": network}, torch.device("cpu"))
    return Analysis(Clip(streamed(frames), 8.0), PROMPT, backbones, roles=("identity", "flow"))


def test_streamed_frames_are_seen_as_held_ones() -> None:
    for size in (300, 200, 96):
        frames = moving_texture(20, size)
        held, stream = look(frames, {}), look(streamed(frames), {})
        np.testing.assert_array_equal(held.changes, stream.changes)
        for side_px, smaller in stream.smaller.items():
            assert smaller.shape == (20, min(size, side_px), min(size, side_px), 3)
            np.testing.assert_array_equal(held.smaller.get(side_px, frames), smaller)
        assert sorted(stream.stills) == sampled(20).tolist()
        np.testing.assert_array_equal(stream.stills[19], frames[19])


def test_a_network_sees_a_streamed_clip_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = moving_texture(20, 96)
    of_three = 3 * frames[0].nbytes
    for most_bytes, blocks in ((2**26, [16, 4]), (of_three, [3] * 6 + [2]), (1, [1] * 20)):
        monkeypatch.setattr(bench.vision.views, "BLOCK_BYTES", most_bytes)
        network = Means()
        vectors = analysis_of(frames, network).seen_by("identity")
        assert network.shown == blocks
        np.testing.assert_allclose(vectors, frames.mean(axis=(1, 2)), rtol=1e-5)


def test_a_network_that_fails_is_heard_of_by_who_asks_for_it_alone() -> None:
    frames = moving_texture(20, 96)
    frames[16:] = 255
    analysis = analysis_of(frames, Means())
    assert analysis.changes[18] == 0
    with pytest.raises(RuntimeError, match="too bright"):
        analysis.seen_by("identity")


def test_frames_too_large_to_keep_are_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.vision.views, "STILL_BYTES", 1)
    frames = moving_texture(20, 96)
    analysis = analysis_of(frames, Means())
    assert not analysis._views.stills
    np.testing.assert_array_equal(analysis.still(7), frames[7])
