"""Mistakes: each ends in one line that says what was expected, what was got and what to type."""

import difflib
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

MISTAKE, INTERRUPTED = 2, 130
"""Exit codes where there is something to mend, and after Ctrl-C."""

_MOST_LISTED = 30  # choices, that one line may name
_MOST_SHOWN = 4000  # characters of one line on the screen


class BenchError(Exception):
    """A mistake the user can mend.

    The message is one line that says what was expected, what was got, and what to type.
    The command line prints it and exits with code 2.
    """


class UnavailableError(BenchError):
    """What is asked for may well be sound, and this machine cannot do it: no hub, no GPU."""


class DeviceLost(BenchError):  # noqa: N818 - what ended is the process, not the work
    """The device can compute no more in this process; another one may go on."""


class Unscored(Exception):  # noqa: N818 - not a fault: the honest outcome of a metric without a value
    """Raised by a metric that has no value for this clip; the message is the reason.

    The score record keeps null and this reason. A metric never returns NaN.
    """


NO_PROMPT = "no prompt"
"""Why footage has no adherence: the one reason that is not for want of anything."""


def need_frames(count: int, least: int, kind: str = "frame") -> None:
    """Unscored where a clip has fewer frames than a metric needs."""
    if count < least:
        raise Unscored(f"{count} {kind}{'s' if count != 1 else ''}, needs at least {least}")


def need_side(size: Sequence[int], least_px: int, network: str = "") -> None:
    """Unscored where the shorter side of frames of this height and width has too few pixels."""
    if (short_px := min(size)) < least_px:
        needs = f"{network} needs".lstrip()
        raise Unscored(f"short side is {short_px} px, {needs} at least {least_px}")


class ClipError(Exception):
    """A clip that cannot be used; recorded against that clip, the others go on."""


class ClipRefused(ClipError):  # noqa: N818 - the file's fault, not this program's
    """A clip that is there and cannot be read; no failure of the model that made it.

    It counts as no score at all, and a row that is ranked stays partial until its file is mended.
    """


class ClipMissing(ClipError):  # noqa: N818 - nothing went wrong, it is only not there yet
    """A clip that somebody has yet to supply.

    No failure of the model: it leaves no record, and the row stays partial until it is there.
    """


def one_line(error: Exception) -> str:
    """Kind and message of an error that was not expected, folded into one line."""
    return f"{type(error).__name__}: {printable(str(error)) or 'no message'}"


def printable(text: str, most: int = 1000, *, lines: bool = False) -> str:
    """Text from outside, as it may stand in a record and on a terminal.

    On one line unless it may have `lines`; what controls a terminal or is no Unicode becomes
    U+FFFD; of what is longer than `most` characters the middle is left out.
    """
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    layout = "\n\t" if lines else ""
    words = text if lines else " ".join(text.split())
    return "".join(c if c.isprintable() or c in layout else "\ufffd" for c in words)


def first_of(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    hidden = len(names) - most
    return ", ".join(names[:most]) + (f" and {hidden} more" if hidden > 0 else "")


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the word closest to a mistyped one, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def prepare_output() -> None:
    """Set up for a command's output: Hydra's errors are raised, unknown characters replaced."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise what goes wrong here instead of printing it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe or console may know no arrows
            stream.reconfigure(errors="replace")


class Screen(logging.Handler):
    """Shows the message alone; a worker's parent does. Tracebacks stand in the run's bench.log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in one line."""
        from bench.progress import say_line  # rich takes a while, which help does without

        say_line(printable(record.getMessage(), _MOST_SHOWN))


def attempt(job: Callable[[], int]) -> int:
    """The exit code of a command's job, which is 2 where whatever it raises ended in one line."""
    prepare_output()
    try:
        return job()
    except BrokenPipeError:  # as of `| head`, which has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        complain(error)
        return MISTAKE


def complain(error: Exception) -> None:
    """Say on stderr, in one line, what was expected, what was got and what to type."""
    sys.stderr.write(f"steadybench: {printable(explain(error), _MOST_SHOWN)}\n")


def explain(error: Exception) -> str:
    """What was expected, what was got, what to type; Hydra's own errors leave some of it out."""
    if isinstance(error, BenchError):
        return str(error)
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from omegaconf import DictConfig
    from omegaconf.errors import (
        ConfigAttributeError,
        MissingMandatoryValue,
        OmegaConfBaseException,
    )
    from yaml import YAMLError

    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        if error.missing_cfg_file.endswith(".jsonl"):
            file = error.missing_cfg_file.partition("/")[2]
            return f"prompts of your own: type suite=custom suite.name=NAME suite.prompts={file}"
        group, _, name = error.missing_cfg_file.rpartition("/")
        there = f"there are {', '.join(error.options)}"
        if len(error.options) > _MOST_LISTED:
            there = f"`steadybench {group}s` lists them"
        own = "" if "--config-dir" in " ".join(sys.argv) else "; --config-dir DIR adds your own"
        if group == "hydra/launcher" and name.startswith(("ray", "submitit")):  # plugins, of extras
            extra = "ray" if name.startswith("ray") else "slurm"
            return f"{name} is not installed: type pip install 'steadybench[{extra}]'"
        return f"there is no {group}={name}{nearest(name, error.options)}; {there}{own}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        text = str(error)  # In 'model/mine': Could not load ...; path=file:///home/of/configuration
        folders = [Path(folder, group) for folder in re.findall("path=file://(.*)", text)]
        names = [path.stem for folder in folders for path in folder.glob("*.yaml")]
        reader = text.split("'")[1]
        return f"{reader}.yaml: there is no {group}/{name}.yaml, which its defaults name" + (
            nearest(name, names) or "; _self_ stands for the file itself"
        )
    if str(error).startswith("Ambiguous value for argument"):
        return (
            "several values were given for one key: add -m to a run for a job of each, or write a "
            "list, as stages=[generate,score]"
        )
    if isinstance(error, OverrideParseException) and "=" not in error.override:
        got = f"expected KEY=VALUE without blanks, got {error.override!r}"
        return f"{got}: type model=NAME, or suite=NAME"
    if isinstance(error, OverrideParseException):
        return f"cannot read the argument {error.override!r}: expected KEY=VALUE, {error}"
    if str(error).startswith("Could not override 'model.") and {"-m", "--multirun"} & {*sys.argv}:
        key = str(error).split("'")[1]  # composed with the default model first, which lacks it
        return f"with -m, a key that not every model has needs a prefix: type ++{key}=VALUE"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        keys = [str(key) for key in cause.parent_node]
        inside = [
            ".".join((str(key), str(cause.key)))
            for key, value in cause.parent_node.items_ex(resolve=False)
            if isinstance(value, DictConfig) and cause.key in value
        ]
        above = str(cause.full_key).removesuffix(str(cause.key))
        close = (
            f" (did you mean {above + inside[0]!r}?)" if inside else nearest(str(cause.key), keys)
        )
        is_own = "compute" in str(cause.full_key).split(".")  # where everybody may add theirs
        add = f"; to add one of your own, type +{cause.full_key}=VALUE" if is_own else ""
        return f"there is no {cause.full_key!r}{close}{add}; keys there are {', '.join(keys)}"
    if isinstance(error, MissingMandatoryValue):
        others = [str(key) for key in error.parent_node or () if key != error.key]
        mistyped = difflib.get_close_matches(str(error.key), others, n=1)
        meant = f"; there is {mistyped[0]!r} (did you mean {error.key!r}?)" if mistyped else ""
        value = "DIR, a folder of clips" if error.full_key == "model.path" else "VALUE"
        return f"a value is missing: add {error.full_key}={value}{meant}"
    expected = HydraException | OmegaConfBaseException | YAMLError
    if isinstance(error, expected) or type(error).__module__.startswith("hydra"):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; if it arose in a run, see its bench.log"
