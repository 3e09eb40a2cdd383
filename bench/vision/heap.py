"""Heap: memory that scoring has freed goes back to the system, where the C library is glibc."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3), as malloc.h has them
_MAPPED_FROM_BYTES, _KEPT_BYTES = 4 * 2**20, 128 * 2**20


def map_large_arrays() -> None:
    """Have freed arrays of 4 MiB and more given back to the system.

    By itself the library takes ever larger ones, up to 32 MiB, out of one heap, in which holes stay
    between what lives on: a third of a process that scores a long clip. Once it is told the one
    size, it would also give back what is free at the heap's end whenever that is over 128 KiB, and
    a seventh of scoring would be the system's clearing the same pages again and again: 128 MiB of
    it stay.
    """
    with suppress(AttributeError, OSError, TypeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_back_holes() -> None:
    """Give back what is free between smaller arrays that live on: a third again, of a minute."""
    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
