"""Identity networks: whether the frames of a clip show the same things."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import Unscored
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.lpips import golden_frames

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

MIN_SIDE_PX = 32  # below this AlexNet's second pooling has nothing left to pool

# Cosine between the embeddings of `golden_frames`, with the published weights.
_GOLDEN = 0.38516
_GOLDEN_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Identity:
    """What an identity network sees in a clip.

    Attributes:
        frames: float32 `[T, D]`, one unit vector for each frame.
        patches: float32 `[T, N, E]`, one unit vector for each of N places of a frame, row by row.
    """

    frames: NDArray[np.float32]
    patches: NDArray[np.float32]


class IdentityNetwork(Protocol):
    """What fills the role `identity` in `metrics.backbones`."""

    def encode(self, frames: NDArray[np.uint8]) -> Identity:
        """Embed uint8 `[T, H, W, 3]`, RGB, of any size; each frame is seen once."""


def need_size(frames: NDArray[np.uint8], network: str) -> None:
    """Raises Unscored if the shorter side of `[T, H, W, 3]` is under 32 pixels."""
    short_side = min(frames.shape[1:3])
    if short_side < MIN_SIDE_PX:
        raise Unscored(f"short side is {short_side} px, {network} needs at least {MIN_SIDE_PX}")


class AlexNetFeatures:
    """ImageNet AlexNet's second and third layer: textures and parts, not subjects.

    For machines that have no DINO. A patch is a cell of the third convolution's grid: relu2
    (area-averaged to that grid) and relu3, each made a unit vector over channels, side by side.
    A frame is the mean of its patches. Both are made unit vectors.

    Args:
        trunk: path of an AlexNet state dict; None to look in the usual places.
        short_side_px: frames are reduced to this short side (area filter), never enlarged.
        batch_size: frames per forward pass; changes memory and speed, not values.
    """

    def __init__(
        self, trunk: str | None = None, short_side_px: int = 128, batch_size: int = 16
    ) -> None:
        self.trunk = trunk
        self.short_side_px = short_side_px
        self.batch_size = batch_size
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and pass the self-test.

        Raises:
            WeightsMissing: if they are nowhere to be found.
            BenchError: if the self-test fails.
        """
        trunk = weights.alexnet_features(self.trunk)
        used = {name: value for name, value in trunk.items() if name.split(".")[1] in "036"}
        self._weights = {name: value.to(device) for name, value in used.items()}
        self._mean = torch.tensor(IMAGENET_MEAN, device=device).view(3, 1, 1)
        self._std = torch.tensor(IMAGENET_STD, device=device).view(3, 1, 1)
        self._device = device
        self.fingerprint = fingerprint(
            {"weights": weights.digest(used), "short_side_px": self.short_side_px}
        )
        first, second = self.encode(golden_frames()).frames
        weights.check_golden("AlexNet", float(first @ second), _GOLDEN, _GOLDEN_TOLERANCE)

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> Identity:
        """Embed frames.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB.

        Returns:
            Vectors of 576 components; N is the size of the third convolution's grid, 7x7 for
            128x128 pixels.

        Raises:
            Unscored: if the shorter side is under 32 pixels.
        """
        need_size(frames, "AlexNet")
        scale = min(1.0, self.short_side_px / min(frames.shape[1:3]))
        size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
        whole, patches = [], []
        for start in range(0, len(frames), self.batch_size):
            part = frames[start : start + self.batch_size]
            if scale < 1:
                part = np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in part])
            images = torch.from_numpy(part).to(self._device).permute(0, 3, 1, 2).float() / 255
            cells = self._cells((images - self._mean) / self._std)
            whole.append(functional.normalize(cells.mean(dim=1), dim=-1).cpu().numpy())
            patches.append(cells.cpu().numpy())
        return Identity(np.concatenate(whole), np.concatenate(patches))

    def _cells(self, images: Tensor) -> Tensor:
        """Unit vectors `[B, N, 576]` of normalised images `[B, 3, H, W]`."""

        def convolve(x: Tensor, layer: int, stride: int, padding: int) -> Tensor:
            weight, bias = (self._weights[f"features.{layer}.{k}"] for k in ("weight", "bias"))
            return functional.relu(functional.conv2d(x, weight, bias, stride, padding))

        first = functional.max_pool2d(convolve(images, 0, 4, 2), 3, 2)
        second = convolve(first, 3, 1, 2)
        third = convolve(functional.max_pool2d(second, 3, 2), 6, 1, 1)
        pooled = functional.adaptive_avg_pool2d(second, (third.shape[2], third.shape[3]))
        parts = [functional.normalize(layer, dim=1) for layer in (pooled, third)]
        return functional.normalize(torch.cat(parts, dim=1), dim=1).flatten(2).transpose(1, 2)
