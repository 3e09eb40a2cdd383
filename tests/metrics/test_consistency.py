from collections.abc import Callable

import numpy as np
import pytest
from conftest import moving_texture
from numpy.typing import NDArray

from bench.errors import Unscored
from bench.metrics.base import Metric
from bench.metrics.consistency import (
    flicker,
    lag_ratio,
    lpips_far,
    occlusion,
    smoothness,
    stutter,
    tlpips,
    warp,
    warp_lpips,
    warp_mae,
)
from bench.metrics.identity import identity_first
from bench.metrics.motion import dynamics, dynamics_raw
from bench.vision.analysis import Analysis

Analyse = Callable[..., Analysis]


def brightness(frames: NDArray[np.uint8], amplitude: float) -> NDArray[np.uint8]:
    gains = 1 + amplitude * np.resize([1, -1, 0.5, -0.7], len(frames))
    return (frames * gains[:, None, None, None]).clip(0, 255).astype(np.uint8)


def noisy(frames: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    grain = np.random.default_rng(0).normal(scale=sigma, size=frames.shape)
    return (frames + grain).clip(0, 255).round().astype(np.uint8)


def frozen(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(frames[:1], len(frames), axis=0)


def test_identical_frames(analyse: Analyse) -> None:
    analysis = analyse(frozen(moving_texture()))
    assert tlpips(analysis) == 0
    assert flicker(analysis) == 0
    assert stutter(analysis) == 1
    assert dynamics_raw(analysis) < 0.01


def test_flicker_grows_with_brightness_jitter_and_not_with_motion(analyse: Analyse) -> None:
    frames = moving_texture()
    levels = [flicker(analyse(brightness(frames, a))) for a in (0, 0.02, 0.05, 0.1)]
    assert levels == sorted(levels)
    assert levels[0] < 0.002
    # The reference is half the frames' mean level times the mean jump between the gains.
    assert levels[3] > 0.03


def test_without_order_a_step_is_as_far_as_half_the_clip(analyse: Analyse) -> None:
    frames = moving_texture(24)
    shuffled = frames[np.random.default_rng(1).permutation(24)]
    assert lag_ratio(analyse(frames)) < 0.5
    assert lag_ratio(analyse(shuffled)) > 0.8


def test_stutter_counts_held_frames(analyse: Analyse) -> None:
    frames = moving_texture(12)
    held = np.repeat(frames[::2], 2, axis=0)
    assert stutter(analyse(frames)) == 0
    assert stutter(analyse(held)) == pytest.approx(6 / 11)


def test_the_time_step_is_an_eighth_of_a_second_at_any_rate(analyse: Analyse) -> None:
    frames = moving_texture(33, step_px=0.5)
    assert [analyse(frames, fps=fps).step for fps in (1, 8, 16, 24, 25, 60)] == [1, 1, 2, 3, 3, 8]
    full, half = analyse(frames, fps=16), analyse(frames[::2], fps=8)
    assert tlpips(full) == pytest.approx(tlpips(half), rel=0.05)
    assert dynamics_raw(full) == pytest.approx(dynamics_raw(half), rel=0.05)


def test_a_pan_is_motion_but_not_the_subjects(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(16, 96, step_px=2))
    assert dynamics_raw(analysis) == pytest.approx(2 * 8 / 96, rel=0.1)
    assert dynamics(analysis) < 0.25 * dynamics_raw(analysis)


def test_a_subject_that_moves_before_a_still_background_counts(analyse: Analyse) -> None:
    background = frozen(moving_texture(16, 96))
    subject = moving_texture(16, 32, seed=5)[0]
    for t in range(16):
        background[t, 30:62, 8 + 3 * t : 40 + 3 * t] = subject
    assert dynamics(analyse(background)) > 0.8 * 3 * 8 / 96


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_frames_give_a_reason_and_no_number(analyse: Analyse, count: int) -> None:
    analysis = analyse(moving_texture(count), fps=24)
    for metric in (tlpips, flicker, dynamics):
        with pytest.raises(Unscored, match=f"{count} frame"):
            metric(analysis)


def test_a_tiny_clip_gives_a_reason(analyse: Analyse) -> None:
    analysis = analyse(moving_texture(16)[:, :8, :8])
    for metric in (tlpips, lpips_far, flicker, dynamics):
        with pytest.raises(Unscored, match="8 px"):
            metric(analysis)


@pytest.mark.parametrize("metric", [tlpips, flicker, identity_first])
def test_curves_along_the_clip_average_to_the_value(metric: Metric, analyse: Analyse) -> None:
    analysis = analyse(brightness(moving_texture(), 0.05))
    scored = metric.score(analysis)
    times_s, values = scored.series.values()
    assert np.mean(np.array(values)) == pytest.approx(scored.value)
    assert len(times_s) == len(values)
    last_s = (len(analysis.clip.frames) - 1) / analysis.clip.fps
    assert list(times_s) == sorted(times_s)
    assert times_s[-1] == pytest.approx(last_s), "the last frame is the later one of a pair"


@pytest.mark.parametrize(
    ("metric", "growth"),
    [(lag_ratio, 1.1), (warp_mae, 2), (warp_lpips, 2), (warp, 2), (smoothness, 2)],
)
def test_more_noise_is_worse(analyse: Analyse, metric: Metric, growth: float) -> None:
    frames = moving_texture()
    levels = [metric(analyse(noisy(frames, sigma))) for sigma in (0, 3, 8)]
    assert levels == sorted(levels)
    assert levels[2] > growth * levels[0]


def test_warp_mae_is_the_noise_that_motion_does_not_explain(analyse: Analyse) -> None:
    still = np.repeat(moving_texture(1, 96), 8, axis=0)
    # The difference of two grains of deviation 2 has a mean size of 2 * 2 / sqrt(pi).
    measured = warp_mae(analyse(noisy(still, 2))) * 255
    assert measured == pytest.approx(4 / np.sqrt(np.pi), rel=0.1)
    assert warp_mae(analyse(still)) == 0


@pytest.mark.parametrize("metric", [lag_ratio, warp, smoothness])
def test_a_static_clip_has_no_ratio(analyse: Analyse, metric: Metric) -> None:
    for frames in (frozen(moving_texture(8, 96)), np.zeros((8, 64, 64, 3), np.uint8)):
        with pytest.raises(Unscored, match="static clip"):
            metric(analyse(frames))


def test_occlusion_is_the_share_that_leaves_the_frame(analyse: Analyse) -> None:
    slow = occlusion(analyse(moving_texture(8, 96, step_px=1)))
    fast = occlusion(analyse(moving_texture(8, 96, step_px=8)))
    assert 0 <= slow < 0.05
    assert fast == pytest.approx(8 / 96, abs=0.05)


def test_pictures_without_relation_have_no_warping_error(analyse: Analyse) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 96, 3), dtype=np.uint8)
    analysis = analyse(noise)
    assert occlusion(analysis) > 0.7
    for metric in (warp_mae, warp_lpips, warp):
        with pytest.raises(Unscored, match="flow unreliable"):
            metric(analysis)
    assert smoothness(analysis) > 0.7
