"""The heap: what is freed between arrays that live on goes back to the system."""

import numpy as np
import psutil
import pytest

from bench.vision.heap import give_back_holes

MIB = 2**20


@pytest.mark.skipif(not psutil.LINUX, reason="needs glibc")
def test_holes_between_arrays_that_live_on_are_given_back() -> None:
    process = psutil.Process()
    arrays = [np.ones(2**16, np.uint8) for _ in range(4096)]
    survivors = arrays[::8]
    del arrays
    before = process.memory_info().rss
    give_back_holes()
    assert process.memory_info().rss <= before - 150 * MIB
    assert all(each.all() for each in survivors)
