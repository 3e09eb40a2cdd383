"""The command line: `steadybench COMMAND ...`; keys and values alone are a run, as `limit=3`.

Here stand the commands alone, so that help costs no import; each is a module of `bench.commands`.
Exit codes: 0 done, 1 done with something to look at, 2 a mistake to mend, 130 interrupted.
"""

import sys
from importlib import import_module
from pathlib import Path

from bench import __version__
from bench.errors import INTERRUPTED, MISTAKE, BenchError, complain, nearest, prepare_output

COMMANDS = {
    "run": ("run", "make clips of a model on a suite, score them, publish the leaderboard"),
    "plan": ("plan", "what a run would make, download, need and take, before it begins"),
    "status": ("status", "how far runs have come, while they go on"),
    "models": ("models", "which models there are: size, licence, length"),
    "suites": ("suites", "which suites of prompts there are"),
    "metrics": ("metrics", "which metrics there are: unit, direction, what each one measures"),
    "publish": ("publish", "copy results into a leaderboard, and draw its page"),
    "check": ("check", "is everything in a leaderboard as it should be?"),
    "remake": ("remake", "make some clips of a published row again: are they what it says?"),
    "compare": ("compare", "which of two results is better, and where do they differ?"),
    "export": ("export", "every clip as a row, in CSV, and Parquet with its extra"),
    "prompts": ("prompts", "clips made elsewhere: which files a suite expects, and which lack"),
    "votes": ("votes", "which model people prefer, by votes cast in the page"),
    "variants": ("variants", "what speed cost, of clips that others made"),
    "fit": ("fit", "how large a model is, before anything is downloaded"),
    "power": ("power", "how many prompts and seeds tell what difference between two models"),
    "validate": ("health", "are the metrics themselves to be trusted?"),
}
"""What is typed, to the module of `bench.commands` that does it, and what it does in one line."""

_HELP = f"""\
steadybench measures video models: does it hold together, is it what was asked, what does it cost?

usage: steadybench COMMAND [ARGUMENTS]

{"".join(f"  {name:<10}{line}{chr(10)}" for name, (_, line) in COMMANDS.items())}
Examples:
  steadybench run                                          the toy model on the toy suite
  steadybench run model=wan2_1_1_3b suite=smoke            a real model, in minutes
  steadybench publish outputs/smoke/* --into board         its leaderboard

steadybench COMMAND --help says more of each; `python -m bench` is the same command.
"""


def main() -> int:
    """Run the command that is asked for, or show help; exit codes are those of the module."""
    prepare_output()
    # Where modules of the user's own may lie, as they may for `python -m bench`.
    sys.path.append(str(Path.cwd()))
    name = sys.argv[1] if len(sys.argv) > 1 else "help"
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_HELP)
        return 0
    if name == "--version":
        sys.stdout.write(_version())
        return 0
    if name in COMMANDS:
        del sys.argv[1:2]
    elif not name.isalpha():  # an override or a flag of Hydra
        name = "run"
    else:
        there = ", ".join(COMMANDS)
        complain(
            BenchError(f"there is no command {name!r}{nearest(name, COMMANDS)}; they are {there}")
        )
        return MISTAKE
    try:
        code: int = import_module(f"bench.commands.{COMMANDS[name][0]}").main()
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _version() -> str:
    from bench.measure.commit import own_commit
    from bench.storage import PACKAGE

    commit, dirty = own_commit(PACKAGE)
    changed = ", with changes" if dirty else ""
    return f"steadybench {__version__}" + (
        f" (commit {commit[:12]}{changed})\n" if commit else "\n"
    )
