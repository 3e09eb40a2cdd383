"""Run: Hydra composes the configuration, mistakes end in one line.

Exit codes: 0 done, 1 done but some clips failed, 2 a mistake to mend, nothing was lost,
130 interrupted, the same command goes on where it stopped.
"""

import logging
import signal
import sys
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from bench.commands import screen, uncollected
from bench.commands.composition import accept_command_line, jobs_of, parsed, show_help
from bench.commands.publish import to_itself
from bench.config import RunConfig, parse_run, plain
from bench.errors import (
    INTERRUPTED,
    MISTAKE,
    BenchError,
    Screen,
    complain,
    prepare_output,
    printable,
)
from bench.storage import CONF

if TYPE_CHECKING:  # they import torch, which takes seconds and which help does without
    from bench.run.job import Outcome

DONE, CLIPS_FAILED = 0, 1

_WIDTH_OF_A_FILE = 140  # where output is redirected, there is no terminal to ask

# How many failed clips are named on the screen; all of them stand on the leaderboard.
_SHOWN_FAILURES = 10


class ClipsFailed(BenchError):  # noqa: N818 - the job is done
    """What a job in another process says of clips that failed."""


class Elsewhere(Callback):
    """Tells this process that the jobs of a sweep run in others, which publish for themselves."""

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Note where their leaderboard will be."""
        if _session is not None:
            _session.elsewhere = Path(config.out) / "leaderboard"


class _Session:
    """What the jobs of this process came to."""

    def __init__(self) -> None:
        self.start_s = time.monotonic()
        self.outcomes: list[Outcome] = []
        self.mistakes = 0
        self.elsewhere: Path | None = None  # leaderboard of jobs in other processes
        self.unpublished: dict[Path, list[Path]] = {}  # leaderboard -> its new results

    @property
    def folders(self) -> list[Path]:
        return [outcome.folder.root for outcome in self.outcomes]


# Set by main(). In the worker processes of a parallel launcher it stays None: there a job
# publishes for itself, and raises so that the launcher sees its failure.
_session: _Session | None = None


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="bench")
def _main(config: DictConfig) -> None:
    # Launchers carry this function to other processes by its code, and what it calls by name: so it
    # finds the session of the process that it runs in.
    _job(config)


def _job(config: DictConfig) -> None:
    choice = str(HydraConfig.get().runtime.choices.get("model"))
    try:
        settings = parse_run(plain(config))
        _announce(choice, settings)
        with uncollected():
            from bench.run.job import run

        taken = [] if _session is None else _session.folders
        has_others = _session is not None and _is_sweep() and _jobs() > 1
        outcome = run(settings, choice, taken, has_others=has_others)
    except Exception as error:  # whatever breaks one job of a sweep, the others go on
        if _session is None:
            raise
        _session.mistakes += 1
        complain(error)
        return
    board = settings.out / "leaderboard"
    publishes = "publish" in settings.stages
    if _session is None:
        if publishes:
            from bench.leaderboard.publish import publish

            with to_itself(board):
                publish([outcome.folder.result], board, copy_clips=False)
        if outcome.failures:
            raise ClipsFailed(f"{len(outcome.failures)} clips failed: {outcome.failures[0]}")
    else:
        _session.outcomes.append(outcome)
        if publishes:
            _session.unpublished.setdefault(board, []).append(outcome.folder.result)


def _refuse_flags() -> None:
    """Say what to type instead of `--model wan`; Hydra would only print its own usage."""
    for flag in get_args_parser().parse_known_args(sys.argv[1:])[1]:  # and keys behind those
        key = flag.lstrip("-").partition("=")[0]
        if flag.startswith("-") and key.partition(".")[0] in RunConfig.model_fields:
            raise BenchError(f"there is no option {flag}: keys have no dashes, as {key}=VALUE")


def _guess_suite() -> None:
    """Take `suite=files` where a folder of videos is named and nothing that they answer to."""
    keys = {argument.lstrip("+~").partition("=")[0].partition(".")[0] for argument in sys.argv[1:]}
    answers = {"model.manifest", "model.names"} & {a.partition("=")[0] for a in sys.argv[1:]}
    if "model=folder" in sys.argv and not answers and not keys & {"suite", "experiment"}:
        sys.stderr.write(
            "model=folder and no suite: taken for suite=files, each video as it stands; if the "
            "videos answer prompts, add suite=NAME\n"
        )
        sys.argv.append("suite=files")


def _announce(choice: str, settings: RunConfig) -> None:
    """Say what is about to happen, before the seconds in which torch is imported."""
    line = f"{choice} on suite {settings.suite.name}"
    job = HydraConfig.get().job
    if _session is not None and _is_sweep():
        number, total = int(job.num), _jobs()
        line = f"model {number + 1} of {total}: {line}"
        if number:
            spent_s = time.monotonic() - _session.start_s
            left = timedelta(seconds=round(spent_s / number * (total - number)))
            line += f"; about {left} left for all, if they take as long"
    if "torch" not in sys.modules:
        line += ": loading torch ..."
    elif not line.startswith("model "):
        return
    sys.stderr.write(line + "\n")


def _is_sweep() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def _jobs() -> int:
    """How many jobs the sweep of the command line has; Hydra tells a job only its number."""
    return len(jobs_of(parsed(get_args_parser().parse_args(sys.argv[1:]).overrides)))


def main() -> int:
    """Run the jobs the command line asks for."""
    if show_help("bench"):
        return DONE
    global _session  # Hydra drops what a job returns; this is where it lands
    _session = _Session()
    logging.getLogger("bench").addHandler(shown := Screen(logging.WARNING))
    prepare_output()
    _guess_suite()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped job did not crash
    try:
        _refuse_flags()
        accept_command_line("bench")
        _main()
        for board, results in _session.unpublished.items():
            _publish(results, board)
        if _session.elsewhere is not None:
            _say_where(_session.elsewhere)
        elif not (_session.outcomes or _session.mistakes) and {"-m", "--multirun"} & {*sys.argv}:
            raise BenchError("expected at least one job, no model or suite matches what was given")
    except Exception as error:  # whatever Hydra and the file system may raise, in one line
        complain(error)
        return CLIPS_FAILED if isinstance(error, ClipsFailed) else MISTAKE
    except KeyboardInterrupt:
        sys.stderr.write("steadybench: interrupted; the same command goes on where it stopped\n")
        return INTERRUPTED
    finally:
        logging.getLogger("bench").removeHandler(shown)
    failed = sum(_report_failures(outcome) for outcome in _session.outcomes)
    if _session.mistakes:
        return MISTAKE
    return CLIPS_FAILED if failed else DONE


def _publish(results: list[Path], board: Path) -> None:
    """Write the leaderboard, and print the tables of the suites that were run."""
    from bench.leaderboard.publish import publish
    from bench.leaderboard.render.console import show

    with to_itself(board):  # jobs elsewhere may publish too
        written = publish(results, board, copy_clips=False)
    console = screen(_WIDTH_OF_A_FILE)
    renewed = [board for board in written.suites if board.suite in written.renewed]
    show(renewed, written.tables, console)
    _say_where(written.readme.parent)
    for suite in sorted({path.parent.parent for path in results}):
        runs = [path.parent for path in results if path.parent.parent == suite]
        previews = (runs[0] if len(runs) == 1 else suite / "MODEL") / "previews"
        console.print(f"clips: {previews}", markup=False, soft_wrap=True)


def _say_where(board: Path) -> None:
    from bench.leaderboard.publish import PAGE, README

    for name in (README, PAGE):
        sys.stdout.write(f"leaderboard: {board / name}\n")


def _report_failures(outcome: "Outcome") -> int:
    from bench.leaderboard.tables.table import plural
    from bench.progress import console, say_line

    if outcome.failures:
        count = plural(len(outcome.failures), "clip")
        console.print(f"{outcome.folder.root}: {count} with something to mend", style="red")
        clips: dict[str, list[str]] = {}  # by what is the matter with them
        for line in outcome.failures:
            clip, _, why = printable(line).partition(": ")
            clips.setdefault(why, []).append(clip)
        for why, alike in islice(clips.items(), _SHOWN_FAILURES):
            more = f" and {plural(len(alike) - 1, 'more clip')}" if len(alike) > 1 else ""
            say_line(f"  {alike[0]}{more}: {why}")
        if (hidden := len(clips) - _SHOWN_FAILURES) > 0:
            console.print(f"  and {hidden} more, in {outcome.folder.result}", highlight=False)
    return len(outcome.failures)
