"""The log of a run: text from anywhere, on a disk that may be full."""

import logging
import resource
from pathlib import Path

import pytest

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
