"""The errors that end a run with one line instead of a traceback."""

import difflib
from collections.abc import Iterable


class BenchError(Exception):
    """A mistake the user can mend.

    The message is one line that says what was expected, what came, and what to type.
    The command line prints it and exits with code 2.
    """


class Unscored(Exception):  # noqa: N818 - not a fault: the honest outcome of a metric without a value
    """Raised by a metric that has no value for this clip; the message is the reason.

    The score record keeps null and this reason. A metric never returns NaN.
    """


class ClipError(Exception):
    """A clip that cannot be used; recorded against that clip, the others go on."""


class ClipMissing(ClipError):  # noqa: N818 - nothing went wrong, it is only not there yet
    """A clip that somebody has yet to supply.

    No failure of the model: it leaves no record, and the row stays partial until it is there.
    """


def one_line(error: Exception) -> str:
    """Kind and message of an error that was not expected, folded into one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?` for the known word closest to a mistyped one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""
