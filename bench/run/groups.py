"""Groups: the clips of each character, gathered from their records and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, Unscored
from bench.metrics import cross_clip
from bench.prompts import Item
from bench.schema import GroupComparison

Draw = tuple[str, int]
"""Prompt id and seed."""


def compare_groups(
    items: Sequence[Item],
    clips: Sequence[dict[str, Any]],
    appearances: Mapping[Draw, Mapping[str, Any] | None],
) -> GroupComparison:
    """Compare the clips of the groups of a suite, each by itself; all of them or none.

    Each clip of a group is given its part, under `cross_clip`.

    Args:
        items: all draws.
        clips: the clips of the result so far.
        appearances: what is stored of each clip's looks; None where it was not scored.

    Raises:
        BenchError: if the looks of two clips were computed in two ways, or cannot be read.
    """
    made = {(clip["prompt"], clip["seed"]): clip for clip in clips}
    grouped = [item for item in items if item.prompt.group is not None]
    used = {
        entry["fingerprint"]
        for item in grouped
        if (entry := appearances.get((item.prompt.id, item.seed))) is not None
    }
    if len(used) > 1:
        raise BenchError(
            "the looks of clips were computed in two ways; "
            "run again with stages=[score] and the whole suite"
        )
    why = None
    try:
        shots = [_shot(item, made, appearances) for item in grouped]
        for item, alike in zip(grouped, cross_clip.compare(shots), strict=True):
            made[item.prompt.id, item.seed]["cross_clip"] = alike.json_values
    except Unscored as reason:
        why = str(reason)
    return GroupComparison(version=cross_clip.VERSION, fingerprint=next(iter(used), None), why=why)


def _shot(
    item: Item,
    made: Mapping[Draw, Mapping[str, Any]],
    appearances: Mapping[Draw, Mapping[str, Any] | None],
) -> cross_clip.Shot:
    """A draw as it is compared.

    Raises:
        Unscored: if it has no clip yet, or none that was scored.
    """
    draw = item.prompt.id, item.seed
    name = f"{item.prompt.id} seed {item.seed}"
    if draw not in made:
        raise Unscored(f"{name} is not made yet, and all clips of the groups are needed")
    seen: NDArray[np.float64] | None = None
    clip, entry = made[draw], appearances.get(draw)
    if clip["status"] == "ok":
        if entry is None:
            raise Unscored(f"{name} is not scored yet, and all clips of the groups are needed")
        if entry["vector"] is None:
            raise Unscored(f"{name}: {entry['why']}")
        if not cross_clip.is_still(clip["scores"]):
            seen = _read(entry["vector"], name)
    return cross_clip.Shot(str(item.prompt.group), item.prompt.category, item.seed, seen)


def _read(text: str, name: str) -> NDArray[np.float64]:
    try:
        return cross_clip.unpack(text)
    except ValueError as error:
        raise BenchError(
            f"{name}: expected the looks of a clip in its score record, but {error}; "
            "remove that file and run again"
        ) from None
