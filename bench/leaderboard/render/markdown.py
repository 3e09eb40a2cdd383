"""The leaderboard as markdown: a pure, deterministic function of results."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from bench.leaderboard.data.rows import HEADLINE, SuiteBoard
from bench.leaderboard.tables.suite import TITLES, folded, metric_table, tables, without_scores
from bench.leaderboard.tables.table import Table, plain

INTRO = """\
# Leaderboard

Each row is one model: the best first, by the share of its clips that can be used wherever that was
measured. How to read the numbers is said at the end.
"""
READING = """\
A clip can be used if it holds together, shows what was asked for, and has no cut that nobody asked
for; the thresholds stand under each table. ± is half the width of the 95% bootstrap interval over
prompts, seeds averaged first; brackets hold such an interval. In columns marked ↑ higher is better,
in those marked ↓ lower is; the rest are only shown. **Bold** marks the best and all that are not
surely worse than it (paired bootstrap over common prompts, with Holm's correction over the
comparisons with the best, from 20 prompts on). Nothing is bold in time, memory and cost: they
belong to the hardware, and different hardware is never compared. *lossy* marks clips that exist
only as lossy files: compression smooths frames, which some scores reward. All scores are
diagnostics, no substitute for what people prefer.
"""
RANKS = f"""\
A rank of 1-3 means that the data leave ranks 1 to 3 open; for ranks, Holm's correction is over all
pairs of models. Those to whom rank 1 is open lead, in the sentence above the table as in the bold
of the column that ranks. Where nobody measured whether clips show what was asked for, {HEADLINE}
ranks. A clip that a model failed to make cannot be used; it counts as 0 in {HEADLINE} and is left
out of the other metrics.
"""
YIELD = """\
The yield is the share of usable clips. Generation is a lottery: the same prompt, drawn again, gives
another clip, and whoever needs one draws until one is usable. Rejects and failures are paid for
too, so that a usable second of video costs what a clip costs, divided by the yield and by the
seconds of a clip: a slow model of which every clip is usable can be cheaper than a fast one of
which one in ten is. Prompts differ: those never solved need another prompt or another model, not
another draw. > is a lower bound, with 95% confidence, where no clip is usable.
"""
OPENING = INTRO[: INTRO.index(":")]
"""How every page begins; a file that begins otherwise is somebody else's."""
TRUST = {
    "people.md": (
        "Agreement with people",
        "what raters said of real models' clips, beside what every metric says",
    ),
    "health.md": (
        "Metric health",
        "whether each metric sees the faults it should, and stays calm where it must, on footage "
        "that was damaged on purpose",
    ),
}
"""Pages on the metrics themselves that may lie beside a leaderboard, and what is on them."""
_ACTS = re.compile(
    r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=:)/(?=/)|(?<=www)\.", re.IGNORECASE
)
_FOLD = "<details>\n<summary>{}</summary>"
LOOKS = f"""\
What a {HEADLINE} of 90, of 70 and of 40 looks like is shown by `index.html` beside this page, which
plays clips, and on which thresholds can be moved.
"""
SOURCE = "Every number is computed from the files in `results/`."


class Picture(NamedTuple):
    """A picture beside a leaderboard; its path is relative to the leaderboard's folder."""

    path: str
    alt: str
    model: str = ""  # whose contact sheet it is; empty for a picture of the whole suite


def render(
    suites: Sequence[SuiteBoard],
    pictures: Mapping[str, Sequence[Picture]] | None = None,
    trust: Sequence[str] = (),
    drawn: Mapping[str, Sequence[Table]] | None = None,
) -> str:
    """The leaderboard page, the same bytes for the same suites and pictures.

    Paths are relative to the page; `trust` are those of `TRUST` that lie beside it; `drawn` are the
    `tables` of each suite, where they are at hand.
    """
    blocks = [INTRO.rstrip()]
    for board in suites:
        title = TITLES.get(board.suite)
        name = escape(board.suite)
        blocks.append(f"## {escape(title)} ({name})" if title else f"## {name}")
        blocks += map(escape, without_scores(board))
        everything = list(tables(board)) if drawn is None else drawn[board.suite]
        first = [table for table in everything if table.place == "first"]
        blocks += [block for table in first for block in draw(table)]
        beside = (pictures or {}).get(board.suite, ())
        blocks += [_image(picture) for picture in beside if not picture.model]
        if sheets := sheets_of(board, beside):
            blocks.append(_FOLD.format(sheets_title(board)))
            blocks += (
                f"{escape(board.labels[sheet.model])}\n\n{_image(sheet)}" for sheet in sheets
            )
            blocks.append("</details>")
        for fold, members in folded(everything).items():
            blocks.append(_FOLD.format(fold))
            blocks += [block for table in members for block in draw(table)]
            blocks.append("</details>")
    blocks += ["## How to read the numbers", *reading(suites)]
    if has_headline(suites):
        blocks.append(LOOKS.rstrip())
    metrics = metric_table(suites)
    if metrics.rows:
        _, *body = draw(metrics)  # the fold has the heading
        blocks += [_FOLD.format(metrics.title), *body, "</details>"]
    blocks.append(SOURCE)
    blocks += [f"{': '.join(TRUST[path])}: [{path}]({path})." for path in trust]
    return "\n\n".join(blocks) + "\n"


def reading(suites: Sequence[SuiteBoard]) -> list[str]:
    """How to read the numbers that these suites have, paragraph by paragraph, as markdown."""
    paragraphs = [READING]
    if has_headline(suites):
        paragraphs.append(RANKS)
    if any(row.usable for board in suites for group in board.groups for row in group.rows):
        paragraphs.append(YIELD)
    return [paragraph.rstrip() for paragraph in paragraphs]


def has_headline(suites: Sequence[SuiteBoard]) -> bool:
    """Whether any result has the metric that ranks."""
    return any(HEADLINE in group.metrics for board in suites for group in board.groups)


def escape(text: str) -> str:
    r"""Text that markdown shows as it stands, on one line and inside a table cell.

    Names, licences and error messages come from elsewhere; `a|b` must not open a column, nor
    `<img>` an image, nor an address a link. Underscores inside words mean nothing to markdown and
    stay readable.
    """
    return re.sub(_ACTS, r"\\\g<0>", plain(text))


def sheets_of(board: SuiteBoard, pictures: Sequence[Picture]) -> list[Picture]:
    """Contact sheets of a suite's models, in the order of their ranks."""
    by_model = {picture.model: picture for picture in pictures if picture.model}
    return [by_model[result.model] for result in board.ranked if result.model in by_model]


def sheets_title(board: SuiteBoard) -> str:
    """What is over the contact sheets of a suite's models."""
    return f"{'Frames' if board.footage else 'The same prompts'}, model by model"


def _image(picture: Picture) -> str:
    return f"![{escape(picture.alt)}]({quote(picture.path)})"


def draw(table: Table) -> Iterator[str]:
    """The blocks of a table: heading, what it comes to, lines above, the table, lines below."""
    yield f"### {escape(table.title)}"
    if table.answer:
        yield f"**{escape(table.answer)}**"
    yield from map(escape, table.above)
    lines = [
        [escape(header) for header in table.headers],
        ["---" if column.is_text else "---:" for column in table.columns],
    ]
    for texts, row in zip(table.texts, table.rows, strict=True):
        cells = zip(map(escape, texts), row, strict=True)
        lines.append([f"**{text}**" if cell.strong else text for text, cell in cells])
    yield "\n".join(f"| {' | '.join(line)} |" for line in lines)
    yield from map(escape, table.below)
