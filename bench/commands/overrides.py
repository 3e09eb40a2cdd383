"""What commands with Hydra's overrides share: KEY=VALUE and --config-dir, read and composed."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from bench.config import plain
from bench.errors import attempt
from bench.storage import CONF


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Have a command take what `python -m bench` takes."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for python -m bench")
    parser.add_argument("--config-dir", metavar="DIR", help="folder of your own configuration")


def read(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line (None: of the process), where options may stand between overrides."""
    options, more = parser.parse_known_args(arguments)
    if unknown := [argument for argument in more if argument.startswith("-")]:
        parser.error(f"there is no {unknown[0]}")
    options.overrides += more
    return options


def compose_config(name: str, options: argparse.Namespace) -> DictConfig:
    """`conf/<name>.yaml` with the overrides of a command line."""
    overrides = list(options.overrides)
    if options.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(options.config_dir).resolve()}]")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides)


def run_command(name: str, job: Callable[[dict[str, Any]], int]) -> int:
    """A command whose whole command line is Hydra's, of `conf/<name>.yaml`; its exit code."""
    configs: list[dict[str, Any]] = []  # none where Hydra only shows something, as with --cfg job

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)
    def compose_config(config: DictConfig) -> None:
        configs.append(plain(config))

    def run() -> int:
        compose_config()
        return max(map(job, configs), default=0)

    return attempt(run)
