"""What every generator is: a cheap constructor, weights inside `with`, one clip a call."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Literal, Self

import torch

from bench.clip import Clip
from bench.errors import BenchError
from bench.generators.account import Account
from bench.measure.stages import StageClock
from bench.prompts import Prompt

Weights = Literal["real", "random"]


class Generator(ABC):
    """Turns (prompt, seed) into a clip.

    The constructor only checks and keeps its arguments; whatever is heavy is loaded by
    `__enter__` and freed by `__exit__`.

    Attributes:
        kind: what the class is called in every clip's fingerprint; it never changes, wherever the
            class moves. Empty: its import path.
        version: changed whenever the same arguments give other frames; part of the fingerprint.
        measured: whether the time `generate` takes says anything about a model. False where
            clips are only read from disk, or made by somebody else while this process waits.
        incidental: arguments of the constructor that decide no frame (time-outs, retries), and
            so are no part of a clip's fingerprint; `options.key` is a key within one.
        account: how the clip last asked for came about; None where `generate` computed it here.
        size_requested: height and width that were asked for, in pixels; None where nobody asked.
        weights: `random` where parameters mean nothing, so that only speed is measured.
        revisions: of the weights, known once `check` is through: repository to commit, or folder
            to a hash of what it holds.
        variant: what sets this row apart from the model as published, as part of a name; empty
            where nothing does.
        device: where to compute; set before the weights are loaded.
        batch_size: how many seeds of one prompt are asked for at once, see `generate_batch`.
        stages: times the parts of a clip while the weights are loaded; None where a clip has no
            parts that could be told apart.
    """

    kind: str = ""
    version: str = "1"
    measured: bool = True
    incidental: frozenset[str] = frozenset()
    account: Account | None = None
    size_requested: tuple[int, int] | None = None
    weights: Weights = "real"
    revisions: Mapping[str, str] = MappingProxyType({})
    variant: str = ""
    device: torch.device = torch.device("cpu")
    batch_size: int = 1
    stages: StageClock | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def expect(self, draws: Sequence[tuple[Prompt, int]]) -> None:  # noqa: B027 - most need no notice
        """Hear, before the first of them, which prompts and seeds will be asked for, in order.

        A generator may check that it has all it needs, or begin to work ahead.

        Raises:
            BenchError: if something is missing without which they cannot be made.
        """

    @abstractmethod
    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Make the clip for this prompt and seed.

        The same arguments give the same frames, bit for bit, on the same machine.
        """

    def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        """Make the clips of as many seeds of one prompt as `batch_size` says, in their order.

        One after another, unless a generator makes them in one call. Then each clip is that of
        `generate`, to the rounding of arithmetic in another shape, whatever shares its batch; and
        the same prompt and seeds give the same frames, bit for bit, on the same machine.
        """
        return [self.generate(prompt, seed) for seed in seeds]

    def frames_requested(self, prompt: Prompt) -> int | None:  # noqa: ARG002 - of most, the same
        """How many frames are asked for; None where nobody asks."""
        return None

    def check(self, prompts: Sequence[Prompt]) -> None:  # noqa: B027 - most have nothing to refuse
        """Refuse, before weights are loaded or anything is written, what cannot be made.

        Raises:
            BenchError: if a prompt or the configuration cannot work.
        """

    def loaded(self) -> dict[str, Any]:
        """What is really in use once the weights are there, as JSON values; read, not assumed.

        Part of the result: versions of weights, dtypes, schedulers, attention.
        """
        return {}

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:  # noqa: ARG002 - most need neither
        """What, beside configuration, prompt and seed, decides the frames: hashes of files read.

        Part of the fingerprint, so that a file that was replaced is scored again.
        """
        return {}

    def own_prompts(self) -> list[Prompt]:
        """The clips this generator brings with it, one prompt each, for suites without prompts.

        Raises:
            BenchError: if it brings none and can only answer prompts.
        """
        raise BenchError(
            f"{type(self).__name__} needs prompts and this suite has none: "
            "choose a suite with prompts (suite=toy), or score files with model=folder"
        )
