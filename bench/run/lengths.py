"""Lengths: how much of the `seconds` of a prompt a model can make."""

import logging
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)


def with_length(model: Mapping[str, Any], follow: bool, label: str) -> dict[str, Any]:
    """A model's configuration, told to follow the lengths of prompts as far as its card goes.

    A model whose card names no longest clip, or that is not called from here, keeps its own
    length, with a warning.

    Args:
        model: the configuration; `card.max_seconds` is passed on as `longest_s`.
        follow: whether prompts are followed at all; if not, everything is left as it is.
        label: what messages call the model.
    """
    if not follow or "call" not in model:  # a model without calls has rules of its own
        return dict(model)
    longest_s = (model.get("card") or {}).get("max_seconds")
    if longest_s is None:
        log.warning("%s: its card has no max_seconds, so its clips keep their own length", label)
        return dict(model)
    return {**model, "longest_s": longest_s}
