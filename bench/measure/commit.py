"""The commit that this package is run from."""

import os
import subprocess
from pathlib import Path


def own_commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit this package was run from, and whether files were changed since.

    A package installed into an environment that happens to lie inside somebody's repository
    must not report that repository's commit: the file at hand has to be tracked there. Outside a
    checkout of its own, (None, None).
    """
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, None
    commit = _git(package, "rev-parse", "HEAD")
    if commit is None:  # a repository before its first commit
        return None, None
    changed = _git(package, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changed is None else bool(changed)


def _git(folder: Path, *arguments: str) -> str | None:
    # GIT_DIR and its kin, set inside a git hook, would point at another repository.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=clean,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
