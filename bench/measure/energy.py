"""Energy of one generation, from the board's own counter; or why it cannot be trusted."""

from bench.measure.gpu import Board

# The counter moves in steps of up to a tenth of a second, which short windows drown in.
SHORTEST_S = 2.0


def energy_j(
    board: Board | None,
    before_mj: int | None,
    after_mj: int | None,
    latency_s: float,
    *,
    alone: bool | None,
) -> tuple[float | None, str | None]:
    """Joules that a board drew in a window, and if there are none, why.

    Args:
        board: that computed; None on a CPU.
        before_mj: its counter at the beginning, after a synchronisation.
        after_mj: its counter at the end, after another.
        latency_s: length of the window.
        alone: whether nobody else computed there.
    """
    if board is None:
        return None, "no CUDA device"
    if board.missing is not None:
        return None, board.missing
    if board.mig:
        return None, "the GPU is split (MIG), and its counter is that of the whole board"
    if before_mj is None or after_mj is None:
        return None, "this GPU has no energy counter"
    if after_mj < before_mj:
        return None, "the energy counter went backwards: the driver was reloaded"
    if latency_s < SHORTEST_S:
        return None, f"shorter than {SHORTEST_S:g} s, too short for the counter"
    if alone is None:
        return None, "whether another process used the GPU cannot be told"
    if not alone:
        return None, "another process was on the GPU"
    return (after_mj - before_mj) / 1e3, None
