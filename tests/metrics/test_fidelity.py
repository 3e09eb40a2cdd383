from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import moving_texture

from bench.clip import Clip
from bench.errors import Unscored
from bench.metrics.identity import (
    i2v_first,
    i2v_identity_first,
    i2v_identity_mean,
    i2v_mean,
)
from bench.prompts import Prompt
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones


def analysis(
    frames: np.ndarray, image: np.ndarray | None, backbones: Backbones, folder: Path
) -> Analysis:
    path = None
    if image is not None:
        path = folder / "image.png"
        cv2.imwrite(str(path), image[..., ::-1])
    return Analysis(Clip(frames, 8.0), Prompt(id="p", text="x", image=path), backbones)


def test_a_clip_that_begins_with_its_image(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(8, 96)
    evidence = analysis(frames, frames[0], backbones, tmp_path)
    assert i2v_first(evidence) == pytest.approx(0, abs=1e-6)
    assert 0.001 < i2v_mean(evidence) == pytest.approx(evidence.lpips_to_reference.mean())
    assert i2v_identity_first(evidence) == pytest.approx(1, abs=1e-6)
    assert 0.5 < i2v_identity_mean(evidence) < 0.9999
    assert evidence.lpips_to_reference[4] == pytest.approx(evidence.lpips(4)[0], abs=1e-6)


def test_the_image_is_cropped_like_the_models_input(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(3, 96)
    wide = np.zeros((96, 240, 3), np.uint8)
    wide[:, 72:168] = frames[0]
    assert i2v_first(analysis(frames, wide, backbones, tmp_path)) == pytest.approx(0, abs=1e-6)


def test_another_image_is_far(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(8, 96)
    other = moving_texture(1, 96, seed=9)[0]
    near = analysis(frames, frames[0], backbones, tmp_path)
    lpips, likeness = i2v_mean(near), i2v_identity_mean(near)
    far = analysis(frames, other, backbones, tmp_path)
    assert i2v_mean(far) > 2 * lpips
    assert i2v_identity_mean(far) < likeness


def test_without_an_image_there_is_no_score(backbones: Backbones, tmp_path: Path) -> None:
    evidence = analysis(moving_texture(3, 96), None, backbones, tmp_path)
    for metric in (i2v_first, i2v_mean, i2v_identity_first, i2v_identity_mean):
        with pytest.raises(Unscored, match="no conditioning image"):
            metric(evidence)
