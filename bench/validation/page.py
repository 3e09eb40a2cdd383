"""The health of the metrics as markdown, to be published beside the leaderboard."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bench.faults.registry import FAULTS
from bench.leaderboard.render.markdown import draw
from bench.leaderboard.tables.table import Cell, Column, Table, number, text_columns
from bench.metrics.base import Metric
from bench.validation.checks import (
    HEADLINE,
    LADDERED,
    Check,
    Pieces,
    change,
    moving,
    right_steps,
)
from bench.validation.scores import Value, by_piece
from bench.validation.variants import HARMLESS, ORIGINAL, WORTHLESS

INTRO = """\
# Can the metrics be trusted?

Footage without a fault is damaged on purpose, step by step, and every metric is asked what it
thinks. Made by `python -m bench.health{arguments}`; how the faults look and what the metrics
compute is on the method page of the project. {footage}
"""


def render(
    values: Sequence[Value],
    metrics: Mapping[str, Metric],
    found: Iterable[Check],
    arguments: str,
    footage: str,
) -> str:
    """The page.

    Args:
        values: of all variants of all pieces.
        metrics: those that were computed, by name.
        found: what must hold.
        arguments: of the command that made the page, with a space before each.
        footage: a sentence that says what the footage is.

    Returns:
        Markdown, the same bytes for the same values.
    """
    pieces = moving(by_piece(values))
    directed = {
        name: str(metric.better)
        for name, metric in metrics.items()
        if metric.better and any(value.scores[name] is not None for value in values)
    }
    blocks = [INTRO.format(arguments=arguments, footage=footage).rstrip()]
    for table in (
        _checks(found),
        _levels(pieces),
        _ladders(pieces, directed),
        _worthless(pieces, directed),
        _harmless(pieces, directed),
    ):
        blocks += draw(table)
    return "\n\n".join(blocks) + "\n"


def _checks(found: Iterable[Check]) -> Table:
    rows = tuple(
        (
            Cell("yes" if check.held else "NO", strong=not check.held),
            Cell(check.what),
            Cell(check.found),
        )
        for check in found
    )
    return Table("What must hold", text_columns(("held", "coherence of", "found")), rows)


def _levels(pieces: Pieces) -> Table:
    """The headline's median by fault and level."""
    rows = []
    for kind in LADDERED:
        columns = [
            [kinds[kind][step].scores.get(HEADLINE) for kinds in pieces.values()]
            for step in range(len(FAULTS[kind].ladder))
        ]
        levels = ", ".join(f"{level:g}" for level in FAULTS[kind].ladder)
        cells = [*map(_median, columns), *[""] * (3 - len(columns))]
        rows.append(tuple(map(Cell, (kind, FAULTS[kind].meaning, levels, *cells))))
    for kind in WORTHLESS:
        scores = [kinds[kind][0].scores.get(HEADLINE) for kinds in pieces.values()]
        rows.append(tuple(map(Cell, (kind, "", "", _median(scores), "", ""))))
    originals = [kinds[ORIGINAL][0].scores.get(HEADLINE) or 0.0 for kinds in pieces.values()]
    headers = (*text_columns(("fault", "the levels are", "levels")), *map(Column, "123"))
    above = (
        f"Median coherence of the {len(pieces)} clips in which a subject moves; untouched they "
        f"have {np.median(originals):.1f} (from {min(originals):.1f} to {max(originals):.1f}). "
        "– where the damage leaves no clip long enough for a headline.",
    )
    return Table("Coherence under damage", headers, tuple(rows), above)


def _median(scores: Sequence[float | None]) -> str:
    """Over the clips that have a score; – if none does."""
    known = [score for score in scores if score is not None]
    return f"{np.median(known):.1f}" if known else "–"


def _ladders(pieces: Pieces, directed: Mapping[str, str]) -> Table:
    rows = []
    for name, better in directed.items():
        shares = [float(np.mean(right_steps(pieces, kind, name, better))) for kind in LADDERED]
        rows.append((Cell(name), *(Cell(f"{share:.0%}", strong=share >= 0.98) for share in shares)))
    above = (
        "Share of steps, over clips and levels from the untouched clip on, at which the metric "
        "gets worse; half is chance, 98% and more are set in bold. Nobody expects a metric of "
        "brightness to see identity: a row tells what a metric is for.",
    )
    columns = (*text_columns(("metric",)), *map(Column, LADDERED))
    return Table("Which metric sees which fault", columns, tuple(rows), above)


def _worthless(pieces: Pieces, directed: Mapping[str, str]) -> Table:
    rows = []
    for name, better in directed.items():
        cells = []
        for kind in WORTHLESS:
            pairs = change(pieces, kind, name)
            fooled = [
                (after >= before) if better == "higher" else (after <= before)
                for before, after in pairs
            ]
            cells.append(Cell(f"{np.mean(fooled):.0%}" if fooled else "–"))
        rows.append((Cell(name), *cells))
    above = (
        "Share of clips on which the metric likes the worthless clip at least as well as the "
        "footage it was made from; – where it refuses to score any.",
    )
    columns = (*text_columns(("metric",)), *map(Column, WORTHLESS))
    return Table("Which metric is fooled by what", columns, tuple(rows), above)


def _harmless(pieces: Pieces, directed: Mapping[str, str]) -> Table:
    rows = []
    for name in directed:
        cells = []
        for kind in HARMLESS:
            pairs = np.array(change(pieces, kind, name)).reshape(-1, 2)
            usual = np.median(np.abs(pairs[:, 0])) if len(pairs) else 0.0
            moved = np.median(np.abs(pairs[:, 1] - pairs[:, 0])) if len(pairs) else 0.0
            cells.append(Cell(f"{number(100 * moved / usual, 2)}%" if usual else "–"))
        rows.append((Cell(name), *cells))
    above = (
        "Median change of the value, as a share of its median on the untouched clips (8 frames a "
        "second); – where that is 0.",
    )
    columns = (*text_columns(("metric",)), *map(Column, HARMLESS))
    return Table("What must not matter", columns, tuple(rows), above)
