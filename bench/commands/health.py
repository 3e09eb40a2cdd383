"""Are the metrics healthy? Score known faults, print and write what the metrics make of them.

python -m bench.health [path=DIR]

Exit code 0 if everything that must hold does, 1 if not, 2 on a mistake.
"""

import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.commands.overrides import run_command
from bench.config import build_backbones, build_metrics
from bench.errors import BenchError
from bench.measure.environment import resolve_device
from bench.progress import track
from bench.storage import write_json, write_text
from bench.validation.checks import Check, checks
from bench.validation.footage import packaged, pieces
from bench.validation.page import render
from bench.validation.scores import Value, measure
from bench.vision.backbones import Backbones

HEALTHY, UNHEALTHY = 0, 1

PACKAGED, TOY = "packaged", "toy"
"""`path=packaged`: the footage that installed packages carry; `path=toy`: drawn scenes."""

DRAWN = "The footage is drawn: scenes of the toy world, which are shown and not judged."


def examine(config: dict[str, Any]) -> list[Check]:
    """Measure all controls, write `health.md` and `health.json`.

    Args:
        config: `conf/health.yaml`, composed and resolved.

    Returns:
        What must hold, and whether it does; nothing where the footage is drawn.

    Raises:
        BenchError: if there is no footage to be had.
    """
    device = resolve_device(config["device"])
    paths = folders(config["path"])
    backbones = Backbones(build_backbones(config["metrics"]["backbones"]), device)
    footage = pieces(paths, backbones, config["size_px"])[: config["limit"]]
    workers = config["workers"]
    if not isinstance(workers, int) or workers < 1:
        raise BenchError(f"workers must be a number from 1, got {workers!r}")
    values: list[Value] = []
    scored = measure(footage, config["metrics"], device, workers=workers)
    for _ in track(footage, "health"):
        values += next(scored)
    found = checks(values) if paths else []
    metrics = build_metrics(config["metrics"]["compute"])
    files = sorted({piece.file for piece in footage})
    said = f"The footage: {len(footage)} pieces of {', '.join(files)}." if paths else DRAWN
    arguments = f" path={config['path']}" if config["path"] in (PACKAGED, TOY) else ""
    into = Path(config["into"])
    write_text(into / "health.md", render(values, metrics, found, arguments, said))
    write_json(into / "health.json", [value.as_json() for value in values])
    return found


def folders(path: str | list[str]) -> list[str]:
    """The folders that `path` names; none for the toy world."""
    if path == TOY:
        return []
    if path == PACKAGED:
        return packaged()
    return [path] if isinstance(path, str) else path


def main() -> int:
    """Run the command."""
    return run_command("health", str(__doc__), _report)


def _report(config: dict[str, Any]) -> int:
    found = examine(config)
    screen = Console()
    for check in found:
        mark = "[green]held[/green]" if check.held else "[red]MISSED[/red]"
        screen.print(f"{mark}  {check.what}: {check.found}", highlight=False)
    return HEALTHY if all(check.held for check in found) else UNHEALTHY


if __name__ == "__main__":
    sys.exit(main())
