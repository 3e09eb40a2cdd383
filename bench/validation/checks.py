"""Are the metrics healthy? What must hold on controls, and whether it does."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.metrics.coherence import MOVING
from bench.validation.scores import Value, by_piece
from bench.validation.variants import CONTENT, HARMLESS, LADDERS, MORE, ORIGINAL, WORTHLESS

HEADLINE = "coherence"

LEAST_REAL, LEAST_REAL_MEDIAN = 80.0, 93.0
MOST_WORTHLESS = 10.0
LEAST_LADDER_SHARE, LEAST_CONTENT_SHARE = 0.98, 0.90
LEAST_CONTENT_COST = 10.0
LEAST_CUT_COST = 40.0
MOST_HARMLESS_CHANGE = 5.0

Pieces = Mapping[str, Mapping[str, Sequence[Value]]]


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Attributes:
        what: must hold.
        found: what was measured.
        held: whether it does.
    """

    what: str
    found: str
    held: bool


def checks(values: Iterable[Value]) -> list[Check]:
    """Hold the headline against what it promises.

    Args:
        values: of all pieces, which were filmed. Drawn scenes keep few of these promises: what is
            drawn turns and bounces in exact periods, which have no order, and changes with its
            resolution.
    """
    pieces = moving(by_piece(values))
    if not pieces:
        return [Check("footage in which a subject moves", "none of the pieces", held=False)]
    found = _real(pieces)
    found.append(_worthless(pieces))
    shares = {kind: _share(pieces, kind) for kind in (*LADDERS, *CONTENT)}
    steps = [step for kind in LADDERS for step in right_steps(pieces, kind, HEADLINE, "higher")]
    worst = min(LADDERS, key=lambda kind: shares[kind])
    found.append(
        Check(
            f"steps of ladders in the right order ≥ {LEAST_LADDER_SHARE:.0%}",
            f"{np.mean(steps):.1%} of {len(steps)}, {worst} {shares[worst]:.1%}",
            float(np.mean(steps)) >= LEAST_LADDER_SHARE,
        )
    )
    for kind in CONTENT:
        costs = cost(pieces, kind)
        found += [
            Check(
                f"{kind}: steps in the right order ≥ {LEAST_CONTENT_SHARE:.0%}",
                f"{shares[kind]:.1%}",
                shares[kind] >= LEAST_CONTENT_SHARE,
            ),
            Check(
                f"{kind}: the strongest level costs ≥ {LEAST_CONTENT_COST:g} on the median clip",
                f"{np.median(costs):.1f}; on {np.mean(costs >= LEAST_CONTENT_COST):.0%} of clips",
                float(np.median(costs)) >= LEAST_CONTENT_COST,
            ),
        ]
    cuts = cost(pieces, "cut")
    found.append(
        Check(
            f"one cut costs ≥ {LEAST_CUT_COST:g} on every clip",
            f"least {cuts.min():.1f}",
            bool(cuts.min() >= LEAST_CUT_COST),
        )
    )
    return found + [_harmless(pieces, kind) for kind in HARMLESS]


def moving(pieces: Pieces) -> Pieces:
    """The pieces in whose original something other than the camera surely moves.

    The others cannot be told from a zoom on a photograph, under a prompt that asks for motion of
    the subject.
    """
    return {
        name: kinds
        for name, kinds in pieces.items()
        if moving_enough(kinds[ORIGINAL][0].scores.get("dynamics") or 0.0)
    }


def moving_enough(speed: float) -> bool:
    """Whether something other than the camera surely moves: .035 short sides per second."""
    return speed >= MOVING


def right_steps(pieces: Pieces, kind: str, metric: str, better: str) -> list[bool]:
    """For each piece and step of a ladder: does the value get worse, from the original on?

    A step to or from a clip that has no value is not right.
    """
    found = []
    for kinds in pieces.values():
        ladder = [*kinds[ORIGINAL], *kinds.get(kind, [])]
        scores = [value.scores.get(metric) for value in ladder]
        for before, after in itertools.pairwise(scores):
            if before is None or after is None:
                found.append(False)
            else:
                found.append(after < before if better == "higher" else after > before)
    return found


def cost(pieces: Pieces, kind: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """By how many points the strongest level lowers the headline, for each piece."""
    return np.array(
        [
            _headline(kinds[ORIGINAL][0]) - _headline(kinds[kind][-1])
            for kinds in pieces.values()
            if kind in kinds
        ]
    )


def change(pieces: Pieces, kind: str, metric: str) -> list[tuple[float, float]]:
    """Original and changed value of each piece that has both."""
    found = []
    for kinds in pieces.values():
        for value in kinds.get(kind, []):
            before, after = kinds[ORIGINAL][0].scores.get(metric), value.scores.get(metric)
            if before is not None and after is not None:
                found.append((before, after))
    return found


def _real(pieces: Pieces) -> list[Check]:
    scores = {name: _headline(kinds[ORIGINAL][0]) for name, kinds in pieces.items()}
    lowest = min(scores, key=lambda name: scores[name])
    median = float(np.median(list(scores.values())))
    return [
        Check(
            f"untouched footage ≥ {LEAST_REAL:g} on every clip",
            f"least {scores[lowest]:.1f} ({lowest}) of {len(scores)}",
            scores[lowest] >= LEAST_REAL,
        ),
        Check(
            f"untouched footage: median ≥ {LEAST_REAL_MEDIAN:g}",
            f"{median:.1f}",
            median >= LEAST_REAL_MEDIAN,
        ),
    ]


def _worthless(pieces: Pieces) -> Check:
    scores = {
        (name, kind): _headline(kinds[kind][0])
        for name, kinds in pieces.items()
        for kind in WORTHLESS
    }
    name, kind = max(scores, key=lambda key: scores[key])
    return Check(
        f"worthless clips ≤ {MOST_WORTHLESS:g} on every clip",
        f"most {scores[name, kind]:.1f} ({kind}, {name}) of {len(scores)}",
        scores[name, kind] <= MOST_WORTHLESS,
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


def _share(pieces: Pieces, kind: str) -> float:
    return float(np.mean(right_steps(pieces, kind, HEADLINE, "higher")))


def _headline(value: Value) -> float:
    """A clip that has no headline is worth nothing."""
    return value.scores.get(HEADLINE) or 0.0


LADDERED = (*LADDERS, *CONTENT, *MORE)
