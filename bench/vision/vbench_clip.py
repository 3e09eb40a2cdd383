"""CLIP ViT-B/32 image embeddings, of frames prepared as VBench prepares them."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.vision import weights
from bench.vision.dino import scaled_size
from bench.vision.identity import need_size

# OpenAI's addresses name a file by its whole SHA-256.
_SHA256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_URL = f"https://openaipublic.azureedge.net/clip/models/{_SHA256}/ViT-B-32.pt"

_SIDE_PX = 224


class VbenchClip:
    """OpenAI's CLIP ViT-B/32 (Radford et al., ICML 2021), in float32.

    Every frame is scaled to a short side of 224 (bicubic, no antialias, not rounded), its centre
    cut out, and normalised by CLIP's mean and deviation. VBench itself computes in half precision
    on a GPU.

    Args:
        path: OpenAI's file; None to look in the usual places.
        batch_size: frames per forward pass; changes memory and speed, not values.
    """

    def __init__(self, path: str | None = None, batch_size: int = 32) -> None:
        self.path = path
        self.batch_size = batch_size
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device`; the file must be OpenAI's, bit for bit.

        Raises:
            WeightsMissing: if it is nowhere to be found.
            BenchError: if the file is another one.
        """
        file = weights.find(
            "CLIP ViT-B/32",
            _URL,
            path=self.path,
            sha256=_SHA256,
            remedy=f"download {_URL} and set metrics.backbones.vbench_clip.path=FILE",
        )
        self._network = _read(file).visual.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = weights.digest(self._network.state_dict())

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed frames.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB, of any size.

        Returns:
            float32 `[T, 512]`, of unit length.

        Raises:
            Unscored: if the shorter side is under 32 pixels.
        """
        need_size(frames, "CLIP")
        batches = []
        for start in range(0, len(frames), self.batch_size):
            part = frames[start : start + self.batch_size]
            images = torch.cat([self._prepare(frame) for frame in part])
            vectors = self._network(images)
            batches.append(functional.normalize(vectors, dim=-1).cpu().numpy())
        return np.concatenate(batches)

    def _prepare(self, frame: NDArray[np.uint8]) -> Tensor:
        """One frame `[H, W, 3]` as the network reads it, `[1, 3, 224, 224]`."""
        image = torch.from_numpy(frame).to(self._device).permute(2, 0, 1).float()[None]
        height, width = scaled_size(frame.shape[0], frame.shape[1], _SIDE_PX)
        if (height, width) != tuple(image.shape[2:]):
            image = functional.interpolate(image, (height, width), mode="bicubic", antialias=False)
        top, left = round((height - _SIDE_PX) / 2), round((width - _SIDE_PX) / 2)
        image = image[..., top : top + _SIDE_PX, left : left + _SIDE_PX]
        mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN, device=self._device).view(3, 1, 1)
        std = torch.tensor(open_clip.OPENAI_DATASET_STD, device=self._device).view(3, 1, 1)
        return (image / 255 - mean) / std


def _read(file: Path) -> Any:  # noqa: ANN401 - open_clip has no types
    with warnings.catch_warnings():
        # The file is a TorchScript archive; torch discourages its reader.
        warnings.simplefilter("ignore", DeprecationWarning)
        return open_clip.load_openai_model(str(file), precision="fp32", device="cpu")
