"""The leaderboard in a terminal."""

import io
from collections.abc import Iterable
from pathlib import Path

import fake_results as fake
from fake_results import Content
from rich.console import Console

from bench.report.console import show
from bench.report.results import load


def printed(contents: Iterable[Content], tmp_path: Path, width: int) -> str:
    stream = io.StringIO()
    results = [load(fake.write(content, tmp_path)) for content in contents]
    show(results, Console(file=stream, width=width))
    return stream.getvalue()


def steady(_prompt: int, _seed: int) -> dict[str, float | None]:
    return {"flicker": 0.25, "identity": 0.75}


def test_scores_are_printed(tmp_path: Path) -> None:
    text = printed(
        [fake.result("[red]a", score=steady), fake.result("b", score=steady)], tmp_path, 100
    )
    header = next(line for line in text.splitlines() if "flicker ↓" in line)
    assert "identity ↑" in header
    assert "[red]a" in text
    assert "0.250 ±0" in text
    assert "Provenance" not in text


def test_a_table_too_wide_for_the_terminal_is_turned(tmp_path: Path) -> None:
    text = printed([fake.result("a", score=steady)], tmp_path, 40)
    line = next(line for line in text.splitlines() if "flicker ↓" in line)
    assert "0.250 ±0" in line
    assert "identity" not in line
