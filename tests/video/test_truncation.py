"""Files that end within a part of their container are refused; whole ones, even odd, are read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import moving_texture

from bench.errors import ClipError
from bench.video import read_video

FRAMES = 30


@dataclass(frozen=True)
class Kind:
    """How a file is written."""

    suffix: str
    codec: str
    sound: str | None = None
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    has_sized_clusters: bool = True


LIVE = {"live": "1"}  # no length, no index
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}

KINDS = {
    "a transport stream": Kind("ts", "libx264"),
    "a transport stream with sound": Kind("ts", "libx264", "aac"),
    "a transport stream of MPEG-2": Kind("ts", "mpeg2video", "mp2"),
    "a transport stream with times": Kind("ts", "libx264", options={"mpegts_m2ts_mode": "1"}),
    "a program stream": Kind("mpg", "mpeg2video", "mp2"),
    "a program stream of MPEG-1": Kind("mpg", "mpeg1video", "mp2"),
    "a program stream of a disc": Kind("mpg", "mpeg2video", "ac3", format="vob"),
    "a live Matroska": Kind("mkv", "libx264", "aac", options=LIVE),
    "a live WebM": Kind("webm", "libvpx-vp9", "libopus", options=LIVE),
    "a WebM as browsers record it": Kind(
        "webm", "libvpx", "libopus", options=LIVE, has_sized_clusters=False
    ),
    "a fragmented MP4": Kind("mp4", "libx264", "aac", options=FRAGMENTED),
    "an AVI with sound": Kind("avi", "mpeg4", "libmp3lame"),
    "a WMV": Kind("wmv", "wmv2"),
    "a live FLV": Kind("flv", "libx264", "aac", options={"flvflags": "no_duration_filesize"}),
    "an Ogg": Kind("ogv", "libvpx", "libopus", format="ogg"),
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(request.param, tmp_path_factory.mktemp("whole"))


def written(name: str, folder: Path) -> Path:
    kind = KINDS[name]
    path = folder / f"a.{kind.suffix}"
    with av.open(path, "w", format=kind.format, options=dict(kind.options)) as container:
        picture = container.add_stream(kind.codec, rate=25, options={"g": "10"})
        picture.height = picture.width = 48
        picture.pix_fmt = "yuv420p"
        voice = container.add_stream(kind.sound, rate=48000) if kind.sound else None
        for number, array in enumerate(moving_texture(FRAMES, 48)):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
            if voice is not None:
                tone = np.sin(np.arange(1920) / 20) * np.ones((2, 1)) / 3
                heard = av.AudioFrame.from_ndarray(tone.astype(np.float32), "fltp", "stereo")
                heard.sample_rate, heard.pts = 48000, number * 1920
                container.mux(voice.encode(heard))
        container.mux(picture.encode())
        if voice is not None:
            container.mux(voice.encode())
    if not kind.has_sized_clusters:
        path.write_bytes(without_sizes(path.read_bytes()))
    return path


def without_sizes(content: bytes) -> bytes:
    """A Matroska file whose clusters do not say where they end; sizes are of two bytes."""
    sizes = re.compile(rb"(?<=\x1f\x43\xb6\x75)[\x40-\x7f].", re.DOTALL)
    changed, count = sizes.subn(lambda _: b"\x7f\xff", content)
    assert count
    return changed


def test_a_whole_file_is_read(whole: Path) -> None:
    assert len(read_video(whole).frames) in (FRAMES, FRAMES + 1)  # with a hole where AVI begins


@pytest.mark.parametrize("share", [0.55, 0.7, 0.8, 0.9])
def test_a_file_that_ends_within_a_part_is_refused(
    tmp_path: Path, whole: Path, share: float
) -> None:
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(ClipError, match="the file is cut short, it ends within a part"):
        read_video(path)


@pytest.mark.parametrize("name", ["a transport stream with sound", "a program stream"])
def test_what_lies_around_a_stream_does_not_cut_it_short(tmp_path: Path, name: str) -> None:
    path = written(name, tmp_path)
    stream = path.read_bytes()
    for before, after in ((b"", bytes(1000)), (b"ID3, as in a playlist", b"a tag at the end")):
        path.write_bytes(before + stream + after)
        assert len(read_video(path).frames) == FRAMES


def test_program_streams_that_were_joined_are_whole(tmp_path: Path) -> None:
    path = written("a program stream", tmp_path)
    stream = path.read_bytes()
    path.write_bytes(stream + b"\0\0\1\xb9" + bytes(20) + stream)
    assert len(read_video(path).frames) == 2 * FRAMES


@pytest.mark.parametrize("name", ["a fragmented MP4", "an AVI with sound", "a WMV"])
def test_a_file_that_lacks_its_index_alone_is_read(tmp_path: Path, name: str) -> None:
    path = written(name, tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    assert len(read_video(path).frames) in (FRAMES, FRAMES + 1)


def test_a_cut_between_two_parts_is_not_seen(tmp_path: Path) -> None:
    path = written("a live WebM", tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\x1f\x43\xb6\x75")])
    assert 0 < len(read_video(path).frames) < FRAMES


def test_a_recording_that_begins_in_the_middle_is_whole(tmp_path: Path) -> None:
    """Of a broadcast in fragments, say, whose times are those of the broadcast."""
    path = tmp_path / "a.mp4"
    options = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height = stream.width = 48
        stream.pix_fmt = "yuvj420p"
        for frame in moving_texture(FRAMES, 48):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    content = path.read_bytes()
    starts = [head.start() - 4 for head in re.finditer(b"moof", content)]
    path.write_bytes(content[: starts[0]] + content[starts[10] :])
    assert len(read_video(path).frames) == FRAMES - 10


@pytest.mark.parametrize(
    ("name", "codec", "kind", "start_s"),
    [
        ("a.wmv", "wmv2", "asf", 50),
        ("a.mpg", "mpeg2video", "mpeg", 2**33 / 90_000 - 1),  # a second before they begin anew
        ("a.ts", "mpeg2video", "mpegts", 2**33 / 90_000 - 1),
    ],
)
def test_a_video_whose_times_begin_late_is_whole(
    tmp_path: Path, name: str, codec: str, kind: str, start_s: float
) -> None:
    path = tmp_path / name
    with av.open(path, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height = stream.width = 48
        stream.pix_fmt = "yuv420p"
        for number, array in enumerate(moving_texture(2 * FRAMES, 48)):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = round(start_s * 25) + number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert len(read_video(path).frames) == 2 * FRAMES
