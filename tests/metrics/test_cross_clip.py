"""Cross-clip identity: what it compares, what it does not reward, and toy characters."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bench import statistics as stats
from bench.errors import Unscored
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.cross_clip import Shot, appearance, compare, pack, unpack
from bench.prompts import load_suite
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones

GROUPS, KINDS = 6, 4


def shots(character: float, setting: float, seeds: int = 2, chance: int = 0) -> list[Shot]:
    """Looks made of a character, a kind of shot and noise, as strong as said."""
    rng = np.random.default_rng(chance)
    who, where = rng.normal(size=(GROUPS, 32)), rng.normal(size=(KINDS, 32))
    clips = []
    for group in range(GROUPS):
        for kind in range(KINDS):
            for seed in range(seeds):
                mixed = character * who[group] + setting * where[kind] + rng.normal(size=32)
                unit = mixed / np.linalg.norm(mixed)
                clips.append(Shot(f"g{group}", f"k{kind}", seed, unit))
    return clips


def mean(clips: list[Shot], field: str = "value") -> float:
    return float(np.mean([getattr(each, field) for each in compare(clips)]))


def test_it_is_what_the_definition_says() -> None:
    clips = shots(1.0, 1.0)
    a = 5
    cosines, ahead = [], []
    for b, sibling in enumerate(clips):
        if b != a and (sibling.group, sibling.seed) == (clips[a].group, clips[a].seed):
            strangers = [
                clips[a].appearance @ other.appearance
                for other in clips
                if other.group != sibling.group
                and (other.kind, other.seed) == (sibling.kind, sibling.seed)
            ]
            own = clips[a].appearance @ sibling.appearance
            cosines.append((own, np.mean(strangers)))
            ahead.append(np.mean([own > stranger for stranger in strangers]))
    own, others = np.mean(cosines, axis=0)
    likeness = compare(clips)[a]
    assert len(cosines) == KINDS - 1
    assert (likeness.group, likeness.own, likeness.others) == (
        clips[a].group,
        *map(pytest.approx, (own, others)),
    )
    assert likeness.value == pytest.approx(own - others)
    assert likeness.won == pytest.approx(np.mean(ahead))


def test_what_a_kind_of_shot_looks_like_does_not_count() -> None:
    """Plain means would: clips of one group are of different kinds, strangers often of one."""
    clips = shots(0.7, 3.0)
    units = np.array([shot.appearance for shot in clips])
    same = np.array([[one.group == two.group for two in clips] for one in clips])
    siblings = same & np.array([[one.kind != two.kind for two in clips] for one in clips])
    cosines = units @ units.T
    assert cosines[siblings].mean() - cosines[~same].mean() < -0.1
    assert mean(shots(0.0, 3.0)) == pytest.approx(0, abs=0.01)
    assert mean(clips) > 0.02
    assert mean(clips, "won") > 0.65


def test_the_more_of_a_character_the_higher() -> None:
    values = [mean(shots(level, 1.0)) for level in (0.0, 0.5, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[-1] > 0.5


def test_who_draws_the_same_for_all_has_nothing() -> None:
    """Frozen on one character, or deaf with a seed: the same picture for everybody."""
    rng = np.random.default_rng(0)
    by_seed = [unit / np.linalg.norm(unit) for unit in rng.normal(size=(2, 32))]
    same = [replace(shot, appearance=by_seed[shot.seed]) for shot in shots(1.0, 1.0)]
    assert mean(same) == pytest.approx(0, abs=1e-12)
    assert {each.won for each in compare(same)} == {0.5}


def test_the_order_of_clips_means_nothing() -> None:
    clips = shots(1.0, 1.0)
    order = np.random.default_rng(0).permutation(len(clips)).tolist()
    mixed = compare([clips[index] for index in order])
    straight = compare(clips)
    for index, likeness in zip(order, mixed, strict=True):
        assert likeness.value == pytest.approx(straight[index].value)


def test_a_clip_that_shows_nothing_counts_as_nothing_and_helps_nobody() -> None:
    clips = shots(3.0, 0.5)
    lost = [replace(clips[0], appearance=None), *clips[1:]]
    likeness = compare(lost)[0]
    assert (likeness.own, likeness.others, likeness.value, likeness.won) == (None, None, 0, 0.5)
    assert mean(lost) < mean(clips)
    none = [replace(shot, appearance=None) for shot in clips]
    assert {(each.own, each.value, each.won) for each in compare(none)} == {(None, 0, 0.5)}


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda shot: shot.group == "g0", "fewer than two groups"),
        (
            lambda shot: shot.group != "g0" or shot.kind == "k0",
            "group 'g0' has a clip with nothing",
        ),
        (lambda shot: (shot.group == "g0") == (shot.kind < "k2"), "nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_said(keep: Callable[[Shot], bool], message: str) -> None:
    with pytest.raises(Unscored, match=message):
        compare([shot for shot in shots(1.0, 1.0) if keep(shot)])


def test_looks_are_kept_as_text_to_a_hundred_thousandth() -> None:
    rng = np.random.default_rng(0)
    one, two = (v / np.linalg.norm(v) for v in rng.random((2, 576)).astype(np.float32))
    first, second = unpack(pack(one)), unpack(pack(two))
    assert first @ second == pytest.approx(float(one @ two), abs=2e-5)
    assert len(pack(one)) < 1600
    for text in ("", "not base64!", pack(np.zeros(8, np.float32))):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says is passed on
            unpack(text)


def drawn(generator: ToyGenerator, backbones: Backbones) -> dict[str, float]:
    """The value of each group of the toy suite, as a model draws it."""
    clips = []
    for prompt in load_suite("toy_groups.jsonl")[0]:
        for seed in range(2):
            clip = generator.generate(prompt, seed)
            looks = unpack(pack(appearance(Analysis(clip, prompt, backbones))))
            clips.append(Shot(str(prompt.group), prompt.category, seed, looks))
    likenesses = compare(clips)
    groups = sorted({each.group for each in likenesses})
    return {
        g: float(np.mean([each.value for each in likenesses if each.group == g])) for g in groups
    }


def test_a_toy_model_that_recasts_its_characters_is_surely_worse(backbones: Backbones) -> None:
    steady = drawn(ToyGenerator(fps=1.0), backbones)
    recast = drawn(ToyGenerator(fps=1.0, recasts=True), backbones)
    apart = stats.interval([steady[group] - recast[group] for group in steady])
    alone, nothing = stats.interval(list(steady.values())), stats.interval(list(recast.values()))
    assert apart is not None
    assert alone is not None
    assert nothing is not None
    assert apart.low > 0
    assert alone.low > 0
    assert nothing.low < 0 < nothing.high
