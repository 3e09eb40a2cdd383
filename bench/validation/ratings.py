"""Folders of clips that people have rated: ratings.csv, or the layout of FETV's own results.

python -m bench.validation.ratings DIR INTO     writes a suite of them: their models take rows
"""

import argparse
import json
import math
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, attempt
from bench.generators.folder import NEEDED
from bench.storage import SAFE_NAME, write_text
from bench.textfiles import csv_text, read_csv, read_json_lines
from bench.video import VIDEO_SUFFIXES

QUESTIONS = ("temporal_quality", "static_quality", "alignment")
"""Does it hold together and move well; how do single frames look; does it show the prompt?"""

RATINGS = "ratings.csv"

_NEEDED = ("file", "model", "prompt_id", "prompt")
_COLUMN = re.compile(rf"({'|'.join(QUESTIONS)})_(\w+)")
_REAL = ("real", "ground-truth")
_FETV_FILE = "manual_eval_results_"


@dataclass(frozen=True)
class RatedClip:
    """A clip and what people said of it."""

    path: Path  # of the video file
    model: str  # that made it; `real` for footage
    prompt_id: str  # clips of one prompt can be compared with each other
    prompt: str  # what was asked for
    # By question those of all raters, in one order, higher is better; NaN where one gave none.
    ratings: Mapping[str, tuple[float, ...]]

    @property
    def real(self) -> bool:
        """Whether it is footage."""
        return self.model.lower() in _REAL


def has_ratings(folder: Path) -> bool:
    """Whether a folder holds people's ratings, in a layout that `read_ratings` reads."""
    return (folder / RATINGS).is_file() or any(_fetv_files(folder))


def read_ratings(folder: Path) -> list[RatedClip]:
    """The rated clips of a folder; those whose files are not there are left out.

    Either `ratings.csv`, with the columns `file`, `model`, `prompt_id`, `prompt` and one named
    `<question>_<rater>` for each question and rater, and the clips beside it or in `clips/`. Or
    FETV's: `<rater>/manual_eval_results_<model>.json`, a line for each clip, such as
    `{"7": {"temporal_quality": 3, ...}}`, clips at `<model>/7.<mp4, gif ...>`, and, for the texts
    of the prompts, `fetv_data.json`, a line for each prompt from number 0.
    """
    if (folder / RATINGS).is_file():
        clips = list(_csv_clips(folder))
    elif files := sorted(_fetv_files(folder)):
        clips = list(_fetv_clips(folder, files))
    else:
        raise BenchError(
            f"expected {RATINGS} or FETV's <rater>/{_FETV_FILE}<model>.json in {folder}, got "
            f"{'neither' if folder.is_dir() else 'no folder'}: type people=DIR"
        )
    usable = [clip for clip in clips if _is_file(clip.path)]
    if not usable:
        raise BenchError(
            f"expected the clips of {folder} beside their ratings or in {folder / 'clips'}, "
            f"got none of {len(clips)}"
        )
    return usable


def _csv_clips(folder: Path) -> Iterator[RatedClip]:
    path = folder / RATINGS
    names, rows = read_csv(path, _NEEDED)
    columns = _questions(names, f"{path}, line 1")
    seen = set()
    for where, row in rows:
        file, model, prompt_id, prompt = (row[name] for name in _NEEDED)
        if not (file and model and prompt_id):
            raise BenchError(f"{where}: expected file, model and prompt_id, got an empty one")
        if file in seen:
            raise BenchError(f"{where}: expected each file once, got {file!r} again")
        seen.add(file)
        ratings = {
            question: tuple(_number(row[name], name, where) for name in raters)
            for question, raters in columns.items()
        }
        yield RatedClip(_located(folder, file, where), model, prompt_id, prompt, ratings)


def _questions(names: Sequence[str], where: str) -> dict[str, list[str]]:
    """Question to the columns that hold its ratings."""
    columns: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if match := _COLUMN.fullmatch(name):
            columns[match[1]].append(name)
    if not columns:
        raise BenchError(
            f"{where}: expected columns such as {QUESTIONS[0]}_1 (questions are "
            f"{', '.join(QUESTIONS)}; after the last _ comes the rater), got {', '.join(names)}"
        )
    return dict(columns)


def _located(folder: Path, file: str, where: str) -> Path:
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise BenchError(f"{where}: expected a file inside {folder}, got {file!r}")
    beside = folder / file
    return beside if _is_file(beside) else folder / "clips" / file


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _fetv_files(folder: Path) -> Iterable[Path]:
    return folder.glob(f"*/{_FETV_FILE}*.json")


def _fetv_clips(folder: Path, files: list[Path]) -> Iterator[RatedClip]:
    raters = sorted({file.parent.name for file in files})
    texts = folder / "fetv_data.json"
    entries = read_json_lines(texts) if texts.is_file() else ()
    prompts = {str(number - 1): str(entry.get("prompt", "")) for number, entry in entries}
    ratings: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(
        lambda: {question: {} for question in QUESTIONS}
    )
    for file in files:
        model = file.stem.removeprefix(_FETV_FILE)
        for number, line in read_json_lines(file):
            where = f"{file}, line {number}"
            for prompt_id, given in line.items():
                if not isinstance(given, dict):
                    raise BenchError(f"{where}: expected the ratings of a clip, got {given!r}")
                for question in QUESTIONS:
                    rating = _number(given.get(question, ""), question, where)
                    ratings[model, prompt_id][question][file.parent.name] = rating
    for (model, prompt_id), answers in ratings.items():
        videos = [folder / model / f"{prompt_id}{suffix}" for suffix in sorted(VIDEO_SUFFIXES)]
        yield RatedClip(
            next(filter(Path.is_file, videos), videos[0]),
            model,
            prompt_id,
            prompts.get(prompt_id, ""),
            {
                question: tuple(by_rater.get(rater, math.nan) for rater in raters)
                for question, by_rater in answers.items()
            },
        )


def _number(value: object, name: str, where: str) -> float:
    """A rating; NaN for none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        rating = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise BenchError(f"{where}: expected a number for {name}, got {value!r}")
    return rating


def write_suite(folder: Path, into: Path) -> None:
    """Write what scores the rated clips of a folder as a suite, so that their models take rows.

    `prompts.jsonl`, and for each model `<model>.csv`, the `model.manifest` of `model.path=folder`.
    """
    texts: dict[str, str] = {}
    files: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for clip in read_ratings(folder):
        text = texts.setdefault(clip.prompt_id, clip.prompt)
        if not text or text != clip.prompt:
            raise BenchError(
                f"{folder}: expected one text for prompt {clip.prompt_id}, got {text!r} and "
                f"{clip.prompt!r}"
            )
        if not SAFE_NAME.fullmatch(clip.model):
            raise BenchError(
                f"{folder}: expected a model named with letters, digits, . _ -, got {clip.model!r}"
            )
        files[clip.model].append((str(clip.path.relative_to(folder)), clip.prompt_id, 0))
    prompts = [json.dumps({"id": key, "text": text}) for key, text in texts.items()]
    write_text(into / "prompts.jsonl", "\n".join(prompts) + "\n")
    for model, lines in files.items():
        rows = [dict(zip(NEEDED, line, strict=True)) for line in lines]
        write_text(into / f"{model}.csv", csv_text(NEEDED, rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 0, or 2 after a mistake of the user."""
    parser = argparse.ArgumentParser(description="Make a suite of clips that people have rated.")
    parser.add_argument("folder", type=Path, help="holds the clips and ratings.csv")
    parser.add_argument("into", type=Path, help="folder for prompts.jsonl and <model>.csv")
    given = parser.parse_args(arguments)

    def job() -> int:
        write_suite(given.folder, given.into)
        return 0

    return attempt(job)


if __name__ == "__main__":
    sys.exit(main())
