"""What the hub or a folder has of a model: fetched, described, and told from other versions."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub import errors as hub_errors

from bench.errors import BenchError, UnavailableError, one_line

T = TypeVar("T")

# What describes a pipeline without its weights; a few kilobytes of a repository.
_DESCRIPTION = ("*.json", "*.txt", "*.model", "*.jinja")

# What is loaded from a folder, and how much is read to tell one from another.
_LOADED = frozenset({".json", ".txt", ".model", ".jinja", ".safetensors", ".bin"})
_PIECES, _PIECE_BYTES = 64, 2**16

_ELSEWHERE = "or load a folder with model.path=DIR"


def from_hub(repo: str, fetch: Callable[[], T]) -> T:
    """What a hub gives; each way to fail is a BenchError of one line."""
    unreachable = UnavailableError(
        f"{repo} is not on this machine and the hub cannot be reached: connect once, {_ELSEWHERE}"
    )
    try:
        return fetch()
    except hub_errors.GatedRepoError:
        raise UnavailableError(
            f"{repo} is gated: accept its terms on https://huggingface.co/{repo}, type "
            f"`hf auth login`, {_ELSEWHERE}"
        ) from None
    except hub_errors.RevisionNotFoundError:
        raise BenchError(f"{repo} has no such revision: see model.load") from None
    except (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError):
        raise BenchError(
            f"there is no repository {repo} on the hub, or none that you may see: correct "
            f"model.repo, type `hf auth login` if it is private, {_ELSEWHERE}"
        ) from None
    except (hub_errors.LocalEntryNotFoundError, hub_errors.OfflineModeIsEnabled, ConnectionError):
        raise unreachable from None
    except (hub_errors.EntryNotFoundError, hub_errors.HfHubHTTPError) as error:
        raise BenchError(f"{repo}: {one_line(error)}") from None
    except OSError as error:  # how diffusers wraps several of the above
        if isinstance(error.__cause__ or error.__context__, hub_errors.GatedRepoError):
            raise UnavailableError(f"{repo} is gated: type `hf auth login`, {_ELSEWHERE}") from None
        if not Path(repo).is_dir() and "connect" in str(error).lower():
            raise unreachable from None
        raise BenchError(f"{repo} cannot be loaded: {one_line(error)}") from None


def describe(repo: str, revision: str | None = None) -> Path:
    """The folder with everything of a repository but its weights, fetched where it is not there."""
    settings: dict[str, Any] = {"revision": revision, "allow_patterns": list(_DESCRIPTION)}
    return Path(from_hub(repo, lambda: huggingface_hub.snapshot_download(repo, **settings)))


def find_revisions(
    parts: Iterable[Mapping[str, Any] | None], pipeline: Mapping[str, Any]
) -> dict[str, str]:
    """Which version there is of everything that a model is loaded from.

    `parts` are components and LoRAs that come from elsewhere, each a `repo` and its `revision`, as
    `pipeline` is for the rest. Either `repo` may be a folder. A missing or gated repository is
    named before the weights of another are fetched.

    Returns:
        Repository to commit, as the hub's cache names it, `repository@revision` for a part whose
        revision is set; folder to the digest of its files.
    """
    revisions = {}
    for part in (*parts, pipeline):
        if not part or not part.get("repo"):
            continue
        repo, revision = str(part["repo"]), part.get("revision")
        if Path(repo).is_dir():
            revisions[repo] = digest(Path(repo))
        else:
            is_pinned = revision and part is not pipeline
            revisions[f"{repo}@{revision}" if is_pinned else repo] = describe(repo, revision).name
    return revisions


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


def hub_file(repo: str, name: str, revision: str | None) -> str:
    """Where one file of a repository or folder lies, fetched where it is not there."""
    if (local := Path(repo) / name).is_file():
        return str(local)
    return from_hub(repo, lambda: huggingface_hub.hf_hub_download(repo, name, revision=revision))
