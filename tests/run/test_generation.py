"""The generate stage: writing behind generation, and what a death, an error or Ctrl-C leaves."""

import errno
import json
import platform
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest
import torch

from bench.clip import Clip, read_master
from bench.errors import BenchError
from bench.generators.base import Generator
from bench.prompts import Item, Prompt
from bench.run import generation as stage
from bench.run.generation import generate, restore_previews
from bench.run.plan import Plan, find_missing
from bench.schema import ClipRecord, ClipResult
from bench.storage import RunFolder, read_record

CPU = torch.device("cpu")
PROMPTS = [Prompt(id=f"p{n}", text="a ball rolls") for n in range(3)]
ITEMS = [Item(prompt, 0) for prompt in PROMPTS]


class Dies(BaseException):
    """Ends the process, as far as a test can tell."""


class Flat(Generator):
    """One colour a clip; a prompt may have something else happen."""

    def __init__(self, **happens: Callable[[], None]) -> None:
        self.happens = happens

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        self.happens.get(prompt.id, lambda: None)()
        return Clip(np.full((4, 16, 16, 3), int(prompt.id[1:]) + seed, np.uint8), 8.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "suite" / "flat")


def run(generator: Generator, folder: RunFolder, *, ahead: int = 2, max_tries: int = 5) -> None:
    plan = Plan("flat", generator, folder, CPU, ITEMS, warmup=0, max_tries=max_tries)
    generate(plan, find_missing(plan), ahead)


def record(folder: RunFolder, number: int) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(folder.record(ITEMS[number].sample).read_text())
    return loaded


def statuses(folder: RunFolder) -> list[str | None]:
    return [
        record(folder, n)["status"] if folder.record(item.sample).exists() else None
        for n, item in enumerate(ITEMS)
    ]


def tries(folder: RunFolder) -> list[int | None]:
    paths = [folder.record(item.sample).with_suffix(".tries") for item in ITEMS]
    return [int(path.read_text()) if path.exists() else None for path in paths]


@pytest.fixture
def slow_master(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Masters are written when the test says so, or after ten seconds."""
    may_write = threading.Event()
    write = stage.write_master

    def late(clip: Clip, path: Path) -> None:
        assert may_write.wait(10)
        write(clip, path)

    monkeypatch.setattr(stage, "write_master", late)
    return may_write


def test_a_clip_is_written_while_the_next_is_made(
    folder: RunFolder, slow_master: threading.Event
) -> None:
    run(Flat(p1=slow_master.set), folder)  # would wait for ever if the first had to be done
    assert statuses(folder) == ["ok"] * 3
    assert tries(folder) == [None] * 3
    assert all(
        folder.master(item.sample).exists() and folder.preview(item.sample).exists()
        for item in ITEMS
    )


def test_records_are_the_same_however_clips_are_written(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "suite" / "other")
    run(Flat(), folder, ahead=2)
    run(Flat(), other, ahead=0)
    for number in range(len(ITEMS)):
        here, there = record(folder, number), record(other, number)
        assert here.keys() == there.keys()
        assert {k for k in here if here[k] != there[k]} <= {"latency_s"}


def test_clips_that_are_stored_in_two_ways_are_not_mixed(folder: RunFolder) -> None:
    lossy = Plan("flat", Flat(), folder, CPU, ITEMS, warmup=0, store="visually_lossless")
    generate(lossy, ITEMS)
    for number, item in enumerate(ITEMS):
        made = record(folder, number)
        assert made["lossy"]
        assert made["inputs"]["store"] == "visually_lossless"
        read_master(folder.master(item.sample), frames=4, sha256=made["frames_sha256"])
    assert find_missing(lossy) == []
    with pytest.raises(BenchError, match='store "visually_lossless" -> \\(absent\\)'):
        find_missing(replace(lossy, store="lossless"))


def test_only_what_holds_is_left_alone(folder: RunFolder) -> None:
    plan = Plan("flat", Flat(), folder, CPU, ITEMS, warmup=0)
    generate(plan, ITEMS)
    assert find_missing(plan) == []
    other = json.dumps(record(folder, 0))  # the same, written by another hand
    folder.record(ITEMS[0].sample).write_text(other)
    folder.master(ITEMS[1].sample).unlink()
    assert find_missing(plan) == [ITEMS[1]]
    assert find_missing(plan, among=ITEMS[2:]) == []
    path = folder.record(ITEMS[2].sample)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(BenchError, match=r"p2/0\.json: expected JSON"):
        find_missing(plan)


def test_what_is_not_measured_says_why(folder: RunFolder) -> None:
    run(Flat(), folder)
    made = record(folder, 0)
    null = {key for key, value in made.items() if value is None}
    sizes = {"frames_requested", "height_requested", "width_requested"}
    asked = {"error", "image_sha256", "seconds_requested", *sizes}
    gpu_alone = {"gpu", "gpu_uuid"}
    assert null - asked - gpu_alone == set(made["unmeasured"])
    assert made["unmeasured"]["stages"] == "the model has no stages that could be told apart"
    assert made["software"].startswith("torch ")


def test_a_record_names_the_machine_and_nothing_that_is_published_does(folder: RunFolder) -> None:
    run(Flat(), folder)
    made = read_record(folder.record(ITEMS[0].sample), ClipRecord)
    assert made.node == platform.node()
    published = ClipResult.of(made, scores={}, unscored={}, notes={}).json_values
    assert not {"node", "gpu_uuid", "inputs", "fingerprint", "details", "schema"} & published.keys()


def test_on_a_cpu_nothing_is_written_while_a_clip_is_timed(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[threading.Thread] = set()
    write = stage.write_master
    monkeypatch.setattr(
        stage,
        "write_master",
        lambda clip, path: threads.add(threading.current_thread()) or write(clip, path),
    )
    plan = Plan("flat", Flat(), folder, CPU, ITEMS, warmup=0)
    generate(plan, ITEMS)
    assert threads == {threading.current_thread()}


def test_the_warm_up_is_the_first_draw_itself_and_nothing_of_it_is_kept(folder: RunFolder) -> None:
    asked: list[tuple[str, int]] = []

    class Noted(Flat):
        def generate(self, prompt: Prompt, seed: int) -> Clip:
            asked.append((prompt.id, seed))
            return super().generate(prompt, seed)

    plan = Plan("flat", Noted(), folder, CPU, ITEMS, warmup=2)
    generate(plan, ITEMS)
    assert asked == [("p0", 0)] * 3 + [("p1", 0), ("p2", 0)]
    assert all(record(folder, number)["warm"] for number in range(3))


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_disk_that_is_full_stops_the_run_in_one_line(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    write = stage.write_master

    def fill_up(clip: Clip, path: Path) -> None:
        if "p1" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(clip, path)

    monkeypatch.setattr(stage, "write_master", fill_up)
    with pytest.raises(BenchError, match=r"write clips into .*, but no space left on device: make"):
        run(Flat(), folder, ahead=ahead)
    assert statuses(folder)[:2] == ["ok", None]
    monkeypatch.setattr(stage, "write_master", write)
    run(Flat(), folder, ahead=ahead)
    assert statuses(folder) == ["ok"] * 3
    assert tries(folder) == [None] * 3


def test_a_clip_that_no_file_holds_is_recorded_and_the_others_go_on(folder: RunFolder) -> None:
    class TooFast(Flat):
        def generate(self, prompt: Prompt, seed: int) -> Clip:
            clip = super().generate(prompt, seed)
            return Clip(clip.frames, 1e4) if prompt.id == "p1" else clip

    run(TooFast(), folder)
    assert statuses(folder) == ["ok", "error", "ok"]
    assert "expected 0.01 to 1000 frames per second" in record(folder, 1)["error"]
    assert record(folder, 1)["latency_s"] > 0


def test_the_time_until_a_failure_is_kept(folder: RunFolder) -> None:
    def fail() -> None:
        raise RuntimeError("it broke")

    run(Flat(p1=fail), folder)
    assert record(folder, 1)["error"] == "RuntimeError: it broke"
    assert 0 < record(folder, 1)["latency_s"] < 1


def test_ctrl_c_loses_no_clip_that_was_made(
    folder: RunFolder, slow_master: threading.Event
) -> None:
    def interrupt() -> None:
        threading.Timer(0.2, slow_master.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Flat(p1=interrupt), folder)
    assert statuses(folder) == ["ok", None, None]
    assert tries(folder) == [None, None, None]


def test_ctrl_c_while_a_clip_is_written_in_place_is_no_death(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: Clip, __: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "write_master", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(Flat(), folder, ahead=0)
    assert tries(folder) == [None, None, None]


class MortalWriter:
    """Writes as late as the real one may, and nothing more once the process died."""

    def __init__(self, ahead: int) -> None:
        self.ahead = ahead
        self.pending: deque[Callable[[], None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.settle()

    def submit(self, job: Callable[[], None]) -> None:
        self.settle(self.ahead - 1)
        self.pending.append(job)

    def settle(self, most: int = 0) -> None:
        while len(self.pending) > most:
            self.pending.popleft()()


@pytest.mark.parametrize("max_tries", [1, 2, 5])
def test_only_the_clip_that_ends_the_process_is_blamed(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, max_tries: int
) -> None:
    monkeypatch.setattr(stage, "Writer", MortalWriter)

    def die() -> None:
        raise Dies

    deaths = 0
    while None in statuses(folder):
        try:
            run(Flat(p1=die), folder, max_tries=max_tries)
        except Dies:
            deaths += 1
        assert deaths <= max_tries
    assert statuses(folder) == ["ok", "crashed", "ok"]
    assert deaths == max_tries
    assert record(folder, 1)["latency_s"] is None


ILLEGAL = "CUDA error: an illegal memory access was encountered"


def test_a_device_that_broke_ends_the_run_and_only_the_clip_that_broke_it_is_blamed(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken: list[bool] = []

    def break_it() -> None:
        broken.append(True)
        raise torch.AcceleratorError(ILLEGAL)

    class Unfreed(Flat):
        def __exit__(self, *_: object) -> None:
            if broken:
                raise torch.AcceleratorError(ILLEGAL)

    monkeypatch.setattr(stage, "is_broken", lambda _: bool(broken))
    for begun in (1, 2):
        broken.clear()
        with pytest.raises(BenchError, match=r"p1, seed 0: cpu can compute no more .*illegal"):
            run(Unfreed(p1=break_it), folder, max_tries=2)
        assert statuses(folder) == ["ok", None, None]
        assert tries(folder) == [None, begun, None]
    broken.clear()
    run(Unfreed(p1=break_it), folder, max_tries=2)
    assert statuses(folder) == ["ok", "crashed", "ok"]


def test_an_error_of_a_device_that_still_computes_is_that_of_one_clip(folder: RunFolder) -> None:
    def refuse() -> None:
        raise torch.AcceleratorError("CUDA error: invalid configuration argument")

    run(Flat(p1=refuse), folder)
    assert statuses(folder) == ["ok", "error", "ok"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
def test_what_the_machine_lacks_is_no_failure_of_the_model(folder: RunFolder, number: int) -> None:
    def lack() -> None:
        raise OSError(number, "there is no more", "/tmp/x")

    for _ in range(3):
        with pytest.raises(BenchError, match=r"p1, seed 0 could not be made: .*there is no more"):
            run(Flat(p1=lack), folder, max_tries=2)
    assert statuses(folder) == ["ok", None, None]
    assert tries(folder) == [None] * 3
    run(Flat(), folder)
    assert statuses(folder) == ["ok"] * 3


def test_memory_that_python_lacks_is_recorded_as_such(folder: RunFolder) -> None:
    def lack() -> None:
        raise MemoryError

    run(Flat(p1=lack), folder)
    assert statuses(folder) == ["ok", "oom", "ok"]


def test_previews_that_are_gone_are_made_again_from_the_clips(folder: RunFolder) -> None:
    run(Flat(), folder)
    plan = Plan("flat", Flat(), folder, CPU, ITEMS)
    first, second, third = (folder.preview(item.sample) for item in ITEMS)
    before = first.read_bytes()
    for path in (first, second):
        path.unlink()
    folder.master(ITEMS[1].sample).write_bytes(b"torn")
    first.with_name(".0.mp4.abc.part").touch()
    folder.record(ITEMS[2].sample).unlink()  # as while another process makes it
    third.unlink()
    restore_previews(plan)
    assert first.read_bytes() == before
    assert not second.exists()  # whoever scores it says that it is damaged
    assert [path.name for path in first.parent.iterdir()] == ["0.mp4"]
    assert not third.exists()


def test_memory_that_a_library_lacks_is_recorded_and_given_back(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lack() -> None:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`")

    freed: list[torch.device] = []
    monkeypatch.setattr(stage, "free", freed.append)
    run(Flat(p1=lack), folder)
    assert statuses(folder) == ["ok", "oom", "ok"]
    assert freed == [CPU]
