"""A result as metadata for the card of a model on a hub: YAML with a `model-index`."""

from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from bench import statistics as stats
from bench.leaderboard.data.group_scores import NAME, means, metrics_and_groups
from bench.leaderboard.data.rows import HEADLINE, has_quality, in_order, prompt_means
from bench.leaderboard.data.speed import speeds
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.words import plain
from bench.schema import Result

HUB_LICENCES = {
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "creativeml-openrail-m",
    "gpl-3.0",
    "mit",
    "openrail",
    "openrail++",
}
"""Identifiers of licences that a hub knows; a card of other words gives it none."""

_DIGITS = 4


def why_no_card(result: Result) -> str | None:
    """Why a result has nothing to say on a model's card; None if it has."""
    if result.prompts_sha256 is None:
        return "it is footage without prompts"
    if not has_quality(result):
        return "it has no scores"
    return None


def model_card(result: Result) -> str:
    """The metadata, to stand between the `---` lines of a model's README.

    Every metric is the mean over prompts (of cross-clip identity, over groups), seeds averaged
    first, with its 95% interval, and what it was computed with. What is not
    known is left out, and a comment says so.

    Args:
        result: scored, on prompts (see `why_no_card`).
    """
    animates = bool(result.image_sha256)
    task = "image-to-video" if animates else "text-to-video"
    licence = (result.card.licence or "").casefold()
    data = ModelCardData(
        model_name=result.card.title or result.model,
        license=licence if licence in HUB_LICENCES else None,
        pipeline_tag=task,
        eval_results=[
            EvalResult(
                task_type=task,
                dataset_type="steadybench",
                dataset_name=f"steadybench {result.suite}",
                dataset_config=result.suite,
                dataset_revision=result.prompts_sha256,
                dataset_args={
                    "prompts": len(result.expected_prompts),
                    "seeds": list(result.seeds),
                },
                **measured,
            )
            for measured in (*_scores(result), *_speeds(result))
        ],
    )
    comments = "".join(f"# {plain(line)}\n" for line in _comments(result))
    return f"{comments}{data.to_yaml()}\n"


def _scores(result: Result) -> Iterator[dict[str, Any]]:
    metrics = metrics_and_groups(result)
    for name in in_order(metrics):
        metric = metrics[name]
        found = stats.interval(list(means(result, name).values()))
        if found is None:
            continue
        better = f", {metric.better} is better" if metric.better else ""
        arguments: dict[str, Any] = {
            "groups" if name == NAME else "prompts": found.n,
            "version": metric.version,
        }
        if found.low is not None and found.high is not None:
            arguments["interval_95"] = [_rounded(found.low), _rounded(found.high)]
        yield {
            "metric_type": name,
            "metric_name": f"{name} ({metric.unit}{better})",
            "metric_value": _rounded(found.mean),
            "metric_args": arguments | {"fingerprint": metric.fingerprint},
        }


def _speeds(result: Result) -> Iterator[dict[str, Any]]:
    for device, rows in speeds([result], {result.model: result.model}).items():
        for row in rows:
            yield {
                "metric_type": "compute_s_per_video_s",
                "metric_name": "seconds of compute per second of video (lower is better)",
                "metric_value": _rounded(row.compute_per_video_s),
                "metric_args": {"device": device, "clips": row.clips},
            }


def _comments(result: Result) -> Iterator[str]:
    yield f"{result.model} on suite {result.suite}, as measured by steadybench."
    yield "Scores are diagnostics, not a stand-in for what people prefer."
    if len(result.clips) < result.expected_clips:
        yield f"Incomplete: {len(result.clips)} of {result.expected_clips} clips."
    if failed := sum(clip.status != "ok" for clip in result.clips):
        yield f"{failed} of {result.expected_clips} clips failed; each is a {HEADLINE} of 0."
    if result.lossy:
        yield "Clips exist only as lossy files: compression smooths frames, which may raise scores."
    licence = result.card.licence
    if licence is None:
        yield "Left out: license, which nobody has said."
    elif licence.casefold() not in HUB_LICENCES:
        yield f"Left out: license, which a hub does not know by these words: {licence}"
    for name in in_order(result.metrics):
        if not prompt_means(result, name):
            reasons = sorted(
                {clip.unscored[name] for clip in result.clips if name in clip.unscored}
            )
            yield f"Left out: {name}, which no clip has ({'; '.join(reasons) or 'not computed'})."
    if result.cross_clip and result.cross_clip.why:
        yield f"Left out: {NAME}: {result.cross_clip.why}."
    if not speeds([result], {result.model: result.model}):
        yield "Left out: compute_s_per_video_s, which was not measured."


def _rounded(value: float) -> float:
    return float(number(value, _DIGITS))
