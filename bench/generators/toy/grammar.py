"""The language of the toy world: read a prompt, or draw one at random.

    a [small|large] COLOUR SHAPE VERB [and a ... VERB] over|in front of BACKGROUND
    [while the camera CAMERA]

"a red ball rolls from left to right over a wooden floor", "a small blue star spins in front of a
brick wall while the camera pans left".
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from bench.errors import BenchError
from bench.generators.toy import backgrounds, bodies

COLOURS = tuple(bodies.COLOURS)
SHAPES = tuple(bodies.SHAPES)
SIZES = ("small", "large")
VERBS = tuple(bodies.VERBS)
BACKGROUNDS = tuple(backgrounds.BACKGROUNDS)
CAMERAS = tuple(move for move in bodies.CAMERAS if move)


@dataclass(frozen=True)
class Thing:
    """One thing and what it does; `size` is empty where the sentence names none."""

    size: str
    colour: str
    shape: str
    verb: str


@dataclass(frozen=True)
class Sentence:
    """What a prompt asks for; `camera` is empty where it stands still."""

    things: tuple[Thing, ...]
    background: str
    camera: str

    def same_scene(self, other: "Sentence") -> bool:
        """Whether both ask for the same, whichever thing they name first."""
        return other in (self, replace(self, things=self.things[::-1]))


class _Reader:
    """Takes phrases off the front of a prompt."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = re.sub(r"[,.!]", " ", text.lower()).split()
        self.at = 0

    def try_take(self, phrases: Collection[str]) -> str:
        """The longest of these phrases that comes next, or an empty text."""
        for phrase in sorted(phrases, key=len, reverse=True):
            words = phrase.split()
            if self.words[self.at : self.at + len(words)] == words:
                self.at += len(words)
                return phrase
        return ""

    def take(self, what: str, phrases: Collection[str]) -> str:
        """The phrase that comes next; one of these must."""
        phrase = self.try_take(phrases)
        if not phrase:
            word = repr(self.words[self.at]) if self.at < len(self.words) else "its end"
            raise BenchError(
                f"toy prompt {self.text!r}: expected {what} as word {self.at + 1}, got {word}; "
                f"the toy models know {' | '.join(phrases)}"
            )
        return phrase


def parse(text: str) -> Sentence:
    """Read a prompt; capitals, commas and full stops do not matter."""
    reader = _Reader(text)
    things = [_thing(reader)]
    if reader.try_take(["and"]):
        things.append(_thing(reader))
    place = {
        f"{preposition} {name}": name
        for name, background in backgrounds.BACKGROUNDS.items()
        for preposition in (("over", "on") if background.kind == "ground" else ("in front of",))
    }
    background = place[reader.take("where it happens", place)]
    camera = ""
    if reader.at < len(reader.words):
        reader.take("the end or a camera move", ["while the camera"])
        camera = reader.take("a camera move", CAMERAS)
    if reader.at < len(reader.words):
        raise BenchError(
            f"toy prompt {text!r}: expected its end after word {reader.at}, "
            f"got {reader.words[reader.at]!r}; shorten it"
        )
    return Sentence(tuple(things), background, camera)


def _thing(reader: _Reader) -> Thing:
    reader.take("an article", ("a", "an"))
    size = reader.try_take(SIZES)
    colour = reader.take("a colour" if size else "a size or a colour", COLOURS)
    shape = reader.take("a shape", SHAPES)
    return Thing(size, colour, shape, reader.take("a verb", VERBS))


def write(sentence: Sentence) -> str:
    """The prompt that `parse` reads back as this sentence."""
    phrases = []
    for thing in sentence.things:
        words = f"{thing.size} {thing.colour} {thing.shape} {thing.verb}".strip()
        phrases.append(f"{'an' if words[0] in 'aeiou' else 'a'} {words}")
    if backgrounds.BACKGROUNDS[sentence.background].kind == "ground":
        preposition = "on" if sentence.things[-1].verb == "rests" else "over"
    else:
        preposition = "in front of"
    text = f"{' and '.join(phrases)} {preposition} {sentence.background}"
    return f"{text} while the camera {sentence.camera}" if sentence.camera else text


def sample_sentence(rng: np.random.Generator) -> str:
    """Draw a prompt of the grammar; something moves in it, the thing or the camera."""

    def pick(options: tuple[str, ...]) -> str:
        return options[rng.integers(len(options))]

    camera = pick(CAMERAS) if rng.random() < 0.3 else ""
    count = 2 if rng.random() < 0.3 else 1
    moving = tuple(verb for verb in VERBS if verb != "rests")
    things: dict[tuple[str, str], Thing] = {}
    while len(things) < count:
        size = pick(SIZES) if rng.random() < 0.3 else ""
        colour, shape = pick(COLOURS), pick(SHAPES)
        things[colour, shape] = Thing(size, colour, shape, pick(VERBS if camera else moving))
    return write(Sentence(tuple(things.values()), pick(BACKGROUNDS), camera))
