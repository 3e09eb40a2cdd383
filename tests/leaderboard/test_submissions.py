"""What a submitted result must hold, and what the check says of one that does not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.config import build_metrics
from bench.leaderboard.__main__ import main
from bench.leaderboard.check import check, inspect
from bench.leaderboard.publish import publish
from bench.leaderboard.rules import OWN_RANGES, allowed, fits
from bench.storage import CONF, PACKAGE

BOARD = PACKAGE.parent / "leaderboard"
STEADY = BOARD / "results" / "toy" / "toy_steady.json"

Content = dict[str, Any]


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of one valid result: toy_steady on the toy suite."""
    folder = tmp_path_factory.mktemp("board")
    publish([STEADY], folder)
    return folder


@pytest.fixture
def board(published: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(published, tmp_path / "board"))


def spoil(board: Path, change: Callable[[Content], None]) -> Path:
    path = board / "results" / "toy" / "toy_steady.json"
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")
    return path


def said(board: Path, *, wrong: bool) -> list[str]:
    findings = inspect(board / "results").findings
    return [finding.text for finding in findings if finding.wrong == wrong]


def set_clip(number: int, **values: Any) -> Callable[[Content], None]:
    return lambda content: content["clips"][number].update(values)


def failed(**values: Any) -> Callable[[Content], None]:
    nothing = {"frames": None, "frames_sha256": None, "scores": {}, "unscored": {}}
    return set_clip(2, **{"status": "oom", "error": "too big"} | nothing | values)


def set_score(number: int, name: str, value: float | None) -> Callable[[Content], None]:
    return lambda content: content["clips"][number]["scores"].update({name: value})


def unscored(number: int, **reasons: str) -> Callable[[Content], None]:
    return lambda content: content["clips"][number]["unscored"].update(reasons)


def frozen(start: int, stop: int) -> Callable[[Content], None]:
    """Clips in which nothing moves, by what is measured, with the best of headlines."""

    def change(content: Content) -> None:
        for clip in content["clips"][start:stop]:
            lost = {name: 0.0 for name in clip["scores"] if name.startswith("lost_")}
            clip["scores"] |= lost | {"coherence": 100.0, "stutter": 1.0}

    return change


def drop(name: str, count: int) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        for clip in content["clips"][:count]:
            del clip["scores"][name]

    return change


def without(name: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        del content["metrics"][name]
        for clip in content["clips"]:
            del clip["scores"][name]

    return change


def test_the_repositorys_own_leaderboard_is_as_it_should_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--check", str(BOARD)]) == 0
    assert " 0 wrong," in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c.update(model="other"), "expected what it holds at"),
        (lambda c: c.update(fingerprint="fee1dead"), "fingerprint as 64 hexadecimal digits"),
        (lambda c: c["metrics"]["warp"].update(fingerprint="x"), "fingerprint of warp"),
        (lambda c: c["environment"].update(commit="HEAD"), "commit as 40 hexadecimal"),
        (lambda c: c["prompts"].update(count=25), "prompts.count is 25"),
        (lambda c: c["expected"]["seeds"].append(0), "expected seeds once, 0 stands twice"),
        (set_clip(3, category="depth"), "another category than in prompts/toy.jsonl"),
        (lambda c: c.update(calibration={"sha256": []}), "calibration.sha256: expected text"),
        (failed(scores={"warp": 1.0}), "failed, but has scores"),
        (failed(error=" "), "does not say how"),
        (failed(frames=16), "failed, but has frames"),
        (set_clip(2, error="but"), "is ok, but has an error"),
        (set_clip(2, frames_sha256=None), "frames_sha256 is not"),
        (set_clip(2, latency_s=-1), "clips[2].latency_s: expected a number >= 0, got -1"),
        (set_score(2, "beauty", 1.0), "that the file does not describe"),
        (lambda c: c.update(weights="random"), "of random weights, but has scores"),
        (set_score(2, "coherence", 100.1), "coherence is 100.1, expected 0 to 100 (points)"),
        (set_score(2, "adherence", 120), "adherence is 120, expected 0 to 100 (100 cos)"),
        (set_score(2, "identity_min", 1.01), "expected -1 to 1 (cosine)"),
        (set_score(2, "stutter", -0.1), "expected 0 to 1 (share"),
        (set_score(2, "lag_ratio", -0.1), "expected 0 or more (ratio)"),
        (set_score(2, "coherence", 99.5), "coherence is 99.5, expected 99.3"),
        (set_score(2, "lost_order", 50.0), "which its parts give"),
        (lambda c: c["clips"][2]["scores"].pop("lost_stutter"), "and not all of its parts have"),
        (frozen(0, 24), "coherence and lost_stutter are not what stutter gives"),
        (frozen(2, 3), "coherence and lost_stutter are not what stutter gives"),
        (set_score(2, "stutter", 0.05), "coherence and lost_stutter are not what stutter gives"),
        (set_clip(2, latency_s=0), "was made in 0 s"),
        (set_score(2, "adherence_min", 99.0), "adherence_min is above adherence"),
        (drop("warp", 13), "13 clips of 24 have neither a value of warp nor a reason"),
        (set_score(2, "warp", None), "warp has no value, and no reason is given"),
        (unscored(2, warp="why"), "has a value, and a reason for having none"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(
    change: Callable[[Content], None],
    expected: str,
    board: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = spoil(board, change)
    assert main(["--check", str(board)]) == 1
    lines = capsys.readouterr().out.splitlines()
    wrong = [line for line in lines if line.startswith("wrong: ")]
    assert len(wrong) == 1
    assert expected in wrong[0]
    assert wrong[0].startswith(f"wrong: {path}: ")


def test_all_that_is_wrong_is_said_and_not_only_the_first(board: Path) -> None:
    def change(content: Content) -> None:
        content["fingerprint"] = ""
        for clip in content["clips"][4:9]:
            clip["scores"]["coherence"] = 101.0
        content["clips"][0]["scores"]["flicker"] = 2.0

    spoil(board, change)
    (board / "results" / "stray.txt").write_text("hello")
    lines = said(board, wrong=True)
    assert len(lines) == 4
    assert any("and 4 more clips: coherence is 101" in line for line in lines)


def test_faults_of_the_schema_are_all_said(board: Path) -> None:
    def change(content: Content) -> None:
        content["clips"][0]["fps"] = -1
        content["clips"][5]["status"] = "lost"
        content["metrics"]["warp"]["better"] = "more"
        content["clips"][7]["scores"]["warp"] = float("nan")
        content["clips"][8]["frames"] = 10**400
        content["clips"][9]["scores"]["warp"] = -(10**400)

    spoil(board, change)
    lines = said(board, wrong=True)
    assert [line.partition(":")[0] for line in lines] == [
        "metrics.warp.better",
        "clips[0].fps",
        "clips[5].status",
        "clips[7].scores.warp",
        "clips[8].frames",
        "clips[9].scores.warp",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c["clips"].pop(), "incomplete: 23 of 24 clips"),
        (lambda c: c["prompts"].update(sha256="0" * 64), "are those of no suite in prompts/"),
        (lambda c: c["clips"][2]["scores"].pop("warp"), "warp was not computed for prompt"),
        (
            lambda c: c["metrics"]["lost_stutter"].update(version=2),
            "of lost_stutter it is another version",
        ),
        (without("lost_order"), "computed again: there is no lost_order"),
        (lambda c: c["metrics"]["warp"].update(unit="grams"), "not checked of metrics in grams"),
    ],
)
def test_what_is_allowed_is_only_said(
    change: Callable[[Content], None], expected: str, board: Path
) -> None:
    path = spoil(board, change)
    publish([path], board)
    findings = check(board).findings
    assert [finding.wrong for finding in findings] == [False]
    assert expected in findings[0].text


def test_the_same_frames_from_different_seeds_are_said(board: Path) -> None:
    def change(content: Content) -> None:
        content["expected"]["seeds"] = [0, 1, 2]
        content["clips"] += [clip | {"seed": 2} for clip in content["clips"][:2]]

    spoil(board, change)
    lines = [line for line in said(board, wrong=False) if "very same frames" in line]
    assert len(lines) == 2
    assert lines[0].endswith(
        "seed 0 and 1 more clip: the very same frames, as if the seed were ignored"
    )


@pytest.mark.parametrize(
    ("share", "hidden", "wrong"),
    [(1.0, (), True), (1.0, ("frames_sha256",), True), (1.0, ("scores",), True), (0.2, (), False)],
)
def test_a_row_under_another_name_is_said(
    board: Path, share: float, hidden: tuple[str, ...], wrong: bool
) -> None:
    steady = json.loads(STEADY.read_text("utf-8"))
    content = json.loads(STEADY.with_name("toy_wobbling.json").read_text("utf-8"))
    copied = int(share * len(steady["clips"]))
    for number, clip in enumerate(steady["clips"][:copied]):
        changed = {key: content["clips"][number][key] for key in hidden}
        content["clips"][number] = clip | changed
    content["model"] = "other"
    path = board / "results" / "toy" / "other.json"
    path.write_text(json.dumps(content), "utf-8")
    lines = [line for line in said(board, wrong=wrong) if "very frames or scores of" in line]
    assert len(lines) == 1
    assert ("as if it were other under another name" in lines[0]) == wrong


def test_a_headline_without_motion_is_said(board: Path) -> None:
    def change(content: Content) -> None:
        for clip in content["clips"]:
            clip["scores"]["dynamics"] = 0.0

    spoil(board, change)
    assert any("next to nothing moves by dynamics" in line for line in said(board, wrong=False))


def test_a_result_that_shares_no_table_says_why(board: Path) -> None:
    content = json.loads(STEADY.with_name("toy_wobbling.json").read_text("utf-8"))
    content["model"] = "other"
    content["metrics"]["warp"]["fingerprint"] = "0" * 64
    path = board.parent / "other.json"
    path.write_text(json.dumps(content), "utf-8")
    publish([path], board)
    notes = [finding for finding in check(board).findings if not finding.wrong]
    assert [finding.text for finding in notes] == [
        "stands apart from others of its suite: other versions or backbones of warp"
    ]


def test_a_page_that_is_not_what_the_results_give_is_said(
    board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = board / "README.md"
    text = page.read_text("utf-8")
    page.write_text(text.replace("Toy, steady |", "Toy, steadier |", 1), "utf-8")
    assert main(["--check", str(board)]) == 1
    line = 1 + text[: text.index("Toy, steady |")].count("\n")
    out = capsys.readouterr().out
    assert f"wrong: {page}: expected what its results give, but line {line} should have" in out
    assert "Toy, steady |" in out.partition(" and has ")[0]
    assert "Toy, steadier |" in out.partition(" and has ")[2]
    page.write_text(text + "more", "utf-8")
    assert main(["--check", str(board)]) == 1
    assert "should have '' and has 'more'" in capsys.readouterr().out
    page.write_bytes(text.encode().replace(b"Toy, steady |", b"Toy, stead\xff |", 1))
    assert main(["--check", str(board)]) == 1
    assert f"line {line} should have" in capsys.readouterr().out
    page.unlink()
    assert main(["--check", str(board)]) == 1
    assert main([str(board), "--into", str(board)]) == 0
    assert main(["--check", str(board)]) == 0


def test_a_folder_that_is_no_leaderboard_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["x"], ["x", "--into", "y", "--check"]])
def test_publishing_and_checking_are_two_commands(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_every_metric_has_a_range_and_every_published_value_lies_in_it() -> None:
    units = {}
    for path in (CONF / "metrics").glob("*.yaml"):
        computed = yaml.safe_load(path.read_text("utf-8")).get("compute", {})
        units |= {name: metric.unit for name, metric in build_metrics(computed).items()}
    ranges = {name: allowed(name, unit) for name, unit in units.items()}
    assert [name for name, within in ranges.items() if within is None] == []
    assert OWN_RANGES.keys() <= ranges.keys()
    for control in json.loads((BOARD / "health.json").read_text("utf-8")):
        for name, value in control["scores"].items():
            assert value is None or fits(value, ranges[name]), (control, name)
