"""Models behind a server: clips made through the OpenAI-shaped `/v1/videos`, N at a time.

The server is there, or is started for as long as clips are asked for.
"""

import contextlib
import os
import shlex
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import httpx2
from pydantic import Field

from bench.errors import BenchError, ClipError, DeviceLost, one_line, printable
from bench.generators.base import (
    Delivered,
    Duration,
    FromOne,
    Generator,
    GeneratorInfo,
    Keys,
    Undelivered,
    check_arguments,
    deliver,
    delivery_by,
    is_valid,
    require,
    settings,
)
from bench.generators.process import guarded, last_line
from bench.generators.video_client import Answer, Dialect, VideoClient
from bench.prompts import Prompt
from bench.schema import NonBlank
from bench.video import read_video

Draw = tuple[Prompt, int]

Command = Annotated[Sequence[str], Field(min_length=1), "a list of texts, as [vllm, serve, MODEL]"]

# What decides no frame, or names what does; `server.command` may.
_NON_SEMANTIC = frozenset(
    {"key_env", "timeout_s", "answer_s", "poll_s", "retries", "stack", "gpus"}
    | {"server.health", "server.ready_s", "server.version"}
)
_NAME = "a name of up to 100 letters"
_OF_DRAW = ("prompt", "seed", "input_reference")
_LOOK_EVERY_S = 0.5  # whether a server is ready


@dataclass(frozen=True)
class Server:
    """A server that is started for the clips; the keys of `model.server`.

    `{port}` in `command`, and in `model.base_url`, is one that nobody uses.
    """

    command: Command  # program and arguments, one each
    # What answers, below `model.base_url`, once it is ready.
    health: Annotated[str, Field(pattern="^/"), "a path, as /health"] = "/health"
    ready_s: Duration = 1800.0  # that it may take until then
    version: Command | None = None  # a program that prints the version of the stack
    env: Keys = field(default_factory=dict)  # beside the variables of this process

    def __post_init__(self) -> None:
        check_arguments(self, "server.")

    def read_version(self) -> str:
        """What the program for it prints last; empty without one."""
        if self.version is None:
            return ""
        try:
            lines = subprocess.run(
                self.version, env=self._env, capture_output=True, text=True, timeout=60, check=True
            ).stdout.split("\n")
        except (OSError, subprocess.SubprocessError) as error:
            raise BenchError(
                f"model.server.version: expected the version of the server's stack, but "
                f"{one_line(error)}: see that {shlex.join(self.version)} runs here"
            ) from None
        return printable(next((line for line in reversed(lines) if line.strip()), "").strip(), 80)

    @contextlib.contextmanager
    def running(self, port: int, base_url: str) -> Iterator[Callable[[], None]]:
        """The server, from when it is ready until the block ends.

        Call what this gives to have DeviceLost raised if the server has ended meanwhile.
        """
        command = [part.replace("{port}", str(port)) for part in self.command]
        with tempfile.NamedTemporaryFile(prefix="steadybench-server-") as output:
            log = Path(output.name)
            with guarded(command, self._env, output.file) as process:

                def check(kind: type[BenchError] = DeviceLost) -> None:
                    if process.poll() is not None:
                        raise kind(
                            f"the server ended with exit code {process.returncode}, and last said: "
                            f"{printable(last_line(log))}"
                        )

                deadline = time.monotonic() + self.ready_s
                while not _answers(base_url.rstrip("/") + self.health):
                    check(BenchError)
                    if time.monotonic() > deadline:
                        raise BenchError(
                            f"expected the server to be ready within {self.ready_s:g} s "
                            f"(model.server.ready_s), it last said: {printable(last_line(log))}"
                        )
                    time.sleep(_LOOK_EVERY_S)
                yield check

    @property
    def _env(self) -> dict[str, str]:
        return os.environ | {key: str(value) for key, value in self.env.items()}


def _answers(address: str) -> bool:
    try:
        return httpx2.get(address, timeout=10.0).is_success
    except httpx2.RequestError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(eq=False)
class VideoApiGenerator(Generator):
    """Asks a server for every clip; keeps `concurrency` requests under way.

    Prompt, seed and image of a draw are added to `fields`. The server's memory and seconds are
    its own word; the time kept here is that of waiting, its queue included.
    """

    kind = "bench.generators.video_api.VideoApiGenerator"
    base_url: str  # up to and without `/v1/videos`, as http://127.0.0.1:30000
    # Sent with every request as they are. Must hold `num_frames` or `seconds`: left to itself, a
    # server may make a single frame.
    fields: Keys
    # `multipart` sends every request as a form (vLLM-Omni); `json` sends JSON, and a form only
    # where an image goes along (SGLang Diffusion).
    dialect: Dialect = "json"
    # The environment variable that holds the key, if one is needed. The key itself is never
    # written anywhere.
    key_env: str | None = None
    send_seed: bool = True  # false where the server takes none; seeds are then separate draws
    concurrency: FromOne = 1  # requests under way at once
    timeout_s: Duration = 3600.0  # for one clip: queue, generation and download
    answer_s: Duration = 60.0  # that the server may be silent in the midst of an answer
    poll_s: Duration = 2.0  # between two looks at a job
    # Of a request that was refused for now (429, 5xx) or broke off.
    retries: Annotated[int, Field(ge=0), "a number from 0"] = 5
    # What serves, as `vLLM-Omni`, and with its version where no `server.version` tells it. One
    # model may be several times as fast on one stack as on another.
    stack: Annotated[NonBlank, Field(max_length=100), _NAME] | None = None
    # That the server makes a clip with; None where nobody knows.
    gpus: Annotated[FromOne, "a number from 1, or null"] | None = None
    server: Server | None = None  # by its keys, to have it started; None where it runs already

    def __post_init__(self) -> None:
        check_arguments(self)
        url, fields = self.base_url, self.fields
        if self.server is not None and not isinstance(self.server, Server):
            self.server = settings(Server, self.server, "server")
        public = "one that holds a password" if "@" in str(url) else url
        fixed = url if self.server is None else str(url).replace("{port}", "1")
        require(_is_address(fixed), "base_url", "an address, as http://127.0.0.1:30000", public)
        bare = not url.rstrip("/").endswith(("/v1", "/videos"))
        require(bare, "base_url", "an address without /v1/videos", url)
        length = any(fields.get(key) for key in ("num_frames", "seconds"))
        require(length, "fields", "values that hold num_frames or seconds", dict(fields))
        twice = [key for key in _OF_DRAW if key in fields]
        require(not twice, "fields", "without what each draw brings", ", ".join(twice))
        is_name = isinstance(self.key_env, str) and self.key_env.isidentifier()
        expected = "the name of an environment variable"
        require(self.key_env is None or is_name, "key_env", expected, "something else")
        self._stack: ExitStack
        self._served_by: dict[str, Any] = {}
        self._check: Callable[[], None] = lambda: None
        self._client: VideoClient
        self._workers: ThreadPoolExecutor
        self._futures: dict[tuple[str, int], Future[Answer]] = {}

    @property
    def info(self) -> GeneratorInfo:
        """As many again as are under way may stand finished or queued.

        So a slow reader leaves no request idle, and a run that is stopped loses few clips that were
        paid for.
        """
        return GeneratorInfo(
            measured=False,  # a wait for somebody else's hardware, which the delivery holds
            non_semantic=frozenset(_NON_SEMANTIC if self.server else {*_NON_SEMANTIC, "server"}),
            ahead=2 * self.concurrency - 1,
            gpus=self.gpus or 1,
        )

    def frames_requested(self, prompt: Prompt) -> int | None:  # noqa: ARG002 - of all, the same
        """The field `num_frames`, where it is a number."""
        frames = self.fields.get("num_frames")
        return frames if is_valid(FromOne, frames) else None

    def __enter__(self) -> Self:
        key = None
        if self.key_env is not None and not (key := os.environ.get(self.key_env, "").strip()):
            raise BenchError(
                f"expected a key in the environment variable {self.key_env}, it is not set: "
                f"type export {self.key_env}=KEY, or model.key_env=NAME"
            )
        with ExitStack() as stack:
            url, words = self.base_url, [self.stack or ""]
            if self.server is not None:
                words.append(self.server.read_version())
                port = _free_port()
                url = url.replace("{port}", str(port))
                self._check = stack.enter_context(self.server.running(port, url))
            name = " ".join(filter(None, words))
            self._served_by = {"stack": name} if name else {}
            self._served_by |= {"gpus": self.gpus} if self.gpus else {}
            self._client = VideoClient(
                url,
                key,
                dialect=self.dialect,
                timeout_s=self.timeout_s,
                answer_s=self.answer_s,
                poll_s=self.poll_s,
                retries=self.retries,
            )
            stack.callback(self._client.close)
            self._workers = ThreadPoolExecutor(self.concurrency, "video-api")
            stack.callback(self._workers.shutdown, cancel_futures=True)
            stack.callback(self._client.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._futures = {}

    def begin(self, draws: Sequence[Draw]) -> None:
        """Queue the requests of these draws; DeviceLost if the server that was started is gone."""
        self._check()
        for prompt, seed in draws:
            self._futures[prompt.id, seed] = self._submit(prompt, seed)

    def generate(self, prompt: Prompt, seed: int) -> Delivered:
        """Wait for the clip of this draw and read it; Undelivered if there is no whole one."""
        future = self._futures.pop((prompt.id, seed), None) or self._submit(prompt, seed)
        delivery = delivery_by("request", concurrency=self.concurrency, **self._served_by)
        try:
            answer = future.result()
        except ClipError as error:
            raise Undelivered(str(error), delivery, {}) from None
        with tempfile.TemporaryDirectory(prefix="steadybench-") as scratch:
            file = Path(scratch, "answer.mp4")
            file.write_bytes(answer.content)
            took = delivery.replace(**answer.took)
            return deliver(lambda: read_video(file), took, {"model": answer.model})

    def _submit(self, prompt: Prompt, seed: int) -> "Future[Answer]":
        fields = {"prompt": prompt.text, **self.fields}
        if self.send_seed:
            fields["seed"] = seed
        return self._workers.submit(self._client.make, fields, prompt.image)


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    parts = urllib.parse.urlsplit(value)
    # A password in an address would stand in every record.
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
