"""Plan: what a run would make, download, need and take; nothing is made, downloaded or written.

What cannot work is refused, as by the run itself.

Examples:
  steadybench plan model=wan2_1_1_3b suite=standard
  steadybench plan model=wan2_1_14b suite=smoke model.options.offload=model
  steadybench plan model=ltx_video_2b suite=standard hardware.price_per_gpu_hour=2.49
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from bench.commands import parser
from bench.commands.composition import add_overrides, compose_choice, read_overrides
from bench.config import parse_run, plain
from bench.errors import UnavailableError, attempt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 if the run could not work."""
    command = parser("plan", __doc__)
    add_overrides(command)
    command.add_argument("-m", "--multirun", action="store_true", help=argparse.SUPPRESS)
    options = read_overrides(command, arguments)
    if options.multirun:
        command.error("it plans one model at a time: leave out -m")
    return attempt(lambda: _plan(*compose_choice("bench", options)))


def _plan(composed: Any, choice: str) -> int:  # noqa: ANN401 - a configuration of Hydra
    config = parse_run(plain(composed))
    sys.stderr.write(f"{choice} on suite {config.suite.name}: loading torch ...\n")
    from bench.run.job import foretell, prepare
    from bench.run.plan import find_missing, pictures

    job = prepare(config, choice, images=False)
    missing = find_missing(job.plan)
    for line in pictures(job.prompts, config, job.plan.device):
        sys.stdout.write(line + "\n")
    unavailable = None
    if missing and "generate" in config.stages:
        try:
            job.plan.generator.check(job.prompts)
        except UnavailableError as error:  # without hub or GPU, the rest can be said nevertheless
            unavailable = error
    foretell(job, missing, print)
    if unavailable:
        raise unavailable
    return 0


if __name__ == "__main__":
    sys.exit(main())
