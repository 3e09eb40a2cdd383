from collections.abc import Callable

import numpy as np
import pytest
from conftest import moving_texture
from numpy.typing import NDArray

from bench.errors import Unscored
from bench.metrics.consistency import occlusion, smoothness, warp, warp_lpips, warp_mae
from bench.vision.analysis import Analysis

Analyse = Callable[..., Analysis]


def noisy(frames: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    grain = np.random.default_rng(0).normal(scale=sigma, size=frames.shape)
    return (frames + grain).clip(0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("metric", [warp_mae, warp_lpips, warp, smoothness])
def test_more_noise_is_worse(analyse: Analyse, metric: Callable[[Analysis], float]) -> None:
    frames = moving_texture()
    levels = [metric(analyse(noisy(frames, sigma))) for sigma in (0, 3, 8)]
    assert levels == sorted(levels)
    assert levels[2] > 2 * levels[0]


def test_warp_mae_is_the_noise_that_motion_does_not_explain(analyse: Analyse) -> None:
    still = np.repeat(moving_texture(1, 96), 8, axis=0)
    # The difference of two grains of deviation 2 has a mean size of 2 * 2 / sqrt(pi).
    measured = warp_mae(analyse(noisy(still, 2))) * 255
    assert measured == pytest.approx(4 / np.sqrt(np.pi), rel=0.1)
    assert warp_mae(analyse(still)) == 0


@pytest.mark.parametrize("metric", [warp, smoothness])
def test_a_static_clip_has_no_ratio(analyse: Analyse, metric: Callable[[Analysis], float]) -> None:
    with pytest.raises(Unscored, match="static clip"):
        metric(analyse(np.repeat(moving_texture(1, 96), 8, axis=0)))


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
