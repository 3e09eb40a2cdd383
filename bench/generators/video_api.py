"""Models behind a server: clips made through the OpenAI-shaped `/v1/videos`, N at a time.

The server is there, or is started for as long as clips are asked for.
"""

import contextlib
import ipaddress
import json
import mimetypes
import os
import random
import shlex
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

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
from bench.prompts import Prompt
from bench.schema import Bytes, NonBlank, Seconds, Value
from bench.video import read_video

Dialect = Literal["json", "multipart"]

Draw = tuple[Prompt, int]

Command = Annotated[Sequence[str], Field(min_length=1), "a list of texts, as [vllm, serve, MODEL]"]

_BUSY = frozenset({429, 500, 502, 503, 504})  # what a later attempt may find otherwise

# What decides no frame, or names what does; `server.command` may.
_NON_SEMANTIC = frozenset(
    {"key_env", "timeout_s", "answer_s", "poll_s", "retries", "stack", "gpus"}
    | {"server.health", "server.ready_s", "server.version"}
)
_NAME = "a name of up to 100 letters"
_OF_DRAW = ("prompt", "seed", "input_reference")
_WAITING = ("queued", "in_progress")
_MOST_REDIRECTS = 10
_MOST_VIDEO_BYTES = 2**30
_MOST_WORDS_BYTES = 2**20  # of any other answer
_LONGEST_BACKOFF_S = 60.0
_SHOWN = 200  # characters of what a server said
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
            self._client = VideoClient(self, key, url)
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


def _is_private(host: str) -> bool:
    """Whether a name stands for an address of this machine or its network; not if for none."""
    with contextlib.suppress(OSError):
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        return any(not ipaddress.ip_address(each.partition("%")[0]).is_global for each in addresses)
    return False


class Answer(NamedTuple):
    """A finished job."""

    content: bytes  # of the video file
    model: str | None  # as the server calls it
    # Fields of `bench.schema.Delivery`: `latency_s` runs from the first request to the last byte,
    # queue and retries included.
    took: Mapping[str, Any]


class VideoClient:
    """Asks one server for videos; may be used from several threads at once.

    The key is sent as a bearer token to that server alone, and is never part of an error or a log.
    """

    def __init__(self, settings: VideoApiGenerator, key: str | None, base_url: str) -> None:
        self._settings, self._key = settings, key
        self._jobs = f"{base_url.rstrip('/')}/v1/videos"
        self._stopped = threading.Event()
        # A kept connection may be gone by the next request, which then looks like a refusal.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=settings.answer_s,
            event_hooks={"request": [self._refuse_private]},
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    def _refuse_private(self, request: httpx2.Request) -> None:
        """A server elsewhere must not have this machine ask what only this network can reach."""
        own, host = urllib.parse.urlsplit(self._jobs).hostname or "", request.url.host
        if host != own and _is_private(host) and not _is_private(own):
            raise ClipError(
                f"expected {own} to send on to a public address, got {self._clean(host)}"
            )

    def stop(self) -> None:
        """Give up every request that is under way; each raises ClipError."""
        self._stopped.set()

    def close(self) -> None:
        """Close what is open, once no request is under way."""
        self._http.close()

    def make(self, fields: Mapping[str, Any], image: Path | None) -> Answer:
        """Create a job, wait for it, download its video.

        ClipError if the server refuses, fails or takes too long, or sends no whole video.
        """
        started_at_s, start_s = time.time(), time.monotonic()
        deadline = start_s + self._settings.timeout_s
        created, attempts = self._ask("POST", self._jobs, deadline, self._body(fields, image))
        job = _job(created)
        address = f"{self._jobs}/{urllib.parse.quote(str(job.get('id')), safe='')}"
        try:
            while job["status"] in _WAITING:
                self._sleep(self._settings.poll_s, deadline)
                job = _job(self._ask("GET", address, deadline)[0])
        except BaseException:  # so that the server need not go on
            with contextlib.suppress(httpx2.RequestError):  # the clip has failed already
                self._http.delete(address, timeout=min(self._settings.answer_s, 5.0))
            raise
        if job["status"] != "completed":
            error = job.get("error")
            reason = error.get("message") or error if isinstance(error, Mapping) else error
            raise ClipError(f"the server failed: {self._clean(str(reason))}")
        content, _ = self._ask("GET", f"{address}/content", deadline, most=_MOST_VIDEO_BYTES)
        start = content.body[:_MOST_WORDS_BYTES].lstrip()
        is_text = content.kind.startswith("text/") or content.kind == "application/json"
        if is_text or start[:1] in (b"<", b"{"):
            words = self._clean(start.decode("utf-8", errors="replace"))
            raise ClipError(f"expected a video, the server sent {content.kind}: {words}")
        megabytes = _reported(Value, job.get("peak_memory_mb"))
        peak_bytes = None if megabytes is None else round(megabytes * 2**20)
        took = {
            "started_at_s": started_at_s,
            "latency_s": time.monotonic() - start_s,
            "attempts": attempts,
            "server_latency_s": _reported(Seconds, job.get("inference_time_s")),
            "server_peak_memory_bytes": _reported(Bytes, peak_bytes),
        }
        model = printable(str(job["model"]), _SHOWN) if job.get("model") else None
        return Answer(content.body, model, took)

    def _body(self, fields: Mapping[str, Any], image: Path | None) -> dict[str, Any]:
        if self._settings.dialect == "json" and image is None:
            return {"json": fields}
        parts: dict[str, Any] = {  # without a file name, each is a plain field of the form
            name: (None, value if isinstance(value, str) else json.dumps(value))
            for name, value in fields.items()
            if value is not None
        }
        if image is not None:
            kind = mimetypes.guess_type(image.name, strict=False)[0] or "image/png"
            parts["input_reference"] = (f"image{image.suffix}", image.read_bytes(), kind)
        return {"files": parts}

    def _ask(
        self,
        method: str,
        address: str,
        deadline: float,
        body: Mapping[str, Any] | None = None,
        most: int = _MOST_WORDS_BYTES,
    ) -> tuple["_Response", int]:
        """One answer, and how many attempts it took.

        A job is asked for again only where the server says that it made none, or was never
        reached; what only reads is also repeated after the connection broke.
        """
        for attempt in range(1, self._settings.retries + 2):
            last = attempt > self._settings.retries
            self._check(deadline)
            try:
                response = self._send(method, address, deadline, body, most)
            except httpx2.RequestError as error:
                self._check(deadline)  # it may have been cut off for that
                unreached = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
                if last or (method == "POST" and not unreached):
                    excerpt = self._clean(f"{type(error).__name__}: {error}")
                    raise ClipError(f"no whole answer from the server: {excerpt}") from None
                wait_s = None
            else:
                if response.code < 400:
                    return response, attempt
                if response.code not in _BUSY or last:
                    after = f" after {attempt} attempts" if attempt > 1 else ""
                    excerpt = self._clean(response.body.decode("utf-8", errors="replace"))
                    raise ClipError(f"the server answered {response.code}{after}: {excerpt}")
                wait_s = _retry_after_s(response.retry_after)
            if wait_s is None:  # doubling, half of it random: clients refused together return apart
                wait_s = min(_LONGEST_BACKOFF_S, 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)
            self._sleep(wait_s, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self,
        method: str,
        address: str,
        deadline: float,
        body: Mapping[str, Any] | None,
        most: int,
    ) -> "_Response":
        """One answer of at most so many bytes, cut off at the deadline wherever it is by then.

        The client's own limits are of silence alone: a server that sends a byte now and then, even
        of its headers, could hold it for ever. Redirects are followed, to another host, which may
        be anybody's storage, without the key. What asks for a job is answered even if the run is
        stopped meanwhile: a job whose name nobody learned could not be given up.
        """
        stops = method != "POST"
        connections: list[socket.socket] = []

        def cut() -> None:
            for connection in connections:
                with contextlib.suppress(OSError):  # of a redirect, and closed since
                    connection.shutdown(socket.SHUT_RDWR)

        def trace(event: str, facts: Mapping[str, Any]) -> None:
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                connections.append(facts["return_value"].get_extra_info("socket"))
                self._check(deadline)

        timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
        timer.daemon = True
        timer.start()
        extensions = {"trace": trace}
        request = self._http.build_request(method, address, extensions=extensions, **body or {})
        try:
            for _ in range(_MOST_REDIRECTS):
                with contextlib.closing(self._http.send(request, stream=True)) as response:
                    if response.next_request is not None:
                        request = response.next_request  # and nobody reads what comes with it
                        continue
                    content = bytearray()
                    for chunk in response.iter_bytes():
                        content += chunk
                        self._check(deadline, stops=stops)
                        if response.is_error:  # its beginning says enough
                            break
                        if len(content) > most:
                            raise ClipError(f"expected at most {most} bytes, the server sends more")
                    # Being cut off may look like the end of an answer.
                    self._check(deadline, stops=stops)
                    kind = response.headers.get("Content-Type", "").partition(";")[0]
                    return _Response(
                        response.status_code,
                        kind.strip().lower(),
                        bytes(content),
                        response.headers.get("Retry-After"),
                    )
        finally:
            timer.cancel()
            for connection in connections:  # one that was given up as it began is nobody else's
                connection.close()
        raise ClipError(f"expected an answer, the server redirects {_MOST_REDIRECTS} times")

    def _sleep(self, seconds: float, deadline: float) -> None:
        self._check(deadline)
        self._stopped.wait(min(seconds, max(0.0, deadline - time.monotonic())))
        self._check(deadline)

    def _check(self, deadline: float, *, stops: bool = True) -> None:
        if stops and self._stopped.is_set():
            raise ClipError("given up: the run was stopped")
        if time.monotonic() >= deadline:
            raise ClipError(f"no video within {self._settings.timeout_s:g} s (timeout_s)")

    def _clean(self, text: str) -> str:
        """One line of what a server said, without the key, which some repeat."""
        line = " ".join(text.split())
        if self._key:
            line = line.replace(self._key, "<key>")
        return line[:_SHOWN] or "nothing"


class _Response(NamedTuple):
    code: int
    kind: str
    body: bytes
    retry_after: str | None


def _job(response: _Response) -> dict[str, Any]:
    try:
        job = json.loads(response.body)
    except (ValueError, RecursionError):
        job = None
    if not isinstance(job, dict) or not isinstance(job.get("id"), str | int):
        raise ClipError(f"expected a job from the server, got {response.kind}")
    if job.get("status") not in (*_WAITING, "completed", "failed"):
        raise ClipError(
            "expected a job that is queued, in_progress, completed or failed, "
            f"got {str(job.get('status'))[:_SHOWN]!r}"
        )
    return job


def _reported(kind: Any, value: Any) -> Any:  # noqa: ANN401 - a number of that kind
    """A number of the server's; None where it gives none, or one that cannot be."""
    return value if value and is_valid(kind, value) else None


def _retry_after_s(header: str | None) -> float | None:
    """What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
