"""What raters said of the clips of published models, as `validate people=DIR` writes it."""

import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from bench.errors import BenchError
from bench.storage import read_bytes

_FILE = "people.json"
_QUESTION = "temporal_quality"


def mean_ratings(board: Path) -> dict[str, float]:
    """Each model's mean rating of temporal quality over raters and generated clips, 1..5.

    Args:
        board: folder of a leaderboard, with or without such a file.
    """
    path = board / _FILE
    if not path.exists():
        return {}
    ratings: defaultdict[str, list[float]] = defaultdict(list)
    try:
        for clip in json.loads(read_bytes(path)):
            if not clip["real"]:
                given = clip["ratings"].get(_QUESTION, ())
                ratings[str(clip["model"])] += [float(each) for each in given if each is not None]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise BenchError(
            f"{path}: expected what `steadybench validate people=DIR` writes; remove it"
        ) from None
    return {model: fmean(each) for model, each in ratings.items() if each}
