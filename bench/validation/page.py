"""The health of the metrics as markdown, to be published beside the leaderboard."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from bench.faults.registry import FAULTS
from bench.leaderboard.render.markdown import draw
from bench.leaderboard.tables.table import Cell, Column, Table, number, text_columns
from bench.metrics.base import Metric
from bench.validation.checks import (
    HEADLINE,
    Check,
    Pieces,
    change,
    right_steps,
)
from bench.validation.scores import Value, by_piece
from bench.validation.variants import (
    CONTENT,
    FAMILIES,
    FAULTY,
    HARMLESS,
    LADDERS,
    MORE,
    NEGATIVE_CONTROLS,
    ORIGINAL,
)

INTRO = """\
# Can the metrics be trusted?

Footage without a fault is damaged on purpose, step by step, and every metric is asked what it
thinks. Made by `python -m bench.health{arguments}`; how the faults look and what the metrics
compute is on the method page of the project. {footage}
"""


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
    directed = {
        name: str(metric.better)
        for name, metric in metrics.items()
        if metric.better and any(value.scores[name] is not None for value in values)
    }
    blocks = [INTRO.format(arguments=arguments, footage=footage).rstrip()]
    for table in (
        checks_table(judged, "coherence of"),
        _levels(pieces),
        *(
            _by_metric(title, above, kinds, pieces, directed, cell)
            for title, above, kinds, cell in BY_METRIC
        ),
    ):
        blocks += draw(table)
    return "\n\n".join(blocks) + "\n"


def checks_table(judged: Iterable[Check], subject: str) -> Table:
    """What must hold, of which subject, and whether it does."""
    rows = tuple(
        (
            Cell("yes" if check.held else "NO", strong=not check.held),
            Cell(check.what),
            Cell(check.measured),
        )
        for check in judged
    )
    return Table("What must hold", text_columns(("held", subject, "measured")), rows)


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
        cells = [*map(_median, columns), *[""] * (3 - len(columns))]
        rows.append(tuple(map(Cell, (kind, FAULTS[kind].meaning, levels, *cells))))
    for kind in NEGATIVE_CONTROLS:
        scores = [kinds[kind][0].scores.get(HEADLINE) for kinds in pieces.values() if kind in kinds]
        rows.append(tuple(map(Cell, (kind, "", "", _median(scores), "", ""))))
    originals = [kinds[ORIGINAL][0].scores.get(HEADLINE) or 0.0 for kinds in pieces.values()]
    headers = (*text_columns(("fault", "the levels are", "levels")), *map(Column, "123"))
    above = (
        f"Median coherence; the {len(pieces)} untouched clips have {np.median(originals):.1f} "
        f"(from {min(originals):.1f} to {max(originals):.1f}). – where the damage leaves no clip "
        "long enough for a headline.",
    )
    return Table("Coherence under damage", headers, tuple(rows), above)


def _median(scores: Sequence[float | None]) -> str:
    """Over the clips that have a score; – if none does."""
    given = [score for score in scores if score is not None]
    return f"{np.median(given):.1f}" if given else "–"


def _by_metric(
    title: str,
    above: str,
    kinds: Sequence[str],
    pieces: Pieces,
    directed: Mapping[str, str],
    cell: Callable[[Pieces, str, str, str], Cell],
) -> Table:
    """One row a metric that has a direction, one column a kind of variant."""
    rows = tuple(
        (Cell(name), *(cell(pieces, kind, name, better) for kind in kinds))
        for name, better in directed.items()
    )
    return Table(title, (*text_columns(("metric",)), *map(Column, kinds)), rows, (above,))


def _right(pieces: Pieces, kind: str, metric: str, better: str) -> Cell:
    right = right_steps(pieces, kind, metric, better)
    if not right:
        return Cell("–")
    share = float(np.mean(right))
    return Cell(f"{share:.0%}", strong=share >= 0.98)


def _fooled(pieces: Pieces, kind: str, metric: str, better: str) -> Cell:
    fooled = [
        after >= before if better == "higher" else after <= before
        for before, after in change(pieces, kind, metric)
    ]
    return Cell(f"{np.mean(fooled):.0%}" if fooled else "–")


def _moved(pieces: Pieces, kind: str, metric: str, better: str) -> Cell:  # noqa: ARG001 - either
    pairs = np.array(change(pieces, kind, metric)).reshape(-1, 2)
    usual = np.median(np.abs(pairs[:, 0])) if len(pairs) else 0.0
    moved = np.median(np.abs(pairs[:, 1] - pairs[:, 0])) if len(pairs) else 0.0
    return Cell(f"{number(100 * moved / usual, 2)}%" if usual else "–")


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
        HARMLESS,
        _moved,
    ),
)
"""Tables of one row a metric: title, line above, kinds of variants, and what a cell says."""
