"""Rules of a published result beyond its format: what no run of this benchmark writes.

Its names, hashes, prompts and clips; the values of its metrics; the headline, which is computed
again; the comparison of groups.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import exp, inf, log

from bench.leaderboard.data.files import Suite, suite_of_result
from bench.leaderboard.data.rows import HEADLINE, PARTS
from bench.leaderboard.tables.table import named, plural
from bench.metrics.cross_clip import CHANCE, NOTHING, VERSION, is_still
from bench.metrics.headline import MOST
from bench.schema import ClipResult, Likeness, Result
from bench.storage import SAFE_NAME

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def broken_rules(result: Result) -> Iterator[str]:
    """Each rule that the result breaks, in one line."""
    suite = suite_of_result(result)
    yield from _names(result)
    yield from _hashes(result)
    yield from _prompts(result, suite)
    yield from _clips(result)
    for name, clips in uncomputed(result).items():
        yield from _values(result, name, clips)
    if HEADLINE in result.metrics and headline_unchecked(result) is None:
        yield from _headline(result)
    yield from _groups(result, suite)


# ---- Names, hashes, prompts and clips ----


def _faults(faults: Mapping[str, Sequence[ClipResult]]) -> Iterator[str]:
    return (f"{named(clips)}: {fault}" for fault, clips in faults.items() if clips)


def _names(result: Result) -> Iterator[str]:
    names = [("suite", result.suite), ("model", result.model)]
    for kind, name in [*names, *(("prompt id", prompt) for prompt in result.expected.prompts)]:
        if not SAFE_NAME.fullmatch(name):
            yield f"expected a {kind} of letters, digits, '.', '_' and '-', got {name!r:.80}"


def _hashes(result: Result) -> Iterator[str]:
    hashes = {"fingerprint": result.fingerprint, "prompts.sha256": result.prompts.sha256} | {
        f"fingerprint of {name}": metric.fingerprint for name, metric in result.metrics.items()
    }
    if result.cross_clip is not None:
        hashes["fingerprint of cross_clip"] = result.cross_clip.fingerprint
    if result.calibration is not None:
        hashes["calibration.sha256"] = result.calibration.sha256
    for name, value in hashes.items():
        if value is not None and not _SHA256.fullmatch(value):
            yield f"expected {name} as 64 hexadecimal digits, got {value!r:.80}"
    commit = result.environment.commit
    if commit is not None and not _COMMIT.fullmatch(commit):
        yield f"expected the commit as 40 hexadecimal digits, got {commit!r:.80}"


def _prompts(result: Result, suite: Suite | None) -> Iterator[str]:
    for key, values in (("prompts", result.expected.prompts), ("seeds", result.expected.seeds)):
        if twice := [value for value, count in Counter(values).items() if count > 1]:
            yield f"expected each of the expected {key} once, {twice[0]!r} stands twice"
    count = result.prompts.count
    if count != len(result.expected.prompts):
        yield f"prompts.count is {count}, the expected prompts are {len(result.expected.prompts)}"
    if suite is None:
        return
    if set(result.expected.prompts) != suite.prompts.keys():
        yield f"its prompts have the hash of {suite.file}, and other ids"
    categories = suite.categories
    others = [c for c in result.clips if c.category != categories.get(c.prompt)]
    yield from _faults({f"another category than in {suite.file}": others})


def _clips(result: Result) -> Iterator[str]:
    failed = [clip for clip in result.clips if clip.status != "ok"]
    ok = result.successes
    faults = {
        "failed, but has scores": [c for c in failed if _is_scored(c)],
        "failed, but does not say how": [c for c in failed if not (c.error or "").strip()],
        "failed, but has frames": [c for c in failed if c.frames or c.frames_sha256],
        "is ok, but has an error": [c for c in ok if c.error is not None],
        "is ok, but frames_sha256 is not 64 hexadecimal digits": [
            c for c in ok if not _SHA256.fullmatch(c.frames_sha256 or "")
        ],
        "has scores of metrics that the file does not describe": [
            c for c in ok if not (c.scores.keys() | c.unscored.keys()) <= result.metrics.keys()
        ],
        "is of random weights, but has scores": [
            c for c in ok if result.random_weights and _is_scored(c)
        ],
        "was made in 0 s": [c for c in ok if c.latency_s == 0],
        "adherence_min is above adherence": [c for c in ok if _least_above_mean(c)],
    }
    yield from _faults(faults)


def _least_above_mean(clip: ClipResult) -> bool:
    least, mean = clip.scores.get("adherence_min"), clip.scores.get("adherence")
    return least is not None and mean is not None and not fits(least, (0, mean))


def _is_scored(clip: ClipResult) -> bool:
    return any(value is not None for value in clip.scores.values())


# ---- Values: within their ranges, or with a reason for having none ----


Range = tuple[float, float]

RANGES: Mapping[str, Range] = {
    "points": (0, 100),
    "100 cos": (0, 100),
    "100 cos per second": (-inf, inf),
    "cosine": (-1, 1),
    "cosine per second": (-inf, inf),
    "LPIPS": (0, inf),
    "SSIM": (-1, 1),
    "ratio": (0, inf),
    "share of full scale": (0, 1),
    "share of frames": (0, 1),
    "share of pixels": (0, 1),
    "cuts": (0, inf),
    "short sides per second": (0, inf),
    "0 or 1": (0, 1),
}
"""Unit to the least and the greatest value of a metric in it."""

OWN_RANGES: Mapping[str, Range] = {
    "adherence_margin": (-200, 200),
    "vbench_aesthetic_quality": (-inf, inf),
}
"""Metrics whose values reach further than their unit lets others reach."""

_ROUNDING = 1e-5  # of a network's single-precision numbers: a cosine may be 1.0000002


def allowed(metric: str, unit: str) -> Range | None:
    """The least and the greatest value a metric can have; None if nobody knows the unit."""
    return OWN_RANGES.get(metric) or RANGES.get(unit)


def fits(value: float, within: Range) -> bool:
    """Whether a value lies in a range, give or take the rounding of a network's numbers."""
    low, high = _widened(within)
    return low <= value <= high


def _widened(within: Range) -> Range:
    low, high = within
    return low - _ROUNDING * max(1, abs(low)), high + _ROUNDING * max(1, abs(high))


def uncomputed(result: Result) -> dict[str, list[ClipResult]]:
    """Metric to the clips that are ok and of which nothing is said by it."""
    clips: dict[str, list[ClipResult]] = {name: [] for name in result.metrics}
    for clip in result.successes:
        for name in result.metrics.keys() - clip.scores.keys() - clip.unscored.keys():
            clips[name].append(clip)
    return clips


def _values(result: Result, name: str, unexplained: Sequence[ClipResult]) -> Iterator[str]:
    unit = result.metrics[name].unit
    low, high = allowed(name, unit) or (-inf, inf)
    least, most = _widened((low, high))
    out, bare, contradictory = [], [], []
    for clip in result.clips:
        value = clip.scores.get(name)
        if value is None:
            if name in clip.scores and not clip.unscored.get(name, "").strip():
                bare.append(clip)
            continue
        if not least <= value <= most:
            out.append(clip)
        if name in clip.unscored:
            contradictory.append(clip)
    if out:
        range_ = f"{low:g} to {high:g}" if high < inf else f"{low:g} or more"
        yield f"{named(out)}: {name} is {out[0].scores[name]:g}, expected {range_} ({unit})"
    if not result.random_weights and 2 * len(unexplained) > len(result.clips):
        yield (
            f"{plural(len(unexplained), 'clip')} of {len(result.clips)} have neither a value of "
            f"{name} nor a reason"
        )
    yield from _faults(
        {
            f"{name} has no value, and no reason is given": bare,
            f"{name} has a value, and a reason for having none": contradictory,
        }
    )


# ---- The headline: what its parts give ----


HEADLINE_VERSIONS: Mapping[str, int] = {HEADLINE: 7, **dict.fromkeys(PARTS, 6)}
"""The headline and all that it is made of, in the versions for which the sum holds."""

HEADLINE_TOLERANCE = 1e-3
"""Points; what rounding of the parts may come to."""


def headline_unchecked(result: Result) -> str | None:
    """Why the headline cannot be computed again from its parts; None if it can, or is not there."""
    if HEADLINE not in result.metrics:
        return None
    if missing := sorted(HEADLINE_VERSIONS.keys() - result.metrics.keys()):
        return f"{HEADLINE} was not computed again: there is no {', no '.join(missing)}"
    others = [n for n, version in HEADLINE_VERSIONS.items() if result.metrics[n].version != version]
    if others:
        return f"{HEADLINE} was not computed again: of {', '.join(others)} it is another version"
    return None


def composed(parts: Mapping[str, float]) -> float:
    """The headline, 0..100, of the points that each kind of damage took from a clip.

    `parts` is everything in `HEADLINE_VERSIONS` but the headline itself, whose clip is not needed.
    """
    return 100 - sum(parts[name] for name in PARTS)


def _headline(result: Result) -> Iterator[str]:
    """That the headline is what the formula gives of its parts; see `composed`."""
    bare: list[ClipResult] = []
    others: list[tuple[ClipResult, float, float]] = []
    held: list[ClipResult] = []
    ranges = {
        name: _widened(allowed(name, result.metrics[name].unit) or (-inf, inf))
        for name in HEADLINE_VERSIONS
    }
    for clip in result.clips:
        parts = {name: value for name in ranges if (value := clip.scores.get(name)) is not None}
        sound = all(ranges[name][0] <= part <= ranges[name][1] for name, part in parts.items())
        if HEADLINE not in parts or not sound:
            continue  # no value, or one that is wrong already
        if len(parts) < len(ranges):
            bare.append(clip)
        elif abs(parts[HEADLINE] - (again := composed(parts))) > HEADLINE_TOLERANCE:
            others.append((clip, parts[HEADLINE], again))
        elif not _charged_for_stutter(parts, clip.scores.get("stutter")):
            held.append(clip)
    yield from _faults(
        {
            f"{HEADLINE} has a value, and not all of its parts have": bare,
            f"{HEADLINE} and lost_stutter are not what stutter gives": held,
        }
    )
    if others:
        _, value, again = others[0]
        clips = named([clip for clip, _, _ in others])
        yield f"{clips}: {HEADLINE} is {value:.6g}, expected {again:.6g}, which its parts give"


def _charged_for_stutter(parts: Mapping[str, float], stutter: float | None) -> bool:
    """Whether frames that repeat the one before cost what they do in the headline.

    Its charge d is the root of the sum of the squares of its parts' charges, and points are lost
    in proportion to those squares; that of stutter is -ln(1 - stutter), 12 at most.
    """
    if stutter is None or not fits(stutter, (0, 1)):
        return True
    charge = -log(max(1 - stutter, exp(-MOST)))
    whole = -log(max(parts[HEADLINE], 1e-300) / 100)
    lost = (100 - parts[HEADLINE]) * (charge / whole) ** 2 if whole > 0 else 100 * (charge > 0)
    return abs(lost - parts["lost_stutter"]) <= HEADLINE_TOLERANCE


# ---- The comparison of groups ----


_COSINE_ROUNDING = 1e-6


def groups_unchecked(result: Result) -> str | None:
    """Why the comparison of groups cannot be judged; None if it can, or is not there."""
    if result.cross_clip is None or result.cross_clip.version == VERSION:
        return None
    return f"cross_clip was not checked: it is of version {result.cross_clip.version}"


def _groups(result: Result, suite: Suite | None) -> Iterator[str]:
    """That the comparison of groups has a part for every clip, and parts that can be."""
    parts = {clip.sample: (clip, clip.cross_clip) for clip in result.clips if clip.cross_clip}
    clips = [clip for clip, _ in parts.values()]
    if result.cross_clip is None or result.cross_clip.why is not None:
        yield from _faults({"a part in cross_clip, but there is no comparison": clips})
        return
    asked = suite.prompts.values() if suite else ()
    groups = {prompt.id: prompt.group for prompt in asked if prompt.group is not None}
    prompts = {clip.prompt for clip in clips} if suite is None else groups.keys()
    expected = {(prompt, seed) for prompt in prompts for seed in result.expected.seeds}
    if missing := sorted(expected - parts.keys()):
        prompt, seed = missing[0]
        yield (
            f"expected {plural(len(expected), 'clip')} with a part in cross_clip, "
            f"{len(missing)} have none, as prompt {prompt!r} seed {seed}"
        )
    if not expected:
        yield "there is a comparison in cross_clip, and no clip has a part in it"
    if suite is not None:
        others = [c for c, part in parts.values() if part.group != groups.get(c.prompt)]
        yield from _faults({f"another group than in {suite.file}": others})
    if groups_unchecked(result) is not None:
        return
    unseen = {clip.seed for clip in clips if not _is_seen(clip)}
    yield from _faults(
        {
            "failed or is still, but its cross_clip has cosines": [
                c for c, part in parts.values() if not _is_seen(c) and part.own is not None
            ],
            "the value of cross_clip is not what its own and others give": [
                c for c, part in parts.values() if not _adds_up(part, whole=c.seed not in unseen)
            ],
        }
    )


def _adds_up(part: Likeness, *, whole: bool) -> bool:
    """Whether a value can be: own - others, or less of it where comparisons counted as nothing."""
    if part.own is None or part.others is None:
        nothing = (part.value, part.won) == (NOTHING, CHANCE)
        return part.own is part.others is None and nothing and not whole
    ahead = part.own - part.others
    low, high = (ahead, ahead) if whole else (min(0.0, ahead), max(0.0, ahead))
    return low - _COSINE_ROUNDING <= part.value <= high + _COSINE_ROUNDING


def _is_seen(clip: ClipResult) -> bool:
    """Whether a clip shows a character in a shot; see `is_still`."""
    return clip.status == "ok" and not is_still(clip.scores)
