"""Analysis: one clip's evidence, computed when first asked for and shared by all metrics."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.clip import Clip
from bench.errors import Unscored
from bench.prompts import Prompt
from bench.video import crop_to, read_image
from bench.vision.backbones import Backbone, Backbones, Phrase, TextNetwork
from bench.vision.flow import FlowField, FlowMethod, pull_back
from bench.vision.identity import Identity, IdentityNetwork
from bench.vision.lpips import Compared, Lpips

if TYPE_CHECKING:
    from bench.vision.cuts import CutMethod

WORKING_SIDE_PX = 256
STEP_S = 1 / 8

T = TypeVar("T")


class Analysis:
    """What the metrics know of one clip.

    Every frame passes every backbone once: results are kept for as long as this object lives.

    Args:
        clip: the clip.
        prompt: what was asked for.
        backbones: where evidence comes from.
        suite: all prompts of the suite, this one among them.
        side_px: short side of the working frames.
        base: what the model that this one is a variant of made of the same draw, if it is at hand.
    """

    def __init__(
        self,
        clip: Clip,
        prompt: Prompt,
        backbones: Backbones,
        suite: Sequence[Prompt] = (),
        side_px: int = WORKING_SIDE_PX,
        base: "Analysis | None" = None,
    ) -> None:
        self.clip = clip
        self.side_px = side_px
        self.base = base
        self.prompt = prompt
        self.suite = suite
        self._backbones = backbones
        self._embedded: dict[int, NDArray[np.float32]] = {}
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returns, remembered under `key` for all who ask again."""
        if key not in self._known:
            self._known[key] = compute()
        return cast("T", self._known[key])

    @property
    def step(self) -> int:
        """s: frames per time step, so that a pair (t, t + s) spans about 1/8 s at any rate."""
        return max(1, round(self.clip.fps * STEP_S))

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """Working frames, uint8 `[T, h, w, 3]`: short side 256, area filter, never enlarged."""
        return _working(self.clip.frames, self.side_px)

    def reduced(self, side_px: int) -> "Analysis":
        """The same clip seen with working frames of a smaller short side."""
        return self.once(
            ("reduced", side_px),
            lambda: Analysis(self.clip, self.prompt, self._backbones, self.suite, side_px),
        )

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
        return self.once(
            ("lpips", lag), lambda: self.lpips_network.lagged(self.lpips_features, lag)
        )

    @property
    def lpips_network(self) -> Lpips:
        """The network behind `lpips`, for comparisons of other kinds.

        Raises:
            Unscored: if its weights cannot be had.
        """
        return cast("Lpips", self.backbone("lpips"))

    @cached_property
    def lpips_features(self) -> list[Tensor]:
        """What `lpips_network` sees in every working frame; see `Lpips.features`.

        Raises:
            Unscored: if the clip is too small, or LPIPS has no weights.
        """
        return self.lpips_network.features(self.frames)

    @cached_property
    def lpips_to_reference(self) -> NDArray[np.float64]:
        """D(reference, x_t) for every t, float64 `[T]`.

        Raises:
            Unscored: if there is no conditioning image, the clip is too small, or no weights.
        """
        reference = self.lpips_network.features(_working(self.reference[None], self.side_px))
        count = len(self.frames)
        return self.lpips_network.distance(
            reference,
            torch.zeros(count, dtype=torch.int64),
            torch.arange(count),
            self.lpips_features,
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
        if len(self.frames) <= stride:
            raise Unscored(f"{len(self.frames)} frames, needs at least {stride + 1}")
        return self.once(("flow", stride), lambda: self._flow.field(self._flow_encoded, stride))

    def flow_between(self, first: int, second: int) -> NDArray[np.float32]:
        """Flow from one frame to any other, float32 `[H, W, 2]`, pixels."""
        pair = self._flow.encode(self.frames[[first, second]])
        onward: NDArray[np.float32] = self._flow.field(pair, 1).forward[0]
        return onward

    def warped(self, stride: int) -> NDArray[np.float32]:
        """W(x_t+stride, f): each frame as the one `stride` later shows it, bilinear.

        Returns:
            float32 `[T - stride, h, w, 3]`, 0..255, not rounded.

        Raises:
            Unscored: as `flow`.
        """
        return self.once(
            ("warped", stride),
            lambda: _pull_all(self.frames[stride:], self.flow(stride).forward),
        )

    def compare_warped(self, stride: int) -> Compared:
        """Every frame x_t with W(x_t+stride, f); distances over valid pixels. N = T - stride.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """
        return self.once(
            ("compare warped", stride),
            lambda: self.compare(
                np.arange(len(self.frames) - stride), self.warped(stride), self.flow(stride).valid
            ),
        )

    def compare_warped_back(self, stride: int) -> Compared:
        """Every frame x_t+stride with W(x_t, b), over all pixels. N = T - stride.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """
        return self.once(
            ("compare warped back", stride),
            lambda: self.compare(
                np.arange(stride, len(self.frames)),
                map(pull_back, self.frames[:-stride], self.flow(stride).backward),
            ),
        )

    def compare_halfway(self, stride: int) -> Compared:
        """Every frame x_t, t = stride .. T - 1 - stride, with M_t. N = T - 2 stride.

        M_t = 1/2 [W(x_t-stride, b/2) + W(x_t+stride, a/2)], each neighbour warped half-way to
        the other (bicubic), where a is the flow from t - stride to t + stride and b back.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """

        def compute() -> Compared:
            field = self.flow(2 * stride)
            first, last = self.frames[: -2 * stride], self.frames[2 * stride :]
            made = map(_halfway, first, last, field.forward, field.backward)
            return self.compare(np.arange(stride, len(self.frames) - stride), made)

        return self.once(("compare halfway", stride), compute)

    def compare(
        self,
        indices: NDArray[np.intp],
        made: Iterable[NDArray[np.float32]],
        valid: Iterable[NDArray[np.bool_]] | None = None,
    ) -> Compared:
        """Frames with pictures made from the clip, by LPIPS; see `Lpips.compare`.

        Raises:
            Unscored: if the clip is too small, or LPIPS has no weights.
        """
        return self.lpips_network.compare(self.lpips_features, indices, made, valid)

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
    def _flow(self) -> FlowMethod[Any]:
        return cast("FlowMethod[Any]", self.backbone("flow"))

    @cached_property
    def _flow_encoded(self) -> Any:  # noqa: ANN401 - each method has its own
        return self._flow.encode(self.frames)


def _working(frames: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """Frames `[T, H, W, 3]` at working size."""
    height, width = frames.shape[1:3]
    scale = side_px / min(height, width)
    if scale >= 1:
        return frames
    size = (round(width * scale), round(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _pull_all(frames: NDArray[np.uint8], flows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack([pull_back(frame, flow) for frame, flow in zip(frames, flows, strict=True)])


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
