"""How far runs have come: counts, rates and time left, from files alone."""

import json
import os
import time
from pathlib import Path

import fake_runs
import pytest
from rich.text import Text

from bench.commands.status import main, progress_of
from bench.errors import BenchError
from bench.schema import Expected, Prompts, Sample
from bench.storage import RunFolder, write_record, write_text

NOW_S = 1_000_000.0


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of ten clips of which nothing is made."""
    folder = RunFolder(tmp_path / "outputs" / "five" / "toy")
    described = fake_runs.described(
        "toy",
        suite="five",
        prompts=Prompts(name="five.jsonl", count=5, sha256="0"),
        expected=Expected(prompts=tuple(f"p{n}" for n in range(5)), seeds=(0, 1)),
    )
    write_record(folder.run, described)
    return folder


def put(path: Path, ago_s: float, status: str = "ok") -> None:
    write_text(path, json.dumps({"status": status}))
    os.utime(path, (NOW_S - ago_s, NOW_S - ago_s))


def test_counts_rates_and_time_left(folder: RunFolder) -> None:
    for number in range(4):  # one every ten seconds, the last but one failed
        sample = Sample(f"p{number}", 0)
        put(folder.record(sample), 30 - 10 * number, "ok" if number != 2 else "oom")
    put(folder.record(Sample("p4", 0)), 0, "refused")
    for number in range(2):  # scored in two seconds each
        put(folder.score(Sample(f"p{number}", 0)), 2 - 2 * number)
    progress = progress_of(folder, NOW_S)
    assert (progress.expected, progress.made, progress.failed) == (10, 3, 1)
    assert (progress.refused, progress.missing, progress.scored) == (1, 5, 2)
    assert (progress.made_per_hour, progress.scored_per_hour) == (480, 1800)
    assert progress.left_s == 5 * 7.5 + (5 + 1) * 2
    assert progress.why is None


def test_what_nobody_works_on_has_no_time_left(folder: RunFolder) -> None:
    for number in range(4):
        put(folder.record(Sample(f"p{number}", 0)), 5000 - 10 * number)
    progress = progress_of(folder, NOW_S)
    assert (progress.made, progress.made_per_hour, progress.left_s) == (4, None, None)
    assert progress.why == "the last was made 1:23 h ago"
    for number in range(10):
        put(folder.record(Sample(f"p{number // 2}", number % 2)), 50)
    assert progress_of(folder, NOW_S).why == "no clip is scored yet"
    put(folder.score(Sample("p0", 0)), 5)
    assert progress_of(folder, NOW_S).why == "the last was scored 1 min ago"


def test_a_clip_that_was_made_again_is_not_scored(folder: RunFolder) -> None:
    put(folder.score(Sample("p0", 0)), 10)
    put(folder.record(Sample("p0", 0)), 5)
    assert progress_of(folder, NOW_S).scored == 0


def test_a_run_that_is_done(folder: RunFolder) -> None:
    for prompt in range(5):
        for seed in (0, 1):
            put(folder.record(Sample(f"p{prompt}", seed)), 9000)
            put(folder.score(Sample(f"p{prompt}", seed)), 8000)
    progress = progress_of(folder, NOW_S)
    assert (progress.scored, progress.missing, progress.left_s) == (10, 0, 0.0)


def test_what_the_limit_left_out_is_not_missing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "outputs" / "suite" / "toy")
    config = {"suite": {"aspect": None}, "limit": 1}
    expected = Expected(prompts=("p0", "p1"), seeds=(0, 1))
    write_record(folder.run, fake_runs.described("toy", expected=expected, config=config))
    put(folder.record(Sample("p0", 0)), 9000)
    put(folder.score(Sample("p0", 0)), 8000)
    progress = progress_of(folder, NOW_S)
    assert (progress.missing, progress.left_out, progress.left_s) == (1, 2, None)
    put(folder.record(Sample("p0", 1)), 9000)
    put(folder.score(Sample("p0", 1)), 8000)
    progress = progress_of(folder, NOW_S)
    assert (progress.missing, progress.left_out, progress.left_s) == (0, 2, 0.0)
    assert progress.why == "2 left out by limit=1"


def test_no_number_is_cut_where_there_is_little_room(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.commands.sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    put(folder.record(Sample("p0", 0)), NOW_S - time.time() + 5 * 86400)
    assert main([f"out={folder.root.parent.parent}"]) == 0
    lines = Text.from_ansi(capsys.readouterr().out).plain.splitlines()
    assert max(map(len, lines)) <= 40
    said = " ".join(" ".join(lines).split())
    assert said == (
        "suite model made failed refused five toy 1/10 0 0 "
        "missing: 9; scored: 0; left: the last was made 5 days ago"
    )


def test_only_what_changed_is_read_again(folder: RunFolder) -> None:
    put(folder.record(Sample("p0", 0)), 9)
    assert progress_of(folder, NOW_S).made == 1
    path = folder.record(Sample("p0", 0))
    path.write_text("torn")
    os.utime(path, (NOW_S - 9, NOW_S - 9))
    assert progress_of(folder, NOW_S).made == 1
    os.utime(path, (NOW_S - 1, NOW_S - 1))
    with pytest.raises(BenchError, match="expected JSON"):
        progress_of(folder, NOW_S)


def test_the_command(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"out={folder.root.parent.parent}"
    put(folder.record(Sample("p0", 0)), 9)
    assert main([out, "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["suite"], run["model"], run["made"], run["left_s"]) == ("five", "toy", 1, None)
    assert main([out]) == 0
    assert "1/10" in capsys.readouterr().out
    for deeper in (folder.root.parent, folder.root):
        assert main([f"out={deeper}"]) == 0
        assert "1/10" in capsys.readouterr().out
    assert main(["out=nowhere"]) == 2
    assert "there are none" in capsys.readouterr().err
