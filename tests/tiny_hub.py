"""A hub's cache that holds tiny pipelines under the names of real repositories."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fill_cache(
    root: Path, repositories: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let `huggingface_hub` find these in its cache, and reach nothing beyond it.

    Args:
        root: of the cache.
        repositories: name to a pipeline or network, which is saved as published, in halves too.
        monkeypatch: undoes it.
    """
    for name, saved in repositories.items():
        folder = root / f"models--{name.replace('/', '--')}"
        for variant in (None, "fp16"):
            saved.save_pretrained(folder / "snapshots" / COMMIT, variant=variant)
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
