"""The shipped configuration, as the overrides of a command line make it."""

from typing import Any

from hydra import compose, initialize_config_dir

from bench.config import plain
from bench.storage import CONF


def config(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("bench", list(overrides)))
