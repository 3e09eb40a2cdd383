"""Two results compared: what is said, and what is refused."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import fake_results as fake
import numpy as np
import pytest

from bench import statistics as stats
from bench.commands.compare import main
from bench.leaderboard.data.files import load
from bench.leaderboard.pairs import Comparison, Pairs, verdict
from bench.schema import MetricDescription
from bench.storage import PROMPTS

NOISE = np.random.default_rng(5).normal(0, 3, (2, 40)).tolist()


def sides(a: list[float], b: list[float], better: str | None = "higher") -> Pairs:
    names = [f"p{number}" for number in range(len(a))]
    meaning = MetricDescription(unit="points", better=better, version=1, fingerprint="c0")  # type: ignore[arg-type]
    return Pairs(
        "coherence", meaning, dict(zip(names, a, strict=True)), dict(zip(names, b, strict=True))
    )


def planted(gap: float, prompts: int = 40) -> Pairs:
    easy = [50 + prompt for prompt in range(prompts)]
    a = [level + gap + noise for level, noise in zip(easy, NOISE[0], strict=False)]
    b = [level + noise for level, noise in zip(easy, NOISE[1], strict=False)]
    return sides(a, b)


def write(tmp_path: Path, model: str, level: float = 0.0, **changes: Any) -> Path:
    def score(prompt: int, seed: int) -> dict[str, float | None]:
        return {"coherence": 50 + prompt + level + seed, "flicker": 0.1 - level / 1000}

    metrics = fake.COHERENCE | {"flicker": fake.METRICS["flicker"]}
    content = fake.result(model, score=score, **({"metrics": metrics} | changes))
    return fake.write(content, tmp_path).parent


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_planted_gap_is_found_whatever_is_hard_about_prompts() -> None:
    pairs = planted(5.0)
    interval = pairs.gap
    assert interval is not None
    expected = stats.interval(
        [a - b for a, b in zip(pairs.a.values(), pairs.b.values(), strict=True)]
    )
    assert interval == expected
    said = verdict("A", "B", pairs)
    assert said.startswith("On prompts like these 40, A is better than B in coherence, by ")
    assert f"by {interval.low:.2f} to {interval.high:.2f} (points; 95% interval)." in said


def test_the_verdict_claims_nothing_that_the_interval_does_not_allow() -> None:
    said = verdict("A", "B", planted(0.0))
    assert said.startswith(
        "These 40 prompts do not tell A from B in coherence: A - B lies between -"
    )
    few = verdict("A", "B", planted(50.0, prompts=19))
    assert few == "19 common prompts cannot tell A from B in coherence: at least 20 are needed."
    same = sides([1.0] * 30, [1.0 + 1e-13] * 30)
    assert verdict("A", "B", same) == "A and B are equal in coherence on each of 30 prompts."


@pytest.mark.parametrize(
    ("better", "expected"),
    [
        ("higher", "A is better than B in coherence, by 1 "),
        ("lower", "B is better than A in coherence, by 1 "),
        (None, "A has more coherence than B, by 1 "),
    ],
)
def test_the_verdict_knows_which_way_is_better(better: str | None, expected: str) -> None:
    assert expected in verdict("A", "B", sides([2.0] * 30, [1.0] * 30, better))


def test_values_are_paired_clip_by_clip(tmp_path: Path) -> None:
    a, b = (
        write(tmp_path, "a", seeds=[0, 1], prompts=2),
        write(tmp_path, "b", seeds=[0, 1], prompts=2),
    )
    content = json.loads((b / "result.json").read_text("utf-8"))
    content["clips"][0] = fake.failed("p00")  # of seed 0
    content["clips"][3]["scores"] = {"coherence": 91.0, "flicker": None}  # p01, seed 1
    (b / "result.json").write_text(json.dumps(content), "utf-8")
    first, second = load(a / "result.json"), load(b / "result.json")
    both = Comparison(first, second)
    coherence = both.pairs("coherence")
    assert coherence.a == {"p00": 50.5, "p01": 51.5}
    assert coherence.b == {"p00": 25.5, "p01": 71.0}  # a failure is 0
    flicker = both.pairs("flicker")
    assert flicker.a == flicker.b == {"p00": 0.1, "p01": 0.1}
    assert both.widest("coherence", "p00") == ("p00", 0)
    assert both.widest("coherence", "p01") == ("p01", 1)


def test_a_run_that_goes_on_compares_on_what_both_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write(tmp_path, "a"), write(tmp_path, "b", 5.0)
    content = json.loads((b / "result.json").read_text("utf-8"))
    content["clips"] = content["clips"][:21]
    (b / "result.json").write_text(json.dumps(content), "utf-8")
    code, out, _ = run(capsys, a, b)
    assert code == 0
    assert "21 common prompts, 21 clips each, of 24." in out
    assert "| coherence ↑ | 60 | 65 | -5 | -5 to -5 | B | 21 | points |" in out
    assert out.splitlines()[0] == (
        "On prompts like these 21, B (b) is better than A (a) in coherence, by 5 "
        "(points; 95% interval)."
    )


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({"prompts": 23}, "23 common prompts, 23 clips each"),
        ({"seeds": [0, 1]}, "24 common prompts, 24 clips each"),
        ({"seeds": [1, 2], "prompts": 40}, None),
    ],
)
def test_what_both_have_is_enough_whoever_has_more(
    changes: dict[str, Any],
    counted: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(capsys, write(tmp_path, "a"), write(tmp_path, "b", 5.0, **changes))
    if counted is None:
        assert code == 2
        assert "no clips of the same prompt and seed" in err
    else:
        assert code == 0
        assert counted in out
        assert "B (b) is better than A (a) in coherence, by 5 " in out.splitlines()[0]


def test_five_metrics_are_shown_unless_all_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["coherence", "adherence", "dynamics", "lost_jumps", "flicker", "identity_min", "warp"]
    metrics = dict.fromkeys(names, fake.COHERENCE["coherence"])
    folders = [
        fake.write(
            fake.result(m, score=lambda p, _: dict.fromkeys(names, float(p)), metrics=metrics),
            tmp_path,
        ).parent
        for m in "ab"
    ]
    few, every = run(capsys, *folders)[1], run(capsys, *folders, "--all")[1]
    assert "| warp ↑ |" not in few
    assert "2 more metrics: add --all." in few
    assert all(f"| {name} ↑ |" in every for name in names)
    assert "--all" not in every


def test_clips_of_the_widest_differences_are_shown_where_they_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write(tmp_path, "a"), write(tmp_path, "b")
    content = json.loads((b / "result.json").read_text("utf-8"))
    content["clips"][7]["scores"]["coherence"] = 0.0
    content["clips"][9] = fake.failed("p09", error="no \x1b[31m memory")
    (b / "result.json").write_text(json.dumps(content), "utf-8")
    preview = a / "previews" / "p07" / "0.mp4"
    master = b / "clips" / "p07" / "0.mkv"
    for path in (preview, master):
        path.parent.mkdir(parents=True)
        path.touch()
    code, out, _ = run(capsys, a, b)
    assert code == 0
    lines = out.splitlines()
    assert "| p09 | 59 | 0 | 59 |" in lines
    assert lines[lines.index("p07, seed 0:") :][:3] == [
        "p07, seed 0:",
        f"  A  {preview}",
        f"  B  {master}",
    ]
    assert lines[lines.index("p09, seed 0:") + 2] == "  B  error: no [31m memory"
    assert "\x1b" not in out
    assert "B: b (" in out
    assert "1 clip failed" in out


def test_categories_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [write(tmp_path, "a"), write(tmp_path, "b", 5.0)]
    for folder in folders:
        content = json.loads((folder / "result.json").read_text("utf-8"))
        for clip in content["clips"][:3]:
            clip["category"] = "people"
        (folder / "result.json").write_text(json.dumps(content), "utf-8")
    _, out, _ = run(capsys, *folders)
    assert "| people | 3 | -5 ±0 |" in out
    assert "| x | 21 | **-5 ±0** |" in out


def write_judged(tmp_path: Path, model: str, usable: int, fingerprint: str = "m") -> Path:
    """24 prompts, of which the first so many have a clip that can be used; one clip failed."""
    margin = fake.meaning("points", "higher", fingerprint)

    def score(prompt: int, _seed: int) -> dict[str, float | None]:
        return {"coherence": 85.0, "adherence_margin": 1.0 if prompt < usable else -1.0}

    content = fake.result(model, score=score, metrics=fake.COHERENCE | {"adherence_margin": margin})
    content["clips"][0] = fake.failed("p00")
    return fake.write(content, tmp_path).parent


def test_results_are_judged_by_what_ranks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_judged(tmp_path, "a", 19), write_judged(tmp_path, "b", 7)
    code, out, _ = run(capsys, a, b)
    assert code == 0
    assert out.startswith("On prompts like these 24, more clips of A (a) than of B (b) are usable")
    assert "| usable ↑ | 75 | 25 | 50 | " in out
    assert "| p07 | 100 | 0 | 100 |" in out
    assert "| p00 |" not in out
    by_coherence = run(capsys, a, b, "--metric", "coherence")[1]
    assert by_coherence.startswith("A (a) and B (b) are equal in coherence on each of 24 prompts.")
    assert "| usable ↑ | 75 | 25 | 50 | " in by_coherence


def test_clips_judged_by_other_networks_have_no_common_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_judged(tmp_path, "a", 19), write_judged(tmp_path, "b", 7, "n")
    _, out, _ = run(capsys, a, b)
    assert "are equal in coherence" in out.splitlines()[0]
    assert "usable (adherence_margin is left out)" in out
    code, _, err = run(capsys, a, b, "--metric", "usable")
    assert code == 2
    assert "'usable' does not compare (adherence_margin is left out)" in err


def test_footage_compares_by_file_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write(tmp_path, "a", prompts=3), write(tmp_path, "b", 5.0, prompts=2)
    for folder in (a, b):
        content = json.loads((folder / "result.json").read_text("utf-8"))
        content["prompts"] = {"name": None, "count": 3, "sha256": None}
        (folder / "result.json").write_text(json.dumps(content), "utf-8")
    code, out, _ = run(capsys, a, b)
    assert code == 0
    assert "2 common files, 2 clips each, of 3." in out
    assert "2 common files cannot tell A (a) from B (b)" in out


def write_grouped(tmp_path: Path, model: str, value: float, fingerprint: str = "f") -> Path:
    """Forty prompts of twenty groups; clip p00 of group g00 is better by a tenth."""
    content = fake.result(
        model, prompts=40, metrics=fake.COHERENCE, score=lambda *_: {"coherence": 50.0}
    )
    for n, clip in enumerate(content["clips"]):
        part = {"own": 0.8, "others": 0.7, "value": value + (n == 0) / 10, "won": 0.75}
        clip |= {"cross_clip": {"group": f"g{n % 20:02d}", **part}, "category": f"c{n % 2}"}
    content["cross_clip"] = {"version": 1, "fingerprint": fingerprint, "why": None}
    return fake.write(content, tmp_path).parent


def test_characters_are_paired_group_by_group(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_grouped(tmp_path, "a", 0.5), write_grouped(tmp_path, "b", 0.25)
    content = json.loads((b / "result.json").read_text("utf-8"))
    content["clips"][0]["cross_clip"]["value"] = 0.25
    (b / "result.json").write_text(json.dumps(content), "utf-8")
    code, out, _ = run(capsys, a, b, "--metric", "cross_clip_identity")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("| cross_clip_identity ↑ | "))
    assert line.endswith(" | A | 20 groups | cosine |")
    assert "| group | A | B | A - B |" in out
    assert "| g00 | 0.550 | 0.250 | 0.300 |" in out
    assert "p00, seed 0:" in out
    assert "p20, seed 0:" not in out  # of the same group, and differs less
    assert out.startswith("On groups like these 20, A (a) is better than B (b)")
    by_category = out[out.index("by category") : out.index("Where")]
    assert "cross_clip_identity" not in by_category


def test_characters_seen_by_other_networks_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = write_grouped(tmp_path, "a", 0.5), write_grouped(tmp_path, "b", 0.25, "g")
    _, out, _ = run(capsys, a, b)
    assert "Left out: cross_clip_identity (other version or backbones), usable (" in out


def test_metrics_that_differ_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write(tmp_path, "a")
    other = fake.COHERENCE | {"flicker": fake.METRICS["flicker"] | {"fingerprint": "f2"}}
    b = write(tmp_path, "b", metrics=other)
    _, out, _ = run(capsys, a, b)
    assert "Left out: flicker (other version or backbones), usable (" in out
    code, _, err = run(capsys, a, b, "--metric", "flicker")
    assert code == 2
    assert "'flicker' does not compare (other version or backbones)" in err


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": "random"}, "b has no scores"),
        ({"metrics": {}}, "b has no scores"),
        ({"metrics": fake.METRICS | {"flicker": fake.METRICS["identity"]}}, "of every metric"),
        (
            {"clips": [fake.clip(f"p{n:02d}", lossy=True) for n in range(24)]},
            "other compression (lossless and lossy)",
        ),
        ({"clips": []}, "no clips of the same prompt and seed"),
        ({"aspect": "9:16"}, "other aspect (as each model makes it and 9:16)"),
    ],
)
def test_results_that_do_not_compare_are_refused_in_one_line(
    changes: dict[str, Any],
    expected: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = run(capsys, write(tmp_path, "a"), write(tmp_path, "b", **changes))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "do not: " in err
    assert expected in err


def test_other_prompts_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write(tmp_path, "a")
    content = json.loads((a / "result.json").read_text("utf-8"))
    content["prompts"] = {"name": "mine.jsonl", "count": 24, "sha256": "0ther00000"}
    content["model"] = "b"
    b = fake.write(content, tmp_path)
    code, _, err = run(capsys, a, b)
    assert code == 2
    assert "other prompts (toy.jsonl, sha256 5ca1ab1e and mine.jsonl, sha256 0ther000)" in err


def in_suite(file: str, model: str, tmp_path: Path, network: str = "n") -> Path:
    """A result of a published suite, its adherence by a network."""
    raw = (PROMPTS / file).read_bytes()
    entries = [json.loads(line) for line in raw.splitlines()][:24]
    clips = [
        fake.clip(
            entry["id"], category=entry["category"], scores={"coherence": 50.0, "adherence": 30.0}
        )
        for entry in entries
    ]
    adherence = fake.COHERENCE["coherence"] | {"unit": "100 cos", "fingerprint": network}
    content = fake.result(
        model,
        clips,
        metrics=fake.COHERENCE | {"adherence": adherence},
        expected={"prompts": [entry["id"] for entry in entries], "seeds": [0]},
    )
    content["prompts"] |= {"name": file, "sha256": sha256(raw).hexdigest()}
    return fake.write(content, tmp_path).parent


def test_a_suite_compares_with_itself_in_another_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = in_suite("standard.jsonl", "english", tmp_path)
    b = in_suite("zh.jsonl", "chinese", tmp_path)
    code, out, _ = run(capsys, a, b)
    assert code == 0
    assert "One suite in two languages, prompts/standard.jsonl and prompts/zh.jsonl" in out
    assert "| adherence ↑ |" in out
    other = in_suite("zh.jsonl", "other", tmp_path, network="m")
    _, out, _ = run(capsys, a, other)
    assert "Left out: adherence (other version or backbones), usable (" in out
    assert "| adherence ↑ |" not in out


def test_other_published_suites_do_not_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = in_suite("standard.jsonl", "a", tmp_path)
    assert "two languages" not in run(capsys, a, a)[1]
    code, _, err = run(capsys, a, in_suite("i2v.jsonl", "b", tmp_path))
    assert code == 2
    assert "other prompts (standard.jsonl, " in err


def test_an_ambiguous_or_missing_result_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = write(tmp_path, "a")
    write(tmp_path, "b")
    assert run(capsys, a, tmp_path)[0] == 2
    assert run(capsys, a, tmp_path / "nowhere")[0] == 2
    code, _, err = run(capsys, a, a, "--metric", "coherense")
    assert code == 2
    assert "did you mean 'coherence'?" in err


def test_a_terminal_of_80_columns_shows_every_metric_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    names = ["coherence", "coherence_worst_second", "dynamics_raw"]
    metrics = dict.fromkeys(names, fake.COHERENCE["coherence"])
    folders = []
    for model in ("a", "b"):
        content = fake.result(
            model, score=lambda p, _: dict.fromkeys(names, p / 70000), metrics=metrics
        )
        content["card"]["title"] = "[red]bold"
        folders.append(fake.write(content, tmp_path).parent)
    code, out, _ = run(capsys, *folders)
    assert code == 0
    assert "━" in out
    assert "…" not in out
    assert all(f"{name} ↑" in out for name in names)
    assert "A: [red]bold" in out
