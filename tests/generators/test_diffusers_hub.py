"""What a hub answers, in one line each, without one."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_hub
from huggingface_hub import errors

from bench.errors import BenchError
from bench.generators.diffusers import DiffusersGenerator
from bench.generators.diffusers_load import describe

ANSWER: Any = SimpleNamespace(headers={}, request=None, status_code=403)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.GatedRepoError("", response=ANSWER), "a/b is gated: accept its terms on"),
        (errors.RepositoryNotFoundError("", response=ANSWER), "there is no repository a/b"),
        (errors.RevisionNotFoundError("", response=ANSWER), "no such revision"),
        (errors.HFValidationError("bad"), "there is no repository a/b"),
        (errors.LocalEntryNotFoundError("x"), "hub cannot be reached"),
        (errors.OfflineModeIsEnabled("x"), "hub cannot be reached"),
        (ConnectionError("x"), "hub cannot be reached"),
        (errors.HfHubHTTPError("server\nerror", response=ANSWER), "HfHubHTTPError: server error"),
    ],
)
def test_each_way_to_fail_is_one_line(
    raised: Exception, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(BenchError) as caught:
        describe("a/b")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_nowhere_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_hub.fill_cache(tmp_path, {}, monkeypatch)
    model = DiffusersGenerator("WanPipeline", {}, 16, repo="Wan-AI/Wan2.1-T2V-14B-Diffusers")
    for late in (lambda: model.check([]), model.__enter__):
        with pytest.raises(BenchError, match=r"not on this machine.*model\.path=DIR"):
            late()


def test_a_folder_that_is_damaged_is_one_line(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    index = tmp_path / "model_index.json"
    index.write_text((tiny("wan") / "model_index.json").read_text())
    model = DiffusersGenerator("WanPipeline", {}, 16, path=str(tmp_path))
    with pytest.raises(BenchError) as caught:
        model.__enter__()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
