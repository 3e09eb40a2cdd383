"""ConsisID's plumbing: its face networks are stubs, as no package has their weights."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import TINY, pictured

from bench.errors import BenchError
from bench.generators.diffusers import load as loading
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.prompts import Prompt


@pytest.fixture
def folder(tiny: Callable[[str], Path]) -> Path:
    return tiny("consisid")


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return pictured(tmp_path)


def generator(folder: Path) -> DiffusersGenerator:
    return TINY["consisid"].generator(folder)


def test_what_is_not_installed_is_named(
    folder: Path, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "FACE_READERS", ("numpy", "no_such_face_reader"))
    model = generator(folder)
    model.check([prompt])
    with pytest.raises(BenchError, match="type pip install no_such_face_reader"), model:
        pass


def test_the_face_of_each_image_decides(
    folder: Path, prompt: Prompt, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[tuple[str, torch.device, torch.dtype]] = []
    seen: list[np.ndarray[Any, Any]] = []

    def prepare(where: str, device: torch.device, dtype: torch.dtype) -> tuple[str, ...]:
        prepared.append((where, device, dtype))
        return ("helper", "recogniser", "network", "detector", "mean", "deviation")

    def read(*given: Any) -> tuple[Any, ...]:
        *readers, _, dtype, image = given
        assert readers == ["helper", "network", "recogniser", "mean", "deviation", "detector"]
        seen.append(image)
        drawn = torch.Generator().manual_seed(face)
        features = [torch.randn(1, 3, 8, generator=drawn, dtype=dtype) for _ in range(5)]
        identity = torch.randn(1, 16, generator=drawn, dtype=dtype)
        return identity, features, Image.fromarray(image), np.zeros((5, 2), np.float32)

    module = "diffusers.pipelines.consisid.consisid_utils"
    stub = SimpleNamespace(prepare_face_models=prepare, process_face_embeddings_infer=read)
    monkeypatch.setitem(sys.modules, module, stub)
    monkeypatch.setattr("diffusers.pipelines.consisid.consisid_utils", stub, raising=False)
    monkeypatch.setattr(loading, "FACE_READERS", ())
    face = 0
    with generator(folder) as model:
        shas = [model.generate(prompt, 0).sha256 for _ in range(2)]
        face = 1
        shas.append(model.generate(prompt, 0).sha256)
    assert prepared == [(str(folder), torch.device("cpu"), torch.float32)]
    assert [image.shape for image in seen] == [(32, 32, 3)] * 3
    assert shas[0] == shas[1] != shas[2]
