"""What a buyer asks of each system: size, length, licence, and how long a second of video takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.data.rows import SuiteBoard
from bench.leaderboard.tables.digits import number, with_interval
from bench.leaderboard.tables.table import NONE, Cell, Column, Table, text_columns
from bench.schema import Basis, ClipResult, Delivery, Result

_HOW: Mapping[Basis, str] = {
    "program": "whole program, loading included",
    "request": "request to answer, queue included",
    "declared": "declared with the clips",
}


@dataclass(frozen=True)
class Served:
    """How a server answered.

    Attributes:
        clips: how many it delivered.
        concurrency: requests under way at once.
        latency_s: median and 95% percentile of seconds from request to clip.
        requests_per_s: delivered over the time in which any request was under way.
        attempts: requests sent for a clip, on average; 1 if none had to be repeated.
        server_latency_s: median seconds of compute as it reports them; None if it does not.
        server_peak_gib: highest peak as it reports it; None if it does not.
    """

    clips: int
    concurrency: int
    latency_s: tuple[float, float]
    requests_per_s: float
    attempts: float
    server_latency_s: float | None
    server_peak_gib: float | None


def systems(board: SuiteBoard, headline: str) -> Iterator[Table]:
    """One table of all systems of a suite, and one of those behind a server.

    Left out where nothing is known but what other tables say.
    """
    if any(_is_known(result) for result in board.results):
        yield _overview(board, headline)
    answers = {
        (result.model, count): served(result, count)
        for result in board.results
        for count in sorted(
            {a.concurrency for _, a in _accounts(result, "request") if a.concurrency}
        )
    }
    rows = [(board.labels[model], answer) for (model, _), answer in answers.items() if answer]
    if rows:
        yield _served_table(rows)


def served(result: Result, concurrency: int) -> Served | None:
    """How a server answered at this concurrency; None if it delivered nothing."""
    accounts = [
        account
        for _, account in _accounts(result, "request")
        if account.concurrency == concurrency and account.latency_s is not None
    ]
    if not accounts:
        return None
    p50, p95 = np.quantile([account.latency_s or 0.0 for account in accounts], [0.5, 0.95]).tolist()
    compute = [a.server_latency_s for a in accounts if a.server_latency_s is not None]
    peaks = [a.server_peak_memory_bytes for a in accounts if a.server_peak_memory_bytes is not None]
    return Served(
        clips=len(accounts),
        concurrency=concurrency,
        latency_s=(p50, p95),
        requests_per_s=len(accounts) / _busy_s(accounts),
        attempts=float(np.mean([account.attempts or 1 for account in accounts])),
        server_latency_s=float(np.median(compute)) if compute else None,
        server_peak_gib=max(peaks) / 2**30 if peaks else None,
    )


def _busy_s(accounts: Sequence[Delivery]) -> float:
    """Seconds in which at least one request was under way; pauses between runs do not count."""
    spans = sorted(
        (account.started_at_s or 0.0, (account.started_at_s or 0.0) + (account.latency_s or 0.0))
        for account in accounts
    )
    busy_s, reached = 0.0, spans[0][0]
    for start, end in spans:
        busy_s += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return busy_s


def _is_known(result: Result) -> bool:
    published = (result.card.resolution, result.card.declared_s_per_video_s)
    return any(fact is not None for fact in published) or any(
        clip.delivery for clip in result.clips
    )


def _accounts(result: Result, basis: Basis) -> list[tuple[ClipResult, Delivery]]:
    return [
        (clip, clip.delivery)
        for clip in result.clips
        if clip.status == "ok" and clip.delivery is not None and clip.delivery.basis == basis
    ]


def _overview(board: SuiteBoard, headline: str) -> Table:
    coherence = {
        row.result.model: with_interval(interval)
        for group in board.groups
        for row in (*group.complete, *group.partial)
        if headline in group.metrics and (interval := row.scores[headline].interval)
    }
    measured = {
        row.result.model: (row.compute_per_video_s, f"compute on {device}")
        for device, rows in board.speeds.items()
        for row in rows
    }
    prices = {result.model: _usd_per_video_s(result) for result in board.results}
    columns = (
        Column("system", text=True),
        Column("resolution"),
        Column("largest"),
        Column("longest, s"),
        Column(headline),
        Column("open weights", text=True),
        Column("licence", text=True),
        Column("s per s of video"),
        Column("how that is known", text=True),
        Column("declared USD per s of video"),
    )
    rows = []
    for result in board.results:
        card = result.card
        speed, how = measured.get(result.model) or told(result)
        texts = (
            board.labels[result.model],
            size(result),
            card.resolution or NONE,
            NONE if card.max_seconds is None else number(card.max_seconds),
            coherence.get(result.model, NONE),
            {True: "yes", False: "no", None: NONE}[card.open_weights],
            card.licence or NONE,
            NONE if speed is None else number(speed),
            how,
            NONE if prices[result.model] is None else number(prices[result.model] or 0.0),
        )
        rows.append(tuple(map(Cell, texts)))
    shown = [
        index
        for index, column in enumerate(columns)
        if column.name not in (headline, columns[-1].name)
        or any(row[index].text != NONE for row in rows)
    ]
    return Table(
        "Systems",
        tuple(columns[index] for index in shown),
        tuple(tuple(row[index] for index in shown) for row in rows),
        above=(
            "Resolution is that of the clips here; largest and longest are as the cards have them.",
        ),
    )


def size(result: Result) -> str:
    """Width and height of the clips, as a text."""
    sizes = sorted({(clip.width, clip.height) for clip in result.clips if clip.status == "ok"})
    others = f" and {len(sizes) - 1} more" if len(sizes) > 1 else ""
    return f"{sizes[-1][0]}x{sizes[-1][1]}{others}" if sizes else NONE


def told(result: Result) -> tuple[float | None, str]:
    """Seconds per second of video as clips' accounts have it, else as the maker publishes it."""
    for basis, how in _HOW.items():
        known = [
            (account.latency_s, clip.video_s)
            for clip, account in _accounts(result, basis)
            if account.latency_s is not None
        ]
        if known:
            return sum(took for took, _ in known) / sum(video_s for _, video_s in known), how
    if result.card.declared_s_per_video_s is not None:
        return result.card.declared_s_per_video_s, "declared by the maker"
    return None, NONE


def _usd_per_video_s(result: Result) -> float | None:
    known = [
        (account.price_usd, clip.video_s)
        for clip, account in _accounts(result, "declared")
        if account.price_usd is not None
    ]
    return sum(usd for usd, _ in known) / sum(video_s for _, video_s in known) if known else None


def _served_table(rows: Sequence[tuple[str, Served]]) -> Table:
    return Table(
        "Servers",
        (
            *text_columns(["model"]),
            *map(
                Column,
                (
                    "clips",
                    "at once",
                    "s per request p50 (p95)",
                    "requests/s ↑",
                    "attempts per clip",
                    "server-reported s",
                    "server-reported peak GiB",
                ),
            ),
        ),
        tuple(
            tuple(
                map(
                    Cell,
                    (
                        label,
                        str(answer.clips),
                        str(answer.concurrency),
                        f"{number(answer.latency_s[0])} ({number(answer.latency_s[1])})",
                        number(answer.requests_per_s),
                        number(answer.attempts),
                        NONE
                        if answer.server_latency_s is None
                        else number(answer.server_latency_s),
                        NONE if answer.server_peak_gib is None else f"{answer.server_peak_gib:.1f}",
                    ),
                )
            )
            for label, answer in rows
        ),
        above=("A request's seconds are those of waiting: queue, generation, download, retries.",),
    )
