"""Several processes that make one clip together: the first leads, the others do what it does."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import torch.distributed as dist

from bench.errors import ClipError, DeviceLost, one_line
from bench.measure.machine import free

if TYPE_CHECKING:
    import torch

# A follower waits as long as its leader writes, or looks for work. Where one hangs in a step of the
# model, that step's own limit (minutes, torch's) ends it, and with it all.
_PATIENCE = timedelta(days=30)


class Team:
    """This process among those that `torch.distributed.elastic` started together.

    Attributes:
        rank: 0 of the one that leads.
        size: how many there are.
    """

    def __init__(self, device: "torch.device") -> None:
        self._device = device
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "cpu:gloo")
        orders = dist.new_group(backend="gloo", timeout=_PATIENCE)
        assert isinstance(orders, dist.ProcessGroup)  # all are members
        self._orders = orders
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # Whoever is stopped in mid-step finds nobody who listens.
        if self.rank == 0 and (error is None or isinstance(error, Exception)):
            self._order(None)

    def call(self, owner: object, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - whatever it gives
        """Call a method of the leader's object, and the same one of every follower's.

        What it gives here, or its error, once all are through. ClipError where it failed for a
        follower alone; DeviceLost where one is gone.
        """
        self._order((method, arguments))
        return self._together(owner, method, arguments)

    def follow(self, owner: object) -> None:
        """Call what the leader calls, until its `with` block ends."""
        while (order := self._order(None)) is not None:
            try:
                self._together(owner, *order)
            except DeviceLost:
                raise
            except Exception:  # the leader's to report
                free(self._device)

    def _order(self, order: Any) -> Any:  # noqa: ANN401 - a method and its arguments, or None
        """What the leader says; what a follower says is not heard."""
        orders = [order]
        try:
            dist.broadcast_object_list(orders, src=0, group=self._orders)
        except RuntimeError as error:
            raise DeviceLost(f"a process of {self.size} is gone: {one_line(error)}") from None
        return orders[0]

    def _together(self, owner: object, method: str, arguments: tuple[Any, ...]) -> Any:  # noqa: ANN401 - as above
        error, value = None, None
        try:
            value = getattr(owner, method)(*arguments)
        except Exception as caught:
            error = caught
        faults = [""] * self.size
        try:
            dist.all_gather_object(faults, one_line(error) if error else "", group=self._orders)
        except RuntimeError as lost:
            raise DeviceLost(f"a process of {self.size} is gone: {one_line(lost)}") from None
        if error is not None:
            raise error
        for rank, fault in enumerate(faults):
            if fault:
                raise ClipError(f"process {rank} of {self.size}: {fault}")
        return value
