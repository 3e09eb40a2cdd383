"""The toy network: trained on captioned frames of the toy world, and what it makes of others.

`python -m tools.toy_network` writes an ordinary open_clip folder: configuration, word list and
weights, read back by `open_clip.create_model("local-dir:...")`. Seeded, on the CPU, about a quarter
of an hour. With `--study` it trains nothing and prints the numbers of the card.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from torch.nn import functional

from bench.generators.toy import grammar as toy_grammar
from bench.generators.toy.generator import ToyGenerator
from bench.generators.toy.grammar import Sentence
from bench.prompts import Prompt, load_suite
from bench.vision.openclip import TOY_FOLDER, ToyClip

SIDE_PX: Final = 64
DRAWN_FRAMES: Final = 8
PEAK_RATE: Final = 2e-3  # of AdamW, a tenth of the steps in; then half a cosine down
CONTEXT_WORDS: Final = 32  # the longest sentence of the grammar has 30 words, and two marks

HELD_OUT: Final = 24
STUDY_SEEDS: Final = (0, 1, 2, 3)

Scene = tuple[str, str, str]

CONFIG: Final[dict[str, Any]] = {
    "model_cfg": {
        "embed_dim": 128,
        "vision_cfg": {
            "image_size": SIDE_PX,
            "layers": [1, 1, 1, 1],
            "width": 16,
            "head_width": 32,
            "patch_size": None,
        },
        "text_cfg": {
            "hf_tokenizer_name": "toy",  # open_clip then reads tokenizer.json of this folder
            "context_length": CONTEXT_WORDS,
            "vocab_size": 0,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {"size": SIDE_PX, "mean": [0.5] * 3, "std": [0.25] * 3},
}

_SPECIAL: Final = ("<pad>", "<unknown>", "<start>")
_LAST: Final = "<end>"  # open_clip finds the end of a text by its number, the highest of all


def main() -> int:
    """Train, save, and print what the card states."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=TOY_FOLDER, help="where to write the network")
    parser.add_argument("--clips", type=int, default=10000, help="training clips, 8 frames each")
    parser.add_argument("--epochs", type=int, default=16, help="passes, one frame of each clip")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--threads", type=int, default=1, help="more are faster")
    parser.add_argument("--study", action="store_true", help="only what the network there can do")
    arguments = parser.parse_args()
    if arguments.study:
        sys.stdout.write(report(arguments.into))
        return 0
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    arguments.into.mkdir(parents=True, exist_ok=True)
    write_configuration(arguments.into)
    texts = training_sentences(rng, arguments.clips)
    network = train(arguments.into, texts, draw(texts), rng, arguments.epochs)
    # Half the bytes, and nothing lost that a cosine would show.
    state = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    weights = arguments.into / "open_clip_model.safetensors"
    save_file(state, weights)
    weights.chmod(0o644)
    untested = _Untested(arguments.into)
    untested.load(torch.device("cpu"))
    _write(arguments.into / "golden.json", {"cosine": round(untested.golden(), 5)})
    sys.stdout.write(report(arguments.into))
    return 0


class _Untested(ToyClip):
    def check(self) -> None:
        """Nothing is known yet that could be compared with."""


def training_sentences(rng: np.random.Generator, count: int) -> list[str]:
    """Sentences that show none of the combinations that are held out."""
    barred = scenes(*held_out(), *published())
    texts: list[str] = []
    while len(texts) < count:
        text = toy_grammar.sample_sentence(rng)
        if barred.isdisjoint(scenes(text)):
            texts.append(text)
    return texts


def draw(texts: Sequence[str]) -> NDArray[np.uint8]:
    """A clip for each sentence, uint8 `[N, 8, 64, 64, 3]`, each frame as open_clip scales it."""
    world = ToyGenerator(height=128, width=128, fps=DRAWN_FRAMES / 2, seconds=2.0)
    shrunk = np.empty((len(texts), DRAWN_FRAMES, SIDE_PX, SIDE_PX, 3), np.uint8)
    for number, text in enumerate(texts):
        clip = world.generate(Prompt(id="training", text=text), seed=number)
        for t, frame in enumerate(clip.frames):
            image = Image.fromarray(frame).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
            shrunk[number, t] = np.asarray(image)
        _report("drawn", number + 1, len(texts))
    return shrunk


def train(
    folder: Path,
    texts: Sequence[str],
    clips: NDArray[np.uint8],
    rng: np.random.Generator,
    epochs: int,
    batch: int = 128,
) -> torch.nn.Module:
    """Contrastive training (Radford et al., ICML 2021): one random frame of every clip a pass.

    Args:
        folder: holds the configuration.
        texts: N sentences.
        clips: uint8 `[N, T, 64, 64, 3]`.
        rng: source of order, frames and augmentation.
        epochs: passes over the clips.
        batch: pairs that compete with each other.
    """
    name = f"local-dir:{folder}"
    network = open_clip.create_model(name, load_weights=False)
    network.to(memory_format=torch.channels_last).train()
    tokens = open_clip.get_tokenizer(name)(list(texts))
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.05)
    steps = epochs * (len(texts) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps, pct_start=0.1)
    loss_function = open_clip.ClipLoss()
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(texts))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            frames = clips[chosen, rng.integers(clips.shape[1], size=batch)]
            images, phrases, scale = network(_augmented(frames, rng), tokens[chosen])[:3]
            loss: Tensor = loss_function(images, phrases, scale)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                network.logit_scale.clamp_(0, np.log(100))
            step += 1
            _report("trained", step, steps, f"loss {loss.item():.3f}")
    trained: torch.nn.Module = network.eval()
    return trained


def _augmented(frames: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Network input `[N, 3, 64, 64]`: mirrored, shifted, brighter or darker, with some grain."""
    count = len(frames)
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    mirrored = torch.from_numpy(rng.random(count) < 0.5)
    images[mirrored] = images[mirrored].flip(-1)
    padded = functional.pad(images, (4, 4, 4, 4), mode="reflect")
    x, y = rng.integers(0, 9, (2, count))
    images = torch.stack(
        [
            image[:, top : top + SIDE_PX, left : left + SIDE_PX]
            for image, left, top in zip(padded, x.tolist(), y.tolist(), strict=True)
        ]
    )
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (count, 1, 1, 1)).astype(np.float32))
    sigma = torch.from_numpy(rng.uniform(0, 0.04, (count, 1, 1, 1)).astype(np.float32))
    grain = torch.from_numpy(rng.standard_normal(images.shape, np.float32)) * sigma
    scaled = ((images * gain + grain).clamp(0, 1) - 0.5) / 0.25
    return scaled.contiguous(memory_format=torch.channels_last)


def write_configuration(folder: Path) -> None:
    """Write open_clip's configuration, and a tokenizer that knows the grammar's words."""
    phrases = (
        *toy_grammar.COLOURS,
        *toy_grammar.SHAPES,
        *toy_grammar.SIZES,
        *toy_grammar.VERBS,
        *toy_grammar.BACKGROUNDS,
        *toy_grammar.CAMERAS,
        "a an and over on in front of while the camera",
    )
    words = sorted({word for phrase in phrases for word in phrase.split()})
    numbers = {word: number for number, word in enumerate([*_SPECIAL, *words, _LAST])}
    pad, unknown, start = _SPECIAL
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token=unknown))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex("[,.!]"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {_LAST}",
        special_tokens=[(mark, numbers[mark]) for mark in (start, _LAST)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": pad,
        "unk_token": unknown,
        "bos_token": start,
        "eos_token": _LAST,
    }
    _write(folder / "tokenizer_config.json", described)
    model = CONFIG["model_cfg"]
    text = model["text_cfg"] | {"vocab_size": len(numbers)}
    _write(folder / "open_clip_config.json", CONFIG | {"model_cfg": model | {"text_cfg": text}})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def _report(what: str, done: int, of: int, more: str = "") -> None:
    if done % 50 == 0 or done == of:
        sys.stdout.write(f"\r{what} {done} of {of} {more} ")
        sys.stdout.write("\n" if done == of else "")
        sys.stdout.flush()


def published() -> list[str]:
    """The published toy prompts; none of their combinations is ever trained on."""
    prompts, _ = load_suite("toy.jsonl")
    return [prompt.text for prompt in prompts]


def held_out() -> list[str]:
    """24 sentences of which no two share a combination, nor one with the published prompts."""
    rng = np.random.default_rng(24)
    seen = scenes(*published())
    texts: list[str] = []
    while len(texts) < HELD_OUT:
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
    for name, texts in (("held-out", held_out()), ("published", published())):
        clips = embed_clips(network, texts)
        share = retrieved(network, texts, clips)
        lines.append(f"top-1 among the {len(texts)} {name} prompts: {share:.1%}")
    # Of the published prompts, the last to be embedded:
    lines += [
        f"told apart when only the {what} differs: {share:.1%}"
        for what, share in told_apart(network, published(), clips)
    ]
    return "\n".join(lines) + "\n"


def embed_clips(network: ToyClip, texts: Sequence[str]) -> NDArray[np.float32]:
    """Mean image vector over 8 frames of clips that show these texts, float32 `[N, seeds, D]`."""
    world = ToyGenerator()
    return np.stack(
        [
            [
                network.embed_images(world.generate(Prompt("p", text), seed).frames[::2]).mean(0)
                for seed in STUDY_SEEDS
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
            for other in _with_other_words(toy_grammar.parse(text), kind):
                against = vectors @ network.embed_text(toy_grammar.write(other)).vector
                nearer += (own > against).tolist()
        yield kind, float(np.mean(nearer))


def _with_other_words(sentence: Sentence, kind: str) -> Iterator[Sentence]:
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
    sys.exit(main())
