from collections.abc import Callable
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
    identity_adjacent,
    identity_first,
    identity_lag,
    identity_min,
    identity_slope,
    lpips_lag,
)
from bench.prompts import Prompt
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

Analyse = Callable[..., Analysis]


@pytest.fixture
def turning(analyse: Analyse) -> Analysis:
    """Nine frames at 8 fps whose embedding turns by 10 degrees a frame."""
    analysis = analyse(np.zeros((9, 32, 32, 3), np.uint8))
    angles = np.radians(10 * np.arange(9))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    analysis.identity = vectors
    return analysis


def test_values_on_embeddings_that_are_known(turning: Analysis) -> None:
    cosines = np.cos(np.radians(10 * np.arange(1, 9)))
    assert identity_first(turning) == pytest.approx(cosines.mean(), abs=1e-6)
    assert identity_min(turning) == pytest.approx(cosines[-1], abs=1e-6)
    assert identity_adjacent(turning) == pytest.approx(cosines[0], abs=1e-6)
    slope = np.polyfit(np.arange(1, 9) / 8, cosines, 1)[0]
    assert identity_slope(turning) == pytest.approx(slope, abs=1e-5)
    assert slope < 0


def test_what_never_changes_has_a_slope_of_0_and_no_rounding(analyse: Analyse) -> None:
    analysis = analyse(np.zeros((16, 32, 32, 3), np.uint8))
    one = np.random.default_rng(2).normal(size=64).astype(np.float32)
    vectors = np.tile(one / np.linalg.norm(one), (16, 1))
    analysis.identity = vectors
    assert identity_slope(analysis) == 0


def test_the_lag_curve_says_how_likeness_falls_with_time(turning: Analysis) -> None:
    scored = identity_lag.score(turning)
    assert scored.series["lag_s"] == [0.25, 0.5, 1.0, 2.0, 4.0]
    cosines = [float(np.cos(np.radians(10 * lag))) for lag in (2, 4, 8)]
    assert scored.series["cosine"][:3] == pytest.approx(cosines, abs=1e-6)
    assert scored.series["cosine"][3:] == [None, None]
    assert scored.value == pytest.approx(cosines[2], abs=1e-6)


def test_the_lpips_curve_is_of_the_same_lags(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(12, 96), fps=7.0)
    scored = lpips_lag.score(analysis)
    assert scored.series["lag_s"] == [lag / 7 for lag in (2, 4, 7, 14, 28)]
    assert scored.series["lpips"][2] == scored.value == analysis.lpips(7).mean()
    assert scored.series["lpips"][3:] == [None, None]


@pytest.mark.parametrize(("frames", "fps"), [(8, 8.0), (5, 0.25)])
def test_a_clip_of_a_second_or_of_slower_frames_has_no_lag_curve(
    analyse: Analyse, frames: int, fps: float
) -> None:
    with pytest.raises(Unscored, match="needs more than 1 s"):
        lpips_lag(analyse(moving_texture(frames, 64), fps=fps))


def test_drift_lowers_every_one(analyse: Analyse) -> None:
    frames = moving_texture(16, 96, step_px=0)
    other = moving_texture(16, 96, step_px=0, seed=5)
    share = np.linspace(0, 0.8, 16)[:, None, None, None]
    drifting = (frames * (1 - share) + other * share).round().astype(np.uint8)
    steady, drifted = analyse(frames), analyse(drifting)
    for metric in (identity_first, identity_min, identity_adjacent, identity_slope):
        assert metric(drifted) < metric(steady)
    assert identity_slope(drifted) < -0.01


def test_one_frame_has_no_identity_over_time(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(1, 64))
    for metric in (identity_first, identity_min, identity_adjacent, identity_slope):
        with pytest.raises(Unscored, match="1 frame, needs at least"):
            metric(analysis)


def with_image(
    frames: np.ndarray, image: np.ndarray | None, backbones: Backbones, folder: Path
) -> Analysis:
    path = None
    if image is not None:
        path = folder / "image.png"
        cv2.imwrite(str(path), image[..., ::-1])
    return Analysis(Clip(frames, 8.0), Prompt(id="p", text="x", image=path), backbones)


def test_a_clip_that_begins_with_its_image(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(8, 96)
    evidence = with_image(frames, frames[0], backbones, tmp_path)
    assert i2v_first(evidence) == pytest.approx(0, abs=1e-6)
    assert 0.001 < i2v_mean(evidence) == pytest.approx(evidence.lpips_to_reference.mean())
    assert i2v_identity_first(evidence) == pytest.approx(1, abs=1e-6)
    assert 0.5 < i2v_identity_mean(evidence) < 0.9999
    assert evidence.lpips_to_reference[4] == pytest.approx(evidence.lpips(4)[0], abs=1e-6)


def test_the_image_is_cropped_like_the_models_input(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(3, 96)
    wide = np.zeros((96, 240, 3), np.uint8)
    wide[:, 72:168] = frames[0]
    assert i2v_first(with_image(frames, wide, backbones, tmp_path)) == pytest.approx(0, abs=1e-6)


def test_another_image_is_far(backbones: Backbones, tmp_path: Path) -> None:
    frames = moving_texture(8, 96)
    other = moving_texture(1, 96, seed=9)[0]
    near = with_image(frames, frames[0], backbones, tmp_path)
    lpips, likeness = i2v_mean(near), i2v_identity_mean(near)
    far = with_image(frames, other, backbones, tmp_path)
    assert i2v_mean(far) > 2 * lpips
    assert i2v_identity_mean(far) < likeness


def test_without_an_image_there_is_no_score(backbones: Backbones, tmp_path: Path) -> None:
    evidence = with_image(moving_texture(3, 96), None, backbones, tmp_path)
    for metric in (i2v_first, i2v_mean, i2v_identity_first, i2v_identity_mean):
        with pytest.raises(Unscored, match="no conditioning image"):
            metric(evidence)
