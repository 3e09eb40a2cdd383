"""The choices of backbones that are shipped compose, and can be built without a weight file."""

import pytest
import shipped

from bench.config import build_backbones, build_metrics
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow, Raft
from bench.vision.identity import AlexNetFeatures, Dino, Dinov2
from bench.vision.lpips import Lpips
from bench.vision.openclip import VbenchAesthetic, VbenchClip

OFFLINE = {"lpips": Lpips, "flow": DisFlow, "identity": AlexNetFeatures, "cuts": TransNet}
FULL = {
    "lpips": Lpips,
    "flow": Raft,
    "identity": Dinov2,
    "cuts": TransNet,
    "vbench_dino": Dino,
    "vbench_clip": VbenchClip,
    "vbench_aesthetic": VbenchAesthetic,
}


@pytest.mark.parametrize(("choice", "kinds"), [("offline", OFFLINE), ("full", FULL)])
def test_a_choice_fills_every_role_that_its_metrics_need(
    choice: str, kinds: dict[str, type]
) -> None:
    configured = shipped.config(f"metrics={choice}")["metrics"]
    backbones = build_backbones(configured["backbones"])
    assert backbones.pop("text")  # chosen by text=NAME, whatever the rest
    assert {role: type(backbone) for role, backbone in backbones.items()} == kinds
    metrics = build_metrics(configured["compute"])
    assert {role for metric in metrics.values() for role in metric.needs} == {*kinds, "text"}
    vbench = {name for name in metrics if name.startswith("vbench")}
    assert len(vbench) == (5 if choice == "full" else 0)
