"""What travels between the host and a GPU; there is none in tests, so tensors are shapes only."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PROMPT, moving_texture
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import bench.vision.analysis
from bench.clip import Clip
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.flow import pull_all_back
from bench.vision.lpips import Lpips

CUDA = torch.device("cuda")
FRAMES, SIDE = 40, 64


class KnownFlow:
    """Flow that is where the networks are, as RAFT's is."""

    fingerprint = "known"

    def load(self, device: torch.device) -> None:
        """Nothing to load."""

    def encode(self, frames: Tensor) -> list[Tensor]:
        return [frames]

    def flows(self, first: Sequence[Tensor], _: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        return torch.zeros(len(first[0]), *size, 2, device=first[0].device)


class BlankLpips(Lpips):
    """LPIPS without weights: of them nothing is known on a device that is not there."""

    def load(self, device: torch.device) -> None:
        with device:
            self._net = bench.vision.lpips._Network().requires_grad_(False)
        self._root_heads = [
            self._net.get_parameter(f"lin{number}.model.1.weight").sqrt() for number in range(5)
        ]
        self._device = device


class Uploads(TorchDispatchMode):
    """Counts tensors that are copied to the GPU, and refuses results that lie on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function is torch.ops.aten._to_copy.default and args[0].device.type == "cpu":
            self.bytes.append(result.nbytes)
        elif isinstance(result, Tensor) and any(
            isinstance(arg, Tensor) and arg.device.type == "cuda" for arg in args
        ):
            assert result.device.type == "cuda", function
        return result


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes that `Analysis` had brought to the host, by each call."""
    sizes: list[int] = []

    def count(values: Tensor) -> NDArray[Any]:
        sizes.append(values.nbytes)
        return np.zeros(values.shape, str(values.dtype).removeprefix("torch."))

    monkeypatch.setattr("bench.vision.analysis._host", count)
    return sizes


@pytest.fixture
def fake() -> Iterator[None]:
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


@pytest.mark.usefixtures("fake")
def test_frames_travel_once_and_only_distances_come_back(downloads: list[int]) -> None:
    frames = moving_texture(FRAMES, SIDE)
    backbones = Backbones({"lpips": BlankLpips(), "flow": KnownFlow()}, CUDA)
    backbones.get("lpips")
    analysis = Analysis(Clip(frames, 16.0), PROMPT, backbones)
    with Uploads() as uploads:
        analysis.lpips(analysis.step)
        analysis.compare_warped(analysis.step)
        analysis.compare_warped_back(analysis.step)
        analysis.compare_halfway(analysis.step)
        assert analysis.patches(slice(0, 4)).device.type == "cuda"
    assert max(uploads.bytes) == frames.nbytes
    assert sum(uploads.bytes) < 1.001 * frames.nbytes
    assert sum(downloads) < frames.nbytes / 10


def test_pictures_are_bent_alike_wherever_it_is_done() -> None:
    image = torch.from_numpy(moving_texture(2, 96))
    flows = torch.rand(2, 96, 96, 2, generator=torch.Generator().manual_seed(0)) * 6 - 3
    for cubic in (False, True):
        here = pull_all_back(image, flows, cubic=cubic)
        there = bench.vision.flow._sampled(image, flows, cubic=cubic)
        assert (here - image).abs().mean() > 1
        assert (here - there).abs().mean() < 0.3  # OpenCV rounds places to 1/32 pixel
