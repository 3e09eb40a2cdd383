"""Identity networks: whether the frames of a clip show the same things."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError, need_side
from bench.storage import fingerprint
from bench.video import shrink
from bench.vision import weights
from bench.vision.backbones import in_batches
from bench.vision.lpips import MIN_SIDE_PX, golden_frames

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Cosine between the embeddings of `golden_frames`, with the published weights.
_GOLDEN = 0.38516
_GOLDEN_TOLERANCE = 1e-4

# Neighbouring position embeddings of untrained weights are at right angles (cosine 0 +- .003).
_MIN_NEIGHBOUR_COSINE = 0.1


class IdentityNetwork(Protocol):
    """What fills the roles `identity` and `vbench_*` in `metrics.backbones`."""

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors `[T, D]` of uint8 `[T, H, W, 3]`, RGB, of any size; each is seen once."""


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images `[B, 3, H, W]`, 0..1, less the mean and by the deviation of each channel."""
    shift, scale = (torch.tensor(v, device=images.device).view(3, 1, 1) for v in (mean, std))
    return (images - shift) / scale


def scale_short_side(
    frame: NDArray[np.uint8],
    device: torch.device,
    short_side_px: int,
    mode: str,
    *,
    antialias: bool = False,
) -> Tensor:
    """A frame `[H, W, 3]` at a short side: `[3, H', W']`, 0..1.

    The long side is rounded down. The values are neither rounded nor cut: bicubic ones overshoot.
    """
    image = torch.from_numpy(frame).to(device).permute(2, 0, 1).float()[None]
    height, width = frame.shape[:2]
    short = min(height, width)
    size = (int(short_side_px * height / short), int(short_side_px * width / short))
    if size != (height, width):
        image = functional.interpolate(image, size, mode=mode, antialias=antialias)
    return image[0] / 255


@dataclass(eq=False)
class AlexNetFeatures:
    """ImageNet AlexNet's second and third layer: textures and parts, not subjects.

    For machines that have no DINOv2. A patch is a cell of the third convolution's grid: relu2
    (area-averaged to that grid) and relu3, each made a unit vector over channels, side by side.
    A frame is the mean of its patches. Both are made unit vectors.
    """

    trunk: str | None = None  # path of an AlexNet state dict; None to look in the usual places
    short_side_px: int = 128  # frames are reduced to it (area filter), never enlarged
    batch_size: int = 16  # frames per forward pass; changes memory and speed, not values
    fingerprint: str = field(default="", init=False)

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and pass the self-test."""
        trunk = weights.alexnet_features(self.trunk)
        used = {name: value for name, value in trunk.items() if name.split(".")[1] in "036"}
        self._weights = {name: value.to(device) for name, value in used.items()}
        self._device = device
        self.fingerprint = fingerprint(
            {"weights": weights.digest(used), "short_side_px": self.short_side_px}
        )
        first, second = self.encode(golden_frames())
        weights.check_golden("AlexNet", float(first @ second), _GOLDEN, _GOLDEN_TOLERANCE)

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors of 576 components; Unscored if the shorter side is under 32 pixels."""
        need_side(frames.shape[1:3], MIN_SIDE_PX, "AlexNet")
        vectors = []

        def prepare(frame: NDArray[np.uint8]) -> Tensor:
            small = shrink(frame, self.short_side_px)
            return torch.from_numpy(np.require(small, requirements=["C", "W"]))

        for part in in_batches(frames, self.batch_size, prepare):
            images = part.to(self._device).permute(0, 3, 1, 2).float() / 255
            cells = self._cells(normalise(images, IMAGENET_MEAN, IMAGENET_STD))
            vectors.append(functional.normalize(cells.mean(dim=1), dim=-1).cpu().numpy())
        return np.concatenate(vectors)

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


@dataclass(eq=False)
class _VisionTransformer:
    """What DINO and DINOv2 share: a ViT-B whose class and patch tokens are the embeddings.

    Position embeddings are interpolated to the frame's grid as both networks' own code does
    (bicubic, by factors of (n + .1) / side of the learnt grid). Sides that a patch does not divide
    lose their last pixels.
    """

    path: str | None = None  # the published state dict; None to look in the usual places
    batch_size: int = 8  # frames per forward pass; changes memory and speed, not values
    fingerprint: str = field(default="", init=False)

    name: ClassVar[str]
    url: ClassVar[str]
    architecture: ClassVar[str]  # what timm calls it
    role: ClassVar[str]  # whose path a message names
    unused: ClassVar[tuple[str, ...]] = ()  # weights that only training needs
    filter_: ClassVar[str]  # by which frames are scaled
    antialias: ClassVar[bool]

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and check what can be checked.

        The published file's name carries no hash, and no output of it is on record here. Names
        and shapes of all weights must fit, and the position embeddings of neighbouring patches
        must be alike, which tells trained weights from untrained ones but not one training from
        another. The fingerprint tells those.
        """
        import timm  # takes a second, and only these networks need it

        remedy = f"download {self.url} and set metrics.backbones.{self.role}.path=FILE"
        file = weights.find(self.name, self.url, path=self.path, remedy=remedy)
        published = weights.read(file, self.name)
        state = {key: value for key, value in published.items() if key not in self.unused}
        network: Any = timm.create_model(self.architecture, pretrained=False, num_classes=0)
        weights.install(state, network, file, self.name)
        cosine = _neighbour_cosine(network.pos_embed)
        if not cosine > _MIN_NEIGHBOUR_COSINE:
            raise BenchError(
                f"{file}: {self.name} failed its self-test: expected trained weights, whose "
                f"neighbouring positions have a cosine over {_MIN_NEIGHBOUR_COSINE}, got "
                f"{cosine:.3f}; remove the file and run again"
            )
        self._network = network.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = fingerprint({"identity": self.name, "weights": weights.digest(state)})

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The class token of the last layer, of 768 components.

        Unscored if the shorter side is under 32 pixels.
        """
        need_side(frames.shape[1:3], MIN_SIDE_PX, self.name.partition(" ")[0])
        vectors = []

        def prepare(frame: NDArray[np.uint8]) -> Tensor:
            return scale_short_side(
                frame, self._device, 224, self.filter_, antialias=self.antialias
            )

        for images in in_batches(frames, self.batch_size, prepare):
            tokens = self._tokens(normalise(images, IMAGENET_MEAN, IMAGENET_STD))
            vectors.append(functional.normalize(tokens[:, 0], dim=-1).cpu().numpy())
        return np.concatenate(vectors)

    def _tokens(self, images: Tensor) -> Tensor:
        """Tokens `[B, 1 + N, 768]` after the last norm, of images `[B, 3, H, W]`."""
        network = self._network
        grid = network.patch_embed.proj(images)
        tokens = grid.flatten(2).transpose(1, 2)
        start = network.cls_token.expand(len(tokens), -1, -1)
        square = images.shape[2] == images.shape[3]
        positions = self._positions(grid.shape[2], grid.shape[3], square)
        tokens = torch.cat([start, tokens], dim=1) + positions
        normed: Tensor = network.norm(network.blocks(tokens))
        return normed

    def _positions(self, rows: int, columns: int, square: bool) -> Tensor:
        """Position embeddings `[1, 1 + rows columns, 768]`, interpolated as DINO does.

        The learnt grid is left alone for square images only: of 224x230 pixels DINO
        makes 14x14 patches too, and resamples for them.
        """
        learnt: Tensor = self._network.pos_embed
        side = math.isqrt(learnt.shape[1] - 1)
        if square and rows == side:
            return learnt
        # The .1 is DINO's guard against a row lost to rounding; the factors, not the sizes,
        # decide where the samples lie.
        patches = functional.interpolate(
            learnt[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2),
            scale_factor=((rows + 0.1) / side, (columns + 0.1) / side),
            mode="bicubic",
        )
        return torch.cat([learnt[:, :1], patches.flatten(2).transpose(1, 2)], dim=1)


@dataclass(eq=False)
class Dino(_VisionTransformer):
    """DINO (Caron et al., ICCV 2021), ViT-B/16, in float32, as VBench feeds it.

    Every frame is scaled to a short side of 224 (bilinear, no antialias, no crop, not rounded) and
    normalised by ImageNet's mean and deviation: 14 patches for each 224 pixels of a side.
    """

    name = "DINO ViT-B/16"
    url = "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"
    architecture = "vit_base_patch16_224.dino"
    role = "vbench_dino"
    filter_ = "bilinear"
    antialias = False


@dataclass(eq=False)
class Dinov2(_VisionTransformer):
    """DINOv2 (Oquab et al., TMLR 2024), ViT-B/14 without registers, in float32. Apache-2.0.

    Every frame is scaled to a short side of 224 (bicubic, with antialias, no crop, not rounded) and
    normalised by ImageNet's mean and deviation: 16 patches for each 224 pixels of a side. The
    position embeddings are learnt on a grid of 37x37, for 518 pixels.
    """

    name = "DINOv2 ViT-B/14"
    url = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth"
    architecture = "vit_base_patch14_dinov2"
    role = "identity"
    unused = ("mask_token",)
    filter_ = "bicubic"
    antialias = True


def _neighbour_cosine(positions: Tensor) -> float:
    """Mean cosine between the position embeddings `[1, 1 + N, D]` of patches side by side."""
    side = math.isqrt(positions.shape[1] - 1)
    unit = functional.normalize(positions[0, 1:].detach(), dim=-1).view(side, side, -1)
    return float((unit[:, 1:] * unit[:, :-1]).sum(dim=-1).mean())
