"""Files from strangers, spoilt at random by a seed: each is read, or refused in one line."""

import copy
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import fake_runs
import pytest
import torch
from conftest import moving_texture
from PIL import Image

from bench.clip import Clip, write_master, write_preview
from bench.errors import BenchError, ClipError
from bench.generators.base import Generator
from bench.generators.folder import read_manifest
from bench.leaderboard.check import worth_saying
from bench.leaderboard.data.files import load, load_each, read_each
from bench.leaderboard.data.rows import boards
from bench.leaderboard.publish import pages
from bench.leaderboard.render.gallery import load_gallery
from bench.leaderboard.rules import broken_rules
from bench.prompts import Item, Prompt, load_suite
from bench.run.assemble import assemble
from bench.run.generation import Plan, generate
from bench.schema import (
    ClipRecord,
)
from bench.storage import PACKAGE, PROMPTS, RunFolder, read_record, write_record
from bench.validation.ratings import read_ratings
from bench.video import Limits, read_video

RESULTS = PACKAGE.parent / "leaderboard" / "results" / "toy"
LIMITS = Limits(frames=2000, pixels=2**22, seconds=100, bytes=2**28)

MOST_S = 10.0  # of one input, on a busy machine
MOST_BYTES = 2 * 2**30
SHORT, LONG = 8, 800  # inputs of each kind of file

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


class Texture(Generator):
    """Makes small clips that move."""

    def generate(self, prompt: Prompt, seed: int) -> Clip:  # noqa: ARG002
        return Clip(moving_texture(6, 48, seed=seed), 8.0)


def kinds(folder: Path) -> dict[str, tuple[Path, Read]]:
    """Sound files of all kinds that are read, and how each is."""
    item = Item(Prompt("p0", "a ball rolls"), 0)
    run = RunFolder(folder / "suite" / "texture")
    write_record(run.run, fake_runs.described("texture"))
    generate(Texture(), Plan("texture", {}, [item]), [item], run, torch.device("cpu"))
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
    for name in ("a.mp4", "b.mov", "c.ts", "d.flv", "e.avi"):
        write_preview(clip, folder / name)
        yield folder / name
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
        pages(boards([result]), path.parent / "board")
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


def faults(name: str, folder: Path, seeds: range) -> list[str]:
    """What was neither read nor refused in one line, and what took too long or too much."""
    path, read = kinds(folder)[name]
    content = path.read_bytes()
    lines = []
    for seed in seeds:
        path.write_bytes(spoilt(content, random.Random(f"{name} {seed}")))
        start_s = time.monotonic()
        try:
            read(path)
        except (BenchError, ClipError) as error:
            if not str(error):
                lines.append(f"{name} {seed}: refused without a word")
        except Exception as error:
            lines.append(f"{name} {seed}: {type(error).__name__}: {str(error)[:200]}")
        if (took_s := time.monotonic() - start_s) > MOST_S:
            lines.append(f"{name} {seed}: {took_s:.0f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if len(seeds) == LONG and peak > MOST_BYTES:  # in a process of its own
        lines.append(f"{name}: {peak / 2**30:.1f} GiB")
    return lines


KINDS = (
    *("run.json", "clip record", "score record", "result.json", "clips.json", "prompts"),
    *("manifest.csv", "manifest.jsonl", "ratings.csv", "fetv", "frames"),
    *("a.mp4", "b.mov", "c.ts", "d.flv", "e.avi", "f.mkv", "g.gif", "h.webp", "i.png"),
)


def test_all_kinds_are_fuzzed(tmp_path: Path) -> None:
    files = kinds(tmp_path)
    assert files.keys() == set(KINDS)
    for path, read in files.values():
        read(path)  # as long as they are sound


@pytest.mark.parametrize("name", KINDS)
def test_what_is_spoilt_is_read_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    assert faults(name, tmp_path, range(SHORT)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_very_much_that_is_spoilt_harms_nothing(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with get_context("spawn").Pool(1) as pool:  # a decoder that dies ends no more than this
        lines = pool.apply_async(faults, (name, tmp_path, range(LONG))).get(LONG * MOST_S / 10)
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {LONG} inputs, {len(lines)} faults")
    assert lines == []
