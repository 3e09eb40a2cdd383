"""Calibrate the headline: measure what real footage shows, and write the scales.

python -m bench.calibrate [path=DIR] [metrics=NAME] [into=FILE]
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from bench.commands.health import folders
from bench.commands.overrides import run_command
from bench.config import build_backbones
from bench.errors import BenchError, Unscored
from bench.measure.environment import resolve_device
from bench.metrics.calibration import CONDITIONS, ROLES, SCALED, SCHEMA, scales_of
from bench.metrics.coherence import Damage, headline, measure
from bench.metrics.consistency import stutter
from bench.progress import track
from bench.storage import write_json
from bench.validation.checks import moving_enough
from bench.validation.footage import Piece, pieces
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

LEAST_PIECES = 8

Seen = tuple[Piece, Damage, float]
"""A piece, what it shows, and its stutter."""


def calibrate(config: dict[str, Any]) -> int:
    """Measure the footage as `conf/calibrate.yaml` says, print how it scores, write the scales."""
    backbones = Backbones(
        build_backbones(config["metrics"]["backbones"]), resolve_device(config["device"])
    )
    paths = folders(config["path"])
    seen = []
    for piece in track(pieces(paths, backbones, config["size_px"]), "calibrate"):
        analysis = Analysis(piece.small, piece.prompt, backbones)
        try:
            damage = measure(analysis)
        except Unscored as reason:
            raise BenchError(f"{piece.name}: {reason}") from None
        if moving_enough(damage.speed):
            seen.append((piece, damage, stutter(analysis)))
    if len(seen) < LEAST_PIECES:
        raise BenchError(
            f"expected footage with at least {LEAST_PIECES} pieces in which something moves, "
            f"got {len(seen)}: add files to path=DIR"
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
    return 0


def _scales(seen: list[Seen]) -> dict[str, float]:
    return scales_of({name: [getattr(damage, name) for _, damage, _ in seen] for name in SCALED})


def _summary(seen: list[Seen], scales: dict[str, float]) -> dict[str, float]:
    scores = [headline(damage, held, scales) for _, damage, held in seen]
    return {"least": round(min(scores), 1), "median": round(float(np.median(scores)), 1)}


def main() -> int:
    """Run the command."""
    return run_command("calibrate", calibrate)


if __name__ == "__main__":
    sys.exit(main())
