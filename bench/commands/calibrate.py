"""Calibrate the headline: measure what real footage shows, and write the scales.

python -m bench.calibrate [path=DIR] [metrics=NAME] [into=FILE]
"""

import sys
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from omegaconf import DictConfig
from rich.console import Console

from bench.commands.health import folders
from bench.config import build_backbones, plain
from bench.errors import MISTAKE, BenchError, Unscored, attempt
from bench.measure.environment import resolve_device
from bench.metrics.calibration import CONDITIONS, ROLES, SCALED, SCHEMA, scales_of
from bench.metrics.coherence import Damage, headline, measure
from bench.metrics.consistency import stutter
from bench.progress import track
from bench.storage import CONF, write_json
from bench.validation.checks import moving_enough
from bench.validation.footage import Piece, pieces
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

LEAST_PIECES = 8

Seen = tuple[Piece, Damage, float]
"""A piece, what it shows, and its stutter."""


_given: list[dict[str, Any]] = []  # Hydra prints about what a job raises; see bench.commands.health


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="calibrate")
def _compose(config: DictConfig) -> None:
    _given.append(plain(config))


def calibrate(config: dict[str, Any]) -> dict[str, Any]:
    """Measure the footage, print how it scores, write the calibration.

    Args:
        config: `conf/calibrate.yaml`, composed and resolved.

    Returns:
        The calibration as written.

    Raises:
        BenchError: if the footage has fewer than 8 usable pieces.
    """
    backbones = Backbones(
        build_backbones(config["metrics"]["backbones"]), resolve_device(config["device"])
    )
    paths = folders(config["path"])
    seen = []
    for piece in track(pieces(paths, backbones, config["size_px"]), "calibrate"):
        analysis = Analysis(piece.small, piece.prompt, backbones)
        try:
            found = measure(analysis)
        except Unscored as reason:
            raise BenchError(f"{piece.name}: {reason}") from None
        if moving_enough(found.speed):
            seen.append((piece, found, stutter(analysis)))
    if len(seen) < LEAST_PIECES:
        raise BenchError(
            f"expected footage with at least {LEAST_PIECES} pieces in which something moves, "
            f"came {len(seen)}: add files to path=DIR"
        )
    scales = _scales(seen)
    files = sorted({piece.file for piece, _, _ in seen})
    calibration: dict[str, Any] = {
        "schema": SCHEMA,
        "scales": scales,
        "backbones": {role: backbones.get(role).fingerprint for role in ROLES},
        "conditions": CONDITIONS,
        "size_px": config["size_px"],
        "footage": [
            {"file": piece.file, "piece": piece.name, "sha256": piece.small.sha256}
            for piece, _, _ in seen
        ],
        "scores": _summary(seen, scales),
        # How each file would have scored, had it not been there: the honest figure.
        "left_out": {
            file: _summary(
                [each for each in seen if each[0].file == file],
                _scales([each for each in seen if each[0].file != file]),
            )
            for file in files
            if len(files) > 1
        },
    }
    into = Path(config["into"])
    write_json(into, calibration)
    screen = Console()
    screen.print(f"scales: {calibration['scales']}", highlight=False)
    screen.print(f"coherence of {len(seen)} pieces: {calibration['scores']}", highlight=False)
    for file, summary in calibration["left_out"].items():
        screen.print(f"  {file}, calibrated without it: {summary}", highlight=False, markup=False)
    screen.print(f"calibration: {into}", highlight=False, markup=False, soft_wrap=True)
    return calibration


def _scales(seen: list[Seen]) -> dict[str, float]:
    return scales_of({name: [getattr(found, name) for _, found, _ in seen] for name in SCALED})


def _summary(seen: list[Seen], scales: dict[str, float]) -> dict[str, float]:
    scores = [headline(found, held, scales) for _, found, held in seen]
    return {"least": round(min(scores), 1), "median": round(float(np.median(scores)), 1)}


def main() -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 2 on a mistake.
    """

    def job() -> None:
        _compose()
        while _given:
            calibrate(_given.pop(0))

    return 0 if attempt(job) else MISTAKE


if __name__ == "__main__":
    sys.exit(main())
