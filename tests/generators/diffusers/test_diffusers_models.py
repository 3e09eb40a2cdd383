"""Every YAML of a diffusers model: composed as a user would, held against the installed version."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import shipped
import torch
import yaml

from bench import config as configuration
from bench.commands import fit
from bench.errors import UnavailableError
from bench.generators.diffusers.call import parameters
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.load import is_modular
from bench.generators.diffusers.random_weights import architectures
from bench.prompts import Prompt
from bench.run.conditioning import with_aspect
from bench.storage import CONF

PROMPT = Prompt(id="p", text="a cat walks past a fence", image=Path("unread.png"))

MODELS = sorted(
    path.stem
    for path in (CONF / "model").glob("*.yaml")
    if "defaults: [diffusers," in path.read_text()
)


VIDEOS = {
    "wan2_2_animate": ("pose_video", "face_video"),
    "wan2_2_animate_2": ("driving_video",),
    "wan2_2_animate_2_distilled": ("driving_video",),
}


def is_counted(name: str) -> bool:
    """Whether its networks are in the table of the package, and its card says what they weigh."""
    model = yaml.safe_load((CONF / "model" / f"{name}.yaml").read_text())
    return model["repo"] in architectures("models") and "weights_gib" in model["card"]


# By which of its arguments a pipeline shows that it makes video.
FRAMES = {"num_frames", "frames", "video_length", "segment_frame_length", "video", "control_video"}


@cache
def composed(name: str) -> dict[str, Any]:
    """The configuration, with any file where one is asked for."""
    overrides = [f"model.videos.{video}={__file__}" for video in VIDEOS.get(name, ())]
    model: dict[str, Any] = shipped.config(f"model={name}", *overrides)["model"]
    return model


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> dict[str, Any]:
    return composed(request.param)


@pytest.fixture(autouse=True)
def _a_hub_that_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.generators.diffusers.hub.describe", lambda *_: Path("commit"))


def built(model: dict[str, Any]) -> DiffusersGenerator:
    """As for a run on a GPU, without one."""
    generator = configuration.build_generator(model)
    assert isinstance(generator, DiffusersGenerator)
    generator.device = torch.device("cuda")
    return generator


def test_the_catalogue_is_here() -> None:
    assert len(MODELS) >= 80
    assert not [name for name in MODELS if name.startswith("toy_")]  # the demo runs toy_*


def test_every_class_that_makes_video_has_a_yaml_or_a_reason() -> None:
    kinds = {name: getattr(diffusers, name) for name in dir(diffusers) if name.endswith("Pipeline")}
    bases = {"DiffusionPipeline", "ModularPipeline"}
    making = {
        name
        for name, kind in kinds.items()
        if name not in bases
        and (
            "videos" in getattr(diffusers, kind.default_blocks_name)().output_names
            if is_modular(kind)
            else FRAMES & parameters(kind).keys()
        )
    }
    text = (CONF.parent / "docs/models.md").read_text("utf-8").split("<!-- without -->")[1]
    without = re.findall(r"`(\w+Pipeline)`", text)
    texts = [(CONF / "model" / f"{name}.yaml").read_text() for name in MODELS]
    pipelines = {text.split("\npipeline: ")[1].split("\n")[0] for text in texts}
    assert making == pipelines | set(without)
    assert len(without) == len(set(without))
    assert not pipelines & set(without)


def test_a_yaml_composes_and_binds_to_its_pipeline(model: dict[str, Any]) -> None:
    generator = built(model)
    generator.check([PROMPT])
    assert generator.repo
    assert generator.path is None
    assert generator.info.variant == ""
    assert generator.info.size_requested is not None


def test_every_size_of_a_card_is_legal_and_the_default_among_them(model: dict[str, Any]) -> None:
    sizes = model["card"]["sizes"]
    own = model["image_size"] or model["call"]
    assert f"{own['width']}x{own['height']}" in sizes
    for size in sizes:
        width, height = map(int, size.split("x"))
        generator = built(with_aspect(model, f"{width}:{height}", "it"))
        generator.check([PROMPT])
        assert generator.info.size_requested is not None
        assert generator.info.size_requested[1] / generator.info.size_requested[0] == pytest.approx(
            width / height, rel=0.06
        )


# Nobody says how large these are, and no table of the package has them.
UNSIZED = {"animatediff_sdxl", "consisid", "kandinsky6_pro_distill"}


@pytest.mark.parametrize("name", [name for name in MODELS if not is_counted(name)])
def test_fit_quotes_the_card_of_a_model_that_cannot_be_counted(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a hub; tests of `steadybench models` show that all others are counted right."""

    def unreachable(repo: str, *_: object) -> None:
        raise UnavailableError(f"{repo} is not on this machine")

    monkeypatch.setattr("bench.generators.diffusers.random_weights.describe", unreachable)
    model = composed(name)
    if name in UNSIZED:
        with pytest.raises(UnavailableError):
            fit.show(built(model), model["card"])
    else:
        fit.show(built(model), model["card"])
        assert f"{model['card']['parameters']} parameters" in capsys.readouterr().out


def test_a_card_says_what_a_studio_asks(model: dict[str, Any]) -> None:
    card = model["card"]
    assert card["title"]
    assert card["licence"]
    assert card["open_weights"] is True
    if card["commercial_use"] is True:
        assert "unverified" not in card["licence"]
