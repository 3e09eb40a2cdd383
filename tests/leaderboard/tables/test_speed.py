"""Speed, and what it took: what shares a table, what is said about gaps, files of before."""

from typing import Any

import fake_results as fake
import pytest
from fake_results import Content

from bench.leaderboard.data.costs import Speed, speeds
from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.markdown import render
from bench.leaderboard.tables.costs import speed_tables
from bench.leaderboard.tables.table import NONE

GIB = 2**30
STAGES = {"encode_s": 0.5, "denoise_s": 8.0, "decode_s": 1.0, "other_s": 0.5}
MEMORY = {
    f"{stage}_{kind}_bytes": gib * GIB
    for kind, more in (("allocated", 0), ("reserved", 2))
    for stage, gib in (("encode", 11 + more), ("denoise", 14 + more), ("decode", 20 + more))
}
STATE = {
    "alone": True,
    "slowed_by": ["power_cap"],
    "sm_clock_mhz": 1755,
    "memory_clock_mhz": 3201,
    "temperature_c": 62,
    "power_limit_w": 700.0,
}
ON_GPU: dict[str, Any] = {
    "device": "NVIDIA H200",
    "software": "torch 2.15.0, CUDA 13.2",
    "latency_s": 10.0,
    "stages": STAGES,
    "denoiser_forwards": 100,
    "peak_memory_allocated_bytes": 20 * GIB,
    "peak_memory_reserved_bytes": 22 * GIB,
    "stage_memory": MEMORY,
    "energy_j": 6000.0,
    "gpu": STATE,
    "unmeasured": {},
}


def gpu_result(model: str = "m", **changes: Any) -> Content:
    """Two seconds of video a clip, 10 s of compute and 6 kJ each."""
    clips = [fake.clip(f"p{n:02d}", **(ON_GPU | changes)) for n in range(24)]
    made = fake.result(model, clips, metrics={})
    made["environment"] |= {
        "device": "NVIDIA H200",
        "gpu": {"power_limit_w": 700.0},
        "cuda": "13.2",
    }
    return made | {"loaded": {"weights_on_device_bytes": 10 * GIB}}


def rows_of(*contents: Content) -> dict[str, tuple[Speed, ...]]:
    results = [fake.loaded(content) for content in contents]
    return speeds(results, {result.model: result.model for result in results})


def cells(content: Content) -> dict[str, str]:
    """Column to text of the only row, of both tables."""
    ((device, rows),) = rows_of(content).items()
    found: dict[str, str] = {}
    for table in speed_tables(device, rows):
        found |= dict(zip(table.headers, table.texts[0], strict=True))
    return found


def test_every_column_of_a_row_that_has_it_all() -> None:
    shown = cells(gpu_result())
    assert shown["frames/s ↑"] == "1.60"
    assert shown["s of compute per s of video ↓"] == "5"
    assert shown["realtime factor ↑"] == "0.200"
    assert shown["s per clip p50 (p05-p95)"] == "10 (10-10)"
    assert shown["peak GiB allocated / reserved"] == "20.0 / 22.0"
    assert shown["denoiser forwards"] == "100"
    assert shown["% of time encode / denoise / decode / other"] == "5.0 / 80.0 / 10.0 / 5.0"
    assert shown["peak GiB encode / denoise / decode"] == "11.0 / 14.0 / 20.0"
    assert shown["weights GiB"] == "10.0"
    assert shown["kJ per s of video"] == "3"
    assert shown["mean W"] == "600"


@pytest.mark.parametrize(
    ("changed", "heading"),
    [
        ({}, "NVIDIA H200, 700 W, torch 2.15.0, CUDA 13.2"),
        ({"gpu": STATE | {"power_limit_w": 500.0}}, "NVIDIA H200, 500 W, torch 2.15.0, CUDA 13.2"),
        ({"software": "torch 2.8.0, CUDA 12.8"}, "NVIDIA H200, 700 W, torch 2.8.0, CUDA 12.8"),
        ({"device": "NVIDIA A100", "gpu": None, "software": None}, "NVIDIA A100"),
    ],
)
def test_another_gpu_power_limit_or_software_is_another_table(
    changed: dict[str, Any], heading: str
) -> None:
    assert list(rows_of(gpu_result(**changed))) == [heading]


def test_a_row_of_two_kinds_of_gpu_has_a_line_on_each_with_its_own_clips() -> None:
    mixed = gpu_result()
    for clip in mixed["clips"][1:]:
        clip |= {
            "device": "NVIDIA A100",
            "latency_s": 20.0,
            "gpu": STATE | {"power_limit_w": 400.0},
        }
    shown = rows_of(mixed)
    assert {
        device.partition(",")[0]: row.compute_per_video_s for device, (row,) in shown.items()
    } == {
        "NVIDIA A100": 10.0,
        "NVIDIA H200": 5.0,
    }


def test_four_gpus_for_one_clip_are_other_hardware_than_one() -> None:
    four = gpu_result("four", latency_s=4.0)
    four["hardware"] = {"price_per_gpu_hour": 3.6, "currency": "USD", "gpus": 4}
    shown = rows_of(gpu_result("one"), four)
    alone = "NVIDIA H200, 700 W, torch 2.15.0, CUDA 13.2"
    assert list(shown) == [f"4 x {alone}", alone]
    (row,) = shown[f"4 x {alone}"]
    assert row.cost_per_video_s == pytest.approx(4 * 3.6 / 3600 * 4 / 2)


def test_what_a_share_of_a_batch_means_stands_below_the_table() -> None:
    batch, alone = gpu_result("b", batch_size=4, latency_s=2.5), gpu_result("a")
    ((device, rows),) = rows_of(alone, batch).items()
    assert [row.batch_size for row in rows] == [4, 1]
    below = next(iter(speed_tables(device, rows))).below
    (line,) = [line for line in below if "at once" in line]
    assert line.startswith("b: 4 clips of a prompt were made at once; time and energy are a clip's")
    assert "waiting for one takes 4 times as long" in line


def priced(**changes: Any) -> Content:
    hardware = {"price_per_gpu_hour": 3.6, "currency": "EUR", "gpus": 2}
    return gpu_result(**changes) | {"hardware": hardware}


COST = "cost per s of video ↓"


def test_a_price_shows_what_a_second_of_video_costs_without_any_score() -> None:
    assert cells(priced())[COST] == "0.0100 EUR"  # 5 s of two GPUs, each 0.001 EUR a s
    page = render(boards([fake.loaded(priced())]))
    assert "at 3.6 EUR for an hour of a GPU, 2 at once." in page
    assert page.count("No yield") == 1


def test_scored_clips_need_no_excuse_for_their_cost() -> None:
    scored = fake.loaded(priced(scores={"coherence": 90.0}))
    assert "No yield" not in render(boards([scored]))


@pytest.mark.parametrize("content", [gpu_result(), priced(device="cpu", gpu=None)])
def test_no_price_and_no_gpu_are_no_cost(content: Content) -> None:
    assert COST not in cells(content)


def test_a_row_without_a_price_has_none_beside_one_that_has() -> None:
    content = priced() | {"model": "dear"}
    free = gpu_result() | {"hardware": {"gpus": content["hardware"]["gpus"]}}
    ((device, rows),) = rows_of(free, content).items()
    table = next(iter(speed_tables(device, rows)))
    place = table.headers.index(COST)
    assert {row[0]: row[place] for row in table.texts} == {"m": NONE, "dear": "0.0100 EUR"}


def test_a_file_of_before_takes_the_profile_of_its_run() -> None:
    content = gpu_result()
    for clip in content["clips"]:
        for key in ("software", "stages", "denoiser_forwards", "stage_memory", "gpu", "unmeasured"):
            del clip[key]
    del content["loaded"]
    found = rows_of(content)
    assert list(found) == ["NVIDIA H200, 700 W, torch 2.15.0, CUDA 13.2"]
    shown = cells(content)
    assert shown["denoiser forwards"] == NONE
    assert shown["weights GiB"] == NONE
    assert shown["kJ per s of video"] == "3"


def test_energy_is_of_the_clips_that_have_it_and_the_rest_is_named() -> None:
    content = gpu_result()
    for clip in content["clips"][:3]:
        clip |= {"energy_j": None, "unmeasured": {"energy_j": "another process was on the GPU"}}
    assert cells(content)["mean W"] == "600"
    page = render(boards([fake.loaded(content)]))
    assert "m (3 of 24 clips): energy: another process was on the GPU." in page


def test_what_disturbed_the_times_stands_below_the_table() -> None:
    content = gpu_result()
    content["clips"][5]["gpu"] = STATE | {"alone": False, "slowed_by": ["far_too_hot"]}
    page = render(boards([fake.loaded(content)]))
    assert page.count("| m (times doubtful) |") == 2, "in both tables"
    assert "m: another process was on the GPU during 1 of 24 clips" in page
    assert "slowed itself down during 1 of 24 clips" in page
    assert "Not measured" not in page


def test_times_far_apart_make_a_row_doubtful_without_any_gpu() -> None:
    def on_cpu(model: str, shortest_s: float) -> Content:
        content = gpu_result(model, device="cpu", gpu=None)
        for number, clip in enumerate(content["clips"]):
            clip["latency_s"] = shortest_s * (1 + number % 3 / 10)
        return content

    contents = on_cpu("busy", 10.0), gpu_result("quiet", device="cpu", gpu=None), on_cpu("toy", 0.1)
    ((device, rows),) = rows_of(*contents).items()
    table = next(iter(speed_tables(device, rows)))
    assert {row[0] for row in table.texts} == {"busy (times doubtful)", "quiet", "toy"}
    (line,) = [line for line in table.below if "apart" in line]
    assert line.startswith("busy: p95 and p05 of the times are 18% of their median apart")


def test_lengths_that_take_other_times_make_no_row_doubtful() -> None:
    content = gpu_result()
    for clip in content["clips"][::2]:
        clip |= {"frames": 2 * clip["frames"], "latency_s": 20.0}
    ((_, (row,)),) = rows_of(content).items()
    assert row.disturbances == ()


def test_a_cpu_run_shows_what_it_has_and_says_what_it_lacks() -> None:
    no_gpu = "no CUDA device"
    keys = ("peak_memory_allocated_bytes", "peak_memory_reserved_bytes", "stage_memory", "energy_j")
    on_cpu = {"device": "cpu", "gpu": None, **dict.fromkeys(keys)}
    content = gpu_result(**on_cpu, unmeasured=dict.fromkeys(keys, no_gpu))
    shown = cells(content)
    assert shown["% of time encode / denoise / decode / other"] == "5.0 / 80.0 / 10.0 / 5.0"
    assert shown["mean W"] == NONE
    page = render(boards([fake.loaded(content)]))
    assert "Speed on CPU, Some CPU" in page
    assert "Not measured for m: memory, energy: no CUDA device." in page


def test_reasons_are_said_once_for_all_models() -> None:
    contents = [gpu_result(f"m{n}", stages=None, unmeasured={"stages": "none"}) for n in range(6)]
    contents[5] = gpu_result("m5")
    page = render(boards([fake.loaded(content) for content in contents]))
    assert page.count("Not measured") == 1
    assert "for m0, m1, m2 and 2 more: stages and denoiser forwards: none." in page


def test_random_weights_are_marked_in_both_tables() -> None:
    page = render(boards([fake.loaded(gpu_result() | {"weights": "random"})]))
    assert page.count("| m (random weights) |") == 2


def test_a_failed_clip_that_was_timed_is_no_speed() -> None:
    content = gpu_result()
    content["clips"][0] = fake.failed("p00") | {"latency_s": 500.0, "device": "NVIDIA H200"}
    assert cells(content)["clips timed"] == "23"
