"""The toy model: captioned synthetic scenes, drawn on the CPU in a blink.

It needs no weights, so that the whole benchmark runs anywhere, and it follows its prompts exactly,
so that the metrics have a known good model to be tested on.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bench.clip import Clip
from bench.generators.base import (
    Generator,
    GeneratorInfo,
    Number,
    check_arguments,
    require,
    rng_from,
)
from bench.generators.toy import grammar as toy_grammar
from bench.generators.toy.backgrounds import BACKGROUNDS, paint_plate
from bench.generators.toy.bodies import CAMERAS, VERBS, Camera, Look, Motion, Pose, Room, shade
from bench.generators.toy.grammar import Sentence, Thing
from bench.prompts import Prompt

# In short sides: how far anything may reach from the centre, and the radii of a size word.
_EDGE = 0.47
_RADIUS = {"small": (0.098, 0.106), "": (0.128, 0.146), "large": (0.164, 0.175)}


Pixels = Annotated[int, Field(ge=16), "a whole number of at least 16"]


@dataclass(eq=False)
class ToyGenerator(Generator):
    """Draws what a sentence of the toy grammar says; see `bench.generators.toy.grammar`.

    The scene is a function of continuous time and space: the same prompt and seed at another frame
    rate or size show the same scene, sampled more or less finely.
    """

    kind = "bench.generators.toy.ToyGenerator"
    info = GeneratorInfo(version="2")

    height: Pixels = 128
    width: Pixels = 128
    fps: Number = 8.0
    seconds: Number = 2.0  # where the prompt says none; `fps * seconds` are rounded, at least 2
    deaf: bool = False  # draws some other scene than was asked for: a prompt-ignoring model
    # Things of another colour and shape in each prompt do what was asked for: a model that does
    # not know its characters again.
    recasts: bool = False

    def __post_init__(self) -> None:
        check_arguments(self)
        self.fps = float(self.fps)
        long_enough = round(self.fps * self.seconds) >= 2
        require(long_enough, "seconds", f"enough for 2 frames at fps={self.fps}", self.seconds)

    def frames_requested(self, prompt: Prompt) -> int:
        """Of the prompt's own length, where it has one."""
        return max(2, round(self.fps * self._seconds(prompt)))

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Draw the clip; BenchError if the prompt does not fit the grammar."""
        text = prompt.text
        sentence = toy_grammar.parse(text)
        if self.deaf:
            text, sentence = _other_scene(prompt, sentence, seed)
        if self.recasts:
            sentence = _recast(prompt, sentence, seed)
        scene = _Scene(sentence, rng_from("scene", text, seed), self.height, self.width)
        length_s = self._seconds(prompt)
        times_s = np.arange(self.frames_requested(prompt)) / self.fps
        frames = [scene.draw(time_s, time_s / length_s) for time_s in times_s.tolist()]
        return Clip(np.stack(frames), self.fps)

    def _seconds(self, prompt: Prompt) -> float:
        return self.seconds if prompt.seconds is None else prompt.seconds


def _other_scene(prompt: Prompt, asked: Sentence, seed: int) -> tuple[str, Sentence]:
    rng = rng_from("deaf", prompt.id, seed)
    while True:
        text = toy_grammar.sample_sentence(rng)
        sentence = toy_grammar.parse(text)
        if not sentence.same_scene(asked):
            return text, sentence


def _recast(prompt: Prompt, asked: Sentence, seed: int) -> Sentence:
    rng = rng_from("recast", prompt.id, seed)

    def other(thing: Thing) -> Thing:
        colours = [colour for colour in toy_grammar.COLOURS if colour != thing.colour]
        shapes = [shape for shape in toy_grammar.SHAPES if shape != thing.shape]
        return replace(thing, colour=str(rng.choice(colours)), shape=str(rng.choice(shapes)))

    return replace(asked, things=tuple(map(other, asked.things)))


@dataclass(frozen=True)
class _Body:
    look: Look
    room: Room
    motion: Motion


class _Scene:
    """One scene, ready to be drawn at any moment.

    It draws at least twice as fine as the frames and averages down, so that nothing crawls or
    flickers as it moves by parts of a pixel.
    """

    def __init__(
        self, sentence: Sentence, rng: np.random.Generator, height: int, width: int
    ) -> None:
        short = min(height, width)
        self.size = (width, height)
        self.fine = max(2, -(-256 // short))
        self.unit = short * self.fine
        self.camera: Camera = CAMERAS[sentence.camera]
        self.background = BACKGROUNDS[sentence.background]
        plate_rng, body_rng = rng.spawn(2)
        self.bodies = _cast(sentence, self.camera, body_rng)
        pan = abs(self.camera.pan) / 2
        self.spare = spare = int(np.ceil(pan * self.unit)) + (2 if pan else 0)  # for the camera
        columns = np.arange(-spare, width * self.fine + spare) + 0.5 - width * self.fine / 2
        rows = np.arange(height * self.fine) + 0.5 - height * self.fine / 2
        self.plate = paint_plate(
            self.background,
            (columns[None, :] / self.unit).astype(np.float32),
            (rows[:, None] / self.unit).astype(np.float32),
            256 * 2 ** max(0, int(np.ceil(np.log2(short / 256)))),
            plate_rng,
        )

    def draw(self, time_s: float, share: float) -> NDArray[np.uint8]:
        """The frame, uint8 `[H, W, 3]`, at which a share (0..1) of the clip has passed."""
        look_x, zoom = self.camera.at(share)
        width, height = self.size[0] * self.fine, self.size[1] * self.fine
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        to_plate = np.array(
            [
                [1 / zoom, 0, middle_x * (1 - 1 / zoom) + self.spare + look_x * self.unit],
                [0, 1 / zoom, middle_y * (1 - 1 / zoom)],
            ]
        )
        sampling = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        canvas = cv2.warpAffine(
            self.plate, to_plate, (width, height), flags=sampling, borderMode=cv2.BORDER_REPLICATE
        )
        scale = zoom * self.unit
        acts = [(body, body.motion(body.room, time_s, share)) for body in self.bodies]
        for body, pose in sorted(acts, key=lambda act: act[1].y):
            x = (pose.x - look_x) * scale + middle_x
            y = (pose.y - pose.lift) * scale + middle_y
            radius = body.room.radius * pose.scale * scale
            self._shadow(canvas, x, y, radius, pose.lift * scale)
            if pose.pivot is not None:
                top_x, top_y = pose.pivot
                top = ((top_x - look_x) * scale + middle_x, top_y * scale + middle_y)
                _string(canvas, top, (x, y), 0.012 * scale)
            _stamp(canvas, body.look, x, y, radius, pose)
        frame: NDArray[np.uint8] = cv2.resize(canvas, self.size, interpolation=cv2.INTER_AREA)
        return frame

    def _shadow(
        self, canvas: NDArray[np.uint8], x: float, y: float, radius: float, lift: float
    ) -> None:
        if self.background.kind == "ground":
            depth = 0.50 * radius / (radius + 0.6 * lift)
            width = radius * 1.02 + 0.12 * lift
            _darken(canvas, x + 0.1 * radius, y + lift + 0.86 * radius, width, 0.36 * width, depth)
        elif self.background.kind == "wall":
            _darken(canvas, x + 0.35 * radius, y + 0.45 * radius, 1.1 * radius, 1.1 * radius, 0.35)


def _cast(sentence: Sentence, camera: Camera, rng: np.random.Generator) -> list[_Body]:
    """Give every thing its looks, and a room in which it stays inside the frame."""
    things = sentence.things
    zoom, pan = max(camera.zoom), abs(camera.pan) / 2
    aside = all("left" not in thing.verb for thing in things)  # else one lane above the other
    bodies = []
    for number, thing in enumerate(things):
        radius = rng.uniform(*_RADIUS[thing.size]) * (1 if len(things) == 1 else 0.9)
        reach_x = (_EDGE - pan) / zoom - radius
        reach_y = _EDGE / zoom - radius
        x = y = 0.0
        if len(things) == 2:
            side = 2 * number - 1
            if aside:
                x, reach_x = side * (reach_x + radius) / 2, (reach_x - radius) / 2
            else:
                y, reach_y = side * 0.62 * reach_y, 0.38 * reach_y
        elif "left" in thing.verb:
            reach_y *= 0.6
        pace, phase, slant = rng.uniform(0.85, 1.15), rng.uniform(), rng.uniform(-1, 1)
        sense = int(rng.choice([-1, 1]))
        room = Room(x, y, reach_x, reach_y, radius, pace, phase, slant, sense)
        bodies.append(_Body(Look.draw(thing.shape, thing.colour, rng), room, VERBS[thing.verb]))
    return bodies


def _window(
    canvas: NDArray[np.uint8], x: float, y: float, reach_x: float, reach_y: float
) -> tuple[slice, slice, NDArray[np.float32], NDArray[np.float32]]:
    """Rows and columns of a canvas around a point, and their distances to it in pixels."""
    height, width = canvas.shape[:2]
    left, right = np.clip([np.floor(x - reach_x), np.ceil(x + reach_x) + 1], 0, width).astype(int)
    top, bottom = np.clip([np.floor(y - reach_y), np.ceil(y + reach_y) + 1], 0, height).astype(int)
    across, down = np.meshgrid(
        np.arange(left, right, dtype=np.float32) - np.float32(x),
        np.arange(top, bottom, dtype=np.float32) - np.float32(y),
    )
    return slice(top, bottom), slice(left, right), across, down


def _stamp(
    canvas: NDArray[np.uint8], look: Look, x: float, y: float, radius: float, pose: Pose
) -> None:
    tall = np.sqrt(pose.stretch)
    reach = radius * 1.08 / min(tall, 1 / tall) + 2
    y += radius * (1 - tall)  # a squashed body stands on the same ground
    rows, columns, across, down = _window(canvas, x, y, reach, reach)
    if min(across.shape) < 2:
        return
    sizes = np.float32(tall / radius), np.float32(1 / tall / radius)
    pixels, cover = shade(look, across * sizes[0], down * sizes[1], pose)
    under = canvas[rows, columns].astype(np.float32)
    mixed = under + cover[..., None] * (255 * pixels - under)
    canvas[rows, columns] = np.rint(mixed).astype(np.uint8)


def _darken(
    canvas: NDArray[np.uint8],
    x: float,
    y: float,
    half_width: float,
    half_height: float,
    depth: float,
) -> None:
    """A soft elliptic shadow that takes `depth` (0..1) of the light at its centre."""
    rows, columns, across, down = _window(canvas, x, y, 1.5 * half_width, 1.5 * half_height)
    if across.size == 0:
        return
    distance = (across / np.float32(half_width)) ** 2 + (down / np.float32(half_height)) ** 2
    light = 1 - np.float32(depth) * np.exp(-(distance**2) * 1.4)
    canvas[rows, columns] = np.rint(canvas[rows, columns] * light[..., None]).astype(np.uint8)


def _string(
    canvas: NDArray[np.uint8], top: tuple[float, float], end: tuple[float, float], width: float
) -> None:
    bits = 8  # cv2 takes fixed-point positions, so that the string moves by parts of a pixel
    start, stop = (tuple(round(v * 2**bits) for v in point) for point in (top, end))
    cv2.line(canvas, start, stop, (58, 48, 42), max(1, round(width)), cv2.LINE_AA, bits)
