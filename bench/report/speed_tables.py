"""Tables of speed, one per device."""

from collections.abc import Sequence

from bench.report.digits import number
from bench.report.speed import Speed
from bench.report.table import NONE, Cell, Column, Table
from bench.report.words import plural


def speed_table(device: str, rows: Sequence[Speed]) -> Table:
    """How fast models made their clips on one device, fastest first."""
    return Table(
        f"Speed on {device}",
        (
            Column("model", text=True),
            Column("clip", text=True),
            Column("clips timed"),
            Column("frames/s ↑"),
            Column("s of compute per s of video ↓"),
            Column("s per clip p50 (p05-p95)"),
            Column("peak GiB allocated / reserved"),
            Column("kJ per s of video"),
        ),
        tuple(_speed_cells(row) for row in rows),
    )


def _speed_cells(row: Speed) -> tuple[Cell, ...]:
    frames, width, height, fps = row.shapes[0]
    others = f", and {plural(len(row.shapes) - 1, 'other shape')}" if len(row.shapes) > 1 else ""
    p05, p50, p95 = map(number, row.latency_s)
    memory = [
        NONE if gib is None else f"{gib:.1f}" for gib in (row.allocated_gib, row.reserved_gib)
    ]
    texts = (
        row.label + (" (random weights)" if row.result.random_weights else ""),
        f"{plural(frames, 'frame')} {width}x{height} at {number(fps)} fps{others}",
        str(row.clips),
        number(row.frames_per_s),
        number(row.compute_per_video_s),
        f"{p50} ({p05}-{p95})",
        NONE if memory == [NONE, NONE] else " / ".join(memory),
        NONE if row.kj_per_video_s is None else number(row.kj_per_video_s),
    )
    return tuple(map(Cell, texts))
