"""What is said about the times of a run."""

import pytest

from bench.measure.warnings import Timing, disturbances, remarks

STEADY = [Timing(latency) for latency in (10.0, 10.1, 10.0, 9.9, 10.0, 10.1)]


def test_steady_times_need_no_remark() -> None:
    assert remarks(STEADY) == []
    assert remarks([]) == []


@pytest.mark.parametrize(
    ("timings", "expected"),
    [
        ([Timing(15.0), *STEADY], "took 1.5 times the median of the rest"),
        ([*STEADY, Timing(13.0), Timing(12.5)], "add seeds"),
        ([*STEADY, Timing(10.0, alone=False)], "on the GPU during 1 of 7 clips"),
        ([*STEADY, Timing(10.0, slowed_by=("power_cap", "too_hot"))], "1 of 7 clips (too_hot)"),
    ],
)
def test_what_disturbs_a_time_is_said_once_with_what_to_do(
    timings: list[Timing], expected: str
) -> None:
    (line,) = remarks(timings)
    assert expected in line
    assert "\n" not in line


def test_a_cold_first_clip_needs_no_remark() -> None:
    assert remarks([Timing(15.0, warm=False), *STEADY]) == []


def test_the_power_limit_is_no_fault() -> None:
    assert disturbances([Timing(10.0, alone=True, slowed_by=("power_cap",))]) == []


def test_who_cannot_be_seen_is_not_reported() -> None:
    assert disturbances([Timing(10.0, alone=None)]) == []


def test_times_of_fractions_of_a_second_are_left_alone() -> None:
    assert remarks([Timing(0.1), *[Timing(0.01)] * 9]) == []


def test_each_shape_is_held_against_itself() -> None:
    longer = [Timing(6 * t.latency_s, shape=(162, (480, 832))) for t in STEADY]
    assert remarks([*STEADY, *longer]) == []
    (line,) = remarks([*STEADY, Timing(90.0, shape=(162, (480, 832))), *longer])
    assert line.startswith("162 frames of 832x480: the first timed clip took 1.5 times")


def test_what_disturbs_all_shapes_is_said_once() -> None:
    (line,) = remarks([Timing(10.0, alone=False), Timing(60.0, alone=False, shape=(162, None))])
    assert "during 2 of 2 clips" in line
