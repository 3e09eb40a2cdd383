"""Optical flow between frames of one clip, by DIS or RAFT, and where it can be trusted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError, Unscored
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.backbones import in_batches

MIN_VALID_SHARE = 0.3
MAX_DROPPED_SHARE = 1 / 3
MIN_SIDE_PX = 16  # DIS works on 8-pixel patches; a smaller frame holds no field of them

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

# Of the published files, the one that the authors trained on FlyingChairs and FlyingThings3D
# ("raft-things"), carried over to torchvision: VBench uses it.
_RAFT_URL = "https://download.pytorch.org/models/raft_large_C_T_V1-22a6c225.pth"

MIN_PADDED_PX = 128  # the correlation pyramid halves a grid of 1/8 three times
MAX_CORRELATION_BYTES = 8 * 2**30  # 1920x1088 takes 5.6 GB


@dataclass(frozen=True, eq=False)
class FlowField:
    """Flow for the frame pairs (t, t + stride), t = 0 .. N-1, in pixels.

    Attributes:
        stride: the distance between the two frames of a pair, in frames.
        forward: float32 `[N, H, W, 2]`, (x, y) displacement from frame t to frame t + stride.
        backward: float32 `[N, H, W, 2]`, from frame t + stride to frame t.
        valid: bool `[N, H, W]`, pixels of frame t whose forward flow is confirmed by the
            backward flow and ends inside the frame.
    """

    stride: int
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def reliable(self) -> NDArray[np.intp]:
        """Indices of the pairs of which at least 30% of the pixels are valid.

        Raises:
            Unscored: if that leaves out more than a third of the pairs.
        """
        kept = np.flatnonzero(self.valid.mean(axis=(1, 2)) >= MIN_VALID_SHARE)
        dropped = len(self.valid) - len(kept)
        if dropped > MAX_DROPPED_SHARE * len(self.valid):
            raise Unscored(f"flow unreliable in {dropped} of {len(self.valid)} frame pairs")
        return kept


Encoded = TypeVar("Encoded")


class FlowMethod(Protocol[Encoded]):
    """What fills the role `flow` in `metrics.backbones`.

    In two steps, so that each frame is looked at once, whatever pairs are asked for.
    """

    def encode(self, frames: NDArray[np.uint8]) -> Encoded:
        """What the method needs to know of each frame of uint8 `[T, H, W, 3]`, RGB."""

    def field(self, encoded: Encoded, stride: int) -> FlowField:
        """Flow both ways between every frame t and t + stride, 1 <= stride < T."""


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016), as OpenCV has it; needs no weights.

    Args:
        preset: `ultrafast`, `fast` or `medium`.
    """

    def __init__(self, preset: str = "medium") -> None:
        if not isinstance(preset, str) or preset not in _PRESETS:
            raise BenchError(
                f"DIS flow: preset must be one of {', '.join(_PRESETS)}, got {preset!r}"
            )
        self.preset = preset
        self.fingerprint = fingerprint({"flow": "DIS", "preset": preset})

    def load(self, device: torch.device) -> None:  # noqa: ARG002 - DIS runs on the CPU only
        """Set the method up; nothing is read from disk."""
        self._dis = cv2.DISOpticalFlow.create(_PRESETS[self.preset])

    def encode(self, frames: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
        """The frames in grey.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB.

        Returns:
            T times uint8 `[H, W]`.

        Raises:
            Unscored: if the shorter side is under 16 pixels.
        """
        if min(frames.shape[1:3]) < MIN_SIDE_PX:
            raise Unscored(
                f"short side is {min(frames.shape[1:3])} px, flow needs at least {MIN_SIDE_PX}"
            )
        return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]

    def field(self, encoded: Sequence[NDArray[np.uint8]], stride: int) -> FlowField:
        """Flow both ways between every frame t and frame t + stride.

        Args:
            encoded: what `encode` returned.
            stride: distance of a pair in frames, 1 <= stride < T.
        """
        pairs = list(zip(encoded[:-stride], encoded[stride:], strict=True))
        forward = np.stack([self._dis.calc(a, b, None) for a, b in pairs])
        backward = np.stack([self._dis.calc(b, a, None) for a, b in pairs])
        return both_ways(stride, forward, backward)


@dataclass(frozen=True, eq=False)
class RaftEncoding:
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
        from torchvision.models.optical_flow import raft_large  # as slow to import as torch

        file = weights.find(
            "RAFT",
            _RAFT_URL,
            path=self.path,
            sha256=weights.hash_in_name(_RAFT_URL),
            remedy=f"download {_RAFT_URL} and set metrics.backbones.flow.path=FILE",
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
    def encode(self, frames: NDArray[np.uint8]) -> RaftEncoding:
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
        return RaftEncoding(torch.cat(matching), torch.cat(context), crop)

    def field(self, encoded: RaftEncoding, stride: int) -> FlowField:
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
            pair = RaftEncoding(matching, before.context, now.crop)
            yield next(self._flows(pair, [0], [1]))[0]
            before = now

    @torch.inference_mode()
    def _flows(
        self, encoded: RaftEncoding, a: Sequence[int], b: Sequence[int]
    ) -> Iterator[NDArray[np.float32]]:
        """Flow from frames `a[i]` to `b[i]`, by batches of float32 `[B, H', W', 2]`.

        torchvision's own forward pass encodes both frames of every pair anew; otherwise the same.
        """
        from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

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


def both_ways(
    stride: int, forward: NDArray[np.float32], backward: NDArray[np.float32]
) -> FlowField:
    """A field of flows `[N, H, W, 2]`, its valid pixels marked; see `consistent`."""
    valid = np.stack([consistent(f, b) for f, b in zip(forward, backward, strict=True)])
    return FlowField(stride, forward, backward, valid)


def consistent(forward: NDArray[np.float32], backward: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels whose forward and backward flow agree.

    A pixel p is valid iff |f(p) + b(p + f(p))|^2 <= .01 (|f|^2 + |b|^2) + .5 and p + f(p) lies
    inside the frame (Sundaram, Brox and Keutzer, ECCV 2010).

    Args:
        forward: float32 `[H, W, 2]`, pixels.
        backward: float32 `[H, W, 2]`, pixels.

    Returns:
        bool `[H, W]`.
    """
    height, width = forward.shape[:2]
    returned = pull_back(backward, forward)
    closure = _squared_length(forward + returned)
    scale = _squared_length(forward) + _squared_length(returned)
    x, y = places(height, width)
    end_x, end_y = x + forward[..., 0], y + forward[..., 1]
    inside = (end_x >= 0) & (end_x <= width - 1) & (end_y >= 0) & (end_y <= height - 1)
    agreed: NDArray[np.bool_] = (closure <= 0.01 * scale + 0.5) & inside
    return agreed


def _squared_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of `[H, W, 2]`; numpy's sum over so short an axis is slow."""
    x, y = vectors[..., 0], vectors[..., 1]
    squared: NDArray[np.float32] = x * x + y * y
    return squared


def pull_back(
    image: NDArray[np.generic],
    flow: NDArray[np.float32],
    interpolation: int = cv2.INTER_LINEAR,
) -> NDArray[np.float32]:
    """W(image, flow): the image pulled back along the flow, edges replicated.

    Args:
        image: `[H, W]` or `[H, W, C]`, any numeric type.
        flow: float32 `[H, W, 2]`, where each output pixel looks, relative to itself, in pixels.
        interpolation: OpenCV's; cubic overshoots the range of the image.

    Returns:
        float32, shaped like `image`.
    """
    x, y = places(*flow.shape[:2])
    warped: NDArray[np.float32] = cv2.remap(
        image.astype(np.float32),
        x + flow[..., 0],
        y + flow[..., 1],
        interpolation=interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return warped


@lru_cache(maxsize=4)
def places(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each pixel's x and y, float32 `[H, W]`, read-only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def _padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom: half before, the odd pixel after."""
    rows, columns = -height % 8, -width % 8
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
