"""Draw docs/figures: one toy clip, untouched and under every fault at its strongest level.

python docs/make_figures.py

The same code and packages give the same bytes.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.faults.registry import FAULTS
from bench.faults.tools import Frames
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Prompt

INTO = Path(__file__).parent / "figures"

SCENE = Prompt(id="scene", text="a red ball rolls from left to right over a wooden floor")
SIDE_PX, FPS, SECONDS = 80, 4.0, 2.0  # eight frames, so that a picture shows all of them
SEED = 1

FAINT = ("flicker", "still_noise")
"""Faults that one hardly sees frame by frame: they get a third row."""
ENLARGED = 4

GAP_PX = 3
COLOURS = 128


def row(frames: Frames, count: int) -> NDArray[np.uint8]:
    """Frames side by side; white where there are fewer than `count`."""
    missing = np.full((count - len(frames), *frames.shape[1:]), 255, np.uint8)
    margin = ((GAP_PX, 0), (GAP_PX, 0), (0, 0))
    padded = [np.pad(frame, margin, constant_values=255) for frame in (*frames, *missing)]
    return np.concatenate(padded, axis=1)[:, GAP_PX:]


def changes(frames: Frames) -> Frames:
    """Brightness of each frame less that of the one before, enlarged, around a middle grey."""
    bright = frames.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    steps = np.diff(bright, axis=0, prepend=bright[:1])
    changed: Frames = np.clip(128 + ENLARGED * steps, 0, 255).astype(np.uint8)
    return changed


def main() -> None:
    """Draw all pictures anew."""
    INTO.mkdir(exist_ok=True)
    original = ToyGenerator(SIDE_PX, SIDE_PX, FPS, SECONDS).generate(SCENE, seed=0).frames
    for name, fault in FAULTS.items():
        damaged = fault(original, fault.ladder[-1], np.random.default_rng(SEED))
        rows, colours = [original, damaged], COLOURS
        if name in FAINT:
            rows, colours = [*rows, changes(damaged)], COLOURS // 2
        picture = np.concatenate([row(frames, len(original)) for frames in rows])[GAP_PX:]
        # Few colours: these are pictures for a page, not measurements.
        small = Image.fromarray(picture).quantize(colours, kmeans=4, dither=Image.Dither.NONE)
        small.save(INTO / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
