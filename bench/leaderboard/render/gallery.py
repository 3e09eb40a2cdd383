"""The gallery of a result: clips beside its numbers, as previews to look at and curves."""

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from pathlib import Path
from urllib.parse import quote

from bench.errors import BenchError
from bench.leaderboard.data.curves import Curve, Record, along, mean_lags, read, stored
from bench.schema import ClipResult, Result, Sample
from bench.storage import SAFE_NAME, RunFolder, read_json, write_text

SCHEMA = 1
INDEX = "clips.json"

# So that a repository of results does not grow without bounds: 60 models stay under half a GiB.
MOST_COPIED = 8
MOST_COPIED_BYTES = 8 * 2**20
# Links cost nothing but a line of the page.
MOST_LINKED = 100

Draw = tuple[str, int]
"""Prompt id and seed."""


@dataclass(frozen=True)
class GalleryClip:
    """One clip that can be looked at.

    Attributes:
        text: of the prompt; None if nobody kept it.
        source: address of the preview relative to the leaderboard, quoted for a URL; None if
            only the curves are there.
        curves: metric to its values along the clip.
        preview_sha256: hex, of the preview's bytes; None if it was not copied, or was before its
            hash was kept.
    """

    prompt: str
    seed: int
    text: str | None
    source: str | None
    curves: Mapping[str, Curve]
    preview_sha256: str | None = None


@dataclass(frozen=True)
class Gallery:
    """What a leaderboard shows of one result's clips.

    Attributes:
        clips: in the order of `draw_order`.
        lags: metric to its mean over the prompts, by lag.
    """

    clips: tuple[GalleryClip, ...] = ()
    lags: Mapping[str, Curve] | None = None


def draw_order(result: Result, categories: Mapping[str, str]) -> list[Draw]:
    """All draws of a suite, such that any number of the first ones cover all categories evenly.

    The first seed of every prompt comes before any second one; among prompts, one of each
    category by turns. Models with the same prompts get the same order.
    """
    by_category: defaultdict[str, list[str]] = defaultdict(list)
    for prompt in result.expected_prompts:
        by_category[categories.get(prompt, "")].append(prompt)
    turns = zip_longest(*by_category.values())
    prompts = [prompt for turn in turns for prompt in turn if prompt is not None]
    return [(prompt, seed) for seed in result.seeds for prompt in prompts]


def save_gallery(
    result: Result, draws: Sequence[Draw], run: Path, into: Path, *, copy: bool
) -> None:
    """Put the previews and curves of a run beside the leaderboard, in place of an older run's.

    At most 8 clips and 8 MiB a model where they are copied, so that the leaderboard can travel, and
    100 where they are linked. A run without previews and scores leaves everything as it is. The
    draws are those of the suite in the order of preference.
    """
    if result.random_weights:  # noise is nothing to look at
        return
    folder = RunFolder(run)
    clips = {(clip.prompt, clip.seed): clip for clip in result.clips if clip.status == "ok"}
    draws = [draw for draw in draws if draw in clips and SAFE_NAME.fullmatch(draw[0])]
    records = {draw: _scores(folder, draw, clips[draw]) for draw in draws}
    previews = {draw: folder.preview(Sample(*draw)) for draw in draws}
    draws = [draw for draw in draws if records[draw] or previews[draw].is_file()]
    if not draws:
        return
    place = gallery_folder(into, result)
    chosen = draws[: MOST_COPIED if copy else MOST_LINKED]
    copied = {draw: _sha256(previews[draw]) for draw in _within(previews, chosen)} if copy else {}
    entries = [
        {
            "prompt": draw[0],
            "seed": draw[1],
            "text": records[draw].get("prompt", {}).get("text"),
            "frames_sha256": clips[draw].frames_sha256,
            "preview_sha256": copied.get(draw),
            "curves": {name: stored(curve) for name, curve in along(records[draw]).items()},
        }
        for draw in chosen
    ]
    lags = {name: stored(curve) for name, curve in mean_lags(records).items()}
    linked = None if copy else os.path.relpath(run / "previews", into)
    # One line a clip: small, and a diff still shows which clip changed.
    lines = ",\n".join(_json(entry) for entry in entries)
    text = _json({"schema": SCHEMA, "previews": linked, "lags": lags})
    try:
        if place.exists():
            shutil.rmtree(place)
        for draw in copied:
            target = preview_path(place, draw)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(previews[draw], target)
    except OSError as error:
        raise BenchError(
            f"expected to write clips into {place}, but {error.strerror}: "
            "make that possible, or choose another folder with --into DIR"
        ) from None
    write_text(place / INDEX, f'{text[:-1]},"clips":[\n{lines}\n]}}\n')


def load_gallery(result: Result, into: Path) -> Gallery:
    """What a leaderboard holds of a result; clips of frames that it does not score are left out."""
    path = gallery_folder(into, result) / INDEX
    if not path.exists():
        return Gallery()
    mend = f"remove {path.parent} and publish the run again"
    index = read_json(path, mend=mend)
    digests = {(clip.prompt, clip.seed): clip.frames_sha256 for clip in result.clips}
    try:
        if index["schema"] != SCHEMA:
            raise ValueError(f"schema {index['schema']}")
        clips = []
        for entry in index["clips"]:
            draw = (str(entry["prompt"]), int(entry["seed"]))
            if not SAFE_NAME.fullmatch(draw[0]):
                raise ValueError(f"prompt {draw[0]!r:.80}")
            if digests.get(draw) == entry["frames_sha256"]:
                curves = {str(name): read(curve) for name, curve in entry["curves"].items()}
                text, digest = (
                    None if value is None else str(value)
                    for value in (entry["text"], entry.get("preview_sha256"))
                )
                source = _source(index["previews"], path.parent, draw, into)
                clips.append(GalleryClip(*draw, text, source, curves, digest))
        lags = {str(name): read(curve) for name, curve in index["lags"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BenchError(f"{path}: expected clips as published, but {error!r}; {mend}") from None
    return Gallery(tuple(clips), lags)


def gallery_folder(into: Path, result: Result) -> Path:
    """Where a leaderboard keeps the clips of a result."""
    return into / "clips" / result.suite / result.model


def preview_path(gallery: Path, draw: Draw) -> Path:
    """Where a preview lies in such a folder."""
    return gallery / draw[0] / f"{draw[1]}.mp4"


def _source(linked: object, gallery: Path, draw: Draw, into: Path) -> str | None:
    """Address of a preview that is there."""
    previews = gallery if linked is None else Path(os.path.normpath(into / str(linked)))
    path = preview_path(previews, draw)
    if not path.is_file():
        return None
    return quote(os.path.relpath(path, into).replace(os.sep, "/"))


def _within(previews: Mapping[Draw, Path], draws: Sequence[Draw]) -> list[Draw]:
    """The first draws whose previews are small enough, together, to be copied."""
    present = [draw for draw in draws if previews[draw].is_file()]
    sizes = accumulate(previews[draw].stat().st_size for draw in present)
    return [draw for draw, size in zip(present, sizes, strict=True) if size <= MOST_COPIED_BYTES]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _scores(folder: RunFolder, draw: Draw, clip: ClipResult) -> Record:
    """The record of a clip's scores, if it is of these frames."""
    path = folder.score(Sample(*draw))
    record = read_json(path) if path.exists() else {}
    return record if record.get("frames_sha256") == clip.frames_sha256 else {}


def _json(value: object) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
