"""The health of the metrics as markdown, to be published beside the leaderboard."""

from collections.abc import Iterable, Mapping, Sequence

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
    """The page.

    Args:
        values: of all variants of all pieces.
        metrics: those that were computed, by name.
        judged: what must hold.
        arguments: of the command that made the page, with a space before each.
        footage: a sentence that says what the footage is.

    Returns:
        Markdown, the same bytes for the same values.
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
        _ladders(pieces, directed, "Which metric sees which fault", (*LADDERS, *CONTENT, *MORE)),
        _ladders(pieces, directed, "Which metric sees which of the new faults", FAMILIES),
        _negative_controls(pieces, directed),
        _harmless(pieces, directed),
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


def _ladders(
    pieces: Pieces, directed: Mapping[str, str], title: str, faults: Sequence[str]
) -> Table:
    rows = []
    for name, better in directed.items():
        steps = [right_steps(pieces, kind, name, better) for kind in faults]
        shares = [float(np.mean(right)) if right else None for right in steps]
        rows.append(
            (
                Cell(name),
                *(
                    Cell("–") if share is None else Cell(f"{share:.0%}", strong=share >= 0.98)
                    for share in shares
                ),
            )
        )
    above = (
        "Share of steps, over clips and levels from the untouched clip on, at which the metric "
        "gets worse; half is chance, 98% and more are set in bold. Nobody expects a metric of "
        "brightness to see identity: a row tells what a metric is for.",
    )
    columns = (*text_columns(("metric",)), *map(Column, faults))
    return Table(title, columns, tuple(rows), above)


def _negative_controls(pieces: Pieces, directed: Mapping[str, str]) -> Table:
    rows = []
    for name, better in directed.items():
        cells = []
        for kind in NEGATIVE_CONTROLS:
            pairs = change(pieces, kind, name)
            fooled = [
                (after >= before) if better == "higher" else (after <= before)
                for before, after in pairs
            ]
            cells.append(Cell(f"{np.mean(fooled):.0%}" if fooled else "–"))
        rows.append((Cell(name), *cells))
    above = (
        "Share of clips on which the metric likes the negative control at least as well as the "
        "footage it was made from; – where it refuses to score any.",
    )
    columns = (*text_columns(("metric",)), *map(Column, NEGATIVE_CONTROLS))
    return Table("Which metric is fooled by which negative control", columns, tuple(rows), above)


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
