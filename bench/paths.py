"""Where the package's own data lies: conf/ and prompts/, in a checkout and in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _data_root() -> Path:
    """The folder that holds conf/ and prompts/.

    A wheel carries both inside the package; a checkout (also when installed editable) has them
    at the top level, beside the package.
    """
    packaged = PACKAGE / "data"
    return packaged if (packaged / "conf").is_dir() else PACKAGE.parent


CONF = _data_root() / "conf"
PROMPTS = _data_root() / "prompts"
