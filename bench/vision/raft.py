"""RAFT: optical flow by a network, with each frame encoded once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchvision.models.optical_flow import Raft_Large_Weights, raft_large
from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

from bench.errors import Unscored
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.backbones import in_batches
from bench.vision.flow import FlowField, both_ways

# Of the published files, the one that the authors trained on FlyingChairs and FlyingThings3D
# ("raft-things"), carried over to torchvision: VBench uses it.
_URL = Raft_Large_Weights.C_T_V1.url

MIN_PADDED_PX = 128  # the correlation pyramid halves a grid of 1/8 three times
MAX_CORRELATION_BYTES = 8 * 2**30  # 1920x1088 takes 5.6 GB


@dataclass(frozen=True, eq=False)
class Encoding:
    """What RAFT keeps of a clip's frames, on its 1/8 grid."""

    matching: Tensor  # float32 `[T, 256, h, w]`, compared between two frames
    context: Tensor  # float32 `[T, 256, h, w]`, of the frame that the flow starts from
    crop: tuple[slice, slice]  # rows and columns of the padded frame that are the frame


@dataclass(eq=False)
class Raft:
    """RAFT (Teed and Deng, ECCV 2020), torchvision's `raft_large`, trained on chairs and things.

    Frames are RGB, 0..255, their edges repeated on both sides until the sizes divide by 8.
    The correlation of a pair takes (H W / 64)^2 x 5.3 bytes: frames beyond 8 GiB are unscored.
    """

    path: str | None = None  # torchvision's state dict; None to look in the usual places
    iterations: int = 20  # refinements of the flow
    batch_size: int = 4  # frame pairs per forward pass; changes memory and speed, not values
    fingerprint: str = field(default="", init=False)

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device`; the file must have the hash that its name tells."""
        file = weights.find(
            "RAFT",
            _URL,
            path=self.path,
            sha256=weights.hash_in_name(_URL),
            remedy=f"download {_URL} and set metrics.backbones.flow.path=FILE",
        )
        state = weights.read(file, "RAFT")
        self._network = raft_large(weights=None)
        weights.install(state, self._network, file, "RAFT")
        self._network.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = fingerprint(
            {"flow": "RAFT", "weights": weights.digest(state), "iterations": self.iterations}
        )

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> Encoding:
        """Encode every frame of uint8 `[T, H, W, 3]`, RGB, once.

        Unscored if they are too small, or too large for the memory bound.
        """
        padding = _padding(*frames.shape[1:3])
        left, right, top, bottom = padding
        height, width = frames.shape[1] + top + bottom, frames.shape[2] + left + right
        if min(height, width) < MIN_PADDED_PX:
            raise Unscored(
                f"short side is {min(frames.shape[1:3])} px, RAFT needs at least "
                f"{MIN_PADDED_PX - 7}"
            )
        correlation = (height * width // 64) ** 2 * 4 * 4 // 3
        if correlation > MAX_CORRELATION_BYTES:
            raise Unscored(
                f"{frames.shape[2]}x{frames.shape[1]} px would take RAFT "
                f"{correlation / 2**30:.0f} GiB, {MAX_CORRELATION_BYTES / 2**30:.0f} are allowed"
            )
        matching, context = [], []
        for part in in_batches(frames, self.batch_size):
            images = torch.from_numpy(part).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
            padded = functional.pad(images, padding, mode="replicate")
            matching.append(self._network.feature_encoder(padded))
            context.append(self._network.context_encoder(padded))
        crop = (slice(top, height - bottom), slice(left, width - right))
        return Encoding(torch.cat(matching), torch.cat(context), crop)

    def field(self, encoded: Encoding, stride: int) -> FlowField:
        """Flow both ways between every frame t and frame t + stride, 1 <= stride < T."""
        first = list(range(len(encoded.matching) - stride))
        last = [t + stride for t in first]
        rows, columns = encoded.crop
        forward, backward = (
            np.concatenate([flow[:, rows, columns] for flow in self._flows(encoded, a, b)])
            for a, b in ((first, last), (last, first))
        )
        return both_ways(stride, forward, backward)

    def padded_flows(self, frames: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
        """Flow from each frame to the next, the padding left on; two frames are held at a time.

        T - 1 times float32 `[H', W', 2]`, pixels; H' and W' divide by 8. Unscored as in `encode`.
        """
        before = self.encode(frames[:1])
        for t in range(1, len(frames)):
            now = self.encode(frames[t : t + 1])
            matching = torch.cat([before.matching, now.matching])
            pair = Encoding(matching, before.context, now.crop)
            yield next(self._flows(pair, [0], [1]))[0]
            before = now

    @torch.inference_mode()
    def _flows(
        self, encoded: Encoding, a: Sequence[int], b: Sequence[int]
    ) -> Iterator[NDArray[np.float32]]:
        """Flow from frames `a[i]` to `b[i]`, by batches of float32 `[B, H', W', 2]`.

        torchvision's own forward pass encodes both frames of every pair anew; otherwise the same.
        """
        network = self._network
        for start in range(0, len(a), self.batch_size):
            part = slice(start, start + self.batch_size)
            network.corr_block.build_pyramid(encoded.matching[a[part]], encoded.matching[b[part]])
            hidden_size = network.update_block.hidden_state_size
            hidden, context = encoded.context[a[part]].tensor_split([hidden_size], dim=1)
            hidden, context = hidden.tanh(), context.relu()
            origin = make_coords_grid(len(hidden), *hidden.shape[2:]).to(self._device)
            end = origin
            for _ in range(self.iterations):
                correlation = network.corr_block.index_pyramid(centroids_coords=end)
                hidden, delta = network.update_block(hidden, context, correlation, end - origin)
                end = end + delta
            flow = upsample_flow(flow=end - origin, up_mask=network.mask_predictor(hidden))
            yield flow.permute(0, 2, 3, 1).cpu().numpy()


def _padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom: half before, the odd pixel after."""
    rows, columns = -height % 8, -width % 8
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
