import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import PROMPT, moving_texture

from bench.clip import Clip
from bench.errors import BenchError, Unscored
from bench.metrics.calibration import Calibration, scales_of
from bench.metrics.coherence import coherence
from bench.storage import CONF
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow
from bench.vision.lpips import Lpips

SHIPPED = "offline-1.json"


def analysis(calibration: Calibration, preset: str = "medium") -> Analysis:
    configured = {
        "lpips": Lpips(),
        "flow": DisFlow(preset),
        "cuts": TransNet(),
        "calibration": calibration,
    }
    clip = Clip(moving_texture(12, 64), 8.0)
    return Analysis(clip, replace(PROMPT), Backbones(configured, torch.device("cpu")))


def test_the_shipped_one_fits_the_offline_backbones_and_says_what_it_is_made_of() -> None:
    shipped = Calibration(SHIPPED)
    assert coherence(analysis(shipped)) > 50
    assert shipped.described.footage == (
        "bigbuckbunny.mp4",
        "bikes.mp4",
        "carphone_distorted.mp4",
        "carphone_pristine.mp4",
    )
    assert len(shipped.described.sha256) == 64


def test_other_backbones_have_no_headline() -> None:
    with pytest.raises(Unscored, match=r"made with another flow.*python -m bench\.calibrate"):
        coherence(analysis(Calibration(SHIPPED), preset="fast"))


def test_without_one_there_is_no_headline() -> None:
    with pytest.raises(Unscored, match=r"no calibration yet.*python -m bench\.calibrate"):
        coherence(analysis(Calibration(None)))


def test_another_one_gives_another_fingerprint_and_another_headline(tmp_path: Path) -> None:
    content = json.loads((CONF / "calibration" / SHIPPED).read_text())
    content["scales"]["smooth"] /= 4
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps(content))
    shipped, other = Calibration(SHIPPED), Calibration(str(mine))
    assert coherence(analysis(other)) < coherence(analysis(shipped))
    assert other.fingerprint != shipped.fingerprint


def test_what_is_no_calibration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"there is no nowhere\.json"):
        Calibration("nowhere.json").load(torch.device("cpu"))
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"schema": 99, "scales": {}}')
    with pytest.raises(BenchError, match="expected a calibration of schema 1"):
        Calibration(str(wrong)).load(torch.device("cpu"))


def test_scales_follow_the_footage_and_flicker_has_a_floor() -> None:
    calm = {"flicker": [0.001] * 9, "identity": [0.1] * 9, "smooth": [0.4] * 9}
    lit = calm | {"flicker": [0.04] * 9}
    assert scales_of(calm) == {"flicker": 0.125, "identity": 0.3125, "smooth": 1.7}
    assert scales_of(lit)["flicker"] == 0.25
