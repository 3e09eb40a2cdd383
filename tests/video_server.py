"""A server of the OpenAI-shaped `/v1/videos`, in this process, that can be told to misbehave.

By hand: python tests/video_server.py CLIP.mp4 PORT
"""

import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Request:
    """What a request for a video held."""

    fields: dict[str, Any]
    kind: str
    image: bytes | None
    authorization: str | None


@dataclass
class VideoServer:
    """Answers every job with the same video.

    Attributes:
        video: what a job makes.
        forms_only: takes multipart alone, as vLLM-Omni does; else JSON as well.
        key: must come as a bearer token; None to ask for none.
        takes_s: how long a job runs.
        answers_after_s: from when a job has begun until its name is told.
        fault: by prompt text: what goes wrong with it.
        requests: those for a new video, in order.
        most_at_once: the largest number of jobs that ran together.
        deleted: ids of jobs that were given up.
        downloads: how often each job's content was asked for.
    """

    video: bytes
    forms_only: bool = False
    key: str | None = None
    takes_s: float = 0.0
    answers_after_s: float = 0.0
    fault: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    most_at_once: int = 0
    deleted: list[str] = field(default_factory=list)
    downloads: dict[str, int] = field(default_factory=dict)
    storage: str = ""  # where completed videos are redirected to, if anywhere
    headers_seen: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    _jobs: dict[str, tuple[float, str]] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def serving(self, port: int = 0) -> Iterator["VideoServer"]:
        owner = self

        class Handler(_Handler):
            server_of_tests = owner

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def status(self, job: str) -> str:
        begun, prompt = self._jobs[job]
        age_s = time.monotonic() - begun
        fault = self.fault.get(prompt)
        if fault == "odd status":
            return "pondering" * 10_000
        if fault == "stuck" or age_s < self.takes_s:
            return "queued" if age_s < self.takes_s / 3 else "in_progress"
        return "failed" if fault == "fails" else "completed"

    def record(self, job: str) -> dict[str, Any]:
        status = self.status(job)
        answer: dict[str, Any] = {"id": job, "status": status, "model": "wan-1.3b"}
        if self.fault.get(self.prompt(job)) == "odd text":
            answer["model"] = "\x1b[2Jwan\ud800" * 10_000
        if status == "completed":
            answer |= {"inference_time_s": 12.5, "peak_memory_mb": 2048.0}
        if status == "failed":
            answer["error"] = {"code": "oom", "message": "CUDA out of memory"}
        return answer

    def refuses(self, prompt: str) -> int | None:
        """The status code with which a request for this prompt is turned away, if it is."""
        fault = self.fault.get(prompt, "")
        before = self._refused.setdefault(prompt, 0)
        limit = {"500 twice": 2, "429 once": 1, "always 503": 99, "400": 99}.get(fault, 0)
        if before >= limit:
            return None
        self._refused[prompt] += 1
        return 500 if fault == "500 twice" else 429 if fault == "429 once" else int(fault[-3:])

    def begin(self, request: Request) -> str:
        with self._lock:
            job = f"video_{len(self._jobs)}"
            self._jobs[job] = (time.monotonic(), str(request.fields["prompt"]))
            running = [
                name for name in self._jobs if self.status(name) in ("queued", "in_progress")
            ]
            self.most_at_once = max(self.most_at_once, len(running))
        return job

    def prompt(self, job: str) -> str:
        return self._jobs[job][1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: VideoServer

    def log_message(self, *_: object) -> None:
        return

    def do_POST(self) -> None:
        owner = self.server_of_tests
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if owner.key and self.headers.get("Authorization") != f"Bearer {owner.key}":
            said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
            return self._json(401, {"error": {"message": said}})
        request = _parse(body, self.headers["Content-Type"], self.headers.get("Authorization"))
        if request is None or (owner.forms_only and request.kind != "multipart"):
            return self._json(422, {"error": {"message": "expected multipart/form-data"}})
        owner.times_s.append(time.monotonic())
        refused = owner.refuses(str(request.fields["prompt"]))
        if refused:
            wait = {"Retry-After": "1"} if refused == 429 else {}
            said = f"not now, {request.authorization}"
            return self._json(refused, {"error": {"message": said}}, wait)
        owner.requests.append(request)
        job = owner.begin(request)
        time.sleep(owner.answers_after_s)
        return self._json(200, owner.record(job))

    def do_GET(self) -> None:
        owner = self.server_of_tests
        owner.headers_seen.append(dict(self.headers))
        parts = self.path.strip("/").split("/")
        if parts == ["health"]:
            return self._json(200, {})
        if parts[0] == "storage":
            return self._send(200, "video/mp4", owner.video)
        job = parts[2]
        if parts[3:] == ["content"]:
            return self._content(job)
        return self._json(200, owner.record(job))

    def do_DELETE(self) -> None:
        self.server_of_tests.deleted.append(self.path.rpartition("/")[2])
        self._json(200, {"deleted": True})

    def _content(self, job: str) -> None:
        owner = self.server_of_tests
        fault = owner.fault.get(owner.prompt(job))
        asked = owner.downloads[job] = owner.downloads.get(job, 0) + 1
        video = owner.video
        if owner.storage:
            return self._send(302, "text/plain", b"", {"Location": f"{owner.storage}/storage/x"})
        if fault == "html":
            return self._send(200, "text/html", b"<html><body>Sign in to go on</body></html>")
        if fault == "reset once" and asked == 1:
            self._send(200, "video/mp4", video[: len(video) // 2], length=len(video))
            linger = struct.pack("ii", 1, 0)  # close with a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return None
        if fault == "silent":
            time.sleep(2)
        if fault in ("drips its body", "drips its headers", "endless"):
            self.close_connection = True
            return self._go_on_for_ever(fault)
        if fault == "longer than sent":
            self.close_connection = True
            return self._send(200, "video/mp4", video, length=len(video) + 100)
        if fault == "shorter than sent":
            self.close_connection = True
            return self._send(200, "video/mp4", video, length=len(video) // 2)
        return self._send(200, "video/mp4", video)

    def _go_on_for_ever(self, fault: str) -> None:
        if fault == "drips its headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        else:
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.end_headers()
        while True:  # until nobody listens
            try:
                self.wfile.write(bytes(2**20) if fault == "endless" else b"x")
            except OSError:
                return
            if fault != "endless":
                time.sleep(0.02)

    def _json(self, code: int, value: object, more: dict[str, str] | None = None) -> None:
        self._send(code, "application/json", json.dumps(value).encode(), more)

    def _send(
        self,
        code: int,
        kind: str,
        body: bytes,
        more: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _parse(body: bytes, kind: str, authorization: str | None) -> Request | None:
    if kind == "application/json":
        return Request(json.loads(body), "json", None, authorization)
    if not kind.startswith("multipart/form-data"):
        return None
    form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    fields, image = {}, None
    for part in form.iter_parts():  # type: ignore[attr-defined] - EmailMessage, by its policy
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if name == "input_reference":
            image = content
        else:
            fields[name] = content.decode()
    return Request(fields, "multipart", image, authorization)


if __name__ == "__main__":
    with VideoServer(Path(sys.argv[1]).read_bytes(), takes_s=2.0).serving(int(sys.argv[2])):
        threading.Event().wait()
