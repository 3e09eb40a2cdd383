"""Suites that come with the benchmark, recognised by their hashes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from bench.schema import Result
from bench.storage import PROMPTS, fingerprint


@dataclass(frozen=True)
class Suite:
    """A published suite file.

    Attributes:
        file: its path, for people.
        sha256: hex, of its bytes.
        categories: prompt id to category.
        groups: prompt id to group, of the prompts that are of one.
        texts: prompt id to what a model is asked for.
    """

    file: str
    sha256: str
    categories: Mapping[str, str]
    groups: Mapping[str, str]
    texts: Mapping[str, str]


def suite_of(prompts_sha256: str | None, images: Mapping[str, str]) -> Suite | None:
    """The published suite that a result's hash of prompts stands for; None if it is none.

    Args:
        prompts_sha256: hex, as the result has it.
        images: prompt id to the SHA-256 of the picture its clips began with; the hash covers
            these too (see `bench.run.start_images.suite_sha256`).
    """
    for suite in suites():
        if prompts_sha256 in {suite.sha256, fingerprint([suite.sha256, images])}:
            return suite
    return None


def suite_of_result(result: Result) -> Suite | None:
    """The published suite of a result's prompts; None if it is none."""
    return suite_of(result.prompts_sha256, result.image_sha256)


@cache
def suites() -> tuple[Suite, ...]:
    """The published suites, by file name."""
    published = []
    for path in sorted(PROMPTS.glob("*.jsonl")):
        raw = path.read_bytes()
        entries = [json.loads(line) for line in raw.decode("utf-8-sig").split("\n") if line.strip()]
        categories = {entry["id"]: entry.get("category", "uncategorised") for entry in entries}
        groups = {entry["id"]: entry["group"] for entry in entries if "group" in entry}
        texts = {entry["id"]: entry["text"] for entry in entries}
        digest = sha256(raw).hexdigest()
        published.append(Suite(f"prompts/{path.name}", digest, categories, groups, texts))
    return tuple(published)
