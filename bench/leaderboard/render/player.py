"""What the page's player is told: whose clips of which prompts there are, scores and curves."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.leaderboard.data.curves import Curve
from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.render.clips import Draw, Kept, Shelf, categories, spread
from bench.leaderboard.tables.digits import number
from bench.leaderboard.tables.words import failure, visible
from bench.schema import ClipResult, Result

CURVES = {
    "adherence": "adherence to the prompt",
    "identity_first": "likeness to the first frame",
    "tlpips": "change from step to step",
    "flicker": "flicker",
    "coherence_worst_second": "coherence, second by second",
}
"""What the curves under the clips are called; first these and then any other."""
VALUES = ("adherence", "coherence_worst_second")
"""What stands under a clip after the headline."""


def player(
    board: SuiteBoard, shelves: Mapping[tuple[str, str], Shelf], headline: str
) -> dict[str, Any] | None:
    """What the script of the page needs to play a suite's clips, as JSON values.

    Args:
        board: of the suite.
        shelves: suite and model to the clips that are kept.
        headline: metric whose value stands first under a clip.

    Returns:
        The draws, the models, and for each model its clips in the order of the draws; None if no
        clip can be played.
    """
    kept = {
        result.model: {(clip.prompt, clip.seed): clip for clip in shelf.clips}
        for result in board.results
        if (shelf := shelves.get((board.suite, result.model))) and shelf.clips
    }
    if not any(clip.source for clips in kept.values() for clip in clips.values()):
        return None
    ordered = [row.result for group in board.groups for row in (*group.complete, *group.partial)]
    ordered += [result for result in board.results if result not in ordered]
    shown = [result for result in ordered if result.model in kept]
    available = {draw for clips in kept.values() for draw in clips}
    known = categories(board.results)
    draws = list(
        dict.fromkeys(d for result in shown for d in spread(result, known) if d in available)
    )
    texts = {d: clip.text for clips in kept.values() for d, clip in clips.items() if clip.text}
    units = {name: metric.unit for result in shown for name, metric in result.metrics.items()}
    names = {n for clips in kept.values() for clip in clips.values() for n in clip.curves}
    curves = [name for name in CURVES if name in names] + sorted(names - {*CURVES})
    return {
        "seeds": len({seed for _, seed in draws}),
        "note": _note(board, draws),
        "draws": [
            {
                "prompt": visible(prompt),
                "seed": seed,
                "text": visible(texts.get((prompt, seed), "")),
                "category": visible(known.get(prompt, "")),
            }
            for prompt, seed in draws
        ],
        "models": [{"label": visible(board.labels[result.model])} for result in shown],
        "curves": [
            {
                "name": visible(name),
                "title": CURVES.get(name, visible(name)),
                "unit": visible(units.get(name, "")),
            }
            for name in curves
        ],
        "clips": [_clips(result, kept[result.model], draws, headline) for result in shown],
    }


def _clips(
    result: Result,
    kept: Mapping[Draw, Kept],
    draws: Sequence[Draw],
    headline: str,
) -> list[dict[str, Any] | None]:
    """A result's clips in the order of the draws; None where it has none and there is no reason."""
    made = {(clip.prompt, clip.seed): clip for clip in result.clips}
    return [_clip(made.get(draw), kept.get(draw), headline) for draw in draws]


def _clip(clip: ClipResult | None, kept: Kept | None, headline: str) -> dict[str, Any] | None:
    if clip is None:
        return None
    values = [
        (visible(name).removeprefix(f"{headline}_").replace("_", " "), number(value))
        for name in (headline, *VALUES)
        if (value := clip.scores.get(name)) is not None
    ]
    why = visible(failure(clip)) if clip.status != "ok" else "this clip is not published"
    return {
        "source": kept.source if kept else None,
        "why": why,
        "fps": clip.fps,
        "seconds": clip.video_s,
        "values": values,
        "curves": {visible(name): _points(curve) for name, curve in kept.curves.items()}
        if kept
        else {},
    }


def _points(curve: Curve) -> dict[str, Any]:
    return {"at_s": curve.at_s, "values": curve.values}


def _note(board: SuiteBoard, draws: Sequence[Draw]) -> str:
    everything = max(result.expected_clips for result in board.results)
    if len(draws) >= everything:
        return ""
    return (
        f"{len(draws)} of {everything} draws, taken evenly over the categories, so that a "
        "leaderboard stays small; all of them lie in the folders of the runs."
    )
