import contextlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from conftest import moving_texture
from fake_files import write

from bench.clip import Clip, write_master
from bench.errors import ClipError
from bench.video import read_video

SHARED_CLIPS = Path(__file__).parents[3] / "shared" / "clips"


KINDS = [
    ("a.mp4", "libx264", "yuv420p"),
    ("a.mkv", "libx264", "yuv420p"),
    ("a.webm", "libvpx-vp9", "yuv420p"),
    ("a.mov", "libx264", "yuv444p"),
    ("a.avi", "mpeg4", "yuv420p"),
    ("a.gif", "gif", "rgb8"),
]


@pytest.mark.parametrize(("name", "codec", "pixels"), KINDS)
def test_every_kind_of_file_is_read_whole(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    frames = moving_texture(20, 64)
    clip = read_video(write(tmp_path / name, frames, codec, pixels))
    assert clip.frames.shape == frames.shape
    assert clip.fps == pytest.approx(10, rel=0.01)
    assert clip.lossy
    error = np.abs(clip.frames.astype(int) - frames).mean()
    assert error < (40 if name == "a.gif" else 15)


def test_a_lossless_file_is_exact_and_not_marked(tmp_path: Path) -> None:
    clip = Clip(moving_texture(5, 48), 8)
    write_master(clip, tmp_path / "a.mkv")
    back = read_video(tmp_path / "a.mkv")
    assert (back.sha256, back.fps, back.lossy) == (clip.sha256, 8, False)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize(("name", "codec", "pixels"), KINDS)
@pytest.mark.parametrize("front", [False, True])
def test_a_file_that_is_cut_short_is_refused(
    tmp_path: Path, name: str, codec: str, pixels: str, front: bool, share: float
) -> None:
    front = front and name.endswith(("mp4", "mov"))
    path = write(tmp_path / name, moving_texture(60, 64), codec, pixels, front=front)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ClipError, match=name) as caught:
        read_video(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.mkv", "libx264", "aac"), ("a.webm", "libvpx-vp9", "libopus"), ("a.mp4", "libx264", "aac")],
)
def test_sound_may_outlast_the_picture(tmp_path: Path, name: str, codec: str, sound: str) -> None:
    path = tmp_path / name
    with av.open(path, "w") as container:
        picture = container.add_stream(codec, rate=10)
        picture.height = picture.width = 48
        picture.pix_fmt = "yuv420p"
        voice = container.add_stream(sound, rate=48000)
        for array in moving_texture(10, 48):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(picture.encode())
        two_seconds = av.AudioFrame.from_ndarray(np.zeros((2, 96000), np.float32), "fltp", "stereo")
        two_seconds.sample_rate = 48000
        container.mux(voice.encode(two_seconds))
        container.mux(voice.encode())
    assert len(read_video(path).frames) == 10
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClipError, match=name):
        read_video(path)


def joined(path: Path, *sources: Path) -> Path:
    """Their streams beside each other."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(av.open(source)) for source in sources]
        new = stack.enter_context(av.open(path, "w"))
        streams = [new.add_stream_from_template(file.streams[0]) for file in files]
        for file, stream in zip(files, streams, strict=True):
            for packet in file.demux():
                if packet.pts is not None:
                    packet.stream = stream
                    new.mux(packet)
    return path


@pytest.mark.parametrize("other", ["a.srt", "long.mkv"])
def test_whatever_lies_beside_the_picture_may_outlast_it(tmp_path: Path, other: str) -> None:
    """The length that a Matroska file declares is that of its longest stream."""
    source = write(tmp_path / "source.mkv", moving_texture(20, 48))
    write(tmp_path / "long.mkv", moving_texture(60, 48))
    (tmp_path / "a.srt").write_text("1\n00:00:01,500 --> 00:00:09,000\nAt last\n")
    path = joined(tmp_path / "a.mkv", source, tmp_path / other)
    assert len(read_video(path).frames) == 20
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ClipError, match=r"a\.mkv"):
        read_video(path)


def test_a_slow_video_is_whole(tmp_path: Path) -> None:
    """On the way FFmpeg takes the time of a later frame for its start."""
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(1, 5))
        stream.height = stream.width = 48
        stream.pix_fmt = "yuv420p"
        for array in moving_texture(24, 48):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    clip = read_video(path)
    assert (len(clip.frames), clip.fps) == (24, pytest.approx(0.2))


def test_a_trimmed_video_is_whole(tmp_path: Path) -> None:
    write(tmp_path / "long.mp4", moving_texture(30, 48))
    path = tmp_path / "trimmed.mp4"
    with (
        av.open(tmp_path / "long.mp4") as long,
        av.open(path, "w", options={"avoid_negative_ts": "disabled"}) as trimmed,
    ):
        stream = trimmed.add_stream_from_template(long.streams.video[0])
        for packet in long.demux(video=0):
            if packet.pts is not None and packet.dts is not None:
                one_second = round(1 / packet.time_base)
                packet.pts, packet.dts = packet.pts - one_second, packet.dts - one_second
                packet.stream = stream
                trimmed.mux(packet)
    with av.open(path) as container:
        assert container.streams.video[0].frames == 30
    assert len(read_video(path).frames) == 20


def test_frames_of_an_avi_come_in_order_whatever_their_times_say(tmp_path: Path) -> None:
    frames = moving_texture(20, 64, step_px=4)
    clip = read_video(write(tmp_path / "a.avi", frames))
    difference = np.abs(clip.frames[:, None].astype(int) - frames[None]).mean(axis=(2, 3, 4))
    assert difference.argmin(axis=1).tolist() == list(range(20))
    assert clip.fps == 10


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    for name, content, got in [
        ("text.mp4", b"hello", "it cannot be read"),
        ("empty.mp4", b"", "the file is empty"),
        ("text.gif", b"GIF?", "it cannot be read"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ClipError, match=f"{name}: expected a video, .*{got}"):
            read_video(tmp_path / name)
    with pytest.raises(ClipError, match=r"none\.mp4"):
        read_video(tmp_path / "none.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.mov", "a.flv"])
def test_a_title_need_not_be_utf_8(tmp_path: Path, name: str) -> None:
    codec = "flv1" if name == "a.flv" else "mpeg4"
    source = write(tmp_path / f"source{Path(name).suffix}", moving_texture(5, 48), codec)
    path = tmp_path / name
    with av.open(source) as old, av.open(path, "w") as new:
        new.metadata["title"] = "Cafe!"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    content = path.read_bytes()
    assert b"Cafe!" in content
    path.write_bytes(content.replace(b"Cafe!", "Café!".encode("latin-1")))
    assert read_video(path).sha256 == read_video(source).sha256


def test_a_codec_that_nothing_here_decodes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", moving_texture(5, 48))
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_OF/NEXT/YEARS"))
    with pytest.raises(ClipError, match="got one of an unknown codec, or encrypted"):
        read_video(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(ClipError, match="no picture"):
        read_video(path)


def test_a_changing_frame_rate_is_refused_with_the_way_out(tmp_path: Path) -> None:
    ticks = np.cumsum([0] + [4, 4, 4, 12] * 5)[:20].tolist()
    path = write(tmp_path / "phone.mkv", moving_texture(20, 48), ticks=ticks)
    with pytest.raises(ClipError, match=r"constant frame rate, frames last from 40 to 120 ms"):
        read_video(path)


def test_rounding_to_hundredths_is_no_changing_frame_rate(tmp_path: Path) -> None:
    ticks = np.round(np.arange(24) * 100 / 12).astype(int).tolist()
    path = write(tmp_path / "a.mkv", moving_texture(24, 48), ticks=ticks)
    assert read_video(path).frames.shape[0] == 24


@pytest.mark.parametrize("turned", [90, -90, 180])
def test_a_phone_video_is_turned_upright(tmp_path: Path, turned: int) -> None:
    frames = np.zeros((5, 32, 64, 3), np.uint8)
    frames[:, :16, :32] = 255  # the marked corner: top left
    clip = read_video(write(tmp_path / "a.mp4", frames, turned=turned))
    upright = np.rot90(frames[0], turned // 90)
    assert clip.frames.shape[1:] == upright.shape
    assert np.abs(clip.frames[0].astype(int) - upright).mean() < 10


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    assert read_video(write(tmp_path / "a.mp4", moving_texture(1, 48))).frames.shape[0] == 1


def test_png_frames_are_exact_and_in_natural_order(tmp_path: Path) -> None:
    frames = moving_texture(12, 40)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"frame{number}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    clip = read_video(tmp_path, fps=16)
    assert np.array_equal(clip.frames, frames)
    assert (clip.fps, clip.lossy) == (16, False)
    with pytest.raises(ClipError, match=r"model\.fps=N"):
        read_video(tmp_path)
    cv2.imwrite(str(tmp_path / "frame5.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ClipError, match=r"frame5\.png: expected frames of one size"):
        read_video(tmp_path, fps=16)
    (tmp_path / "frame5.png").write_text("no picture")
    with pytest.raises(ClipError, match=r"frame5\.png: expected a PNG"):
        read_video(tmp_path, fps=16)


@pytest.mark.skipif(not SHARED_CLIPS.is_dir(), reason="the folder of published clips is not here")
def test_published_outputs_of_open_models_are_read() -> None:
    files = [path for path in SHARED_CLIPS.iterdir() if path.suffix in (".mp4", ".gif")]
    for path in sorted(files)[::4]:
        clip = read_video(path)
        assert len(clip.frames) >= 16
        assert 5 < clip.fps < 61
