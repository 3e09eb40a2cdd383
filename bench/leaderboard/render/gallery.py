"""The gallery of a result: clips beside its numbers, as previews to look at and curves."""

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from bench import statistics as stats
from bench.schema import Record, Result, Sample, ScoreEntry, ScoreRecord, Seed
from bench.storage import (
    SAFE_NAME,
    RunFolder,
    expect_to,
    file_sha256,
    read_record,
    write_text,
)

INDEX = "clips.json"

# So that a repository of results does not grow without bounds: 60 models stay under half a GiB.
MOST_COPIED = 8
MOST_COPIED_BYTES = 8 * 2**20
# Links cost nothing but a line of the page.
MOST_LINKED = 100

_TIMES = ("time_s", "start_s")
_LAGS = ("lag_s",)


class Curve(Record):
    """Numbers along a clip, or along the lag between two of its frames."""

    at_s: tuple[float, ...]
    """Where each value stands, rising."""
    values: tuple[float | None, ...]
    """Null where there is none."""
    low: tuple[float | None, ...] = ()
    """Of the 95% interval over prompts; empty for a single clip, as is `high`."""
    high: tuple[float | None, ...] = ()
    """See `low`."""

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        count = len(self.at_s)
        if len(self.values) != count or not {len(self.low), len(self.high)} <= {0, count}:
            raise ValueError("expected a curve of even length")
        return self


class GalleryClip(Record):
    """One clip that can be looked at."""

    prompt: Annotated[str, Field(pattern=f"^{SAFE_NAME.pattern}$")]
    """Id of the prompt."""
    seed: Seed
    """Of the draw."""
    text: str | None
    """Of the prompt; null if nobody kept it."""
    frames_sha256: str | None
    """Of the frames, as the result has it."""
    preview_sha256: str | None = None
    """Of the preview's bytes; null if it was not copied, or was before its hash was kept."""
    curves: dict[str, Curve]
    """Metric to its values along the clip."""

    source: str | None = Field(default=None, exclude=True)
    """Address of the preview from the leaderboard's folder, quoted; found anew at every reading."""

    @property
    def sample(self) -> Sample:
        """Prompt id and seed."""
        return Sample(self.prompt, self.seed)


class Gallery(Record):
    """`clips.json`: what a leaderboard shows of one result's clips."""

    schema_version: Literal[1] = Field(alias="schema")
    """Of this form."""
    previews: str | None = None
    """Where they lie, relative to the leaderboard; null where they lie beside this file."""
    clips: tuple[GalleryClip, ...] = ()
    """In the order of `draw_order`."""
    lags: dict[str, Curve] = Field(default_factory=dict)
    """Metric to its mean over the prompts, by lag."""


def draw_order(result: Result, categories: Mapping[str, str]) -> list[Sample]:
    """All draws of a suite, such that any number of the first ones cover all categories evenly.

    The first seed of every prompt comes before any second one; among prompts, one of each
    category by turns. Models with the same prompts get the same order.
    """
    by_category: defaultdict[str, list[str]] = defaultdict(list)
    for prompt in result.expected.prompts:
        by_category[categories.get(prompt, "")].append(prompt)
    turns = zip_longest(*by_category.values())
    prompts = [prompt for turn in turns for prompt in turn if prompt is not None]
    return [Sample(prompt, seed) for seed in result.expected.seeds for prompt in prompts]


def save_gallery(
    result: Result, draws: Sequence[Sample], run: Path, into: Path, *, copy: bool
) -> None:
    """Put the previews and curves of a run beside the leaderboard, in place of an older run's.

    At most 8 clips and 8 MiB a model where they are copied, so that the leaderboard can travel, and
    100 where they are linked. A run without previews and scores leaves everything as it is. The
    draws are those of the suite in the order of preference.
    """
    if result.random_weights:  # noise is nothing to look at
        return
    folder = RunFolder(run)
    clips = {clip.sample: clip for clip in result.successes}
    draws = [draw for draw in draws if draw in clips and SAFE_NAME.fullmatch(draw.prompt_id)]
    records = {draw: record for draw in draws if (record := folder.scores_of(clips[draw]))}
    previews = {draw: path for draw in draws if (path := folder.preview(draw)).is_file()}
    draws = [draw for draw in draws if draw in records or draw in previews]
    if not draws:
        return
    place = gallery_folder(into, result)
    selection = draws[: MOST_COPIED if copy else MOST_LINKED]
    candidates = [draw for draw in selection if draw in previews] if copy else []
    sizes = accumulate(previews[draw].stat().st_size for draw in candidates)
    copies = [d for d, size in zip(candidates, sizes, strict=True) if size <= MOST_COPIED_BYTES]
    _replace(place, {preview_path(place, draw): previews[draw] for draw in copies})
    entries = []
    for draw in selection:
        record = records.get(draw)
        entry = GalleryClip(
            prompt=draw.prompt_id,
            seed=draw.seed,
            text=(record.prompt or {}).get("text") if record else None,
            frames_sha256=clips[draw].frames_sha256,
            preview_sha256=file_sha256(previews[draw]) if draw in copies else None,
            curves=_rounded(_curves(record.metrics, _TIMES)) if record else {},
        )
        entries.append(_json(entry.json_values))
    head = Gallery(
        schema=1,
        previews=None if copy else os.path.relpath(run / "previews", into),
        lags=_rounded(mean_lags(records)),
    )
    # One line a clip: small, and a diff still shows which clip changed.
    lines = ",\n".join(entries)
    write_text(place / INDEX, f'{_json(head.json_values)[:-1]},"clips":[\n{lines}\n]}}\n')


def _replace(folder: Path, copies: Mapping[Path, Path]) -> None:
    """Remove what a folder holds, and copy files into it: target to source."""
    with expect_to(f"write clips into {folder}"):
        if folder.exists():
            shutil.rmtree(folder)
        for target, source in copies.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def load_gallery(result: Result, into: Path) -> Gallery:
    """What a leaderboard holds of a result; clips of frames that it does not score are left out."""
    path = gallery_folder(into, result) / INDEX
    if not path.exists():
        return Gallery(schema=1)
    index = read_record(path, Gallery, f"remove {path.parent} and publish the run again")
    previews = path.parent
    if index.previews is not None:
        previews = Path(os.path.normpath(into / index.previews))
    digests = {clip.sample: clip.frames_sha256 for clip in result.clips}
    clips = tuple(
        clip.replace(source=_address(preview_path(previews, clip.sample), into))
        for clip in index.clips
        if digests.get(clip.sample) == clip.frames_sha256
    )
    return index.replace(clips=clips)


def gallery_folder(into: Path, result: Result) -> Path:
    """Where a leaderboard keeps the clips of a result."""
    return into / "clips" / result.suite / result.model


def preview_path(gallery: Path, draw: Sample) -> Path:
    """Where a preview lies in such a folder."""
    return gallery / draw.prompt_id / f"{draw.seed}.mp4"


def _address(path: Path, into: Path) -> str | None:
    """From the leaderboard's folder, for a page; None if there is no such file."""
    return quote(os.path.relpath(path, into).replace(os.sep, "/")) if path.is_file() else None


def mean_lags(records: Mapping[Sample, ScoreRecord]) -> Iterator[tuple[str, Curve]]:
    """The curves over lag of a suite, by metric: averaged over seeds, then over prompts.

    A metric of which not all clips have the same lags is left out.
    """
    curves: defaultdict[str, defaultdict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for sample, record in records.items():
        for name, curve in _curves(record.metrics, _LAGS):
            curves[name][sample.prompt_id].append(curve)
    for name, by_prompt in curves.items():
        at_s, *others = {curve.at_s for seeds in by_prompt.values() for curve in seeds}
        if not others:
            at = [_at_lag(by_prompt.values(), place) for place in range(len(at_s))]
            ends = [(each.mean, each.low, each.high) if each else (None,) * 3 for each in at]
            values, low, high = zip(*ends, strict=True)
            yield name, Curve(at_s=at_s, values=values, low=low, high=high)


def _curves(scores: Mapping[str, ScoreEntry], places: Sequence[str]) -> Iterator[tuple[str, Curve]]:
    """Metric and its curve, where its series says at which second each value stands."""
    for name, entry in sorted(scores.items()):
        place = next((place for place in places if place in entry.series), None)
        keys = (name, *(key for key in entry.series if key != place))
        values = next((entry.series[key] for key in keys if key in entry.series), None)
        if place is not None and values is not None:
            at_s = tuple(at for at in entry.series[place] if at is not None)
            if len(at_s) == len(values):
                yield name, Curve(at_s=at_s, values=values)


def _rounded(curves: Iterable[tuple[str, Curve]]) -> dict[str, Curve]:
    """To four significant digits, which is more than can be seen of a curve."""

    def short(values: Sequence[float | None]) -> tuple[float | None, ...]:
        return tuple(None if value is None else float(f"{value:.4g}") for value in values)

    return {
        name: curve.replace(**{key: short(values) for key, values in curve.given.items()})
        for name, curve in curves
    }


def _at_lag(prompts: Iterable[Sequence[Curve]], place: int) -> stats.Interval | None:
    means = []
    for curves in prompts:
        values = [value for curve in curves if (value := curve.values[place]) is not None]
        if values:
            means.append(sum(values) / len(values))
    return stats.interval(means)


def _json(value: object) -> str:
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
