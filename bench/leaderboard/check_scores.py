"""Scores of a published result: each in its range, and the headline what its parts make it."""

from collections.abc import Iterator

from bench.leaderboard.data.rows import HEADLINE
from bench.leaderboard.tables.words import named
from bench.leaderboard.units import allowed, fits
from bench.metrics.composition import TOLERANCE, VERSIONS, composed
from bench.schema import ClipResult, MetricDescription, Result


def wrong_scores(result: Result) -> Iterator[str]:
    """What no run would have written among the scores, one line each."""
    for name, metric in result.metrics.items():
        yield from _wrong_values(result, name, metric)
    if HEADLINE in result.metrics and not any(not_recomputed(result)):
        yield from _wrong_headline(result)


def not_recomputed(result: Result) -> Iterator[str]:
    """Why the headline cannot be computed again from its parts, in one line; none if it can."""
    if HEADLINE not in result.metrics:
        return
    if missing := sorted(VERSIONS.keys() - result.metrics.keys()):
        yield f"{HEADLINE} was not computed again: there is no {', no '.join(missing)}"
    elif others := [n for n, known in VERSIONS.items() if result.metrics[n].version != known]:
        yield f"{HEADLINE} was not computed again: of {', '.join(others)} it is another version"


def _wrong_values(result: Result, name: str, metric: MetricDescription) -> Iterator[str]:
    within = allowed(name, metric.unit)
    out, untold, both = [], [], []
    for clip in result.clips:
        value = clip.scores.get(name)
        if value is None and name in clip.scores and not clip.unscored.get(name, "").strip():
            untold.append(clip)
        if value is not None and name in clip.unscored:
            both.append(clip)
        if value is not None and within is not None and not fits(value, within):
            out.append(clip)
    if out and within is not None:
        low, high = within
        least = f"{low:g} to {high:g}" if high < float("inf") else f"{low:g} or more"
        yield f"{named(out)}: {name} is {out[0].scores[name]:g}, expected {least} ({metric.unit})"
    if untold:
        yield f"{named(untold)}: {name} has no value, and no reason is given"
    if both:
        yield f"{named(both)}: {name} has a value, and a reason for having none"


def _wrong_headline(result: Result) -> Iterator[str]:
    bare: list[ClipResult] = []
    others: list[tuple[ClipResult, float, float]] = []
    for clip in result.clips:
        known = {n: value for n in VERSIONS if (value := clip.scores.get(n)) is not None}
        ranges = {name: allowed(name, result.metrics[name].unit) for name in known}
        if HEADLINE not in known or any(r and not fits(known[n], r) for n, r in ranges.items()):
            continue  # no value, or one that is wrong already
        if known.keys() != VERSIONS.keys():
            bare.append(clip)
        elif abs(known[HEADLINE] - (again := composed(known))) > TOLERANCE:
            others.append((clip, known[HEADLINE], again))
    if bare:
        yield f"{named(bare)}: {HEADLINE} has a value, and not all of its parts have"
    if others:
        _, value, again = others[0]
        clips = named([clip for clip, _, _ in others])
        yield f"{clips}: {HEADLINE} is {value:.6g}, expected {again:.6g}, which its parts give"
