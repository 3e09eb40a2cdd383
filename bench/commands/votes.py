"""Which model do we prefer? Votes that were cast in a leaderboard's page are counted.

Strengths with 95% intervals, agreement between voters, and how well each metric agrees with them.

Examples:
  steadybench votes votes/*.jsonl leaderboard          with the results of a leaderboard
  steadybench votes ana.jsonl ben.jsonl outputs/toy/*  of two voters, with those of runs
  steadybench votes votes/*.jsonl outputs/toy          with those of all runs of a suite
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from bench import statistics as stats
from bench.commands import parser
from bench.errors import BenchError, attempt
from bench.leaderboard.data.files import find, load_each, read_each
from bench.leaderboard.data.rows import HEADLINE, Group, SuiteBoard, boards
from bench.leaderboard.data.votes import (
    POINTS,
    Preference,
    Vote,
    matching,
    preference,
    read_votes,
    still_missing,
)
from bench.leaderboard.render.console import show_or_draw
from bench.leaderboard.tables.table import (
    Cell,
    Column,
    Table,
    mean_cell,
    percent,
    plain,
    plural,
    tabulate,
)
from bench.schema import MetricDescription, Result
from bench.statistics import Interval
from bench.validation.agreement import Agreement, agreement

MOST_FAULTS = 20
"""So many votes that do not count are named; the others are counted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake that the user can mend."""
    command = parser("votes", __doc__)
    command.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="votes (*.jsonl), and the results"
    )
    options = command.parse_args(arguments)
    return attempt(lambda: _count(options.paths))


def _count(paths: Sequence[Path]) -> int:
    ballots = [path for path in paths if path.suffix == ".jsonl"]
    places = [path for path in paths if path.suffix != ".jsonl"]
    if not ballots or not places:
        missing = "results" if ballots else "votes (*.jsonl)"
        raise BenchError(f"expected votes (*.jsonl) and results, got no {missing}: see --help")
    for path in ballots:
        if not path.exists():
            raise BenchError(f"expected votes at {path}, there are none: export them from the page")
    results = list(load_each(read_each(find(places)), "give one of them").values())
    votes, unread = read_votes(ballots)
    usable, strangers = matching(votes, results)
    faults = [*unread, *strangers]
    for line in faults[:MOST_FAULTS]:
        sys.stderr.write(f"steadybench: {plain(line)}\n")
    if (rest := len(faults) - MOST_FAULTS) > 0:
        sys.stderr.write(f"steadybench: and {rest} more\n")
    screen = Console(highlight=False, soft_wrap=True)
    counted = False
    for board in boards(results, usable):
        for group in board.groups:
            for question in sorted({v.question for v in usable if v.suite == board.suite}):
                own = [v for v in usable if (v.suite, v.question) == (board.suite, question)]
                if given := preference(own, (row.result.model for row in group.rows)):
                    counted = True
                    _show(given, own, board, group, screen)
    if not counted:
        raise BenchError(
            f"expected votes on two prompts or more between models that compare, got "
            f"{plural(len(usable), 'vote')} on clips of these results"
        )
    return 0


def _show(
    given: Preference, votes: Sequence[Vote], board: SuiteBoard, group: Group, screen: Console
) -> None:
    results = {row.result.model: row.result for row in group.rows}
    tables = [strengths_table(given, board.labels)]
    tables += filter(None, [agreement_table(given, results)])
    screen.print(Text(plain(f"{board.suite}: {given.question}")))
    for line in _facts(given, votes):
        screen.print(Text(line))
    show_or_draw(tables, board.suite, screen)
    screen.print()
    screen.print(Text(plain(still_missing(given, board.labels)), style="bold"))


def _facts(given: Preference, votes: Sequence[Vote]) -> Iterator[str]:
    count, ties = len(given.votes), sum(vote.winner is None for vote in given.votes)
    skips = sum(vote.choice == "skip" for vote in votes)
    voters = plural(len({vote.voter for vote in given.votes}), "voter")
    prompts = plural(len({vote.prompt for vote in given.votes}), "prompt")
    yield (
        f"{plural(count, 'vote')} of {voters} on {prompts}; {plural(ties, 'tie')} "
        f"({ties / count:.0%}); {plural(skips, 'skip')}, which do not count."
    )
    same, pairs = voters_agree(given.votes)
    if pairs:
        share = f"{same / pairs:.0%} of {plural(pairs, 'case')}"
        yield f"Two voters on the same two clips say the same in {share}."
    else:
        yield "No two voters saw the same two clips, so their agreement is not known."
    left = [vote.choice == "left" for vote in given.votes if vote.winner]
    if left:
        yield f"The left clip was taken in {np.mean(left):.0%} of {len(left)} decided votes."


def voters_agree(votes: Sequence[Vote]) -> tuple[int, int]:
    """How often two voters on the same two clips say the same, of how many such cases."""
    by_clips: defaultdict[object, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_clips[vote.clips].append(vote)
    cases = [pair for same in by_clips.values() for pair in combinations(same, 2)]
    return sum(one.winner == other.winner for one, other in cases), len(cases)


# ---- Tables ----


def strengths_table(given: Preference, labels: Mapping[str, str]) -> Table:
    """Strength and share of wins of each model, the strongest first."""
    ordered = [given.models[place] for place in given.fit.order]
    counts = {
        model: sum(model in (vote.left, vote.right) for vote in given.votes) for model in ordered
    }
    columns: list[Column[str]] = [
        Column("model", lambda model: labels.get(model, model), kind="name"),
        Column("preferred", lambda m: mean_cell(given.shares[m]), percent, better="higher"),
        Column("strength", lambda m: mean_cell(given.strengths[m]), _ends, better="higher"),
        Column("votes", counts.__getitem__),
    ]
    above = (
        "Bradley-Terry: preferred is the chance to be taken before another of these models, "
        "strength is in log-odds around 0. A tie is half a win for both. Brackets hold 95% "
        "intervals: bootstrap over prompts."
    )
    return tabulate("Preferences", columns, ordered, above=[above])


def agreement_table(given: Preference, results: Mapping[str, Result]) -> Table | None:
    """How well each metric that ranks agrees with the votes; None without any."""
    metrics = {n: m for result in results.values() for n, m in result.metrics.items() if m.better}
    agreements = {
        name: agreed
        for name, metric in metrics.items()
        if (agreed := _agreement(name, metric, given.votes, results))
    }

    def spearman(name: str) -> Cell:
        agrees = agreements[name][1]
        if agrees.low is None or agrees.high is None:
            return Cell(agrees.spearman)
        return Cell(agrees.spearman, (agrees.low, agrees.high))

    columns: list[Column[str]] = [
        Column("metric", lambda name: Cell(name, strong=name == HEADLINE), kind="name"),
        Column("votes predicted", lambda n: mean_cell(agreements[n][0]), percent, better="higher"),
        Column("Spearman", spearman, _ends),
        Column("clips", lambda name: agreements[name][1].clips),
    ]
    above = (
        "Votes predicted: how many of the decided votes went to the clip that the metric puts "
        "first (half is chance). Spearman: rank correlation of the metric with the share of its "
        "votes that a clip won. Brackets hold 95% intervals: bootstrap over prompts."
    )
    if not agreements:
        return None
    rows = sorted(agreements, key=lambda name: (-agreements[name][0].mean, name))
    return tabulate("Do the metrics agree with these votes?", columns, rows, above=[above])


def _agreement(
    name: str, metric: MetricDescription, votes: Sequence[Vote], results: Mapping[str, Result]
) -> tuple[Interval, Agreement] | None:
    """Share of decided votes that went to the clip which a metric puts first; agreement with all.

    All is the share of its votes that a clip won. A value that both clips share predicts half a
    vote; None if no vote was decided between clips with values.
    """
    sign = 1.0 if metric.better == "higher" else -1.0
    values = {
        (model, *clip.sample): sign * value
        for model, result in results.items()
        for clip in result.clips
        if (value := clip.scores.get(name)) is not None
    }
    right: defaultdict[str, float] = defaultdict(float)
    decided: defaultdict[str, float] = defaultdict(float)
    won: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    for vote in votes:
        left, other = ((model, *vote.sample) for model in (vote.left, vote.right))
        points = POINTS[vote.choice]
        won[left].append(points)
        won[other].append(1 - points)
        if vote.winner and left in values and other in values:
            ahead = np.sign(values[left] - values[other]) * (1 if points else -1)
            right[vote.prompt] += (ahead + 1) / 2
            decided[vote.prompt] += 1
    clips = sorted(won)
    agrees = agreement(
        [values.get(clip, np.nan) for clip in clips],
        [float(np.mean(won[clip])) for clip in clips],
        [prompt for _, prompt, _ in clips],
        [model for model, _, _ in clips],
    )
    predicted = stats.ratio([right[prompt] for prompt in decided], list(decided.values()))
    return (predicted, agrees) if predicted else None


def _ends(cell: Cell) -> str:
    """`0.41 (-0.1 to 0.92)`."""
    ends = " to ".join(f"{end:.2f}" for end in cell.interval or ())
    return f"{cell.number:.2f}" + (f" ({ends})" if ends else "")


if __name__ == "__main__":
    sys.exit(main())
