"""Compare two results on the prompts that both have: which is better, and where do they differ?

Differences are paired, prompt by prompt, with 95% bootstrap intervals.

Examples:
  steadybench compare outputs/toy/toy_steady outputs/toy/toy_wobbling
  steadybench compare A B --metric adherence --all     judged by another column; every metric
  steadybench compare leaderboard/results/toy/toy_steady.json outputs/toy/toy_frozen
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.commands import parser
from bench.errors import BenchError, attempt, nearest
from bench.leaderboard.data.comparability import languages
from bench.leaderboard.data.files import FILE_NAME, find_one, load
from bench.leaderboard.data.rows import HEADLINE, USABLE, in_order
from bench.leaderboard.pairs import Comparison, Pairs, by_category, most, overall, verdict
from bench.leaderboard.render.console import show_or_draw
from bench.leaderboard.tables.table import failure, plain, plural
from bench.schema import Result, Sample
from bench.storage import RunFolder

_ROWS = 5  # metrics that answer at a glance


@dataclass(frozen=True)
class Side:
    """One of the two results, A or B; a published result has no run's folder with clips."""

    letter: str
    path: Path
    result: Result
    run: RunFolder | None

    @classmethod
    def load(cls, letter: str, path: Path) -> "Side":
        """The one result at a path."""
        file = find_one(path)
        run = RunFolder(file.parent) if file.name == FILE_NAME else None
        return cls(letter, path, load(file), run)

    @property
    def name(self) -> str:
        """The model's name, and whether it is A or B."""
        return f"{self.letter} ({self.result.model})"

    def shows(self, sample: Sample) -> str:
        """Where a clip is to be seen: its preview, else its frames; or why it is not."""
        clip = next(clip for clip in self.result.clips if clip.sample == sample)
        if clip.status != "ok":
            return failure(clip)
        if self.run is None:
            return "published without its clips; give the run's folder to see them"
        files = (self.run.preview(sample), self.run.master(sample))
        return str(next((path for path in files if path.exists()), f"gone from {self.run.root}"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    command = parser("compare", __doc__)
    for letter in "AB":
        command.add_argument(
            letter, type=Path, help="a run's folder, its result.json, or a published result"
        )
    command.add_argument(
        "--metric",
        metavar="NAME",
        help=f"what to judge by; default: {USABLE}, else {HEADLINE}",
    )
    command.add_argument(
        "--all", action="store_true", help=f"all metrics, not the first {_ROWS} alone"
    )
    options = command.parse_args(arguments)
    return attempt(lambda: _compare(options.A, options.B, options.metric, whole=options.all))


def _compare(first: Path, second: Path, metric: str | None, *, whole: bool) -> int:
    a, b = Side.load("A", first), Side.load("B", second)
    both = Comparison(a.result, b.result)
    metrics = _compared(both, a, b, metric)
    screen = Console(highlight=False, soft_wrap=True)
    screen.print(Text(plain(verdict(a.name, b.name, metrics[0])), style="bold"))
    screen.print()
    for line in _heading(both, a, b):
        screen.print(Text(line))
    tables = [overall(metrics if whole else metrics[:_ROWS])]
    if len(both.categories) > 1:
        tables.append(by_category(metrics, both.categories))
    if metrics[0].extremes():
        tables.append(most(metrics[0]))
    show_or_draw(tables, both.a.suite, screen)
    if (hidden := len(metrics) - _ROWS) > 0 and not whole:
        screen.print()
        screen.print(Text(f"{plural(hidden, 'more metric')}: add --all."))
    screen.print()
    for line in _clips(both, a, b, metrics[0]):
        screen.print(Text(line))
    return 0


def _compared(both: Comparison, a: Side, b: Side, metric: str | None) -> list[Pairs]:
    """All metrics that compare, the one to judge by first."""
    if reasons := both.obstacles:
        raise BenchError(
            f"expected two results that compare, {a.path} and {b.path} do not: "
            f"{'; '.join(reasons)}. Run both with the same suite and metrics"
        )
    names, missing = sorted(both.metrics), both.left_out
    metric = metric or (USABLE if USABLE in names else HEADLINE)
    if metric not in names:
        why = f"is in neither{nearest(metric, [*names, *missing])}"
        if metric in missing:
            why = f"does not compare ({missing[metric]})"
        raise BenchError(
            f"expected a metric of both results to judge by, {metric!r} {why}: "
            f"type --metric NAME, of {', '.join(names)}"
        )
    first, *rest = map(both.pairs, in_order(names, metric))
    return [first, *(pairs for pairs in rest if pairs.a)]


def _heading(both: Comparison, *sides: Side) -> Iterator[str]:
    for side, clips in zip(sides, zip(*both.clips.values(), strict=True), strict=True):
        failed = sum(clip.is_failure for clip in clips)
        counted = f"; {plural(failed, 'clip')} failed, a {HEADLINE} of 0 each" if failed else ""
        title = plain(side.result.card.title or side.result.model)
        yield f"{side.letter}: {title} ({side.path}){counted}"
    prompts = len({prompt for prompt, _ in both.clips})
    count, expected = len(both.clips), both.a.expected_clips
    of = f", of {expected}" if count < expected else ""
    yield f"{plural(prompts, f'common {both.noun}')}, {plural(count, 'clip')} each{of}."
    if files := languages(both.a, both.b):
        yield (
            f"One suite in two languages, {' and '.join(files)}: each prompt asks for the same in "
            "other words. Adherence compares only where the same network scored both."
        )
    if missing := both.left_out:
        reasons = ", ".join(f"{plain(name)} ({why})" for name, why in missing.items())
        yield f"Left out: {reasons}."


def _clips(both: Comparison, a: Side, b: Side, pairs: Pairs) -> Iterator[str]:
    """Where to see the clips of the prompts that differ most."""
    if a.run is None and b.run is None:
        yield "To see the clips, give the folders of the runs that made them."
        return
    for name in pairs.extremes():
        sample = both.widest(pairs.metric, name)
        yield f"{plain(str(sample))}:"
        for side in (a, b):
            yield f"  {side.letter}  {plain(side.shows(sample))}"


if __name__ == "__main__":
    sys.exit(main())
