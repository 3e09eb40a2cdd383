"""What is fetched from the hub, or found in its cache: descriptions, revisions, one-line errors."""

import hashlib
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

# What is loaded from a folder, and how much is read to tell one from another.
_LOADED = frozenset({".json", ".txt", ".model", ".jinja", ".safetensors", ".bin"})
_PIECES, _PIECE_BYTES = 64, 2**16


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


def find_revisions(
    parts: Iterable[Mapping[str, Any] | None], pipeline: Mapping[str, Any]
) -> dict[str, str]:
    """Which version there is of everything that a model is loaded from.

    Args:
        parts: components and LoRAs that come from elsewhere, each a `repo` and its `revision`.
        pipeline: `repo` and `revision` of the rest; either `repo` may be a folder.

    Returns:
        Repository to commit, as the hub's cache names it, `repository@revision` for a part whose
        revision is set; folder to the digest of its files.

    Raises:
        BenchError: if one is missing or gated, before the weights of another are fetched.
    """
    found = {}
    for part in (*parts, pipeline):
        if not part or not part.get("repo"):
            continue
        repo, revision = str(part["repo"]), part.get("revision")
        if Path(repo).is_dir():
            found[repo] = digest(Path(repo))
        else:
            pinned = revision if part is not pipeline else None
            found[f"{repo}@{pinned}" if pinned else repo] = describe(repo, revision).name
    return found


def digest(folder: Path) -> str:
    """SHA-256 (hex) of names, sizes and contents of a folder's weights and their description.

    Of a large file it takes 64 pieces, evenly spaced: training changes a network all over.
    """
    hashed = hashlib.sha256()
    files = (path for path in folder.rglob("*") if path.suffix in _LOADED and path.is_file())
    for path in sorted(files):
        size = path.stat().st_size
        hashed.update(f"{path.relative_to(folder).as_posix()} {size}\n".encode())
        step = max(_PIECE_BYTES, -(-size // _PIECES))
        with path.open("rb") as file:
            for start in range(0, size, step):
                file.seek(start)
                hashed.update(file.read(_PIECE_BYTES))
    return hashed.hexdigest()


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
