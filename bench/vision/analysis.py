"""Analysis: one clip's evidence, computed when first asked for and shared by all metrics."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.clip import Clip
from bench.errors import Unscored
from bench.image import crop_to, read_image
from bench.prompts import Prompt
from bench.vision.backbones import Backbone, Backbones
from bench.vision.flow import FlowField, FlowMethod, pull_back
from bench.vision.identity import Identity, IdentityNetwork
from bench.vision.lpips import Lpips
from bench.vision.text import Phrase, TextNetwork

if TYPE_CHECKING:
    from bench.vision.cuts import CutMethod

WORKING_SIDE_PX = 256
STEP_S = 1 / 8


class Analysis:
    """What the metrics know of one clip.

    Every frame passes every backbone once: results are kept for as long as this object lives.

    Args:
        clip: the clip.
        prompt: what was asked for.
        backbones: where evidence comes from.
        suite: all prompts of the suite, this one among them.
    """

    def __init__(
        self, clip: Clip, prompt: Prompt, backbones: Backbones, suite: Sequence[Prompt] = ()
    ) -> None:
        self.clip = clip
        self.prompt = prompt
        self.suite = suite
        self._backbones = backbones
        self._lpips_at: dict[int, NDArray[np.float64]] = {}
        self._fields: dict[int, FlowField] = {}
        self._embedded: dict[int, NDArray[np.float32]] = {}
        self._warped: dict[int, NDArray[np.float32]] = {}
        self._warp_lpips: dict[int, NDArray[np.float64]] = {}
        self._halfway_lpips: dict[int, NDArray[np.float64]] = {}

    @property
    def step(self) -> int:
        """s: frames per time step, so that a pair (t, t + s) spans about 1/8 s at any rate."""
        return max(1, round(self.clip.fps * STEP_S))

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """Working frames, uint8 `[T, h, w, 3]`: short side 256, area filter, never enlarged."""
        return _working(self.clip.frames)

    @cached_property
    def reference(self) -> NDArray[np.uint8]:
        """The conditioning image as the model was given it, uint8 `[H, W, 3]`: of the clip's size.

        Raises:
            Unscored: if the prompt has none.
        """
        if self.prompt.image is None:
            raise Unscored("no conditioning image")
        height, width = self.clip.frames.shape[1:3]
        return crop_to(read_image(self.prompt.image), height, width)

    def lpips(self, lag: int) -> NDArray[np.float64]:
        """D(x_t, x_t+lag) for every t, float64 `[T - lag]`.

        Args:
            lag: frames between the two, >= 1.

        Raises:
            Unscored: if the clip is not longer than `lag`, is too small, or has no weights.
        """
        count = len(self.frames) - lag
        if count < 1:
            raise Unscored(f"{len(self.frames)} frames, needs at least {lag + 1}")
        if lag not in self._lpips_at:
            first = torch.arange(count)
            self._lpips_at[lag] = self._lpips.distance(self._lpips_features, first, first + lag)
        return self._lpips_at[lag]

    @cached_property
    def lpips_to_reference(self) -> NDArray[np.float64]:
        """D(reference, x_t) for every t, float64 `[T]`.

        Raises:
            Unscored: if there is no conditioning image, the clip is too small, or no weights.
        """
        reference = self._lpips.features(_working(self.reference[None]))
        count = len(self.frames)
        return self._lpips.distance(
            reference,
            torch.zeros(count, dtype=torch.int64),
            torch.arange(count),
            self._lpips_features,
        )

    def image_embeddings(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Unit vectors of the image-text network, float32 `[N, D]`; each frame is embedded once.

        Args:
            indices: int `[N]`, which frames; as generated, since the network scales for itself.

        Raises:
            Unscored: if the network's weights cannot be had.
        """
        missing = [t for t in indices.tolist() if t not in self._embedded]
        if missing:
            vectors = self._text.embed_images(self.clip.frames[missing])
            self._embedded.update(zip(missing, vectors, strict=True))
        return np.stack([self._embedded[t] for t in indices.tolist()])

    def phrase(self, text: str) -> Phrase:
        """A text as the image-text network reads it.

        Raises:
            Unscored: if the network cannot read the text, or its weights cannot be had.
        """
        return self._text.embed_text(text)

    def flow(self, stride: int) -> FlowField:
        """Flow both ways between every frame t and t + stride.

        Raises:
            Unscored: if the clip is not longer than `stride`, or too small.
        """
        if stride not in self._fields:
            if len(self.frames) <= stride:
                raise Unscored(f"{len(self.frames)} frames, needs at least {stride + 1}")
            self._fields[stride] = self._flow.field(self._flow_encoded, stride)
        return self._fields[stride]

    def warped(self, stride: int) -> NDArray[np.float32]:
        """W(x_t+stride, f): each frame as the one `stride` later shows it, bilinear.

        Returns:
            float32 `[T - stride, h, w, 3]`, 0..255, not rounded.

        Raises:
            Unscored: as `flow`.
        """
        if stride not in self._warped:
            flows = self.flow(stride).forward
            self._warped[stride] = np.stack(
                [pull_back(f, flow) for f, flow in zip(self.frames[stride:], flows, strict=True)]
            )
        return self._warped[stride]

    def warp_lpips(self, stride: int) -> NDArray[np.float64]:
        """D(x_t, W(x_t+stride, f)) over valid pixels, for the pairs with reliable flow.

        Returns:
            float64 `[len(flow(stride).reliable())]`.

        Raises:
            Unscored: as `flow`, if the flow is unreliable, or LPIPS has no weights.
        """
        if stride not in self._warp_lpips:
            field = self.flow(stride)
            kept = field.reliable()
            warped = self.warped(stride)
            self._warp_lpips[stride] = self._lpips.distance_to(
                self._lpips_features, kept, (warped[t] for t in kept), field.valid[kept]
            )
        return self._warp_lpips[stride]

    def halfway_lpips(self, stride: int) -> NDArray[np.float64]:
        """D(x_t, M_t) for t = stride .. T - 1 - stride.

        M_t = 1/2 [W(x_t-stride, b/2) + W(x_t+stride, a/2)], each neighbour warped half-way to
        the other (bicubic), where a is the flow from t - stride to t + stride and b back.

        Returns:
            float64 `[T - 2 stride]`.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """
        if stride not in self._halfway_lpips:
            field = self.flow(2 * stride)
            self._halfway_lpips[stride] = self._lpips.distance_to(
                self._lpips_features,
                np.arange(stride, len(self.frames) - stride),
                (
                    _halfway(first, last, a, b)
                    for first, last, a, b in zip(
                        self.frames[: -2 * stride],
                        self.frames[2 * stride :],
                        field.forward,
                        field.backward,
                        strict=True,
                    )
                ),
            )
        return self._halfway_lpips[stride]

    @cached_property
    def identity(self) -> Identity:
        """Who is seen: embeddings of the frames as generated, which the network scales itself.

        Raises:
            Unscored: if the clip is too small, or the network has no weights.
        """
        return self._identity.encode(self.clip.frames)

    @cached_property
    def likeness_to_reference(self) -> NDArray[np.float64]:
        """Cosine between the embeddings of the reference and of each frame, float64 `[T]`.

        Raises:
            Unscored: if there is no conditioning image, or as `identity`.
        """
        reference = self._identity.encode(self.reference[None]).frames[0]
        cosines: NDArray[np.float64] = self.identity.frames.astype(np.float64) @ reference
        return cosines

    def likeness(self, lag: int) -> float:
        """Mean over t of the cosine between the embeddings of frames t and t + lag.

        Raises:
            Unscored: if the clip is not longer than `lag`, or as `identity`.
        """
        if len(self.clip.frames) <= lag:
            raise Unscored(f"{len(self.clip.frames)} frames, needs at least {lag + 1}")
        frames = self.identity.frames.astype(np.float64)
        return float((frames[:-lag] * frames[lag:]).sum(axis=1).mean())

    @cached_property
    def cut_probabilities(self) -> NDArray[np.float64]:
        """How likely it is that a cut follows each frame, float64 `[T]`.

        Raises:
            Unscored: if the cut detector has no weights, or the clip is too short or small.
        """
        return cast("CutMethod", self.backbone("cuts")).probabilities(self.frames)

    def backbone(self, name: str) -> Backbone:
        """The backbone that fills a role, loaded.

        Raises:
            Unscored: if none does, or its weights cannot be had.
        """
        return self._backbones.get(name)

    @property
    def _identity(self) -> IdentityNetwork:
        return cast("IdentityNetwork", self.backbone("identity"))

    @property
    def _text(self) -> TextNetwork:
        return cast("TextNetwork", self._backbones.get("text"))

    @property
    def _lpips(self) -> Lpips:
        return cast("Lpips", self.backbone("lpips"))

    @cached_property
    def _lpips_features(self) -> list[Tensor]:
        return self._lpips.features(self.frames)

    @property
    def _flow(self) -> FlowMethod[Any]:
        return cast("FlowMethod[Any]", self.backbone("flow"))

    @cached_property
    def _flow_encoded(self) -> Any:  # noqa: ANN401 - each method has its own
        return self._flow.encode(self.frames)


def _working(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames `[T, H, W, 3]` at working size."""
    height, width = frames.shape[1:3]
    scale = WORKING_SIDE_PX / min(height, width)
    if scale >= 1:
        return frames
    size = (round(width * scale), round(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _halfway(
    first: NDArray[np.uint8],
    last: NDArray[np.uint8],
    there: NDArray[np.float32],
    back: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The frame between two, float32 `[H, W, 3]`, 0..255: the mean of both, warped half-way."""
    half = np.float32(0.5)
    forth = pull_back(first, back * half, cv2.INTER_CUBIC)
    back_again = pull_back(last, there * half, cv2.INTER_CUBIC)
    mean: NDArray[np.float32] = (forth + back_again) * half
    return mean.clip(0, 255)  # cubic interpolation overshoots
