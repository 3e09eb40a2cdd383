"""Suites recognised by the hashes that runs write."""

from pathlib import Path

import numpy as np
from PIL import Image

from bench.leaderboard.data.files import suite_of, suites
from bench.prompts import Prompt, load_suite
from bench.run.conditioning import suite_sha256
from bench.storage import PROMPTS


def test_every_published_suite_is_recognised_by_the_hash_of_its_run() -> None:
    files = [suite.file for suite in suites()]
    assert files == [f"prompts/{path.name}" for path in sorted(PROMPTS.glob("*.jsonl"))]
    prompts, sha256 = load_suite("standard.jsonl")
    suite = suite_of(sha256, {})
    assert suite is not None
    assert suite.file == "prompts/standard.jsonl"
    assert suite.prompts == {prompt.id: prompt for prompt in prompts}
    assert suite_of("0" * 64, {}) is None
    assert suite_of(None, {}) is None


def test_a_suite_is_recognised_whatever_pictures_its_clips_began_with(tmp_path: Path) -> None:
    _, sha256 = load_suite("i2v.jsonl")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "one.png")
    prompts = [Prompt(id="one", text="x", image=tmp_path / "one.png"), Prompt(id="two", text="y")]
    images = {"one": str(prompts[0].content["image"])}
    suite = suite_of(suite_sha256(sha256, prompts), images)
    assert suite is not None
    assert suite.file == "prompts/i2v.jsonl"
    assert suite_of(suite_sha256(sha256, prompts), {}) is None
