"""Votes: what is no vote is named and nothing else lost; strengths, agreement, and the column."""

import json
import re
from pathlib import Path
from typing import Any

import fake_results as fake
import numpy as np
import pytest

from bench.commands.votes import main
from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.data.votes import matching, preference, read_votes, still_missing
from bench.leaderboard.publish import publish
from bench.leaderboard.render.markdown import render

LEVEL = {"best": 2.0, "good": 0.5, "poor": -2.5}
METRICS = fake.COHERENCE | {"flicker": fake.METRICS["flicker"]}


def vote(left: str = "best", right: str = "poor", **changes: Any) -> dict[str, Any]:
    return {
        "schema": 1, "suite": "toy", "question": "Which?", "voter": "0123456789abcdef",
        "prompt": "p00", "seed": 0, "left": left, "right": right,
        "left_sha256": "00", "right_sha256": "00", "choice": "left",
    } | changes  # fmt: skip


def simulated(prompts: int = 24, voters: int = 2) -> list[dict[str, Any]]:
    """Two voters who see the models' levels, on every pair of every prompt."""
    rng = np.random.default_rng(3)
    votes = []
    for prompt in range(prompts):
        for left, right in (("best", "good"), ("poor", "good"), ("best", "poor")):
            for voter in range(voters):
                chance = 1 / (1 + np.exp(LEVEL[right] - LEVEL[left]))
                choice = "left" if rng.random() < chance else "right"
                changes = {"prompt": f"p{prompt:02d}", "choice": choice, "voter": f"{voter:08x}"}
                votes.append(vote(left, right, **changes))
    return votes


def written(votes: list[Any], folder: Path, name: str = "votes.jsonl") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(v if isinstance(v, str) else json.dumps(v) for v in votes))
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three models; the metric coherence is of the voters' mind, flicker of the opposite."""
    for model, level in LEVEL.items():
        content = fake.result(
            model,
            score=lambda prompt, _, level=level: {
                "coherence": 80 + 4 * level + prompt % 3,
                "flicker": 0.5 + level / 10,
            },
            metrics=METRICS,
        )
        fake.write(content, tmp_path / "outputs")
    return tmp_path / "outputs"


BAD = [
    "no json", "[1, 2]", "null", "{}", '{"schema": 2}', "\u202e", "[" * 5000, "9" * 20_000,
    json.dumps(vote(choice="both")), json.dumps(vote(seed=-1)), json.dumps(vote(seed=True)),
    json.dumps(vote(right="best")), json.dumps(vote(prompt="../../etc/passwd")),
    json.dumps(vote(voter="Ann Smith")), json.dumps(vote(question="x" * 300)),
    json.dumps(vote(left={"a": 1})), '{"schema": NaN}', '{"a": "\x1b[31m"}',
]  # fmt: skip


@pytest.mark.parametrize("line", BAD)
def test_what_is_no_vote_costs_its_line_and_nothing_else(line: str, tmp_path: Path) -> None:
    file = written([vote(), line, vote(prompt="p01")], tmp_path)
    votes, faults = read_votes([file])
    assert [each.prompt for each in votes] == ["p00", "p01"]
    (fault,) = faults
    assert fault.startswith(f"{file}, line 2: ")
    assert "expected " in fault
    assert fault.isprintable()
    assert len(fault) < 500


def test_files_that_are_none_and_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"\xef\xbb\xbf" + json.dumps(vote()).encode() + b"\n\xff\xfe\x00\n")
    votes, faults = read_votes([tmp_path / "gone.jsonl", broken])
    assert len(votes) == 1
    assert len(faults) == 2
    assert "gone.jsonl: expected votes to read" in faults[0]
    assert "broken.jsonl, line 2: expected " in faults[1]


def test_a_vote_that_is_exported_twice_is_one_and_a_changed_one_is_said(tmp_path: Path) -> None:
    changed = vote("poor", "best", choice="left")  # the same two clips, sides exchanged
    files = [
        written([vote(), vote()], tmp_path, "a.jsonl"),
        written([changed], tmp_path, "b.jsonl"),
    ]
    assert len(read_votes(files[:1])[0]) == 1
    assert read_votes(files[:1])[1] == []
    votes, faults = read_votes(files)
    assert [each.winner for each in votes] == ["poor"]
    assert faults == [f"{files[1]}, line 1: expected one vote on two clips, got another; it counts"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"left": "stranger"}, "expected a clip of stranger, the results hold none"),
        ({"prompt": "p99"}, "expected a clip of best"),
        ({"suite": "other"}, "expected a clip of best"),
        ({"right_sha256": "ff"}, "expected the frames that poor has now, it had others"),
    ],
)
def test_a_vote_on_other_clips_does_not_count(
    changes: Any, words: str, results: Path, tmp_path: Path
) -> None:
    votes, _ = read_votes([written([vote(), vote(prompt="p01") | changes], tmp_path)])
    kept, faults = matching(votes, [load(path) for path in results.glob("*/*/result.json")])
    assert len(kept) == 1
    assert words in faults[0]


def test_strengths_are_those_of_the_voters_and_skips_do_not_count(tmp_path: Path) -> None:
    skips = [vote("poor", "best", choice="skip", voter="ffffffff", prompt=f"p{n:02d}")
             for n in range(24)]  # fmt: skip
    votes, faults = read_votes([written([*simulated(), *skips], tmp_path)])
    assert faults == []
    given = preference(votes, LEVEL)
    assert given is not None
    assert given.best == ("best", "good")
    assert len(given.votes) == 24 * 3 * 2
    for model, strength in given.strengths.items():
        assert strength.low < LEVEL[model] < strength.high
    assert given.fit.missing == 0
    assert still_missing(given, {"best": "The best"}).startswith("Decided: The best is preferred")


def test_one_prompt_alone_has_no_strengths(tmp_path: Path) -> None:
    votes, _ = read_votes([written([vote(), vote("good", "poor")], tmp_path)])
    assert preference(votes, LEVEL) is None
    assert preference([], LEVEL) is None


def test_a_close_race_says_how_many_votes_it_lacks(tmp_path: Path) -> None:
    lines = [
        vote("best", "good", prompt=f"p{n:02d}", choice="left" if n % 5 < 3 else "right")
        for n in range(20)
    ]
    given = preference(read_votes([written(lines, tmp_path)])[0], LEVEL)
    assert given is not None
    # 12 of 20: a share of .6 needs (2.80 / .405)^2 / .24 = 199 votes in all; found by bootstrap.
    assert given.fit.missing == pytest.approx(179, rel=0.25)
    assert f"still needs about {given.fit.missing} votes" in still_missing(given, {})
    tied = [line | {"choice": "neither"} for line in lines]
    even = preference(read_votes([written(tied, tmp_path)])[0], LEVEL)
    assert even is not None
    assert even.fit.missing is None
    assert "so alike" in still_missing(even, {})


def test_the_command_ranks_models_and_judges_metrics(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [*simulated(), "rubbish", vote(left="stranger")]
    assert main([str(written(lines, tmp_path)), str(results)]) == 0
    told = capsys.readouterr()
    assert told.err.count("steadybench: ") == 2
    page = told.out
    assert "144 votes of 2 voters on 24 prompts; 0 ties (0%)" in page
    assert "Two voters on the same two clips say the same in 8" in page
    assert page.index("| best |") < page.index("| good |") < page.index("| poor |")
    rows = {line.split(" | ")[0]: line for line in page.splitlines() if line.startswith("| ")}
    predicted = [int(rows[name].split(" | ")[1].split("%")[0])
                 for name in ("| **coherence**", "| flicker")]  # fmt: skip
    assert predicted[0] > 85
    assert sum(predicted) == 100
    assert "Decided: best is preferred to good" in page


def test_votes_beside_a_leaderboard_are_a_column_that_moves_no_rank(
    results: Path, tmp_path: Path
) -> None:
    files = sorted(results.glob("*/*/result.json"))
    upside_down = [
        line | {"choice": {"left": "right", "right": "left"}[line["choice"]]}
        for line in simulated()
    ]
    votes, _ = read_votes([written(upside_down, tmp_path / "board/votes")])
    loaded = [load(file) for file in files]
    (plain,), (voted,) = boards(loaded), boards(loaded, votes)
    ranks = [[(row.label, row.rank) for row in board.groups[0].rows] for board in (plain, voted)]
    assert ranks[0] == ranks[1]
    assert "preferred ↑" not in render([plain])
    publish(files, tmp_path / "board", copy_clips=False)
    page = (tmp_path / "board/README.md").read_text()
    drawn = re.sub(r"!\[.*\n\n", "", page)
    assert drawn == render(boards(loaded, votes))
    assert "It moves no rank and no score. Decided: poor is preferred to good" in page
    row = next(line for line in page.splitlines() if line.startswith("| 1 | best"))
    assert int(row.split(" | ")[3].split("%")[0]) < 50


def test_votes_without_results_or_on_none_of_them_are_a_mistake(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(written([vote()], tmp_path))]) == 2
    assert "expected votes and results, got no the results" not in capsys.readouterr().err
    assert main([str(tmp_path / "gone.jsonl"), str(results)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "gone.jsonl, there are none" in line
    assert main([str(written([vote(left="stranger")], tmp_path)), str(results)]) == 2
    assert "expected votes on two prompts or more" in capsys.readouterr().err
