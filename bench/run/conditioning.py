"""What a suite asks of a model beside the prompt: size, length, and the picture a clip begins with.

Sizes and lengths are followed as far as the model's card says it can. Pictures are files of the
suite, or made once for all models.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from bench.config import RunConfig, SuiteConfig, build_generator, deciding
from bench.errors import BenchError, ClipError, one_line
from bench.generators.base import Generator
from bench.progress import track
from bench.prompts import Prompt, load_suite
from bench.run.claims import held
from bench.run.loading import load_limit, opened
from bench.storage import fingerprint, remove_parts, write_bytes

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_SIZE = re.compile(r"([1-9]\d*)x([1-9]\d*)")

# A legal size may miss the ratio by rounding to its multiple; further off it is another shape.
_NEAR = 1.15

_SEED = 0  # one picture a prompt, whatever the seeds of the clips


def with_aspect(model: Mapping[str, Any], aspect: str | None, label: str) -> dict[str, Any]:
    """A model's configuration at the legal size nearest to an aspect ratio.

    A model that is not called from here, such as a folder of clips, is left as it is, with a
    warning. Nearest in ratio, to about 5%, so that 832x480 is as good a 16:9 as 1280x720; then in
    pixels to the size that the configuration says.

    The card's `sizes` are what the model was made for; `label` is what messages call it.
    """
    sizes = _sizes(model, label)
    if aspect is None:
        return dict(model)
    if "call" not in model:  # made elsewhere, or by rules of its own
        log.warning(
            "%s: suite.aspect=%s is not passed on, its clips come as they are", label, aspect
        )
        return dict(model)
    across, down = map(int, aspect.split(":"))
    asked = across / down
    where = next(
        (key for key in ("image_size", "call") if "height" in (model.get(key) or {})), None
    )
    if not sizes or where is None:
        raise BenchError(
            f"suite.aspect={aspect}: {label} lists no sizes: add them to its YAML, as "
            "card: {sizes: [832x480, 480x832]}, or leave the aspect out"
        )
    now = model[where]
    pixels = now["width"] * now["height"]
    width, height = min(
        sizes,
        key=lambda size: (
            round(abs(math.log(size[0] / size[1] / asked)), 1),
            abs(size[0] * size[1] - pixels),
        ),
    )
    if not 1 / _NEAR < width / height / asked < _NEAR:
        log.warning("%s: nothing near %s is legal; it runs at %dx%d", label, aspect, width, height)
    return {**model, where: {**now, "height": height, "width": width}}


def with_length(model: Mapping[str, Any], follow: bool, label: str) -> dict[str, Any]:
    """A model's configuration that follows the lengths of prompts as far as its card goes.

    The card's `max_seconds` is passed on as `longest_s`. A model whose card names none keeps its
    own length, with a warning; one that is not called from here has rules of its own.
    """
    if not follow or "call" not in model:
        return dict(model)
    longest_s = (model.get("card") or {}).get("max_seconds")
    if longest_s is None:
        log.warning("%s: its card has no max_seconds, so its clips keep their own length", label)
        return dict(model)
    return {**model, "longest_s": longest_s}


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

    def make(
        self, prompts: Sequence[Prompt], device: "torch.device", load_timeout_s: float | None = None
    ) -> None:
        """Make the images that are not there, once however many runs ask, kept without loss."""
        with held(self.folder / "images.json"):
            if missing := without_image(prompts):
                self._make(missing, device, load_timeout_s)

    def _make(
        self, prompts: Sequence[Prompt], device: "torch.device", load_timeout_s: float | None
    ) -> None:
        bare = [replace(prompt, text=_request(prompt), image=None) for prompt in prompts]
        self.maker.device = device
        try:
            with load_limit("suite.images", load_timeout_s):
                self.maker.check(bare)
        except BenchError as error:  # a generator knows itself as `model`
            raise BenchError(str(error).replace("model.", "suite.images.")) from None
        with opened(self.maker, "suite.images", load_timeout_s):
            for prompt, text in zip(
                track(prompts, "reference images", len(prompts)), bare, strict=True
            ):
                try:
                    image = self.maker.generate(text, _SEED).frames[0]
                except (ClipError, RuntimeError) as error:
                    why = str(error) if isinstance(error, ClipError) else one_line(error)
                    raise BenchError(f"the image of prompt {prompt.id!r} failed: {why}") from None
                encoded, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
                assert encoded
                assert prompt.image is not None
                remove_parts(prompt.image)  # of a process that died at it
                write_bytes(prompt.image, png.tobytes())

    def _place(self, prompt: Prompt) -> Path:
        made_from: dict[str, Any] = {"model": self.settings, "version": self.maker.info.version}
        made_from |= {"text": _request(prompt), "seed": _SEED}
        return self.folder / f"{prompt.id}-{fingerprint(made_from)[:12]}.png"


def without_image(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Those whose image is not there yet."""
    return [prompt for prompt in prompts if prompt.image and not prompt.image.is_file()]


def prompts_for(
    config: RunConfig, generator: Generator, device: "torch.device", *, images: bool
) -> tuple[list[Prompt], str | None]:
    """What a suite gives to a model, and the SHA-256 (hex) of it; None where it has no prompts.

    Images that a suite has made first are made now; without `images` none is, and while one is
    missing the hash is that of the prompt file.
    """
    suite = config.suite
    if suite.prompts is None:
        return generator.own_prompts(), None
    prompts, sha256 = load_suite(suite.prompts, suite.files)
    start_images = StartImages.of(suite, config.out)
    if start_images is not None:
        prompts = start_images.given_to(prompts)
        if missing := without_image(prompts):
            if not generator.info.takes_images:
                raise BenchError(
                    f"the model makes video from text, and the pictures of suite {suite.name} are "
                    "not made yet: run one that animates them first (`steadybench models --task "
                    "i2v`), or take suite=standard"
                )
            if not images:
                return prompts, sha256
            if "generate" not in config.stages:
                raise BenchError(
                    f"expected the image of prompt {missing[0].id!r} at {missing[0].image}, it is "
                    "not there: run with stages=[generate] first, or name its place with out=DIR"
                )
            start_images.make(missing, device, config.load_timeout_s)
    return prompts, suite_sha256(sha256, prompts)


def suite_sha256(file_sha256: str, prompts: Sequence[Prompt]) -> str:
    """SHA-256 (hex) of all that a suite gives to models: its file, and its images if it has any.

    Results that began with other pixels must not share a table.
    """
    images = {prompt.id: prompt.content["image"] for prompt in prompts if prompt.image}
    return fingerprint([file_sha256, images]) if images else file_sha256


def _request(prompt: Prompt) -> str:
    """What a text-to-image model is asked for: the picture, not what happens in it."""
    return prompt.image_prompt or prompt.text


def _sizes(model: Mapping[str, Any], label: str) -> list[tuple[int, int]]:
    """Width and height of each size of a model's card."""
    texts = (model.get("card") or {}).get("sizes")
    sizes = []
    for text in texts if isinstance(texts, list) else [texts] if texts else ():
        match = _SIZE.fullmatch(str(text))
        if match is None or texts is text:
            raise BenchError(f"{label}: card.sizes must be as [832x480, 480x832], got {text!r}")
        sizes.append((int(match[1]), int(match[2])))
    return sizes
