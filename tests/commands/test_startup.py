"""What a command imports before it answers: help waits for no network, a run for its own alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import COMMANDS
from bench.storage import PACKAGE

HEAVY = {"torch", "torchvision", "transformers", "diffusers", "scipy", "timm", "open_clip"}
"""Packages that take a second or more."""

_SCRIPT = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as ended:
    code = ended.code
print(code, *sys.modules)
"""


def modules_of(folder: Path, module: str, *arguments: str) -> set[str]:
    """Names of all modules that a command has imported when it ends, which must be well."""
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT, module, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    code, *names = ran.stdout.splitlines()[-1].split()
    assert code in ("None", "0"), ran.stderr
    return set(names)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "--help"],
        ["bench", "--version"],
        ["bench", "--cfg", "job"],
        ["bench.leaderboard", "--help"],
        *(["bench", name, "--help"] for name in COMMANDS),
    ],
    ids=" ".join,
)
def test_help_imports_no_network_and_draws_nothing(arguments: list[str], tmp_path: Path) -> None:
    assert not (HEAVY | {"matplotlib"}) & modules_of(tmp_path, *arguments)


BOARD = PACKAGE.parent / "leaderboard"
RESULTS = [str(BOARD / f"results/toy/{model}.json") for model in ("toy_steady", "toy_frozen")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", *RESULTS, "--into", "board"],
        ["check", str(BOARD)],
        ["compare", *RESULTS],
        ["export", *RESULTS, "--into", "tables", "--only", "csv"],
        ["prompts", "export", "suite=standard"],
        ["models"],
        ["suites"],
        ["metrics"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_reads_results_and_lists_imports_no_network(
    arguments: list[str], tmp_path: Path
) -> None:
    assert not HEAVY & modules_of(tmp_path, "bench", *arguments)


def test_a_run_imports_torch_and_what_its_model_needs(tmp_path: Path) -> None:
    generated = modules_of(tmp_path, "bench", "limit=1", "stages=[generate]")
    assert HEAVY & generated == {"torch"}
    assert "torch._dynamo" not in generated
    assert not HEAVY & modules_of(tmp_path, "bench", "status")
    clips = tmp_path / "clips"
    clips.mkdir()
    (preview,) = (tmp_path / "outputs/toy/toy_steady/previews").glob("*/*.mp4")
    preview.rename(clips / "a.mp4")
    scored = modules_of(tmp_path, "bench", "model=folder", "model.path=clips", "suite=files")
    assert HEAVY & scored == {"torch"}
    assert "torch._dynamo" not in scored


def test_something_is_said_before_torch_is_imported(tmp_path: Path) -> None:
    """A torch that cannot be imported stands in for one that takes long."""
    (tmp_path / "torch.py").write_text("raise SystemExit('now torch')")
    ran = subprocess.run(
        [sys.executable, "-m", "bench", "suite=smoke"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{PACKAGE.parent}"},
        check=False,
    )
    assert ran.stderr.splitlines() == ["toy_steady on suite smoke: loading torch ...", "now torch"]
