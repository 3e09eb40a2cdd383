"""The tables of systems and of servers, computed from accounts and cards."""

from typing import Any

import fake_results as fake
import pytest
from fake_results import account

from bench.leaderboard.data.rows import boards
from bench.leaderboard.tables.costs import reported, served, system_tables
from bench.leaderboard.tables.table import Cell
from bench.schema import Result


def loaded(accounts: list[dict[str, Any] | None], **changes: Any) -> Result:
    clips = [
        fake.clip(f"p{n:02d}", latency_s=None, account=told, scores={"flicker": 0.1})
        for n, told in enumerate(accounts)
    ]
    content = fake.result("m", clips, prompts=len(clips), measured=False, **changes)
    return fake.loaded(content)


def row(result: Result, title: str) -> dict[str, str]:
    (board,) = boards([result])
    (table,) = [table for table in system_tables(board) if table.title == title]
    return dict(zip(table.headers, table.texts[0], strict=True))


def request(start: float, seconds: float, **changes: Any) -> dict[str, Any]:
    return account(
        started_at_s=1000 + start, latency_s=seconds, attempts=1, concurrency=2, **changes
    )


def test_requests_per_second_count_the_time_in_which_any_was_under_way() -> None:
    # Two together for 10 s, a pause, as after a resumed run, then one for 10 s.
    told = [request(0, 10), request(0, 10), request(500, 10)]
    (answer,) = served(loaded([*told]))
    assert answer.requests_per_s == pytest.approx(3 / 20)
    assert answer.latency_s == (10, 10)


def test_percentiles_attempts_and_what_the_server_reports() -> None:
    told = [request(n, n + 1.0, server_latency_s=n / 2) for n in range(20)]
    told[3] |= {"attempts": 21, "server_peak_memory_bytes": 3 * 2**30}
    (answer,) = served(loaded([*told]))
    assert answer.latency_s == pytest.approx((10.5, 19.05))
    assert answer.attempts == 2
    assert answer.server_latency_s == 4.75
    assert answer.server_peak_gib == 3


def test_concurrencies_stacks_and_gpus_do_not_mix() -> None:
    told = [request(0, 10), request(0, 30) | {"concurrency": 8}]
    result = loaded([*told])
    assert [answer.latency_s[0] for answer in served(result)] == [10, 30]
    assert not {"stack", "GPUs"} & row(result, "Servers").keys()
    told = [
        request(0, 10, stack="vLLM-Omni 0.21.0"),
        request(0, 4, stack="vLLM-Omni 0.22.0", gpus=4),
    ]
    result = loaded([*told])
    assert [(a.stack, a.gpus, a.latency_s[0]) for a in served(result)] == [
        ("vLLM-Omni 0.21.0", None, 10),
        ("vLLM-Omni 0.22.0", 4, 4),
    ]
    assert row(result, "Servers")["stack"] == "vLLM-Omni 0.21.0"


def test_what_is_declared_is_called_declared() -> None:
    card = {"title": "Some Model", "licence": "closed", "declared_s_per_video_s": 8.28}
    card |= {"max_seconds": 10, "resolution": "1920x1080", "open_weights": False}
    result = loaded([None, None], card=card)
    by_maker = row(result, "Declared")
    assert by_maker["s per s of video"] == "8.28"
    assert by_maker["largest"] == "1920x1080"
    assert "USD per s of video" not in by_maker
    assert reported(result) == Cell(8.28, note="declared by the maker")
    # What was declared with the clips themselves goes before the maker's own figure.
    told = [account("declared", latency_s=6.0, price_usd=1.0), account("declared", latency_s=2.0)]
    result = loaded([*told], card=card)
    # 8 s for 2 clips of 16 frames at 8 fps
    assert reported(result) == Cell(2.0, note="declared with the clips")
    assert row(result, "Declared")["USD per s of video"] == "0.500"


def test_where_nothing_more_is_known_there_is_no_table() -> None:
    (board,) = boards([loaded([None])])
    assert not list(system_tables(board))
