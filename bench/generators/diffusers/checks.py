"""What can be said about a call before any weights are loaded: keys, frames, size, memory."""

import difflib
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch

from bench.errors import BenchError, nearest
from bench.prompts import Prompt

T = TypeVar("T")

_RULE = re.compile(
    r"(?P<any>any)|(?:(?P<step>\d+)k(?:\+(?P<offset>\d+))?)?(?: ?up to (?P<most>\d+))?"
)

# What the generator passes itself; a YAML that sets one of these would be overruled unseen.
_OURS = ("self", "generator", "output_type", "return_dict", "prompt", "image")


@dataclass(frozen=True)
class FrameRule:
    """Which frame counts a model makes as asked; others come back changed or not at all.

    Legal counts are `step * k + offset`, k = 0, 1, ..., from `least` to `most`, where that is not
    None; `text` is the rule as written in the YAML.
    """

    text: str
    step: int = 1
    offset: int = 0
    least: int = 1
    most: int | None = None

    @classmethod
    def parse(cls, rule: str | int) -> "FrameRule":
        """Read `any`, `16` (exactly), `up to 32`, `4k+1`, `8k+1 up to 49` or `4k`."""
        text = str(rule).strip()
        if text.isdecimal() and int(text) > 0:
            return cls(text, least=int(text), most=int(text))
        match = _RULE.fullmatch(text)
        if not text or match is None or match["step"] == "0":
            raise BenchError(
                f"model.frames must be any, a number, 'up to 32', '4k+1' or '8k+1 up to 49', "
                f"got {rule!r}"
            )
        step, offset = int(match["step"] or 1), int(match["offset"] or 0)
        most = int(match["most"]) if match["most"] else None
        return cls(text, step, offset, max(1, offset or step), most)

    def holds(self, count: int) -> bool:
        """Whether a model makes exactly this many frames."""
        within = count >= self.least and (self.most is None or count <= self.most)
        return within and (count - self.offset) % self.step == 0

    def nearest(self, count: int) -> list[int]:
        """The legal counts next to this one, below and above, as far as there are any."""
        below = count - (count - self.offset) % self.step
        candidates = {below, below + self.step, self.least}
        if self.most is not None:
            candidates.add(self.most - (self.most - self.offset) % self.step)
        legal = sorted(filter(self.holds, candidates))
        lower = [legal_count for legal_count in legal if legal_count < count][-1:]
        return lower + [legal_count for legal_count in legal if legal_count > count][:1]

    def closest(self, seconds: float, fps: float, longest_s: float, own: int) -> int:
        """The legal count whose length comes nearest to `seconds`.

        It is not longer than `longest_s`, to a tenth of a second as cards say it, or than `own`,
        the count that the model makes where nobody asks.
        """
        most = max(own, int((longest_s + 0.05) * fps))
        counts = [count for count in range(1, most + 1) if self.holds(count)]
        return min(counts, key=lambda count: (abs(count - seconds * fps), -count), default=own)


def build(kind: type[T], given: Mapping[str, Any] | None, where: str) -> T:
    """A dataclass from a part of the configuration; the nearest to an unknown key is named."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given or {}:
        if key not in names:
            raise BenchError(
                f"{where} takes no {key!r}{nearest(key, names)}; it takes {', '.join(names)}"
            )
    return kind(**(given or {}))


def check_call(
    pipeline: type, call: Mapping[str, Any], inputs: Mapping[str, str], also: tuple[str, ...] = ()
) -> None:
    """Hold the keys of a call against the pipeline's signature, in both directions.

    `inputs` maps our names to the pipeline's, where they differ; `also` are arguments that the
    generator will add.
    """
    parameters = inspect.signature(pipeline.__call__).parameters
    takes = [name for name in parameters if name not in _OURS]
    for key in call:
        if key in _OURS:
            raise BenchError(f"model.call.{key} is set by the run itself: leave it out")
        if key not in parameters:
            # A key of the wrong model may be near to nothing: then all are named.
            close = difflib.get_close_matches(key, takes, n=1, cutoff=0.6)
            mend = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(takes)}"
            raise BenchError(f"model.call.{key}: {pipeline.__name__} takes no {key!r}; {mend}")
    for ours, theirs in inputs.items():
        if theirs not in parameters:
            raise BenchError(
                f"model.inputs.{ours}: {pipeline.__name__} takes no {theirs!r}"
                f"{nearest(theirs, parameters)}"
            )
    given = {*call, *inputs.values(), *also}
    for name, parameter in parameters.items():
        missing = parameter.default is inspect.Parameter.empty and name not in given
        variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if missing and not variable and name not in _OURS:
            raise BenchError(f"{pipeline.__name__} needs {name!r}: add +model.call.{name}=VALUE")


def check_frames(rule: FrameRule, key: str, count: object) -> None:
    """Refuse a count that the model would change without a word; the nearest are named."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise BenchError(f"model.call.{key} must be a number of frames, got {count!r}")
    if not rule.holds(count):
        near = " or ".join(map(str, reversed(rule.nearest(count))))
        legal = f"exactly {rule.text}" if rule.text.isdecimal() else rule.text
        raise BenchError(
            f"model.call.{key} must be {legal}, got {count}: type model.call.{key}={near}"
        )


def check_size(size: Mapping[str, Any], multiple: int, where: str) -> None:
    """Refuse a height or width that the model cannot make; the nearest are named."""
    for key in ("height", "width"):
        pixels = size.get(key)
        if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
            raise BenchError(f"{where}.{key} must be a number of pixels, got {pixels!r}")
        if pixels % multiple:
            below = pixels - pixels % multiple
            near = [str(n) for n in (below + multiple, below) if n > 0]
            raise BenchError(
                f"{where}.{key} must be a multiple of {multiple}, got {pixels}: "
                f"type {where}.{key}={' or '.join(near)}"
            )


def check_images(pipeline: type, task: str, prompts: Sequence[Prompt], *, sized: bool) -> None:
    """Refuse a task that is not the pipeline's, and prompts without an image that it needs.

    `sized` is whether it is clear to what size images are cropped.
    """
    name = pipeline.__name__
    image = inspect.signature(pipeline.__call__).parameters.get("image")
    if image is None and task != "t2v":
        raise BenchError(f"{name} takes no image: type model.task=t2v")
    if image is not None and image.default is image.empty and task != "i2v":
        raise BenchError(f"{name} animates an image: type model.task=i2v")
    if task != "i2v":
        return
    for prompt in prompts:
        if prompt.image is None:
            raise BenchError(
                f"{name} animates an image, and prompt {prompt.id!r} has none: "
                "take suite=i2v, or a model that makes video from text"
            )
    if not sized:
        raise BenchError(
            "the image must be cropped to some size: add model.image_size.height=PIXELS "
            "and model.image_size.width=PIXELS"
        )


def check_memory(pipeline: str, weight_bytes: int, device: torch.device) -> None:
    """Refuse weights that do not fit a CUDA device; that is an estimate, and said as one."""
    there = torch.cuda.get_device_properties(device).total_memory
    if weight_bytes > there:
        raise BenchError(
            f"{pipeline} needs about {weight_bytes / 2**30:.0f} GiB for its weights alone (an "
            f"estimate, from parameters and dtype), this GPU has {there / 2**30:.0f}: "
            "type model.options.offload=model, or model.options.quantise=float8"
        )
