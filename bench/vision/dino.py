"""DINO ViT-B/16: who and what a frame shows, as a self-supervised network sees it."""

import math
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.identity import IMAGENET_MEAN, IMAGENET_STD, Identity, need_size

_URL = "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"

_SHORT_SIDE_PX = 224

# Neighbouring position embeddings of untrained weights are at right angles (cosine 0 +- .003).
_MIN_NEIGHBOUR_COSINE = 0.1


class Dino:
    """DINO (Caron et al., ICCV 2021), ViT-B/16, in float32, as VBench feeds it.

    Every frame is scaled to a short side of 224 (bilinear, no antialias, no crop, not rounded)
    and normalised by ImageNet's mean and deviation. The position embeddings are interpolated to
    the frame's grid as DINO does (bicubic, by factors of (n + .1) / 14). Sides that 16 does not
    divide lose their last pixels.

    Args:
        path: the published state dict; None to look in the usual places.
        batch_size: frames per forward pass; changes memory and speed, not values.
    """

    def __init__(self, path: str | None = None, batch_size: int = 8) -> None:
        self.path = path
        self.batch_size = batch_size
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and check what can be checked.

        The published file's name carries no hash, and no output of it is on record here. Names
        and shapes of all weights must fit, and the position embeddings of neighbouring patches
        must be alike, which tells trained weights from untrained ones but not one training from
        another. The fingerprint tells those.

        Raises:
            WeightsMissing: if they are nowhere to be found.
            BenchError: if they do not fit, or are untrained.
        """
        file = weights.find(
            "DINO ViT-B/16",
            _URL,
            path=self.path,
            remedy=f"download {_URL} and set metrics.backbones.identity.path=FILE",
        )
        state = weights.read(file, "DINO ViT-B/16")
        network: Any = timm.create_model(
            "vit_base_patch16_224.dino", pretrained=False, num_classes=0
        )
        weights.install(state, network, file, "DINO ViT-B/16")
        alike = _neighbour_cosine(network.pos_embed)
        if not alike > _MIN_NEIGHBOUR_COSINE:
            raise BenchError(
                f"{file}: DINO ViT-B/16 failed its self-test: expected trained weights, whose "
                f"neighbouring positions have a cosine over {_MIN_NEIGHBOUR_COSINE}, got "
                f"{alike:.3f}; remove the file and run again"
            )
        self._network = network.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = fingerprint(
            {"identity": "DINO ViT-B/16", "weights": weights.digest(state)}
        )

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> Identity:
        """Embed frames: the class token, and the patch tokens, of the last layer.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB.

        Returns:
            Vectors of 768 components, 14 patches for each 224 pixels of a side.

        Raises:
            Unscored: if the shorter side is under 32 pixels.
        """
        need_size(frames, "DINO")
        whole, patches = [], []
        for start in range(0, len(frames), self.batch_size):
            part = frames[start : start + self.batch_size]
            # One by one: a batch of 4K frames in float32 would take gigabytes.
            images = torch.cat([self._prepare(frame) for frame in part])
            tokens = functional.normalize(self._tokens(images), dim=-1).cpu().numpy()
            whole.append(tokens[:, 0])
            patches.append(tokens[:, 1:])
        return Identity(np.concatenate(whole), np.concatenate(patches))

    def _prepare(self, frame: NDArray[np.uint8]) -> Tensor:
        """One frame `[H, W, 3]` as the network reads it, `[1, 3, H', W']`."""
        image = torch.from_numpy(frame).to(self._device).permute(2, 0, 1).float()[None]
        size = scaled_size(frame.shape[0], frame.shape[1], _SHORT_SIDE_PX)
        if size != tuple(image.shape[2:]):
            image = functional.interpolate(image, size, mode="bilinear", antialias=False)
        mean = torch.tensor(IMAGENET_MEAN, device=self._device).view(3, 1, 1)
        std = torch.tensor(IMAGENET_STD, device=self._device).view(3, 1, 1)
        return (image / 255 - mean) / std

    def _tokens(self, images: Tensor) -> Tensor:
        """Tokens `[B, 1 + N, 768]` after the last norm, of images `[B, 3, H, W]`."""
        network = self._network
        grid = network.patch_embed.proj(images)
        tokens = grid.flatten(2).transpose(1, 2)
        start = network.cls_token.expand(len(tokens), -1, -1)
        square = images.shape[2] == images.shape[3]
        tokens = torch.cat([start, tokens], dim=1) + self._positions(
            grid.shape[2], grid.shape[3], square
        )
        normed: Tensor = network.norm(network.blocks(tokens))
        return normed

    def _positions(self, rows: int, columns: int, square: bool) -> Tensor:
        """Position embeddings `[1, 1 + rows columns, 768]`, interpolated as DINO does.

        Its own grid is left alone for square images only: 224x230 pixels have 14x14 patches too,
        and DINO resamples for them.
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


def scaled_size(height: int, width: int, short_side_px: int) -> tuple[int, int]:
    """Height and width of a frame scaled to a short side; the long one is rounded down."""
    if height <= width:
        return short_side_px, int(short_side_px * width / height)
    return int(short_side_px * height / width), short_side_px


def _neighbour_cosine(positions: Tensor) -> float:
    """Mean cosine between the position embeddings `[1, 1 + N, D]` of patches side by side."""
    side = math.isqrt(positions.shape[1] - 1)
    unit = functional.normalize(positions[0, 1:].detach(), dim=-1).view(side, side, -1)
    return float((unit[:, 1:] * unit[:, :-1]).sum(dim=-1).mean())
