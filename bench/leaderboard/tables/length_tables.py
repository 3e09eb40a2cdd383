"""How long clips are beside how long their prompts ask them to be, as a table."""

from collections.abc import Iterator, Sequence

from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.table import NONE, Cell, Column, Table

SHORT = 0.9
"""A clip under this share of what was asked is too short; frame rules miss by less."""


def length_tables(board: SuiteBoard) -> Iterator[Table]:
    """One table of a suite whose prompts say their length; none where they do not."""
    rows = []
    for result in board.results:
        clips = [
            (clip.seconds_requested, clip.video_s)
            for clip in result.clips
            if clip.seconds_requested is not None and clip.status == "ok"
        ]
        if not clips:
            continue
        long_enough = sum(made >= SHORT * asked for asked, made in clips)
        longest = result.card.max_seconds
        texts = (
            board.labels[result.model],
            _range([asked for asked, _ in clips]),
            _range([made for _, made in clips]),
            f"{long_enough}/{len(clips)}",
            NONE if longest is None else number(longest),
        )
        rows.append(tuple(map(Cell, texts)))
    if rows:
        names = ("asked, s", "made, s", "as long as asked", "longest by its card, s")
        yield Table(
            "Lengths",
            (Column("model", text=True), *map(Column, names)),
            tuple(rows),
            above=(
                "A model makes the length nearest to that asked for that it can, or its own where "
                "it cannot be told. Damage is a mean over time, so a short clip has less time to "
                f"drift in: compare like with like. As long as asked is {SHORT:.0%} of it or more.",
            ),
        )


def _range(seconds: Sequence[float]) -> str:
    low, high = (number(value) for value in (min(seconds), max(seconds)))
    return low if low == high else f"{low}-{high}"
