"""Optical flow between frames of one clip, by DIS or RAFT, and where it can be trusted."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import BenchError, Unscored, need_side
from bench.storage import fingerprint
from bench.vision import weights

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

RAFT_MIN_SIDE_PX = 121  # padded to 128: its correlation pyramid halves a grid of 1/8 three times
MAX_CORRELATION_BYTES = 8 * 2**30  # 1920x1088 takes 5.6 GB


@dataclass(frozen=True, eq=False)
class FlowField:
    """Flow for consecutive frame pairs (t, t + stride), in pixels; N of them.

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


def reliable(valid_shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the pairs of which at least 30% of the pixels are valid.

    Args:
        valid_shares: of the pixels of each pair, `[N]`, 0..1.

    Raises:
        Unscored: if that leaves out more than a third of the pairs.
    """
    pairs = np.flatnonzero(valid_shares >= MIN_VALID_SHARE)
    dropped = len(valid_shares) - len(pairs)
    if dropped > MAX_DROPPED_SHARE * len(valid_shares):
        raise Unscored(f"flow unreliable in {dropped} of {len(valid_shares)} frame pairs")
    return pairs


class FlowMethod(Protocol):
    """What fills the role `flow` in `metrics.backbones`.

    In two steps, so that each frame is looked at once, whatever pairs are asked for.
    """

    def encode(self, frames: Tensor) -> Sequence[Tensor]:
        """What the method needs to know of uint8 `[T, H, W, 3]`, RGB; frame by frame, T first."""

    def flows(
        self, first: Sequence[Tensor], second: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Flow from the N frames of one encoding to those of another, float32 `[N, H, W, 2]`.

        `size` is (H, W).
        """


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
        self._methods: list[cv2.DISOpticalFlow] = []

    def encode(self, frames: Tensor) -> list[Tensor]:
        """The frames in grey, one tensor of uint8 `[T, H, W]`.

        Args:
            frames: uint8 `[T, H, W, 3]`, RGB.

        Raises:
            Unscored: if the shorter side is under 16 pixels.
        """
        need_side(frames.shape[1:3], MIN_SIDE_PX, "flow")
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames.cpu().numpy()]
        return [torch.from_numpy(np.stack(grey))]

    def flows(
        self, first: Sequence[Tensor], second: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Flow from each frame of one encoding to that of another, float32 `[N, H, W, 2]`.

        By as many threads as torch has: DIS itself gains nothing from more than one.
        """
        starts, ends = first[0].numpy(), second[0].numpy()
        flows = torch.empty(len(starts), *size, 2)

        def fill(worker: int) -> None:
            for pair in range(worker, len(starts), workers):
                flows[pair] = torch.from_numpy(
                    self._methods[worker].calc(starts[pair], ends[pair], None)
                )

        workers = min(torch.get_num_threads(), len(starts))
        while len(self._methods) < workers:  # one has buffers for one pair at a time
            self._methods.append(cv2.DISOpticalFlow.create(_PRESETS[self.preset]))
        if workers == 1:
            fill(0)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(fill, range(workers)))
        return flows


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
    def encode(self, frames: Tensor) -> list[Tensor]:
        """What is compared between two frames, and what is seen in the one that a flow starts from.

        Both float32 `[T, 256, H' / 8, W' / 8]` of uint8 `[T, H, W, 3]`, RGB. Unscored if the frames
        are too small, or too large for the memory bound.
        """
        need_side(frames.shape[1:3], RAFT_MIN_SIDE_PX, "RAFT")
        padding = _padding(*frames.shape[1:3])
        left, right, top, bottom = padding
        height, width = frames.shape[1] + top + bottom, frames.shape[2] + left + right
        correlation = (height * width // 64) ** 2 * 4 * 4 // 3
        if correlation > MAX_CORRELATION_BYTES:
            raise Unscored(
                f"{frames.shape[2]}x{frames.shape[1]} px would take RAFT "
                f"{correlation / 2**30:.0f} GiB, {MAX_CORRELATION_BYTES / 2**30:.0f} are allowed"
            )
        matching, context = [], []
        for start in range(0, len(frames), self.batch_size):
            part = frames[start : start + self.batch_size]
            images = part.to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
            padded = functional.pad(images, padding, mode="replicate")
            matching.append(self._network.feature_encoder(padded))
            context.append(self._network.context_encoder(padded))
        return [torch.cat(matching), torch.cat(context)]

    def flows(
        self, first: Sequence[Tensor], second: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Flow from each frame of one encoding to that of another, float32 `[N, H, W, 2]`."""
        left, right, top, bottom = _padding(*size)
        padded = self._padded(first, second)
        return padded[:, top : padded.shape[1] - bottom, left : padded.shape[2] - right]

    def padded_flows(self, frames: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Flow from each frame to the next, the padding left on; two frames are held at a time.

        T - 1 times float32 `[H', W', 2]`, pixels; H' and W' divide by 8. Unscored as in `encode`.
        """
        encoded = (self.encode(torch.from_numpy(np.ascontiguousarray(f))[None]) for f in frames)
        for before, now in pairwise(encoded):
            yield self._padded(before, now)[0].cpu().numpy()

    @torch.inference_mode()
    def _padded(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Flow between frames, float32 `[N, H', W', 2]`.

        torchvision's own forward pass encodes both frames of every pair anew; otherwise the same.
        """
        from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

        network = self._network
        flows = []
        for start in range(0, len(first[0]), self.batch_size):
            part = slice(start, start + self.batch_size)
            network.corr_block.build_pyramid(first[0][part], second[0][part])
            hidden_size = network.update_block.hidden_state_size
            hidden, context = first[1][part].tensor_split([hidden_size], dim=1)
            hidden, context = hidden.tanh(), context.relu()
            origin = make_coords_grid(len(hidden), *hidden.shape[2:]).to(self._device)
            end = origin
            for _ in range(self.iterations):
                correlation = network.corr_block.index_pyramid(centroids_coords=end)
                hidden, delta = network.update_block(hidden, context, correlation, end - origin)
                end = end + delta
            flow = upsample_flow(flow=end - origin, up_mask=network.mask_predictor(hidden))
            flows.append(flow.permute(0, 2, 3, 1))
        return torch.cat(flows)


def consistent(forward: Tensor, backward: Tensor) -> Tensor:
    """Pixels whose forward and backward flow agree.

    A pixel p is valid iff |f(p) + b(p + f(p))|^2 <= .01 (|f|^2 + |b|^2) + .5 and p + f(p) lies
    inside the frame (Sundaram, Brox and Keutzer, ECCV 2010).

    Args:
        forward: float32 `[N, H, W, 2]`, pixels.
        backward: float32 `[N, H, W, 2]`, pixels.

    Returns:
        bool `[N, H, W]`.
    """
    if len(forward) > 1 and forward.device.type == "cpu":  # one by one they stay in the cache
        pairs = [(forward[t : t + 1], backward[t : t + 1]) for t in range(len(forward))]
        return torch.cat([consistent(*pair) for pair in pairs])
    there, back = map(_apart, (forward, pull_all_back(backward, forward)))
    closure = _squared_length(there + back)
    scale = _squared_length(there) + _squared_length(back)
    return (closure <= 0.01 * scale + 0.5) & ends_inside(forward)


def ends_inside(flow: Tensor) -> Tensor:
    """Pixels, bool `[..., H, W]`, that a flow `[..., H, W, 2]` does not lead out of the frame."""
    height, width = flow.shape[-3:-1]
    x, y = _apart(_places(flow) + flow)
    inside: Tensor = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside


def lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of vectors `[..., 2]`; numpy's own norm of a last axis of two takes fifteen times as long."""
    x, y = vectors[..., 0], vectors[..., 1]
    length: NDArray[np.float32] = np.sqrt(x * x + y * y)
    return length


def _apart(vectors: Tensor) -> Tensor:
    """`[2, ...]` of `[..., 2]`: an operation on a last axis of two is several times as slow."""
    return vectors.movedim(-1, 0).contiguous()


def _squared_length(vectors: Tensor) -> Tensor:
    """Of vectors `[2, ...]`."""
    return vectors[0] * vectors[0] + vectors[1] * vectors[1]


def _places(flows: Tensor) -> Tensor:
    """Each pixel's x and y, float32 `[H, W, 2]`, of flows `[..., H, W, 2]` and on their device."""
    rows, columns = (torch.arange(n, device=flows.device).float() for n in flows.shape[-3:-1])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y], dim=-1)


def pull_all_back(images: Tensor, flows: Tensor, *, cubic: bool = False) -> Tensor:
    """Each of N images pulled back along a flow of its own, on the device of the flows.

    On a CPU by OpenCV, see `pull_back`; elsewhere by `grid_sample`, which does not round places to
    1/32 pixel and so is not the same to the last digit.

    Args:
        images: `[N, H, W, C]`, any numeric type.
        flows: float32 `[N, H, W, 2]`, pixels.
        cubic: rather than linear.

    Returns:
        float32 `[N, H, W, C]`.
    """
    if flows.device.type == "cpu":
        interpolation = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        pulled = torch.empty(images.shape)
        for place, image, flow in zip(pulled, images, flows, strict=True):
            pull_back(image.numpy(), flow.numpy(), interpolation, place.numpy())
        return pulled
    return _sampled(images, flows, cubic=cubic)


def _sampled(images: Tensor, flows: Tensor, *, cubic: bool) -> Tensor:
    """What `pull_all_back` does where there is no OpenCV."""
    height, width = flows.shape[1:3]
    x, y = (_places(flows) + flows).unbind(dim=-1)
    ends = torch.stack([2 * x / max(1, width - 1) - 1, 2 * y / max(1, height - 1) - 1], dim=-1)
    sampled = functional.grid_sample(
        images.to(flows.device).permute(0, 3, 1, 2).float(),
        ends,
        mode="bicubic" if cubic else "bilinear",
        padding_mode="border",
        align_corners=True,
    )
    return sampled.permute(0, 2, 3, 1)


def pull_back(
    image: NDArray[np.generic],
    flow: NDArray[np.float32],
    interpolation: int = cv2.INTER_LINEAR,
    into: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """W(image, flow): the image pulled back along the flow, edges replicated.

    Args:
        image: `[H, W]` or `[H, W, C]`, any numeric type.
        flow: float32 `[H, W, 2]`, where each output pixel looks, relative to itself, in pixels.
        interpolation: OpenCV's; cubic overshoots the range of the image.
        into: where to write the result; a new place if None.

    Returns:
        float32, shaped like `image`.
    """
    warped: NDArray[np.float32] = cv2.remap(
        image.astype(np.float32, copy=False),
        _grid(*flow.shape[:2]) + flow,
        None,
        interpolation,
        into,
        cv2.BORDER_REPLICATE,
    )
    return warped


@lru_cache(maxsize=4)
def places(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each pixel's x and y, float32 `[H, W]`, read-only."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> NDArray[np.float32]:
    """`places` side by side, float32 `[H, W, 2]`, read-only."""
    grid = np.stack(places(height, width), axis=-1)
    grid.flags.writeable = False
    return grid


def _padding(height: int, width: int) -> tuple[int, int, int, int]:
    """Left, right, top and bottom: half before, the odd pixel after."""
    rows, columns = -height % 8, -width % 8
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2
