"""Files from strangers, spoilt at random by a seed: each is read, or refused in one line."""

import copy
import faulthandler
import json
import mmap
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import fake_runs
import pytest
import torch
from conftest import moving_texture
from fake_files import write
from PIL import Image

from bench.clip import Clip, write_master
from bench.errors import BenchError, ClipError
from bench.generators.base import Generator
from bench.generators.folder import read_manifest
from bench.leaderboard.check import worth_saying
from bench.leaderboard.data.files import load, load_each, read_each
from bench.leaderboard.data.rows import boards
from bench.leaderboard.data.votes import matching, preference, read_votes
from bench.leaderboard.publish import pages, tables_of
from bench.leaderboard.render.gallery import load_gallery
from bench.leaderboard.rules import broken_rules
from bench.prompts import Item, Prompt, load_suite
from bench.run.assemble import assemble
from bench.run.generation import generate
from bench.run.plan import Plan
from bench.schema import (
    ClipRecord,
)
from bench.storage import PACKAGE, PROMPTS, RunFolder, read_record, write_record
from bench.validation.ratings import read_ratings
from bench.video import Limits, read_video

RESULTS = PACKAGE.parent / "leaderboard" / "results" / "toy"
LIMITS = Limits(frames=2000, pixels=2**22, seconds=100, bytes=2**28)

MOST_S = 10.0  # of one input, computing
MOST_BYTES = 2 * 2**30
HANG_S = 60.0  # after which an input is not waited for, on a busy machine
SHORT, LONG = 8, 500  # inputs of each kind of file

Read = Callable[[Path], object]

NASTY: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(10**400), 1e308, -1e308, 5e-324, 0.5),
    *(
        "",
        " ",
        "\x00",
        "\ud800",
        "\u202e\x1b[31m",
        "x" * 10_000,
        "../../etc/passwd",
        "nan",
        "1e999",
    ),
    *([], {}, [[]], [None], {"": {}}, ["a"] * 1000, float("nan"), float("inf")),
]


PROMPT_IDS = ("roll-red-ball", "two-balls", "two-stars")
VOTE = {
    "schema": 1,
    "suite": "toy",
    "question": "Which clip holds together better?",
    "seed": 0,
    "left": "toy_steady",
    "right": "toy_wobbling",
    "choice": "left",
}


class Texture(Generator):
    """Makes small clips that move."""

    def generate(self, prompt: Prompt, seed: int) -> Clip:  # noqa: ARG002
        return Clip(moving_texture(6, 48, seed=seed), 8.0)


def kinds(folder: Path) -> dict[str, tuple[Path, Read]]:
    """Sound files of all kinds that are read, and how each is."""
    item = Item(Prompt("p0", "a ball rolls"), 0)
    run = RunFolder(folder / "suite" / "texture")
    write_record(run.run, fake_runs.described("texture"))
    generate(Plan("texture", Texture(), run, torch.device("cpu"), [item]), [item])
    clip = read_record(run.record(item.sample), ClipRecord)
    write_record(
        run.score(item.sample), fake_runs.scores(str(clip.frames_sha256), "a ball rolls", 0)
    )
    result = folder / "result.json"
    result.write_bytes((RESULTS / "toy_steady.json").read_bytes())

    def assembled(_: Path) -> object:
        return assemble([item], run)

    board = folder / "board"
    index = board / "clips" / "toy" / "toy_steady" / "clips.json"
    published = RESULTS.parents[1] / "clips" / "toy" / "toy_steady" / "clips.json"
    index.parent.mkdir(parents=True)
    index.write_bytes(published.read_bytes())
    sound = load(result)

    suite = folder / "prompts.jsonl"
    suite.write_bytes((PROMPTS / "toy.jsonl").read_bytes())
    manifests = [folder / "manifest.csv", folder / "manifest.jsonl"]
    lines = [{"file": f"{n}.mp4", "prompt": f"p{n}", "seed": n, "wait_s": 1.5} for n in range(4)]
    rows = [",".join(map(str, line.values())) for line in lines]
    manifests[0].write_text("\n".join(["file,prompt,seed,wait_s", *rows]) + "\n")
    manifests[1].write_text("\n".join(json.dumps(line) for line in lines))

    people = folder / "people"
    people.mkdir()
    (people / "0.mp4").write_bytes(b"x")
    head = "file,model,prompt_id,prompt,temporal_quality_1,alignment_1\n"
    (people / "ratings.csv").write_text(head + "0.mp4,one,p0,a ball,3,4\n0.gif,two,p0,a ball,,1\n")
    fetv = folder / "fetv" / "rater" / "manual_eval_results_one.json"
    fetv.parent.mkdir(parents=True)
    (folder / "fetv" / "one").mkdir()
    (folder / "fetv" / "one" / "7.mp4").write_bytes(b"x")
    fetv.write_text('{"7": {"temporal_quality": 3}}\n{"8": {"alignment": 2}}\n')

    votes = folder / "votes.jsonl"
    votes.write_text(
        "\n".join(
            json.dumps(VOTE | {"prompt": p, "voter": v * 8}) for p in PROMPT_IDS for v in "ab"
        )
    )

    def counted(path: Path) -> object:
        given, said = read_votes([path])
        matched, more = matching(given, [sound])
        preference(given, [VOTE["left"], VOTE["right"]])
        return matched, said, more

    readers = {
        "run.json": (run.run, assembled),
        "clip record": (run.record(item.sample), assembled),
        "score record": (run.score(item.sample), assembled),
        "result.json": (result, judged),
        "clips.json": (index, lambda _: load_gallery(sound, board)),
        "prompts": (suite, lambda path: load_suite(path)),
        "manifest.csv": (manifests[0], read_manifest),
        "manifest.jsonl": (manifests[1], read_manifest),
        "ratings.csv": (people / "ratings.csv", lambda path: read_ratings(path.parent)),
        "votes": (votes, counted),
        "fetv": (fetv, lambda path: read_ratings(path.parents[1])),
    }
    for path in videos(folder / "videos"):
        readers[path.name] = (path, watched)
    frames = folder / "frames"
    frames.mkdir()
    for number in range(3):
        cv2.imwrite(str(frames / f"{number}.png"), moving_texture(1, 48)[0])
    readers["frames"] = (frames / "1.png", lambda path: read_video(path.parent, 8, limits=LIMITS))
    return readers


def videos(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    clip = Clip(moving_texture(8, 48), 8.0)
    for name in ("a.mp4", "b.mov", "c.ts", "d.flv", "e.avi", "j.mpg"):
        yield write(folder / name, clip.frames)
    write_master(clip, folder / "f.mkv")
    yield folder / "f.mkv"
    first, *rest = [Image.fromarray(frame) for frame in clip.frames]
    for name in ("g.gif", "h.webp", "i.png"):
        first.save(folder / name, save_all=True, append_images=rest, duration=120)
        yield folder / name


def judged(path: Path) -> object:
    """All that is done with a result from outside, short of pictures."""
    result = load(path)
    said = [*broken_rules(result), *worth_saying(result)]
    if not said:
        load_each(read_each([path]), "")
        suites, board = boards([result]), path.parent / "board"
        pages(suites, tables_of(suites, board), board)
    return said


def watched(path: Path) -> object:
    """A clip, its frames gone through."""
    clip = read_video(path, resample=8, limits=LIMITS)
    return sum(int(frame[0, 0, 0]) for frame in clip.frames)


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """The content with a few faults, in its bytes or in what its JSON says."""
    if content[:1] in (b"{", b"[") and rng.random() < 0.7:
        text = content.decode()
        lines = [text] if len(text.splitlines()) > 1 and text[1:2] == "\n" else text.split("\n")
        at = rng.randrange(len(lines))
        try:
            lines[at] = changed(json.loads(lines[at]), rng)
            return "\n".join(lines).encode("utf-8", "surrogatepass")
        except ValueError:  # a line that is empty
            pass
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : min(end, at + 50)]
        elif kind == 2:
            data[at:at] = data[at : min(end, at + 500)] * rng.choice([1, 3])
        elif kind == 3:
            data[at : at + 4] = rng.choice(
                [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b'"', b"[" * 10**5]
            )
        elif kind == 4:
            data[at:at] = str(rng.choice(NASTY)).encode("utf-8", "replace")
        elif at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        if not data:
            break
    return bytes(data)


def changed(value: Any, rng: random.Random) -> str:
    """JSON with one to three of its values lost, renamed, or turned into something nasty."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places: list[tuple[Any, Any]] = []
        pending = [value]
        while pending:
            each = pending.pop()
            keys = each.keys() if isinstance(each, dict) else range(len(each))
            places += [(each, key) for key in keys]
            pending += [each[key] for key in keys if isinstance(each[key], dict | list)]
        if not places:
            break
        parent, key = rng.choice(places)
        action = rng.random()
        if action < 0.15:
            del parent[key]
        elif action < 0.25 and isinstance(parent, dict):
            parent[str(rng.choice(NASTY))[:100]] = parent.pop(key)
        elif action < 0.3:
            parent[key] = json.loads("[" * 200 + "]" * 200)
        else:
            parent[key] = copy.deepcopy(rng.choice(NASTY))
    text = json.dumps(value)
    return text.replace("NaN", rng.choice(["NaN", "1e999", "-0.0"]))


@dataclass
class Tally:
    """What became of the spoilt inputs of one kind."""

    kind: str
    inputs: int
    refused: int = 0
    slowest_s: float = 0.0
    largest_bytes: int = 0  # of main memory, beyond what the process had before
    faults: list[str] = field(default_factory=list)


def fuzz(kinds_of_files: Sequence[str], folder: Path, count: int, report: Path) -> None:
    """Read `count` spoilt inputs of each kind; a line of the report for each kind.

    For a process of its own, which ends where an input hangs.
    """
    files = kinds(folder)
    resource.setrlimit(resource.RLIMIT_AS, (resident_bytes("VmSize") + 2 * MOST_BYTES,) * 2)
    for kind in kinds_of_files:
        report.with_suffix(".input").write_text(kind)
        path, read = files[kind]
        content = path.read_bytes()
        tally = Tally(kind, count)
        for seed in range(count):
            report.with_suffix(".input").write_text(f"{kind} {seed}")
            path.write_bytes(spoilt(content, random.Random(f"{kind} {seed}")))
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            watch(tally, f"{kind} {seed}", lambda read=read, path=path: read(path))
            faulthandler.cancel_dump_traceback_later()
        path.write_bytes(content)
        with report.open("a") as file:
            file.write(json.dumps(asdict(tally)) + "\n")


def watch(tally: Tally, name: str, read: Callable[[], object]) -> None:
    """Read one input, and note what is to be known of it."""
    Path("/proc/self/clear_refs").write_text("5")  # from here on, the peak is that of this input
    before, start_s = resident_bytes("VmHWM"), time.process_time()
    try:
        read()
    except (BenchError, ClipError) as error:
        tally.refused += 1
        if not str(error):
            tally.faults.append(f"{name}: refused without a word")
    except Exception as error:
        tally.faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    took_s, took_bytes = time.process_time() - start_s, resident_bytes("VmHWM") - before
    tally.slowest_s = max(tally.slowest_s, took_s)
    tally.largest_bytes = max(tally.largest_bytes, took_bytes)
    if took_s > MOST_S:
        tally.faults.append(f"{name}: {took_s:.0f} s")
    if took_bytes > MOST_BYTES:
        tally.faults.append(f"{name}: {took_bytes / 2**30:.1f} GiB")


def resident_bytes(key: str) -> int:
    """Of this process: `VmHWM`, its peak, or `VmSize`, all that it has asked for."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{key}:")[2].split()[0]) * 1024


def tallied(kinds_of_files: Sequence[str], folder: Path, count: int) -> dict[str, Tally]:
    """As `fuzz` has it, in another process: an input that hangs or kills it is its kind's fault."""
    report = folder / "report"
    process = get_context("spawn").Process(
        target=fuzz, args=(kinds_of_files, folder / "files", count, report)
    )
    process.start()
    process.join()
    lines = report.read_text().splitlines() if report.exists() else []
    tallies = {line["kind"]: Tally(**line) for line in map(json.loads, lines)}
    for kind in kinds_of_files:
        if kind not in tallies:
            last = report.with_suffix(".input").read_text()
            why = f"{last} hung, or ended the process (exit code {process.exitcode})"
            tallies[kind] = Tally(kind, count, faults=[why])
    return tallies


KINDS = (
    *("run.json", "clip record", "score record", "result.json", "clips.json", "prompts"),
    *("manifest.csv", "manifest.jsonl", "ratings.csv", "fetv", "votes", "frames"),
    *("a.mp4", "b.mov", "c.ts", "d.flv", "e.avi", "f.mkv", "g.gif", "h.webp", "i.png", "j.mpg"),
)


def test_all_kinds_are_fuzzed(tmp_path: Path) -> None:
    files = kinds(tmp_path)
    assert files.keys() == set(KINDS)
    for path, read in files.values():
        read(path)  # as long as they are sound


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tally]:
    """A few inputs of each kind, all in one process."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "files").mkdir()
    return tallied(KINDS, folder, SHORT)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_spoilt_is_read_or_refused_in_one_line(short: dict[str, Tally], kind: str) -> None:
    assert short[kind].faults == []


def test_what_dies_or_grows_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "MOST_BYTES", 2**26)

    def grow() -> None:
        with mmap.mmap(-1, 2**27) as area:  # a bytes object may lie where this process has room
            for page in range(0, len(area), mmap.PAGESIZE):
                area[page] = 1

    tally = Tally("x", 3)
    watch(tally, "large", grow)
    watch(tally, "broken", lambda: 1 / 0)
    watch(tally, "silent", lambda: (_ for _ in ()).throw(BenchError("")))
    assert [fault.partition(": ")[2] for fault in tally.faults] == [
        "0.1 GiB",
        "ZeroDivisionError: division by zero",
        "refused without a word",
    ]
    assert tally.largest_bytes > MOST_BYTES
    dead = tallied(["no such kind"], tmp_path, 1)["no such kind"]
    assert "ended the process" in dead.faults[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_very_much_that_is_spoilt_harms_nothing(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    tally = tallied([kind], tmp_path, LONG)[kind]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kind}: {LONG} inputs, {tally.refused} refused, {len(tally.faults)} faults, "
            f"at most {tally.slowest_s:.1f} s and {tally.largest_bytes / 2**20:.0f} MiB "
        )
    assert tally.faults == []
