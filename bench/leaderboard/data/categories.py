"""The headline by category of prompt: which kinds of clip hold together, and which do not."""

from collections import Counter
from collections.abc import Iterator

from bench import statistics as stats
from bench.leaderboard.data.rows import Group, prompt_means
from bench.leaderboard.tables.score_cells import mean_text, without_interval
from bench.leaderboard.tables.table import Cell, Column, Table, in_parts

CATEGORIES_PER_TABLE = 9


def by_category(group: Group, headline: str) -> dict[str, dict[str, stats.Interval | None]]:
    """The headline's mean over the prompts of each category, with its interval.

    Returns:
        Category, in alphabetical order, to model to interval; without prompts of no category.
    """
    category = prompt_categories(group)
    means = {row.result.model: prompt_means(row.result, headline) for row in group.complete}
    cells = [(kind, model) for kind in sorted(set(category.values())) for model in means]
    found = stats.intervals(
        [
            [value for prompt, value in means[model].items() if category.get(prompt) == kind]
            for kind, model in cells
        ]
    )
    table: dict[str, dict[str, stats.Interval | None]] = {}
    for (kind, model), interval in zip(cells, found, strict=True):
        table.setdefault(kind, {})[model] = interval
    return table


def prompt_categories(group: Group) -> dict[str, str]:
    """Prompt to category; the results of a group share their prompts, and so these."""
    return {
        clip.prompt: clip.category
        for row in (*group.complete, *group.partial)
        for clip in row.result.clips
        if clip.category is not None
    }


def category_tables(group: Group, suffix: str, headline: str) -> Iterator[Table]:
    """Tables of models by categories; none where there is but one category."""
    counts = Counter(prompt_categories(group).values())
    if headline not in group.metrics or not group.complete or len(counts) < 2 or group.footage:
        return
    found = by_category(group, headline)
    kinds = list(found)
    for part, shown in in_parts(kinds, CATEGORIES_PER_TABLE):
        yield Table(
            f"Categories{suffix}{part}",
            (
                Column("model", text=True),
                *(Column(f"{kind} ({counts[kind]})") for kind in shown),
            ),
            tuple(
                (
                    Cell(row.label),
                    *(Cell(mean_text(found[kind][row.result.model])) for kind in shown),
                )
                for row in group.complete
            ),
            above=()
            if shown[0] != kinds[0]
            else (
                f"{headline.capitalize()} over the prompts of each category, how many there are "
                "in brackets: too few to rank by, enough to see what a model is bad at.",
            ),
            below=without_interval(
                (each for kind in shown for each in found[kind].values()), "prompts"
            ),
        )
