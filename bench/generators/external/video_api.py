"""Models behind a server: clips made through the OpenAI-shaped `/v1/videos`, N at a time."""

import os
import tempfile
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from bench.errors import BenchError, ClipError, nearest
from bench.generators.account import Account
from bench.generators.base import Delivered, Generator, GeneratorInfo, Undelivered, deliver
from bench.generators.external.video_client import Answer, Dialect, VideoClient
from bench.prompts import Prompt
from bench.video import read_video

_OURS = ("prompt", "seed", "input_reference")

Draw = tuple[Prompt, int]


class VideoApiGenerator(Generator):
    """Asks a server for every clip; keeps `concurrency` requests under way.

    Prompt, seed and image of a draw are added to `fields`. The server's memory and seconds are
    its own word; the time kept here is that of waiting, its queue included.

    Args:
        base_url: up to and without `/v1/videos`, as http://127.0.0.1:30000.
        fields: sent with every request as they are. Must hold `num_frames` or `seconds`: left to
            itself, a server may make a single frame.
        dialect: how a request is written: `json`, with a form where an image goes along (SGLang
            Diffusion), or `multipart`, always a form (vLLM-Omni).
        key_env: name of the environment variable that holds the key; None where none is needed.
            The key itself is never written anywhere.
        send_seed: whether the server takes a seed; without one, seeds are only separate draws.
        concurrency: how many requests are under way at once.
        timeout_s: for one clip: queue, generation and download.
        answer_s: for a single answer of the server.
        poll_s: between two looks at a job.
        retries: how often a request is repeated that was refused for now (429, 5xx) or broke off.

    Raises:
        BenchError: if an argument is not what it must be.
    """

    kind = "bench.generators.video_api.VideoApiGenerator"

    # What passes is a wait for somebody else's hardware, which the delivery holds.
    info = GeneratorInfo(
        measured=False,
        non_semantic=frozenset({"key_env", "timeout_s", "answer_s", "poll_s", "retries"}),
    )

    def __init__(
        self,
        base_url: str,
        fields: Mapping[str, Any],
        dialect: Dialect = "json",
        key_env: str | None = None,
        send_seed: bool = True,
        concurrency: int = 1,
        timeout_s: float = 3600.0,
        answer_s: float = 60.0,
        poll_s: float = 2.0,
        retries: int = 5,
    ) -> None:
        came = "one that holds a password" if "@" in str(base_url) else base_url
        _need(_is_address(base_url), "base_url", "an address, as http://127.0.0.1:30000", came)
        bare = not base_url.rstrip("/").endswith(("/v1", "/videos"))
        _need(bare, "base_url", "an address without /v1/videos", base_url)
        _need(isinstance(fields, Mapping), "fields", "keys and values", fields)
        length = any(fields.get(key) for key in ("num_frames", "seconds"))
        _need(length, "fields", "values that hold num_frames or seconds", dict(fields))
        twice = [key for key in _OURS if key in fields]
        _need(not twice, "fields", "without what each draw brings", ", ".join(twice))
        close = nearest(str(dialect), get_args(Dialect))
        known = f"{' or '.join(get_args(Dialect))}{close}"
        _need(dialect in get_args(Dialect), "dialect", known, dialect)
        name = key_env is None or (isinstance(key_env, str) and key_env.isidentifier())
        _need(name, "key_env", "the name of an environment variable", "something else")
        _need(isinstance(send_seed, bool), "send_seed", "true or false", send_seed)
        _need(_is_whole(concurrency, 1), "concurrency", "a number from 1", concurrency)
        _need(_is_whole(retries, 0), "retries", "a number from 0", retries)
        for key, value in (("timeout_s", timeout_s), ("answer_s", answer_s), ("poll_s", poll_s)):
            sound = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
            _need(sound, key, "seconds above 0", value)
        self.base_url, self.fields, self.dialect = base_url, dict(fields), dialect
        self.key_env, self.send_seed, self.concurrency = key_env, send_seed, concurrency
        self.timeout_s, self.answer_s, self.poll_s = timeout_s, answer_s, poll_s
        self.retries = retries
        frames = fields.get("num_frames")
        self._frames = frames if _is_whole(frames, 1) else None
        self._client: VideoClient
        self._workers: ThreadPoolExecutor
        self._waiting: list[Draw] = []
        self._begun: dict[tuple[str, int], Future[Answer]] = {}

    def frames_requested(self, prompt: Prompt) -> int | None:  # noqa: ARG002 - of all, the same
        """The field `num_frames`, where it is a number."""
        return self._frames

    def __enter__(self) -> Self:
        key = None
        if self.key_env is not None and not (key := os.environ.get(self.key_env)):
            raise BenchError(
                f"expected a key in the environment variable {self.key_env}, it is not set: "
                f"type export {self.key_env}=KEY, or model.key_env=NAME"
            )
        self._client = VideoClient(
            self.base_url,
            key,
            self.dialect,
            timeout_s=self.timeout_s,
            answer_s=self.answer_s,
            poll_s=self.poll_s,
            retries=self.retries,
        )
        self._workers = ThreadPoolExecutor(self.concurrency, "video-api")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.stop()
        self._workers.shutdown(cancel_futures=True)
        self._waiting, self._begun = [], {}

    def expect(self, draws: Sequence[Draw]) -> None:
        """Begin with the first draws.

        As many again as are under way may stand finished or queued: so a slow reader leaves no
        worker idle, and a run that is stopped loses few clips that were paid for.
        """
        self._waiting = list(draws)
        for _ in range(2 * self.concurrency):
            self._begin_next()

    def generate(self, prompt: Prompt, seed: int) -> Delivered:
        """Wait for the clip of this draw and read it.

        Raises:
            ClipError: if the server makes none, or sends no whole video.
        """
        key = (prompt.id, seed)
        while self._waiting and key not in self._begun:  # draws before it may have been skipped
            self._begin_next()
        future = self._begun.pop(key, None) or self._submit(prompt, seed)
        self._begin_next()
        try:
            answer = future.result()
        except ClipError as error:
            asked = Account(basis="request", concurrency=self.concurrency)
            raise Undelivered(str(error), asked, {}) from None
        delivery = Account(
            basis="request",
            latency_s=answer.latency_s,
            started_at_s=answer.started_at_s,
            attempts=answer.attempts,
            concurrency=self.concurrency,
            server_latency_s=answer.server_latency_s,
            server_peak_memory_bytes=answer.server_peak_memory_bytes,
        )
        with tempfile.TemporaryDirectory(prefix="steadybench-") as scratch:
            file = Path(scratch, "answer.mp4")
            file.write_bytes(answer.content)
            return deliver(lambda: read_video(file), delivery, {"model": answer.model})

    def _begin_next(self) -> None:
        if self._waiting:
            prompt, seed = self._waiting.pop(0)
            self._begun[prompt.id, seed] = self._submit(prompt, seed)

    def _submit(self, prompt: Prompt, seed: int) -> Future[Answer]:
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


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _need(sound: bool, key: str, expected: str, came: object) -> None:
    if not sound:
        raise BenchError(f"model.{key} must be {expected}, came {came!r}")
