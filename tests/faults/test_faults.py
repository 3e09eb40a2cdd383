"""Faults: what each does, and that more is more."""

import numpy as np
import pytest

from bench.errors import BenchError
from bench.faults import tools as fault_tools
from bench.faults.registry import FAULTS
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Prompt

GRADED = [name for name, fault in FAULTS.items() if len(fault.ladder) > 1]
TEXT = "a red ball rolls from left to right over a wooden floor"
CLIP = ToyGenerator(height=96, width=112).generate(Prompt("p", TEXT), 0).frames
CLIP.setflags(write=False)  # any fault that writes into its input raises


def damage(name: str, level: float | None = None, frames: np.ndarray = CLIP, seed: int = 0):  # noqa: ANN201
    fault = FAULTS[name]
    return fault(frames, fault.ladder[-1] if level is None else level, np.random.default_rng(seed))


def harm(damaged: np.ndarray, frames: np.ndarray = CLIP) -> float:
    return float(np.abs(damaged.astype(int) - frames).mean())


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_keeps_shape_and_type_and_does_the_same_twice(name: str) -> None:
    first, second = damage(name), damage(name)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.shares_memory(first, CLIP)
    if name == "drop":
        assert first.shape == (8, *CLIP.shape[1:])
    else:
        assert first.shape == CLIP.shape
        assert harm(first) > 0.5


@pytest.mark.parametrize("name", [name for name in GRADED if name != "drop"])
@pytest.mark.parametrize("seed", range(3))
def test_damage_rises_with_every_step_of_the_ladder(name: str, seed: int) -> None:
    ladder = FAULTS[name].ladder
    assert len(ladder) == 3
    assert ladder == tuple(sorted(ladder))
    harms = [harm(damage(name, level, seed=seed)) for level in ladder]
    assert 0 < harms[0] < harms[1] < harms[2]


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("shape", [(2, 16, 16), (3, 17, 33), (5, 41, 23)])
def test_faults_work_on_odd_sizes_and_short_clips(name: str, shape: tuple[int, ...]) -> None:
    frames = CLIP[: shape[0], : shape[1], : shape[2]]
    for level in FAULTS[name].ladder:
        damaged = damage(name, level, frames)
        assert damaged.shape[1:] == frames.shape[1:]
        assert 2 <= len(damaged) <= len(frames)


@pytest.mark.parametrize("name", FAULTS)
def test_levels_out_of_range_are_refused(name: str) -> None:
    for level in (0, -1, float("nan"), FAULTS[name].highest * 1.01):
        with pytest.raises(BenchError, match=f"fault {name}.*expected"):
            damage(name, level)


def test_clips_that_are_too_short_or_too_small_are_refused() -> None:
    for frames in (CLIP[:1], CLIP[:, :15]):
        with pytest.raises(BenchError, match="at least 2 frames"):
            damage("noise", 3, frames)


@pytest.mark.parametrize("name", ["pop", "vanish", "order", "hold"])
def test_a_higher_level_damages_whatever_a_lower_one_does(name: str) -> None:
    ladder = FAULTS[name].ladder
    hit = [np.any(damage(name, level) != CLIP, axis=(1, 2, 3)) for level in ladder]
    assert np.all(hit[0] <= hit[1])
    assert np.all(hit[1] <= hit[2])


def test_flicker_changes_brightness_up_to_the_level() -> None:
    gains = damage("flicker", 0.1).mean(axis=(1, 2, 3)) / CLIP.mean(axis=(1, 2, 3))
    assert 0.05 < np.abs(gains - 1).max() <= 0.102
    assert len(set(gains.round(3))) > 10


def test_noise_has_the_spread_it_says() -> None:
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    assert damage("noise", 8, grey).std() == pytest.approx(8, rel=0.05)


@pytest.mark.parametrize("size", [64, 256])
def test_warps_have_the_displacement_they_say(size: int) -> None:
    field = fault_tools.smooth_warp(np.random.default_rng(0), size, size + 1, 1.5)
    assert np.sqrt((field**2).sum(axis=2).mean()) == pytest.approx(1.5, rel=1e-3)


def test_drift_and_morph_begin_with_the_true_picture_and_end_far_from_it() -> None:
    for name in ("drift", "morph"):
        per_frame = [harm(a, b) for a, b in zip(damage(name), CLIP, strict=True)]
        assert per_frame[0] == 0
        assert per_frame[-1] > 0.9 * max(per_frame) > 1


def test_pop_covers_the_area_it_says_and_spares_some_frames() -> None:
    share = np.any(damage("pop", 0.2) != CLIP, axis=3).mean(axis=(1, 2))
    assert (share == 0).any()
    assert share.max() == pytest.approx(0.2, abs=0.03)


def test_boxes_of_one_anchor_lie_inside_each_other() -> None:
    for anchor in np.random.default_rng(0).uniform(0, 1, (50, 2)):
        inner, outer = (fault_tools.box(41, 57, area, anchor) for area in (0.1, 0.4))
        for small, large, length in zip(inner, outer, (41, 57), strict=True):
            assert 0 <= large.start <= small.start < small.stop <= large.stop <= length


def red_pixels(frames: np.ndarray) -> np.ndarray:
    red, rest = frames[..., 0].astype(float), frames[..., 1:].max(axis=3)
    return ((red > 2.2 * rest) & (red > 90)).sum(axis=(1, 2))


@pytest.mark.parametrize(
    "camera", ["", " while the camera pans left", " while the camera zooms in"]
)
def test_vanish_removes_the_subject_in_the_second_half(camera: str) -> None:
    frames = ToyGenerator().generate(Prompt("p", TEXT + camera), 0).frames
    damaged = damage("vanish", 0.2, frames)
    half = len(frames) // 2
    assert np.array_equal(damaged[:half], frames[:half])
    assert red_pixels(damaged[half:]).max() < 0.1 * red_pixels(frames[half:]).min()


def test_swap_changes_the_subject_for_good() -> None:
    half = len(CLIP) // 2
    damaged = damage("swap", 1.0)
    assert np.array_equal(damaged[:half], CLIP[:half])
    assert red_pixels(damaged[half:]).max() < 0.3 * red_pixels(CLIP[half:]).min()


def test_cut_shows_another_scene_from_the_middle_on() -> None:
    half = len(CLIP) // 2
    damaged = damage("cut")
    assert np.array_equal(damaged[:half], CLIP[:half])
    assert harm(damaged[half:], CLIP[half:]) > 20


def source_frames(damaged: np.ndarray) -> list[int]:
    """Which original frame each one is."""
    return [next(t for t, frame in enumerate(CLIP) if np.array_equal(frame, d)) for d in damaged]


def test_hold_half_shows_every_frame_twice() -> None:
    assert source_frames(damage("hold", 0.5)) == [t - t % 2 for t in range(16)]
    quarter = [0, 0, 2, 3, 4, 4, 6, 7, 8, 8, 10, 11, 12, 12, 14, 15]
    assert source_frames(damage("hold", 0.25)) == quarter


def test_drop_loses_frames_inside_and_keeps_the_order() -> None:
    sources = [source_frames(damage("drop", level)) for level in FAULTS["drop"].ladder]
    assert [len(frames) for frames in sources] == [14, 12, 8]
    assert set(sources[2]) < set(sources[1]) < set(sources[0])
    for frames in sources:
        assert frames == sorted(frames)
        assert (frames[0], frames[-1]) == (0, 15)


def test_order_swaps_neighbours_and_shuffle_everything() -> None:
    assert source_frames(damage("order", 1.0)) == [t + 1 - 2 * (t % 2) for t in range(16)]
    shuffled = source_frames(damage("shuffle"))
    assert sorted(shuffled) == list(range(16))
    assert shuffled != list(range(16))
    for seed in range(5):
        assert np.array_equal(damage("shuffle", 1, CLIP[:2], seed), CLIP[1::-1])


def test_stills_show_the_first_frame_only() -> None:
    assert source_frames(damage("still")) == [0] * 16
    assert harm(damage("still_noise", 2).mean(axis=0), CLIP[0]) < 1
    zoomed = damage("zoom_still", 0.3)
    assert np.array_equal(zoomed[0], CLIP[0])
    for name in ("zoom_still", "pan_still"):
        steps = [harm(a, b) for a, b in zip(damage(name)[1:], damage(name)[:-1], strict=True)]
        assert max(steps) < 3 * min(steps)  # it never stands, it never jumps


def test_lossy_and_half_resolution_lose_detail_but_not_the_picture() -> None:
    for name, level in (("lossy", 28), ("half_resolution", 1)):
        damaged = damage(name, level)
        assert 0.5 < harm(damaged) < 12
        assert np.abs(damaged.mean(axis=(0, 1, 2)) - CLIP.mean(axis=(0, 1, 2))).max() < 3


def ball_centres(frames: np.ndarray) -> np.ndarray:
    red = (frames[..., 0] > 2.2 * frames[..., 1:].max(axis=3).astype(float)) & (frames[..., 0] > 90)
    return np.array([np.argwhere(mask).mean(axis=0) for mask in red])


def test_the_part_follows_what_moves() -> None:
    frames = ToyGenerator().generate(Prompt("p", TEXT), 0).frames
    centres = ball_centres(frames)
    apart = np.hypot(*(fault_tools.subject_path(frames) - centres).T)
    assert np.ptp(centres[:, 1]) > 75  # the ball crosses the picture ...
    assert apart.max() < 24  # ... and the part, whose radius is 28, always covers its middle


def test_a_part_alone_is_hit_and_the_rest_stays() -> None:
    for name in ("stick", "melt", "swirl", "swell", "wobble_part", "recolour_part", "delay_part"):
        touched = np.any(damage(name) != CLIP, axis=3).mean(axis=(1, 2))
        assert 0.01 < touched.max() < 0.45, name


def test_growing_faults_begin_with_the_true_picture() -> None:
    for name in ("melt", "swell", "stretch", "swirl", "hue_drift", "soften", "fade_part", "detach"):
        damaged = damage(name)
        assert harm(damaged[:1], CLIP[:1]) < 0.1, name
        assert harm(damaged[-1:], CLIP[-1:]) > harm(damaged[4:5], CLIP[4:5]), name


def test_a_frozen_part_stands_still_where_the_clip_moves() -> None:
    damaged = damage("freeze_part", 0.25)
    start = len(CLIP) // 4
    frozen = np.all(damaged[start:] == CLIP[start], axis=(0, 3))
    moves = np.any(CLIP[start:] != CLIP[start], axis=(0, 3))
    assert (frozen & moves).mean() > 0.02
    assert np.array_equal(damaged[:start], CLIP[:start])


def test_crossfades_show_true_frames_and_means_of_them() -> None:
    damaged = damage("crossfade", 1)
    assert np.array_equal(damaged[::2], CLIP[::2])
    between = (CLIP[0].astype(float) + CLIP[2]) / 2
    assert np.abs(damaged[1] - between).max() <= 0.5
    assert harm(damage("ghost", 0.5)[1:2], (CLIP[1:2].astype(float) + CLIP[:1]) / 2) <= 0.5


def test_uneven_time_repeats_no_frame_and_keeps_every_second_one() -> None:
    damaged = damage("judder", 1.0)
    assert np.array_equal(damaged[::2], CLIP[::2])
    assert all(harm(a, b) > 0.3 for a, b in zip(damaged[1:], damaged[:-1], strict=True))
    across = np.diff(ball_centres(damaged)[:, 1])
    # Steps of 1.5 and .5 by turns; the last of the odd frames has nowhere to go.
    assert across[:-2:2].mean() > 1.5 * across[1:-2:2].mean()


def test_negative_controls_show_one_picture_whatever_moves_over_it() -> None:
    logo = damage("logo_still", 0.02)
    assert np.median(np.abs(logo.astype(int) - CLIP[0]).max(axis=3), axis=0).max() == 0
    assert all(0 < harm(a, b) < 10 for a, b in zip(logo[1:], logo[:-1], strict=True))
    pulse = damage("pulse_still", 0.2)
    mean = pulse.mean(axis=(1, 2, 3)) / CLIP[0].mean()
    assert (mean.min(), mean.max()) == pytest.approx((0.8, 1.2), abs=0.02)
    ripple = damage("ripple_still", 0.02)
    assert len({frame.tobytes() for frame in ripple}) == len(ripple)
    assert harm(ripple, np.repeat(CLIP[:1], len(CLIP), axis=0)) < 15
    show = damage("slideshow")
    assert np.array_equal(show[0], CLIP[0])
    assert np.array_equal(show[-1], CLIP[-1])
