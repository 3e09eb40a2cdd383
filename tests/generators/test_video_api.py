"""The video API generator against a real HTTP server, in both dialects, with its faults."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from conftest import moving_texture
from video_server import VideoServer

from bench.clip import Clip, write_preview
from bench.errors import BenchError, ClipError, DeviceLost
from bench.generators import video_client
from bench.generators.base import Delivered, Undelivered
from bench.generators.video_api import VideoApiGenerator
from bench.generators.video_client import VideoClient
from bench.prompts import Prompt

KEY = "sk-secret-0123456789"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("video") / "made.mp4"
    write_preview(Clip(moving_texture(8, 64), 8), path)
    return path.read_bytes()


@pytest.fixture
def server(video: bytes) -> Iterator[VideoServer]:
    with VideoServer(video).serving() as serving:
        yield serving


@pytest.fixture(autouse=True)
def _here_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(video_client, "_LONGEST_BACKOFF_S", 0.01)


def generator(server: VideoServer, **changes: Any) -> VideoApiGenerator:
    arguments: dict[str, Any] = {
        "base_url": server.url,
        "fields": {"num_frames": 8, "size": "64x64", "enable_frame_interpolation": False},
        "poll_s": 0.01,
        "timeout_s": 20.0,
        "retries": 3,
    }
    return VideoApiGenerator(**(arguments | changes))


def make(server: VideoServer, text: str = "a cat", **changes: Any) -> Delivered:
    with generator(server, **changes) as made:
        return made.generate(Prompt("p", text), 7)


@pytest.mark.parametrize("dialect", ["json", "multipart"])
def test_a_clip_comes_through_either_dialect(server: VideoServer, dialect: str) -> None:
    server.forms_only = dialect == "multipart"
    clip = make(server, dialect=dialect)
    assert clip.frames.shape == (8, 64, 64, 3)
    assert clip.lossy
    (request,) = server.requests
    assert request.kind == dialect
    sent = {key: str(value).lower() for key, value in request.fields.items()}
    assert sent == {
        "prompt": "a cat",
        "seed": "7",
        "num_frames": "8",
        "size": "64x64",
        "enable_frame_interpolation": "false",
    }
    assert request.authorization is None
    delivery = clip.delivery
    assert delivery.basis == "request"
    assert delivery.attempts == 1
    assert (delivery.server_latency_s, delivery.server_peak_memory_bytes) == (12.5, 2**31)
    assert clip.details == {"model": "wan-1.3b"}


def test_an_image_goes_along_as_a_form(server: VideoServer, tmp_path: Path) -> None:
    image = tmp_path / "first.jpg"
    image.write_bytes(b"\xff\xd8 a picture \r\n--")
    with generator(server, dialect="json") as made:
        made.generate(Prompt("p", "a cat", image=image), 0)
    (request,) = server.requests
    assert (request.kind, request.image) == ("multipart", image.read_bytes())


def test_a_prompt_in_any_script_arrives_whole(server: VideoServer) -> None:
    text = 'ein "Löwe"\r\n--x 狮子'
    for dialect in ("json", "multipart"):
        make(server, text, dialect=dialect)
        assert server.requests[-1].fields["prompt"] == text


def test_a_model_without_seeds_is_sent_none(server: VideoServer) -> None:
    make(server, send_seed=False)
    assert "seed" not in server.requests[0].fields


def test_a_slow_job_is_waited_for(server: VideoServer) -> None:
    server.takes_s = 0.3
    assert (make(server).delivery.latency_s or 0) > 0.3


def test_500_twice_then_fine(server: VideoServer) -> None:
    server.fault = {"a cat": "500 twice"}
    assert make(server).delivery.attempts == 3


def test_429_is_taken_at_its_word(server: VideoServer) -> None:
    server.fault = {"a cat": "429 once"}
    assert make(server).delivery.attempts == 2
    refused, accepted = server.times_s
    assert 0.9 < accepted - refused < 5


def test_a_reset_in_mid_download_is_tried_again(server: VideoServer) -> None:
    server.fault = {"a cat": "reset once"}
    assert make(server).frames.shape[0] == 8
    assert server.downloads == {"video_0": 2}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fails", "^the server failed: CUDA out of memory$"),
        ("html", "expected a video, the server sent text/html: <html><body>Sign in"),
        ("longer than sent", "no whole answer from the server: RemoteProtocolError"),
        ("shorter than sent", "expected a video, but it cannot be read|cut short"),
        ("always 503", "the server answered 503 after 4 attempts: .*not now"),
        ("400", "the server answered 400: .*not now"),
        ("odd status", "expected a job that is queued, .*, got 'pondering"),
    ],
)
def test_what_goes_wrong_is_one_line(server: VideoServer, fault: str, message: str) -> None:
    server.fault = {"a cat": fault}
    with pytest.raises(ClipError, match=message) as caught:
        make(server)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_job_that_never_ends_is_given_up(server: VideoServer) -> None:
    server.fault = {"a cat": "stuck"}
    with pytest.raises(ClipError, match=r"no video within 1 s \(timeout_s\)"):
        make(server, timeout_s=1.0)
    assert server.deleted == ["video_0"]


@pytest.mark.parametrize("fault", ["drips its body", "drips its headers"])
def test_a_server_that_sends_a_byte_now_and_then_is_cut_off(
    server: VideoServer, fault: str
) -> None:
    server.fault = {"a cat": fault}
    start_s = time.monotonic()
    with pytest.raises(ClipError, match=r"no video within 1 s \(timeout_s\)"):
        make(server, timeout_s=1.0)
    assert time.monotonic() - start_s < 5


def test_a_server_that_falls_silent_is_given_up(server: VideoServer) -> None:
    server.fault = {"a cat": "silent"}
    with pytest.raises(ClipError, match="no whole answer from the server: ReadTimeout"):
        make(server, answer_s=0.1, retries=0)


def test_an_endless_answer_is_not_held(
    server: VideoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_client, "_MOST_VIDEO_BYTES", 2**22)
    server.fault = {"a cat": "endless"}
    with pytest.raises(ClipError, match="expected at most 4194304 bytes, the server sends more"):
        make(server)


def test_odd_text_of_a_server_is_made_safe(server: VideoServer) -> None:
    server.fault = {"a cat": "odd text"}
    model = str(make(server).details["model"])
    assert model.isprintable()
    assert len(model) < 300


def test_no_server_is_one_line() -> None:
    nobody = VideoServer(b"", url="http://127.0.0.1:9")
    with pytest.raises(ClipError, match="no whole answer from the server: ConnectError"):
        make(nobody, retries=1)


def test_as_many_requests_are_under_way_as_were_asked_for(server: VideoServer) -> None:
    server.takes_s = 0.5
    draws = [(Prompt(f"p{n}", f"cat {n}"), 0) for n in range(7)]
    with generator(server, concurrency=3) as made:
        made.begin(draws)
        clips = [made.generate(*draw) for draw in draws]
    assert [len(clip.frames) for clip in clips] == [8] * 7
    assert server.most_at_once == 3
    assert len(server.requests) == 7


def test_no_draw_is_asked_for_twice(server: VideoServer) -> None:
    draws = [(Prompt(f"p{n}", f"cat {n}"), 0) for n in range(6)]
    with generator(server) as made:
        made.begin(draws[2:])
        for draw in draws:
            made.generate(*draw)
    asked = [request.fields["prompt"] for request in server.requests]
    assert len(asked) == len(set(asked)) == 6


def test_one_failure_among_many_stops_no_other(server: VideoServer) -> None:
    server.fault = {"cat 1": "fails"}
    draws = [(Prompt(f"p{n}", f"cat {n}"), 0) for n in range(3)]
    with generator(server, concurrency=3) as made:
        made.begin(draws)
        made.generate(*draws[0])
        with pytest.raises(Undelivered, match="CUDA out of memory") as caught:
            made.generate(*draws[1])
        assert (caught.value.delivery.concurrency, caught.value.delivery.latency_s) == (3, None)
        made.generate(*draws[2])


@pytest.mark.parametrize("answers_after_s", [0.0, 0.5])
def test_an_interruption_gives_up_what_is_under_way(
    server: VideoServer, answers_after_s: float
) -> None:
    server.takes_s, server.answers_after_s = 60, answers_after_s
    draws = [(Prompt(f"p{n}", f"cat {n}"), 0) for n in range(9)]
    start = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), generator(server, concurrency=2) as made:
        made.begin(draws)
        while len(server.requests) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert time.monotonic() - start < 5
    assert sorted(server.deleted) == ["video_0", "video_1"]
    assert len(server.requests) == 2


def test_the_key_is_sent_and_never_repeated(
    server: VideoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    server.key = KEY
    make(server, key_env="MY_KEY")
    assert server.requests[0].authorization == f"Bearer {KEY}"
    server.key = "another"
    with pytest.raises(ClipError, match=r"answered 401: .*Incorrect API key provided") as caught:
        make(server, key_env="MY_KEY")
    assert KEY not in str(caught.value)
    assert "<key>" in str(caught.value)


def test_the_key_stays_with_its_server(
    server: VideoServer, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with VideoServer(video).serving() as elsewhere:
        server.storage = elsewhere.url
        clip = make(server, key_env="MY_KEY")
        assert len(clip.frames) == 8
        assert [seen.get("Authorization") for seen in elsewhere.headers_seen] == [None]


def test_a_public_server_sends_nobody_to_a_private_address(
    server: VideoServer, video: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {"public.example": "93.184.215.14", "localhost": "127.0.0.1"}

    def resolve(host: str, *_: object, **__: object) -> list[Any]:
        return [(2, 1, 6, "", (addresses.get(host, host), 0))]

    with VideoServer(video).serving() as elsewhere:
        server.storage = elsewhere.url.replace("127.0.0.1", "localhost")
        assert len(make(server).frames) == 8  # both are of this machine
        monkeypatch.setattr("socket.getaddrinfo", resolve)
        limits = {"timeout_s": 1.0, "answer_s": 1.0, "poll_s": 1.0, "retries": 0}
        client = VideoClient("https://public.example", None, dialect="json", **limits)
        for host in ("localhost", "10.0.0.7", "169.254.169.254", "[::1]"):
            with pytest.raises(ClipError, match=r"public\.example to send on to a public address"):
                client._refuse_private(httpx2.Request("GET", f"http://{host}/x"))
        client._refuse_private(httpx2.Request("GET", "http://93.184.215.14/x"))
        client.close()


def test_a_missing_key_is_said_before_the_first_request(server: VideoServer) -> None:
    with pytest.raises(BenchError, match="variable NO_SUCH_KEY, it is not set: type export"):
        make(server, key_env="NO_SUCH_KEY")
    assert not server.requests


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": "localhost:8000"}, "model.base_url must be an address"),
        ({"base_url": "http://localhost:8000/v1/"}, "model.base_url must be .* without /v1/videos"),
        ({"base_url": "http://me:secret@host"}, "model.base_url must be an address"),
        ({"fields": {"size": "64x64"}}, "model.fields must be values that hold num_frames or sec"),
        ({"fields": {"num_frames": 8, "seed": 1}}, "without what each draw brings, got 'seed'"),
        ({"dialect": "jsn"}, "did you mean 'json'"),
        ({"key_env": f"{KEY}"}, "model.key_env must be the name of an environment variable"),
        ({"concurrency": 0}, "model.concurrency must be a number from 1"),
        ({"retries": -1}, "model.retries must be a number from 0"),
        ({"poll_s": 0}, "model.poll_s must be seconds above 0"),
    ],
)
def test_a_wrong_argument_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message) as caught:
        generator(VideoServer(b"", url="http://127.0.0.1:9"), **changes)
    assert "secret" not in str(caught.value)


SERVER = str(Path(__file__).parents[1] / "video_server.py")
# Starts a server and waits, with one more process that the server has started.
OWNER = """
import sys, time
from bench.generators.video_api import VideoApiGenerator
with VideoApiGenerator(
    base_url="http://127.0.0.1:{port}",
    fields={"num_frames": 8},
    server={"command": ["sh", "-c", "sleep 300 & exec " + sys.argv[1]]},
):
    print("ready", flush=True)
    time.sleep(300)
"""


def started(clip: Path, **changes: Any) -> VideoApiGenerator:
    server = {
        "command": [sys.executable, SERVER, str(clip), "{port}"],
        "version": ["echo", "1.2.3"],
    }
    return VideoApiGenerator(
        base_url="http://127.0.0.1:{port}",
        fields={"num_frames": 8},
        poll_s=0.01,
        retries=0,
        stack="Fake",
        gpus=4,
        server=server | changes,
    )


@pytest.fixture
def clip(video: bytes, tmp_path: Path) -> Path:
    (tmp_path / "clip.mp4").write_bytes(video)
    return tmp_path / "clip.mp4"


def test_a_server_is_started_waited_for_and_stopped(clip: Path) -> None:
    others = set(psutil.Process().children())
    generator = started(clip)
    assert generator.info.gpus == 4
    with generator:
        (guard,) = set(psutil.Process().children()) - others
        servers = guard.children(recursive=True)
        assert servers
        delivery = generator.generate(Prompt("p", "a cat"), 7).delivery
        assert (delivery.stack, delivery.gpus) == ("Fake 1.2.3", 4)
        servers[0].kill()
        guard.wait(10)
        with pytest.raises(DeviceLost, match="the server ended with exit code"):
            generator.begin([(Prompt("p", "a cat"), 8)])
    assert set(psutil.Process().children()) <= others


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"command": ["false"]}, "the server ended with exit code 1, and last said: nothing"),
        ({"command": ["sh", "-c", "echo no GPU; exit 3"]}, "exit code 3, and last said: no GPU"),
        ({"command": ["no-such-program"]}, "No such file or directory: 'no-such-program'"),
        ({"health": "/nowhere", "ready_s": 0.1}, "ready within 0.1 s .model.server.ready_s"),
        ({"version": ["false"]}, "model.server.version: expected the version .* false runs here"),
        ({"command": "vllm serve"}, "model.server.command must be a list of texts"),
        ({"ready": 3}, "model.server takes no 'ready'"),
    ],
)
def test_a_server_that_does_not_start_is_said_in_a_line(
    clip: Path, server: dict[str, Any], message: str
) -> None:
    others = set(psutil.Process().children())
    with pytest.raises(BenchError, match=message) as caught, started(clip, **server):
        pass
    assert not isinstance(caught.value, DeviceLost)
    assert set(psutil.Process().children()) <= others


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_server_outlives_whoever_started_it(clip: Path, sent: signal.Signals) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    command = [sys.executable, "-c", OWNER, f"{sys.executable} {SERVER} {clip} {{port}}"]
    quiet, heard = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, stdout=heard, stderr=quiet, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        family = psutil.Process(owner.pid).children(recursive=True)
        assert len(family) == 3
        owner.send_signal(sent)
    assert not psutil.wait_procs(family, timeout=20)[1]


@pytest.mark.parametrize(
    ("header", "expected_s"),
    [("7", 7.0), (None, None), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, expected_s: float | None) -> None:
    assert video_client._retry_after_s(header) == expected_s
