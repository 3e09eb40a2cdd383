"""The log of a run, on a disk that may be full, and how many processes score."""

import logging
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.run import job
from bench.run.job import log_to

log = logging.getLogger("bench.test")


def test_text_from_outside_is_safe_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("bench"), "propagate", False)  # to what reports tests
    path = tmp_path / "bench.log"
    with log_to(path):
        try:
            raise RuntimeError("\x1b[2J\ud800" * 1_000_000)
        except RuntimeError:
            log.info("p1\nseed 0", exc_info=True)
    text = path.read_text("utf-8")
    assert all(line.isprintable() for line in text.splitlines())
    assert "Traceback" in text
    assert text.endswith("\ufffd[2J\ufffd\n")
    assert len(text) < 30_000


def test_a_disk_that_takes_no_log_is_no_mistake(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with log_to(path):
        log.info("fits")
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
        try:
            log.info("does not")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "fits" in path.read_text()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("gpus", "clips", "memory_gib", "processes"),
    [
        (0, 64, 100, 4),
        (0, 24, 100, 3),
        (0, 3, 100, 1),
        (0, 64, 7, 2),
        (0, 64, 1, 1),
        (1, 800, 9, 3),
    ],
)
def test_as_many_score_as_cores_memory_and_clips_allow(
    monkeypatch: pytest.MonkeyPatch, gpus: int, clips: int, memory_gib: int, processes: int
) -> None:
    monkeypatch.setattr(job, "cores", lambda: 4)
    monkeypatch.setattr(job, "main_memory_bytes", lambda: memory_gib * 2**30)
    config: Any = SimpleNamespace(score=SimpleNamespace(workers="auto"))
    assert job.score_workers(config, ["0"] * gpus, clips) == processes
