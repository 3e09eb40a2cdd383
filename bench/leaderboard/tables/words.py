"""Short texts as tables say them."""

from collections.abc import Sequence

from bench.leaderboard.tables.table import NONE
from bench.schema import ClipResult

_JOINERS = "\u200c\u200d"


def reason(clip: ClipResult, metric: str) -> str:
    """Why a clip that was made has no value of a metric."""
    return clip.unscored.get(metric, "not scored yet")


def failure(clip: ClipResult) -> str:
    """How a clip failed."""
    return f"{clip.status}: {one_line(clip.error or 'no message')}"


def named(clips: Sequence[ClipResult]) -> str:
    """The first of some clips, and how many more there are."""
    more = f" and {plural(len(clips) - 1, 'more clip')}" if len(clips) > 1 else ""
    return f"prompt {clips[0].prompt!r:.80} seed {clips[0].seed}{more}"


def one_line(text: str, most: int = 200) -> str:
    """Text without line breaks, cut to so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def short(digest: str | None) -> str:
    """The beginning of a hash, enough to tell two apart."""
    return digest[:8] if digest else NONE


def visible(text: str) -> str:
    """Text on one line in which no character acts: those that would, show as [U+202E].

    Prompts and names come from elsewhere. A character that turns the reading direction around,
    or that a file format forbids, must be seen instead of obeyed. Joiners stay: some scripts
    cannot be written without.
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() or c in _JOINERS else f"[U+{ord(c):04X}]" for c in line)


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def plain(text: str) -> str:
    """Text on one line, with nothing in it that a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
