"""Every command that a page shows is one: its verb, its options, its keys and values are there."""

import importlib
import importlib.util
import re
import shlex
import tomllib
from argparse import Namespace
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from hydra import initialize_config_dir

from bench.cli import COMMANDS
from bench.commands.composition import compose_config, jobs_of, parsed
from bench.commands.suites import suites
from bench.config import build_generator, build_metrics, parse_run, plain
from bench.storage import CONF

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "prompts/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
README, GUIDE = ROOT / "README.md", ROOT / "docs" / "guide.md"

STAND_INS = dict.fromkeys(("MODEL", "NAME", "mymodel", "mine", "pan", "a", "X"), "toy_steady")
STAND_INS |= {"a,b": "toy_steady,toy_frozen", "SUITE": "toy"}
"""What stands for a reader's own, to what is there."""

OLD_NAMES = {"leaderboard": "publish", "health": "validate"}
LAUNCHERS = dict.fromkeys(("slurm", "slurm_local"), "hydra-submitit-launcher")
LAUNCHERS |= {"ray": "hydra-ray-launcher"}
OF_OTHERS = {"cat", "cd", "cp", "done", "export", "for", "git", "mkdir", "tar", "vllm"}
ENDS = {"&", "&&", ">", "|", ";"}


def blocks(page: Path, language: str = "") -> list[str]:
    """The fenced blocks of a page in one language; commands have none."""
    fences = re.findall(
        r"^ *```(\w*)\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [block for kind, block in fences if kind == language]


def lines(page: Path) -> Iterator[str]:
    """What a page has its reader type: in blocks, where answers follow a `$`, and in sentences."""
    for block in blocks(page):
        typed = block.replace("\\\n", " ").splitlines()
        if block.startswith("$"):
            typed = [line.removeprefix("$") for line in typed if line.startswith("$")]
        yield from typed
    yield from re.findall(r"`((?:steadybench|python -m|make|pip) [^`]*)`", page.read_text("utf-8"))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each, with the page's variables replaced by their values."""
    variables = {"model": "toy_steady", "PWD": "."}
    for line in lines(page):
        text = re.sub(r"\$(\w+)", lambda name: variables.get(name[1], name[0]), line)
        words = shlex.split(text, comments=True)
        if len(words) == 1 and "=" in words[0]:
            name, _, variables[name] = words[0].partition("=")
            continue
        while words:
            end = next((n for n, word in enumerate(words) if word in ENDS), len(words))
            command = words[:end]
            if command and re.fullmatch(r"[A-Z_]+=\w+", command[0]):  # set for this command alone
                command = command[1:]
            if command:
                yield command
            if words[end : end + 1] == [">"]:
                break  # a file's name is no command
            words = words[end + 1 :]


def ours(words: list[str]) -> tuple[str, list[str]] | None:
    """The verb of steadybench and its arguments; None of any other command, which must exist."""
    words = [word for word in words if word not in ("nohup", "do")]
    program, *rest = words or ["done"]
    if program in OF_OTHERS:
        return None
    if program == "docker":
        return None if rest[0] == "build" else ours(rest[rest.index("weights:/weights") + 1 :])
    if program == "make":
        assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in rest[:1])
        return None
    if program == "pip":
        wanted = re.search(r"\[(\w+)\]$", rest[-1])
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert wanted is None or wanted[1] in project["optional-dependencies"]
        return None
    if program == "python" and rest[0] == "-m":
        module, *rest = rest[1:]
        package, _, name = module.partition(".")
        if package != "bench" or "." in name:
            assert importlib.util.find_spec(module), module
            return None
        if name:
            verb = "check" if "--check" in rest else OLD_NAMES.get(name, name)
            return verb, [word for word in rest if word != "--check"]
    elif program == "python":
        assert (ROOT / rest[0]).is_file()
        return None
    else:
        assert program in ("steadybench", ".venv/bin/steadybench"), words
    if rest and rest[0] in COMMANDS:
        return rest[0], rest[1:]
    return None if rest[:1] in ([], ["COMMAND"], ["--help"], ["--version"]) else ("run", rest)


def installed(distribution: str) -> bool:
    return bool(tuple(metadata.Distribution.discover(name=distribution)))


@cache
def jobs(overrides: tuple[str, ...]) -> list[list[str]]:
    """The overrides of each job of a sweep."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return jobs_of(parsed(overrides))


@cache
def check_overrides(name: str, overrides: tuple[str, ...]) -> None:
    """Compose a configuration with them, as the command would, and hold it against its types."""
    composed = plain(
        compose_config(name, Namespace(overrides=list(overrides), config_dir=None, allow_code=True))
    )
    if name == "bench":
        parse_run(composed)


def check_command(verb: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command read its arguments, and do nothing."""
    keys = [word for word in arguments if re.match(r"[+~]*[a-z][\w./]*=", word)]
    flags = [word for word in arguments if word not in keys]
    pairs = (word.partition("=") for word in keys)
    keys = [f"{key}={STAND_INS.get(value, value)}" for key, _, value in pairs]
    if verb in ("run", "validate"):  # whose command line is all Hydra's
        assert {*flags} <= {"-m", "--config-dir", "mine", "--allow-code"}, flags
    else:
        module = importlib.import_module(f"bench.commands.{COMMANDS[verb][0]}")
        monkeypatch.setattr(module, "attempt", lambda _: 0)
        assert module.main(arguments) == 0
        if verb == "status":  # whose one key is its own
            return
    launcher = next((key.partition("=")[2] for key in keys if key.startswith("launch=")), "")
    if launcher in LAUNCHERS and not installed(LAUNCHERS[launcher]):
        return
    for job in jobs(tuple(keys)) if "-m" in flags else [keys]:
        check_overrides("health" if verb == "validate" else "bench", tuple(job))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_can_be_typed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in commands(page):
        command = ours(words)
        if command and command[1]:  # one without arguments may only be spoken of
            check_command(*command, monkeypatch)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_example_of_a_command_can_be_typed(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = importlib.import_module(f"bench.commands.{COMMANDS[verb][0]}").__doc__ or ""
    for line in re.findall(r"^  (steadybench .*?)(?:  .*)?$", document, re.MULTILINE):
        words = shlex.split(line)
        command = ours(words[: words.index(">")] if ">" in words else words)
        assert command
        check_command(*command, monkeypatch)


def test_the_pages_list_every_command_and_suite() -> None:
    pages = {page: page.read_text("utf-8") for page in (ROOT / "docs/commands.md", GUIDE)}
    table = "\n".join(re.findall(r"^\| `.*", pages[ROOT / "docs/commands.md"], re.MULTILINE))
    assert all(f"`{verb}`" in table for verb in COMMANDS)
    counts = dict(re.findall(r"^\| `(\w+)` \| (\d+ x \d+) \|", pages[GUIDE], re.MULTILINE))
    there = {suite.name: f"{suite.prompts} x {suite.seeds}" for suite in suites()}
    assert len(counts) > 5
    assert counts == {name: there[name] for name in counts}


def test_the_model_of_the_readme_is_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mymodel.yaml").write_text(blocks(README, "yaml")[0])
    options = Namespace(
        overrides=["model=mymodel", "suite=standard"], config_dir=tmp_path, allow_code=True
    )
    model = parse_run(plain(compose_config("bench", options))).model
    assert build_generator(model).source_name == "owner/name"
    assert model["card"]["title"] == "My model"


def test_the_metric_and_the_generator_of_the_guide_are_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, metric = blocks(GUIDE, "python")
    needed = (
        "from typing import Self\nfrom bench.clip import Clip\nfrom bench.prompts import Prompt\n"
    )
    needed += "from bench.generators.base import Generator\n"
    (tmp_path / "documented_package.py").write_text(f"{metric}\n\n{needed}\n{generator}")
    monkeypatch.syspath_prepend(tmp_path)
    (built,) = build_metrics({"worst_step": "documented_package.worst_step"}).values()
    steps = {7: np.array([0.1, 0.4, 0.2])}
    assert built.function(SimpleNamespace(step=7, lpips=steps.__getitem__)) == 0.4
    own = blocks(GUIDE, "yaml")[0].replace("mypackage", "documented_package")
    assert build_generator(yaml.safe_load(own)).info.version


def test_the_offline_extra_is_what_make_installs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements-offline.txt").read_text().splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert project["optional-dependencies"]["offline"] == pinned
