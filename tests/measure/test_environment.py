import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.errors import BenchError
from bench.measure.commit import own_commit
from bench.measure.machine import environment, resolve_device
from bench.storage import PACKAGE

IDENTITY = ["-c", "user.name=t", "-c", "user.email=t@t"]


def git(folder: Path, *arguments: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *IDENTITY, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=clean,
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of the package's own, with one commit."""
    package = tmp_path / "bench"
    package.mkdir()
    shutil.copy(PACKAGE / "__init__.py", package)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    return package


def test_a_checkout_reports_its_commit_and_whether_it_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert own_commit(checkout) == (commit, False)
    (checkout / "__init__.py").write_text("changed")
    assert own_commit(checkout) == (commit, True)


def test_a_foreign_repository_around_an_installation_is_not_reported(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text(".venv\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "theirs")
    installed = tmp_path / ".venv" / "lib" / "bench"
    installed.mkdir(parents=True)
    shutil.copy(PACKAGE / "__init__.py", installed)
    assert own_commit(installed) == (None, None)


def test_git_variables_of_a_hook_do_not_mislead(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert own_commit(checkout)[0] == git(checkout, "rev-parse", "HEAD")


def test_without_git_there_is_no_commit_and_no_crash(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert own_commit(checkout) == (None, None)


def test_the_environment_names_what_changes_output_or_speed() -> None:
    machine = environment(torch.device("cpu")).json_values
    assert machine["device"] == "cpu"
    assert machine["gpu"] is None
    assert machine["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert machine["versions"]["steadybench"]
    assert machine["cpu"]


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cuda:-1", "cpu:7", "meta", "mps", "", None, 0])
def test_a_device_that_is_not_there_is_one_line(name: Any) -> None:
    with pytest.raises(BenchError, match="type device=auto"):
        resolve_device(name)
