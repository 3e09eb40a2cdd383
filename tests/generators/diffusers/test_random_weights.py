"""Models at full size: counted without memory, filled without a download."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
import shipped
import tiny_hub
import torch
import transformers
from huggingface_hub import errors
from tiny_pipelines import TINY

from bench import config as configuration
from bench.errors import BenchError
from bench.generators.diffusers import random_weights
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.load import Load
from bench.generators.diffusers.random_weights import (
    architectures,
    find_description,
    hollow,
    parts,
    random_pipeline,
)
from bench.prompts import Prompt

PROMPT = Prompt(id="p", text="a cat walks past a fence")

# Millions of parameters of the denoiser, as published or as counted from the published weights.
DENOISERS = {
    "stabilityai/stable-video-diffusion-img2vid-xt": 1525,
    "stable-diffusion-v1-5/stable-diffusion-v1-5": 860,
    "ali-vilab/i2vgen-xl": 1420,
    "ali-vilab/text-to-video-ms-1.7b": 1411,
    "THUDM/CogVideoX-2b": 1694,
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": 1419,
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": 14288,
    "Lightricks/LTX-Video": 1923,
    "hunyuanvideo-community/HunyuanVideo": 12821,
    "genmo/mochi-1-preview": 10028,
    "Lightricks/LTX-2": 18876,
    "Wan-AI/Wan2.1-VACE-14B-diffusers": 17338,
}
# Without AnimateDiff, whose pipeline copies its weights and so needs them.
KNOWN = (
    "svd_xt",
    "text2video_zero",
    "i2vgen_xl",
    "modelscope",
    "zeroscope_v2_576w",
    "cogvideox_2b",
    "wan2_1_1_3b",
    "wan2_1_14b",
    "wan2_1_vace_1_3b",
    "ltx_video_2b",
    "ltx_video_2b_i2v",
    "hunyuanvideo",
    "mochi_1",
    "ltx_2",
    "ltx_2_i2v",
    "ltx_2_3",
)
TEXT_ENCODERS = {"transformers.T5EncoderModel": 4762, "transformers.UMT5EncoderModel": 5681}


def millions(entry: dict[str, Any]) -> float:
    (part,) = parts({"it": entry}, Load(), Load().dtypes())
    return part.parameters / 1e6


@pytest.mark.parametrize("repo", DENOISERS)
def test_a_denoiser_has_its_published_size(repo: str) -> None:
    described = architectures("models")[repo]
    entry = described.get("transformer") or described["unet"]
    assert millions(entry) == pytest.approx(DENOISERS[repo], abs=0.6)


@pytest.mark.parametrize("name", KNOWN)
def test_the_parts_of_a_known_model_make_its_pipeline(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the filling, for which a test has no memory."""
    tiny_hub.fill_cache(tmp_path, {}, monkeypatch)
    monkeypatch.setattr("bench.generators.diffusers.random_weights.fill", lambda module, *_: module)
    config = shipped.config(f"model={name}", "model.weights=random")
    generator = configuration.build_generator(config["model"])
    assert isinstance(generator, DiffusersGenerator)
    described = find_description(generator.repo, None, None)
    kind = getattr(diffusers, generator.pipeline)
    pipe = random_pipeline(kind, described, generator.load, generator.dtypes, generator.device)
    sizes = {part.name: part.parameters for part in generator.parts()}
    assert sizes
    expected = {name for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    assert sizes.keys() == expected


@pytest.mark.parametrize("kind", TEXT_ENCODERS)
def test_embeddings_that_stand_twice_are_counted_once(kind: str) -> None:
    described = architectures("models").values()
    entry = next(e for m in described for e in m.values() if e.get("class") == kind)
    assert millions(entry) == pytest.approx(TEXT_ENCODERS[kind], abs=0.6)


def test_a_folder_is_counted_from_its_configuration(tiny: Callable[[str], Path]) -> None:
    path = tiny("wan22")
    model = TINY["wan22"].generator(path)
    counted = {part.name: part.parameters for part in model.parts()}
    with model:
        assert counted == model.loaded().parameters
    float32 = {part.name: part.weight_bytes for part in model.parts()}
    assert float32 == {name: 4 * count for name, count in counted.items()}


def test_the_table_is_used_without_a_hub_alone_and_that_is_logged(
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    repo = "genmo/mochi-1-preview"
    caplog.set_level("INFO")
    assert find_description(repo, "/here", None) == Path("/here")

    def gated(*_: Any, **__: Any) -> None:
        raise errors.GatedRepoError("", response=SimpleNamespace(headers={}, request=None))

    with monkeypatch.context() as hub:
        hub.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tiny("wan")))
        assert find_description(repo, None, None) == tiny("wan")
        assert not caplog.records
        hub.setattr("huggingface_hub.snapshot_download", gated)
        assert find_description(repo, None, None) == architectures("models")[repo]
        assert "is gated" in caplog.messages[0]
    tiny_hub.fill_cache(tmp_path / "hub", {}, monkeypatch)
    caplog.clear()
    assert find_description(repo, None, None) == architectures("models")[repo]
    why, follows = caplog.records
    assert why.levelname == "INFO"  # who needs more of the hub says it in an error
    assert "hub cannot be reached" in why.message
    assert follows.levelname == "WARNING"
    assert "sizes of networks are those of architectures.yaml" in follows.message
    with pytest.raises(BenchError, match="hub cannot be reached"):
        find_description("owner/unknown", None, None)


def test_what_is_loaded_says_when_its_sizes_are_those_of_the_table(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_hub.fill_cache(tmp_path / "hub", {}, monkeypatch)
    table = {"owner/wan": TINY["wan"].parts}
    monkeypatch.setattr(random_weights, "architectures", lambda _: table)
    entry, path = TINY["wan"], tiny("wan")
    with entry.generator(path, weights="random") as by_folder:
        expected = by_folder.loaded()
    with entry.generator(path, weights="random", path=None, repo="owner/wan") as by_table:
        loaded = by_table.loaded()
        assert len(by_table.generate(PROMPT, 0).frames) == 9
    assert loaded.architectures_from == "architectures.yaml"
    assert loaded.parameters == expected.parameters
    assert "architectures_from" not in expected.json_values


@pytest.mark.parametrize("name", ["wan", "ltx", "modelscope"])
def test_random_weights_run_and_are_the_same_each_time(
    name: str, tiny: Callable[[str], Path]
) -> None:
    entry, path = TINY[name], tiny(name)
    clips = []
    for _ in range(2):
        with entry.generator(path, weights="random") as generator:
            clips.append(generator.generate(PROMPT, 0))
            network = next(iter(generator.pipe.components.values()))
            assert not any(p.requires_grad for p in network.parameters())
            assert all(p.device.type == "cpu" for p in network.parameters())
    assert clips[0].sha256 == clips[1].sha256
    with entry.generator(path) as real:
        assert real.generate(PROMPT, 0).sha256 != clips[0].sha256
    assert generator.info.weights == "random"


@pytest.mark.parametrize("name", ["wan", "cogvideox", "ltx"])
def test_random_weights_are_of_the_dtypes_of_real_ones(
    name: str, tiny: Callable[[str], Path]
) -> None:
    halves = {"dtype": "bfloat16"}
    dtypes = []
    for weights in ("real", "random"):
        with TINY[name].generator(tiny(name), load=halves, weights=weights) as generator:
            dtypes.append(generator.loaded().dtypes)
            networks = generator.pipe.components
            held = {part.name: size_of(networks[part.name]) for part in generator.parts()}
            assert held == {part.name: part.weight_bytes for part in generator.parts()}
    assert dtypes[0] == dtypes[1]
    assert dtypes[0]["text_encoder"] == ["bfloat16"]


def test_a_text_encoder_keeps_its_sensitive_layers_in_float32_beside_float16(
    tiny: Callable[[str], Path],
) -> None:
    path = tiny("wan")
    model = TINY["wan"].generator(path, load={"dtype": "float16"})
    counted = {part.name: part.weight_bytes for part in model.parts()}
    encoder = transformers.T5EncoderModel.from_pretrained(
        path / "text_encoder", dtype=torch.float16
    )
    assert {p.dtype for p in encoder.parameters()} == {torch.float16, torch.float32}
    assert counted["text_encoder"] == size_of(encoder)


def size_of(network: torch.nn.Module) -> int:
    return sum(parameter.nbytes for parameter in network.parameters())


def test_half_precision_gives_way_to_bfloat16() -> None:
    halves: Any = {"dtype": "float16", "component_dtypes": {"vae": "float32"}}
    generator = DiffusersGenerator("WanPipeline", {}, 16, "a/b", load=halves, weights="random")
    assert generator.dtypes == {"default": torch.bfloat16, "vae": torch.float32}


def test_parameters_wait_on_the_meta_device_and_tables_do_not() -> None:
    described = architectures("models")["Wan-AI/Wan2.1-T2V-1.3B-Diffusers"]
    network = hollow({"transformer": described["transformer"]}, Load())["transformer"]
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert {b.device.type for b in network.buffers()} == {"cpu"}


SHAPES = {
    "svd_xt": ("stabilityai/stable-video-diffusion-img2vid-xt", "StableVideoDiffusionPipeline"),
    "modelscope": ("ali-vilab/text-to-video-ms-1.7b", "TextToVideoSDPipeline"),
    "wan2_1_1_3b": ("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "WanPipeline"),
    "ltx_video_2b": ("Lightricks/LTX-Video", "LTXPipeline"),
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", SHAPES)
def test_a_full_size_architecture_runs_on_a_gpu(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "i.png"), np.full((64, 64, 3), 100, np.uint8))
    prompt = Prompt(id="p", text="a cat", image=tmp_path / "i.png")
    tiny_hub.fill_cache(tmp_path / "hub", {}, monkeypatch)
    repo, pipeline = SHAPES[name]
    call = {"height": 256, "width": 256, "num_frames": 9, "num_inference_steps": 2}
    task = "i2v" if name == "svd_xt" else "t2v"
    with_fps: dict[str, Any] = {"call": call, "fps": 8, "repo": repo, "task": task}
    generator = DiffusersGenerator(pipeline, **with_fps, weights="random")
    generator.device = torch.device("cuda")
    generator.check([prompt])
    with generator:
        assert len(generator.generate(prompt, 0).frames) == 9
        assert {p.device.type for p in generator.pipe.vae.parameters()} == {"cuda"}
    assert torch.cuda.memory_allocated() < 2**28
