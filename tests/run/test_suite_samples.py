"""A sample of every published suite, from a tiny pipeline on disk to the leaderboard.

Nothing stands in for the benchmark here: the suites' own texts, shapes and lengths, a model as
`save_pretrained` writes it, all metrics, and the page. Only the model has hardly any weights.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_hub
import yaml
from tiny_pipelines import TINY

from bench import cli
from bench.storage import PROMPTS

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

# In the suite with groups two characters, each in the same two kinds of shot; else one prompt.
SAMPLES = {
    "smoke": [],
    "standard": ["campfire-guitar"],  # changing light that is asked for
    "short_drama": ["swordsman-close-up", "swordsman-costume", "ranger-close-up", "ranger-costume"],
    "product": [],
    "i2v": [],
    "zh": [],
    "long": [],
}
SMALL_IMAGES = [
    "suite.images.options.dtype=float32",
    "suite.images.options.steps=2",
    "suite.images.call.height=64",
    "suite.images.call.width=64",
]


def sample(name: str, folder: Path) -> Path:
    """Lines of the published file, as they stand there."""
    lines = (PROMPTS / f"{name}.jsonl").read_text("utf-8").splitlines()
    wanted = SAMPLES[name] or [json.loads(lines[0])["id"]]
    chosen = [line for line in lines if json.loads(line)["id"] in wanted]
    assert len(chosen) == len(wanted)
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(chosen), "utf-8")
    return path


def tiny_model(kind: str, saved: Path, folder: Path) -> list[str]:
    """The YAML of a model that makes 1.6 s of 64x64, or of 64x32 upright, and 2.1 s at most."""
    content = {"defaults": ["diffusers", "_self_"], **TINY[kind].arguments(str(saved))}
    content["call"] |= {"height": 64, "width": 64, "num_frames": 13}
    content["card"] = {"title": "Tiny", "sizes": ["64x64", "64x112"], "max_seconds": 2.1}
    (folder / "mine" / "model").mkdir(parents=True)
    (folder / "mine" / "model" / "tiny.yaml").write_text(yaml.safe_dump(content))
    return [f"--config-dir={folder / 'mine'}", "model=tiny"]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_runs_from_a_pipeline_to_the_page(
    name: str,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawn = {"stabilityai/stable-diffusion-xl-base-1.0": TINY["stable_diffusion_xl"].build}
    repositories = {key: make() for key, make in drawn.items()} if name == "i2v" else {}
    tiny_hub.fill_cache(tmp_path / "hub", repositories, monkeypatch)
    kind = "wan_i2v" if name == "i2v" else "wan"
    typed = [*tiny_model(kind, tiny(kind), tmp_path), f"suite={name}", "suite.seeds=[0]"]
    typed += [f"suite.prompts={sample(name, tmp_path)}", "warmup=0"]
    typed += SMALL_IMAGES if name == "i2v" else []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["steadybench", *typed])
    assert cli.main() == 0, capsys.readouterr().err
    content = json.loads((tmp_path / "outputs" / name / "tiny" / "result.json").read_text())
    page = (tmp_path / "outputs" / "leaderboard" / "README.md").read_text()
    assert [clip["status"] for clip in content["clips"]] == ["ok"] * max(1, len(SAMPLES[name]))
    (clip, *_) = content["clips"]
    assert f"({name})\n" in page
    assert "| Tiny | " in page
    assert clip["scores"]["coherence"] is not None
    # No machine of the tests has an image-text network: the reason stands on page and screen.
    assert clip["scores"]["adherence"] is None
    assert "weights not found" in clip["unscored"]["adherence"]
    assert ": weights not found" in page
    assert "text is missing, its metrics are unscored" in capsys.readouterr().err
    CHECKS.get(name, lambda *_: None)(content, clip, page)


def has_a_portrait_shape_and_groups(
    content: dict[str, Any], clip: dict[str, Any], page: str
) -> None:
    assert (clip["width"], clip["height"]) == (64, 112)
    assert content["cross_clip"]["why"] is None
    assert "### Cross-clip identity" in page


def is_as_long_as_it_can_be(_: dict[str, Any], clip: dict[str, Any], page: str) -> None:
    assert clip["seconds_requested"] >= 10
    assert clip["frames_requested"] == clip["frames"] == 17
    table = page.split("### Lengths")[1].split("###")[0]
    assert f"| Tiny | {clip['seconds_requested']:g} | 2.12 | 0/1 | 2.10 |" in table


def begins_with_its_picture(_: dict[str, Any], clip: dict[str, Any], page: str) -> None:
    assert clip["image_sha256"]
    assert clip["scores"]["i2v_first"] > 0
    assert "i2v_identity_mean" in page


def is_scored_by_the_multilingual_network(_: dict[str, Any], clip: dict[str, Any], __: str) -> None:
    assert "xlm-roberta" in clip["unscored"]["adherence"]


def is_not_charged_for_its_light(_: dict[str, Any], clip: dict[str, Any], page: str) -> None:
    assert clip["unscored"]["flicker"] == "changing light was asked for"
    assert "only what swings back counts" in clip["notes"]["lost_flicker"]
    assert "changing light was asked for" in page


CHECKS: dict[str, Callable[[dict[str, Any], dict[str, Any], str], None]] = {
    "short_drama": has_a_portrait_shape_and_groups,
    "long": is_as_long_as_it_can_be,
    "i2v": begins_with_its_picture,
    "zh": is_scored_by_the_multilingual_network,
    "standard": is_not_charged_for_its_light,
}
