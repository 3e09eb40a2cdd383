"""The pictures that image-to-video models begin with: files of the suite, or made once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch

from bench.config import SuiteConfig, build_generator, deciding
from bench.errors import BenchError, ClipError, one_line
from bench.generators.base import Generator
from bench.progress import track
from bench.prompts import Prompt
from bench.run.sizes import with_aspect
from bench.storage import fingerprint, write_bytes

_SEED = 0  # one picture a prompt, whatever the seeds of the clips


@dataclass(frozen=True)
class StartImages:
    """The pictures of a suite whose prompt file brings none, made once for every model and run.

    Each is the first frame of the clip that the `maker` makes of its image prompt, or else its
    text; with the prompt, what of the `settings` decides frames names the file in the `folder`.
    """

    maker: Generator
    settings: Mapping[str, Any]
    folder: Path

    @classmethod
    def of(cls, suite: SuiteConfig, out: Path) -> "StartImages | None":
        """Those of a suite, under the folder of all suites; None where files hold its pictures."""
        if suite.images is None:
            return None
        settings = with_aspect(suite.images, suite.aspect, "suite.images")
        maker = build_generator(settings, "suite.images")
        return cls(maker, deciding(settings, maker), out / "images")

    def given_to(self, prompts: Sequence[Prompt]) -> list[Prompt]:
        """Every prompt with its image, there or not; one that has one keeps it."""
        return [p if p.image else replace(p, image=self._place(p)) for p in prompts]

    def make(self, prompts: Sequence[Prompt], device: torch.device) -> None:
        """Make the image of each prompt, and keep it without loss."""
        bare = [replace(prompt, text=_request(prompt), image=None) for prompt in prompts]
        self.maker.device = device
        try:
            self.maker.check(bare)
        except BenchError as error:  # a generator knows itself as `model`
            raise BenchError(str(error).replace("model.", "suite.images.")) from None
        with self.maker:
            for prompt, text in zip(track(prompts, "reference images"), bare, strict=True):
                try:
                    image = self.maker.generate(text, _SEED).frames[0]
                except (ClipError, RuntimeError) as error:
                    why = str(error) if isinstance(error, ClipError) else one_line(error)
                    raise BenchError(f"the image of prompt {prompt.id!r} failed: {why}") from None
                encoded, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                assert encoded
                assert prompt.image is not None
                write_bytes(prompt.image, png.tobytes())

    def _place(self, prompt: Prompt) -> Path:
        made_from: dict[str, Any] = {"model": self.settings, "version": self.maker.info.version}
        made_from |= {"text": _request(prompt), "seed": _SEED}
        return self.folder / f"{prompt.id}-{fingerprint(made_from)[:12]}.png"


def suite_sha256(file_sha256: str, prompts: Sequence[Prompt]) -> str:
    """SHA-256 (hex) of all that a suite gives to models: its file, and its images if it has any.

    Results that began with other pixels must not share a table.
    """
    images = {prompt.id: prompt.content["image"] for prompt in prompts if prompt.image}
    return fingerprint([file_sha256, images]) if images else file_sha256


def _request(prompt: Prompt) -> str:
    """What a text-to-image model is asked for: the picture, not what happens in it."""
    return prompt.image_prompt or prompt.text
