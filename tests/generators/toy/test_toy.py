"""The toy model: its scenes, its language, its determinism."""

from typing import Any

import numpy as np
import pytest

from bench.errors import BenchError
from bench.generators.toy import grammar as toy_grammar
from bench.generators.toy.bodies import VERBS, Room
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Prompt, load_suite

ROLL = "a red ball rolls from left to right over a wooden floor"
PAN = "a small blue star spins in front of a brick wall while the camera pans left"
TOY_SUITE = load_suite("toy.jsonl")[0]


def clip(text: str = ROLL, seed: int = 0, **arguments: float) -> np.ndarray:
    return ToyGenerator(**arguments).generate(Prompt("p", text), seed).frames


def red_centre(frame: np.ndarray) -> tuple[float, float]:
    """Centre of what is clearly red, in short sides from the middle of the frame."""
    red, green, blue = (frame[..., c].astype(float) for c in range(3))
    y, x = np.nonzero((red > 2.2 * green) & (red > 2.2 * blue) & (red > 90))
    height, width = frame.shape[:2]
    short = min(height, width)
    return (x.mean() - (width - 1) / 2) / short, (y.mean() - (height - 1) / 2) / short


def test_same_prompt_and_seed_give_the_same_frames() -> None:
    assert np.array_equal(clip(), clip())


def test_seeds_differ_in_background_and_path() -> None:
    first, second = clip(seed=0), clip(seed=1)
    corner = np.s_[:, :16, :16]
    assert np.abs(first[corner].astype(int) - second[corner]).mean() > 5
    assert abs(red_centre(first[0])[1] - red_centre(second[0])[1]) > 0.01


def test_clip_has_the_shape_and_rate_that_were_asked_for() -> None:
    generator = ToyGenerator(height=72, width=129, fps=12, seconds=1.5)
    prompt = Prompt("p", ROLL)
    clip = generator.generate(prompt, 0)
    assert generator.frames_requested(prompt) == 18
    assert clip.frames.shape == (18, 72, 129, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == 12
    assert not clip.lossy


@pytest.mark.parametrize("text", [ROLL, PAN])
def test_another_frame_rate_samples_the_same_scene(text: str) -> None:
    assert np.array_equal(clip(text, fps=8), clip(text, fps=16)[::2])
    assert np.array_equal(clip(text, fps=8), clip(text, fps=24)[::3])


def test_another_size_shows_the_same_scene() -> None:
    small = clip(height=64, width=64)
    large = clip(height=256, width=256)
    reduced = large.reshape(16, 64, 4, 64, 4, 3).mean(axis=(2, 4))
    assert np.abs(reduced - small).mean() < 4
    for t in (0, 8, 15):
        assert np.allclose(red_centre(small[t]), red_centre(large[t]), atol=0.01)


def test_a_wider_frame_shows_more_of_the_same_scene() -> None:
    square, wide = clip(height=64, width=64), clip(height=64, width=96)
    assert np.abs(wide[:, :, 16:80].astype(int) - square).max() <= 1


def test_the_subject_does_what_the_sentence_says() -> None:
    right, left = clip(), clip(ROLL.replace("left to right", "right to left"))
    assert red_centre(right[0])[0] < -0.2 < 0.2 < red_centre(right[-1])[0]
    assert red_centre(left[0])[0] > 0.2 > -0.2 > red_centre(left[-1])[0]
    floating = clip("a red ball floats up in front of a cloudy sky")
    assert red_centre(floating[0])[1] > 0.2 > -0.2 > red_centre(floating[-1])[1]


def test_motion_is_smooth() -> None:
    path = np.array([red_centre(frame) for frame in clip(fps=24)])
    assert np.abs(np.diff(path, n=2, axis=0)).max() < 0.008


def test_panning_left_moves_the_background_to_the_right() -> None:
    frames = clip("a red ball rests in front of a brick wall while the camera pans left")
    strip = frames[:, 8:24].astype(float).mean(axis=3)
    first, later = strip[0], strip[4]
    errors = [np.abs(later[:, s:] - first[:, : 128 - s]).mean() for s in range(20)]
    assert 6 <= int(np.argmin(errors)) <= 11  # 0.26 short sides in 2 s make 8.3 pixels in 0.5 s


def test_a_still_camera_leaves_the_background_alone() -> None:
    frames = clip()
    assert np.array_equal(frames[0, :16], frames[-1, :16])


@pytest.mark.parametrize("prompt", TOY_SUITE, ids=lambda prompt: prompt.id)
def test_every_published_prompt_renders_and_moves(prompt: Prompt) -> None:
    frames = ToyGenerator().generate(prompt, 0).frames.astype(int)
    moved = (np.abs(np.diff(frames, axis=0)).max(axis=3) > 12).mean(axis=(1, 2))
    assert moved.min() > 0.004


def test_published_prompts_declare_what_moves() -> None:
    assert len(TOY_SUITE) >= 20
    for prompt in TOY_SUITE:
        resting = all(t.verb == "rests" for t in toy_grammar.parse(prompt.text).things)
        assert prompt.motion == ("camera" if resting else "subject")


@pytest.mark.parametrize("name", [verb for verb in VERBS if verb != "rests"])
def test_every_verb_stays_in_its_room_and_moves_clearly(name: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        radius = rng.uniform(0.1, 0.17)
        reach = 0.47 - radius
        room = Room(
            0, 0, reach, reach, radius, rng.uniform(0.85, 1.15), rng.random(), rng.uniform(-1, 1), 1
        )
        times = np.arange(0, 2, 1 / 24)
        poses = [VERBS[name](room, t, t / 2) for t in times.tolist()]
        x = np.array([pose.x for pose in poses])
        y = np.array([pose.y - pose.lift for pose in poses])
        angle = np.array([pose.roll + pose.spin for pose in poses])
        assert np.abs(x).max() <= reach + 1e-6
        assert np.abs(y).max() <= reach + 1e-6
        speed = np.hypot(np.diff(x), np.diff(y)) + radius / 2 * np.abs(np.diff(angle))
        assert speed.mean() * 24 > 0.045  # short sides per second; .035 is surely motion


def test_every_sampled_sentence_is_read_back_as_it_was_written() -> None:
    rng = np.random.default_rng(0)
    texts = [toy_grammar.sample_sentence(rng) for _ in range(500)]
    assert all(toy_grammar.write(toy_grammar.parse(text)) == text for text in texts)
    everything = " ".join(texts)
    for words in (
        toy_grammar.COLOURS,
        toy_grammar.SHAPES,
        toy_grammar.SIZES,
        toy_grammar.VERBS,
        toy_grammar.BACKGROUNDS,
        toy_grammar.CAMERAS,
    ):
        assert all(word in everything for word in words)


def test_every_combination_of_shape_and_background_renders() -> None:
    generator = ToyGenerator(height=33, width=47, seconds=0.25)
    for background in toy_grammar.BACKGROUNDS:
        for shape in toy_grammar.SHAPES:
            thing = toy_grammar.Thing("", "red", shape, "swings from side to side")
            text = toy_grammar.write(toy_grammar.Sentence((thing,), background, "zooms out"))
            frames = generator.generate(Prompt("p", text), 0).frames
            assert frames.shape == (2, 33, 47, 3)
            assert frames.std() > 10


def test_capitals_and_full_stops_do_not_matter_to_the_grammar() -> None:
    assert toy_grammar.parse(ROLL) == toy_grammar.parse(ROLL.capitalize() + ".")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a mauve ball rolls", "expected a size or a colour as word 2, got 'mauve'.*red | orange"),
        ("a small big ball", "expected a colour as word 3, got 'big'"),
        ("a red dog rolls", "expected a shape as word 3, got 'dog'.*ball"),
        ("a red ball rolls over a wooden floor", "expected a verb as word 4, got 'rolls'"),
        ("a red ball spins", "expected where it happens as word 5, got its end"),
        ("a red ball spins over a brick wall", "in front of a brick wall"),
        (f"{ROLL} quickly", "camera move as word 13, got 'quickly'"),
        (f"{ROLL} while the camera dances", "got 'dances'.*pans left"),
        (f"{PAN} again", "expected its end after word 16, got 'again'"),
        ("", "expected an article as word 1, got its end"),
    ],
)
def test_a_prompt_outside_the_grammar_says_which_word(text: str, complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint) as caught:
        clip(text)
    assert "\n" not in str(caught.value)


def test_a_deaf_model_never_draws_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = Prompt("p", ROLL)
    others = iter([ROLL, ROLL, PAN])
    monkeypatch.setattr(toy_grammar, "sample_sentence", lambda _rng: next(others))
    heard = ToyGenerator(deaf=True).generate(prompt, 0).frames
    assert np.array_equal(heard, clip(PAN))


def test_order_of_things_does_not_make_another_scene() -> None:
    one, two = "a red ball spins", "a blue cube rests"
    first = toy_grammar.parse(f"{one} and {two} on green grass")
    second = toy_grammar.parse(f"{two} and {one} over green grass")
    assert first.same_scene(second)
    assert not first.same_scene(toy_grammar.parse(f"{one} on green grass"))


def test_a_deaf_model_is_deterministic_and_depends_on_prompt_id_and_seed() -> None:
    deaf = ToyGenerator(deaf=True)
    frames = [
        deaf.generate(Prompt(name, ROLL), seed).frames
        for name, seed in (("a", 0), ("a", 0), ("a", 1), ("b", 0))
    ]
    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])
    assert not np.array_equal(frames[0], frames[3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 8}, "height must be a whole number of at least 16, got 8"),
        ({"width": 64.5}, "width must be a whole number of at least 16, got 64.5"),
        ({"fps": 0}, "fps must be a number above 0, got 0"),
        ({"fps": "abc"}, "fps must be a number above 0, got 'abc'"),
        ({"seconds": float("nan")}, "seconds must be a number above 0, got nan"),
        ({"fps": 1, "seconds": 1}, "seconds must be enough for 2 frames at fps=1.0, got 1"),
        ({"deaf": "maybe"}, "deaf must be true or false, got 'maybe'"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=rf"^model\.{message}"):
        ToyGenerator(**arguments)


def test_a_recast_scene_is_the_one_asked_for_with_somebody_else_in_it() -> None:
    text = "a large blue cube rests on green grass while the camera zooms in"
    asked, recast = clip(text, fps=2), clip(text, fps=2, recasts=True)
    differs = (asked != recast).any(axis=-1)
    assert differs[:, 48:80, 48:80].mean() > 0.5
    corner = np.s_[:, :16, :16]
    assert np.array_equal(asked[corner], recast[corner])
    assert np.array_equal(recast, clip(text, fps=2, recasts=True))
