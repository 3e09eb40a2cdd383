"""Backbones: the configured networks and methods, each loaded when first asked for, once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.errors import Unscored


class Backbone(Protocol):
    """A network or method that metrics draw their evidence from."""

    fingerprint: str
    """Identifies method and weights; the same one gives the same evidence. Set once loaded."""

    def load(self, device: torch.device) -> None:
        """Make it ready on `device`; raises Unscored if its weights cannot be had."""


@dataclass(frozen=True, eq=False)
class Phrase:
    """A text as an image-text network reads it."""

    vector: NDArray[np.float32]  # `[D]`, of unit length
    tokens: int  # how many the text has, the marks of its beginning and end included
    room: int  # how many the network reads; what exceeds it was cut off


class TextNetwork(Protocol):
    """What fills the role `text`: it tells by a cosine how well a picture fits a text."""

    name: str
    """What a suite calls it in `adherence_network`."""
    general: bool
    """Whether it may score any suite that names no network."""

    def embed_text(self, text: str) -> Phrase:
        """A text, embedded once."""

    def embed_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors `[T, D]` of uint8 `[T, H, W, 3]`, comparable with those of texts."""


class Backbones:
    """The configured backbones, by role (`lpips`, `flow`, ...), and where networks run."""

    def __init__(self, configured: Mapping[str, Backbone], device: torch.device) -> None:
        self._configured = configured
        self.device = device
        self._missing: dict[str, str] = {}
        self._loaded: set[str] = set()

    def get(self, name: str) -> Backbone:
        """The backbone, loaded; Unscored if none is configured, or its weights cannot be had."""
        if name not in self._configured:
            raise Unscored(f"no backbone {name!r} is configured in metrics.backbones")
        if name in self._missing:
            raise Unscored(self._missing[name])
        backbone = self._configured[name]
        if name not in self._loaded:
            try:
                backbone.load(self.device)
            except Unscored as reason:
                self._missing[name] = str(reason)
                raise
            self._loaded.add(name)
        return backbone

    @property
    def missing(self) -> Mapping[str, str]:
        """Backbones that were asked for and could not be had, with the reason."""
        return self._missing


def need_side(frames: NDArray[np.uint8] | Tensor, least_px: int, network: str) -> None:
    """Raises Unscored if the shorter side of frames `[T, H, W, 3]` is under so many pixels."""
    short_side = min(frames.shape[1:3])
    if short_side < least_px:
        raise Unscored(f"short side is {short_side} px, {network} needs at least {least_px}")


def in_batches(
    frames: Iterable[NDArray[np.uint8]], size: int, prepare: Callable[[NDArray[np.uint8]], Tensor]
) -> Iterator[Tensor]:
    """What a network is fed of each frame `[H, W, 3]`, at most `size` at a time.

    One is prepared after the other: a batch of 4K frames as they are would take gigabytes.
    """
    prepared = map(prepare, frames)
    while batch := list(islice(prepared, size)):
        yield torch.stack(batch)
