"""The warm-up: what only the first clip of a shape pays, paid before a clip is timed."""

import logging

from bench.generators.base import Generator
from bench.measure.warnings import Shape
from bench.run.attempt import make
from bench.run.batches import Batch

log = logging.getLogger(__name__)


class WarmUp:
    """Generates and throws away, once for each shape, and keeps which shapes are warm by now.

    Compiled code, chosen kernels and the allocator's blocks hold for one shape, so each is warmed
    up when it first comes. A warm-up that fails is not tried again: the next clip of its shape
    that succeeds pays in its place, as the first does where there is no warm-up.

    Args:
        generator: its weights loaded.
        times: how many generations a shape is warmed up with, from 0.
    """

    def __init__(self, generator: Generator, times: int) -> None:
        self._generator = generator
        self._times = times
        self._tried: set[Shape] = set()
        self._warm: set[Shape] = set()

    def shape(self, batch: Batch) -> Shape:
        """What a batch has in common with those that need no warm-up of their own after it."""
        return self._generator.frames_requested(batch[0].prompt), self._generator.size_requested

    def before(self, batch: Batch) -> bool:
        """Warm the shape of this batch up, if it is new.

        Returns:
            Whether a clip made next pays nothing that only a first one pays. False where times
            say nothing about a model.
        """
        if not self._generator.measured:
            return False
        shape = self.shape(batch)
        if shape not in self._tried:
            self._tried.add(shape)
            if self._times and self._succeeds(batch):
                self._warm.add(shape)
        return shape in self._warm

    def after(self, batch: Batch) -> None:
        """Note that a batch was made: whatever only the first of its shape pays is paid."""
        self._warm.add(self.shape(batch))

    def _succeeds(self, batch: Batch) -> bool:
        try:
            for _ in range(self._times):
                make(self._generator, batch)
        except Exception:
            log.info("warm-up failed; the clip itself will say why", exc_info=True)
            return False
        return True
