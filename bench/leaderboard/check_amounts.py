"""Sizes, times, prices and names in a published result: within what can be, and what can be read.

The limits are far beyond any model: they keep a table readable, and judge nobody.
"""

from collections.abc import Iterator, Mapping, Sequence

from bench.leaderboard.tables.words import named
from bench.leaderboard.units import Range
from bench.schema import ClipResult, Hardware, Result

_MOST_S = 1e7  # four months
_MOST_VIDEO_S = 1e5
_MOST_BYTES = 2.0**50
_MOST_PRICE = 1e9  # in whatever currency
_MOST_LETTERS = 200

_OF_CLIP: Mapping[str, Range] = {
    "frames": (0, 1e6),
    "height": (0, 2**16),
    "width": (0, 2**16),
    "fps": (0, 1e4),
    "seconds_requested": (0, _MOST_VIDEO_S),
    "latency_s": (0, _MOST_S),
    "energy_j": (0, 1e12),
    "peak_memory_allocated_bytes": (0, _MOST_BYTES),
    "peak_memory_reserved_bytes": (0, _MOST_BYTES),
}
_OF_ACCOUNT: Mapping[str, Range] = {
    "latency_s": (0, _MOST_S),
    "price_usd": (0, _MOST_PRICE),
    "server_latency_s": (0, _MOST_S),
    "server_peak_memory_bytes": (0, _MOST_BYTES),
}
_OF_CARD: Mapping[str, Range] = {
    "max_seconds": (0, _MOST_VIDEO_S),
    "declared_s_per_video_s": (0, _MOST_S),
}
_TEXTS = ("title", "licence", "parameters", "resolution")


def wrong_amounts(result: Result) -> Iterator[str]:
    """What can be of no clip, no model and no hardware, one line each."""
    for key in _TEXTS:
        text = getattr(result.card, key)
        if text is not None and not (text.strip() and len(text) <= _MOST_LETTERS):
            came = f"{len(text)} letters" if text.strip() else "blanks"
            yield f"expected {key} of the card as 1 to {_MOST_LETTERS} letters or null, came {came}"
    for key, within in _OF_CARD.items():
        if fault := _fault(getattr(result.card, key), within):
            yield f"{key} of the card {fault}"
    if fault := _fault((result.hardware or Hardware()).price_per_gpu_hour, (0, _MOST_PRICE)):
        yield f"price_per_gpu_hour {fault}"
    for key, within in _OF_CLIP.items():
        yield from _out_of(key, [(clip, getattr(clip, key)) for clip in result.clips], within)
    accounts = [(clip, clip.delivery) for clip in result.clips if clip.delivery is not None]
    for key, within in _OF_ACCOUNT.items():
        values = [(clip, getattr(account, key)) for clip, account in accounts]
        yield from _out_of(f"{key} of the account", values, within)


def _out_of(
    key: str, values: Sequence[tuple[ClipResult, float | None]], within: Range
) -> Iterator[str]:
    out = [(clip, fault) for clip, value in values if (fault := _fault(value, within))]
    if out:
        yield f"{named([clip for clip, _ in out])}: {key} {out[0][1]}"


def _fault(value: float | None, within: Range) -> str | None:
    low, high = within
    if value is None or low <= value <= high:
        return None
    return f"is {value:g}, expected {low:g} to {high:g}"
