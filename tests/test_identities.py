"""What scores and clips are called for good: published rows and old folders compare by these."""

import json
from pathlib import Path

import pytest
import shipped
import torch

from bench.config import build_backbones, build_generator, build_metrics, deciding
from bench.metrics.base import Metric
from bench.prompts import load_suite
from bench.run.scoring import metric_fingerprint
from bench.storage import fingerprint
from bench.vision.backbones import Backbones

PUBLISHED = Path(__file__).parent.parent / "leaderboard/results/toy/toy_steady.json"

IDS = {
    "coherence": [
        *("coherence", "coherence_worst_second", "lost_tremble", "lost_churn", "lost_flicker"),
        *("lost_wobble", "lost_judder", "lost_jumps", "lost_identity", "lost_blending"),
        *("lost_order", "lost_stutter"),
        "lost_motion",
    ],
    "appeal": ["appeal", "appeal_worst_second", "technical_quality"],
    "adherence": ["adherence", "adherence_min", "adherence_drift", "adherence_margin"],
    "consistency": ["lag_ratio", "flicker", "stutter", "tlpips", "lpips_far"],
    "warping": ["warp", "smoothness", "warp_mae", "warp_lpips", "occlusion"],
    "identity": ["identity_first", "identity_min", "identity_adjacent", "identity_slope"],
    "lag": ["identity_lag", "lpips_lag"],
    "fidelity": ["i2v_first", "i2v_mean", "i2v_identity_first", "i2v_identity_mean"],
    "cuts": ["cuts_unrequested", "cuts"],
    "motion": ["dynamics", "dynamics_raw"],
    "vbench": [
        *("vbench_subject_consistency", "vbench_background_consistency"),
        *("vbench_temporal_flickering", "vbench_dynamic_degree"),
        "vbench_aesthetic_quality",
    ],
}


def metrics(*overrides: str) -> dict[str, Metric]:
    return build_metrics(shipped.config(*overrides)["metrics"]["compute"])


def test_a_metric_keeps_its_id_wherever_it_moves() -> None:
    expected = {
        name: f"bench.metrics.{room}.{name}" for room, names in IDS.items() for name in names
    }
    assert {name: each.id for name, each in metrics("metrics=[full,i2v]").items()} == expected


@pytest.mark.weights
def test_scores_of_today_compare_with_the_published_ones() -> None:
    config = shipped.config("suite=toy")
    suite, _ = load_suite(config["suite"]["prompts"])
    configured = build_backbones(config["metrics"]["backbones"])
    backbones = Backbones(configured, torch.device("cpu"))
    published = json.loads(PUBLISHED.read_text())["metrics"]
    today = {name: metric_fingerprint(each, backbones, suite) for name, each in metrics().items()}
    assert today == {name: entry["fingerprint"] for name, entry in published.items()}


CLIPS = {
    "toy_steady": "475468290dff53b913bbb1eff23ca884105d3c6c704f619e7d871571551af1cb",
    "toy_wobbling": "e430d5eeb5499427e2d3ea1914b7d2001ee0b5dd539bcf4bbe6bca9c7720b710",
    "wan2_1_1_3b": "850fc24ce5642ce5b7f325df072206639ad1bbe7eacf72c4b6c4891ce3cdfe6a",
    "folder": "74b2c0293cca055813366a6d035ef8b944d158481dbd9539a00cbf6b83401e09",
    "vllm_omni": "3f96cb508a14a7229dfe00419e6a486af639707246baa25dc54d94a85867efff",
    "magicanimate": "87d7b77db6df516858897e858859b2b732ea98bfe9e3c2c6d82edad313c7784e",
}


@pytest.mark.parametrize(("model", "digest"), CLIPS.items())
def test_clips_of_today_go_with_those_of_before(model: str, digest: str) -> None:
    paths = {"folder": ["model.path=.", "model.name=clips"], "magicanimate": ["model.workdir=."]}
    config = shipped.config(f"model={model}", *paths.get(model, []))["model"]
    assert fingerprint(deciding(config, build_generator(config))) == digest
