"""Analysis: one clip's evidence, computed when first asked for and shared by all metrics."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.clip import Clip
from bench.errors import Unscored
from bench.image import crop_to, read_image
from bench.prompts import Prompt
from bench.vision.flow import FlowField, FlowMethod
from bench.vision.lpips import Lpips
from bench.vision.text import Phrase, TextNetwork

WORKING_SIDE_PX = 256
STEP_S = 1 / 8


class Backbone(Protocol):
    """A network or method that metrics draw their evidence from.

    Attributes:
        fingerprint: identifies method and weights; two backbones with the same one give the
            same evidence. Set once loaded.
    """

    fingerprint: str

    def load(self, device: torch.device) -> None:
        """Make it ready on `device`; raises Unscored if its weights cannot be had."""


class Backbones:
    """The configured backbones; each is loaded when first asked for, once.

    Args:
        configured: name (`lpips`, `flow`, ...) to backbone, not yet loaded.
        device: where networks run.
    """

    def __init__(self, configured: Mapping[str, Backbone], device: torch.device) -> None:
        self._configured = configured
        self._device = device
        self._missing: dict[str, str] = {}
        self._loaded: set[str] = set()

    def get(self, name: str) -> Backbone:
        """The backbone, loaded.

        Raises:
            Unscored: if none of that name is configured, or its weights cannot be had.
        """
        if name not in self._configured:
            raise Unscored(f"no backbone {name!r} is configured in metrics.backbones")
        if name in self._missing:
            raise Unscored(self._missing[name])
        backbone = self._configured[name]
        if name not in self._loaded:
            try:
                backbone.load(self._device)
            except Unscored as reason:
                self._missing[name] = str(reason)
                raise
            self._loaded.add(name)
        return backbone

    @property
    def missing(self) -> Mapping[str, str]:
        """Backbones that were asked for and could not be had, with the reason."""
        return self._missing


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
        self._fields: dict[int, FlowField] = {}
        self._embedded: dict[int, NDArray[np.float32]] = {}

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
        first = torch.arange(count)
        return self._lpips.distance(self._lpips_features, first, first + lag)

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
            method = cast("FlowMethod", self._backbones.get("flow"))
            self._fields[stride] = method.field(self.frames, stride)
        return self._fields[stride]

    @property
    def _text(self) -> TextNetwork:
        return cast("TextNetwork", self._backbones.get("text"))

    @property
    def _lpips(self) -> Lpips:
        return cast("Lpips", self._backbones.get("lpips"))

    @cached_property
    def _lpips_features(self) -> list[Tensor]:
        return self._lpips.features(self.frames)


def _working(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames `[T, H, W, 3]` at working size."""
    height, width = frames.shape[1:3]
    scale = WORKING_SIDE_PX / min(height, width)
    if scale >= 1:
        return frames
    size = (round(width * scale), round(height * scale))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])
