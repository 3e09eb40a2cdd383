"""What a run is to make, which of it is missing, and what that needs: before anything is loaded."""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

import torch

from bench.config import RunConfig, build_backbones
from bench.errors import BenchError, UnavailableError, Unscored, first_of, one_line
from bench.generators.base import Generator, Needs
from bench.leaderboard.data.files import FILE_NAME, load
from bench.measure.machine import device_name, main_memory_bytes
from bench.metrics.base import Metric
from bench.progress import cached_bytes, waiting
from bench.prompts import Item, Prompt
from bench.run.claims import ALL, Share
from bench.run.conditioning import StartImages, without_image
from bench.schema import ClipFacts, ClipRecord, Loaded, ScoreRecord, Store, parse, says
from bench.storage import (
    MEND,
    RunFolder,
    changes,
    file_name,
    fingerprint,
    read_record,
)
from bench.vision.backbones import Backbones
from bench.vision.views import REDUCED_SIDE_PX, WORKING_SIDE_PX

_GIB = 2**30

# Of a clip, per pixel: without loss 15 MB for 81 frames of 480x832, 65 MB for 129 of 720x1280.
# Grain takes two to three times as much.
_BYTES_PER_PIXEL: Mapping[Store, float] = {"lossless": 0.5, "visually_lossless": 0.2}
_GRAIN = 3

# Of a core, to score a frame with the networks of packages, and more for each pixel at the sizes at
# which it is seen: 16 frames of 128x128 take 2 s, 81 of 832x480 take 24.
_SCORING_S_PER_FRAME, _SCORING_S_PER_PIXEL = 0.08, 1.5e-6

_HUB_TIMEOUT_S = 5.0
_NAMED = 3  # of metrics that lack the same network
_MOST_READ = 50  # records, for the time that a clip takes, and for what scores are of


Batch = Sequence[Item]
"""Draws of one prompt, in the suite's order, that one call makes."""


@dataclass(frozen=True)
class Plan:
    """What to make, with what, where, and how."""

    label: str  # what the progress bar calls it
    generator: Generator
    folder: RunFolder
    device: torch.device
    items: Sequence[Item]  # in order
    # What of its configuration decides frames; part of every fingerprint.
    model: dict[str, Any] = field(default_factory=dict)
    warmup: int = 1  # generations thrown away before the first timed one of each shape
    max_tries: int = 5  # beginnings without an end after which a draw is recorded as crashed
    overwrite: bool = False  # whether clips of another configuration are made again
    retry_failed: bool = False  # whether failed clips are made again
    share: Share = ALL  # of this process, where others work on the same folder
    timeout_s: float | None = None  # for a batch, after which this process ends; None: no limit
    load_timeout_s: float | None = None  # the same for loading
    store: Store = "lossless"  # how frames are kept


def check_seeds(seeds: Sequence[int], size: int) -> None:
    """Refuse seeds of a suite that do not fill whole batches.

    Clips of a smaller one would take another time and, to a rounding, have other frames.
    """
    count = len(seeds)
    if count % size:
        fits = max(divisor for divisor in range(1, size) if count % divisor == 0)
        first = ",".join(map(str, range(size)))
        raise BenchError(
            f"expected seeds that fill batches of {size}, got {count}: "
            f"type model.options.batch_size={fits}, or as suite.seeds=[{first}]"
        )


def batches_of(items: Sequence[Item], size: int) -> list[Batch]:
    """The draws of each prompt, in their order, cut into runs of `size`.

    All draws of a plan go in, made or not: what a batch is made of must not depend on what is
    missing, or a resumed run would give other bits than one that ran through.
    """
    batches: list[Batch] = []
    for _, draws in groupby(items, key=lambda item: item.prompt.id):
        of_prompt = list(draws)
        batches += [of_prompt[start : start + size] for start in range(0, len(of_prompt), size)]
    return batches


def find_missing(plan: Plan, among: Sequence[Item] | None = None) -> list[Item]:
    """The draws of the plan, or `among` some of them, that have no valid record.

    Records of another configuration are refused by BenchError; the first key that changed is
    named.
    """
    names = plan.folder.names("clips")
    items = plan.items if among is None else among
    return [item for item in items if _is_missing(item, names, plan)]


def unmixed(missing: Sequence[Item], plan: Plan) -> list[Item]:
    """What is to be made, so that no clips of other weights stand beside it.

    That is what is missing, or all draws of the plan where the clips there are of other weights
    and `overwrite` is on. What `loaded.json` does not name, as one of before there were revisions,
    is taken to be the same.
    """
    folder, revisions = plan.folder, plan.generator.info.revisions
    if len(missing) == len(plan.items) or not folder.loaded.exists():
        return list(missing)
    before = read_record(folder.loaded, Loaded).revisions
    changed = [name for name, now in revisions.items() if before.get(name, now) != now]
    if not changed:
        return list(missing)
    if plan.overwrite:
        return list(plan.items)
    name = changed[0]
    raise BenchError(
        f"{folder.root} holds clips of other weights ({name} {before[name][:12]} -> "
        f"{revisions[name][:12]}); use overwrite=true to make them again, or another out=DIR"
    )


def inputs_of(plan: Plan, item: Item) -> dict[str, Any]:
    """All that decides the frames; what a record's fingerprint is made of."""
    store = {} if plan.store == "lossless" else {"store": plan.store}
    return store | {
        "model": plan.model,
        "generator_version": plan.generator.info.version,
        "prompt": item.prompt.content,
        "seed": item.seed,
        "source": plan.generator.source(item.prompt, item.seed),
    }


def _is_missing(item: Item, names: Collection[str], plan: Plan) -> bool:
    """Whether a draw has no valid record, where its folders hold files of these names."""
    name = file_name(item.sample, ".json")
    if name not in names:
        return True
    has_frames = file_name(item.sample, ".mkv") in names
    inputs = inputs_of(plan, item)
    current = fingerprint(inputs)
    content = plan.folder.read("clips", name)
    if says(content, {"fingerprint": current, "status": "ok"}):
        return not has_frames
    record = parse(ClipRecord, content, str(plan.folder.record(item.sample)), MEND)
    failed = record.status != "ok"
    if record.fingerprint != current:
        if plan.overwrite or failed:
            return True
        differs = changes(record.inputs, inputs)
        raise BenchError(
            f"{plan.folder.root} holds clips of another configuration "
            f"({item.sample}: {first_of(differs, 3)}); "
            "use overwrite=true to make them again, or another out=DIR"
        )
    if record.status == "refused":  # its file, or the limits, may be mended; reading costs little
        return True
    return plan.retry_failed if failed else not has_frames


Need = tuple[str, str]
"""A line, and what cannot work; either may be empty."""


@dataclass(frozen=True)
class Summary:
    """Lines to read, and what cannot work; nothing if all can."""

    lines: list[str]
    obstacles: list[str]

    def refuse(self) -> None:
        """Raise BenchError for the first thing that cannot work."""
        if self.obstacles:
            raise BenchError(self.obstacles[0])


def summary(
    plan: Plan,
    todo: Sequence[Item],
    there: Sequence[Item],
    config: RunConfig,
    metrics: Mapping[str, Metric],
    makers: int = 1,
    scorers: int = 1,
) -> Summary:
    """What making `todo` of a plan comes to, and scoring it with what is `there` already.

    So many processes, the `makers` and then the `scorers`, share the work.
    """
    generator, device = plan.generator, plan.device
    to_score, to_score_line = _to_score(plan, todo, there, config, metrics)
    needs: list[Need] = [(_clips(plan, len(todo), len(there), to_score_line, config), "")]
    if todo:
        needs += _weights(generator, plan.label, device)
        needs.append(_disk(plan, todo))
        if generator.info.measured:
            needs.append((_time(plan, todo, config, makers), ""))
        if config.hardware.price_per_gpu_hour is not None and (
            device.type == "cpu" or not generator.info.measured
        ):
            line = (
                "cost: none, hardware.price_per_gpu_hour is left out: no GPU here makes the clips"
            )
            needs.append((line, ""))
    if to_score:
        needs.append((_scoring(plan, to_score, config, scorers), ""))
    return Summary([line for line, _ in needs if line], [why for _, why in needs if why])


def missing_networks(metrics: Mapping[str, Metric], config: RunConfig) -> list[str]:
    """A line for each reason why metrics will have no value, said before hours of making clips.

    What can be downloaded is there then.
    """
    roles = {role for metric in metrics.values() for role in metric.needs}
    configured = {role: value for role, value in config.metrics.backbones.items() if role in roles}
    unavailable = _unavailable(json.dumps(configured, sort_keys=True))
    lines = []
    for why in dict.fromkeys(unavailable.values()):
        lacking = {role for role, reason in unavailable.items() if reason == why}
        names = [name for name, metric in metrics.items() if lacking.intersection(metric.needs)]
        lines.append(f"{first_of(names, _NAMED)} will have no value: {why}")
    return lines


@cache
def _unavailable(backbones: str) -> dict[str, str]:
    """Which of the configured networks (JSON) cannot be had, and why; loaded once, and freed."""
    networks = Backbones(build_backbones(json.loads(backbones)), torch.device("cpu"))
    with waiting("loading what scores the clips"):
        for role in json.loads(backbones):
            with suppress(Unscored):
                networks.get(role)
    return dict(networks.missing)


def pictures(prompts: Sequence[Prompt], config: RunConfig, device: torch.device) -> Iterator[str]:
    """What the pictures that a suite has made first come to, where they are not there."""
    missing = len(without_image(prompts))
    start_images = StartImages.of(config.suite, config.out)
    if start_images is None or not missing:
        return
    title = ((config.suite.images or {}).get("card") or {}).get("title", "suite.images")
    yield f"pictures: {missing} to make first, by {title}"
    needs = (line for line, _ in _weights(start_images.maker, "suite.images", device))
    yield from (line for line in needs if line.startswith("to download"))


def _to_score(
    plan: Plan,
    todo: Sequence[Item],
    there: Sequence[Item],
    config: RunConfig,
    metrics: Mapping[str, Metric],
) -> tuple[int, str]:
    """How many clips are to be scored, and that in words; no words where none are scored.

    Which clips failed, and which scores are of other versions of the metrics, is seen in some of
    the records: to read all takes longer than all else that is told. Whether scores are of today's
    networks shows only when these are loaded.
    """
    if "score" not in config.stages or plan.generator.info.weights != "real":
        return 0, ""
    names, folder = plan.folder.names("scores"), plan.folder
    scored = [item for item in there if file_name(item.sample, ".json") in names]
    unscored = [item for item in there if file_name(item.sample, ".json") not in names]

    def was_made(item: Item) -> bool:
        return read_record(folder.record(item.sample), ClipRecord).status == "ok"

    def is_old(item: Item) -> bool:
        entries = read_record(folder.score(item.sample), ScoreRecord).metrics
        return any(
            name not in entries or entries[name].version != metric.version
            for name, metric in metrics.items()
        )

    share_made, share_old = _share(unscored, was_made), _share(scored, is_old)
    count = len(todo) + round(len(unscored) * share_made) + round(len(scored) * share_old)
    about = "about " if {share_made, share_old} - {0, 1} and len(there) > _MOST_READ else ""
    more = ", more if a network changed" if scored and share_old < 1 else ""
    return count, f"{about}{count} to score{more}"


def _share(items: Sequence[Item], holds: Callable[[Item], bool]) -> float:
    """Of which part of some items something holds, by a look at a few of them."""
    looked_at = Random(0).sample(items, min(len(items), _MOST_READ))
    return mean(map(holds, looked_at)) if looked_at else 0


def _clips(plan: Plan, to_make: int, there: int, to_score: str, config: RunConfig) -> str:
    limited = f" (limit={config.limit})" if config.limit else ""
    verb = "make" if plan.generator.info.measured else "collect"  # files, or what is made elsewhere
    counts = [f"{to_make} to {verb}{limited}", f"{there} there already"]
    if to_score:
        counts.append(to_score)
    clips = "1 clip" if len(plan.items) == 1 else f"{len(plan.items)} clips"
    return f"{plan.label} on suite {config.suite.name}, {clips}: {', '.join(counts)}"


def _weights(generator: Generator, label: str, device: torch.device) -> Iterator[Need]:
    """Of the networks: the download, the GPU's memory, main memory."""
    try:
        needs = generator.needs()
    except Exception as error:  # an estimate must stop nothing that would work
        reason = str(error) if isinstance(error, BenchError) else one_line(error)
        is_missing = isinstance(error, UnavailableError)  # and no run could load it either
        yield ("size unknown", reason) if is_missing else (f"size unknown: {reason}", "")
        return
    if needs is None:
        return
    total, largest = sum(needs.parts.values()), max(needs.parts.values(), default=0)
    if needs.repo is not None and (lacking := total - cached_bytes(needs.repo)) > total / 100:
        yield f"to download: about {_gib(lacking)} from {needs.repo}{_gate(needs.repo)}", ""
    on_gpu = device.type == "cuda"
    if on_gpu:
        yield _on_gpu(needs, total, largest, device)
    if not on_gpu or needs.offload:
        memory = main_memory_bytes()
        line = f"main memory: {_gib(total)} of weights, {_gib(memory)} free"
        yield (
            line,
            f"{label} needs {_gib(total)} of main memory for its weights alone, {_gib(memory)} "
            "are free: take a machine with more, or a smaller model"
            if total > memory
            else "",
        )


def _on_gpu(needs: "Needs", total: int, largest: int, device: torch.device) -> Need:
    memory = torch.cuda.get_device_properties(device).total_memory
    resident = largest if needs.offload else total
    what = "its largest network" if needs.offload else "weights"
    line = f"GPU memory: {_gib(resident)} of {what}, the GPU has {_gib(memory)}"
    if resident <= memory or needs.quantised:
        return line, ""
    remedy = "offload=group" if needs.offload else "offload=model"
    return line, (
        f"{what} of {_gib(resident)} do not fit this GPU, which has {_gib(memory)}: "
        f"type model.options.{remedy}, or model.options.quantise=float8"
        if needs.offload != "sequential" and needs.offload != "group"
        else ""
    )


def _gate(repo: str) -> str:
    """What to do first about a repository whose terms must be accepted; nothing for any other."""
    from huggingface_hub import HfApi

    try:
        gated = HfApi().model_info(repo, timeout=_HUB_TIMEOUT_S).gated
    except Exception:  # whatever its transport raises
        return " (the hub did not say whether it is gated)"
    accept = f" (gated: accept its terms at https://huggingface.co/{repo}, then `hf auth login`)"
    return accept if gated else ""


def _disk(plan: Plan, todo: Sequence[Item]) -> Need:
    root = plan.folder.root
    size = plan.generator.info.size_requested
    frames = [plan.generator.frames_requested(item.prompt) for item in todo]
    if size is None or None in size or None in frames:
        return "", ""
    sizes = {
        store: sum(filter(None, frames)) * size[0] * size[1] * each
        for store, each in _BYTES_PER_PIXEL.items()
    }
    needed, small = sizes[plan.store], sizes["visually_lossless"]
    kinds = f"about {_gib(small)}"
    if plan.store == "lossless":
        kinds = (
            f"{_gib(needed)} without loss, up to {_gib(_GRAIN * needed)} with grain, {_gib(small)} "
            "with store=visually_lossless"
        )
    folder = next(path for path in (root, *root.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    line = f"disk: {kinds}; {_gib(free)} free in {folder}"
    if needed <= free:
        return line, ""
    return line, (
        f"{len(todo)} clips take {_gib(needed)} or more, {folder} has {_gib(free)}: make room, "
        "choose another with out=DIR, fewer prompts with limit=N, or store=visually_lossless"
    )


def _time(plan: Plan, todo: Sequence[Item], config: RunConfig, makers: int) -> str:
    device = device_name(plan.device)
    seconds, source = _seconds_per_clip(plan, todo[0], device, config)
    if seconds is None:
        return f"time: unknown, nobody has timed {plan.label} on {device}; limit=1 does"
    total_s = seconds * len(todo)
    how = f"by {makers} processes, " if makers > 1 else ""
    how += f"at {seconds:.3g} s a clip ({source})"
    line = f"time: {_duration(total_s / makers)} to make them, {how}"
    price, gpus = config.hardware.price_per_gpu_hour, plan.generator.info.gpus
    if price is None or device == "cpu":
        return line
    return f"{line}; {total_s / 3600 * price * gpus:.2f} {config.hardware.currency}"


def _scoring(plan: Plan, clips: int, config: RunConfig, scorers: int) -> str:
    """How long that takes on a CPU; nothing where the size of the clips is not known before."""
    frames = [plan.generator.frames_requested(item.prompt) for item in plan.items]
    height, width = plan.generator.info.size_requested or (None, None)
    if height is None or width is None or None in frames:
        return ""
    flow = config.metrics.backbones.get("flow") or {}
    if not str(flow.get("_target_")).endswith(".DisFlow"):
        return "scoring: time unknown, nobody has timed these networks"
    short_side = min(height, width)
    sides = {min(short_side, side) for side in (WORKING_SIDE_PX, REDUCED_SIDE_PX)}
    pixels = sum(height * width * (side / short_side) ** 2 for side in sides)
    each = _SCORING_S_PER_FRAME + _SCORING_S_PER_PIXEL * pixels
    seconds = mean(filter(None, frames)) * each
    processes = f"{scorers} processes" if scorers > 1 else "one process"
    return (
        f"scoring: about {_duration(clips * seconds / scorers)} by {processes}, at {seconds:.2g} s "
        "of a core a clip" + (", less where the GPU is fast" if plan.device.type == "cuda" else "")
    )


def _seconds_per_clip(
    plan: Plan, item: Item, device: str, config: RunConfig
) -> tuple[float | None, str]:
    """Median of clips of this length and size on this device, and where they were timed."""
    generator, folder = plan.generator, plan.folder
    size = generator.info.size_requested or (None, None)
    shape = (generator.frames_requested(item.prompt), *size)

    def timed(clips: Iterator[ClipFacts]) -> list[float]:
        return [
            clip.latency_s
            for clip in clips
            if clip.latency_s is not None
            and clip.status == "ok"
            and clip.device == device
            and (clip.frames_requested, clip.height_requested, clip.width_requested) == shape
        ]

    names = folder.names("clips")
    own = (item.sample for item in plan.items if file_name(item.sample, ".json") in names)
    records = (folder.record(sample) for sample in islice(own, _MOST_READ))
    if seconds := timed(read_record(path, ClipRecord) for path in records):
        return median(seconds), "measured here"
    others = [
        *config.out.glob(f"*/{plan.label}/{FILE_NAME}"),
        *Path("leaderboard").glob(f"results/*/{plan.label}.json"),
    ]
    for path in others:
        if seconds := timed(iter(load(path).clips)):
            return median(seconds), f"as in {path}"
    declared = (config.model.get("card") or {}).get("declared_s_per_video_s")
    frames, fps = shape[0], getattr(generator, "fps", None)
    if declared is not None and frames and fps:
        return declared * frames / fps, "as its maker declares, on the maker's hardware"
    return None, ""


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB / 10 else f"{size / 2**20:.0f} MiB"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else str(timedelta(seconds=round(seconds)))
