"""Clips that somebody else made: a manifest of models and bases ends in a table of what it cost."""

from pathlib import Path

import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip, write_preview
from bench.commands.variants import main, read_variants
from bench.errors import BenchError

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

HEADER = "file,model,base,prompt,seed,text,wait_s\n"
FEW = ("text=none", "~metrics.compute.cuts", "~metrics.compute.cuts_unrequested")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two clips of a model, and one of its faster sibling, noisier and another prompt's short."""
    rng = np.random.default_rng(0)
    lines = []
    for model, base, wait_s, prompts in (("slow", "", 30, "ab"), ("fast", "slow", 10, "a")):
        for prompt in prompts:
            frames = moving_texture(8, 96, seed=ord(prompt)).astype(float)
            frames += rng.normal(0, 4, frames.shape) * bool(base)
            clip = Clip(frames.clip(0, 255).astype(np.uint8), 8.0)
            write_preview(clip, tmp_path / "clips" / f"{model}-{prompt}.mp4")
            lines.append(f"{model}-{prompt}.mp4,{model},{base},{prompt},0,shapes {prompt},{wait_s}")
    path = tmp_path / "clips" / "manifest.csv"
    path.write_text(HEADER + "\n".join(reversed(lines)))
    return path


def test_a_manifest_ends_in_a_table_of_single_clips(
    manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(manifest), "--into", "out", *FEW]) == 0
    page = capsys.readouterr().out
    assert "### What speed costs: slow" in page
    row = next(line for line in page.splitlines() if line.startswith("| fast"))
    assert row.split(" | ")[1] == "3"
    assert 0 < float(row.split(" | ")[-1].strip(" |")) < 1
    assert "fast: 3 times as fast on 1 prompt" in page
    assert "distance to the base" in (tmp_path / "out/leaderboard/index.html").read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.mp4,fast,slow,a,0,x,", "expected clips of 'slow', the base of fast, got none"),
        ("a.mp4,fast,,a,0,x,", "expected a base of at least one model, got none"),
        ("a.mp4,fast,,a,zero,x,", "line 2: expected a whole number as seed, got 'zero'"),
        ("a.mp4,../fast,,a,0,x,", "names must be"),
        ("a.mp4,fast,,a,0", "line 2: expected 7 columns"),
        ("a.mp4,m,,a,0,x,\nb.mp4,m,n,a,1,x,", "line 3: expected '' of m again, got 'n'"),
    ],
)
def test_a_mistake_in_a_manifest_is_one_line(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(HEADER + line)
    with pytest.raises(BenchError) as told:
        read_variants(path)
    assert words in str(told.value)


def test_missing_columns_and_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.csv").write_text("file,model\n")
    assert main([str(tmp_path / "m.csv")]) == 2
    assert "expected the columns file, prompt, seed, model, base, text, got no 'prompt'" in (
        capsys.readouterr().err
    )
    assert main([str(tmp_path / "gone.csv")]) == 2
    assert "expected to read" in capsys.readouterr().err
