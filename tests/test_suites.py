import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import open_clip
import pytest
import shipped

from bench import cli
from bench.config import parse_run
from bench.prompts import Prompt, load_suite
from bench.storage import PROMPTS
from tools.suites import CLIP_ROOM, clip_tokens, published, similar_pairs, tables

# Prompts, seeds.
SIZES = {
    "smoke": (10, 2),
    "evening": (24, 2),
    "standard": (100, 4),
    "short_drama": (60, 4),
    "product": (40, 4),
    "i2v": (40, 4),
    "zh": (100, 4),
    "long": (20, 2),
}
SUITES = {name: load_suite(f"{name}.jsonl")[0] for name in SIZES}
SHA256 = {
    "toy": "52b0c67ec700015c0e2a035b466ea314b2f518ec3a89c5d403f93ca8008d0955",
    "toy_groups": "cd3b9ad83caafc9baf5a0ae5d63353ef37b61af6a4722c1aadb1602bee70ee25",
    "smoke": "dcf672d390992fa90a044688186883cb1611ada0dba69d7f84fd3515909fb9e3",
    "evening": "8bed1e80593bb0fd3004c6df39c457f2e2a68141e15ce6f9f54458ae31e05494",
    "standard": "4e3f2c70146dc03bd5be3ae18141d05f0c324d617aa92a01d7a0c6698d2fe8c1",
    "short_drama": "5ebd8ea9b1794a454f42ab41a5cf11101fae1670c4bfe3c3aa34de33c09729cd",
    "product": "804a9dc3806da4a7dab9e37202dfcd1c96ae5d0b35f49093759d13c1bf897ec2",
    "i2v": "eddfc2be2318478e60c5ff21219e61267e3c0759702fe95b0a8c1d8fafd6b573",
    "zh": "14d1a53c6d339fcb8a2a3ea486e104cde9b4aed8252f59dd4fe512ab1147ac60",
    "long": "ff1670678f5dcce8ad1b50b9efd8a1946ed184cbd534f0f74045b75052fb4ae3",
}
NEAR = 0.5  # texts at least this similar are near-duplicates
every_suite = pytest.mark.parametrize("name", SIZES)


def choose(name: str, *overrides: str) -> dict[str, Any]:
    return shipped.config(f"suite={name}", *overrides)


@every_suite
def test_a_suite_has_the_prompts_and_seeds_it_promises(name: str) -> None:
    prompts, seeds = SIZES[name]
    config = choose(name)
    parse_run(config)
    assert config["suite"]["prompts"] == f"{name}.jsonl"
    assert config["suite"]["seeds"] == list(range(seeds))
    assert len(SUITES[name]) == prompts


@every_suite
def test_every_prompt_says_what_it_tests_and_on_whom(name: str) -> None:
    for prompt in SUITES[name]:
        assert prompt.category != "uncategorised", prompt.id
        assert prompt.tags, prompt.id
        assert all(re.fullmatch("[a-z_]+", tag) for tag in prompt.tags), prompt.id
        assert prompt.subject is not None, prompt.id
        assert prompt.subject.lower() in prompt.text.lower(), prompt.id


@every_suite
def test_categories_are_balanced(name: str) -> None:
    counts = Counter(prompt.category for prompt in SUITES[name])
    if name in ("standard", "zh"):  # faces, hands, gait, emotion; five moves of the camera
        assert counts.pop("people") == 8
        assert counts.pop("camera") == 10
        assert len(counts) == 15
    assert max(counts.values()) - min(counts.values()) <= 1


@every_suite
def test_the_tags_and_fields_of_a_request_go_together(name: str) -> None:
    for prompt in SUITES[name]:
        assert ("lighting_change" in prompt.tags) >= (prompt.category == "lighting"), prompt.id
        if re.search("flicker|flash|strobe", prompt.text):  # what is asked for is no fault
            assert "lighting_change" in prompt.tags, prompt.id
        cuts = any(tag.startswith("cut_") for tag in prompt.tags)
        assert cuts == (prompt.shots == 2), prompt.id
        assert (prompt.motion == "camera") >= (prompt.category == "camera"), prompt.id
        assert (prompt.seconds is not None) == (name == "long"), prompt.id
        assert (prompt.group is not None) == (name == "short_drama"), prompt.id
        assert (prompt.image_prompt is not None) == (name == "i2v"), prompt.id


@pytest.mark.parametrize("name", sorted(set(SIZES) - {"zh"}))
def test_english_texts_fit_what_clip_reads(name: str) -> None:
    for prompt in SUITES[name]:
        assert clip_tokens(prompt.text) <= CLIP_ROOM, prompt.id
        assert clip_tokens(prompt.image_prompt or "") <= CLIP_ROOM, prompt.id


def test_clip_tokens_are_what_its_tokenizer_fills() -> None:
    filled = open_clip.SimpleTokenizer()(["an old lighthouse", "x " * 100])
    assert clip_tokens("an old lighthouse") == int((filled[0] != 0).sum())
    assert clip_tokens("x " * 100) == 102 > filled.shape[1] == CLIP_ROOM


def test_chinese_texts_fit_the_multilingual_network() -> None:
    """Its tokenizer makes at most one token of a character, and three beside them."""
    assert max(len(prompt.text) for prompt in SUITES["zh"]) + 3 <= CLIP_ROOM
    assert choose("zh")["text"]["multilingual"] is True


def test_the_chinese_suite_is_the_standard_one() -> None:
    for ours, theirs in zip(SUITES["standard"], SUITES["zh"], strict=True):
        aside = ("id", "category", "tags", "motion", "shots")
        assert all(getattr(ours, key) == getattr(theirs, key) for key in aside), ours.id
        letters = [letter for letter in theirs.text if letter.isalpha()]
        assert all("一" <= letter <= "鿿" for letter in letters), theirs.id
        # A number that has to be read or counted is the same one.
        assert re.findall("[0-9]+", ours.text) == re.findall("[0-9]+", theirs.text), ours.id


def test_short_drama_is_portrait_and_shows_each_character_in_five_different_shots() -> None:
    assert choose("short_drama")["suite"]["aspect"] == "9:16"
    groups: dict[str | None, list[Prompt]] = defaultdict(list)
    for prompt in SUITES["short_drama"]:
        groups[prompt.group].append(prompt)
    assert len(groups) == 12
    described = set()
    for members in groups.values():
        assert len({prompt.category for prompt in members}) == len(members) == 5
        (character,) = {prompt.subject for prompt in members}
        described.add(character)
    assert len(described) == len(groups)


def test_long_prompts_last_from_ten_to_sixty_seconds() -> None:
    lengths = Counter(prompt.seconds for prompt in SUITES["long"])
    assert (min(lengths), max(lengths)) == (10, 60)
    assert min(lengths.values()) >= 2


def test_no_two_prompts_are_near_duplicates() -> None:
    suites = published()
    assert set(suites) >= set(SIZES) - {"evening"}
    closest = similar_pairs(suites)[0]
    assert closest.similarity < NEAR, closest


@pytest.mark.parametrize("name", ["standard", "zh"])
def test_copies_with_one_word_changed_are_found(name: str) -> None:
    copies = []
    for prompt in SUITES[name]:
        words = prompt.text.upper().split(" ")
        words[len(words) // 2] = "zebra"
        text = prompt.text[:-6] + "斑马" if name == "zh" else " ".join(words)
        copies.append(Prompt(prompt.id, text))
    pairs = similar_pairs(published() | {"copy": copies})
    near = {(pair.one, pair.other) for pair in pairs if pair.similarity >= NEAR}
    assert near == {(f"{name}/{prompt.id}", f"copy/{prompt.id}") for prompt in copies}


def test_evening_is_a_part_of_standard_with_every_category() -> None:
    standard = {prompt.id: prompt for prompt in SUITES["standard"]}
    assert all(prompt == standard[prompt.id] for prompt in SUITES["evening"])
    categories = [{p.category for p in SUITES[name]} for name in ("standard", "evening")]
    assert categories[0] == categories[1]


def test_a_character_that_a_group_shares_makes_no_near_duplicates() -> None:
    who = "a tall sailor with a parrot on his left shoulder and a green felt hat"
    texts = [f"{who} opens a letter", f"rain falls on {who}"]
    one, two = (Prompt(str(n), text, subject=who) for n, text in enumerate(texts))
    others = SUITES["product"]
    assert similar_pairs({"a": [one, two, *others]})[0].similarity > NEAR
    grouped = [Prompt(p.id, p.text, subject=who, group="sailor") for p in (one, two)]
    assert similar_pairs({"a": [*grouped, *others]})[0].similarity < NEAR


@pytest.mark.parametrize("name", SHA256)
def test_a_published_file_is_never_edited(name: str) -> None:
    """A changed prompt makes another suite, as `standard-2`: old results name the old texts."""
    assert load_suite(f"{name}.jsonl")[1] == SHA256[name]


def test_the_readme_shows_the_tables_of_the_suites() -> None:
    readme = (PROMPTS / "README.md").read_text("utf-8")
    section = readme.split("<!-- suites -->\n")[1].split("<!-- /suites -->")[0]
    assert section == tables(), "run `python -m tools.suites` and put its tables into the page"


@every_suite
def test_a_sample_of_every_suite_runs_to_a_score(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = SUITES[name][0]
    for seed in range(SIZES[name][1]):
        folder = tmp_path / "clips" / f"{prompt.id}-{seed}"
        folder.mkdir(parents=True)
        for number in range(4):
            frame = np.full((32, 18, 3), 40 * number + seed, np.uint8)
            cv2.imwrite(str(folder / f"{number}.png"), frame)
    monkeypatch.chdir(tmp_path)
    costly = set(choose(name)["metrics"]["compute"]) - {"flicker"}
    arguments = ["model=folder", "model.path=clips", "model.fps=8", "model.name=mine"]
    if name == "i2v":  # the clips are here already; nothing is to be drawn for them
        arguments.append("suite.images=null")
    arguments += [f"suite={name}", "limit=1", *(f"~metrics.compute.{key}" for key in costly)]
    monkeypatch.setattr("sys.argv", ["steadybench", *arguments])
    assert cli.main() == 0
    content = json.loads((tmp_path / "outputs" / name / "mine" / "result.json").read_text())
    assert [clip["status"] for clip in content["clips"]] == ["ok"] * SIZES[name][1]
    assert len(content["expected"]["prompts"]) == SIZES[name][0]
