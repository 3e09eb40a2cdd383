"""The legend of the page: clips of known faults that show what a coherence looks like."""

import base64
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.leaderboard.data.files import FILE_NAME, load
from bench.leaderboard.data.rows import HEADLINE
from bench.leaderboard.tables.table import number

LEGEND = Path(__file__).parent / "web" / "legend"
"""A result and its previews, made by `python -m tools.legend`."""

_FAULTS = {
    "flicker": "The light flickers",
    "pop": "Something pops up and is gone",
    "drift": "The picture turns into another",
}


class Example(NamedTuple):
    """A clip of the legend."""

    coherence: str  # as its result has it
    source: str  # the preview itself, as an address


@cache
def legend() -> Mapping[str, Sequence[Example]]:
    """Fault in words to its clips, the best first."""
    examples: defaultdict[str, list[Example]] = defaultdict(list)
    clips = load(LEGEND / FILE_NAME).clips
    for clip in sorted(clips, key=lambda clip: -(clip.scores[HEADLINE] or 0)):
        name = Path(clip.prompt).stem
        video = base64.b64encode((LEGEND / f"{name}.mp4").read_bytes()).decode()
        source = f"data:video/mp4;base64,{video}"
        examples[name.partition("-")[0]].append(Example(number(clip.scores[HEADLINE] or 0), source))
    return {words: examples[fault] for fault, words in _FAULTS.items()}
