"""A generator with a known fault: what another one makes, damaged on purpose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch

from bench.clip import Clip
from bench.faults.registry import FAULTS
from bench.generators.base import Generator, GeneratorInfo, Needs, require, require_choice, rng_from
from bench.generators.team import Team
from bench.prompts import Prompt
from bench.schema import Loaded


@dataclass(eq=False)
class Degraded(Generator):
    """Damages every clip of another generator in the same way.

    What is hit depends on the fault, the prompt and the seed, but not on the level: a higher level
    hits the same places harder.
    """

    kind = "bench.generators.degraded.Degraded"

    of: Generator
    fault: str  # of `bench.faults.registry.FAULTS`
    level: float  # every fault says what its levels mean

    def __post_init__(self) -> None:
        require_choice("fault", FAULTS, self.fault)
        require(isinstance(self.level, int | float), "level", "a number", self.level)
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

    @property
    def device(self) -> torch.device:
        """Of the generator it damages."""
        return self.of.device

    @device.setter
    def device(self, device: torch.device) -> None:
        self.of.device = device

    @property
    def team(self) -> Team | None:
        """Of the generator it damages."""
        return self.of.team

    @team.setter
    def team(self, team: Team | None) -> None:
        self.of.team = team

    def follow(self) -> None:
        """As the generator it damages, whose clips alone take several processes."""
        self.of.follow()

    def needs(self) -> Needs | None:
        """As the generator it damages."""
        return self.of.needs()

    def skipped(self) -> Mapping[str, str]:
        """As the generator it damages."""
        return self.of.skipped()

    def check(self, prompts: Sequence[Prompt]) -> None:
        """As the generator it damages."""
        self.of.check(prompts)

    def loaded(self) -> Loaded:
        """As the generator it damages."""
        return self.of.loaded()

    @property
    def has_to_load(self) -> bool:
        """As the generator it damages."""
        return self.of.has_to_load

    def __enter__(self) -> Self:
        self.of.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.of.__exit__(*error)

    def expect(self, draws: Sequence[tuple[Prompt, int]]) -> None:
        """Pass on to the generator it damages."""
        self.of.expect(draws)

    def begin(self, draws: Sequence[tuple[Prompt, int]]) -> None:
        """Pass on to the generator it damages."""
        self.of.begin(draws)

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

    def frames_requested(self, prompt: Prompt) -> int | None:
        """As the generator it damages."""
        return self.of.frames_requested(prompt)

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:
        """That of the generator it damages."""
        return self.of.source(prompt, seed)

    def own_prompts(self) -> list[Prompt]:
        """Those of the generator it damages."""
        return self.of.own_prompts()
