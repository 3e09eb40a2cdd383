"""Which models are there, how large are they, and may they be used? From their YAMLs alone.

Examples:
  steadybench models                                    all of them
  steadybench models --fits 24 --commercial --task i2v  what a card of 24 GiB may earn money with
  steadybench models --json                             for programs
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from bench.commands import choices, files_of, parser, print_table
from bench.errors import attempt
from bench.schema import Task

_RUNS_BY = {
    "DiffusersGenerator": "diffusers",
    "CommandGenerator": "command",
    "VideoApiGenerator": "server",
    "FolderGenerator": "clips",
}

_STEPS = ("num_inference_steps", "pyramid_num_inference_steps_list")


@dataclass(frozen=True)
class Listed:
    """One model of the catalogue; None where nobody says."""

    name: str
    title: str
    runs_by: str  # diffusers, command, server, clips that others made, or a class of one's own
    task: Task | None  # t2v, i2v or ti2v; not said of what runs elsewhere
    parameters: str | None
    weights_gib: float | None  # of the whole pipeline, in its dtype
    licence: str | None
    commercial_use: bool | None
    sizes: Sequence[str]
    seconds: float | None  # of the longest clip
    steps: int | None
    published: str | None  # seconds for a clip, and who says so


def catalogue(config_dir: str | None = None) -> Iterator[Listed]:
    """Every model but those that render toys, and those that a name or folder completes."""
    for path, model in choices("model", config_dir):
        if not path.stem.startswith("toy_") and model.get("card", {}).get("title") is not None:
            yield _listed(path.stem, model)


def _listed(name: str, model: Mapping[str, Any]) -> Listed:
    card = model["card"]
    call = model.get("call") or model.get("fields") or {}
    steps = next((call[key] for key in _STEPS if call.get(key)), None)
    sizes = card.get("sizes") or [size for size in (card.get("resolution"),) if size]
    return Listed(
        name=name,
        title=card["title"],
        runs_by=_RUNS_BY.get(model["_target_"].rpartition(".")[2], "own"),
        task=model.get("task"),
        parameters=card.get("parameters"),
        weights_gib=card.get("weights_gib"),
        licence=card.get("licence"),
        commercial_use=card.get("commercial_use"),
        sizes=sizes,
        seconds=card.get("max_seconds"),
        steps=sum(steps) if isinstance(steps, list) else steps,
        published=card.get("published"),
    )


HEADINGS = (
    *("model", "task", "parameters", "GiB", "licence", "commercial use", "sizes", "seconds"),
    *("steps", "published"),
)


def cells(model: Listed) -> list[str]:
    """A row of text, under HEADINGS; `-` where nobody says."""
    allowed = {True: "yes", False: "no", None: None}[model.commercial_use]
    gib = model.weights_gib and f"{model.weights_gib:.1f}"
    sizes = ", ".join(model.sizes)
    values = (
        *(model.name, model.task or model.runs_by, model.parameters, gib, model.licence, allowed),
        *(sizes, model.seconds, model.steps, model.published),
    )
    return ["-" if value in (None, "") else str(value) for value in values]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    command = parser("models", __doc__)
    command.add_argument(
        "--fits", type=float, metavar="GIB", help="whose weights are known to take no more"
    )
    command.add_argument(
        "--commercial", action="store_true", help="whose licence is known to allow commercial use"
    )
    command.add_argument("--task", choices=get_args(Task), help="ti2v takes part in t2v and i2v")
    command.add_argument("--config-dir", metavar="DIR", help="folder of your own configuration")
    command.add_argument("--json", action="store_true", help="as a list of objects")
    options = command.parse_args(arguments)
    return attempt(lambda: _show(options))


def _show(options: argparse.Namespace) -> int:
    listed = list(catalogue(options.config_dir))
    models = [
        model
        for model in listed
        if (options.fits is None or (model.weights_gib or float("inf")) <= options.fits)
        and (not options.commercial or model.commercial_use)
        and (options.task is None or model.task in (options.task, "ti2v"))
    ]
    if options.json:
        sys.stdout.write(json.dumps([asdict(model) for model in models], indent=2) + "\n")
        return 0
    print_table(HEADINGS, map(cells, models), width=1000)  # piped, a name is to be copied whole
    names = [model.name for model in listed]
    others = [name for name in files_of("model", options.config_dir) if name not in names]
    sys.stdout.write(
        f"\nNot listed are toys, and what needs a path or keys of yours: {', '.join(others)}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
