"""Claims: each piece of work once, however many processes there are and whichever of them die."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.run.claims import Claim, Share, claimed, held, release, tidy
from bench.schema import Sample

# Three share the folder: whoever works on a piece must be the only one, and finds it undone.
WORKER = """
import random, sys, time
from pathlib import Path
from bench.run.claims import Share, claimed
from bench.schema import Sample
folder, number = Path(sys.argv[1]), int(sys.argv[2])
works = Share(number, 3).ordered(range(40), lambda work: Sample("p", work))
record = lambda work: folder / f"{work}.json"
begin = lambda work: None if record(work).exists() else [work]
for mine in claimed(works, record, begin, ahead=2):
    if mine is not None:
        claim, (work,) = mine
        claim.begin()
        (folder / f"{work}.busy").touch(exist_ok=False)
        time.sleep(random.uniform(0, 0.02))
        (folder / f"{work}.busy").unlink()
        with (folder / f"{work}.json").open("x") as file:
            file.write(str(number))
        claim.end()
"""

HOLDER = """
import sys, time
from pathlib import Path
from bench.run.claims import Claim
claim = Claim(Path(sys.argv[1]))
claim.take(wait=True)
claim.begin()
Path(sys.argv[1]).with_suffix(".held").touch()
time.sleep(60)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def hold(record: Path) -> subprocess.Popen[bytes]:
    """A process that has a claim, and has begun."""
    holder = start(HOLDER, record)
    mark = record.with_suffix(".held")
    while not mark.exists():
        assert holder.poll() is None
        time.sleep(0.02)
    mark.unlink()
    return holder


def test_several_processes_do_every_piece_once(tmp_path: Path) -> None:
    workers = [start(WORKER, tmp_path, number) for number in range(3)]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{n}.json" for n in range(40)
    )


def test_what_a_process_that_died_had_is_free_and_its_death_counts(tmp_path: Path) -> None:
    record = tmp_path / "clips" / "0.json"
    claim = Claim(record)
    for deaths in (1, 2):
        holder = hold(record)
        assert not claim.take(wait=False)
        holder.kill()
        holder.wait()
        assert claim.take(wait=False)
        assert record.with_suffix(".tries").read_text() == f"{deaths}\n"
        claim.end(died=True)


def test_what_others_have_comes_last_and_is_done_if_they_leave_it(tmp_path: Path) -> None:
    holder = hold(tmp_path / "0.json")
    seen: list[int] = []
    for mine in claimed([0, 1, 2], lambda work: tmp_path / f"{work}.json", lambda work: [work]):
        assert mine is not None
        claim, (work,) = mine
        seen.append(work)
        claim.end()
        if work == 2:
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
    assert seen == [1, 2, 0]
    assert not list(tmp_path.iterdir())


def test_what_others_have_done_meanwhile_is_passed_over(tmp_path: Path) -> None:
    works = claimed(
        [0, 1, 2],
        lambda work: tmp_path / f"{work}.json",
        lambda work: None if work == 1 else [work],
    )
    assert [mine and mine[1] for mine in works] == [[0], None, [2]]


def test_only_a_death_counts(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "0.json")
    for died, tries in ((False, 1), (True, 1), (True, 2), (False, 3), (False, 1)):
        assert claim.take(wait=False)
        assert claim.begin() == tries
        claim.end(died=died)


def test_claims_in_hand_are_let_go_when_the_work_stops(tmp_path: Path) -> None:
    works = claimed(range(9), lambda work: tmp_path / f"{work}.json", lambda work: [work], ahead=3)
    first = next(works)
    works.close()
    assert first is not None
    assert [path.name for path in tmp_path.iterdir()] == ["0.lock"]
    first[0].end()


def test_what_was_half_written_goes_with_the_next_claim_of_its_record(tmp_path: Path) -> None:
    for name in (".0.json.abc.part", ".0.tries.abc.part", ".0.mkv.abc.part", ".10.json.abc.part"):
        (tmp_path / name).touch()
    claim = Claim(tmp_path / "0.json")
    assert claim.take(wait=False)
    claim.end()
    assert [path.name for path in tmp_path.iterdir()] == [".10.json.abc.part"]


def test_claims_that_were_left_on_what_is_done_go_and_no_others(tmp_path: Path) -> None:
    works = [[tmp_path / name / f"{n}.json" for n in (0, 1)] for name in ("done", "half", "busy")]
    for work in works:
        work[0].parent.mkdir()
        for path in (work[0], work[0].with_suffix(".lock"), work[0].with_suffix(".tries")):
            path.touch()
        if work[0].parent.name != "half":
            work[1].touch()
    busy = Claim(works[2][0])
    assert busy.take(wait=False)
    tidy(tmp_path, works)
    left = {path.parent.name for path in tmp_path.glob("*/0.tries")}
    assert left == {"half", "busy"} == {path.parent.name for path in tmp_path.glob("*/0.lock")}
    busy.end()


def test_a_lock_that_was_left_goes_and_one_that_is_held_stays(tmp_path: Path) -> None:
    record, lock = tmp_path / "loaded.json", tmp_path / "loaded.lock"
    lock.touch()
    release(record)
    assert not lock.exists()
    with held(record):
        release(record)
        assert lock.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("a file")
    with pytest.raises(BenchError, match=r"expected to lock .*out=DIR"):
        Claim(tmp_path / "clips" / "0.json").take(wait=False)


def test_shares_are_all_of_the_work_and_begin_apart() -> None:
    works = list(range(60))
    orders = [
        Share(number, 3).ordered(works, lambda work: Sample("p", work)) for number in range(3)
    ]
    assert all(sorted(order) == works for order in orders)
    assert not {*orders[0][:15]} & {*orders[1][:15]}
    assert not {*orders[1][:15]} & {*orders[2][:15]}
    assert Share().ordered(works, lambda work: Sample("p", work)) == works
