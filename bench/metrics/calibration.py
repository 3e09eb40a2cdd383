"""Calibration: what real footage shows, in whose units the headline counts damage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import schema
from bench.errors import BenchError, Unscored
from bench.storage import CONF, fingerprint, read_json
from bench.vision.analysis import STEP_S, WORKING_SIDE_PX, Analysis

SCHEMA = 1

SCALED = ("flicker", "identity", "smooth")
"""The kinds of damage that real footage shows too, a little."""

ROLES = ("lpips", "flow")
"""The backbones that the headline draws on."""

QUANTILE = 0.95
HEADROOM = {"flicker": 6.25, "identity": 3.125, "smooth": 4.25}
FLOOR = {"flicker": 0.02, "identity": 0.0, "smooth": 0.0}

CONDITIONS = {"working_side_px": WORKING_SIDE_PX, "step_s": STEP_S}


def scales_of(shown: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The scales a, b and c of the headline, from what untouched footage shows.

    Each is a multiple (6.25, 3.125, 4.25) of the 95% quantile over pieces of footage. The multiples
    weigh the kinds of damage against each other; they were chosen on controlled faults. Flicker
    has a floor: footage by daylight shows a tenth of what lamps and stages do, .02, and a clip
    must not pay for its lamps.

    Args:
        shown: each kind of `SCALED` to its values, one for each piece.
    """
    return {
        name: round(HEADROOM[name] * max(FLOOR[name], float(np.quantile(values, QUANTILE))), 4)
        for name, values in shown.items()
    }


class Calibration:
    """The scales of the headline, read from a file that `python -m bench.calibrate` wrote.

    It takes a place among the backbones, because it is what they are: evidence that a score rests
    on. Scores of different calibrations so never share a table.

    Args:
        path: the file; a relative path is looked for here, then in conf/calibration/. None if
            there is none.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.fingerprint = ""

    def load(self, device: torch.device) -> None:  # noqa: ARG002 - numbers need no device
        """Read the file.

        Raises:
            Unscored: if no file is named.
            BenchError: if it is not there, or no calibration.
        """
        if self.path is None:
            raise Unscored(
                "these backbones have no calibration yet: make one with python -m bench.calibrate "
                "metrics=NAME path=FOOTAGE into=FILE, then add "
                "metrics.backbones.calibration.path=FILE"
            )
        here = Path(self.path)
        file = here if here.exists() else CONF / "calibration" / self.path
        if not file.is_file():
            raise BenchError(f"calibration: expected a file, there is no {self.path}")
        self.content: dict[str, Any] = read_json(file)
        if self.content.get("schema") != SCHEMA or not self.content.get("scales"):
            raise BenchError(f"{file}: expected a calibration of schema {SCHEMA}")
        self.scales = {name: float(self.content["scales"][name]) for name in SCALED}
        self.fingerprint = fingerprint(self.content)

    @property
    def described(self) -> schema.Calibration:
        """What a result says of it."""
        return schema.Calibration(
            sha256=self.fingerprint,
            file=str(self.path),
            scales=self.scales,
            footage=tuple(sorted({piece["file"] for piece in self.content["footage"]})),
        )

    def check(self, analysis: Analysis) -> None:
        """Whether the calibration was made with what computes this clip's scores.

        Raises:
            Unscored: if it was not; scales of other backbones mean nothing here.
        """
        for role in ROLES:
            if self.content["backbones"][role] != analysis.backbone(role).fingerprint:
                raise Unscored(
                    f"the calibration {self.path} was made with another {role}: make one with "
                    "python -m bench.calibrate metrics=NAME path=FOOTAGE into=FILE"
                )
        if self.content["conditions"] != CONDITIONS:
            raise Unscored(f"the calibration {self.path} was made under other {CONDITIONS}")
