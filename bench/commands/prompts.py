"""Which files a suite expects of clips made elsewhere: a list to work through, and what is missing.

Examples:
  steadybench prompts export suite=standard --format csv > clips/manifest.csv
  steadybench prompts export suite=standard --names vbench
  steadybench prompts check clips suite=standard
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from bench.commands import parser
from bench.commands.composition import add_overrides, compose_config, read_overrides
from bench.config import RunConfig, parse_run, plain
from bench.errors import BenchError, ClipError, ClipMissing, attempt, nearest
from bench.generators.folder import NEEDED, OPTIONAL, FolderGenerator, Names, stem
from bench.prompts import Item, Prompt, load_suite
from bench.run.conditioning import StartImages, without_image
from bench.storage import write_text
from bench.textfiles import csv_text

COMPLETE, INCOMPLETE = 0, 1

_LONGEST_NAME_BYTES = 255  # what common file systems hold


def export(
    items: Sequence[Item], names: Names = "id", kind: str = "csv", aspect: str | None = None
) -> str:
    """The list of clips a suite expects, a line for each draw; filled in, it is a manifest.

    `names` says how files are to be called, `kind` is csv or jsonl, `aspect` width to height that
    the suite asks for, as 9:16.
    """
    rows = [
        {
            "file": f"{_name(item, names)}.mp4",
            "prompt": item.prompt.id,
            "seed": item.seed,
            "wait_s": None,
            "price_usd": None,
        }
        | _asked(item.prompt, aspect)
        for item in items
    ]
    for file, count in Counter(row["file"] for row in rows).items():
        if count > 1:
            raise BenchError(f"two draws would share the file {file!r}: take --names id")
    if kind == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    columns = [name for name in NEEDED + OPTIONAL if any(name in row for row in rows)]
    return csv_text(columns, rows)


def check(items: Sequence[Item], folder: FolderGenerator) -> tuple[list[str], list[str]]:
    """A line for each missing or doubtful clip of a folder, and for each video left over."""
    missing: list[str] = []
    used: set[Path] = set()
    for item in items:
        try:
            used.add(folder.find(*item))
        except ClipError as error:
            kind = "missing" if isinstance(error, ClipMissing) else "unclear"
            missing.append(f"{kind}: {item.sample}: {error}")
    stems = [stem(prompt, seed, folder.names) for prompt, seed in items]
    return missing, [
        f"left over: {path.name} answers no prompt and seed{nearest(path.stem, stems)}"
        for path in folder.videos()
        if path not in used
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 1 if clips are missing."""
    options = read_overrides(_parser(), arguments)
    return attempt(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    config = parse_run(plain(compose_config("bench", options)))
    items = _items(config)
    if options.command == "export":
        text = export(items, options.names, options.format, config.suite.aspect)
        if options.into is None:
            sys.stdout.write(text)
        else:
            write_text(Path(options.into), text)
        return COMPLETE
    folder = FolderGenerator(options.folder, names=options.names, manifest=options.manifest)
    missing, left_over = check(items, folder)
    sys.stdout.writelines(f"{line}\n" for line in (*missing, *left_over))
    sys.stdout.write(f"{len(items) - len(missing)} of {len(items)} clips are there\n")
    return INCOMPLETE if missing else COMPLETE


def _parser() -> argparse.ArgumentParser:
    command = parser("prompts", __doc__)
    commands = command.add_subparsers(dest="command", required=True)
    export_ = commands.add_parser("export", help="list the files to save clips under")
    check_ = commands.add_parser("check", help="say which files are still missing")
    check_.add_argument("folder", metavar="DIR", help="folder of the clips")
    check_.add_argument("--manifest", metavar="FILE", help="which file is which draw")
    export_.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export_.add_argument("--into", metavar="FILE", help="write there instead of to the screen")
    for each in (export_, check_):
        each.add_argument("--names", choices=get_args(Names), default="id")
        add_overrides(each)
    return command


def _asked(prompt: Prompt, aspect: str | None) -> dict[str, str | float]:
    """What its clip must be, as far as the suite says."""
    wishes = {
        "text": prompt.text,
        "seconds": prompt.seconds,
        "aspect": aspect,
        "image_prompt": prompt.image_prompt,
        "image": prompt.image,
        "driving_video": prompt.driving_video,
    }
    return {
        key: str(value) if isinstance(value, Path) else value
        for key, value in wishes.items()
        if value is not None
    }


def _items(config: RunConfig) -> list[Item]:
    """The draws of a suite, each with its picture where a run has made it already."""
    suite = config.suite
    if suite.prompts is None:
        raise BenchError(
            f"suite {suite.name} has no prompts, so it expects no files: "
            "choose another with suite=NAME"
        )
    prompts, _ = load_suite(suite.prompts, suite.files)
    if (images := StartImages.of(suite, config.out)) is not None:
        prompts = images.given_to(prompts)
        missing = without_image(prompts)
        prompts = [replace(p, image=None) if p in missing else p for p in prompts]
    return [Item(prompt, seed) for prompt in prompts for seed in suite.seeds]


def _name(item: Item, names: Names) -> str:
    name = stem(item.prompt, item.seed, names)
    if "/" in name or "\0" in name or len(f"{name}.mp4".encode()) > _LONGEST_NAME_BYTES:
        raise BenchError(
            f"the text of prompt {item.prompt.id!r} can be no file's name: take --names id"
        )
    return name
