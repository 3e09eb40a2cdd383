"""What a run survives: processes killed at any moment, disks that fill up, files that are torn.

`make torture` prints how often each was tried, and what of it lost, tore or spoilt anything, which
must be nothing. Every fault is drawn from a seed. Processes are forked from this one, which has
imported everything already, so that hundreds of them take minutes.
"""

import argparse
import errno
import gc
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

import bench.leaderboard.publish  # imported here, so that no child has to
import bench.run.job  # noqa: F401
from bench import cli
from bench.clip import read_master
from bench.commands import run
from bench.errors import MISTAKE, BenchError, ClipError
from bench.schema import ClipRecord, Loaded, Record, Result, Run, Sample, ScoreRecord
from bench.storage import CONF, RunFolder, read_record
from bench.video import read_video

MODEL = """
import os, time, torch
from dataclasses import dataclass
from pathlib import Path
from bench.generators.base import GeneratorInfo
from bench.generators.toy.generator import ToyGenerator
from bench.metrics.base import metric

@dataclass(eq=False)
class Odd(ToyGenerator):
    info = GeneratorInfo(non_semantic=frozenset({"diary", "lacks_memory", "hangs"}))
    diary: str = ""
    lacks_memory: bool = False
    hangs: bool = False

    def __enter__(self):
        if "HANGS_LOADING" in os.environ:
            time.sleep(600)
        return self

    def generate(self, prompt, seed):
        with open(self.diary, "a") as diary:
            print(prompt.id, seed, file=diary)
        if self.hangs and (prompt.id, seed) == ("two", 0):
            time.sleep(600)
        if self.lacks_memory and (prompt.id, seed) == ("two", 0):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().generate(prompt, seed)

@metric(unit="frames", better=None)
def length(analysis):
    if "LACKS_MEMORY" in os.environ:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
    if "HANGS" in os.environ and analysis.prompt.id == "two":
        time.sleep(600)
    return float(len(analysis.clip.frames))
"""
MODEL_YAML = "_target_: mine.Odd\nheight: 32\nwidth: 32\nseconds: 0.5\n"
MODEL_YAML += "diary: ''\nlacks_memory: false\nhangs: false\n"
METRICS_YAML = """
compute: {warp_mae: bench.metrics.consistency.warp_mae, length: mine.length}
backbones: {flow: {_target_: bench.vision.flow.DisFlow, preset: fast}}
"""
PROMPT = "a red ball rolls from left to right over a wooden floor"
IDS, SEEDS = ("one", "two", "three"), (0, 1)
CLIPS = len(IDS) * len(SEEDS)
TIMING = ("latency_s", "warm")


@dataclass
class Row:
    """What was tried, how often, and what went wrong with it."""

    what: str
    number: int = 0
    lost: int = 0  # records, clips and scores that were there and are not any more
    torn: int = 0  # files under their own name that cannot be read
    done_twice: int = 0  # clips and scores that were there and were made again
    wrong: int = 0  # results and ends of processes that are not what they should be
    left_over: int = 0  # files that no run would have left

    @property
    def is_clean(self) -> bool:
        return not any(astuple(self)[2:])

    def __add__(self, other: "Row") -> "Row":
        counts = zip(astuple(self)[1:], astuple(other)[1:], strict=True)
        return Row(self.what, *(mine + its for mine, its in counts))


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int  # of its exit; of a signal, negative
    output: str


@dataclass(frozen=True)
class Reference:
    """What a run comes to that nothing befalls."""

    clips: list[dict[str, Any]]
    names: frozenset[str]
    writes: int  # operations by which it changes its folder
    took_s: float


@cache
def composed(base: Path, arguments: tuple[str, ...]) -> DictConfig:
    """The configuration of a command, whose `out` is the folder `outputs` where it is typed."""
    command = ["model=odd", "metrics=little", "text=none", f"suite.prompts={base / 'few.jsonl'}"]
    command += ["suite.name=few", f"suite.seeds={[*SEEDS]}", "model.diary=diary", "warmup=0"]
    command += [f"hydra.searchpath=[file://{base / 'conf'}]", *arguments]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("bench", command, return_hydra_config=True)
    HydraConfig.instance().set_config(config)  # which knows the model's name
    with open_dict(config):
        del config.hydra
    return config


class Place:
    """A folder with a run in it, and what it should come to."""

    def __init__(self, base: Path, name: str) -> None:
        self.base, self.root = base, base / name
        self.out = self.root / "outputs"
        self.folder = RunFolder(self.out / "few" / "odd")
        self.root.mkdir(parents=True)

    def start(self, *arguments: str, before: Callable[[], None] = lambda: None) -> int:
        """Type a command; what is done before it in the process, of which this is the id."""
        config = composed(self.base, arguments)
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        gc.freeze()  # to collect a decoder of the parent's waits for threads that are not here
        code = 99
        try:
            os.chdir(self.root)
            output = os.open(f"output-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            sys.path.insert(0, str(self.base))
            os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # of workers
            sys.argv = ["steadybench", "run", *arguments]
            run._main = lambda: run._job(config)  # composing it takes as long as all the rest
            before()
            code = cli.main()
            sys.stdout.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def wait(self, pid: int, within_s: float = 200.0) -> Ended:
        """See it end; one that hangs is killed."""
        deadline_s = time.monotonic() + within_s
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline_s:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        status = ended[1]
        output = self.root / f"output-{pid}"
        text = output.read_text(errors="replace") if output.exists() else ""
        output.unlink(missing_ok=True)
        return Ended(os.waitstatus_to_exitcode(status), text)

    def begun(self) -> Counter[str]:
        """How often each clip was."""
        return Counter((self.root / "diary").read_text().splitlines())

    def done(self) -> dict[Path, tuple[int, int]]:
        """Files of what is done, clips and scores, each with what tells it from another."""
        files = []
        for path in self.folder.root.glob("clips/*/*.json"):
            sample = Sample(path.parent.name, int(path.stem))
            if _json(path).get("status") == "ok":
                files += [path, self.folder.master(sample), self.folder.preview(sample)]
        for path in self.folder.root.glob("scores/*/*.json"):
            metrics = _json(path).get("metrics", {}).values()
            if len(metrics) == 2 and all(entry["value"] is not None for entry in metrics):
                files.append(path)
        seen = {file: file.stat() for file in files if file.exists()}
        return {file: (status.st_ino, status.st_mtime_ns) for file, status in seen.items()}

    def names(self) -> frozenset[str]:
        files = (path for path in self.out.rglob("*") if path.is_file())
        return frozenset(str(path.relative_to(self.out)) for path in files)

    def clips(self) -> list[dict[str, Any]]:
        """Of the result, what must be the same whoever made it."""
        if not self.folder.result.exists():
            return []
        result = json.loads(self.folder.result.read_text())
        return [{k: v for k, v in clip.items() if k not in TIMING} for clip in result["clips"]]

    def torn(self) -> Iterator[Path]:
        """Files under their own name that are not whole."""
        folder = self.folder
        kinds: dict[Path, type[Record]] = {
            folder.run: Run,
            folder.loaded: Loaded,
            folder.result: Result,
            **dict.fromkeys(folder.root.glob("scores/*/*.json"), ScoreRecord),
            **dict.fromkeys(folder.root.glob("clips/*/*.json"), ClipRecord),
        }
        for path, kind in kinds.items():
            if path.exists() and not _is_whole(path, kind):
                yield path
        for preview in folder.root.glob("previews/*/[0-9]*.mp4"):
            try:
                read_video(preview)
            except ClipError:
                yield preview


def _json(path: Path) -> dict[str, Any]:
    """What stands in a record; nothing where it is torn, which is counted elsewhere."""
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return {}


def _is_whole(path: Path, kind: type[Record]) -> bool:
    """Whether a record can be read, and the clip that it stands for."""
    try:
        record = read_record(path, kind)
        if isinstance(record, ClipRecord) and record.status == "ok":
            assert record.frames is not None
            assert record.frames_sha256 is not None
            master = path.with_suffix(".mkv")
            read_master(master, frames=record.frames, sha256=record.frames_sha256)
    except (BenchError, ClipError):
        return False
    return True


class Watch:
    """Counts the operations that change a run's files, and does something from a certain one on."""

    def __init__(self, number: int, happens: Callable[[str], None]) -> None:
        self._number, self._happens = number, happens
        self.count = 0

    def __call__(self) -> None:
        """Begin, in this process, for as long as it lives."""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & (os.O_RDWR | os.O_WRONLY):
                return
        elif event not in ("os.rename", "os.remove", "os.mkdir"):
            return
        if "outputs" in str(arguments[0]):
            self.count += 1
            if self.count >= self._number:
                self._happens(event)


def die(_: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number: int, events: Sequence[str], event: str) -> None:
    if event in events:
        raise OSError(number, os.strerror(number))


full = partial(refuse, errno.ENOSPC, ("open", "os.mkdir"))
read_only = partial(refuse, errno.EROFS, ("open", "os.mkdir", "os.rename", "os.remove"))


def limit(kind: int, beyond_now: int) -> None:
    """Of descriptors or of memory, so much more than this process has now."""
    if kind == resource.RLIMIT_NOFILE:
        now = len(list(Path("/proc/self/fd").iterdir()))
    else:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(kind, (now + beyond_now, now + beyond_now))


def jump(draws: random.Random) -> None:
    """Have the clock of this process jump by up to a year, at every look at it."""
    now, now_ns = time.time, time.time_ns
    year_s = 365 * 86400
    time.time = lambda: now() + draws.uniform(-year_s, year_s)
    time.time_ns = lambda: now_ns() + draws.randrange(-year_s, year_s) * 10**9


def suffer(
    place: Place,
    row: Row,
    *arguments: str,
    before: Callable[[], None] = lambda: None,
    ends: Collection[int] = (0,),
    after_s: float | None = None,
    within_s: float = 200.0,
) -> Ended:
    """One process that something befalls, if need be a kill after so many seconds."""
    there = place.done()
    pid = place.start(*arguments, before=before)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
    ended = place.wait(pid, within_s)
    now = place.done()
    row.number += 1
    row.lost += sum(path not in now for path in there)
    row.done_twice += sum(now.get(path, which) != which for path, which in there.items())
    for path in place.torn():
        row.torn += 1
        complain(row, place, f"{path} is torn")
    if ended.code not in ends or "Traceback" in ended.output:
        row.wrong += 1
        complain(row, place, f"ended with {ended.code}: {ended.output}")
    return ended


def settle(
    place: Place,
    reference: Reference,
    row: Row,
    *arguments: str,
    before: Callable[[], None] = lambda: None,
) -> Row:
    """Go on until all is done, and compare with a run that nothing befell."""
    suffer(place, row, *arguments, before=before)
    row.number -= 1
    compare(place, reference, row)
    if left := place.names() - reference.names:
        row.left_over += len(left)
        complain(row, place, f"left over: {sorted(left)}")
    shutil.rmtree(place.root)
    return row


def compare(place: Place, reference: Reference, row: Row) -> None:
    if place.clips() != reference.clips:
        row.wrong += 1
        complain(row, place, f"another result: {place.clips()}")


def complain(row: Row, place: Place, what: str) -> None:
    sys.stderr.write(f"{row.what}, {place.root.name}: {what}\n")


def killed(base: Path, reference: Reference, seed: int, number: int) -> list[Row]:
    """So many kills, at operations on files and at any moment, in one run after another."""
    draws = random.Random(seed)
    rows: list[Row] = []
    runs = 0
    while sum(row.number for row in rows) < number:
        place = Place(base, f"killed-{seed}-{(runs := runs + 1)}")
        ends = (0, -signal.SIGKILL)
        while True:
            row = Row(f"killed while {stage(place)}")
            if draws.random() < 0.5:
                watch = Watch(draws.randint(1, reference.writes), die)
                ended = suffer(place, row, "max_tries=999", before=watch, ends=ends)
            else:
                after_s = draws.uniform(0, reference.took_s)
                ended = suffer(place, row, "max_tries=999", after_s=after_s, ends=ends)
            row.what = f"killed while {stage(place)}"
            row.number = int(ended.code != 0)
            rows.append(row)
            if ended.code == 0:
                break
        settle(place, reference, row)
    return rows


def stage(place: Place) -> str:
    """What a run has come to."""
    root = place.folder.root
    if len(list(root.glob("clips/*/*.json"))) < CLIPS:
        return "clips are made"
    if len(list(root.glob("scores/*/*.json"))) < CLIPS:
        return "they are scored"
    return "they are published"


def disk_full(base: Path, reference: Reference, write: int, times: int) -> list[Row]:
    """From a certain write on, so many times in a row, none of which is a try of its clip."""
    row, place = Row("disk full from a write on"), Place(base, f"full-{write}-{times}")
    for _ in range(times):
        suffer(place, row, before=Watch(write, full), ends=(0, 2))
    return [settle(place, reference, row)]


def disk_small(base: Path, reference: Reference, kib: int) -> list[Row]:
    """A real one, where this process may mount it."""
    row, place = Row("disk of some KiB"), Place(base, f"small-{kib}")
    place.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, f"size={kib}k", "none", place.out], capture_output=True).returncode:
        return [row]
    try:
        for _ in range(6):
            suffer(place, row, ends=(0, 2))
        subprocess.run([*mount, "remount,size=64m", "none", place.out], check=True)
        kept = place.root.with_suffix(".kept")
        shutil.copytree(place.out, kept)
    finally:
        subprocess.run(["umount", place.out], check=True)
    place.out.rmdir()
    kept.rename(place.out)
    return [settle(place, reference, row)]


def files_limited(base: Path, reference: Reference, most_bytes: int) -> list[Row]:
    row, place = Row("files of some bytes at most"), Place(base, f"limited-{most_bytes}")
    limit_files = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    suffer(place, row, before=limit_files, ends=(0, 2))
    return [settle(place, reference, row)]


def folder_read_only(base: Path, reference: Reference, clips: int) -> list[Row]:
    row, place = Row("read-only folder"), Place(base, f"read-only-{clips}")
    if clips:
        suffer(place, Row(""), f"limit={clips}")
    suffer(place, row, before=Watch(1, read_only), ends=(2,))
    return [settle(place, reference, row)]


def descriptors_limited(base: Path, reference: Reference, more: int) -> list[Row]:
    row, place = Row("few descriptors"), Place(base, f"descriptors-{more}")
    limits = partial(limit, resource.RLIMIT_NOFILE, more)
    suffer(place, row, before=limits, ends=(0, 1, 2))
    return [settle(place, reference, row, "retry_failed=true")]


def memory_limited(base: Path, reference: Reference, more_mib: int) -> list[Row]:
    row, place = Row("little memory"), Place(base, f"memory-{more_mib}")
    limits = partial(limit, resource.RLIMIT_AS, more_mib * 2**20)
    # A library that cannot allocate may end its process, and Python waits for ever for a thread of
    # its own that had no memory to begin.
    ends = (0, 1, 2, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGKILL)
    suffer(place, row, before=limits, ends=ends)
    return [settle(place, reference, row, "retry_failed=true")]


def clock_jumps(base: Path, reference: Reference, seed: int) -> list[Row]:
    row, place = Row("clock jumps by up to a year"), Place(base, f"clock-{seed}")
    draws = random.Random(seed)
    jumping = partial(jump, draws)
    suffer(place, row, "limit=2", before=jumping)
    for path in place.out.rglob("*"):
        os.utime(path, (draws.uniform(0, 4e9), draws.uniform(0, 4e9)))
    return [settle(place, reference, row, before=jumping)]


def device_full(base: Path, reference: Reference) -> list[Row]:
    rows = [Row("device out of memory, for a clip"), Row("device out of memory, for a metric")]
    place = Place(base, "device")
    suffer(place, rows[0], "model.lacks_memory=true", "stages=[generate]", ends=(1,))
    rows[0].wrong += [clip["status"] for clip in place.clips()].count("oom") != 1
    suffer(place, rows[1], before=partial(os.environ.update, LACKS_MEMORY="1"), ends=(1,))
    settle(place, reference, rows[1], "retry_failed=true")
    return rows


def hangs(base: Path, reference: Reference) -> list[Row]:
    whats = ("a model that hangs on loading", "a clip that hangs", "a metric that hangs")
    rows = [Row(what) for what in (*whats, "a clip that hangs on reading")]
    place = Place(base, "hangs")
    loading = partial(os.environ.update, HANGS_LOADING="1")
    suffer(place, rows[0], "load_timeout_s=20", before=loading, ends=(MISTAKE,), within_s=900)
    hang = ("model.hangs=true", "timeout_s=20", "stages=[generate]")
    suffer(place, rows[1], *hang, ends=(1,), within_s=900)
    rows[1].wrong += [clip["status"] for clip in place.clips()].count("error") != 1
    again = ("retry_failed=true", "score.timeout_s=20")
    suffer(place, rows[2], *again, before=partial(os.environ.update, HANGS="1"), within_s=900)
    rows[2].wrong += _took_too_long(place, "length") != len(SEEDS)
    settle(place, reference, rows[2])
    place = Place(base, "hangs-reading")
    suffer(place, Row(""), "stages=[generate]")
    master = place.folder.master(Sample("two", 0))
    content = master.read_bytes()
    master.unlink()
    os.mkfifo(master)  # whoever opens it waits for somebody who writes
    # Looking for torn files would hang as well, so this one does not `suffer`.
    ended = place.wait(place.start("stages=[score,publish]", "score.timeout_s=20"), 900)
    rows[3].number += 1
    late = [_took_too_long(place, name) for name in ("length", "warp_mae")]
    if ended.code != 0 or "Traceback" in ended.output or late != [1, 1]:
        rows[3].wrong += 1
        complain(rows[3], place, f"{late} late, ended with {ended.code}: {ended.output}")
    master.unlink()
    master.write_bytes(content)
    settle(place, reference, rows[3])
    return rows


def _took_too_long(place: Place, name: str) -> int:
    """Clips that this metric has no value for because a limit of time was reached."""
    return sum("took longer" in clip["unscored"].get(name, "") for clip in place.clips())


def file_torn(base: Path, reference: Reference, name: str, seed: int) -> list[Row]:
    """Cut short somewhere; what a run then says to do is done."""
    row, place = Row("file torn"), Place(base, f"torn-{Path(name).name}-{seed}")
    suffer(place, Row(""))
    path = place.folder.root / name
    content = path.read_bytes()
    path.write_bytes(content[: random.Random(seed).randrange(len(content))])
    row.number += 1
    if path.suffix == ".mkv":  # it is read for its scores alone
        place.folder.score(Sample(path.parent.name, int(path.stem))).unlink()
    return [heal(place, reference, row)]


def record_older(base: Path, reference: Reference, name: str, change: str) -> list[Row]:
    """Of another form, or without a key that it must have."""
    row = Row("record of another form")
    place = Place(base, f"older-{name.partition('/')[0]}-{change}")
    suffer(place, Row(""))
    path = place.folder.root / name
    record = json.loads(path.read_text())
    if change == "schema":
        record["schema"] = 0
    else:
        del record[change]
    path.write_text(json.dumps(record))
    row.number += 1
    return [heal(place, reference, row)]


def heal(place: Place, reference: Reference, row: Row) -> Row:
    """Remove what a run asks to have removed, once; then it is as it was."""
    ended = place.wait(place.start())
    advice = re.search(r"remove (\S+) and run|steadybench: (\S+): .*; remove", ended.output)
    if ended.code != 0 and advice:
        Path(place.root, advice[1] or advice[2]).unlink()
    elif ended.code != 0:
        row.wrong += 1
        complain(row, place, f"no advice: {ended.output}")
    return settle(place, reference, row)


def together(base: Path, reference: Reference, number: int, deaths: int, seed: int) -> list[Row]:
    """So many processes on one folder, of which some are killed."""
    what = {2: "two", 6: "six"}[number] + " processes on one folder"
    row = Row(what + (", some killed" if deaths else ""), 1)
    place = Place(base, f"together-{number}-{deaths}-{seed}")
    draws = random.Random(seed)
    kills = [Watch(draws.randint(1, reference.writes // 2), die) for _ in range(deaths)]
    lives = [place.start(before=kill) for kill in kills]
    lives += [place.start() for _ in range(number - deaths)]
    for ended in [place.wait(pid) for pid in lives]:
        if ended.code not in ((0, -signal.SIGKILL) if deaths else (0,)):
            row.wrong += 1
            complain(row, place, f"ended with {ended.code}: {ended.output}")
    row.done_twice += max(0, place.begun().total() - CLIPS - deaths)
    compare(place, reference, row)
    return [settle(place, reference, row)]


Case = Callable[[Path, Reference], list[Row]]


def cases(kills: int, share: float, writes: int) -> Iterator[Case]:
    """Everything that is tried; all of it, or a share."""

    def some(*values: Any) -> list[Any]:
        return random.Random(0).sample(values, max(1, round(share * len(values))))

    for seed in range(0, kills, 10):
        yield partial(killed, seed=seed, number=min(10, kills - seed))
    for number, deaths in ((2, 0), (6, 0), (2, 1), (6, 4)):
        for seed in some(*range(5)):
            yield partial(together, number=number, deaths=deaths, seed=seed)
    yield device_full
    if share == 1:  # its workers import everything anew
        yield hangs
    for write in some(*range(1, writes + 1)):
        yield partial(disk_full, write=write, times=1)
    for write in some(*range(4, writes, writes // 8)):
        yield partial(disk_full, write=write, times=6)
    for kib in some(*range(8, 200, 16)):
        yield partial(disk_small, kib=kib)
    for most_bytes in some(*(100 * 2**n // 2**3 for n in range(4, 12))):
        yield partial(files_limited, most_bytes=most_bytes)
    for clips in some(0, 1, 3):
        yield partial(folder_read_only, clips=clips)
    for more in some(*range(24)):
        yield partial(descriptors_limited, more=more)
    for more_mib in some(*range(0, 160, 10)):
        yield partial(memory_limited, more_mib=more_mib)
    for seed in some(*range(10)):
        yield partial(clock_jumps, seed=seed)
    names = ("run.json", "loaded.json", "result.json", "clips/two/1.json", "scores/two/1.json")
    for seed, name in enumerate(some(*(*names, "clips/two/1.mkv") * 4)):
        yield partial(file_torn, name=name, seed=seed)
    for name, key in some(*((n, k) for n in names[3:] for k in ("schema", "frames_sha256"))):
        yield partial(record_older, name=name, change=key)


def furnish(base: Path) -> None:
    """A model, metrics and prompts that cost little."""
    (base / "mine.py").write_text(MODEL)
    for group, name, text in (("model", "odd", MODEL_YAML), ("metrics", "little", METRICS_YAML)):
        (base / "conf" / group).mkdir(parents=True)
        (base / "conf" / group / f"{name}.yaml").write_text(text)
    lines = [json.dumps({"id": name, "text": PROMPT}) for name in IDS]
    (base / "few.jsonl").write_text("\n".join(lines))


def reference_of(base: Path) -> Reference:
    """What a run comes to that nothing befalls, and how many operations on files it takes."""
    place = Place(base, "reference")
    watch = Watch(sys.maxsize, die)
    counted = place.root / "count"

    def count() -> None:
        watch()
        begun_s = time.monotonic()
        exit_now = os._exit

        def note(code: int) -> None:
            counted.write_text(f"{watch.count} {time.monotonic() - begun_s}")
            exit_now(code)

        os._exit = note  # type: ignore[assignment]

    ended = place.wait(place.start(before=count))
    if ended.code:
        raise SystemExit(f"the run without faults ended with {ended.code}: {ended.output}")
    writes, took_s = counted.read_text().split()
    return Reference(place.clips(), place.names(), int(writes), float(took_s))


def table(rows: Sequence[Row]) -> str:
    """Rows of one kind together, in markdown."""
    sums: dict[str, Row] = {}
    for row in rows:
        sums[row.what] = sums[row.what] + row if row.what in sums else row
    heads = [field.name.replace("_", " ") for field in fields(Row)]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    lines += [[str(value) for value in astuple(row)] for row in sums.values()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Exit code 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--share", type=float, default=1.0, help="of the other faults")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="functions whose name begins so")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        base = Path(scratch)
        furnish(base)
        reference = reference_of(base)
        todo = [
            case
            for case in cases(options.kills, options.share, reference.writes)
            if getattr(case, "func", case).__name__.startswith(options.only)
        ]
        with ProcessPoolExecutor(options.processes, get_context("fork")) as pool:
            tried = [pool.submit(case, base, reference) for case in todo]
            rows = [row for each in tried for row in each.result()]
    sys.stdout.write(table(rows))
    sys.stdout.write(
        f"\n{time.monotonic() - begun_s:.0f} s, a run takes {reference.took_s:.1f} s\n"
    )
    return 0 if all(row.is_clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
