"""The toy network: a small open_clip model that knows the toy world and nothing else."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored
from bench.vision import weights
from bench.vision.openclip import OpenClip
from bench.vision.text import Phrase

FOLDER = Path(__file__).parent

_GOLDEN_TEXT = "a red ball rests on green grass"
_GOLDEN_TOLERANCE = 1e-3


class ToyClip(OpenClip):
    """Scores adherence on suites of the toy world, where no download is needed; see card.md.

    Args:
        folder: what `tools.train_toy_network` wrote.
        batch_size: frames per forward pass; changes memory and speed, not values.
    """

    general = False

    def __init__(self, folder: str | Path = FOLDER, batch_size: int = 32) -> None:
        super().__init__(f"local-dir:{folder}", batch_size=batch_size)
        self.name = "toy"
        self.folder = Path(folder)

    def embed_text(self, text: str) -> Phrase:
        """Embed a text of the toy grammar's words.

        Raises:
            Unscored: if the text has no visible character, or a word that is not the grammar's.
        """
        tokenizer = self._tokenizer.tokenizer
        if tokenizer.unk_token in tokenizer(self._tokenizer.clean_fn(text)).tokens():
            raise Unscored("the toy network knows only the words of the toy world")
        return super().embed_text(text)

    def check(self) -> None:
        """The self-test: a known picture and text must have the known cosine."""
        golden = json.loads((self.folder / "golden.json").read_text("utf-8"))["cosine"]
        weights.check_golden("the toy network", self.golden(), golden, _GOLDEN_TOLERANCE)

    def golden(self) -> float:
        """Cosine between a red disc on green, made by integer arithmetic, and its description."""
        image = self.embed_images(_disc()[None])[0]
        return float(image @ self.embed_text(_GOLDEN_TEXT).vector)


def _disc() -> NDArray[np.uint8]:
    y, x = np.mgrid[0:128, 0:128]
    inside = (x - 64) ** 2 + (y - 64) ** 2 < 18**2
    return np.where(inside[..., None], (220, 30, 30), (60, 140, 50)).astype(np.uint8)
