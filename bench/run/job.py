"""One job: one model on one suite, through the stages that were asked for."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bench import config as configuration
from bench.errors import BenchError
from bench.generators.base import Generator
from bench.measure.environment import environment, resolve_device
from bench.prompts import Item, Prompt, load_suite
from bench.run.assemble import assemble
from bench.run.batches import check_seeds
from bench.run.generation import Plan, find_missing, generate
from bench.run.lengths import with_length
from bench.run.revisions import unmixed
from bench.run.scoring import score
from bench.run.sizes import with_aspect
from bench.run.start_images import make_images, missing_images, suite_sha256
from bench.storage import RunFolder, read_json, write_json
from bench.vision.backbones import Backbones

SCHEMA = 1


@dataclass(frozen=True)
class Outcome:
    """What a job came to.

    Attributes:
        folder: the run's folder, with its result.json.
        failures: one line for each clip that could not be made, found, read or scored.
    """

    folder: RunFolder
    failures: list[str]


def run(config: dict[str, Any], model_choice: str, taken: Collection[Path] = ()) -> Outcome:
    """Run the job that a resolved configuration describes.

    Args:
        config: `conf/bench.yaml`, composed and resolved.
        model_choice: the name of the model's YAML; the row's name unless `model.name` says one.
        taken: folders that other jobs of this command have filled.

    Raises:
        BenchError: on a mistake in the configuration, before anything is written.
    """
    configuration.check_settings(config)
    stages = config["stages"]
    device = resolve_device(config["device"])
    suite = config["suite"]
    model = with_aspect(config["model"], suite.get("aspect"), model_choice)
    model = with_length(model, suite.get("follow_seconds", False), model_choice)
    generator = configuration.build_generator(model)
    generator.device = device
    name = configuration.check_name(model.get("name") or _row_name(model_choice, generator))
    check_seeds(suite["seeds"], generator.batch_size)
    metrics = configuration.build_metrics(config["metrics"]["compute"])
    configured = configuration.build_backbones(config["metrics"]["backbones"])
    backbones = Backbones(configured, device)

    configuration.check_network(suite, configured)
    sha256: str | None = None
    if suite["prompts"] is None:
        prompts = generator.own_prompts()
    else:
        prompts, sha256 = load_suite(suite["prompts"], suite.get("files"))
        prompts = _with_images(prompts, config, device)
        sha256 = suite_sha256(sha256, prompts)
    items = [Item(prompt, seed) for prompt in prompts for seed in suite["seeds"]]
    chosen = items if config["limit"] is None else _first(config["limit"], prompts, items)

    folder = RunFolder(Path(config["out"]) / suite["name"] / name)
    if folder.root in taken:
        raise BenchError(
            f"two jobs of this command are called {name}: tell them apart with ++model.name=NAME"
        )
    functional = configuration.deciding(model, generator)
    expected = {"prompts": [prompt.id for prompt in prompts], "seeds": suite["seeds"]}
    plan = Plan(
        label=name,
        model=functional,
        items=items,
        warmup=config["warmup"],
        max_tries=config["max_tries"],
        overwrite=config["overwrite"] and "generate" in stages,
        retry_failed=config["retry_failed"],
    )
    known = read_json(folder.run) if folder.run.exists() else None
    if known is not None and not plan.overwrite:
        _refuse_to_shrink(known["expected"], expected, folder)
    missing = find_missing(generator, plan, folder)
    absent: list[str] = []
    if "generate" in stages:
        if missing:
            generator.check(prompts)
            missing = unmixed(missing, plan, generator.revisions, folder)
        # The environment is that of the clips: a run that makes none must not replace it.
        kept = known["environment"] if known and not missing else None
        described = {
            "schema": SCHEMA,
            "model": name,
            "suite": suite["name"],
            "card": _card(model, generator),
            "measured": generator.measured,
            "weights": generator.weights,
            "prompts": {"name": _file_name(suite), "count": len(prompts), "sha256": sha256},
            "expected": expected,
            "functional": functional,
            "generator_version": generator.version,
            "config": config,
            "hardware": config["hardware"],
            "environment": kept or environment(device),
        }
        write_json(folder.run, described)
        for item in missing:  # a record of another configuration must not outlive this moment
            folder.record(item.sample).unlink(missing_ok=True)
        with log_to(folder.log):
            wanted = set(chosen)
            todo = [item for item in missing if item in wanted]
            absent = generate(generator, plan, todo, folder, device)
    elif known is None:
        raise BenchError(
            f"expected clips in {folder.root}, there are none: "
            "run with stages=[generate,score,publish] first, or name their place with out=DIR"
        )
    elif config["hardware"]["price_per_gpu_hour"] is not None:
        # Made elsewhere, priced here; without a price, what was said where they were made holds.
        write_json(folder.run, known | {"hardware": config["hardware"]})
    damaged: list[str] = []
    if "score" in stages and generator.weights == "real":  # random ones are timed, never scored
        with log_to(folder.log):
            damaged = score(name, items, metrics, backbones, folder, prompts)
    result = assemble(items, folder)
    failed = [
        f"{clip['prompt']}, seed {clip['seed']}: {clip['status']}: {clip['error']}"
        for clip in result["clips"]
        if clip["status"] != "ok"
    ]
    return Outcome(folder, failed + absent + damaged)


def _row_name(choice: str, generator: Generator) -> str:
    """The YAML's name, and what sets this row apart from the model as published."""
    random = "random" if generator.weights == "random" else ""
    return "-".join(filter(None, (choice, random, generator.variant)))


def _card(model: dict[str, Any], generator: Generator) -> dict[str, Any]:
    """The card, whose title says what sets this row apart from the model as published."""
    card = dict(model.get("card") or {})
    if generator.variant and card.get("title"):
        card["title"] = f"{card['title']}, {generator.variant.replace('-', ' ')}"
    return card


def _with_images(
    prompts: list[Prompt], config: dict[str, Any], device: torch.device
) -> list[Prompt]:
    """The prompts with their images, which are made now where the suite has them made."""
    suite = config["suite"]
    if suite.get("images") is None:
        return prompts
    settings = with_aspect(suite["images"], suite.get("aspect"), "suite.images")
    maker = configuration.build_generator(settings, "suite.images")
    folder = Path(config["out"]) / "images"
    functional = configuration.deciding(settings, maker)
    prompts, missing = missing_images(prompts, maker, functional, folder)
    if missing and "generate" not in config["stages"]:
        raise BenchError(
            f"expected the image of prompt {missing[0].id!r} at {missing[0].image}, it is not "
            "there: run with stages=[generate] first, or name its place with out=DIR"
        )
    if missing:
        make_images(missing, maker, device)
    return prompts


def _refuse_to_shrink(known: dict[str, Any], expected: dict[str, Any], folder: RunFolder) -> None:
    """Prompts and seeds may be added to a run; leaving some out would drop clips unseen."""
    for key, unit in (("prompts", "prompt"), ("seeds", "seed")):
        gone = [value for value in known[key] if value not in expected[key]]
        if gone:
            raise BenchError(
                f"{folder.root} holds clips that this configuration leaves out ({unit} {gone[0]}, "
                f"{len(gone)} in all); use overwrite=true to drop them, or another out=DIR"
            )


def _first(limit: int, prompts: list[Prompt], items: list[Item]) -> list[Item]:
    """The draws of the first so many prompts, for a quick look; the result stays partial."""
    ids = {prompt.id for prompt in prompts[:limit]}
    return [item for item in items if item.prompt.id in ids]


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append what is logged, with tracebacks, to a file."""
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"expected to write {path}, but {error.strerror}: move it away") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger("bench")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    except Exception:
        root.info("the run was stopped by this", exc_info=True)
        raise
    finally:
        root.removeHandler(handler)
        handler.close()


def _file_name(suite: dict[str, Any]) -> str | None:
    """Name of the file of prompts; where it lies is its owner's business, and is not published."""
    return None if suite["prompts"] is None else Path(suite["prompts"]).name
