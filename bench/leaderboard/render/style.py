"""How figures are drawn: inks, style, and SVG that is the same bytes for the same figure."""

import io
import warnings
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.leaderboard.tables.words import one_line, visible

INK = "#757c86"  # 4.2:1 on white, 4.6:1 on GitHub's black
FAINT = "#757c8640"
COLOURS = (
    "#2f81f7", "#d9730d", "#2a9d5c", "#a463f2", "#e5484d", "#12929e", "#b08408", "#d6409f",
)  # fmt: skip
"""Of lines that are told apart by colour; each reads on white and on black."""

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name with $ signs is a name
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "svg.fonttype": "none",  # letters stay letters: small, searchable, in the reader's own font
    "svg.hashsalt": "steadybench",
}
_LABEL_CHARACTERS = 40


def styled(*, grid: bool = True) -> AbstractContextManager[None]:
    """Within it, figures are drawn in the house style, with a grid or without."""
    return mpl.rc_context(_STYLE | {"axes.grid": grid})


def named(label: str) -> str:
    """A model's name as it stands in a figure: on one line, and not too long."""
    return one_line(visible(label), _LABEL_CHARACTERS)


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG, without the time and the version that drew it."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that the font here lacks is in the reader's: only its width is a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator")))
    return file.getvalue()
