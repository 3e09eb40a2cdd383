r"""The headline with another measure of one kind of damage, before everything is scored anew.

steadybench validate path=[packaged,DIR] films=15 workers=2 into=NEW --allow-code \
    '~metrics.compute' '+metrics.compute={mine: mymodule.mine}'
steadybench validate people=DIR workers=2 into=NEW --allow-code \
    '~metrics.compute' '+metrics.compute={mine: mymodule.mine}'
python -m tools.headline NEW mine tremble --scale 0.18 --power 2

The measure is a metric of one's own; `bench.metrics.coherence.over_windows` looks at a clip as the
headline does. All other parts are those of the published examinations. What must hold is printed
of the published headline and of the other: so the tables of docs/method.md compare versions.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hydra import compose, initialize_config_dir

from bench.commands import print_table
from bench.config import build_metrics
from bench.errors import BenchError, attempt
from bench.metrics.coherence import PARTS, SCALES
from bench.metrics.headline import MOST, headline, lost
from bench.storage import CONF, PACKAGE
from bench.validation import page, people_page
from bench.validation.scores import Opinion, Value, judging

Scored = TypeVar("Scored", Value, Opinion)

PUBLISHED = PACKAGE.parent / "leaderboard"


def recharged(
    published: Scored, measured: float | None, part: str, scale: float, power: float
) -> Scored:
    """A clip with the headline that it has if one part of it is charged by what was measured.

    The charges of the other parts follow from the points lost, which are in proportion to their
    squares. A clip without a headline, or of which nothing was measured, stays as it is.
    """
    coherence = published.scores.get(page.HEADLINE)
    if coherence is None or measured is None:
        return published
    depth, points = -math.log(coherence / 100), (100 - coherence) or 1.0
    charges = {
        name: depth * math.sqrt((published.scores[f"lost_{name}"] or 0.0) / points)
        for name in PARTS
    }
    charges[part] = min(MOST, (max(0.0, measured) / scale) ** power)
    points_lost = {f"lost_{name}": each for name, each in lost(charges).items()}
    scores = {**published.scores, page.HEADLINE: headline(charges), **points_lost}
    return replace(published, scores=scores)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what must hold, of both headlines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="NEW", type=Path, help="where validate wrote its scores")
    parser.add_argument("metric", metavar="METRIC", help="the measure's name there")
    parser.add_argument("part", choices=SCALES, help="the part of the headline that it replaces")
    parser.add_argument("--scale", type=float, help="at which a clip keeps 37 points")
    parser.add_argument("--power", type=float)
    return attempt(lambda: _compare(parser.parse_args(arguments)))


def _compare(given: argparse.Namespace) -> int:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        metrics = build_metrics(judging(compose("health").metrics.compute))
    usual = SCALES[given.part]
    scale, power = given.scale or usual[0], given.power or usual[1]
    rows: list[tuple[str, str, str]] = []

    def judge(
        file: str,
        kind: type[Scored],
        clip: Callable[[Scored], Hashable],
        checks: Callable[[list[Scored]], Iterable[page.Check]],
    ) -> None:
        if not (given.folder / file).is_file():
            return
        measured = {clip(v): v.scores.get(given.metric) for v in _read(given.folder / file, kind)}
        before = _read(PUBLISHED / file, kind)
        after = [recharged(v, measured.get(clip(v)), given.part, scale, power) for v in before]
        for one, other in zip(checks(before), checks(after), strict=True):
            rows.append((one.what, one.measured, other.measured))

    judge("health.json", Value, lambda v: (v.piece, v.kind, v.level), page.checks)
    judge("people.json", Opinion, lambda v: v.file, lambda all_: people_page.checks(all_, metrics))
    if not rows:
        raise BenchError(f"expected health.json or people.json in {given.folder}, got neither")
    print_table(("what must hold", "published", f"with {given.metric}"), rows)
    return 0


def _read(path: Path, kind: type[Scored]) -> list[Scored]:
    """What `steadybench validate` wrote."""
    try:
        return [kind(**each) for each in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(f"{path}: expected what validate writes, but {error}") from None


if __name__ == "__main__":
    sys.exit(main())
