"""What did speed cost, of clips that somebody else made? A manifest names models and bases.

The manifest, CSV, lies beside the clips; its columns: file, prompt, seed, model, base, text. The
base is empty for a model that is no variant. wait_s and price_usd may follow.

Examples:
  steadybench variants CLIPS/manifest.csv                            score them, and show the tables
  steadybench variants CLIPS/manifest.csv --into outputs/variants    where runs and tables go
  steadybench variants CLIPS/manifest.csv metrics=full text=none     with other networks
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.commands import parser
from bench.commands.composition import add_overrides, compose_config, read_overrides
from bench.config import check_name, parse_run, plain
from bench.errors import BenchError, attempt
from bench.generators.folder import NEEDED, OPTIONAL
from bench.leaderboard.render.console import show_or_draw
from bench.leaderboard.tables.variants import variant_tables
from bench.storage import write_text
from bench.textfiles import csv_text, read_csv

COLUMNS = (*NEEDED, "model", "base", "text")

Row = Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    command = parser("variants", __doc__)
    command.add_argument("manifest", type=Path, help="a CSV file, a clip a line")
    command.add_argument("--into", type=Path, default=Path("outputs/variants"), metavar="DIR")
    add_overrides(command)
    options = read_overrides(command, arguments)
    return attempt(lambda: _variants(options))


def _variants(options: argparse.Namespace) -> int:
    from bench.leaderboard.publish import publish  # these draw, and load networks: not for help
    from bench.run.job import run

    models, bases, texts = read_variants(options.manifest)
    into: Path = options.into
    prompts = [json.dumps({"id": name, "text": text}) for name, text in texts.items()]
    write_text(into / "prompts.jsonl", "\n".join(prompts) + "\n")
    seeds = sorted({int(row["seed"]) for rows in models.values() for row in rows})
    overrides, results = list(options.overrides), []
    for model in sorted(models, key=lambda model: bool(bases[model])):  # bases first
        manifest = into / f"{model}.csv"
        columns = [name for name in (*NEEDED, *OPTIONAL) if name in models[model][0]]
        write_text(manifest, csv_text(columns, models[model]))
        options.overrides = [
            *("model=folder", f"model.path={options.manifest.parent.absolute()}"),
            *(f"model.manifest={manifest.absolute()}", f"++model.name={model}"),
            f"model.card.base={bases[model] or 'null'}",
            *(f"suite.prompts={(into / 'prompts.jsonl').absolute()}", "suite.name=variants"),
            *(f"suite.seeds={seeds}", f"out={into.absolute()}", "metrics=[offline,base]"),
            *overrides,
        ]
        outcome = run(parse_run(plain(compose_config("bench", options))), model)
        results.append(outcome.folder.result)
    written = publish(results, into / "leaderboard", copy_clips=False)
    screen = Console(highlight=False, soft_wrap=True)
    for board in written.suites:
        show_or_draw(variant_tables(board), board.suite, screen)
    screen.print()
    screen.print(Text(f"Written: {written.readme.with_name('index.html')}"))
    return 0


def read_variants(path: Path) -> tuple[dict[str, list[Row]], dict[str, str], dict[str, str]]:
    """Model to its clips and to its base (empty for none), and prompt id to text."""
    models: defaultdict[str, list[Row]] = defaultdict(list)
    bases: dict[str, str] = {}
    texts: dict[str, str] = {}
    for where, row in read_csv(path, COLUMNS)[1]:
        model, base, prompt = check_name(row["model"]), row["base"], check_name(row["prompt"])
        if not row["seed"].isdecimal():
            raise BenchError(f"{where}: expected a whole number as seed, got {row['seed']!r}")
        for known, key, value in ((bases, model, base), (texts, prompt, row["text"])):
            if (before := known.setdefault(key, value)) != value:
                raise BenchError(f"{where}: expected {before!r} of {key} again, got {value!r}")
        models[model].append(row)
    for model, base in bases.items():
        if base and base not in models:
            raise BenchError(f"{path}: expected clips of {base!r}, the base of {model}, got none")
    if not any(bases.values()):
        raise BenchError(f"{path}: expected a base of at least one model, got none")
    return models, bases, texts


if __name__ == "__main__":
    sys.exit(main())
