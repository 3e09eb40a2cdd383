"""What the published suites hold: counts, lengths as CLIP reads them, and near-duplicates.

python -m tools.suites      prints the tables of prompts/README.md
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import median
from typing import NamedTuple

import numpy as np
import open_clip
from numpy.typing import NDArray
from omegaconf import OmegaConf

from bench.prompts import Prompt, load_suite
from bench.storage import CONF, PROMPTS

CLIP_ROOM = 77
"""Tokens that CLIP's text encoder reads, the marks of beginning and end among them."""

_GRAM = 4
# Drawn scenes; pictures and poses that users supply; a part of `standard`.
_ASIDE = {"toy", "toy_groups", "dance", "evening"}


class Pair(NamedTuple):
    """Two texts, each named `suite/id`, and the cosine between them, 0..1."""

    similarity: float
    one: str
    other: str


def published() -> dict[str, list[Prompt]]:
    """The suites of `prompts/` by name, less those that stand for themselves."""
    names = sorted(path.stem for path in PROMPTS.glob("*.jsonl"))
    return {name: load_suite(f"{name}.jsonl")[0] for name in names if name not in _ASIDE}


def clip_tokens(text: str) -> int:
    """How many tokens CLIP makes of a text, with the marks of its beginning and end."""
    return len(_clip_tokenizer().encode(text)) + 2


@cache
def _clip_tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer()


def similar_pairs(suites: Mapping[str, Sequence[Prompt]]) -> list[Pair]:
    """Every pair of prompts, within and across suites, the most similar first.

    Similarity is the cosine of character 4-grams, each weighted by its count times log(N / n),
    where n of the N texts hold it (TF-IDF): shared nouns and verbs count, "the camera" hardly
    does, case and punctuation do not. The description of a group's character is left out, since
    its prompts share it on purpose.
    """
    named = [(f"{name}/{prompt.id}", prompt) for name, suite in suites.items() for prompt in suite]
    cosines = _cosines([_action(prompt) for _, prompt in named])
    upper = zip(*np.triu_indices(len(named), k=1), strict=True)
    pairs = [Pair(float(cosines[i, j]), named[i][0], named[j][0]) for i, j in upper]
    return sorted(pairs, reverse=True)


def tables() -> str:
    """The tables of prompts/README.md, as markdown."""
    suites = published()
    pairs = similar_pairs(suites)
    lines = [
        "| suite | prompts | seeds | clips | motion: subject, camera, any | two shots "
        "| CLIP tokens, median (most) | over 77 | characters, median (most) |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, suite in suites.items():
        motion = Counter(prompt.motion for prompt in suite)
        tokens = [clip_tokens(prompt.text) for prompt in suite]
        seeds = OmegaConf.select(OmegaConf.load(CONF / "suite" / f"{name}.yaml"), "seeds")
        cells = [
            name,
            len(suite),
            len(seeds),
            len(suite) * len(seeds),
            f"{motion['subject']}, {motion['camera']}, {motion['any']}",
            sum(prompt.shots > 1 for prompt in suite),
            _spread(tokens),
            sum(count > CLIP_ROOM for count in tokens),
            _spread([len(prompt.text) for prompt in suite]),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| suite | prompts by category |", "| --- | --- |"]
    for name, suite in suites.items():
        counted = Counter(prompt.category for prompt in suite).items()
        lines.append(f"| {name} | {', '.join(f'{kind} {count}' for kind, count in counted)} |")
    lines += ["", "| closest pairs | | cosine |", "| --- | --- | ---: |"]
    lines += [f"| {pair.one} | {pair.other} | {pair.similarity:.2f} |" for pair in pairs[:5]]
    return "\n".join(lines) + "\n"


def _spread(counts: Sequence[int]) -> str:
    return f"{median(counts):g} ({max(counts)})"


def _action(prompt: Prompt) -> str:
    """The text, less the description of a group's character."""
    text = prompt.text.lower()
    return text.replace(prompt.subject.lower(), "") if prompt.group and prompt.subject else text


def _cosines(texts: Sequence[str]) -> NDArray[np.float64]:
    """Between all texts, float64 `[N, N]`, 0..1."""
    bags = [Counter(_grams(text)) for text in texts]
    holders = Counter(gram for bag in bags for gram in bag)
    column = {gram: number for number, gram in enumerate(holders)}
    vectors = np.zeros((len(texts), len(column)))
    for row, bag in zip(vectors, bags, strict=True):
        for gram, count in bag.items():
            row[column[gram]] = count * np.log(len(texts) / holders[gram])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    cosines: NDArray[np.float64] = units @ units.T
    return cosines


def _grams(text: str) -> list[str]:
    words = "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()
    line = f" {' '.join(words)} "
    return [line[start : start + _GRAM] for start in range(len(line) - _GRAM + 1)]


if __name__ == "__main__":
    sys.stdout.write(tables())
