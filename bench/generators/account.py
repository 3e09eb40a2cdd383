"""Account: what making a clip took where this process could only wait for it, or be told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args, get_type_hints

from bench.errors import BenchError

Basis = Literal["program", "request", "declared"]


@dataclass(frozen=True)
class Account:
    """How one clip came about outside this process.

    Attributes:
        basis: who says so. `program`: a program was run and timed as a whole, the loading of its
            weights included. `request`: a server was asked and the answer waited for, its queue
            included. `declared`: whoever supplied the clip says so, and nobody checked.
        latency_s: seconds from the start to the clip; None if unknown.
        price_usd: what the clip cost; None if unknown.
        started_at_s: when it was begun, seconds since 1970; None if unknown.
        attempts: how many requests were sent to have the job accepted; None for other clips.
        concurrency: how many requests were under way at once; None for other clips.
        server_latency_s: seconds of compute as the server reports them; None if it does not.
        server_peak_memory_bytes: of its accelerator, as the server reports it; None if not.
    """

    basis: Basis
    latency_s: float | None = None
    price_usd: float | None = None
    started_at_s: float | None = None
    attempts: int | None = None
    concurrency: int | None = None
    server_latency_s: float | None = None
    server_peak_memory_bytes: int | None = None


_PUBLIC = get_type_hints(Account)


def read_account(entry: object, where: str) -> Account | None:
    """The account that stands in a result file, checked; None where a clip has none.

    Keys that are not known are left alone.

    Raises:
        BenchError: if it is anything but an account; `where` is named.
    """
    if entry is None:
        return None
    if not isinstance(entry, Mapping) or not _PUBLIC.keys() <= entry.keys():
        raise BenchError(f"{where}: expected 'account' with the keys {', '.join(_PUBLIC)}")
    if entry["basis"] not in get_args(Basis):
        raise BenchError(f"{where}: expected 'basis' as one of {get_args(Basis)}")
    for key in _PUBLIC.keys() - {"basis"}:
        if entry[key] is not None and not is_amount(entry[key]):
            raise BenchError(f"{where}: expected {key!r} as a number from 0, came {entry[key]!r}")
    return Account(**{key: entry[key] for key in _PUBLIC})


def is_amount(value: object) -> bool:
    """Whether a value is a finite number from 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0
