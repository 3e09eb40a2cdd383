"""Which results may share a table, and why others may not."""

from bench.schema import Result


def comparable(result: Result) -> object:
    """A key that is equal exactly for results that may share a table.

    Footage without prompts compares with nothing anyway, and is kept apart by its metrics alone.
    """
    meaning = (frozenset(result.metrics.items()), result.calibration_sha256)
    if result.prompts_sha256 is None:
        return meaning
    asked = (result.prompts_sha256, frozenset(result.expected_prompts), frozenset(result.seeds))
    return asked, result.aspect, result.lossy, meaning


def differences(first: Result, other: Result) -> tuple[str, ...]:
    """In what the other result differs from the first, as far as it keeps them apart."""
    found = []
    if first.prompts_sha256 != other.prompts_sha256:
        found.append("other prompts")
    elif first.prompts_sha256 and set(first.expected_prompts) != set(other.expected_prompts):
        found.append("another selection of the prompts")
    asked = first.prompts_sha256 is not None
    if asked and set(first.seeds) != set(other.seeds):
        found.append("other seeds")
    if asked and first.aspect != other.aspect:
        found.append(f"another aspect ({other.aspect or 'as each model makes it'})")
    if asked and first.lossy != other.lossy:
        found.append(
            "clips that exist only as lossy files (compression smooths frames, which some scores "
            "reward)"
            if other.lossy
            else "clips stored without loss"
        )
    if first.calibration_sha256 != other.calibration_sha256:
        found.append("another calibration")
    known = first.metrics.keys() | other.metrics.keys()
    changed = sorted(name for name in known if first.metrics.get(name) != other.metrics.get(name))
    if changed:
        which = "every metric" if len(changed) == len(known) else ", ".join(changed)
        found.append(f"other versions or backbones of {which}")
    return tuple(found)
