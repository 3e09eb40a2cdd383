"""What is fetched from the hub, or found in its cache: descriptions, commits, one-line errors."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from bench.errors import BenchError, one_line

T = TypeVar("T")

# What describes a pipeline without its weights; a few kilobytes of a repository.
_DESCRIPTION = ("*.json", "*.txt", "*.model", "*.jinja")


def describe(repo: str, revision: str | None = None, *, local: bool = False) -> Path:
    """The folder with everything of a repository but its weights, fetched where it is not there.

    Args:
        repo: as `owner/name`.
        revision: branch, tag or commit.
        local: look in the cache only.

    Raises:
        BenchError: if the repository is missing or gated, or the hub cannot be reached.
    """
    return Path(
        from_hub(
            repo,
            lambda: huggingface_hub.snapshot_download(
                repo, revision=revision, allow_patterns=list(_DESCRIPTION), local_files_only=local
            ),
        )
    )


def find_commits(
    parts: Iterable[Mapping[str, Any] | None], repo: str | None, revision: str | None
) -> dict[str, str]:
    """The commit of every repository that a model is loaded from, as the hub's cache names it.

    Args:
        parts: components and LoRAs that come from elsewhere, each a `repo` and its `revision`.
        repo: of the pipeline; None where that is a folder.
        revision: of `repo`.

    Returns:
        Repository to commit; `repository@revision` for a part whose revision is set.

    Raises:
        BenchError: if one is missing or gated, before the weights of another are fetched.
    """
    found = {}
    for part in parts:
        if part and part.get("repo") and not Path(part["repo"]).is_dir():
            pinned = part.get("revision")
            name = f"{part['repo']}@{pinned}" if pinned else str(part["repo"])
            found[name] = describe(part["repo"], pinned).name
    if repo is not None:
        found[repo] = describe(repo, revision).name
    return found


def from_hub(repo: str, fetch: Callable[[], T]) -> T:
    """What a hub gives.

    Raises:
        BenchError: each way to fail, said in one line.
    """
    elsewhere = "or load a folder with model.path=DIR"
    try:
        return fetch()
    except GatedRepoError:
        raise BenchError(
            f"{repo} is gated: accept its terms on https://huggingface.co/{repo}, type "
            f"`hf auth login`, {elsewhere}"
        ) from None
    except RevisionNotFoundError:
        raise BenchError(f"{repo} has no such revision: see model.load") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise BenchError(
            f"there is no repository {repo} on the hub, or none that you may see: correct "
            f"model.repo, type `hf auth login` if it is private, {elsewhere}"
        ) from None
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError):
        raise _not_here(repo, elsewhere) from None
    except (EntryNotFoundError, HfHubHTTPError) as error:
        raise BenchError(f"{repo}: {one_line(error)}") from None
    except OSError as error:  # how diffusers wraps several of the above
        if isinstance(error.__cause__ or error.__context__, GatedRepoError):
            raise BenchError(f"{repo} is gated: type `hf auth login`, {elsewhere}") from None
        if not Path(repo).is_dir() and "connect" in str(error).lower():
            raise _not_here(repo, elsewhere) from None
        raise BenchError(f"{repo} cannot be loaded: {one_line(error)}") from None


def _not_here(repo: str, elsewhere: str) -> BenchError:
    return BenchError(
        f"{repo} is not on this machine and the hub cannot be reached: connect once, {elsewhere}"
    )
