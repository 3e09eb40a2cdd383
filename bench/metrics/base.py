"""What a metric is: a pure function of one analysed clip, with unit, direction and version."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.errors import Unscored
from bench.vision.analysis import Analysis

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Metric:
    """A named function from an analysed clip to a number.

    Attributes:
        unit: what the number counts, for people.
        better: which direction is better; None for a metric that ranks nobody.
        version: raised whenever the function gives other values for the same clip.
        needs: the backbones it draws on; their fingerprints are part of the metric's.
        function: the computation; raises Unscored where the clip allows no value.
    """

    unit: str
    better: Better | None
    version: int
    needs: tuple[str, ...]
    function: Callable[[Analysis], float]

    def __call__(self, analysis: Analysis) -> float:
        """The metric's value for this clip.

        Raises:
            Unscored: if it has none; the message says why.
        """
        value = float(self.function(analysis))
        if not math.isfinite(value):
            raise Unscored(f"the result is not finite ({value})")
        return value


def metric(
    *, unit: str, better: Better | None, version: int = 1, needs: Sequence[str] = ()
) -> Callable[[Callable[[Analysis], float]], Metric]:
    """Make a function a Metric; it is listed by its import path in `conf/metrics/`."""

    def wrap(function: Callable[[Analysis], float]) -> Metric:
        return Metric(unit, better, version, tuple(needs), function)

    return wrap
