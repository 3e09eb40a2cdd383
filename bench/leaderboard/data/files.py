"""What is read from files: results, what raters said of them, and the suites that are published."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import fmean

from bench.errors import BenchError, nearest
from bench.prompts import Prompt, parse_suite
from bench.schema import Result, parse
from bench.storage import PROMPTS, SAFE_NAME, fingerprint, read_bytes

FILE_NAME = "result.json"
PUBLISHED = "results/*/*.json"
"""Where a leaderboard's folder holds results: one folder a suite, one file a model."""
SWEEP = "multirun.yaml"
"""What a run of several models leaves beside the folders of its suites."""


def find(paths: Sequence[Path]) -> list[Path]:
    """Result files at or under the paths, each once, in the order given.

    A path may be a result file, a run's folder that holds one, a folder of such folders (one
    suite), a folder of those (a whole output folder), or the folder of a leaderboard. `SWEEP` is
    passed over, since OUTPUTS/* names it too.
    """
    files: dict[Path, Path] = {}
    for file in (file for path in paths if path.name != SWEEP for file in _find(path)):
        files.setdefault(file.resolve(), file)
    return list(files.values())


def _find(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        name = str(path).rpartition("=")[2]  # of out=DIR, suite=NAME or model=NAME
        outputs = Path("outputs")
        places = [Path(name), outputs / name, *sorted(outputs.glob(f"*/{name}"))]
        near = nearest(path.name, (each.name for each in path.parent.glob("*")))
        meant = next((f" (did you mean {each}?)" for each in places if each.exists()), near)
        raise BenchError(f"expected a result file or a run's folder, {path} does not exist{meant}")
    for pattern in (FILE_NAME, f"*/{FILE_NAME}", f"*/*/{FILE_NAME}", PUBLISHED):
        if files := sorted(path.glob(pattern)):
            return files
    raise BenchError(
        f"expected {FILE_NAME} in {path} or in a folder below it, found none: "
        "run `steadybench run` first, or give the folder of a finished run"
    )


def find_one(path: Path) -> Path:
    """The one result file at or under a path."""
    files = find([path])
    if len(files) != 1:
        raise BenchError(f"expected one result, {path} holds {len(files)}: name one of its folders")
    return files[0]


def read_each(paths: Iterable[Path]) -> dict[Path, bytes]:
    """What files hold, for what looks at them and then copies the very same."""
    return {path: read_bytes(path) for path in paths}


def load(path: Path, content: bytes | None = None) -> Result:
    """One result file, or what it held; a `ResultError` has all faults."""
    content = read_bytes(path) if content is None else content
    return parse(Result, content, str(path), mend=f"give a {FILE_NAME} as a run wrote it")


def load_named(path: Path, content: bytes | None = None) -> Result:
    """One result file whose suite and model can be names of files."""
    result = load(path, content)
    for name in (result.suite, result.model):
        if not SAFE_NAME.fullmatch(name):
            raise BenchError(
                f"{path}: expected suite and model of letters, digits, '.', '_' and '-', "
                f"got {name!r:.80}"
            )
    return result


def load_each(contents: Mapping[Path, bytes], mend: str) -> dict[Path, Result]:
    """Results by file, each the only one of its suite and model; `mend` says what to do if not.

    Of files that hold the very same, one stands for all: a run's own, which has its clips beside
    it, before a copy.
    """
    files: dict[bytes, Path] = {}
    for path in sorted(contents, key=lambda path: path.name != FILE_NAME):
        files.setdefault(contents[path], path)
    results: dict[Path, Result] = {}
    owners: dict[tuple[str, str], Path] = {}
    for content, path in files.items():
        result = results[path] = load_named(path, content)
        if (other := owners.setdefault((result.suite, result.model), path)) != path:
            raise BenchError(
                f"expected one result per suite and model, {other} and {path} are different "
                f"results of {result.suite}/{result.model}: {mend}"
            )
    return results


def mean_ratings(board: Path) -> dict[str, float]:
    """Each model's mean rating of temporal quality over raters and generated clips, 1..5.

    As `validate people=DIR` has written them into a leaderboard's folder, if it has.
    """
    path = board / "people.json"
    if not path.exists():
        return {}
    ratings: defaultdict[str, list[float]] = defaultdict(list)
    try:
        for clip in json.loads(read_bytes(path)):
            if not clip["real"]:
                given = clip["ratings"].get("temporal_quality", ())
                ratings[str(clip["model"])] += [float(each) for each in given if each is not None]
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise BenchError(
            f"{path}: expected what `steadybench validate people=DIR` writes; remove it"
        ) from None
    return {model: fmean(each) for model, each in ratings.items() if each}


@dataclass(frozen=True)
class Suite:
    """A published suite file."""

    file: str  # its path for people
    sha256: str
    prompts: Mapping[str, Prompt]  # by id; the files that they name need not be there

    @property
    def categories(self) -> dict[str, str]:
        """Of the prompts, by id."""
        return {prompt.id: prompt.category for prompt in self.prompts.values()}


def suite_of(prompts_sha256: str | None, images: Mapping[str, str]) -> Suite | None:
    """The published suite that a result's hash of prompts stands for; None if it is none.

    `images` is prompt id to the SHA-256 of the picture its clips began with; the hash covers
    these too (see `bench.run.conditioning.suite_sha256`).
    """
    for suite in suites():
        if prompts_sha256 in {suite.sha256, fingerprint([suite.sha256, images])}:
            return suite
    return None


def suite_of_result(result: Result) -> Suite | None:
    """The published suite of a result's prompts; None if it is none."""
    images = {clip.prompt: clip.image_sha256 for clip in result.clips if clip.image_sha256}
    return suite_of(result.prompts.sha256, images)


@cache
def suites() -> tuple[Suite, ...]:
    """The published suites, by file name."""
    contents = {path: path.read_bytes() for path in sorted(PROMPTS.glob("*.jsonl"))}
    return tuple(
        Suite(
            file=f"prompts/{path.name}",
            sha256=sha256(raw).hexdigest(),
            prompts={prompt.id: prompt for prompt in parse_suite(raw, path).values()},
        )
        for path, raw in contents.items()
    )
