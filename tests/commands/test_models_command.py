"""The list of models: what it says is so, and it is quick."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import shipped
import yaml

from bench.commands.models import catalogue, main
from bench.config import build_generator
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.random_weights import architectures, parts
from bench.storage import CONF

MODELS = {model.name: model for model in catalogue()}


def names(capsys: pytest.CaptureFixture[str], *arguments: str) -> set[str]:
    assert main([*arguments, "--json"]) == 0
    return {model["name"] for model in json.loads(capsys.readouterr().out)}


def test_filters_keep_what_is_known_to_pass(capsys: pytest.CaptureFixture[str]) -> None:
    everything = names(capsys)
    assert {"minimax_h3", "kling", "magicanimate", "wan2_1_1_3b"} <= everything
    assert not {"diffusers", "folder", "video_gateway", "toy_steady"} & everything
    small = names(capsys, "--fits", "24")
    assert "wan2_1_1_3b" in small
    assert not {"wan2_1_14b", "kling", "magicanimate"} & small  # too large, or of unknown size
    assert not {"svd", "minimax_h3"} & names(capsys, "--commercial")
    assert "wan2_1_14b" in names(capsys, "--commercial")
    assert "minimax_h3" in names(capsys, "--task", "i2v") & names(capsys, "--task", "t2v")
    assert "svd" not in names(capsys, "--task", "t2v")
    with pytest.raises(SystemExit):
        main(["--task", "v2t"])


def test_a_row_says_what_its_yaml_says(capsys: pytest.CaptureFixture[str]) -> None:
    mid, server = MODELS["helios_mid"], MODELS["fastwan2_2_5b"]
    assert (mid.task, mid.steps, mid.sizes) == ("ti2v", 60, ["640x384", "384x640"])
    assert (server.runs_by, server.task, server.steps) == ("server", None, 3)
    assert MODELS["kling"].sizes == ["1920x1080"]
    main([])
    assert "of 480p in about" in capsys.readouterr().out.replace("\n", " ")


def test_models_of_ones_own_are_listed_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "defaults: [wan2_1_1_3b, _self_]\ncard: {title: Mine, licence: MIT}\n"
    )
    (tmp_path / "model" / "other.yaml").write_text("_target_: a.B\ncard: {title: Other}\n")
    assert main(["--config-dir", str(tmp_path), "--json"]) == 0
    *_, mine, other = json.loads(capsys.readouterr().out)
    assert (mine["name"], mine["licence"], mine["steps"]) == ("mine", "MIT", 50)
    assert (other["runs_by"], other["licence"]) == ("own", None)


def countable() -> dict[str, str]:
    """Models whose networks are known without a hub: one for each repository."""
    repos = {}
    for name, model in MODELS.items():
        yaml_text = (CONF / "model" / f"{name}.yaml").read_text()
        repo = yaml.safe_load(yaml_text).get("repo")
        if repo in architectures("models") and model.weights_gib is not None:
            repos[repo] = name
    return repos


@pytest.mark.slow
@pytest.mark.parametrize("name", countable().values())
def test_sizes_are_those_that_are_counted(name: str) -> None:
    videos = ["model.videos.driving_video=unread.mkv"] if "animate" in name else []
    generator = build_generator(shipped.config(f"model={name}", *videos)["model"])
    assert isinstance(generator, DiffusersGenerator)
    entry = architectures("models")[str(generator.repo)]
    counted = sum(p.weight_bytes for p in parts(entry, generator.load, generator.dtypes)) / 2**30
    assert MODELS[name].weights_gib == pytest.approx(counted, abs=0.06)


def test_no_network_library_is_imported() -> None:
    code = "import sys, bench.commands.models as m; m.main(['--json']); print(sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.splitlines()[-1]
    assert "'omegaconf'" in loaded
    assert not [name for name in ("torch", "diffusers", "transformers") if f"'{name}'" in loaded]
