"""What an image-text network is: it tells by a cosine how well a picture fits a text."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Phrase:
    """A text as a network reads it.

    Attributes:
        vector: float32 `[D]`, of unit length.
        tokens: how many the text has, the marks of its beginning and end included.
        room: how many the network reads; what exceeds it was cut off.
    """

    vector: NDArray[np.float32]
    tokens: int
    room: int


class TextNetwork(Protocol):
    """What fills the role `text` in `metrics.backbones`.

    Attributes:
        name: what a suite calls it in `adherence_network`.
        general: whether it may score any suite that names no network.
    """

    name: str
    general: bool

    def embed_text(self, text: str) -> Phrase:
        """A text, embedded once."""

    def embed_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors `[T, D]` of uint8 `[T, H, W, 3]`, comparable with those of texts."""
