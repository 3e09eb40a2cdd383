"""Metrics: unit, direction, and what each measures; ↑ more is better, ↓ less is, else only shown.

Examples:
  steadybench metrics                          all of the offline set
  steadybench metrics metrics=[offline,i2v]    those of a choice of conf/metrics
  steadybench metrics --config-dir mine        with metrics of your own
"""

import sys
from collections.abc import Sequence

from bench.commands import parser, print_table
from bench.commands.composition import add_overrides, compose_config, read_overrides
from bench.config import build_metrics, plain
from bench.errors import attempt
from bench.metrics.base import Description, read_description


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("metrics", __doc__)
    add_overrides(command)
    options = read_overrides(command, arguments)
    return attempt(lambda: _list(plain(compose_config("bench", options))["metrics"]["compute"]))


def _list(configured: dict[str, str]) -> int:
    rows = []
    for name, path in configured.items():
        metric = describe(path)
        arrow = {"higher": " ↑", "lower": " ↓"}.get(str(metric.better), "")
        rows.append((name + arrow, metric.unit, metric.line))
    print_table(("metric", "unit", "measures"), rows)
    return 0


def describe(path: str) -> Description:
    """A metric by its import path: as its source says, since importing it takes torch, if it can.

    One whose source says it in another way than the package's own is imported.
    """
    if (described := read_description(path)) is not None:
        return described
    name = path.rpartition(".")[2]
    metric = build_metrics({name: path})[name]
    return Description(metric.unit, metric.better, metric.line)


if __name__ == "__main__":
    sys.exit(main())
