"""Every model that runs elsewhere: its YAML composes, builds, and says only what has a source."""

from pathlib import Path

import pytest
import shipped

from bench.config import build_generator
from bench.generators.command import CommandGenerator
from bench.generators.folder import FolderGenerator
from bench.generators.video_api import VideoApiGenerator

CLOSED = (
    *("runway_gen3_alpha", "pika_2_0", "sora", "kling", "veo_3", "seedance", "lumiere"),
    *("hailuo", "pixverse", "luma", "vidu", "hidream", "magicvideo_v2", "runway_gen4_5"),
    *("seedance_2_0", "wan_2_6", "wan_2_7", "happyhorse"),
)

PROGRAMS = ("longcat_video", "magi_1", "magi_2", "magicanimate")


@pytest.mark.parametrize("name", CLOSED)
def test_a_closed_system_takes_a_folder_and_its_facts_have_sources(
    name: str, tmp_path: Path
) -> None:
    model = shipped.config(f"model={name}", f"model.path={tmp_path}")["model"]
    assert isinstance(build_generator(model), FolderGenerator)
    assert model["name"] == name
    card = model["card"]
    assert card["open_weights"] is False
    assert card["title"]
    facts = {"max_seconds", "resolution", "declared_s_per_video_s"}
    assert card["sources"].keys() == {key for key in facts if card[key] is not None}
    assert all(card["sources"].values())


@pytest.mark.parametrize(
    ("kind", "overrides"),
    [
        (VideoApiGenerator, ["model=sglang_diffusion"]),
        (VideoApiGenerator, ["model=vllm_omni"]),
        (VideoApiGenerator, ["model=fastwan2_2_5b"]),
        (VideoApiGenerator, ["model=davinci_magihuman"]),
        (VideoApiGenerator, ["model=ltx_2_two_stages"]),
        *((CommandGenerator, [f"model={name}", "model.workdir=."]) for name in PROGRAMS),
        (
            VideoApiGenerator,
            ["model=video_gateway", "model.base_url=https://host", "model.fields.model=x"],
        ),
    ],
)
def test_ready_configurations_build(kind: type, overrides: list[str]) -> None:
    model = shipped.config(*overrides)["model"]
    assert isinstance(build_generator(model), kind)
    # On a server of one's own, what would change frames or speed unseen is off in so many words.
    if kind is VideoApiGenerator and model["card"]["open_weights"]:
        assert model["fields"]["enable_frame_interpolation"] is False
