import json
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.errors import BenchError
from bench.generators.toy import grammar as toy_grammar
from bench.vision.openclip import TOY_FOLDER, ToyClip
from tools import toy_network as toy

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> ToyClip:
    loaded = ToyClip()
    loaded.load(CPU)
    return loaded


def test_nothing_that_is_held_out_is_trained_on() -> None:
    texts = toy.held_out()
    assert len(set(texts)) == 24
    apart = [toy.scenes(text) for text in [*texts, *toy.published()]]
    trained = toy.scenes(*toy.training_sentences(np.random.default_rng(0), 1000))
    assert trained.isdisjoint(set().union(*apart))
    assert len(set().union(*apart[:24])) == sum(len(scenes) for scenes in apart[:24])


def test_it_reads_every_sentence_of_the_grammar_whole(network: ToyClip) -> None:
    rng = np.random.default_rng(1)
    longest = (
        "a small yellow triangle rolls from left to right and a large purple ring swings from "
        "side to side in front of a patterned wallpaper while the camera zooms out"
    )
    for text in [longest, *(toy_grammar.sample_sentence(rng) for _ in range(100))]:
        phrase = network.embed_text(text)
        assert phrase.tokens <= phrase.room
    assert network.embed_text(longest).tokens == network.embed_text(longest).room


def test_damaged_weights_fail_the_self_test(tmp_path: Path) -> None:
    for file in TOY_FOLDER.glob("*.json"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    golden = json.loads((TOY_FOLDER / "golden.json").read_text())["cosine"]
    (tmp_path / "golden.json").write_text(json.dumps({"cosine": golden - 0.01}))
    (tmp_path / "open_clip_model.safetensors").symlink_to(
        TOY_FOLDER / "open_clip_model.safetensors"
    )
    with pytest.raises(BenchError, match="the toy network failed its self-test"):
        ToyClip(tmp_path).load(CPU)


def test_the_weights_are_small() -> None:
    assert (TOY_FOLDER / "open_clip_model.safetensors").stat().st_size < 8e6


def test_the_same_seed_trains_the_same_network(tmp_path: Path) -> None:
    toy.write_configuration(tmp_path)
    texts = toy.training_sentences(np.random.default_rng(2), 12)
    clips = np.random.default_rng(3).integers(0, 256, (12, 2, 64, 64, 3), np.uint8)

    def weights(seed: int) -> np.ndarray:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        trained = toy.train(tmp_path, texts, clips, rng, epochs=2, batch=4)
        return torch.cat([p.flatten() for p in trained.parameters()]).detach().numpy()

    first = weights(0)
    np.testing.assert_array_equal(weights(0), first)
    assert np.abs(weights(1) - first).max() > 0.01
