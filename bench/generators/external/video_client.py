"""HTTP client of the OpenAI-shaped `/v1/videos`: a job is created, waited for, downloaded."""

import http.client
import json
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

from bench.errors import ClipError
from bench.generators.account import is_amount

Dialect = Literal["json", "multipart"]

BUSY = frozenset({429, 500, 502, 503, 504})  # what a later attempt may find otherwise

_WAITING = ("queued", "in_progress")
_CHUNK_BYTES = 1 << 16
_LONGEST_BACKOFF_S = 60.0
_SHOWN = 200  # characters of what a server said


@dataclass(frozen=True)
class Answer:
    """A finished job.

    Attributes:
        content: the video file's bytes.
        started_at_s: when the request was begun, seconds since 1970.
        latency_s: from there to the last byte, queue and retries included.
        attempts: requests sent until the job was accepted.
        model: as the server calls it; None if it does not.
        server_latency_s: seconds of compute as the server reports them; None if it does not.
        server_peak_memory_bytes: as the server reports it; None if it does not.
    """

    content: bytes
    started_at_s: float
    latency_s: float
    attempts: int
    model: str | None
    server_latency_s: float | None
    server_peak_memory_bytes: int | None


class VideoClient:
    """Asks one server for videos; may be used from several threads at once.

    Args:
        base_url: up to and without `/v1/videos`.
        key: sent as a bearer token to that server alone; never part of an error or of a log.
        dialect: `multipart` sends every request as a form (vLLM-Omni); `json` sends JSON, and a
            form only where an image goes along (SGLang Diffusion).
        timeout_s: for a whole job, its queue and its download.
        answer_s: for a single answer of the server.
        poll_s: between two looks at a job.
        retries: how often a request is sent again that was refused for now, or broke off.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        dialect: Dialect,
        timeout_s: float,
        answer_s: float,
        poll_s: float,
        retries: int,
    ) -> None:
        self._jobs = f"{base_url.rstrip('/')}/v1/videos"
        self._key, self._dialect = key, dialect
        self._timeout_s, self._answer_s, self._poll_s = timeout_s, answer_s, poll_s
        self._retries = retries
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Give up every request that is under way; each raises ClipError."""
        self._stopped.set()

    def make(self, fields: Mapping[str, Any], image: Path | None) -> Answer:
        """Create a job, wait for it, download its video.

        Args:
            fields: of the request, as they are.
            image: sent along as `input_reference`.

        Raises:
            ClipError: if the server refuses, fails or takes too long, or sends no whole video.
        """
        started_at_s, start = time.time(), time.monotonic()
        deadline = start + self._timeout_s
        body, kind = self._encode(fields, image)
        created, attempts = self._ask(self._jobs, deadline, body, kind)
        job = _job(created)
        address = f"{self._jobs}/{urllib.parse.quote(str(job.get('id')), safe='')}"
        try:
            while job["status"] in _WAITING:
                self._sleep(self._poll_s, deadline)
                job = _job(self._ask(address, deadline)[0])
        except BaseException:
            self._abandon(address)
            raise
        if job["status"] != "completed":
            raise ClipError(f"the server failed: {self._clean(_reason(job))}")
        content, _ = self._ask(f"{address}/content", deadline)
        self._refuse_other_than_video(content)
        megabytes = job.get("peak_memory_mb")
        seconds = job.get("inference_time_s")
        return Answer(
            content=content.body,
            started_at_s=started_at_s,
            latency_s=time.monotonic() - start,
            attempts=attempts,
            model=str(job["model"]) if job.get("model") else None,
            server_latency_s=seconds if is_amount(seconds) and seconds else None,
            server_peak_memory_bytes=(
                round(megabytes * 2**20) if is_amount(megabytes) and megabytes else None
            ),
        )

    def _encode(self, fields: Mapping[str, Any], image: Path | None) -> tuple[bytes, str]:
        if self._dialect == "json" and image is None:
            return json.dumps(fields).encode(), "application/json"
        return _form(fields, image)

    def _ask(
        self, address: str, deadline: float, body: bytes | None = None, kind: str | None = None
    ) -> tuple["_Response", int]:
        """One answer, and how many attempts it took.

        A job is asked for again only where the server says that it made none, or was never
        reached; what only reads is also repeated after the connection broke.
        """
        for attempt in range(1, self._retries + 2):
            last = attempt > self._retries
            self._check(deadline)
            try:
                return self._send(address, deadline, body, kind), attempt
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(_CHUNK_BYTES).decode("utf-8", errors="replace")
                if error.code not in BUSY or last:
                    after = f" after {attempt} attempts" if attempt > 1 else ""
                    shown = self._clean(said)
                    raise ClipError(f"the server answered {error.code}{after}: {shown}") from None
                wait_s = _retry_after_s(error.headers.get("Retry-After"))
            except (OSError, http.client.HTTPException) as error:
                unreached = isinstance(getattr(error, "reason", None), ConnectionRefusedError)
                if last or (body is not None and not unreached):
                    shown = self._clean(f"{type(error).__name__}: {error}")
                    raise ClipError(f"no whole answer from the server: {shown}") from None
                wait_s = None
            self._sleep(_backoff_s(attempt) if wait_s is None else wait_s, deadline)
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self, address: str, deadline: float, body: bytes | None, kind: str | None
    ) -> "_Response":
        request = self._request(address, body)
        if kind:
            request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, timeout=self._answer_s) as response:
            content = bytearray()
            while chunk := response.read(_CHUNK_BYTES):
                content += chunk
                self._check(deadline)
            expected = response.headers.get("Content-Length")
            if expected is not None and expected.isdecimal() and int(expected) != len(content):
                raise http.client.IncompleteRead(bytes(content), int(expected) - len(content))
            return _Response(response.headers.get_content_type(), bytes(content))

    def _request(
        self, address: str, body: bytes | None, method: str | None = None
    ) -> urllib.request.Request:
        request = urllib.request.Request(address, data=body, method=method)
        if self._key:  # not sent on where the server redirects to, which may be another's storage
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        return request

    def _sleep(self, seconds: float, deadline: float) -> None:
        self._check(deadline)
        self._stopped.wait(min(seconds, max(0.0, deadline - time.monotonic())))
        self._check(deadline)

    def _check(self, deadline: float) -> None:
        if self._stopped.is_set():
            raise ClipError("given up: the run was stopped")
        if time.monotonic() >= deadline:
            raise ClipError(f"no video within {self._timeout_s:g} s (timeout_s)")

    def _abandon(self, address: str) -> None:
        """Tell the server that nobody waits any more, so that it need not go on."""
        request = self._request(address, None, "DELETE")
        try:
            urllib.request.urlopen(request, timeout=min(self._answer_s, 5.0)).close()
        except (OSError, http.client.HTTPException):
            return  # the clip has failed already; that is what will be said

    def _refuse_other_than_video(self, content: "_Response") -> None:
        start = content.body[:_CHUNK_BYTES].lstrip()
        if (
            content.kind.startswith("text/")
            or content.kind == "application/json"
            or start[:1]
            in (
                b"<",
                b"{",
            )
        ):
            said = self._clean(start.decode("utf-8", errors="replace"))
            raise ClipError(f"expected a video, the server sent {content.kind}: {said}")

    def _clean(self, text: str) -> str:
        """One line of what a server said, without the key, which some repeat."""
        line = " ".join(text.split())
        if self._key:
            line = line.replace(self._key, "<key>")
        return line[:_SHOWN] or "nothing"


@dataclass(frozen=True)
class _Response:
    kind: str
    body: bytes


def _job(response: _Response) -> dict[str, Any]:
    try:
        job = json.loads(response.body)
    except ValueError:
        job = None
    if not isinstance(job, dict) or not isinstance(job.get("id"), str | int):
        raise ClipError(f"expected a job from the server, came {response.kind}")
    if job.get("status") not in (*_WAITING, "completed", "failed"):
        raise ClipError(
            "expected a job that is queued, in_progress, completed or failed, "
            f"came {str(job.get('status'))[:_SHOWN]!r}"
        )
    return job


def _reason(job: Mapping[str, Any]) -> str:
    error = job.get("error")
    return str(error.get("message") or error) if isinstance(error, Mapping) else str(error)


def _form(fields: Mapping[str, Any], image: Path | None) -> tuple[bytes, str]:
    """The fields as multipart/form-data (RFC 7578)."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + _form_value(value).encode()
        + b"\r\n"
        for name, value in fields.items()
        if value is not None
    ]
    if image is not None:
        head = (
            f"--{boundary}\r\nContent-Disposition: form-data; "
            f'name="input_reference"; filename="image{image.suffix}"\r\n'
            f"Content-Type: {_IMAGE_TYPES.get(image.suffix.lower(), 'image/png')}\r\n\r\n"
        )
        parts.append(head.encode() + image.read_bytes() + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


_IMAGE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def _form_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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


def _backoff_s(attempt: int) -> float:
    """Doubling, with half of it random, so that clients refused together return apart."""
    longest = min(_LONGEST_BACKOFF_S, 2.0 ** (attempt - 1))
    return longest * random.uniform(0.5, 1.0)
