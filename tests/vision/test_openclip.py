import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import yaml
from conftest import moving_texture
from PIL import Image
from safetensors.torch import save_file

from bench.errors import BenchError, Unscored
from bench.storage import CONF
from bench.vision import openclip
from bench.vision.openclip import OpenClip
from bench.vision.weights import WeightsMissing

CPU = torch.device("cpu")

TINY = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 24,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {"size": 32, "mean": [0.48, 0.46, 0.41], "std": [0.27, 0.26, 0.28]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with seeded random weights: it stands for the plumbing, never for a score."""
    path = tmp_path_factory.mktemp("tiny")
    (path / "open_clip_config.json").write_text(json.dumps(TINY))
    torch.manual_seed(0)
    network = open_clip.create_model(f"local-dir:{path}", load_weights=False)
    save_file(network.state_dict(), path / "open_clip_model.safetensors")
    return path


def loaded(folder: Path, **arguments: Any) -> OpenClip:
    network = OpenClip(f"local-dir:{folder}", **arguments)
    network.load(CPU)
    return network


@pytest.fixture
def network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> OpenClip:
    """The tiny network, its self-test left out: random weights could not pass it."""
    monkeypatch.setattr(OpenClip, "check", lambda _: None)
    return loaded(folder)


def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(openclip.hub, "get_hf_file_metadata", refuse)
    monkeypatch.setattr(openclip.hub, "try_to_load_from_cache", lambda *_: None)


def test_equals_a_plain_forward_of_open_clip(network: OpenClip, folder: Path) -> None:
    frames = moving_texture(5, 70)[:, :50]
    text = "a red ball rolls"
    plain, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    plain.eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")([text])
    with torch.inference_mode():
        images = [plain.encode_image(preprocess(Image.fromarray(f))[None])[0] for f in frames]
        words = plain.encode_text(tokens)[0]
    expected = np.stack([(image / image.norm()).numpy() for image in images])
    np.testing.assert_allclose(network.embed_images(frames), expected, atol=1e-5)
    np.testing.assert_allclose(network.embed_text(text).vector, words / words.norm(), atol=1e-5)


def test_batch_size_and_order_change_nothing(network: OpenClip, folder: Path) -> None:
    frames = moving_texture(7, 64)
    whole = network.embed_images(frames)
    assert np.abs(whole[0] - whole[6]).max() > 1e-4
    for batch_size in (1, 3):
        other = loaded(folder, batch_size=batch_size).embed_images(frames[::-1])
        np.testing.assert_allclose(other[::-1], whole, atol=1e-5)


def test_a_text_is_embedded_once(network: OpenClip, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    encode = network._network.encode_text
    monkeypatch.setattr(network._network, "encode_text", lambda x: calls.append(1) or encode(x))
    assert network.embed_text("a ball") is network.embed_text("a ball")
    network.embed_text("a cube")
    assert len(calls) == 2


def test_the_fingerprint_is_of_weights_and_preprocessing(
    network: OpenClip, folder: Path, tmp_path: Path
) -> None:
    assert loaded(folder, batch_size=1).fingerprint == network.fingerprint
    other = json.loads(json.dumps(TINY))
    other["preprocess_cfg"]["mean"] = [0.5, 0.5, 0.5]
    (tmp_path / "open_clip_config.json").write_text(json.dumps(other))
    (tmp_path / "open_clip_model.safetensors").symlink_to(folder / "open_clip_model.safetensors")
    assert loaded(tmp_path).fingerprint != network.fingerprint


def test_untrained_weights_fail_the_self_test(folder: Path) -> None:
    with pytest.raises(BenchError, match="failed its self-test") as caught:
        loaded(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "   ", "\t\n", "\x00\x07\x1b", "\u200b\u2028"])
def test_a_text_without_a_visible_character_is_no_prompt(network: OpenClip, text: str) -> None:
    with pytest.raises(Unscored, match="no prompt"):
        network.embed_text(text)


def test_control_characters_change_nothing(network: OpenClip) -> None:
    clean = network.embed_text("a red ball rolls").vector
    dirty = network.embed_text("a\x00 red\x1b[0m ball\x07 \r\n rolls\x7f").vector
    np.testing.assert_array_equal(dirty, clean)
    assert np.isfinite(network.embed_text("a lone surrogate \ud800").vector).all()


def test_a_long_text_is_cut_and_says_so(
    network: OpenClip, caplog: pytest.LogCaptureFixture
) -> None:
    fits = network.embed_text("ball " * 22)
    assert (fits.tokens, fits.room) == (24, 24)
    assert not caplog.messages
    with caplog.at_level(logging.WARNING, "bench"):
        cut = network.embed_text("ball " * 23)
    assert (cut.tokens, cut.room) == (25, 24)
    assert "24 of the 25 tokens" in caplog.messages[0]


def test_chinese_needs_a_network_that_reads_it(network: OpenClip, folder: Path) -> None:
    chinese = "一个红色的球从左向右滚过木地板"
    with pytest.raises(Unscored, match="text=multilingual"):
        network.embed_text(chinese)
    assert network.embed_text("a café called 木").tokens > 2
    assert loaded(folder, multilingual=True).embed_text(chinese).vector.shape == (16,)


def test_without_weights_the_reason_says_where_and_what_to_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_hub(monkeypatch)
    for name in ("ViT-B-32", "hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"):
        tag = "laion2b_s34b_b79k" if name == "ViT-B-32" else None
        with pytest.raises(WeightsMissing, match=r"CLIP-ViT-B-32-laion2B.*no network") as caught:
            OpenClip(name, tag).load(CPU)
        assert "text.pretrained=PATH" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "pretrained", "message"),
    [
        ("ViT-B-23", None, "did you mean 'ViT-B-32'"),
        ("ViT-B-32", None, "its tags are"),
        ("ViT-B-32", "laion2b_s34b_b78k", "did you mean 'laion2b_s34b_b79k'"),
        ("local-dir:nowhere", None, "open_clip_config.json in nowhere"),
    ],
)
def test_a_network_that_does_not_exist_is_a_mistake(
    name: str, pretrained: str | None, message: str
) -> None:
    with pytest.raises(BenchError, match=message) as caught:
        OpenClip(name, pretrained).load(CPU)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not a weight file"])
def test_a_folder_without_whole_weights_is_refused_never_filled_at_random(
    tmp_path: Path, content: bytes | None
) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps(TINY))
    if content is not None:
        (tmp_path / "open_clip_model.safetensors").write_bytes(content)
    with pytest.raises(BenchError, match="expected weights"):
        loaded(tmp_path)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    with pytest.raises(BenchError, match="expected weights of ViT-B-32"):
        OpenClip("ViT-B-32", str(folder / "open_clip_model.safetensors")).load(CPU)


def test_the_root_logger_gets_no_handler(
    network: OpenClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    network.load(CPU)
    assert logging.getLogger().handlers == []


@pytest.mark.parametrize("path", sorted((CONF / "text").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_ready_option_names_weights_that_open_clip_knows(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    if "name" in config:
        assert open_clip.get_pretrained_cfg(config["name"], config["pretrained"])
        text = open_clip.get_model_config(config["name"])["text_cfg"]
        # What is called multilingual has a vocabulary of more than English.
        assert config.get("multilingual", False) == (text.get("vocab_size", 250002) > 50000)
