"""The front door: one command with verbs, each with help that shows what to type."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra.errors import MissingConfigException
from rich.console import Console
from rich.text import Text

from bench import __version__, cli
from bench.clip import Clip, write_preview
from bench.commands import laid_out
from bench.commands.metrics import describe
from bench.commands.suites import suites
from bench.config import RunConfig, build_metrics
from bench.errors import explain
from bench.storage import CONF, PACKAGE

Output = pytest.CaptureFixture[str]


def type_(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """The exit code of `steadybench ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["steadybench", *arguments])
    try:
        return cli.main()
    except SystemExit as ended:
        return ended.code


def test_help_names_every_command(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert type_(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    assert type_(monkeypatch) == 0
    assert capsys.readouterr().out == said
    assert all(re.search(rf"^  {name} ", said, re.MULTILINE) for name in cli.COMMANDS)


def test_the_module_alone_is_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "main", lambda: " ".join(sys.argv[1:]))
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("bench", run_name="__main__")
    assert ended.value.code == "run"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_shows_three_examples_of_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert not type_(monkeypatch, name, "--help")
    said = capsys.readouterr().out
    examples = said[said.index("Examples:") :].partition("\n\n")[0].splitlines()[1:]
    assert sum(line.strip().startswith(f"steadybench {name}") for line in examples) >= 2
    assert len(examples) == 3


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_narrow_terminal_hides_and_breaks_nothing(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("bench.commands.sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert not type_(monkeypatch, "models")
    table = Text.from_ansi(capsys.readouterr().out).plain.partition("\n\n")[0]
    assert max(map(len, table.splitlines())) <= width
    names = {path.stem for path in (CONF / "model").glob("*.yaml")}
    starts = [line for line in table.splitlines() if line.partition(" ")[0] in names]
    assert len(starts) > 100
    said = " ".join(table.partition("\nwan2_1_1_3b ")[2].partition("\nwan2_2")[0].split())
    assert all(part in said for part in ("13.7", "Apache-2.0", "832x480", "of 480p in"))


def test_what_has_no_room_stands_by_name_below_its_row(capsys: Output) -> None:
    headings = ("model", "clips", "licence", "says")
    rows = [("a_long_name", "1200", "Apache-2.0", "two words"), ("b", "7", "-", "-")]
    Console(width=40).print(laid_out(headings, rows, 20, numbers=("clips",)))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "model        clips",
        "a_long_name   1200",
        "    licence: Apache-2.0; says: two words",
        "b                7",
    ]


def test_a_reader_that_has_seen_enough_is_no_mistake(tmp_path: Path) -> None:
    command = f"{sys.executable} -m bench models | true"
    ran = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stderr == ""


def test_the_help_of_a_run_names_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert not type_(monkeypatch, "run", "--help")
    said = capsys.readouterr().out
    keys = set(re.findall(r"(?<![\w.])(\w+)[\w.]*=", said)) - {"KEY"}
    assert keys <= RunConfig.model_fields.keys()
    for group in ("text", "launch"):
        listed = re.search(rf"^  {group}=NAME +(.*)$", said, re.MULTILINE)
        assert listed
        there = {path.stem for path in (CONF / group).glob("*.yaml")} - {"toy"}
        assert there == {word for word in re.findall(r"\w+", listed[1]) if word in there}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publsh", "x"], "there is no command 'publsh' (did you mean 'publish'?)"),
        (["limit"], "there is no command 'limit'"),
        (["--allow-code", "suite=toy", "model=nosuch"], "there is no model=nosuch"),
        (["limt=3"], "there is no 'limt' (did you mean 'limit'?)"),
        (["run", "limt=3"], "there is no 'limt' (did you mean 'limit'?)"),
        (["model=wan2_1_13b"], "did you mean 'wan2_1_1_3b'?); `steadybench models` lists them"),
        (
            ["run", "model=folder", "suite=files", "model.pth=x"],
            "there is no 'model.pth' (did you mean 'path'?)",
        ),
        (["plan", "model=wan2_1_1_3b", "model.dtype=x"], "(did you mean 'model.load.dtype'?)"),
        (["plan", "model=raytracer"], "there is no model=raytracer"),
        (["plan", "hydra/launcher=basci"], "did you mean 'basic'?"),
        (["plan", "seeds=[1]"], "there is no 'seeds' (did you mean 'suite.seeds'?)"),
        (["run", "suite.seeds=[0,0]"], "different whole numbers from 0 to 2^53"),
        (["run", "suite.seeds=[0,0]"], ", got [0, 0]\n"),
        (["validate", "films=x"], "expected films to be a whole number from 1, got 'x'"),
        (["run", "--model", "wan2_1_1_3b"], "there is no option --model: keys have no dashes, as"),
        (["model=mine"], "; --config-dir DIR adds your own"),
        (["model=kling"], "a value is missing: add model.path=DIR, a folder of clips"),
        (["plan", "--config-dir", str(CONF / "model")], f"type --config-dir {CONF}\n"),
        (["suite=smok"], "did you mean 'smoke'?); there are custom, dance, "),
        (["plan", "toy_steady"], "without blanks, got 'toy_steady': type model=NAME, or suite="),
        (["plan", "model", "=", "toy_steady"], "expected KEY=VALUE without blanks, got 'model'"),
        (["plan", "stages=generate,score"], "write a list, as stages=[generate,score]"),
        (["plan", "suite=my/own.jsonl"], "suite=custom suite.name=NAME suite.prompts=my/own.jsonl"),
        (["status", "suite=toy"], "there are none: type out=DIR, as out=outputs or out=outputs/"),
    ],
)
def test_a_slip_is_one_line(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert type_(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("launcher", "extra"), [("submitit_local", "slurm"), ("ray", "ray")])
def test_a_launcher_that_is_not_installed_is_said_to_be_an_extra(launcher: str, extra: str) -> None:
    error = MissingConfigException("", f"hydra/launcher/{launcher}", ["basic"])
    assert f"type pip install 'steadybench[{extra}]'" in explain(error)


def test_a_folder_with_a_broken_yaml_is_told_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    broken = tmp_path / "model" / "mine.yaml"
    broken.parent.mkdir()
    broken.write_text("a: [1")
    assert type_(monkeypatch, "models", "--config-dir", str(tmp_path)) == 2
    assert f"{broken}: no YAML: " in capsys.readouterr().err


def test_a_key_that_is_typed_as_an_option_is_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    assert type_(monkeypatch, "plan", "--model=toy_steady") == 2
    assert "there is no --model=toy_steady: type model=VALUE" in capsys.readouterr().err


def test_a_plan_is_of_one_model(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert type_(monkeypatch, "plan", "-m", "model=toy_steady,toy_deaf") == 2
    assert "it plans one model at a time: leave out -m" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("yaml_text", "said"),
    [
        (
            "defaults: [difusers, _self_]",
            "there is no model/difusers.yaml, which its defaults name",
        ),
        ("defaults: [otehr, _self_]", "name (did you mean 'other'?)"),
        ("defaults: [diffusers, self]", "; _self_ stands for the file itself"),
        ("pipeline: WanPipeline", "begin its YAML with `defaults: [diffusers, _self_]`"),
        ("defaults: [toy_steady]\ncard: {sizes: [tall]}", "[832x480, 480x832], got 'tall'"),
    ],
)
def test_a_slip_in_a_yaml_of_ones_own_is_named(
    yaml_text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(yaml_text)
    (tmp_path / "model" / "other.yaml").write_text("defaults: [toy_steady]")
    assert type_(monkeypatch, "plan", "--config-dir", str(tmp_path), "model=mine") == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_the_version_tells_the_commit(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    commit = "0123456789abcdef"
    for found, line in (
        ((commit, False), f"steadybench {__version__} (commit 0123456789ab)\n"),
        ((commit, True), f"steadybench {__version__} (commit 0123456789ab, with changes)\n"),
        ((None, None), f"steadybench {__version__}\n"),
    ):
        monkeypatch.setattr("bench.measure.commit.own_commit", lambda _, found=found: found)
        assert type_(monkeypatch, "--version") == 0
        assert capsys.readouterr().out == line


COMPUTED = {
    name: path
    for file in sorted((CONF / "metrics").glob("*.yaml"))
    for name, path in yaml.safe_load(file.read_text("utf-8")).get("compute", {}).items()
}


@pytest.mark.parametrize("name", COMPUTED)
def test_a_metric_is_described_without_being_imported(name: str) -> None:
    metric = build_metrics({name: COMPUTED[name]})[name]
    described = describe(COMPUTED[name])
    assert (described.unit, described.better) == (metric.unit, metric.better)
    document = (metric.function.__doc__ or "").partition("\n")[0]
    assert described.line[10:] in document
    assert len(described.line) > 10


def test_a_metric_of_another_make_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_metrics.py").write_text(
        "from bench.metrics.base import metric\n"
        "def length(analysis):\n    'How long it is.'\n    return 1.0\n"
        "settings = dict(unit='s', better=None)\nlong = metric(**settings)(length)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert describe("my_metrics.long") == ("s", None, "How long it is.")


def test_a_module_may_lie_where_the_command_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    (tmp_path / "lies_here.py").write_text(
        "from bench.metrics.base import metric\n\n\n@metric(unit='s', better=None, version=1)\n"
        "def length(analysis):\n    'How long it is.'\n    return 1.0\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert (
        type_(monkeypatch, "metrics", "--allow-code", "+metrics.compute.long=lies_here.length") == 0
    )
    assert "How long it is." in capsys.readouterr().out


def test_every_suite_is_listed_with_its_counts(tmp_path: Path) -> None:
    mine = tmp_path / "suite"
    mine.mkdir()
    lines = (
        f'{{"id": "{name}", "text": "x", "seconds": {s}}}\n' for name, s in (("a", 4), ("b", 9))
    )
    (tmp_path / "two.jsonl").write_text("".join(lines))
    (mine / "mine.yaml").write_text(
        f"# My own. And more.\ndefaults: [custom, _self_]\nname: mine\n"
        f"prompts: {tmp_path / 'two.jsonl'}\nfollow_seconds: true\n"
    )
    listed = {suite.name: suite for suite in suites(str(tmp_path))}
    assert listed.keys() == {p.stem for p in (CONF / "suite").glob("*.yaml")} | {"mine"}
    assert listed["mine"] == ("mine", 2, 2, "4-9", "My own")
    assert listed["standard"][1:4] == (100, 4, "model's")
    assert listed["files"].prompts is None
    assert all(suite.title for suite in listed.values())


def test_a_folder_of_videos_needs_no_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = np.zeros((4, 32, 32, 3), np.uint8)
    write_preview(Clip(frames, 8.0), tmp_path / "clips" / "a.mp4")
    folder = ["model=folder", "model.path=clips", "stages=[generate]"]
    assert type_(monkeypatch, *folder) == 0
    assert "taken for suite=files" in capsys.readouterr().err
    assert (tmp_path / "outputs/files/clips/result.json").is_file()
    type_(monkeypatch, *folder, "suite=smoke")
    assert "taken for suite=files" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("take (1)", "take-1"),
        ("a,b", "a-b"),
        ("Fußgänger", "Fu-g-nger"),
        ("[x]", "x"),
        ("y_", "y_"),
    ],
)
def test_a_path_needs_no_quotes_within_quotes_and_names_its_row(
    name: str, row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_preview(Clip(np.zeros((4, 32, 32, 3), np.uint8), 8.0), tmp_path / name / "a.mp4")
    typed = ["model=folder", f"model.path={name}", "suite=files"]
    assert type_(monkeypatch, "plan", *typed) == 0
    assert type_(monkeypatch, "run", *typed, "stages=[generate]") == 0
    assert (tmp_path / "outputs/files" / row / "result.json").is_file()


def test_old_forms_are_the_same_commands(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    from bench.leaderboard.__main__ import main

    board = str(PACKAGE.parent / "leaderboard")
    assert main(["--check", board]) == 0
    old = capsys.readouterr().out
    assert type_(monkeypatch, "check", board) == 0
    assert capsys.readouterr().out == old
