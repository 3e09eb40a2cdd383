"""Any program as a model: run once per clip, in its own environment, and asked for one video."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field

from bench.clip import Clip
from bench.errors import BenchError, ClipError, nearest
from bench.generators.base import (
    Delivered,
    Duration,
    Generator,
    GeneratorInfo,
    Keys,
    Number,
    check_arguments,
    deliver,
    delivery_by,
    require,
)
from bench.generators.process import last_line, run_group, tail
from bench.prompts import Prompt
from bench.schema import Delivery, NonBlank
from bench.video import read_video

PLACEHOLDERS = ("prompt", "id", "seed", "image", "driving_video", "seconds", "out_dir", "config")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")

Values = Mapping[str, str | float]


@dataclass(eq=False)
class CommandGenerator(Generator):
    """Runs a program for every clip and reads the one video that it leaves.

    `{prompt}`, `{id}` (of the prompt), `{seed}`, `{image}`, `{driving_video}`, `{seconds}` (as the
    prompt asks), `{out_dir}` (empty, made for each clip and removed after it) and `{config}` (path
    of the rendered configuration) are replaced in `command`, `config`, `env` and `output`. No shell
    is involved.
    """

    kind = "bench.generators.command.CommandGenerator"
    # A clip is timed as a whole program, in its delivery.
    info = GeneratorInfo(measured=False, non_semantic=frozenset({"timeout_s"}))

    # Program and arguments, one each.
    command: Annotated[Sequence[str], Field(min_length=1), "a list of texts, as [python3, run.py]"]
    # Glob pattern of the video, relative to `workdir`. Exactly one file or folder of PNG frames
    # must match that was not there before.
    output: Annotated[NonBlank, "a glob pattern"]
    workdir: Annotated[str, "the name of a folder"] = "."  # where the program runs
    # What `{config}` holds: keys and values, written as JSON, which YAML readers read too; or a
    # text, in which values are put in as they are.
    config: Mapping[str, Any] | str | None = None
    config_name: str = "config.yaml"  # for programs that look at the ending of a file's name
    env: Keys | None = None  # beside the variables of this process
    timeout_s: Duration = 3600.0  # then the program and all it started are killed
    fps: Number | None = None  # of PNG frames; video files carry their own

    def __post_init__(self) -> None:
        check_arguments(self)
        command, name = self.command, self.config_name
        is_name = isinstance(name, str) and bool(name) and Path(name).name == name
        require(is_name, "config_name", "a file name", name)
        self._env = {str(key): str(value) for key, value in (self.env or {}).items()}
        self._folder = Path(os.path.expanduser(self.workdir)).absolute()  # noqa: PTH111 - as in folder.py
        self._used = _names(command, self.output, self.config, self._env)
        choices = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        for name in sorted(self._used):
            expected = f"made with one of {choices}{nearest(name, PLACEHOLDERS)}"
            require(name in PLACEHOLDERS, "command", expected, f"{{{name}}}")
        needed = "config" in _names(command, self._env)
        require((self.config is None) or needed, "command", "a list that uses {config}", command)
        has_config = self.config is not None
        require(has_config or not needed, "config", "what {config} is to hold", self.config)

    def __enter__(self) -> Self:
        require(self._folder.is_dir(), "workdir", "a folder", str(self._folder))
        # As the program is found from where it is run: a relative path is one from there.
        program = self.command[0]
        place = str(self._folder / program) if os.sep in program else program
        search = self._env.get("PATH", os.environ.get("PATH"))
        exists = shutil.which(place, path=search) is not None
        require(exists, "command", "a list that begins with a program", program)
        return self

    def expect(self, draws: Sequence[tuple[Prompt, int]]) -> None:
        """Make sure that every prompt has the files, and the length, that the command asks for."""
        for prompt, _ in draws:
            for name in ("image", "driving_video", "seconds"):
                if name in self._used and getattr(prompt, name) is None:
                    such = "suite=long" if name == "seconds" else "suite=dance suite.files=DIR"
                    raise BenchError(
                        f"the command needs {{{name}}} and prompt {prompt.id!r} has none: choose a "
                        f"suite whose prompts name {name!r}, as {such}"
                    )

    def generate(self, prompt: Prompt, seed: int) -> Delivered:
        """Run the program and read what it made.

        Undelivered if it ends with an error, takes too long, or leaves no or several videos.
        """
        with tempfile.TemporaryDirectory(prefix="steadybench-") as scratch:
            out_dir, config = Path(scratch, "out"), Path(scratch, self.config_name)
            out_dir.mkdir()
            values: Values = {
                "prompt": prompt.text,
                "id": prompt.id,
                "seed": seed,
                "image": str(prompt.image and prompt.image.absolute()),
                "driving_video": str(prompt.driving_video and prompt.driving_video.absolute()),
                "seconds": prompt.seconds or "",
                "out_dir": str(out_dir),
                "config": str(config),
            }
            if isinstance(self.config, str):
                config.write_text(_text(self.config, values), "utf-8")
            elif self.config is not None:
                filled = json.dumps(_fill(self.config, values), indent=1, ensure_ascii=False)
                config.write_text(filled, "utf-8")
            escaped = {name: glob.escape(str(value)) for name, value in values.items()}
            pattern = _text(self.output, escaped)
            before = self._matches(pattern)
            failure, delivery, details = self._run(values, Path(scratch, "stderr"))

            def read() -> Clip:
                if failure is not None:
                    raise ClipError(failure)
                # An older match is not the program's answer, unless it was written anew.
                times = self._matches(pattern)
                new = sorted(path for path, time_ns in times.items() if before.get(path) != time_ns)
                if len(new) == 1:
                    return read_video(new[0], self.fps)
                names = ", ".join(path.name for path in new[:5])
                matches = f"{len(new)}: {names}" if new else "none"
                raise ClipError(
                    f"expected one new file to match {pattern}, there are {matches}; see output"
                )

            return deliver(read, delivery, details)

    def _matches(self, pattern: str) -> dict[Path, int]:
        """What matches, and when each was last written (ns)."""
        names = glob.glob(pattern, root_dir=self._folder, recursive=True)  # noqa: PTH207 - root_dir, absolute patterns
        return {self._folder / name: (self._folder / name).stat().st_mtime_ns for name in names}

    def _run(self, values: Values, errors: Path) -> tuple[str | None, Delivery, dict[str, Any]]:
        """How the program failed, None if it did not; what it took; and what else is to be kept."""
        command = [_text(argument, values) for argument in self.command]
        env = os.environ | {key: _text(value, values) for key, value in self._env.items()}
        exit_code = failure = None
        started_at_s, start = time.time(), time.perf_counter()
        try:
            with errors.open("wb") as stderr:
                exit_code = run_group(command, self._folder, env, stderr, self.timeout_s)
        except subprocess.TimeoutExpired:
            failure = f"the program was stopped after {self.timeout_s:g} s (timeout_s); "
            failure += f"the last it said: {last_line(errors)}"
        except OSError as error:
            failure = f"{command[0]} cannot be run: {error.strerror or error}"
        latency_s = time.perf_counter() - start
        if exit_code:
            signalled = exit_code < 0 and f"signal {signal.Signals(-exit_code).name}"
            ending = signalled or f"exit code {exit_code}"
            failure = f"the program ended with {ending}: {last_line(errors)}"
        details = {
            "command": command,
            "workdir": str(self._folder),
            "exit_code": exit_code,
            "stderr_tail": tail(errors),
        }
        delivery = delivery_by("program", latency_s=latency_s, started_at_s=started_at_s)
        return failure, delivery, details


def _names(*values: object) -> set[str]:
    """Placeholders in texts, at any depth of lists and mappings."""
    return set(_PLACEHOLDER.findall(str(values)))


def _fill(value: object, values: Values) -> object:
    """The same with placeholders replaced; a text that is one of them keeps the value's type."""
    if isinstance(value, str):
        alone = _PLACEHOLDER.fullmatch(value)
        return values[alone[1]] if alone else _text(value, values)
    if isinstance(value, Mapping):
        return {_fill(key, values): _fill(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_fill(inner, values) for inner in value]
    return value


def _text(value: str, values: Values) -> str:
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), value)
