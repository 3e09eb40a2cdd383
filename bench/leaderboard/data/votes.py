"""Votes of people, each between two clips of one prompt: read, held against results, counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from bench import statistics as stats
from bench.errors import BenchError
from bench.leaderboard.tables.table import plain
from bench.schema import ClipResult, Record, Result, Sample, Seed, Text, parse, semantic
from bench.storage import SAFE_NAME

PUBLISHED = "votes/*.jsonl"
"""Where votes lie beside a leaderboard."""

_MOST_BYTES = 10_000  # of a line; a vote has some 400
POINTS = {"left": 1.0, "neither": 0.5, "right": 0.0}
"""Of the clip on the left, by what a vote took; a skip counts for nobody."""

Name = Annotated[str, Field(pattern=f"^{SAFE_NAME.pattern}$")]


class Vote(Record):
    """One line of `votes.jsonl`, as the page's vote writes it."""

    schema_version: Literal[1] = Field(alias="schema")
    """Of this form."""
    suite: Name
    """Of the clips."""
    question: Text
    """That was asked."""
    voter: Annotated[str, Field(pattern="^[0-9a-f]{8,32}$")]
    """Drawn at random by a browser, to tell voters apart and name nobody."""
    prompt: Name
    """Id of the prompt."""
    seed: Seed
    """Of both clips."""
    left: Name
    """Model whose clip stood on the left."""
    right: Name
    """Model whose clip stood on the right."""
    left_sha256: str | None = None
    """Of the frames, hex; null where the page did not know."""
    right_sha256: str | None = None
    """See `left_sha256`."""
    choice: Literal["left", "right", "neither", "skip"]
    """Which was taken; `neither` is a tie, and `skip` no opinion."""

    @model_validator(mode="after")
    def _is_between_two(self) -> Self:
        if self.left == self.right:
            raise semantic(f"expected two models, got {self.left!r} twice")
        return self

    @property
    def sample(self) -> Sample:
        """Prompt id and seed."""
        return Sample(self.prompt, self.seed)

    @property
    def clips(self) -> frozenset[tuple[str, str, int]]:
        """Model, prompt and seed of both, whichever side they stood on."""
        return frozenset((model, *self.sample) for model in (self.left, self.right))

    @property
    def winner(self) -> str | None:
        """The model that was taken; None for a tie or a skip."""
        return {"left": self.left, "right": self.right}.get(self.choice)


def read_votes(files: Iterable[Path]) -> tuple[list[Vote], list[str]]:
    """All votes that can be read, and one line for everything that cannot.

    One voter's second vote on the same two clips takes the place of the first; a vote that was
    exported twice is one vote.
    """
    votes: dict[object, Vote] = {}
    faults: list[str] = []
    for file in files:
        try:
            lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        except OSError as error:
            faults.append(f"{file}: expected votes to read, but {error.strerror}")
            continue
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{file}, line {number}"
            try:
                if len(line) > _MOST_BYTES:
                    raise BenchError(f"{where}: expected a vote, got {len(line)} bytes")
                vote = parse(Vote, line, where, "")
            except BenchError as error:
                faults.append(plain(str(error)))
                continue
            key = (vote.voter, vote.suite, vote.question, vote.clips)
            if (before := votes.get(key)) and before.winner != vote.winner:
                faults.append(f"{where}: expected one vote on two clips, got another; it counts")
            votes[key] = vote
    return list(votes.values()), faults


def matching(votes: Iterable[Vote], results: Iterable[Result]) -> tuple[list[Vote], list[str]]:
    """The votes on clips that results hold, and one line for each of the others."""
    clips: dict[tuple[str, str, Sample], ClipResult] = {
        (result.suite, result.model, clip.sample): clip
        for result in results
        for clip in result.successes
    }
    kept, faults = [], []
    for vote in votes:
        where = f"vote of {vote.voter} on {vote.suite}, {vote.sample}"
        sides = ((vote.left, vote.left_sha256), (vote.right, vote.right_sha256))
        for model, digest in sides:
            clip = clips.get((vote.suite, model, vote.sample))
            if clip is None:
                faults.append(f"{where}: expected a clip of {model}, the results hold none")
                break
            if digest not in (None, clip.frames_sha256):
                faults.append(f"{where}: expected the frames that {model} has now, it had others")
                break
        else:
            kept.append(vote)
    return kept, faults


@dataclass(frozen=True)
class Preference:
    """What one question's votes say of models that were compared."""

    question: str
    models: tuple[str, ...]
    votes: tuple[Vote, ...]  # skips are not among them
    fit: stats.Preferences

    @property
    def shares(self) -> Mapping[str, stats.Interval]:
        """Model to its mean chance to win against each of the others, 0..1."""
        return dict(zip(self.models, self.fit.shares, strict=True))

    @property
    def strengths(self) -> Mapping[str, stats.Interval]:
        """Model to its strength in log-odds."""
        return dict(zip(self.models, self.fit.strengths, strict=True))

    @property
    def best(self) -> tuple[str, str]:
        """The two strongest models."""
        first, second = self.fit.order[:2]
        return self.models[first], self.models[second]


def preference(votes: Sequence[Vote], models: Iterable[str]) -> Preference | None:
    """Strengths from the votes between these models on the question with most of them.

    None where the votes do not suffice: a single prompt has no interval.
    """
    model_names = set(models)
    between = [v for v in votes if v.choice != "skip" and {v.left, v.right} <= model_names]
    if not between:
        return None
    counts = Counter(vote.question for vote in between)
    question = min(counts, key=lambda text: (-counts[text], text))
    of_question = [vote for vote in between if vote.question == question]
    names = sorted({name for vote in of_question for name in (vote.left, vote.right)})
    prompts = sorted({vote.prompt for vote in of_question})
    wins = np.zeros((len(prompts), len(names), len(names)))
    for vote in of_question:
        prompt, left, right = prompts.index(vote.prompt), *map(names.index, (vote.left, vote.right))
        wins[prompt, left, right] += POINTS[vote.choice]
        wins[prompt, right, left] += 1 - POINTS[vote.choice]
    fit = stats.preferences(wins)
    return Preference(question, tuple(names), tuple(of_question), fit) if fit else None


def still_missing(given: Preference, labels: Mapping[str, str]) -> str:
    """How many votes a decision between the two best still needs."""
    first, second = (labels.get(model, model) for model in given.best)
    if given.fit.missing == 0:
        return f"Decided: {first} is preferred to {second}; no more votes are needed."
    if given.fit.missing is None:
        return (
            f"{first} and {second} are so alike that even {stats.NEVER:,} votes would not decide."
        )
    return (
        f"A decision between the two best, {first} and {second}, still needs about "
        f"{given.fit.missing} votes like those so far, if the gap stays as it is."
    )
