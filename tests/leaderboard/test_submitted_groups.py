"""Cross-clip identity in a published result: what a run writes, and what no run would."""

from collections.abc import Callable
from typing import Any

import fake_results as fake
import numpy as np
import pytest
from fake_results import Content

from bench.leaderboard import rules
from bench.leaderboard.data.files import Suite, suite_of
from bench.metrics.cross_clip import pack
from bench.prompts import Item, load_suite
from bench.run.assemble import compare_groups
from bench.schema import Appearance, ClipResult, ResultError, Sample

PROMPTS, SHA256 = load_suite("toy_groups.jsonl")
SEEDS = (0, 1)


def shipped() -> Suite:
    suite = suite_of(SHA256, {})
    assert suite is not None
    return suite


@pytest.fixture
def content() -> Content:
    """A complete run on the toy world's groups; of seed 1, a clip failed and another is still."""
    rng = np.random.default_rng(0)
    items = [Item(prompt, seed) for prompt in PROMPTS for seed in SEEDS]
    scores = {"stutter": 0.0}
    clips = [
        fake.clip(item.prompt.id, item.seed, category=item.prompt.category, scores=dict(scores))
        for item in items
    ]
    clips[1] = fake.failed(PROMPTS[0].id, 1)
    clips[9]["scores"]["stutter"] = 1.0
    appearances = {
        Sample(item.prompt.id, item.seed): Appearance(
            vector=pack(rng.normal(1, 1, size=8).astype(np.float32)), why=None, fingerprint="f"
        )
        for item in items
    }
    comparison, parts = compare_groups(items, [ClipResult(**clip) for clip in clips], appearances)
    for clip in clips:
        clip["cross_clip"] = parts[Sample(clip["prompt"], clip["seed"])].json_values
    expected = {"prompts": [prompt.id for prompt in PROMPTS], "seeds": list(SEEDS)}
    return fake.result("m", clips, expected=expected, cross_clip=comparison.json_values)


def said(content: Content, suite: Suite | None) -> list[str]:
    return list(rules._groups(fake.loaded(content), suite))


def part(number: int, **values: Any) -> Callable[[Content], None]:
    return lambda content: content["clips"][number]["cross_clip"].update(values)


def regroup(content: Content) -> None:
    """Give each clip a group of its own."""
    for number, clip in enumerate(content["clips"]):
        clip["cross_clip"]["group"] = f"g{number}"


def hide_the_worst(content: Content) -> None:
    for clip in content["clips"]:
        if clip["cross_clip"]["value"] < 0:
            clip["cross_clip"] = None


def forget_all(content: Content) -> None:
    for clip in content["clips"]:
        clip["cross_clip"] = None


def test_what_a_run_writes_is_right(content: Content) -> None:
    assert any(clip["cross_clip"]["own"] is None for clip in content["clips"])
    assert said(content, shipped()) == []
    assert said(content, None) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (part(2, value=0.9), "is not what its own and others give"),
        (part(3, value=0.9), "is not what its own and others give"),
        (part(2, own=None, others=None, value=0.0, won=0.5), "is not what its own and others give"),
        (part(1, value=0.1), "is not what its own and others give"),
        (part(1, own=0.9, others=0.8, value=0.1), "failed or is still, but its cross_clip has"),
        (regroup, "and 63 more clips: another group than in prompts/toy_groups.jsonl"),
        (hide_the_worst, "expected 64 clips with a part in cross_clip"),
        (forget_all, "64 have none"),
        (lambda c: c["clips"].pop(), "1 have none, as prompt"),
        (lambda c: c["cross_clip"].update(why="no weights"), "but there is no comparison"),
        (lambda c: c.update(cross_clip=None), "but there is no comparison"),
    ],
)
def test_what_no_run_writes_is_said(
    change: Callable[[Content], None], expected: str, content: Content
) -> None:
    change(content)
    lines = said(content, shipped())
    assert len(lines) == 1
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"value": 99, "won": 7, "own": 5, "others": -94}, ("own", "others", "value", "won")),
        ({"won": -0.1}, ("won",)),
        ({"own": 1.5, "others": 1.5, "value": 0}, ("own", "others")),
    ],
)
def test_a_part_out_of_range_is_refused(
    change: Content, keys: tuple[str, ...], content: Content
) -> None:
    part(2, **change)(content)
    with pytest.raises(ResultError) as refused:
        fake.loaded(content)
    places = [fault.split(": ")[1] for fault in refused.value.faults]
    assert places == [f"clips[2].cross_clip.{key}" for key in keys]


def test_of_a_suite_of_ones_own_every_seed_has_its_part(content: Content) -> None:
    content["clips"][2]["cross_clip"] = None
    assert "1 have none, as prompt" in said(content, None)[0]
    forget_all(content)
    assert "no clip has a part in it" in said(content, None)[0]


def test_another_version_is_not_judged_and_that_is_said(content: Content) -> None:
    part(2, value=1.9)(content)
    content["cross_clip"]["version"] = 2
    result = fake.loaded(content)
    assert list(rules._groups(result, shipped())) == []
    assert rules.groups_unchecked(result) == "cross_clip was not checked: it is of version 2"
