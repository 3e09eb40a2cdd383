from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import PROMPT, moving_texture
from numpy.typing import NDArray

from bench.clip import Clip
from bench.errors import Unscored
from bench.faults.registry import FAULTS
from bench.generators.toy.generator import ToyGenerator
from bench.metrics import coherence as formula
from bench.metrics import damage
from bench.metrics.base import Metric
from bench.metrics.coherence import (
    Damage,
    charges,
    coherence,
    coherence_worst_second,
    headline,
    lost_flicker,
    lost_identity,
    lost_judder,
    lost_jumps,
    lost_motion,
    lost_order,
    lost_tremble,
    moving,
)
from bench.metrics.damage import Window
from bench.metrics.motion import MotionState
from bench.prompts import Prompt, load_suite
from bench.validation.footage import every, shrink_clip
from bench.video import read_video
from bench.vision.analysis import Analysis

Analyse = Callable[..., Analysis]

SUBJECT = replace(PROMPT, motion="subject")
CAMERA = replace(PROMPT, motion="camera")
SOUND = Damage(
    tremble=0.03, churn=0.03, flicker=0.001, wobble=1.0, judder=0.1, jumps=0.1,
    identity=0.02, blending=0.0, order=8.0, motion=1.0,
)  # fmt: skip
PARTS = (coherence, coherence_worst_second, lost_tremble, lost_motion)


@pytest.fixture(scope="module")
def toy() -> Clip:
    return ToyGenerator(128, 128, fps=8.0, seconds=2.0).generate(PROMPT, 0)


def test_what_moves_smoothly_holds_together(analyse: Analyse, toy: Clip) -> None:
    assert coherence(analyse(toy.frames, toy.fps, SUBJECT)) > 70
    assert coherence(analyse(moving_texture(16, 128), 8.0, CAMERA)) > 85


def test_no_worthless_clip_is_worth_anything(analyse: Analyse, toy: Clip) -> None:
    rng = np.random.default_rng(0)
    frozen = np.repeat(toy.frames[:1], 16, axis=0)
    grain = rng.normal(scale=2, size=toy.frames.shape)
    worthless = {
        "frozen": frozen,
        "frozen + noise": (frozen + grain).clip(0, 255).round().astype(np.uint8),
        "noise": rng.integers(0, 256, toy.frames.shape, dtype=np.uint8),
        "shuffled": toy.frames[rng.permutation(16)],
        "black": np.zeros_like(toy.frames),
    }
    for (name, frames), prompt in product(worthless.items(), (PROMPT, SUBJECT)):
        assert coherence(analyse(frames, 8.0, prompt)) <= 10, (name, prompt.motion)


def pretenders() -> dict[str, NDArray[np.uint8]]:
    """A still that is moved about, lit, marked or faded into another: nothing happens in it."""
    still, other = moving_texture(2, 128, step_px=40)
    turns = np.sin(np.arange(16) * np.pi / 4)[:, None, None, None]
    marked = np.repeat(still[None], 16, axis=0)
    for t, frame in enumerate(marked):
        frame[40:56, 10 + 5 * t : 26 + 5 * t] = (255, 210, 0)
    shares = np.linspace(0, 1, 16)[:, None, None, None]
    return {
        "pan": moving_texture(16, 128),
        "pulse": (still * (0.85 + 0.15 * turns)).round().astype(np.uint8),
        "logo": marked,
        "fade": (still * (1 - shares) + other * shares).round().astype(np.uint8),
    }


@pytest.mark.parametrize("kind", ["pan", "pulse", "logo"])
def test_a_still_that_pretends_is_worth_nothing(analyse: Analyse, kind: str) -> None:
    frames = pretenders()[kind]
    for prompt in (PROMPT, SUBJECT):
        analysis = analyse(frames, 8.0, prompt)
        assert coherence(analysis) <= 10
        assert lost_motion.score(analysis).note == "motion: none seen"


def test_a_still_behind_moving_water_is_worth_nothing(analyse: Analyse, footage: Path) -> None:
    film = shrink_clip(every(read_video(footage / "bigbuckbunny.mp4"), 3), 128)
    sound = replace(film, frames=film.frames[:16])
    rippled = FAULTS["ripple_still"](sound.frames, 0.01, np.random.default_rng(0))
    for prompt in (PROMPT, SUBJECT):
        assert coherence(analyse(rippled, sound.fps, prompt)) <= 10
        assert coherence(analyse(sound.frames, sound.fps, prompt)) > 85


def test_what_no_camera_explains_must_show_more_that_is_new() -> None:
    water = MotionState(subject=0.2, unexplained=0.98, active=0.9, raw=0.2, revealed=0.59)
    assert moving(water, 8.0, "any") == moving(water, 8.0, "subject") == 0
    assert moving(replace(water, unexplained=0.4), 8.0, "any") == 1
    assert moving(replace(water, revealed=0.63), 8.0, "any") == 1


def test_a_pan_counts_where_the_camera_was_to_move(analyse: Analyse) -> None:
    asked = analyse(moving_texture(16, 128), 8.0, CAMERA)
    assert coherence(asked) > 85
    assert coherence.score(asked).note is None


def test_every_kind_of_damage_costs_and_more_costs_more() -> None:
    def points(measured: Damage, held: float = 0.0) -> float:
        return headline(charges(measured, held))

    best = points(SOUND)
    assert best > 85
    for name in formula.SCALES:
        worse = [
            points(replace(SOUND, **{name: getattr(SOUND, name) + more}))
            for more in (0.0, 0.01, 0.03, 0.1)
        ]
        assert worse == sorted(worse, reverse=True)
        assert len(set(worse)) == 4
    assert points(SOUND, 0.5) == pytest.approx(50, abs=2)
    assert points(replace(SOUND, order=0.0)) < 5
    assert points(replace(SOUND, motion=0.0)) < 0.01
    assert points(replace(SOUND, motion=0.5)) == pytest.approx(50, abs=2)


def test_each_part_sees_what_it_is_for(analyse: Analyse, toy: Clip) -> None:
    sound = analyse(toy.frames, toy.fps)

    def cost(part: Metric, frames: NDArray[np.uint8]) -> float:
        return part(analyse(frames, toy.fps)) - part(sound)

    gains = np.resize([0.85, 1.1, 0.95, 1.15], 16)[:, None, None, None]
    lit = (toy.frames * gains).clip(0, 255).round().astype(np.uint8)
    assert cost(lost_flicker, lit) > 10
    cut = np.concatenate([toy.frames[:8], moving_texture(8, 128)])
    assert cost(lost_jumps, cut) > 15
    assert cost(lost_order, toy.frames[np.random.default_rng(3).permutation(16)]) > 20
    shares = np.linspace(0, 1, 16)[:, None, None, None]
    other = 255 - cv2.flip(toy.frames[0], 0)
    changed = (toy.frames * (1 - shares) + other * shares).round().astype(np.uint8)
    assert cost(lost_identity, changed) > 10
    noise = np.random.default_rng(0).normal(scale=40, size=toy.frames.shape)
    grainy = (toy.frames + noise).clip(0, 255).round().astype(np.uint8)
    assert formula.measure(analyse(grainy, toy.fps)).churn > 1.2 * formula.measure(sound).churn
    rng = np.random.default_rng(1)
    shifts = rng.integers(-2, 3, (16, 8))
    bands = [
        [np.roll(f[16 * k : 16 * k + 16], shift, axis=1) for k, shift in enumerate(row)]
        for f, row in zip(toy.frames, shifts.tolist(), strict=True)
    ]
    assert cost(lost_tremble, np.stack([np.concatenate(rows) for rows in bands])) > 5


@pytest.fixture(scope="module", params=["toy", "real"])
def sound(request: pytest.FixtureRequest, toy: Clip, footage: Path) -> Clip:
    """Two seconds at 8 frames per second, so that a time step is one frame."""
    if request.param == "toy":
        return toy
    film = shrink_clip(every(read_video(footage / "bigbuckbunny.mp4"), 3), 128)
    return replace(film, frames=film.frames[:16])


def test_stills_that_fade_into_each_other_are_worth_nothing(analyse: Analyse, sound: Clip) -> None:
    faded = FAULTS["slideshow"](sound.frames, 1, np.random.default_rng(0))
    for prompt in (PROMPT, SUBJECT):
        assert coherence(analyse(faded, 8.0, prompt)) <= 10


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("wobble_part", "wobble"),
        ("boil", "wobble"),
        ("judder", "judder"),
        ("light_part", "flicker"),
        ("recolour_part", "flicker"),
    ],
)
def test_damage_to_a_part_is_seen_by_what_is_for_it(
    analyse: Analyse, sound: Clip, fault: str, kind: str
) -> None:
    drawn = FAULTS[fault]
    damaged = drawn(sound.frames, drawn.ladder[-1], np.random.default_rng(0))
    measure, window = getattr(damage, kind), Window(0, 16)
    least, most = (measure(analyse(each, 8.0), 1, window) for each in (sound.frames, damaged))
    assert most > 1.3 * least


def test_what_turns_and_grows_as_a_whole_neither_wobbles_nor_judders(
    analyse: Analyse, footage: Path
) -> None:
    still = shrink_clip(every(read_video(footage / "bigbuckbunny.mp4"), 3), 128).frames[0]
    height, width = still.shape[:2]
    turned = [
        cv2.warpAffine(
            still,
            cv2.getRotationMatrix2D((width / 2, height / 2), 2.0 * t, 1 + 0.02 * t),
            (width, height),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for t in range(16)
    ]
    analysis, window = analyse(np.stack(turned), 8.0), Window(0, 16)
    assert damage.wobble(analysis, 1, window) < 0.1
    assert damage.judder(analysis, 1, window) < 0.02


def test_uneven_timing_costs_points_and_even_timing_none(analyse: Analyse, sound: Clip) -> None:
    uneven = FAULTS["judder"](sound.frames, 1.0, np.random.default_rng(0))
    assert lost_judder(analyse(sound.frames, 8.0, SUBJECT)) < 1
    assert lost_judder(analyse(uneven, 8.0, SUBJECT)) > 15


def test_a_frame_that_is_held_is_no_judder(analyse: Analyse) -> None:
    frames = moving_texture(16, 128)[np.arange(16) // 2 * 2]
    assert damage.judder(analyse(frames, 8.0), 1, Window(0, 16)) < 0.1


def test_a_pendulum_that_the_flow_loses_hardly_judders(analyse: Analyse) -> None:
    """It is found where it turns and lost where it is fast, so its measured speed jumps about."""
    (prompt,) = (p for p in load_suite("toy.jsonl")[0] if p.id == "swing-green-ring")
    clip = ToyGenerator(128, 128, fps=8.0, seconds=2.0).generate(prompt, 0)
    assert lost_judder(analyse(clip.frames, clip.fps, prompt)) < 3
    uneven = FAULTS["judder"](clip.frames, 1.0, np.random.default_rng(0))
    assert lost_judder(analyse(uneven, clip.fps, prompt)) > 20


def test_three_frames_are_too_few_to_swing_back(analyse: Analyse) -> None:
    analysis, window = analyse(moving_texture(3, 96), 2.0), Window(0, 3)
    assert damage.wobble(analysis, 1, window) == damage.judder(analysis, 1, window) == 0


def test_the_camera_moves_where_the_text_says_so(analyse: Analyse) -> None:
    """As far as the suite leaves open what must move."""
    pan, text = moving_texture(16, 128), "a wall, the camera slowly panning right"
    asked = analyse(pan, 8.0, replace(PROMPT, text=text))
    assert coherence(asked) == coherence(analyse(pan, 8.0, CAMERA)) > 85
    assert coherence(analyse(pan, 8.0, replace(SUBJECT, text=text))) <= 10


def test_a_cut_that_was_asked_for_costs_nothing(analyse: Analyse, footage: Path) -> None:
    film = read_video(footage / "bikes.mp4")  # its third cut follows frame 136
    frames = np.stack([cv2.resize(frame, (320, 136)) for frame in film.frames[77:185:3]])
    one, two = (replace(PROMPT, shots=shots) for shots in (1, 2))
    assert coherence(analyse(frames, film.fps / 3, two)) > 80
    assert coherence(analyse(frames, film.fps / 3, one)) < 50


def test_a_cut_costs_nearly_all_in_fast_footage_too(analyse: Analyse, footage: Path) -> None:
    fast, calm = (read_video(footage / f"{name}.mp4").frames for name in ("bikes", "bigbuckbunny"))
    shots = fast[30:54:3], calm[:24:3]
    frames = np.stack([cv2.resize(frame, (320, 136)) for shot in shots for frame in shot])
    analysis = analyse(frames, 8.0)
    assert coherence(analysis) < 5
    assert lost_jumps(analysis) > 80
    worst = coherence_worst_second.score(analysis).series
    holds_both_shots = [0 < start <= 7 / 8 for start in worst["start_s"]]
    assert [value < 5 for value in worst["coherence"]] == holds_both_shots


def test_shots_that_are_too_short_are_left_out(analyse: Analyse, toy: Clip) -> None:
    analysis = analyse(toy.frames, toy.fps, replace(SUBJECT, shots=2))
    analysis.cut_probabilities = np.array([0.0] * 14 + [0.9, 0.0])
    assert coherence_worst_second(analysis) > 70


def test_the_frame_rate_changes_little(analyse: Analyse) -> None:
    whole = ToyGenerator(128, 128, fps=24.0, seconds=2.0).generate(PROMPT, 0)
    values = [coherence(analyse(whole.frames[::k], 24 / k, SUBJECT)) for k in (1, 2, 3)]
    assert max(values) - min(values) < 5


@pytest.mark.parametrize("fps", [8.0, 11.0, 16.0, 21.0, 24.0, 30.0])
def test_what_alternates_is_seen_at_every_frame_rate(analyse: Analyse, fps: float) -> None:
    """A time step of 1/8 s is 2 and 4 frames at 16 and 30, over which all of it comes back."""
    clip = ToyGenerator(128, 128, fps=fps, seconds=2.0).generate(PROMPT, 0)
    darker, shaken = clip.frames.copy(), clip.frames.copy()
    darker[1::2] = (darker[1::2] * 0.9).astype(np.uint8)
    shaken[1::2] = np.roll(shaken[1::2], 4, axis=2)
    assert coherence(analyse(clip.frames, fps, SUBJECT)) > 70
    for damaged, most in ((darker, 10), (shaken, 25)):
        assert coherence(analyse(damaged, fps, SUBJECT)) < most
        assert coherence_worst_second(analyse(damaged, fps, SUBJECT)) < most


@pytest.mark.parametrize("film", ["bigbuckbunny", "bikes"])
def test_sound_footage_does_not_alternate_and_darkened_footage_does(
    analyse: Analyse, footage: Path, film: str
) -> None:
    clip = read_video(footage / f"{film}.mp4")
    darker = clip.frames[:40].copy()
    darker[1::2] = (darker[1::2] * 0.9).astype(np.uint8)
    for frames, does in ((clip.frames[:40], False), (darker, True)):
        reduced = analyse(frames, clip.fps).reduced()
        for step in (2, 3, 4):
            excess = damage.alternation(reduced, step, Window(0, 40))
            assert (excess > formula.LEAST_ALTERNATION) is does


def test_the_worst_second_is_found(analyse: Analyse) -> None:
    frames = moving_texture(32, 128, step_px=1.0)
    frames[24:28, 32:96, 32:96] = 255 - frames[24:28, 32:96, 32:96]
    analysis = analyse(frames, 8.0, CAMERA)
    scored = coherence_worst_second.score(analysis)
    starts, values = (np.array(scored.series[key], float) for key in ("start_s", "coherence"))
    worst = starts[values == values.min()]
    assert ((worst <= 3.0) & (worst + 1 >= 3.0)).any()
    assert values[starts < 1.5].min() > scored.value + 10


def test_the_same_clip_twice_gives_the_same_bits(analyse: Analyse, toy: Clip) -> None:
    first, second = ([part(analyse(toy.frames, toy.fps)) for part in PARTS] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("shape", "fps", "why"),
    [
        ((9, 96, 96), 8.0, r"1\.12 s, coherence needs a shot of at least 1\.2 s"),
        ((2, 96, 96), 8.0, "at least"),
        ((16, 48, 96), 8.0, "short side is 48 px"),
        ((16, 8, 8), 8.0, "short side is 8 px"),
    ],
)
def test_too_short_or_too_small(
    analyse: Analyse, shape: tuple[int, ...], fps: float, why: str
) -> None:
    frames = moving_texture(shape[0], 96)[:, : shape[1], : shape[2]]
    for part in PARTS:
        with pytest.raises(Unscored, match=why):
            part(analyse(np.ascontiguousarray(frames), fps))


def test_odd_and_upright_sizes_have_a_value(analyse: Analyse) -> None:
    for height, width in ((127, 71), (71, 127), (65, 65)):
        frames = np.ascontiguousarray(moving_texture(12, 128)[:, :height, :width])
        assert coherence(analyse(frames, 8.0, CAMERA)) > 60


def test_windows_cover_the_whole_clip() -> None:
    windows = formula._windows(formula.Window(0, 83), 8.0, 2.5, 2.0, 1.0)
    assert windows[0].start == 0
    assert windows[-1].stop == 83
    assert all(window.stop - window.start == 16 for window in windows)
    assert formula._windows(formula.Window(3, 23), 8.0, 2.5, 2.0, 1.0) == [formula.Window(3, 23)]


def test_prompts_ask_for_any_motion_by_default() -> None:
    assert Prompt(id="x", text="y").motion == "any"
