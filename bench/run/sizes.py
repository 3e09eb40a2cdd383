"""What a suite asks of a clip's size and length, as far as a model's card says it can follow."""

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from bench.errors import BenchError

log = logging.getLogger(__name__)

_SIZE = re.compile(r"([1-9]\d*)x([1-9]\d*)")

# A legal size may miss the ratio by rounding to its multiple; further off it is another shape.
_NEAR = 1.15


def with_aspect(model: Mapping[str, Any], aspect: str | None, label: str) -> dict[str, Any]:
    """A model's configuration at the legal size nearest to an aspect ratio.

    A model that is not called from here, such as a folder of clips, is left as it is, with a
    warning. Nearest in ratio, to about 5%, so that 832x480 is as good a 16:9 as 1280x720; then in
    pixels to the size that the configuration says.

    The card's `sizes` are what the model was made for; `label` is what messages call it.
    """
    if aspect is None:
        return dict(model)
    if "call" not in model:  # made elsewhere, or by rules of its own
        log.warning(
            "%s: suite.aspect=%s is not passed on, its clips come as they are", label, aspect
        )
        return dict(model)
    across, down = map(int, aspect.split(":"))
    asked = across / down
    sizes = [_size(text, label) for text in (model.get("card") or {}).get("sizes") or ()]
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


def _size(text: object, label: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise BenchError(f"{label}: card.sizes must be as 832x480, got {text!r}")
    return int(match[1]), int(match[2])
