"""Curves: what the score records hold along a clip, and along the lag between two frames."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench import statistics as stats
from bench.schema import ScoreEntry

_TIMES = ("time_s", "start_s")
_LAGS = ("lag_s",)
_DIGITS = 4

Scores = Mapping[str, ScoreEntry]
"""Metric to a clip's score and what stands behind it."""


@dataclass(frozen=True)
class Curve:
    """Numbers along a clip, or along the lag between two of its frames.

    Attributes:
        at_s: where each value stands, in seconds, rising.
        values: None where there is none.
        low: of the 95% interval over prompts; empty for a single clip, as is high.
        high: see low.
    """

    at_s: tuple[float, ...]
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


def along(scores: Scores) -> dict[str, Curve]:
    """Metric to its curve along the clip, where it says at which second each value stands."""
    return dict(_series(scores, _TIMES))


def mean_lags(scores_of_clips: Mapping[tuple[str, int], Scores]) -> dict[str, Curve]:
    """The curves over lag of a suite, by metric: averaged over seeds, then over prompts.

    A metric of which not all clips have the same lags is left out.
    """
    means: dict[str, Curve] = {}
    curves: defaultdict[str, defaultdict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for (prompt, _), scores in scores_of_clips.items():
        for name, curve in _series(scores, _LAGS):
            curves[name][prompt].append(curve)
    for name, by_prompt in curves.items():
        at_s, *others = {curve.at_s for seeds in by_prompt.values() for curve in seeds}
        if not others:
            at = [_at_lag(by_prompt, place) for place in range(len(at_s))]
            ends = [(each.mean, each.low, each.high) if each else (None,) * 3 for each in at]
            means[name] = Curve(at_s, *zip(*ends, strict=True))
    return means


def stored(curve: Curve) -> dict[str, list[float | None]]:
    """A curve as JSON values, to four significant digits."""
    fields = {"at_s": curve.at_s, "values": curve.values, "low": curve.low, "high": curve.high}
    return {key: [_short(value) for value in values] for key, values in fields.items() if values}


def read(stored: Mapping[str, Sequence[float | None]]) -> Curve:
    """A curve from JSON values; ValueError or TypeError if they are none."""
    at_s, values, low, high = (
        tuple(None if value is None else float(value) for value in stored.get(key, ()))
        for key in ("at_s", "values", "low", "high")
    )
    seconds = tuple(second for second in at_s if second is not None)
    if any(value is not None and not math.isfinite(value) for value in at_s + values + low + high):
        raise ValueError("a curve with infinite values")
    if {len(seconds), len(values)} != {len(at_s)} or not {len(low), len(high)} <= {0, len(at_s)}:
        raise ValueError("a curve of uneven length")
    return Curve(seconds, values, low, high)


def _series(scores: Scores, places: Sequence[str]) -> Iterator[tuple[str, Curve]]:
    for name, entry in sorted(scores.items()):
        series = entry.series
        place = next((place for place in places if place in series), None)
        values = next((series[key] for key in series if key != place), None)
        if place is not None and values is not None:
            at_s = tuple(at for at in series[place] if at is not None)
            if len(at_s) == len(values):
                yield name, Curve(at_s, values)


def _at_lag(by_prompt: Mapping[str, Sequence[Curve]], place: int) -> stats.Interval | None:
    means = []
    for curves in by_prompt.values():
        values = [value for curve in curves if (value := curve.values[place]) is not None]
        if values:
            means.append(sum(values) / len(values))
    return stats.interval(means)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
