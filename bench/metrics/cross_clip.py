"""Cross-clip identity: does a character stay itself from one shot to the next?

It is a number of a whole suite whose prompts come in groups, not of a clip: what is kept of a clip
is its `appearance`, and `compare` makes the number of all of them.

Two clips of one group are of different kinds of shot (categories), a close-up and a crowd, say,
while among clips of different groups there are pairs of one kind, which are alike for that alone.
So like is compared with like: a clip a and its sibling b, against a and what other groups have of
b's kind; what the kind of shot does to a cosine is then in both, and cancels. Clips of different
seeds are never compared: with one seed, a model that does not listen draws much the same picture
for everybody, and that is in both as well.

    value = mean over a, b of cos(a, b) - mean over b' of cos(a, b')

a, b of one group; b' of other groups and of b's category; all of one seed. `won` is the share of
the b' that are less like a than b is, a tie being half: the chance to tell the sibling from a
stranger (the area under the ROC curve; Hanley and McNeil 1982). A model that draws one character,
or a new one each time, has 0 and one half. A clip that could not be made, or in which nothing
moves, shows no character in a shot: comparisons with it count as 0 and one half too.
"""

import base64
import binascii
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unscored
from bench.schema import Likeness
from bench.storage import fingerprint

if TYPE_CHECKING:  # whoever only compares needs no networks
    from bench.vision.analysis import Analysis
    from bench.vision.backbones import Backbones

VERSION = 1
UNIT = "cosine"
BETTER: Final = "higher"

NOTHING, CHANCE = 0.0, 0.5
"""What a comparison with a clip that is not there counts as: value, won."""

STILL = 0.025
"""Short sides per second of `dynamics_raw` under which nothing moves.

Of all motion, whatever the prompt says: a calm face in close-up shows who it is.
"""

_TIE = 1e-9


@dataclass(frozen=True, eq=False)
class Shot:
    """One clip of a group.

    Attributes:
        group: whose clip it is.
        kind: of shot; the prompt's category.
        seed: of the draw.
        appearance: float64 `[D]`, a unit vector; None where there is nothing to be seen.
    """

    group: str
    kind: str
    seed: int
    appearance: NDArray[np.float64] | None


def appearance(analysis: "Analysis") -> NDArray[np.float32]:
    """What a clip looks like: the mean of its frames' unit embeddings, made a unit vector.

    Returns:
        float32 `[D]`.

    Raises:
        Unscored: if the clip is too small, or the identity network has no weights.
    """
    mean = analysis.identity.astype(np.float64).mean(axis=0)
    unit: NDArray[np.float32] = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit


def appearance_fingerprint(backbones: "Backbones") -> str:
    """What computes an appearance: this module's version and the identity network."""
    try:
        network = backbones.get("identity").fingerprint
    except Unscored:
        network = "missing"
    return fingerprint({"version": VERSION, "identity": network})


def is_still(scores: Mapping[str, float | None]) -> bool:
    """Whether a clip shows one picture, and so no character in a shot; False if nobody knows."""
    speed = scores.get("dynamics_raw")
    return scores.get("stutter") == 1 or (speed is not None and speed < STILL)


def pack(vector: NDArray[np.float32]) -> str:
    """A vector as text: base64 of little-endian float16, which moves a cosine by about 1e-5."""
    return base64.b64encode(vector.astype("<f2").tobytes()).decode("ascii")


def unpack(text: str) -> NDArray[np.float64]:
    """The unit vector that `pack` wrote.

    Raises:
        ValueError: if it wrote no such thing.
    """
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float64)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    length = float(np.linalg.norm(vector))
    if not 0 < length < np.inf:
        raise ValueError(f"a vector of length {length}")
    unit: NDArray[np.float64] = vector / length
    return unit


def compare(shots: Sequence[Shot]) -> list[Likeness]:
    """Hold every clip against its siblings and what other groups have of their kinds.

    Args:
        shots: all clips of all groups, the failed among them, in any order.

    Returns:
        One for each, in the order given.

    Raises:
        Unscored: if there are fewer than two groups, or a clip has nothing to be compared with.
    """
    if len({shot.group for shot in shots}) < 2:
        raise Unscored("fewer than two groups, a character has nobody to be told from")
    by_seed: defaultdict[int, list[int]] = defaultdict(list)
    for index, shot in enumerate(shots):
        by_seed[shot.seed].append(index)
    likenesses: dict[int, Likeness] = {}
    for members in by_seed.values():
        of_seed = [shots[index] for index in members]
        likenesses |= zip(members, _compare_seed(of_seed), strict=True)
    return [likenesses[index] for index in range(len(shots))]


def _compare_seed(shots: Sequence[Shot]) -> list[Likeness]:
    size = next((len(s.appearance) for s in shots if s.appearance is not None), 1)
    unseen = np.full(size, np.nan)
    vectors = np.array([unseen if s.appearance is None else s.appearance for s in shots])
    cosines = vectors @ vectors.T  # NaN where either clip is not there
    groups, kinds = (np.array([getattr(s, key) for s in shots]) for key in ("group", "kind"))
    likenesses = []
    for a, shot in enumerate(shots):
        siblings = [b for b in np.flatnonzero(groups == shot.group).tolist() if b != a]
        compared = [
            _against(cosines[a, b], cosines[a, strangers])
            for b in siblings
            if len(strangers := np.flatnonzero((groups != shot.group) & (kinds == kinds[b])))
        ]
        if not compared:
            raise Unscored(
                f"group {shot.group!r} has a clip with nothing to compare: it needs a second one, "
                "of a category that another group has too"
            )
        own, others, value, won = np.array(compared).T
        likenesses.append(
            Likeness(
                group=shot.group,
                own=_mean(own),
                others=_mean(others),
                value=float(value.mean()),
                won=float(won.mean()),
            )
        )
    return likenesses


def _against(own: float, others: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Own, others, value and won of one comparison, in the order of `Likeness`.

    `own` is a sibling's cosine, `others` those of strangers; NaN where a clip is not there.
    """
    there = others[np.isfinite(others)]
    if not np.isfinite(own) or not len(there):
        return np.nan, np.nan, NOTHING, CHANCE
    ahead, average = own - there, float(there.mean())
    won = np.where(np.abs(ahead) < _TIE, CHANCE, ahead > 0)
    return own, average, own - average, float(won.mean())


def _mean(values: NDArray[np.float64]) -> float | None:
    """Of those that are there."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if len(there) else None
