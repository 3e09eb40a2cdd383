"""Metadata for a model's card."""

from pathlib import Path
from typing import Any

import fake_results as fake
import pytest
import yaml
from huggingface_hub import ModelCard

from bench.leaderboard.data.loading import load
from bench.leaderboard.export.model_card import model_card, why_no_card

SCHEMA_1 = Path(__file__).parent / "fixtures" / "result_schema_1.json"


def card_of(content: dict[str, Any], tmp_path: Path) -> str:
    return model_card(load(fake.write(content, tmp_path)))


def test_a_hub_reads_the_results_of_a_card() -> None:
    text = model_card(load(SCHEMA_1))
    card = ModelCard(f"---\n{text}---\n# Pan\n")
    assert card.data.license == "mit"
    assert card.data.model_name == "Pan"
    assert card.data.eval_results is not None
    values = {found.metric_type: found for found in card.data.eval_results}
    adherence = values["adherence"]
    assert adherence.metric_value == 7.929
    assert adherence.metric_args is not None
    assert adherence.metric_args["interval_95"] == [0.0, 15.86]
    assert adherence.metric_args["prompts"] == 2
    assert adherence.dataset_config == "few"
    assert next(iter(values)) == "coherence"
    assert "compute_s_per_video_s" not in values


def test_what_is_not_known_is_left_out_and_said() -> None:
    comments = [line for line in model_card(load(SCHEMA_1)).splitlines() if line.startswith("#")]
    assert "# 2 of 6 clips failed; each is a coherence of 0." in comments
    assert "# Left out: compute_s_per_video_s, which was not measured." in comments


def test_a_licence_of_other_words_is_not_claimed(tmp_path: Path) -> None:
    content = fake.result("wan", score=lambda *_: {"flicker": 0.1, "identity": None})
    content["card"]["licence"] = "MIT (unverified)\nlicense: mit"
    text = card_of(content, tmp_path)
    assert "license" not in yaml.safe_load(text)
    assert "# Left out: license, which a hub does not know by these words: MIT (unverified)" in text
    assert "# Left out: identity, which no clip has (not computed)." in text


def test_speed_is_said_where_it_was_measured(tmp_path: Path) -> None:
    content = fake.result("wan", score=lambda *_: {"flicker": 0.1, "identity": 0.5})
    index = yaml.safe_load(card_of(content, tmp_path))["model-index"][0]
    speed = index["results"][0]["metrics"][-1]
    assert speed["type"] == "compute_s_per_video_s"
    assert speed["value"] == 0.25
    assert speed["args"] == {"device": "CPU, Some CPU", "clips": 24}


def test_cross_clip_identity_is_said_over_groups(tmp_path: Path) -> None:
    content = fake.result("wan", prompts=4, score=lambda *_: {"flicker": 0.1})
    for n, clip in enumerate(content["clips"]):
        part = {"own": 0.8, "others": 0.7, "value": n / 10, "won": 0.75}
        clip["cross_clip"] = {"group": f"g{n % 2}", **part}
    content["cross_clip"] = {"version": 1, "fingerprint": "f", "why": None}
    index = yaml.safe_load(card_of(content, tmp_path))["model-index"][0]
    scores = {found["type"]: found for found in index["results"][0]["metrics"]}
    found = scores["cross_clip_identity"]
    assert found["value"] == 0.15
    assert found["args"] == {
        "groups": 2, "version": 1, "interval_95": [0.1, 0.2], "fingerprint": "f"
    }  # fmt: skip
    content["cross_clip"]["why"] = "no weights"
    for clip in content["clips"]:
        del clip["cross_clip"]
    assert "# Left out: cross_clip_identity: no weights." in card_of(content, tmp_path)


def test_clips_that_began_with_a_picture_are_image_to_video(tmp_path: Path) -> None:
    content = fake.result("wan", score=lambda *_: {"flicker": 0.1})
    assert yaml.safe_load(card_of(content, tmp_path))["pipeline_tag"] == "text-to-video"
    content["clips"][0]["image_sha256"] = "0" * 64
    assert yaml.safe_load(card_of(content, tmp_path))["pipeline_tag"] == "image-to-video"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompts": {"name": None, "count": 24, "sha256": None}}, "footage"),
        ({"weights": "random"}, "no scores"),
        ({"metrics": {}}, "no scores"),
    ],
)
def test_some_results_say_nothing_about_a_model(
    changes: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    content = fake.result("wan") | changes
    assert expected in (why_no_card(load(fake.write(content, tmp_path))) or "")
