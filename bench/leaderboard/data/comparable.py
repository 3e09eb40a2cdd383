"""Which results compare: the one rule of the leaderboard's tables and of `bench.compare`."""

from collections.abc import Hashable, Mapping

from bench.leaderboard.catalogue import suite_of
from bench.schema import Result

Condition = tuple[Hashable, str]
"""What must be equal, and how people say it."""


def comparable(result: Result) -> Hashable:
    """A key that is equal exactly for results that may share a table.

    Rows of footage without prompts never compare; they share a table wherever their metrics do.
    """
    footage = result.prompts_sha256 is None
    values = [None if footage else value for value, _ in _conditions(result).values()]
    return (*values, result.calibration_sha256, frozenset(result.metrics.items()))


def differences(first: Result, other: Result, *, paired: bool = False) -> tuple[str, ...]:
    """In what two results differ so that they do not compare; empty if they do.

    Paired, they are put side by side, metric by metric: one common metric is enough, footage
    compares file by file, and a suite compares with itself in another language.
    """
    a, b = _conditions(first), _conditions(other)
    same = first.prompts_sha256 == other.prompts_sha256
    if same and first.prompts_sha256 is None and not paired:
        judged: set[str] = set()
    elif same or (paired and languages(first, other)):
        judged = a.keys() - {"prompts"}
    else:
        judged = a.keys() - {"selection of the prompts"}
    reasons = [
        f"other {name} ({a[name][1]} and {b[name][1]})"
        for name in a
        if name in judged and a[name][0] != b[name][0]
    ]
    if first.calibration_sha256 != other.calibration_sha256 and not paired:
        reasons.append("another calibration")
    names = first.metrics.keys() | other.metrics.keys()
    changed = sorted(name for name in names if first.metrics.get(name) != other.metrics.get(name))
    if changed and (len(changed) == len(names) or not paired):
        which = "every metric" if len(changed) == len(names) else ", ".join(changed)
        reasons.append(f"other versions or backbones of {which}")
    return tuple(reasons)


def languages(first: Result, other: Result) -> tuple[str, str] | None:
    """The files of two published suites that are each other in another language.

    Their prompts share ids and categories; None for one suite, or for two that are no such thing.
    """
    one, two = suite_of(first.prompts_sha256, {}), suite_of(other.prompts_sha256, {})
    if one is None or two is None or one == two or one.categories != two.categories:
        return None
    return one.file, two.file


def _conditions(result: Result) -> Mapping[str, Condition]:
    """What the clips of a result were made under."""
    sha256, asked = result.prompts_sha256, set(result.expected_prompts)
    return {
        "prompts": (
            sha256,
            f"{result.prompts.name}, sha256 {sha256[:8]}" if sha256 else "footage without any",
        ),
        "selection of the prompts": (frozenset(asked) if sha256 else None, str(len(asked))),
        "seeds": (frozenset(result.seeds), ", ".join(map(str, sorted(result.seeds)))),
        "aspect": (result.aspect, result.aspect or "as each model makes it"),
        "compression": (result.lossy, "lossy" if result.lossy else "lossless"),
    }
