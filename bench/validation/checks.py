"""Are the metrics healthy? What must hold on controls, and whether it does."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics.coherence import MOVING
from bench.validation.agreement import spearman
from bench.validation.scores import Value, by_piece
from bench.validation.variants import (
    CONTENT,
    FAMILIES,
    HARMLESS,
    LADDERS,
    NEGATIVE_CONTROLS,
    ORIGINAL,
)

HEADLINE, SPEED = "coherence", "dynamics"

LEAST_REAL, LEAST_REAL_SHARE, LEAST_REAL_MEDIAN = 80.0, 0.95, 93.0
MOST_SPEED_CORRELATION = 0.2
MOST_NEGATIVE_CONTROL = 10.0
LEAST_LADDER_SHARE, LEAST_CONTENT_SHARE, LEAST_FAMILY_SHARE = 0.98, 0.90, 0.93
LEAST_COST = 10.0
LEAST_COSTLY_FAMILIES = 22 / 27
LEAST_CUT_COST = 40.0
MOST_HARMLESS_CHANGE = 5.0

Pieces = Mapping[str, Mapping[str, Sequence[Value]]]


@dataclass(frozen=True)
class Check:
    """One thing that must hold, what was measured of it, and whether it does."""

    what: str
    measured: str
    held: bool


def checks(values: Iterable[Value]) -> list[Check]:
    """Hold the headline against what it promises.

    Args:
        values: of all pieces, which were filmed. Drawn scenes keep few of these promises: what is
            drawn turns and bounces in exact periods, which have no order, and changes with its
            resolution.
    """
    pieces = by_piece(values)
    return [
        *_real(pieces),
        _negative_controls(pieces),
        _steps(pieces, "known faults", LADDERS, LEAST_LADDER_SHARE),
        *(check for kind in CONTENT for check in _content(pieces, kind)),
        _steps(pieces, "new families of faults", FAMILIES, LEAST_FAMILY_SHARE),
        _costly_families(pieces),
        _cut(pieces),
        *(_harmless(pieces, kind) for kind in HARMLESS),
    ]


def moving_enough(speed: float) -> bool:
    """Whether something other than the camera surely moves: .035 short sides per second."""
    return speed >= MOVING


def right_steps(pieces: Pieces, kind: str, metric: str, better: str) -> list[bool]:
    """For each piece and step of a ladder: does the value get worse, from the original on?

    A step to or from a clip that has no value is not right.
    """
    right = []
    for kinds in pieces.values():
        ladder = [*kinds[ORIGINAL], *kinds[kind]] if kind in kinds else []
        scores = [value.scores.get(metric) for value in ladder]
        for before, after in itertools.pairwise(scores):
            if before is None or after is None:
                right.append(False)
            else:
                right.append(after < before if better == "higher" else after > before)
    return right


def cost(pieces: Pieces, kind: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """By how many points the strongest level lowers the headline, for each piece that has it."""
    return np.array(
        [
            _headline(kinds[ORIGINAL][0]) - _headline(kinds[kind][-1])
            for kinds in pieces.values()
            if kind in kinds
        ]
    )


def change(pieces: Pieces, kind: str, metric: str) -> list[tuple[float, float]]:
    """Original and changed value of each piece that has both."""
    pairs = []
    for kinds in pieces.values():
        for value in kinds.get(kind, []):
            before, after = kinds[ORIGINAL][0].scores.get(metric), value.scores.get(metric)
            if before is not None and after is not None:
                pairs.append((before, after))
    return pairs


def _real(pieces: Pieces) -> list[Check]:
    scores = {name: _headline(kinds[ORIGINAL][0]) for name, kinds in pieces.items()}
    lowest = min(scores, key=lambda name: scores[name])
    values = np.array(list(scores.values()))
    share, median = float(np.mean(values >= LEAST_REAL)), float(np.median(values))
    speeds = [kinds[ORIGINAL][0].scores.get(SPEED) for kinds in pieces.values()]
    clocked = [place for place, speed in enumerate(speeds) if speed is not None]
    rho = spearman([speeds[place] or 0.0 for place in clocked], values[clocked])
    return [
        Check(
            f"untouched footage of any speed ≥ {LEAST_REAL:g} on {LEAST_REAL_SHARE:.0%} of clips",
            f"{share:.0%} of {len(scores)}, least {scores[lowest]:.1f} ({lowest})",
            share >= LEAST_REAL_SHARE,
        ),
        Check(
            f"untouched footage: median ≥ {LEAST_REAL_MEDIAN:g}",
            f"{median:.1f}",
            median >= LEAST_REAL_MEDIAN,
        ),
        Check(
            f"untouched footage: rank correlation with speed within ±{MOST_SPEED_CORRELATION:g}",
            "none: too few clips, or all alike" if rho is None else f"{rho:+.2f}",
            abs(rho or 0.0) <= MOST_SPEED_CORRELATION,
        ),
    ]


def _negative_controls(pieces: Pieces) -> Check:
    scores = {
        (name, kind): _headline(kinds[kind][0])
        for name, kinds in pieces.items()
        for kind in NEGATIVE_CONTROLS
        if kind in kinds
    }
    what = f"negative controls ≤ {MOST_NEGATIVE_CONTROL:g} on every clip"
    if not scores:
        return Check(what, "no clip has one", held=False)
    name, kind = max(scores, key=lambda key: scores[key])
    above = sum(score > MOST_NEGATIVE_CONTROL for score in scores.values())
    return Check(
        what,
        f"{above} of {len(scores)} above, most {scores[name, kind]:.1f} ({kind}, {name})",
        not above,
    )


def _steps(pieces: Pieces, what: str, kinds: Sequence[str], least: float) -> Check:
    right = {kind: right_steps(pieces, kind, HEADLINE, "higher") for kind in kinds}
    steps = [step for steps in right.values() for step in steps]
    what = f"{what}: steps in the right order ≥ {least:.0%}"
    if not all(right.values()):
        return Check(what, f"no clip has {next(k for k in kinds if not right[k])}", held=False)
    worst = min(kinds, key=lambda kind: np.mean(right[kind]))
    share = float(np.mean(steps))
    return Check(
        what, f"{share:.1%} of {len(steps)}, {worst} {np.mean(right[worst]):.1%}", share >= least
    )


def _content(pieces: Pieces, kind: str) -> list[Check]:
    costs = cost(pieces, kind)
    what = f"{kind}: the strongest level costs ≥ {LEAST_COST:g} on the median clip"
    steps = _steps(pieces, kind, (kind,), LEAST_CONTENT_SHARE)
    if not len(costs):
        return [steps, Check(what, "no clip has it", held=False)]
    return [
        steps,
        Check(
            what,
            f"{np.median(costs):.1f}; on {np.mean(costs >= LEAST_COST):.0%} of clips",
            float(np.median(costs)) >= LEAST_COST,
        ),
    ]


def _costly_families(pieces: Pieces) -> Check:
    costs = {kind: cost(pieces, kind) for kind in FAMILIES}
    medians = {kind: float(np.median(each)) if len(each) else 0.0 for kind, each in costs.items()}
    cheap = {kind: median for kind, median in medians.items() if median < LEAST_COST}
    listed = ", ".join(f"{kind} {cheap[kind]:.1f}" for kind in sorted(cheap, key=cheap.__getitem__))
    least = math.ceil(LEAST_COSTLY_FAMILIES * len(FAMILIES))
    return Check(
        f"new families of faults: the strongest level costs ≥ {LEAST_COST:g} on the median clip in "
        f"{least} of {len(FAMILIES)}",
        f"{len(FAMILIES) - len(cheap)} of {len(FAMILIES)}" + (f"; not {listed}" if cheap else ""),
        len(FAMILIES) - len(cheap) >= least,
    )


def _cut(pieces: Pieces) -> Check:
    costs = cost(pieces, "cut")
    return Check(
        f"one cut costs ≥ {LEAST_CUT_COST:g} on every clip",
        f"least {costs.min():.1f}" if len(costs) else "no clip has one",
        bool(len(costs) and costs.min() >= LEAST_CUT_COST),
    )


def _harmless(pieces: Pieces, kind: str) -> Check:
    changes = np.array(
        [
            _headline(value) - _headline(kinds[ORIGINAL][0])
            for kinds in pieces.values()
            for value in kinds.get(kind, [])
        ]
    )
    what = f"{kind}: within {MOST_HARMLESS_CHANGE:g} points on every clip"
    if not len(changes):
        return Check(what, "no clip has it", held=False)
    within = np.abs(changes) <= MOST_HARMLESS_CHANGE
    largest = changes[np.abs(changes).argmax()]
    return Check(
        what,
        f"{within.sum()} of {len(changes)}, largest {largest:+.1f}, median "
        f"{np.median(changes):+.1f}",
        bool(within.all()),
    )


def _headline(value: Value) -> float:
    """A clip that has no headline is worth nothing."""
    return value.scores.get(HEADLINE) or 0.0
