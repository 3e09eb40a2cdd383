"""Groups: clips gathered from records, what keeps them from being compared, and reading back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fake_results as fake
import numpy as np
import pytest
import yaml

from bench import cli
from bench.errors import BenchError
from bench.leaderboard.data.files import load
from bench.metrics.cross_clip import pack
from bench.prompts import Item, Prompt
from bench.run.assemble import compare_groups
from bench.schema import Appearance, ClipResult, GroupComparison, Sample
from bench.storage import CONF

ITEMS = [
    Item(Prompt(f"{group}-{kind}", "x", category=kind, group=group), 0)
    for group in ("ann", "bob")
    for kind in ("close", "far")
]


SAMPLES = [Sample(item.prompt.id, item.seed) for item in ITEMS]


def records() -> tuple[list[ClipResult], dict[Sample, Appearance]]:
    rng = np.random.default_rng(0)
    clips = [
        ClipResult(**fake.clip(sample.prompt_id, scores={"stutter": 0.0})) for sample in SAMPLES
    ]
    appearances = {
        sample: Appearance(
            vector=pack(rng.normal(size=8).astype(np.float32)), why=None, fingerprint="f"
        )
        for sample in SAMPLES
    }
    return clips, appearances


def test_every_clip_of_a_group_gets_its_part_and_no_other() -> None:
    clips, appearances = records()
    alone = ClipResult(**fake.clip("alone"))
    items = [*ITEMS, Item(Prompt("alone", "x"), 0)]
    comparison, parts = compare_groups(items, [*clips, alone], appearances)
    assert comparison == GroupComparison(version=1, fingerprint="f", why=None)
    assert list(parts) == SAMPLES
    assert [part.group for part in parts.values()] == ["ann", "ann", "bob", "bob"]
    part = parts[SAMPLES[0]]
    assert part.own is not None
    assert part.others is not None
    assert part.value == pytest.approx(part.own - part.others)


@pytest.mark.parametrize(
    "broken", [{"status": "oom"}, {"scores": {"dynamics_raw": 0.02}}, {"scores": {"stutter": 1}}]
)
def test_a_clip_that_failed_or_stands_still_shows_no_character(broken: Mapping[str, Any]) -> None:
    clips, appearances = records()
    clips[1] = clips[1].replace(**broken)
    comparison, parts = compare_groups(ITEMS, clips, appearances)
    assert comparison.why is None
    assert (parts[SAMPLES[1]].own, parts[SAMPLES[1]].value) == (None, 0.0)


def test_without_all_clips_there_is_no_comparison_but_a_reason() -> None:
    clips, appearances = records()

    def why(
        items: Sequence[Item], clips: Sequence[ClipResult], looks: Mapping[Sample, Appearance]
    ) -> str | None:
        comparison, parts = compare_groups(items, clips, looks)
        assert parts == {}
        return comparison.why

    far = Sample("ann-far", 0)
    assert "bob-far seed 0 is not made yet" in str(why(ITEMS, clips[:3], appearances))
    unscored = {sample: entry for sample, entry in appearances.items() if sample != far}
    assert "ann-far seed 0 is not scored yet" in str(why(ITEMS, clips, unscored))
    small = Appearance(vector=None, why="short side is 16 px", fingerprint="f")
    assert why(ITEMS, clips, appearances | {far: small}) == "ann-far seed 0: short side is 16 px"
    assert "fewer than two groups" in str(why(ITEMS[:2], clips[:2], appearances))


def test_looks_that_do_not_compare_or_cannot_be_read_are_an_error() -> None:
    clips, appearances = records()
    far = Sample("ann-far", 0)
    other = appearances[far].replace(fingerprint="g")
    with pytest.raises(BenchError, match="two ways"):
        compare_groups(ITEMS, clips, appearances | {far: other})
    cut = appearances[far].replace(vector="A")
    with pytest.raises(BenchError, match="ann-far seed 0: expected the looks"):
        compare_groups(ITEMS, clips, appearances | {far: cut})


def test_toy_characters_from_the_command_line_to_the_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = tmp_path / "two.jsonl"
    texts = [
        (who, kind, f"a large {who} {does}")
        for who in ("red ball", "blue cube")
        for kind, does in (("grass", "spins over green grass"), ("sand", "spins over yellow sand"))
    ]
    lines = [
        {"id": f"{who[:3]}-{kind}", "text": text, "category": kind, "group": who[:3]}
        for who, kind, text in texts
    ]
    suite.write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.chdir(tmp_path)

    def bench(*arguments: str) -> dict[str, Any]:
        common = [
            "suite=toy_groups",
            f"suite.prompts={suite}",
            "suite.seeds=[0]",
            "model.seconds=1",
        ]
        metrics = yaml.safe_load((CONF / "metrics" / "compute.yaml").read_text())["compute"]
        costly = [f"~metrics.compute.{name}" for name in metrics if name != "stutter"]
        typed = ["steadybench", *common, "text=none", *costly, *arguments]
        monkeypatch.setattr("sys.argv", typed)
        assert cli.main() == 0, capsys.readouterr().err
        path = tmp_path / "outputs" / "toy_groups" / "toy_steady" / "result.json"
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    assert "blu-grass seed 0 is not made yet" in bench("limit=2")["cross_clip"]["why"]
    page = tmp_path / "outputs" / "leaderboard" / "README.md"
    assert "Toy, steady has none: blu-grass seed 0 is not made yet" in page.read_text()
    first = bench()
    assert first["cross_clip"]["why"] is None
    assert len([clip for clip in first["clips"] if "cross_clip" in clip]) == 4
    table = page.read_text().split("### Cross-clip identity")[1].split("###")[0]
    (row,) = [line for line in table.splitlines() if line.startswith("| Toy, steady")]
    assert row.endswith("| 2 |")
    # The record of a clip keeps what it looks like: nothing is computed again, or of another clip.
    scores = sorted((tmp_path / "outputs").rglob("scores/*/0.json"))
    before = [path.stat().st_mtime_ns for path in scores]
    assert bench()["cross_clip"] == first["cross_clip"]
    assert [path.stat().st_mtime_ns for path in scores] == before
    stored = json.loads(scores[0].read_text())
    assert stored.pop("appearance")["vector"]
    scores[0].write_text(json.dumps(stored))
    assert bench()["clips"][0]["cross_clip"] == first["clips"][0]["cross_clip"]
    result = load(tmp_path / "outputs" / "toy_groups" / "toy_steady" / "result.json")
    assert result.clips[0].cross_clip is not None
    assert result.fingerprint == first["fingerprint"]
