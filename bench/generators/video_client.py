"""Jobs of one server that speaks the OpenAI-shaped `/v1/videos`: asked for, awaited, downloaded."""

import contextlib
import ipaddress
import json
import mimetypes
import random
import socket
import threading
import time
import urllib.parse
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx2

from bench.errors import ClipError, printable
from bench.generators.base import is_valid
from bench.schema import Bytes, Seconds, Value

Dialect = Literal["json", "multipart"]

_BUSY = frozenset({429, 500, 502, 503, 504})  # what a later attempt may find otherwise
_WAITING = ("queued", "in_progress")
_MOST_REDIRECTS = 10
_MOST_VIDEO_BYTES = 2**30
_MOST_WORDS_BYTES = 2**20  # of any other answer
_LONGEST_BACKOFF_S = 60.0
_SHOWN = 200  # characters of what a server said


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

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        dialect: Dialect,
        timeout_s: float,
        answer_s: float,
        poll_s: float,
        retries: int,
    ) -> None:
        self._key, self._dialect, self._retries = key, dialect, retries
        self._timeout_s, self._answer_s, self._poll_s = timeout_s, answer_s, poll_s
        self._jobs = f"{base_url.rstrip('/')}/v1/videos"
        self._stopped = threading.Event()
        # A kept connection may be gone by the next request, which then looks like a refusal.
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=answer_s,
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
        deadline = start_s + self._timeout_s
        created, attempts = self._ask("POST", self._jobs, deadline, self._body(fields, image))
        job = _job(created)
        address = f"{self._jobs}/{urllib.parse.quote(str(job.get('id')), safe='')}"
        try:
            while job["status"] in _WAITING:
                self._sleep(self._poll_s, deadline)
                job = _job(self._ask("GET", address, deadline)[0])
        except BaseException:  # so that the server need not go on
            with contextlib.suppress(httpx2.RequestError):  # the clip has failed already
                self._http.delete(address, timeout=min(self._answer_s, 5.0))
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
        if self._dialect == "json" and image is None:
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
        for attempt in range(1, self._retries + 2):
            last = attempt > self._retries
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
            raise ClipError(f"no video within {self._timeout_s:g} s (timeout_s)")

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


def _is_private(host: str) -> bool:
    """Whether a name stands for an address of this machine or its network; not if for none."""
    with contextlib.suppress(OSError):
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
        return any(not ipaddress.ip_address(each.partition("%")[0]).is_global for each in addresses)
    return False
