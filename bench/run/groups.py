"""Groups: the clips of each character, gathered from their records and compared."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, Unscored
from bench.metrics import cross_clip
from bench.prompts import Item

Draw = tuple[str, int]
"""Prompt id and seed."""

_TEXT = str | None
_NUMBER = int | float
_COSINE = int | float | None

STILL = 0.025
"""Short sides per second of `dynamics_raw` under which nothing moves, as for the headline's gate.

Of all motion, whatever the prompt says: a calm face in close-up shows who it is.
"""


@dataclass(frozen=True)
class Comparison:
    """What the clips of groups were compared with.

    Attributes:
        version: of the formula.
        fingerprint: hex, of formula and identity network; None where no clip was scored.
        why: there is no comparison; None where there is.
    """

    version: int
    fingerprint: str | None
    why: str | None


def compare_groups(
    items: Sequence[Item],
    clips: Sequence[dict[str, Any]],
    appearances: Mapping[Draw, Mapping[str, Any] | None],
) -> Comparison:
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
            made[item.prompt.id, item.seed]["cross_clip"] = asdict(alike)
    except Unscored as reason:
        why = str(reason)
    return Comparison(cross_clip.VERSION, next(iter(used), None), why)


def read_comparison(entry: object, where: str) -> Comparison | None:
    """What a result file says of the comparison, checked; None where it says nothing.

    Raises:
        BenchError: if it is anything else; `where` is named.
    """
    if entry is None:
        return None
    return Comparison(
        **_checked(entry, {"version": int, "fingerprint": _TEXT, "why": _TEXT}, where)
    )


def read_likeness(entry: object, where: str) -> cross_clip.Likeness | None:
    """A clip's part in it as a result file has it, checked; None where it has none.

    Raises:
        BenchError: if it is anything else; `where` is named.
    """
    if entry is None:
        return None
    kinds = {"group": str, "own": _COSINE, "others": _COSINE, "value": _NUMBER, "won": _NUMBER}
    return cross_clip.Likeness(**_checked(entry, kinds, where))


def _checked(entry: object, kinds: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or entry.keys() != kinds.keys():
        raise BenchError(f"{where}: expected 'cross_clip' with the keys {', '.join(kinds)}")
    for key, kind in kinds.items():
        if not isinstance(entry[key], kind) or isinstance(entry[key], bool):
            raise BenchError(f"{where}: cross_clip: {key!r} cannot be {entry[key]!r:.80}")
    return entry


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
        if not is_still(clip["scores"]):
            seen = _read(entry["vector"], name)
    return cross_clip.Shot(str(item.prompt.group), item.prompt.category, item.seed, seen)


def is_still(scores: Mapping[str, float | None]) -> bool:
    """Whether a clip shows one picture, and so no character in a shot; False if nobody knows."""
    speed = scores.get("dynamics_raw")
    return scores.get("stutter") == 1 or (speed is not None and speed < STILL)


def _read(text: str, name: str) -> NDArray[np.float64]:
    try:
        return cross_clip.unpack(text)
    except ValueError as error:
        raise BenchError(
            f"{name}: expected the looks of a clip in its score record, but {error}; "
            "remove that file and run again"
        ) from None
