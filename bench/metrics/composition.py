"""The headline from its parts, by which a published one is computed again without its clip.

    coherence = 100 motion order (1 - stutter) / (1 + jumps + (flicker + identity + smooth)^2.75)

is the formula at the head of `bench.metrics.coherence`. A sub-score is 100 / (1 + damage^2.75), or
100 / (1 + jumps), of one kind of damage alone, so each gives its damage back, in the scales of the
calibration, whichever that is. This module draws on no network and no clip.
"""

from collections.abc import Mapping

POWER = 2.75

VERSIONS: Mapping[str, int] = {
    "coherence": 1,
    "coherence_flicker": 1,
    "coherence_identity": 1,
    "coherence_smooth": 1,
    "coherence_jumps": 1,
    "coherence_order": 1,
    "coherence_motion": 1,
    "stutter": 2,
}
"""The headline and all that it is made of, in the versions for which the formula holds."""

TOLERANCE = 1e-3
"""Points. Damage under 2e-6 leaves no trace in a sub-score of 100, and costs up to 4e-4 points."""


def composed(parts: Mapping[str, float]) -> float:
    """The headline that the parts of a clip give.

    Args:
        parts: everything in `VERSIONS` but the headline itself: points, and stutter, a share.

    Returns:
        0..100, to within `TOLERANCE` of what was computed from the clip.
    """
    alone = [parts[f"coherence_{name}"] for name in ("flicker", "identity", "smooth", "jumps")]
    if min(alone) < TOLERANCE:  # the headline is never above any of them
        return 0.0
    *slow, jumps = (max(0.0, 100 / value - 1) for value in alone)
    damaged: float = jumps + sum(share ** (1 / POWER) for share in slow) ** POWER
    worth = parts["coherence_motion"] * parts["coherence_order"] / 100 * (1 - parts["stutter"])
    return worth / (1 + damaged)
