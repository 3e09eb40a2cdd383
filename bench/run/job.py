"""One job: one model on one suite, prepared, then through the stages that were asked for."""

import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import torch

from bench.config import (
    RunConfig,
    build_backbones,
    build_generator,
    build_metrics,
    check_name,
    check_network,
    deciding,
)
from bench.errors import BenchError, printable
from bench.generators.base import Generator, GeneratorInfo
from bench.generators.team import Team
from bench.measure.machine import (
    environment,
    gpus_of,
    main_memory_bytes,
    one_thread,
    resolve_device,
)
from bench.metrics.base import Metric
from bench.progress import say_line
from bench.prompts import Item, Prompt
from bench.run.assemble import assemble
from bench.run.claims import Share, held, release, tidy
from bench.run.conditioning import prompts_for, with_aspect, with_length
from bench.run.generation import generate, restore_previews
from bench.run.loading import load_limit
from bench.run.plan import (
    Plan,
    batches_of,
    check_seeds,
    find_missing,
    missing_networks,
    summary,
    unmixed,
)
from bench.run.scoring import score
from bench.run.workers import cores, in_workers
from bench.schema import SCHEMA, Card, ClipResult, Expected, Hardware, Prompts, Run, Sample, parse
from bench.storage import RunFolder, expect_to, file_name, read_record, write_record
from bench.vision.backbones import Backbones
from bench.vision.heap import map_large_arrays

log = logging.getLogger(__name__)

_MOST_LOGGED = 20_000  # characters of a message, with its traceback

Samples = Collection[Sample]

_NAMED_ON_SCREEN = 10  # of files with something to say about; all stand in result.json

# What a process that scores is to have: main memory, clips that are worth its start (which takes as
# long as scoring several small ones), and a share of a GPU that keeps it busy, within its memory.
_SCORER_BYTES = 3 * 2**30
_CLIPS_OF_A_SCORER = 8
_SCORERS_OF_A_GPU = 8


@dataclass(frozen=True)
class Outcome:
    """What a job came to: its folder, and a line for each clip without frames or scores."""

    folder: RunFolder
    failures: list[str]


@dataclass(frozen=True)
class Job:
    """What all stages of a job share: checked, nothing loaded, nothing written."""

    config: RunConfig
    card: Card
    metrics: Mapping[str, Metric]
    backbones: Backbones
    prompts: Sequence[Prompt]
    prompts_sha256: str | None  # of all that the suite gives to models; None without prompts
    plan: Plan
    previous: Run | None  # the folder's run.json, if there is one

    @property
    def prompt_file(self) -> Prompts:
        """The prompts, as a result says where they come from."""
        name = self.config.suite.file_name
        return Prompts(name=name, count=len(self.prompts), sha256=self.prompts_sha256)


def run(
    config: RunConfig, model_choice: str, taken: Collection[Path] = (), *, has_others: bool = False
) -> Outcome:
    """Prepare, generate, score, assemble: a job from its configuration to its result.json.

    `model_choice` is the name of the model's YAML, and the row's name unless `model.name` says
    one; `taken` are the folders that other jobs of this command have filled. If this process
    `has_others` to do, none is loaded in it that may hang.
    """
    gpus = gpus_of(resolve_device(config.device))
    generator = build_generator(config.model)
    each = generator.info
    makers = _makers(config, gpus, each)
    # Workers have their GPUs to themselves: nothing is computed here then, and no GPU asked.
    has_limit = config.timeout_s is not None or (
        config.load_timeout_s is not None and generator.has_to_load and has_others
    )
    makes_apart = makers > 1 or each.processes > 1 or has_limit

    def share(
        work: str, count: int, gpus_each: int = 1, processes_each: int = 1, *, among: Samples = ()
    ) -> list[Any]:
        return in_workers(
            partial(_work, config, model_choice, work, count, among),
            count,
            gpus,
            max_deaths=config.max_tries * count,  # each may have such a clip in hand
            gpus_each=gpus_each,
            processes_each=processes_each,
            imports=[__name__, "open_clip"] if config.metrics.backbones.get("text") else [__name__],
        )

    generates = "generate" in config.stages
    lacking: Samples = ()
    if makes_apart and generates:
        lacking = frozenset(share("foretell", 1, gpus_each=max(1, len(gpus))))
    job = prepare(config, model_choice, taken)
    scorers = score_workers(config, gpus, len(job.plan.items))
    scores_apart = makes_apart or scorers > 1 or config.score.timeout_s is not None
    missing: list[Item] = []
    if not generates:
        take_clips(job)
    elif makes_apart:
        missing = [item for item in job.plan.items if item.sample in lacking]
    else:
        missing = to_make(job)
        foretell(job, missing, say_line)
    # Clips of random weights are timed, never scored.
    scores = "score" in config.stages and job.plan.generator.info.weights == "real"
    if missing and scores:
        for line in missing_networks(job.metrics, config):
            say_line(line)
    failures: list[str] = []
    with log_to(job.plan.folder.log):
        if generates:
            failures += (
                share("generate", makers, each.gpus, each.processes, among=lacking)
                if makes_apart and missing  # else there is nothing to load
                else make_clips(job, missing)
            )
        if scores:
            failures += share("score", scorers) if scores_apart else score_clips(job)
    release(job.plan.folder.loaded)  # all else that is claimed is claimed by every run
    with held(job.plan.folder.result):  # whoever is last has seen all that others have done
        result = assemble(job.plan.items, job.plan.folder)
    new = {item.sample for item in missing}
    remarks = {
        _named(clip): "; ".join(clip.remarks)
        for clip in result.clips
        if clip.remarks and clip.sample in new
    }
    _report("read with a remark", remarks, job.plan.label)
    failed = [
        f"{_named(clip)}: {clip.status}: {clip.error}"
        for clip in result.clips
        if clip.status != "ok"
    ]
    return Outcome(job.plan.folder, failed + failures)


def _makers(config: RunConfig, gpus: Sequence[str], each: GeneratorInfo) -> int:
    """How many workers of this machine make clips at once; refused if the GPUs are too few."""
    if gpus and each.processes > len(gpus):
        raise BenchError(
            f"model.options.parallel asks for {each.processes} GPUs, this job sees {len(gpus)}: "
            "type a smaller one, or give the job more (docs/running.md)"
        )
    workers = config.launch.workers
    return max(1, len(gpus) // each.gpus) if workers == "auto" else workers


def score_workers(config: RunConfig, gpus: Sequence[str], clips: int) -> int:
    """How many processes of this machine score so many clips at once."""
    if config.score.workers != "auto":
        return config.score.workers
    most = min(cores(), main_memory_bytes() // _SCORER_BYTES, clips // _CLIPS_OF_A_SCORER)
    return max(1, min(most, len(gpus) * _SCORERS_OF_A_GPU) if gpus else most)


def _work(
    config: RunConfig,
    model_choice: str,
    work: str,
    count: int,
    among: Samples,
    number: int,
    again: bool,
) -> list[Any]:
    """What one of `count` workers does of a job, on its part of the cores: a line each failure.

    It foretells, and tells what is missing; makes what is, `among` that; or scores.
    """
    launch = config.launch
    mine = launch.model_copy(
        update={"jobs": launch.jobs * count, "job": launch.job * count + number}
    )
    changes = {
        "device": "cpu" if config.device == "cpu" else "auto",  # it sees one GPU alone
        "launch": mine,
        # What has failed is made once more, or it would never come to an end.
        "retry_failed": config.retry_failed and not (again and work == "generate"),
    }
    config = config.model_copy(update=changes)
    job = prepare(config, model_choice)
    if work == "foretell":
        missing = to_make(job)
        foretell(job, missing, say_line)
        return [item.sample for item in missing]
    if work == "score":
        with log_to(job.plan.folder.log):
            return score_clips(job)
    processes = job.plan.generator.info.processes
    threads = max(1, cores() // (count * processes))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    with ExitStack() as stack:
        if processes > 1:
            team = job.plan.generator.team = stack.enter_context(Team(job.plan.device))
            if team.rank > 0:
                job.plan.generator.follow()
                return []
        stack.enter_context(log_to(job.plan.folder.log))
        missing = [item for item in job.plan.items if item.sample in among]
        return make_clips(job, missing)


def prepare(
    config: RunConfig, model_choice: str, taken: Collection[Path] = (), *, images: bool = True
) -> Job:
    """Build and check all that a job needs; of files, only start images are made, if at all."""
    suite = config.suite
    device = resolve_device(config.device)
    model = with_aspect(config.model, suite.aspect, model_choice)
    model = with_length(model, suite.follow_seconds, model_choice)
    generator = build_generator(model)
    generator.device = device
    name = check_name(
        model.get("name") or _row_name(model_choice, generator, generator.info.variant)
    )
    check_seeds(suite.seeds, generator.info.batch_size)
    metrics = build_metrics(config.metrics.compute)
    networks = build_backbones(config.metrics.backbones)
    check_network(suite, networks)
    prompts, sha256 = prompts_for(config, generator, device, images=images)
    if not generator.info.takes_images and any(prompt.image for prompt in prompts):
        log.warning("%s makes video from text: it gets no picture of suite %s", name, suite.name)
    folder = RunFolder(config.out / suite.name / name)
    if folder.root in taken:
        raise BenchError(
            f"two jobs of this command are called {name}: tell them apart with ++model.name=NAME"
        )
    plan = Plan(
        label=name,
        generator=generator,
        folder=folder,
        device=device,
        model=deciding(model, generator),
        items=[Item(prompt, seed) for prompt in prompts for seed in suite.seeds],
        warmup=config.warmup,
        max_tries=config.max_tries,
        overwrite=config.overwrite and "generate" in config.stages,
        retry_failed=config.retry_failed and config.launch.job == 0,  # once, where many share it
        share=Share(config.launch.job, config.launch.jobs),
        timeout_s=config.timeout_s,
        load_timeout_s=config.load_timeout_s,
        store=config.store,
    )
    previous = read_record(folder.run, Run) if folder.run.exists() else None
    if previous is not None and not plan.overwrite:
        _refuse_another_folder(previous, config, folder)
        _refuse_to_shrink(previous.expected, prompts, suite.seeds, folder)
    return Job(
        config=config,
        card=_card(model, model_choice, generator),
        metrics=metrics,
        backbones=Backbones(networks, device),
        prompts=prompts,
        prompts_sha256=sha256,
        plan=plan,
        previous=previous,
    )


def to_make(job: Job, among: Sequence[Item] | None = None) -> list[Item]:
    """What is missing (of some draws), and what clips of other weights leave to be made again.

    BenchError for what the generator refuses, and for clips that must not be mixed.
    """
    missing = find_missing(job.plan, among)
    if missing:
        with load_limit(job.plan.label, job.plan.load_timeout_s):  # it may ask a hub
            job.plan.generator.check(job.prompts)
        missing = unmixed(missing, job.plan)
    return missing


def foretell(job: Job, missing: Sequence[Item], say: Callable[[str], None]) -> None:
    """Say what a run makes of what is missing, and needs for it; BenchError if it cannot work."""
    config = job.config
    todo = chosen(job, missing) if "generate" in config.stages else []
    lacking = {item.sample for item in missing}
    there = [item for item in job.plan.items if item.sample not in lacking]
    gpus = gpus_of(resolve_device(config.device))
    makers = _makers(config, gpus, job.plan.generator.info) * config.launch.jobs
    scorers = score_workers(config, gpus, len(job.plan.items)) * config.launch.jobs
    ahead = summary(job.plan, todo, there, config, job.metrics, makers, scorers)
    for line in ahead.lines:
        say(line)
    ahead.refuse()


def chosen(job: Job, missing: Sequence[Item]) -> list[Item]:
    """Of what is missing, what this run makes."""
    prompts = {prompt.id for prompt in job.prompts[: job.config.limit]}
    return [item for item in missing if item.prompt.id in prompts]


def make_clips(job: Job, among: Sequence[Item]) -> list[str]:
    """Write run.json and make what is missing; a line for each clip that nobody has supplied.

    Only draws `among` those that were missing before are looked at again.
    """
    config, plan = job.config, job.plan
    generator, folder = plan.generator, plan.folder
    with held(folder.run):  # what is missing is settled once, and then made by whoever is there
        names = folder.names("clips")
        missing = to_make(job, among)
        # The environment is that of the clips: a run that makes none must not replace it.
        before = job.previous.environment if job.previous and not missing else None
        described = Run(
            schema=SCHEMA,
            model=plan.label,
            suite=config.suite.name,
            card=job.card,
            measured=generator.info.measured,
            weights=generator.info.weights,
            prompts=job.prompt_file,
            expected=Expected(prompts=tuple(p.id for p in job.prompts), seeds=config.suite.seeds),
            functional=plan.model,
            generator_version=generator.info.version,
            config=dict(config.resolved),
            hardware=config.hardware.replace(gpus=generator.info.gpus),
            least_appeal=config.least_appeal,
            environment=before or environment(plan.device),
            **({"skipped": dict(skipped)} if (skipped := generator.skipped()) else {}),
        )
        write_record(folder.run, described)
        # A record of another configuration must not outlive this moment; nor must one go that
        # somebody has written meanwhile, where there was none.
        for item in missing:
            if file_name(item.sample, ".json") in names:
                folder.record(item.sample).unlink(missing_ok=True)
        if plan.overwrite and len(missing) == len(plan.items):
            folder.loaded.unlink(missing_ok=True)  # of no clip from now on, whoever comes next
        tidy(
            folder.root / "clips",
            (
                [folder.record(item.sample) for item in batch]
                for batch in batches_of(plan.items, generator.info.batch_size)
            ),
        )
    _report("skipped", described.skipped, plan.label)
    absent = generate(plan, chosen(job, missing))
    restore_previews(plan)
    return absent


def _named(clip: ClipResult) -> str:
    return f"{clip.title}, seed {clip.seed}"


def _report(what: str, reasons: Mapping[str, str], label: str) -> None:
    """Say on the screen what is peculiar to some files, a line for each of the first few."""
    for name, why in islice(reasons.items(), _NAMED_ON_SCREEN):
        log.warning("%s: %s, %s: %s", label, name, what, why)
    if (hidden := len(reasons) - _NAMED_ON_SCREEN) > 0:
        log.warning("%s: and %d more %s, all in result.json", label, hidden, what)


def take_clips(job: Job) -> None:
    """Take the clips that an earlier run made, at today's price and bar if they are named."""
    config = job.config
    find_missing(job.plan)  # refuses those of another configuration
    if job.previous is None:
        raise BenchError(
            f"expected clips in {job.plan.folder.root}, there are none: "
            "run with stages=[generate,score,publish] first, or name their place with out=DIR"
        )
    # Made elsewhere, priced and judged here; what is not said, was said where they were made.
    said: dict[str, Any] = {}
    if config.hardware.price_per_gpu_hour is not None:
        made_by = job.previous.hardware or Hardware()
        said["hardware"] = config.hardware.replace(gpus=made_by.gpus)
    if config.least_appeal is not None:
        said["least_appeal"] = config.least_appeal
    if said:
        write_record(job.plan.folder.run, job.previous.replace(**said))


def score_clips(job: Job) -> list[str]:
    """Score what is not scored; a line for each clip and each metric that broke down."""
    plan, base_name = job.plan, job.card.base
    map_large_arrays()
    with one_thread():  # as many as there are scorers, and with the same results however many
        return score(
            plan,
            job.metrics,
            job.backbones,
            job.prompts,
            base=RunFolder(plan.folder.root.parent / check_name(base_name)) if base_name else None,
            timeout_s=job.config.score.timeout_s,
        )


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Append what is logged, with tracebacks, to a file."""
    with expect_to(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(path, encoding="utf-8", errors="replace")
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
        with suppress(OSError):
            handler.close()


class _LogFile(logging.FileHandler):
    """Text of any length, from anywhere, as far as the disk will take it."""

    def format(self, record: logging.LogRecord) -> str:
        """As it is, shortened in the middle, without what controls a terminal."""
        return printable(super().format(record), _MOST_LOGGED, lines=True)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own
        """Say nothing: a disk that is full ends the run where a record cannot be kept."""


def _row_name(choice: str, generator: Generator, variant: str) -> str:
    """The YAML's name, and what sets this row apart from the model as published."""
    random = "random" if generator.info.weights == "random" else ""
    return "-".join(filter(None, (choice, random, variant)))


def _card(model: Mapping[str, Any], choice: str, generator: Generator) -> Card:
    """The card; with options, its title says which, and its base is the row without any."""
    given = model.get("card") or {}
    for key in given.keys() - Card.model_fields.keys():  # any may be added, but not by mistake
        if close := get_close_matches(key, Card.model_fields, n=1, cutoff=0.8):
            raise BenchError(f"model.card has no {key!r} (did you mean {close[0]!r}?)")
    text = json.dumps(given)
    card = parse(Card, text, "model.card", "mend the YAML of the model")
    variant = generator.info.variant.replace("-", " ")
    if not variant:
        return card
    base = card.base or _row_name(choice, generator, variant="")
    title = card.title and f"{card.title}, {variant}"
    return card.replace(base=base, title=title)


def _refuse_another_folder(before: Run, config: RunConfig, folder: RunFolder) -> None:
    """Two folders of clips may be called the same; one that was moved is the same."""
    there, here = (Path(str(each.get("path"))) for each in (before.config["model"], config.model))
    if not before.measured and there.is_dir() and here.is_dir() and not there.samefile(here):
        raise BenchError(
            f"{folder.root} holds the clips of {there}, got those of {here}: give these a name of "
            "their own, ++model.name=NAME, or use overwrite=true to drop the others"
        )


def _refuse_to_shrink(
    before: Expected, prompts: Sequence[Prompt], seeds: Sequence[int], folder: RunFolder
) -> None:
    """Prompts and seeds may be added to a run; leaving some out would drop clips unseen."""
    ids = {prompt.id for prompt in prompts}
    gone = [f"prompt {name}" for name in before.prompts if name not in ids]
    gone = gone or [f"seed {seed}" for seed in before.seeds if seed not in seeds]
    if gone:
        raise BenchError(
            f"{folder.root} holds clips that this configuration leaves out ({gone[0]}, "
            f"{len(gone)} in all); use overwrite=true to drop them, or another out=DIR"
        )
