"""Where conf/ and prompts/ lie, in a checkout and in a wheel; which names may become paths."""

import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _data_root() -> Path:
    """The folder that holds conf/ and prompts/.

    A wheel carries both inside the package; a checkout (also when installed editable) has them
    at the top level, beside the package.
    """
    packaged = PACKAGE / "data"
    return packaged if (packaged / "conf").is_dir() else PACKAGE.parent


# What prompt ids, suites and models may be called: their names become paths on every system.
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

CONF = _data_root() / "conf"
PROMPTS = _data_root() / "prompts"
