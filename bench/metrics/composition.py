"""The headline from its parts, by which a published one is computed again without its clip.

The parts are the points that each kind of damage takes: coherence = 100 - the sum of all parts.
This module draws on no network and no clip.
"""

from collections.abc import Mapping

VERSIONS: Mapping[str, int] = {
    "coherence": 2,
    "lost_tremble": 1,
    "lost_churn": 1,
    "lost_flicker": 1,
    "lost_jumps": 1,
    "lost_identity": 1,
    "lost_blending": 1,
    "lost_order": 1,
    "lost_stutter": 1,
    "lost_motion": 1,
}
"""The headline and all that it is made of, in the versions for which the sum holds."""

TOLERANCE = 1e-3
"""Points; what rounding of the parts may come to."""


def composed(parts: Mapping[str, float]) -> float:
    """The headline that the parts of a clip give.

    Args:
        parts: everything in `VERSIONS` but the headline itself, points lost.

    Returns:
        0..100, to within `TOLERANCE` of what was computed from the clip.
    """
    return 100 - sum(parts[name] for name in VERSIONS if name != "coherence")
