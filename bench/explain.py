"""What every command does about mistakes: one line on stderr, and an exit code."""

import io
import os
import sys
from collections.abc import Callable

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

from bench.errors import BenchError, nearest

MISTAKE = 2
"""Exit code where there is something to mend."""


def prepare_output() -> None:
    """Set up for a command's output: Hydra's errors are raised, unknown characters replaced."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise what goes wrong here instead of printing it
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe or console may know no arrows
            stream.reconfigure(errors="replace")


def attempt(job: Callable[[], None]) -> bool:
    """Run a Hydra job; whatever it may raise ends in one line.

    Returns:
        Whether it came through.
    """
    prepare_output()
    try:
        job()
    except Exception as error:
        complain(error)
        return False
    return True


def complain(error: Exception) -> None:
    """Say on stderr, in one line, what was expected, what came and what to type."""
    sys.stderr.write(f"steadybench: {' '.join(explain(error).split())}\n")


def explain(error: Exception) -> str:
    """What was expected, what came, what to type; Hydra's own errors leave some of it out."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        close = nearest(name, error.options)
        return f"there is no {group}={name}{close}; there are {', '.join(error.options)}"
    if str(error).startswith("Ambiguous value for argument"):
        return "several values were given for one key: add -m to run one job for each"
    if isinstance(error, OverrideParseException):
        return f"cannot read the argument {error.override!r}: expected KEY=VALUE, {error}"
    if str(error).startswith("Could not override 'model.") and {"-m", "--multirun"} & {*sys.argv}:
        key = str(error).split("'")[1]  # composed with the default model first, which lacks it
        return f"with -m, a key that not every model has needs a prefix: type ++{key}=VALUE"
    cause = error.__cause__
    if isinstance(cause, ConfigAttributeError) and isinstance(cause.parent_node, DictConfig):
        keys = [str(key) for key in cause.parent_node]
        close = nearest(str(cause.key), keys)
        return f"there is no {cause.full_key!r}{close}; keys there are {', '.join(keys)}"
    if isinstance(error, MissingMandatoryValue):
        return f"a value is missing: add {error.full_key}=VALUE"
    known = BenchError | HydraException | OmegaConfBaseException | YAMLError
    if isinstance(error, known) or type(error).__module__.startswith("hydra"):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; if it arose in a run, see its bench.log"
