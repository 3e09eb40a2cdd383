"""Likeness to the base's clip: against slow references, and what has none."""

import cv2
import numpy as np
import pytest
import torch
from conftest import moving_texture

from bench.clip import Clip
from bench.errors import Unscored
from bench.metrics.likeness import base_lpips, base_ssim, ssim
from bench.prompts import Prompt
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

PROMPT = Prompt(id="p", text="x")


def beside(frames: np.ndarray, base: np.ndarray, backbones: Backbones) -> Analysis:
    other = Analysis(Clip(base, 8.0), PROMPT, backbones)
    return Analysis(Clip(frames, 8.0), PROMPT, backbones, base=other)


def slow_ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Every window for itself."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / np.outer(line, line).sum()
    values = []
    for y in range(first.shape[0] - 10):
        for x in range(first.shape[1] - 10):
            a, b = first[y : y + 11, x : x + 11], second[y : y + 11, x : x + 11]
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            both = (weights * (a - mean_a) * (b - mean_b)).sum()
            over = (2 * mean_a * mean_b + 6.5025) * (2 * both + 58.5225)
            under = (mean_a**2 + mean_b**2 + 6.5025) * (var_a + var_b + 58.5225)
            values.append(over / under)
    return float(np.mean(values))


def test_ssim_is_that_of_every_window() -> None:
    frames = moving_texture(2, 40, step_px=3.0)
    first, second = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(float) for f in frames)
    assert ssim(first, second) == pytest.approx(slow_ssim(first, second), abs=1e-9)
    assert ssim(first, first) == 1


def test_the_same_clip_is_as_near_as_can_be(backbones: Backbones) -> None:
    frames = moving_texture(4)
    assert base_lpips(beside(frames, frames, backbones)) == 0
    assert base_ssim(beside(frames, frames, backbones)) == 1


def test_lpips_is_that_of_the_frames_in_pairs_and_the_curve_says_where(
    backbones: Backbones,
) -> None:
    frames = moving_texture(4)
    base = frames.copy()
    base[2] = base[2][::-1]
    scored = base_lpips.score(beside(frames, base, backbones))
    network = beside(frames, base, backbones).lpips_network
    shown, instead = (network.features(torch.from_numpy(f[2:3].copy())) for f in (frames, base))
    expected = float(network.distances(shown, instead))
    assert scored.series["value"] == pytest.approx([0, 0, expected, 0])
    assert scored.value == pytest.approx(expected / 4)
    assert scored.series["time_s"] == [0, 0.125, 0.25, 0.375]
    assert np.argmin(base_ssim.score(beside(frames, base, backbones)).series["value"]) == 2


@pytest.mark.parametrize("metric", [base_lpips, base_ssim])
def test_without_a_clip_of_the_same_shape_there_is_no_value(
    metric: object, backbones: Backbones
) -> None:
    frames = moving_texture(4)
    with pytest.raises(Unscored, match="at hand"):
        metric(Analysis(Clip(frames, 8.0), PROMPT, backbones))  # type: ignore[operator]
    with pytest.raises(Unscored, match="4 frames of 96x96, its base has 3 frames of 96x96"):
        metric(beside(frames, frames[:3], backbones))  # type: ignore[operator]
