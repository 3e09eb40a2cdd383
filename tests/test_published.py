from collections.abc import Callable

import pytest

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import prompt_means
from bench.schema import Result
from bench.storage import PACKAGE

ROOT = PACKAGE.parent
BOARD = ROOT / "leaderboard"


def test_the_readme_shows_the_published_table() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    table = readme.split("<!-- demo -->")[1].split("<!-- /demo -->")[0].strip()
    assert table.count("\n") == 8
    assert table in (BOARD / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "metric", "worse"),
    [
        ("toy_deaf", "adherence", float.__lt__),
        ("toy_flickering", "flicker", float.__gt__),
        ("toy_wobbling", "warp_mae", float.__gt__),
        ("toy_drifting", "identity_min", float.__lt__),
        ("toy_stuttering", "stutter", float.__gt__),
        ("toy_frozen", "stutter", float.__gt__),
    ],
)
def test_every_fault_shows_in_the_metric_that_names_it(
    model: str, metric: str, worse: Callable[[float, float], bool]
) -> None:
    def mean(result: Result) -> float:
        values = prompt_means(result, metric)
        assert len(values) == 24
        return sum(values.values()) / len(values)

    steady = load(BOARD / "results" / "toy" / "toy_steady.json")
    assert worse(mean(load(BOARD / "results" / "toy" / f"{model}.json")), mean(steady))
