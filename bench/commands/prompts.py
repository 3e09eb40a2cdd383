"""Which files a suite expects of clips made elsewhere: a list to work through, and what is missing.

python -m bench.prompts export suite=toy --format csv > clips/manifest.csv
python -m bench.prompts check clips suite=toy
"""

import argparse
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from bench.errors import MISTAKE, BenchError, ClipError, ClipMissing, complain, nearest
from bench.generators.external.folder import FolderGenerator, Names, stem
from bench.generators.external.manifest import NEEDED, OPTIONAL
from bench.prompts import Item, Prompt, load_suite
from bench.storage import CONF, write_text

COMPLETE, INCOMPLETE = 0, 1

_LONGEST_NAME_BYTES = 255  # what common file systems hold


def export(
    items: Sequence[Item], names: Names = "id", kind: str = "csv", aspect: str | None = None
) -> str:
    """The list of clips a suite expects, one line each; filled in, it is a manifest.

    Args:
        items: the draws.
        names: how files are to be called.
        kind: `csv` or `jsonl`.
        aspect: width to height that the suite asks for, as 9:16.

    Raises:
        BenchError: if a name could be no file's, or two draws would share one.
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
    sheet = io.StringIO()
    columns = [name for name in NEEDED + OPTIONAL if any(name in row for row in rows)]
    writer = csv.DictWriter(sheet, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


def check(items: Sequence[Item], folder: FolderGenerator) -> tuple[list[str], list[str]]:
    """What is still missing in a folder of clips, and which of its videos answer no draw.

    Returns:
        One line for each missing or doubtful clip, and one for each video left over.
    """
    missing: list[str] = []
    used: set[Path] = set()
    for prompt, seed in items:
        try:
            used.add(folder.find(prompt, seed))
        except ClipMissing as error:
            missing.append(f"missing: {prompt.id}, seed {seed}: {error}")
        except ClipError as error:
            missing.append(f"unclear: {prompt.id}, seed {seed}: {error}")
    wanted = [stem(prompt, seed, folder.names) for prompt, seed in items]
    return missing, [
        f"left over: {path.name} answers no prompt and seed{nearest(path.stem, wanted)}"
        for path in folder.videos()
        if path not in used
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: of the command line; those of the process by default.

    Returns:
        Exit code: 0, 1 if clips are missing, 2 after a mistake that the user can mend.
    """
    parser = _parser()
    given, more = parser.parse_known_args(arguments)  # options may stand between the overrides
    if unknown := [argument for argument in more if argument.startswith("-")]:
        parser.error(f"there is no {unknown[0]}")
    try:
        suite, out = _suite([*given.overrides, *more], given.config_dir)
        items = _items(suite, out)
        if given.command == "export":
            text = export(items, given.names, given.format, suite.get("aspect"))
            if given.into is None:
                sys.stdout.write(text)
            else:
                write_text(Path(given.into), text)
            return COMPLETE
        folder = FolderGenerator(given.folder, names=given.names, manifest=given.manifest)
        missing, left_over = check(items, folder)
    except BenchError as error:
        complain(error)
        return MISTAKE
    sys.stdout.writelines(f"{line}\n" for line in (*missing, *left_over))
    found = len(items) - len(missing)
    sys.stdout.write(f"{found} of {len(items)} clips are there\n")
    return INCOMPLETE if missing else COMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.prompts",
        description="Clips made elsewhere: list the files a suite expects, and what is missing.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    export_ = commands.add_parser("export", help="list the files to save clips under")
    check_ = commands.add_parser("check", help="say which files are still missing")
    check_.add_argument("folder", metavar="DIR", help="folder of the clips")
    check_.add_argument("--manifest", metavar="FILE", help="which file is which draw")
    export_.add_argument("--format", choices=("csv", "jsonl"), default="csv")
    export_.add_argument("--into", metavar="FILE", help="write there instead of to the screen")
    for command in (export_, check_):
        command.add_argument("--names", choices=get_args(Names), default="id")
        command.add_argument("--config-dir", metavar="DIR", help="folder of your own suites")
        command.add_argument(
            "overrides", nargs="*", metavar="suite=NAME", help="as for python -m bench"
        )
    return parser


def _asked(prompt: Prompt, aspect: str | None) -> dict[str, str | float]:
    """What its clip must be, as far as the suite says."""
    files = {"image": prompt.image, "driving_video": prompt.driving_video}
    asked = {
        "text": prompt.text,
        "seconds": prompt.seconds,
        "aspect": aspect,
        "image_prompt": prompt.image_prompt,
        **{key: None if path is None else str(path) for key, path in files.items()},
    }
    return {key: value for key, value in asked.items() if value is not None}


def _items(suite: Mapping[str, Any], out: Path) -> list[Item]:
    if suite.get("prompts") is None:
        raise BenchError(
            f"suite {suite.get('name')} has no prompts, so it expects no files: "
            "choose another with suite=NAME"
        )
    prompts, _ = load_suite(suite["prompts"], suite.get("files"))
    if suite.get("images") is not None:
        prompts = _with_images(prompts, suite, out)
    return [Item(prompt, seed) for prompt in prompts for seed in suite["seeds"]]


def _with_images(prompts: list[Prompt], suite: Mapping[str, Any], out: Path) -> list[Prompt]:
    """The prompts, each with its picture where a run has made it already."""
    # A suite without pictures is listed without what could make some: that takes seconds to import.
    from bench.config import build_generator, deciding
    from bench.run.sizes import with_aspect
    from bench.run.start_images import missing_images

    settings = with_aspect(suite["images"], suite.get("aspect"), "suite.images")
    maker = build_generator(settings, "suite.images")
    given, _ = missing_images(prompts, maker, deciding(settings, maker), out / "images")
    made = {prompt.id: prompt for prompt in given if prompt.image and prompt.image.is_file()}
    return [made.get(prompt.id, prompt) for prompt in prompts]


def _suite(overrides: Sequence[str], config_dir: str | None) -> tuple[Mapping[str, Any], Path]:
    """The suite that a run with these overrides would use, and the folder of its output."""
    search = (
        [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).resolve()}]"]
    )
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("bench", [*overrides, *search])
        suite = OmegaConf.to_container(config.suite, resolve=True, throw_on_missing=True)
    except MissingConfigException as error:
        name, known = str(error.missing_cfg_file).rpartition("/")[2], error.options or []
        close = nearest(name, known)
        raise BenchError(f"there is no {name!r}{close}; there are {', '.join(known)}") from None
    except (HydraException, OmegaConfBaseException) as error:
        raise BenchError(f"expected a suite, as suite=toy, but {error}") from None
    assert isinstance(suite, dict)
    return {str(key): value for key, value in suite.items()}, Path(config.out)


def _name(item: Item, names: Names) -> str:
    name = stem(item.prompt, item.seed, names)
    if "/" in name or "\0" in name or len(f"{name}.mp4".encode()) > _LONGEST_NAME_BYTES:
        raise BenchError(
            f"the text of prompt {item.prompt.id!r} can be no file's name: take --names id"
        )
    return name
