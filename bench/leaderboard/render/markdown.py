"""The leaderboard as markdown: a pure, deterministic function of results."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.leaderboard.data.rows import HEADLINE, SuiteBoard
from bench.leaderboard.tables.suite import tables, without_scores
from bench.leaderboard.tables.table import Table, plain

if TYPE_CHECKING:  # drawing takes a second to import, and text needs none
    from bench.leaderboard.render.pictures import Picture

INTRO = """\
# Leaderboard

Each row is one model: the mean over prompts, seeds averaged first, ± half the width of its 95%
bootstrap interval over prompts. In columns marked ↑ higher is better, in those marked ↓ lower is;
the rest are only shown. **Bold** marks the best and all that are not surely worse than it (paired
bootstrap over common prompts, with Holm's correction over the comparisons with the best, from 20
prompts on). Nothing is bold in time, memory and cost: they belong to the hardware, and different
hardware is never compared. *lossy* marks clips that exist only as lossy files: compression smooths
frames, which some scores reward. All scores are diagnostics, no substitute for what people prefer.
"""
RANKS = f"""\
A rank of 1-3 means that the data leave ranks 1 to 3 open; for ranks, Holm's correction is over all
pairs of models. A clip that a model failed to make counts as 0 in the column that ranks
({HEADLINE}) and is left out of the others.
"""
OPENING = INTRO[: INTRO.index(":")]
"""How every page begins; a file that begins otherwise is somebody else's."""
TRUST = {
    "people.md": "Agreement with people: what raters said of real models' clips, beside what every "
    "metric says: [{path}]({path}).",
    "health.md": "Metric health: whether each metric sees the faults it should, and stays calm "
    "where it must, is measured on footage that was damaged on purpose: [{path}]({path}).",
}
"""Pages on the metrics themselves that may lie beside a leaderboard, and how it points to them."""
_ACTS = re.compile(
    r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)
_FOLD = ("<details>", "<summary>More metrics</summary>")
SOURCE = "Every number is computed from the files in `results/`."


def render(
    suites: Sequence[SuiteBoard],
    pictures: Mapping[str, Sequence["Picture"]] | None = None,
    trust: Sequence[str] = (),
) -> str:
    """The leaderboard page, the same bytes for the same suites and pictures.

    Paths are relative to the page; `trust` are those of `TRUST` that lie beside it.
    """
    blocks = [INTRO.rstrip()]
    if any(HEADLINE in group.metrics for board in suites for group in board.groups):
        blocks.append(RANKS.rstrip())
    blocks.append(SOURCE)
    blocks += [TRUST[path].format(path=path) for path in trust]
    for board in suites:
        blocks.append(f"## {escape(board.suite)}")
        blocks += map(escape, without_scores(board))
        blocks += _pictures((pictures or {}).get(board.suite, ()))
        for folded, section in groupby(tables(board), key=lambda table: table.folded):
            lines = [block for table in section for block in draw(table)]
            blocks += [*_FOLD, *lines, "</details>"] if folded else lines
    return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    r"""Text that markdown shows as it stands, on one line and inside a table cell.

    Names, licences and error messages come from elsewhere; `a|b` must not open a column, nor
    `<img>` an image, nor an address a link. Underscores inside words mean nothing to markdown and
    stay readable.
    """
    return re.sub(_ACTS, r"\\\g<0>", plain(text))


def _pictures(pictures: Sequence["Picture"]) -> Iterator[str]:
    """Pictures; contact sheets, of which there are as many as models, are folded away."""
    sheets = [picture for picture in pictures if picture.model]
    yield from (_image(picture) for picture in pictures if not picture.model)
    if sheets:
        yield "<details>\n<summary>The same prompts, model by model</summary>"
        yield from (f"{escape(sheet.model)}\n\n{_image(sheet)}" for sheet in sheets)
        yield "</details>"


def _image(picture: "Picture") -> str:
    return f"![{escape(picture.alt)}]({quote(picture.path)})"


def draw(table: Table) -> Iterator[str]:
    """The blocks of a table: heading, lines above, the table, lines below."""
    yield f"### {escape(table.title)}"
    yield from map(escape, table.above)
    lines = [
        [escape(header) for header in table.headers],
        ["---" if column.is_text else "---:" for column in table.columns],
    ]
    for texts, row in zip(table.texts, table.rows, strict=True):
        cells = zip(map(escape, texts), row, strict=True)
        lines.append([f"**{text}**" if cell.strong else text for text, cell in cells])
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    yield from map(escape, (*table.units, *table.below))
