"""What a hub answers, in one line each, without one."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import tiny_hub
import torch
from huggingface_hub import errors
from tiny_pipelines import TINY, motion_adapter

from bench.errors import BenchError
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.hub import describe, digest, find_revisions
from bench.generators.diffusers.load import Load, _component

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


def test_parts_and_loras_are_loaded_at_the_revision_that_pins_them(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub whose `main` is broken: only the revision that is asked for can be loaded."""
    adapter = motion_adapter()
    tiny_hub.fill_cache(tmp_path, {"a/whole": adapter, "a/file": adapter}, monkeypatch)
    for refs in tmp_path.glob("models--*/refs"):
        (refs / "main").rename(refs / "fixed")
    part = {"class": "MotionAdapter", "repo": "a/whole", "revision": "fixed"}
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        diffusers.AnimateDiffPipeline,
        "load_lora_weights",
        lambda _pipe, repo, **settings: asked.update({repo: settings}),
    )
    monkeypatch.setattr(diffusers.AnimateDiffPipeline, "set_adapters", lambda *_: None)
    arguments = TINY["animatediff"].arguments(tiny("stable_diffusion"))
    lora = {"repo": "a/file", "revision": "fixed", "file": "lora.safetensors"}
    load = {"dtype": "float32", "components": {"motion_adapter": part}, "loras": [lora]}
    model = DiffusersGenerator(**{**arguments, "load": load})
    model.check([])
    with model:
        revisions = dict(model.loaded().revisions)
        assert revisions.pop(model.source_name) == digest(tiny("stable_diffusion"))
        assert revisions == dict.fromkeys(("a/whole@fixed", "a/file@fixed"), tiny_hub.COMMIT)
    assert asked["a/file"]["revision"] == "fixed"
    one_file = {**part, "repo": "a/file", "file": "diffusion_pytorch_model.safetensors"}
    blank = copy.deepcopy(adapter).apply(lambda module: module.to_empty(device="cpu"))
    monkeypatch.setattr(diffusers, "MotionAdapter", lambda: blank)  # by default, 453M
    loaded = _component(one_file, "a/b", Load(), torch.float32)
    assert all(map(torch.equal, loaded.parameters(), adapter.parameters()))
    with pytest.raises(BenchError, match="a/whole"):
        find_revisions([part | {"revision": "other"}], {})


def test_a_folder_is_told_by_what_is_loaded_from_it(tmp_path: Path) -> None:
    weights, note = tmp_path / "unet" / "model.safetensors", tmp_path / "README.md"
    weights.parent.mkdir()
    weights.write_bytes(bytes(2**23))
    (tmp_path / "model_index.json").write_text("{}")
    before = digest(tmp_path)
    note.write_text("of no consequence")
    assert digest(tmp_path) == before
    weights.write_bytes(bytes(2**22) + bytes(range(256)) * 2**14)  # of the same size
    trained = digest(tmp_path)
    assert trained != before
    weights.rename(weights.with_name("other.safetensors"))
    assert digest(tmp_path) not in (before, trained)
