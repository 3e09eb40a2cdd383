"""What training never shows, and what the toy network makes of it.

`python -m tools.held_out_study` prints the numbers of the card.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.generators.toy import grammar as toy_grammar
from bench.generators.toy.generator import ToyGenerator
from bench.generators.toy.grammar import Sentence
from bench.prompts import Prompt, load_suite
from bench.vision.openclip import TOY_FOLDER, ToyClip

COUNT: Final = 24
SEEDS: Final = (0, 1, 2, 3)

Scene = tuple[str, str, str]


def suite() -> list[str]:
    """The published toy prompts; none of their combinations is ever trained on."""
    prompts, _ = load_suite("toy.jsonl")
    return [prompt.text for prompt in prompts]


def sentences() -> list[str]:
    """24 sentences of which no two share a combination, nor one with the published prompts."""
    rng = np.random.default_rng(24)
    seen = scenes(*suite())
    texts: list[str] = []
    while len(texts) < COUNT:
        text = toy_grammar.sample_sentence(rng)
        if seen.isdisjoint(scenes(text)):
            seen |= scenes(text)
            texts.append(text)
    return texts


def scenes(*texts: str) -> set[Scene]:
    """The (colour, shape, background) combinations that sentences show."""
    return {
        (thing.colour, thing.shape, sentence.background)
        for sentence in map(toy_grammar.parse, texts)
        for thing in sentence.things
    }


def report(folder: Path) -> str:
    """The card's numbers, as lines of text."""
    network = ToyClip(folder)
    network.load(torch.device("cpu"))
    lines = []
    for name, texts in (("held-out", sentences()), ("published", suite())):
        clips = embed_clips(network, texts)
        share = retrieved(network, texts, clips)
        lines.append(f"top-1 among the {len(texts)} {name} prompts: {share:.1%}")
    # Of the published prompts, the last to be embedded:
    lines += [
        f"told apart when only the {what} differs: {share:.1%}"
        for what, share in told_apart(network, suite(), clips)
    ]
    return "\n".join(lines) + "\n"


def embed_clips(network: ToyClip, texts: Sequence[str]) -> NDArray[np.float32]:
    """Mean image vector over 8 frames of clips that show these texts, float32 `[N, seeds, D]`."""
    world = ToyGenerator()
    return np.stack(
        [
            [
                network.embed_images(world.generate(Prompt("p", text), seed).frames[::2]).mean(0)
                for seed in SEEDS
            ]
            for text in texts
        ]
    )


def retrieved(network: ToyClip, texts: Sequence[str], clips: NDArray[np.float32]) -> float:
    """Share of clips whose own text is the nearest of all."""
    phrases = np.stack([network.embed_text(text).vector for text in texts])
    nearest = (clips @ phrases.T).argmax(axis=-1)
    return float((nearest == np.arange(len(texts))[:, None]).mean())


def told_apart(
    network: ToyClip, texts: Sequence[str], clips: NDArray[np.float32]
) -> Iterator[tuple[str, float]]:
    """For each kind of word: share of clips nearer to their text than to one with another word.

    Chance is 50%: what a single frame does not show stays there.
    """
    kinds = ("colour", "shape", "background", "size", "verb", "camera")
    for kind in kinds:
        nearer: list[float] = []
        for text, vectors in zip(texts, clips, strict=True):
            own = vectors @ network.embed_text(text).vector
            for other in _variants(toy_grammar.parse(text), kind):
                against = vectors @ network.embed_text(toy_grammar.write(other)).vector
                nearer += (own > against).tolist()
        yield kind, float(np.mean(nearer))


def _variants(sentence: Sentence, kind: str) -> Iterator[Sentence]:
    """The sentence with one word (of its first thing) replaced by each of its alternatives."""
    if kind == "background":
        for name in set(toy_grammar.BACKGROUNDS) - {sentence.background}:
            yield replace(sentence, background=name)
    elif kind == "camera":
        for move in {"", *toy_grammar.CAMERAS} - {sentence.camera}:
            yield replace(sentence, camera=move)
    else:
        thing, *others = sentence.things
        words = {
            "colour": toy_grammar.COLOURS,
            "shape": toy_grammar.SHAPES,
            "size": ("", *toy_grammar.SIZES),
            "verb": toy_grammar.VERBS,
        }[kind]
        for word in set(words) - {getattr(thing, kind)}:
            yield replace(sentence, things=(replace(thing, **{kind: word}), *others))


if __name__ == "__main__":
    sys.stdout.write(report(TOY_FOLDER))
