"""Backbones: the configured networks and methods, each loaded when first asked for, once."""

from collections.abc import Mapping
from typing import Protocol

import torch

from bench.errors import Unscored


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
