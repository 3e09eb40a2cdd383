"""What a metric is: a pure function of one analysed clip, with unit, direction and version."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.errors import Unscored
from bench.vision.analysis import Analysis

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Scored:
    """A value, and what stands behind it.

    Attributes:
        value: the number; finite, or the clip counts as unscored.
        series: name to the numbers of a curve, None where a point has none; kept in the score
            record for plots.
        note: one line that a reader of the value should know; None if there is nothing to say.
    """

    value: float
    series: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Metric:
    """A named function from an analysed clip to a number.

    Attributes:
        id: what the formula is called in every score's fingerprint. It never changes, wherever the
            function moves; values of another `version` of one id do not compare.
        unit: what the number counts, for people.
        better: which direction is better; None for a metric that ranks nobody.
        version: raised whenever the function gives other values for the same clip.
        needs: the backbones it draws on; their fingerprints are part of the metric's.
        prompted: whether it reads the suite's prompts, so that other prompts give other values.
        based: whether it reads the base's clip, so that another such clip gives another value.
        function: the computation; raises Unscored where the clip allows no value.
    """

    id: str
    unit: str
    better: Better | None
    version: int
    needs: tuple[str, ...]
    prompted: bool
    based: bool
    function: Callable[[Analysis], float | Scored]

    def __call__(self, analysis: Analysis) -> float:
        """The value of `score`."""
        return self.score(analysis).value

    def score(self, analysis: Analysis) -> Scored:
        """The metric's value for this clip, and what stands behind it.

        Raises:
            Unscored: if it has none; the message says why.
        """
        result = self.function(analysis)
        scored = result if isinstance(result, Scored) else Scored(float(result))
        if not math.isfinite(scored.value):
            raise Unscored(f"the result is not finite ({scored.value})")
        return scored


def metric(
    *,
    unit: str,
    better: Better | None,
    version: int = 1,
    needs: Sequence[str] = (),
    prompted: bool = False,
    based: bool = False,
    id: str | None = None,
) -> Callable[[Callable[[Analysis], float | Scored]], Metric]:
    """Make a function a Metric; it is listed by its import path in `conf/metrics/`.

    Without an `id` it is called by its import path: give it that path as its id when it moves.
    """

    def wrap(function: Callable[[Analysis], float | Scored]) -> Metric:
        name = id or f"{function.__module__}.{function.__qualname__}"
        return Metric(name, unit, better, version, tuple(needs), prompted, based, function)

    return wrap
