"""A generator with a known fault: what another one makes, damaged on purpose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Annotated, Any, Self, TypeVar, cast

from bench.clip import Clip
from bench.faults.registry import FAULTS
from bench.generators.base import (
    Generator,
    GeneratorInfo,
    check_arguments,
    require_choice,
    rng_from,
)
from bench.prompts import Prompt

M = TypeVar("M", bound=Callable[..., Any])


def _delegated(method: M) -> M:
    """A method that asks the generator that is damaged."""

    @wraps(method)
    def delegate(self: "Degraded", *arguments: Any) -> Any:  # noqa: ANN401 - as the method says
        return getattr(self.of, method.__name__)(*arguments)

    return cast("M", delegate)


@dataclass(eq=False)
class Degraded(Generator):
    """Damages every clip of another generator in the same way.

    What is hit depends on the fault, the prompt and the seed, but not on the level: a higher level
    hits the same places harder.
    """

    kind = "bench.generators.degraded.Degraded"

    of: Generator
    fault: str  # of `bench.faults.registry.FAULTS`
    level: Annotated[float, "a number"]  # every fault says what its levels mean

    def __post_init__(self) -> None:
        require_choice("fault", FAULTS, self.fault)
        check_arguments(self)
        FAULTS[self.fault].check(self.level)

    @property
    def info(self) -> GeneratorInfo:
        """That of the generator it damages, whose frames and arguments are part of its own."""
        of = self.of.info
        return replace(
            of,
            version=f"1 of {of.version}",
            non_semantic=frozenset(f"of.{key}" for key in of.non_semantic),
        )

    device = property(
        lambda self: self.of.device, lambda self, device: setattr(self.of, "device", device)
    )
    team = property(lambda self: self.of.team, lambda self, team: setattr(self.of, "team", team))

    follow = _delegated(Generator.follow)
    needs = _delegated(Generator.needs)
    skipped = _delegated(Generator.skipped)
    check = _delegated(Generator.check)
    loaded = _delegated(Generator.loaded)
    expect = _delegated(Generator.expect)
    begin = _delegated(Generator.begin)
    frames_requested = _delegated(Generator.frames_requested)
    source = _delegated(Generator.source)
    own_prompts = _delegated(Generator.own_prompts)
    file_of = _delegated(Generator.file_of)

    @property
    def has_to_load(self) -> bool:
        """As the generator it damages."""
        return self.of.has_to_load

    def __enter__(self) -> Self:
        self.of.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.of.__exit__(*error)

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Make the other generator's clip, and damage it."""
        (clip,) = self.generate_batch(prompt, [seed])
        return clip

    def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        """Make the other generator's clips, and damage each."""
        clips = self.of.generate_batch(prompt, seeds)
        return [self._damage(clip, prompt, seed) for clip, seed in zip(clips, seeds, strict=True)]

    def _damage(self, clip: Clip, prompt: Prompt, seed: int) -> Clip:
        rng = rng_from(self.fault, prompt.id, seed)
        frames = FAULTS[self.fault](clip.frames, self.level, rng)
        return replace(clip, frames=frames, lossy=clip.lossy or self.fault == "lossy")
