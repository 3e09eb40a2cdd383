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
    made = []
    for group in range(GROUPS):
        for kind in range(KINDS):
            for seed in range(seeds):
                mixed = character * who[group] + setting * where[kind] + rng.normal(size=32)
                unit = mixed / np.linalg.norm(mixed)
                made.append(Shot(f"g{group}", f"k{kind}", seed, unit))
    return made


def mean(made: list[Shot], field: str = "value") -> float:
    return float(np.mean([getattr(each, field) for each in compare(made)]))


def test_it_is_what_the_definition_says() -> None:
    made = shots(1.0, 1.0)
    a = 5
    cosines, ahead = [], []
    for b, sibling in enumerate(made):
        if b != a and (sibling.group, sibling.seed) == (made[a].group, made[a].seed):
            strangers = [
                made[a].appearance @ other.appearance
                for other in made
                if other.group != sibling.group
                and (other.kind, other.seed) == (sibling.kind, sibling.seed)
            ]
            own = made[a].appearance @ sibling.appearance
            cosines.append((own, np.mean(strangers)))
            ahead.append(np.mean([own > stranger for stranger in strangers]))
    own, others = np.mean(cosines, axis=0)
    found = compare(made)[a]
    assert len(cosines) == KINDS - 1
    assert (found.group, found.own, found.others) == (
        made[a].group,
        *map(pytest.approx, (own, others)),
    )
    assert found.value == pytest.approx(own - others)
    assert found.won == pytest.approx(np.mean(ahead))


def test_what_a_kind_of_shot_looks_like_does_not_count() -> None:
    """Plain means would: clips of one group are of different kinds, strangers often of one."""
    made = shots(0.7, 3.0)
    units = np.array([shot.appearance for shot in made])
    same = np.array([[one.group == two.group for two in made] for one in made])
    siblings = same & np.array([[one.kind != two.kind for two in made] for one in made])
    cosines = units @ units.T
    assert cosines[siblings].mean() - cosines[~same].mean() < -0.1
    assert mean(shots(0.0, 3.0)) == pytest.approx(0, abs=0.01)
    assert mean(made) > 0.02
    assert mean(made, "won") > 0.65


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
    made = shots(1.0, 1.0)
    order = np.random.default_rng(0).permutation(len(made)).tolist()
    mixed = compare([made[index] for index in order])
    straight = compare(made)
    for index, found in zip(order, mixed, strict=True):
        assert found.value == pytest.approx(straight[index].value)


def test_a_clip_that_shows_nothing_counts_as_nothing_and_helps_nobody() -> None:
    made = shots(3.0, 0.5)
    lost = [replace(made[0], appearance=None), *made[1:]]
    found = compare(lost)
    assert (found[0].own, found[0].others, found[0].value, found[0].won) == (None, None, 0, 0.5)
    assert mean(lost) < mean(made)
    none = [replace(shot, appearance=None) for shot in made]
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
    kept, also = unpack(pack(one)), unpack(pack(two))
    assert kept @ also == pytest.approx(float(one @ two), abs=2e-5)
    assert len(pack(one)) < 1600
    for text in ("", "not base64!", pack(np.zeros(8, np.float32))):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says is passed on
            unpack(text)


def drawn(generator: ToyGenerator, backbones: Backbones) -> dict[str, float]:
    """The value of each group of the toy suite, as a model draws it."""
    made = []
    for prompt in load_suite("toy_groups.jsonl")[0]:
        for seed in range(2):
            clip = generator.generate(prompt, seed)
            looks = unpack(pack(appearance(Analysis(clip, prompt, backbones))))
            made.append(Shot(str(prompt.group), prompt.category, seed, looks))
    found = compare(made)
    groups = sorted({each.group for each in found})
    return {g: float(np.mean([each.value for each in found if each.group == g])) for g in groups}


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
