"""One folder holds clips of one version of a model's weights."""

from collections.abc import Mapping, Sequence

from bench.errors import BenchError
from bench.prompts import Item
from bench.run.generation import Plan
from bench.storage import RunFolder, read_json


def unmixed(
    missing: Sequence[Item], plan: Plan, revisions: Mapping[str, str], folder: RunFolder
) -> list[Item]:
    """What is to be made, so that no clips of other weights stand beside it.

    Args:
        missing: the draws of the plan that have no clip.
        plan: of all clips.
        revisions: of the weights as they are now; see `Generator`.
        folder: whose `loaded.json` says of which weights its clips are. What it does not name,
            as one of before there were revisions, is taken to be the same.

    Returns:
        `missing`, or all draws where the clips there are of other weights and `overwrite` is on.

    Raises:
        BenchError: if they are of other weights, and are not to be overwritten.
    """
    if len(missing) == len(plan.items) or not folder.loaded.exists():
        return list(missing)
    before = read_json(folder.loaded).get("revisions", {})
    changed = [name for name, now in revisions.items() if before.get(name, now) != now]
    if not changed:
        return list(missing)
    if plan.overwrite:
        return list(plan.items)
    name = changed[0]
    raise BenchError(
        f"{folder.root} holds clips of other weights ({name} {before[name][:12]} -> "
        f"{revisions[name][:12]}); use overwrite=true to make them again, or another out=DIR"
    )
