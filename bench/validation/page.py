"""Are the metrics healthy? What must hold on damaged footage, and the page that shows all of it.

The page is markdown, to be published beside the leaderboard.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from bench.faults.registry import FAULTS
from bench.leaderboard.render.markdown import draw
from bench.leaderboard.tables.table import Cell, Column, Table, number, text_columns
from bench.metrics.base import Metric
from bench.validation.agreement import Floats, spearman
from bench.validation.scores import Value, by_piece, directions
from bench.validation.variants import (
    CONTENT,
    FAMILIES,
    FAULTY,
    HARMLESS,
    LADDERS,
    LOOKS,
    MORE,
    NEGATIVE_CONTROLS,
    ORIGINAL,
    SHUTTER,
)

HEADLINE, SPEED, QUALITY = "coherence", "dynamics", "technical_quality"

LEAST_REAL, LEAST_REAL_SHARE, LEAST_REAL_MEDIAN = 80.0, 0.95, 93.0
MOST_SPEED_CORRELATION = 0.2
MOST_NEGATIVE_CONTROL = 10.0
LEAST_LADDER_SHARE, LEAST_CONTENT_SHARE, LEAST_FAMILY_SHARE = 0.98, 0.90, 0.93
LEAST_LOOKS_SHARE = 0.90
LEAST_COST = 10.0
LEAST_COSTLY_FAMILIES = 22 / 27
LEAST_CUT_COST = 40.0
MOST_HARMLESS_CHANGE = 5.0

INTRO = """\
# Can the metrics be trusted?

Footage without a fault is damaged on purpose, step by step, and every metric is asked what it
thinks. Made by `steadybench validate{arguments}`; how the faults look and what the metrics
compute is on the method page of the project. {footage}
"""

Pieces = Mapping[str, Mapping[str, Sequence[Value]]]


@dataclass(frozen=True)
class Check:
    """One thing that must hold, what was measured of it, and whether it does."""

    what: str
    measured: str
    held: bool


def checks(values: Iterable[Value]) -> list[Check]:
    """Hold the headline, and technical quality, against what they promise of filmed pieces.

    Drawn scenes keep few of these promises: what is drawn turns and bounces in exact periods, which
    have no order, and changes with its resolution.
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
        _steps(pieces, f"{QUALITY} under damage of frames", LOOKS, LEAST_LOOKS_SHARE, QUALITY),
        _harmless(pieces, SHUTTER, QUALITY),
    ]


def right_steps(pieces: Pieces, kind: str, metric: str, better: str) -> list[bool]:
    """For each piece and step of a ladder: does the value get worse, from the original on?

    A step to or from a clip that has no value is not right.
    """
    right = []
    for kinds in pieces.values():
        ladder = [value.scores.get(metric) for value in (*kinds[ORIGINAL], *kinds.get(kind, ()))]
        for before, after in pairwise(ladder):
            if before is None or after is None:
                right.append(False)
            else:
                right.append(after < before if better == "higher" else after > before)
    return right


def _cost(pieces: Pieces, kind: str) -> Floats:
    """By how many points the strongest level lowers the headline, for each piece that has it."""
    having = [kinds for kinds in pieces.values() if kind in kinds]
    return np.array([_headline(each[ORIGINAL][0]) - _headline(each[kind][-1]) for each in having])


def _before_and_after(pieces: Pieces, kind: str, metric: str) -> Floats:
    """A metric of each original and of what became of it, `[N, 2]`; NaN where it has no value."""
    pairs = [
        (kinds[ORIGINAL][0].scores.get(metric), value.scores.get(metric))
        for kinds in pieces.values()
        for value in kinds.get(kind, ())
    ]
    return np.array(pairs, np.float64).reshape(-1, 2)


def render(
    values: Sequence[Value],
    metrics: Mapping[str, Metric],
    judged: Iterable[Check],
    arguments: str,
    footage: str,
) -> str:
    """The page, the same bytes for the same values of all variants of all pieces.

    `judged` is what must hold, `arguments` those of the command that made the page, with a space
    before each, and `footage` a sentence that says what the footage is.
    """
    pieces = by_piece(values)
    direction_of = directions(metrics, values)
    tables = (
        checks_table(judged, f"{HEADLINE}, if no other is named, of"),
        _levels(pieces),
        *(
            _by_metric(title, above, kinds, pieces, direction_of, cell)
            for title, above, kinds, cell in BY_METRIC
        ),
    )
    return document(INTRO.format(arguments=arguments, footage=footage), tables)


def document(intro: str, tables: Iterable[Table]) -> str:
    """A page of markdown: a heading with what it is about, and tables."""
    blocks = [intro.rstrip(), *(block for table in tables for block in draw(table))]
    return "\n\n".join(blocks) + "\n"


def table(
    title: str,
    texts: Sequence[str],
    numbers: Sequence[str | Column[Any]],
    rows: Iterable[Sequence[str | Cell]],
    above: str = "",
    below: str = "",
) -> Table:
    """A table of printed rows, whose columns of texts come before those of numbers."""
    return Table(
        title,
        (*text_columns(texts), *(n if isinstance(n, Column) else Column(n) for n in numbers)),
        tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows),
        above=(above,) if above else (),
        below=(below,) if below else (),
    )


def checks_table(judged: Iterable[Check], subject: str) -> Table:
    """What must hold, of which subject, and whether it does."""
    marks: dict[bool, str | Cell] = {True: "yes", False: Cell("NO", strong=True)}
    rows = [(marks[check.held], check.what, check.measured) for check in judged]
    return table("What must hold", ("held", subject, "measured"), (), rows)


def _real(pieces: Pieces) -> list[Check]:
    scores = {name: _headline(kinds[ORIGINAL][0]) for name, kinds in pieces.items()}
    lowest = min(scores, key=lambda name: scores[name])
    values = np.array(list(scores.values()))
    share, median = float(np.mean(values >= LEAST_REAL)), float(np.median(values))
    speeds = [kinds[ORIGINAL][0].scores.get(SPEED) for kinds in pieces.values()]
    speed = np.array(speeds, np.float64)
    rho = spearman(speed[np.isfinite(speed)], values[np.isfinite(speed)])
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


def _steps(
    pieces: Pieces, what: str, kinds: Sequence[str], least: float, metric: str = HEADLINE
) -> Check:
    right = {kind: right_steps(pieces, kind, metric, "higher") for kind in kinds}
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
    costs, measured, held = _cost(pieces, kind), "no clip has it", False
    if len(costs):
        measured = f"{np.median(costs):.1f}; on {np.mean(costs >= LEAST_COST):.0%} of clips"
        held = float(np.median(costs)) >= LEAST_COST
    what = f"{kind}: the strongest level costs ≥ {LEAST_COST:g} on the median clip"
    return [_steps(pieces, kind, (kind,), LEAST_CONTENT_SHARE), Check(what, measured, held)]


def _costly_families(pieces: Pieces) -> Check:
    costs = {kind: _cost(pieces, kind) for kind in FAMILIES}
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
    costs = _cost(pieces, "cut")
    return Check(
        f"one cut costs ≥ {LEAST_CUT_COST:g} on every clip",
        f"least {costs.min():.1f}" if len(costs) else "no clip has one",
        bool(len(costs) and costs.min() >= LEAST_CUT_COST),
    )


def _harmless(pieces: Pieces, kind: str, metric: str = HEADLINE) -> Check:
    before, after = _before_and_after(pieces, kind, metric).T
    changes = (np.nan_to_num(after) - before)[np.isfinite(before)]
    of = "" if metric == HEADLINE else f"{metric} under "
    what = f"{of}{kind}: within {MOST_HARMLESS_CHANGE:g} points on every clip"
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


def _levels(pieces: Pieces) -> Table:
    """The headline's median by fault and level."""
    rows = []
    for kind in FAULTY:
        columns = [
            [
                kinds[kind][step].scores.get(HEADLINE)
                for kinds in pieces.values()
                if kind in kinds and step < len(kinds[kind])
            ]
            for step in range(len(FAULTS[kind].ladder))
        ]
        levels = ", ".join(f"{level:g}" for level in FAULTS[kind].ladder)
        medians = [*map(_median, columns), *[""] * (3 - len(columns))]
        rows.append((kind, FAULTS[kind].meaning, levels, *medians))
    for kind in NEGATIVE_CONTROLS:
        scores = [kinds[kind][0].scores.get(HEADLINE) for kinds in pieces.values() if kind in kinds]
        rows.append((kind, "", "", _median(scores), "", ""))
    originals = [_headline(kinds[ORIGINAL][0]) for kinds in pieces.values()]
    above = (
        f"Median coherence; the {len(pieces)} untouched clips have {np.median(originals):.1f} "
        f"(from {min(originals):.1f} to {max(originals):.1f}). – where the damage leaves no clip "
        "long enough for a headline."
    )
    return table(
        "Coherence under damage", ("fault", "the levels are", "levels"), "123", rows, above
    )


def _median(scores: Sequence[float | None]) -> str:
    """Over the clips that have a score; – if none does."""
    given = [score for score in scores if score is not None]
    return f"{np.median(given):.1f}" if given else "–"


def _by_metric(
    title: str,
    above: str,
    kinds: Sequence[str],
    pieces: Pieces,
    direction_of: Mapping[str, str],
    cell: Callable[[Pieces, str, str, str], str | Cell],
) -> Table:
    """One row a metric that has a direction, one column a kind of variant."""
    rows = [
        (name, *(cell(pieces, kind, name, better) for kind in kinds))
        for name, better in direction_of.items()
    ]
    return table(title, ("metric",), kinds, rows, above)


def _right(pieces: Pieces, kind: str, metric: str, better: str) -> str | Cell:
    right = right_steps(pieces, kind, metric, better)
    if not right:
        return "–"
    share = float(np.mean(right))
    return Cell(f"{share:.0%}", strong=share >= 0.98)


def _fooled(pieces: Pieces, kind: str, metric: str, better: str) -> str:
    before, after = _valued(_before_and_after(pieces, kind, metric))
    fooled = after >= before if better == "higher" else after <= before
    return f"{np.mean(fooled):.0%}" if len(fooled) else "–"


def _moved(pieces: Pieces, kind: str, metric: str, better: str) -> str:  # noqa: ARG001 - either
    before, after = _valued(_before_and_after(pieces, kind, metric))
    usual = np.median(np.abs(before)) if len(before) else 0.0
    return f"{number(100 * np.median(np.abs(after - before)) / usual, 2)}%" if usual else "–"


def _valued(pairs: Floats) -> Floats:
    """Of pairs `[N, 2]` those that have both, `[2, M]`."""
    return pairs[np.isfinite(pairs).all(axis=1)].T


_SEES = (
    "Share of steps, over clips and levels from the untouched clip on, at which the metric gets "
    "worse; half is chance, 98% and more are set in bold. Nobody expects a metric of brightness to "
    "see identity: a row tells what a metric is for."
)

BY_METRIC = (
    ("Which metric sees which fault", _SEES, (*LADDERS, *CONTENT, *MORE), _right),
    ("Which metric sees which of the new faults", _SEES, FAMILIES, _right),
    (
        "Which metric is fooled by which negative control",
        "Share of clips on which the metric likes the negative control at least as well as the "
        "footage it was made from; – where it refuses to score any.",
        tuple(NEGATIVE_CONTROLS),
        _fooled,
    ),
    (
        "What must not matter",
        "Median change of the value, as a share of its median on the untouched clips (8 frames a "
        "second); – where that is 0.",
        (*HARMLESS, SHUTTER),
        _moved,
    ),
)
"""Tables of one row a metric: title, line above, kinds of variants, and what a cell says."""
