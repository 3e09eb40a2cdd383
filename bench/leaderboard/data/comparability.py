"""Which results compare: the one rule, for tables of many and for two side by side."""

from collections.abc import Hashable, Mapping

from bench.leaderboard.data.costs import CRITERIA
from bench.leaderboard.data.files import suite_of
from bench.schema import Result


def differences(first: Result, other: Result, *, paired: bool = False) -> tuple[str, ...]:
    """In what two results differ so that they do not compare; empty if they do.

    A metric that only one of them has is no reason, unless it decides ranks. Paired, they are put
    side by side, draw by draw and metric by metric: whatever prompts, seeds and metrics they share
    is enough, footage compares file by file, and a suite compares with itself in another language.
    """
    a, b = conditions(first), conditions(other)
    same = first.prompts.sha256 == other.prompts.sha256
    if same and first.prompts.sha256 is None and not paired:
        judged: set[str] = set()
    elif same or (paired and languages(first, other)):
        judged = a.keys() - {"prompts"}
    else:
        judged = a.keys() - {"selection of the prompts"}
    if paired:
        judged -= {"selection of the prompts", "seeds"}
    reasons = [
        f"other {name} ({a[name][1]} and {b[name][1]})"
        for name in a
        if name in judged and a[name][0] != b[name][0]
    ]
    if first.calibration != other.calibration and not paired:
        reasons.append("another calibration")
    names = first.metrics.keys() | other.metrics.keys()
    changed = sorted(name for name in names if first.metrics.get(name) != other.metrics.get(name))
    if len(changed) == len(names) > 0:
        reasons.append("other versions or backbones of every metric")
    elif not paired:
        shared = first.metrics.keys() & other.metrics.keys()
        if versions := [name for name in changed if name in shared]:
            reasons.append(f"other versions or backbones of {', '.join(versions)}")
        if lacking := [name for name in changed if name in CRITERIA and name not in shared]:
            reasons.append(f"{', '.join(lacking)} of one alone")
    return tuple(reasons)


def languages(first: Result, other: Result) -> tuple[str, str] | None:
    """The files of two published suites that are each other in another language.

    Their prompts share ids and categories; None for one suite, or for two that are no such thing.
    """
    one, two = suite_of(first.prompts.sha256, {}), suite_of(other.prompts.sha256, {})
    if one is None or two is None or one == two or one.categories != two.categories:
        return None
    return one.file, two.file


def conditions(result: Result) -> Mapping[str, tuple[Hashable, str]]:
    """What the clips of a result were made under: what must be equal, and how people say it."""
    sha256, asked = result.prompts.sha256, set(result.expected.prompts)
    return {
        "prompts": (
            sha256,
            f"{result.prompts.name}, sha256 {sha256[:8]}" if sha256 else "footage without any",
        ),
        "selection of the prompts": (frozenset(asked) if sha256 else None, str(len(asked))),
        "seeds": (
            frozenset(result.expected.seeds),
            ", ".join(map(str, sorted(result.expected.seeds))),
        ),
        "aspect": (result.aspect, result.aspect or "as each model makes it"),
        "compression": (result.lossy, "lossy" if result.lossy else "lossless"),
    }
