"""Cross-clip identity in a published result: a part for every clip, and parts that can be."""

from collections.abc import Iterator

from bench.leaderboard.catalogue import Suite
from bench.leaderboard.tables.words import named, plural
from bench.leaderboard.units import fits
from bench.metrics.cross_clip import CHANCE, NOTHING, VERSION, is_still
from bench.schema import ClipResult, Likeness, Result

_ROUNDING = 1e-6


def wrong_groups(result: Result, suite: Suite | None) -> Iterator[str]:
    """What no run would have written of the comparison of groups, one line each.

    Args:
        result: as it was read.
        suite: the published suite of its prompts; None if it is another.
    """
    having = [clip for clip in result.clips if clip.cross_clip is not None]
    if result.cross_clip is None or result.cross_clip.why is not None:
        if having:
            yield f"{named(having)}: a part in cross_clip, but there is no comparison"
        return
    grouped = {clip.prompt for clip in having} if suite is None else suite.groups.keys()
    expected = {(prompt, seed) for prompt in grouped for seed in result.seeds}
    if missing := sorted(expected - {(clip.prompt, clip.seed) for clip in having}):
        prompt, seed = missing[0]
        yield (
            f"expected {plural(len(expected), 'clip')} with a part in cross_clip, "
            f"{len(missing)} have none, as prompt {prompt!r} seed {seed}"
        )
    if not expected:
        yield "there is a comparison in cross_clip, and no clip has a part in it"
    if suite is not None:
        other = [clip for clip in having if _part(clip).group != suite.groups.get(clip.prompt)]
        if other:
            yield f"{named(other)}: another group than in {suite.file}"
    if result.cross_clip.version == VERSION:
        yield from _wrong_parts(having)


def unknown_groups(result: Result) -> Iterator[str]:
    """That the parts in a comparison were not checked, in one line; none if they were."""
    if result.cross_clip is not None and result.cross_clip.version != VERSION:
        yield f"cross_clip was not checked: it is of version {result.cross_clip.version}"


def _wrong_parts(clips: list[ClipResult]) -> Iterator[str]:
    unseen = {clip.seed for clip in clips if not _is_seen(clip)}
    out = [clip for clip in clips if not _within(_part(clip))]
    shown = [c for c in clips if not _is_seen(c) and _part(c).own is not None]
    apart = [
        clip
        for clip in clips
        if clip not in out and not _adds_up(_part(clip), whole=clip.seed not in unseen)
    ]
    for fault, found in {
        "cross_clip is out of range: value -2 to 2, won 0 to 1, own and others -1 to 1": out,
        "failed or is still, but its cross_clip has cosines": shown,
        "the value of cross_clip is not what its own and others give": apart,
    }.items():
        if found:
            yield f"{named(found)}: {fault}"


def _within(part: Likeness) -> bool:
    cosines = [value for value in (part.own, part.others) if value is not None]
    return (
        fits(part.value, (-2, 2))
        and fits(part.won, (0, 1))
        and all(fits(cosine, (-1, 1)) for cosine in cosines)
    )


def _adds_up(part: Likeness, *, whole: bool) -> bool:
    """Whether a value can be: own - others, or less of it where comparisons counted as nothing."""
    if part.own is None or part.others is None:
        nothing = (part.value, part.won) == (NOTHING, CHANCE)
        return part.own is part.others is None and nothing and not whole
    ahead = part.own - part.others
    low, high = (ahead, ahead) if whole else (min(0.0, ahead), max(0.0, ahead))
    return low - _ROUNDING <= part.value <= high + _ROUNDING


def _is_seen(clip: ClipResult) -> bool:
    """Whether a clip shows a character in a shot; see `is_still`."""
    return clip.status == "ok" and not is_still(clip.scores)


def _part(clip: ClipResult) -> Likeness:
    assert clip.cross_clip is not None
    return clip.cross_clip
