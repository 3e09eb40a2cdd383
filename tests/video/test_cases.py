"""Kinds of files that are often read wrongly: those of a shared folder, and their like."""

import shutil
import struct
import unicodedata
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc
from conftest import moving_texture
from fake_files import png_header, write
from numpy.typing import NDArray
from PIL import Image, ImageCms

from bench import clip as clip_module
from bench.clip import Clip, Streamed
from bench.errors import BenchError, ClipError, printable
from bench.metrics.coherence import coherence
from bench.video import Limits, read_video
from bench.video import read as read_module
from bench.vision.analysis import Analysis

CASES = Path(__file__).parents[3] / "shared" / "cases"

needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the shared folder of cases is missing")

READ = {  # frames, height, width, rate, and what the remark says
    "pause3s.mp4": (150, 120, 160, 30, "frame 29 stands for 91 (3.03 s)"),
    "steady30.mp4": (60, 120, 160, 30, None),
    "dup_pts_gap.mp4": (150, 120, 160, 30, "frame 29 stands for 91"),
    "firstlate.mp4": (74, 120, 160, 30, "frame 0 stands for 15 (0.50 s)"),
    "drop1of40.mp4": (41, 120, 160, 30, "frame 19 stands for 2"),
    "gif16.gif": (16, 120, 160, 25 / 3, None),
    "gif16_frozen.gif": (20, 120, 160, 10, "1 frame that stands for 2.00 s is 20 at 10 fps"),
    "gif16_oneheld.gif": (16, 120, 160, 25 / 3, "15 frames of unequal delay are 16"),
    "held2.gif": (16, 120, 160, 25 / 3, "14 frames of unequal delay are 16"),
    "sar2.mp4": (24, 120, 160, 24, "80x120 is shown as 160x120"),
    "interlaced.mp4": (48, 120, 160, 24, "deinterlaced"),
    "hdr_pq.mp4": (24, 120, 160, 24, "transfer SMPTE2084 is not looked at"),
    "anim.webp": (24, 120, 160, 10, None),
    "png_upper": (24, 120, 160, 8, None),
    "png_mixedcase": (24, 120, 160, 8, None),
}
REFUSED = {
    "vfr.mp4": r"constant frame rate, .* model=folder, .* -r 24 OUT",
    "png_gap": r"frame_\* from 0 to 23, 10, 11, 12 of them missing",
    "png_extra_mask": r"one series of frames, got frame_\* \(24\), mask_frame_\* \(24\)",
}


@needs_cases
@pytest.mark.parametrize("name", READ)
def test_a_shared_case_is_read_as_a_person_sees_it(name: str) -> None:
    *shape, fps, remark = READ[name]
    clip = read_video(CASES / name, 8 if name.startswith("png") else None)
    assert clip.frames.shape == (*shape, 3)
    assert clip.fps == pytest.approx(fps)
    assert (remark or "") in "; ".join(clip.remarks)
    assert bool(clip.remarks) == (remark is not None)


@needs_cases
@pytest.mark.parametrize("name", READ)
def test_a_shared_case_too_large_to_hold_is_read_alike(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = read_video(CASES / name, 8)
    for module in (clip_module, read_module):
        monkeypatch.setattr(module, "HELD_BYTES", 1000)
    streamed = read_video(CASES / name, 8)
    assert isinstance(streamed.frames, Streamed)
    assert (streamed.sha256, streamed.remarks) == (held.sha256, held.remarks)


@needs_cases
@pytest.mark.parametrize("name", REFUSED)
def test_a_shared_case_is_refused_by_name(name: str) -> None:
    with pytest.raises(ClipError, match=REFUSED[name]):
        read_video(CASES / name, 8)


@needs_cases
def test_every_shared_case_is_held() -> None:
    assert {path.name for path in CASES.iterdir()} - {"README.md"} == READ.keys() | REFUSED.keys()


@needs_cases
def test_a_hole_is_a_freeze_of_the_same_frames() -> None:
    steady, pause = (read_video(CASES / name) for name in ("steady30.mp4", "pause3s.mp4"))
    assert (pause.frames[29:120] == pause.frames[29]).all()
    moving = np.concatenate([pause.frames[:30], pause.frames[120:]])
    assert np.abs(moving.astype(int) - steady.frames).mean() < 1


@needs_cases
@pytest.mark.slow
@pytest.mark.weights
def test_a_frozen_animation_scores_0(analyse: Callable[..., Analysis]) -> None:
    clip = read_video(CASES / "gif16_frozen.gif")
    assert coherence(analyse(clip.frames, clip.fps)) == pytest.approx(0, abs=0.001)


def video(
    path: Path,
    times_ms: Sequence[float],
    *,
    pixels: str = "yuv420p",
    codec: str = "libx264",
    prepare: Callable[[Any], None] = lambda _stream: None,
    frames: NDArray[np.uint8] | None = None,
) -> Path:
    """A video whose frames are shown from these times on."""
    frames = moving_texture(len(times_ms), 48) if frames is None else frames
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        prepare(stream)
        for array, time_ms in zip(frames, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = round(time_ms * 90), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


STEADY = np.arange(48) * 1000 / 30


def after(times: NDArray[np.float64], index: int, pause_ms: float) -> list[float]:
    return (times + np.where(np.arange(len(times)) > index, pause_ms, 0)).tolist()


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "mov"])
@pytest.mark.parametrize(("index", "pause_steps"), [(0, 3), (20, 40), (46, 5)])
def test_a_hole_anywhere_is_held_and_named(
    tmp_path: Path, suffix: str, index: int, pause_steps: int
) -> None:
    times = after(STEADY, index, pause_steps * 1000 / 30)
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    clip = read_video(video(tmp_path / f"a.{suffix}", times, codec=codec))
    assert clip.fps == pytest.approx(30, rel=0.002)
    assert len(clip.frames) == 48 + pause_steps
    assert f"frame {index} stands for {pause_steps + 1}" in clip.remarks[0]
    assert (clip.frames[index : index + pause_steps + 1] == clip.frames[index]).all()


def test_a_hole_need_not_be_of_whole_frames(tmp_path: Path) -> None:
    clip = read_video(video(tmp_path / "a.mp4", after(STEADY, 20, 1234.5)))
    assert (clip.fps, len(clip.frames)) == (pytest.approx(30), 48 + 37)


@pytest.mark.parametrize(("first", "then"), [(24, 30), (30, 24), (15, 30), (30, 25), (60, 24)])
def test_two_rates_never_pass_as_their_mean(tmp_path: Path, first: int, then: int) -> None:
    lengths = [1000 / first] * 24 + [1000 / then] * 23
    path = video(tmp_path / "a.mp4", np.cumsum([0, *lengths]).tolist())
    with pytest.raises(ClipError, match="constant frame rate"):
        read_video(path)
    resampled = read_video(path, resample=24)
    assert resampled.fps == 24
    assert len(resampled.frames) == pytest.approx((sum(lengths) + 1000 / then) * 0.024, abs=1)
    assert "resampled to 24 fps" in resampled.remarks[0]


@pytest.mark.parametrize("rate", [24, 30000 / 1001, 50, 60])
def test_the_advice_names_the_rate_of_the_grid(tmp_path: Path, rate: float) -> None:
    mask = np.random.default_rng(0).random(60) < 0.6
    mask[:2] = True
    times = (np.arange(60) * 1000 / rate)[mask].tolist()
    with pytest.raises(ClipError, match=rf"model\.resample={rate:.4g} with"):
        read_video(video(tmp_path / "a.mp4", times))


def test_frames_that_come_a_little_early_or_late_are_no_variable_rate(tmp_path: Path) -> None:
    jitter_ms = np.random.default_rng(0).uniform(-2.5, 2.5, 48)
    clip = read_video(video(tmp_path / "phone.mp4", (3 + STEADY + jitter_ms).tolist()))
    assert (len(clip.frames), clip.remarks) == (48, ())
    assert clip.fps == pytest.approx(30, rel=0.01)


def test_times_on_no_grid_are_advised_their_usual_rate(tmp_path: Path) -> None:
    lengths = np.random.default_rng(1).uniform(20, 90, 40)
    with pytest.raises(ClipError, match=r"model\.resample=1\d\.\d+ with"):
        read_video(video(tmp_path / "a.mp4", np.cumsum(lengths).tolist()))


def remuxed(source: Path, path: Path, last_s: float) -> Path:
    """The same packets, of which the last stands so long."""
    with av.open(source) as old, av.open(path, "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.pts is not None]
        packets[-1].duration = round(last_s / packets[-1].time_base)
        for packet in packets:
            packet.stream = stream
            new.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize(("count", "length", "fps"), [(10, 29, 10), (1, 20, 10)])
def test_a_last_frame_stands_for_as_long_as_it_says(
    tmp_path: Path, suffix: str, count: int, length: int, fps: float
) -> None:
    source = write(tmp_path / "a.mp4", moving_texture(count, 48), "mpeg4")
    clip = read_video(remuxed(source, tmp_path / f"b.{suffix}", 2.0))
    assert (len(clip.frames), clip.fps) == (length, pytest.approx(fps))
    assert (clip.frames[count - 1 :] == clip.frames[-1]).all()
    assert "(2.00 s)" in clip.remarks[0] or "stands for 2.00 s" in clip.remarks[0]


def test_frames_that_an_avi_leaves_out_are_a_hole(tmp_path: Path) -> None:
    places = [*range(20), *range(35, 55)]
    clip = read_video(steady(tmp_path / "a.avi", "mpeg4", places))
    assert (len(clip.frames), clip.fps) == (55, 30)
    assert "frame 19 stands for 16" in clip.remarks[0]


@pytest.mark.parametrize(
    ("suffix", "codec", "lengths", "message"),
    [
        ("ts", "libx264", (30, 30), "is damaged; the file may be cut short"),
        ("ts", "libx264", (30, 47), "is damaged; the file may be cut short"),
        ("mkv", "libx264", (30, 30), "go back by 0.97 s at frame 30, as where files were joined"),
        ("mpg", "mpeg2video", (30, 30), None),
    ],
)
def test_files_that_were_joined_are_one_clip_or_refused(
    tmp_path: Path, suffix: str, codec: str, lengths: tuple[int, int], message: str | None
) -> None:
    path = tmp_path / f"a.{suffix}"
    parts = [
        steady(tmp_path / f"{number}.{suffix}", codec, range(length))
        for number, length in enumerate(lengths)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    if message is None:
        clip = read_video(path)
        assert (len(clip.frames), clip.fps) == (sum(lengths), 30)
        return
    for resample in (None, 30):
        with pytest.raises(ClipError, match=message):
            read_video(path, resample=resample)


def steady(path: Path, codec: str, places: Sequence[int]) -> Path:
    """A video on the grid of 30 fps, of which other places are left out."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.height = stream.width = 48
        stream.pix_fmt = "yuv420p"
        for place, array in zip(places, moving_texture(len(places), 48), strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_broadcast_with_a_damaged_part_is_refused(tmp_path: Path) -> None:
    path = steady(tmp_path / "a.ts", "libx264", range(60))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(content)
    with pytest.raises(ClipError, match="is damaged; the file may be cut short"):
        read_video(path)


def test_resampling_leaves_a_steady_file_alone(tmp_path: Path) -> None:
    clip = read_video(video(tmp_path / "a.mp4", STEADY.tolist()), resample=24)
    assert (clip.fps, len(clip.frames), clip.remarks) == (30, 48, ())


ANIMATIONS = ["a.gif", "a.webp", "a.png", "a.apng"]


def animation(path: Path, frames: NDArray[np.uint8], delays_ms: int | list[int]) -> Path:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    kind = "PNG" if path.suffix == ".apng" else None
    first.save(path, kind, save_all=True, append_images=rest, duration=delays_ms, loop=0)
    return path


@pytest.mark.parametrize("name", ANIMATIONS)
def test_an_animation_is_read(tmp_path: Path, name: str) -> None:
    frames = moving_texture(12, 48)
    clip = read_video(animation(tmp_path / name, frames, 80))
    assert clip.frames.shape == frames.shape
    assert (clip.fps, clip.remarks) == (12.5, ())
    assert np.abs(clip.frames.astype(int) - frames).mean() < 10
    assert clip.lossy == (not name.endswith("png"))


@pytest.mark.parametrize("name", ANIMATIONS)
def test_frames_that_a_writer_merged_are_held(tmp_path: Path, name: str) -> None:
    frames = moving_texture(12, 48)
    frames[5:8] = frames[4]  # three repeats, which no writer of animations keeps
    path = animation(tmp_path / name, frames, 80)
    with Image.open(path) as image:
        assert image.n_frames == 9
    clip = read_video(path)
    assert (len(clip.frames), clip.fps) == (12, 12.5)
    assert (clip.frames[4:8] == clip.frames[4]).all()
    assert "9 frames of unequal delay are 12 at 12.5 fps" in clip.remarks


@pytest.mark.parametrize("name", ANIMATIONS[:2])
def test_most_frames_of_an_animation_may_be_held(tmp_path: Path, name: str) -> None:
    delays = [120, 250, 250, 250, 120, 250, 370]
    clip = read_video(animation(tmp_path / name, moving_texture(7, 48), delays))
    assert (len(clip.frames), clip.fps) == (1 + 2 + 2 + 2 + 1 + 2 + 3, pytest.approx(25 / 3))


@pytest.mark.parametrize("name", ANIMATIONS)
@pytest.mark.parametrize(
    ("delays", "count", "fps"),
    [
        ([100, 150] * 4, 20, 20),  # on twos and threes of a faster grid
        ([30, 100, 170] * 4, 40, 100 / 3),
        ([40, 40, 40, 40, 40, 50] * 2, 12, 24),
        ([3000] + [100] * 7, 37, 10),
        ([40] * 7 + [2000], 57, 25),
        ([50] * 4 + [100] * 4 + [150] * 4, 24, 20),
        ([30, 40, 30, 30, 40, 60], 7, 30),
    ],
)
def test_odd_delays_are_put_on_the_grid_that_explains_them(
    tmp_path: Path, name: str, delays: list[int], count: int, fps: float
) -> None:
    clip = read_video(animation(tmp_path / name, moving_texture(len(delays), 48), delays))
    assert (len(clip.frames), clip.fps) == (count, pytest.approx(fps, rel=0.1))
    assert len(clip.frames) / clip.fps == pytest.approx(sum(delays) / 1000, rel=0.1)
    assert bool(clip.remarks) == (count > len(delays))


@pytest.mark.parametrize("name", ANIMATIONS)
def test_delays_that_no_grid_explains_are_refused(tmp_path: Path, name: str) -> None:
    path = animation(tmp_path / name, moving_texture(12, 48), [70, 110, 130] * 4)
    with pytest.raises(ClipError, match=r"frames last from 70 to 130 ms: type model\.resample="):
        read_video(path)
    assert len(read_video(path, resample=10).frames) == 12


def test_a_picture_for_those_who_show_no_animations_is_not_shown(tmp_path: Path) -> None:
    frames = moving_texture(6, 48)
    first, *rest = [Image.fromarray(frame) for frame in (np.zeros_like(frames[0]), *frames)]
    path = tmp_path / "a.png"
    first.save(path, save_all=True, append_images=rest, duration=100, default_image=True)
    assert np.array_equal(read_video(path).frames, frames)


@pytest.mark.parametrize("tail", [b"\n", b"\0\0", b"appended", b"PK\3\4;"])
def test_what_follows_the_end_of_an_animation_is_none_of_it(tmp_path: Path, tail: bytes) -> None:
    path = animation(tmp_path / "a.gif", moving_texture(12, 48), 80)
    content = path.read_bytes()
    path.write_bytes(content + tail)
    assert len(read_video(path).frames) == 12
    for part in (content[:-1], content[:-2] + b";"):  # frames may hold that byte as well
        path.write_bytes(part)
        with pytest.raises(ClipError, match=r"a\.gif"):
            read_video(path)


KINDS_OF_FILES = ["a.mp4", "a.mkv", "a.gif", "a.webp", "a.png"]


@pytest.mark.parametrize("suffix", ["mp4", "avi", "ts", "gif", "webp", "png", "apng", "wmv"])
@pytest.mark.parametrize("name", KINDS_OF_FILES)
def test_a_wrong_suffix_changes_nothing(tmp_path: Path, name: str, suffix: str) -> None:
    if name.endswith(("mp4", "mkv")):
        path = video(tmp_path / name, STEADY[:12].tolist())
    else:
        path = animation(tmp_path / name, moving_texture(12, 48), 80)
    right = read_video(path)
    wrong = read_video(shutil.copy(path, tmp_path / f"b.{suffix}"))
    assert (wrong.sha256, wrong.fps, wrong.lossy) == (right.sha256, right.fps, right.lossy)


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "EPS", "PCX"])
def test_pictures_of_other_kinds_are_opened_under_no_name(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow hands some of them to a program, as PostScript."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was run"))
    (tmp_path / "frames").mkdir()
    for path in (tmp_path / "a.gif", tmp_path / "frames" / "0.png"):
        Image.fromarray(moving_texture(1, 48)[0]).save(path, kind)
    for name in ("a.gif", "frames"):
        with pytest.raises(ClipError, match="cannot be read"):
            read_video(tmp_path / name, 8)


def test_an_animation_without_delays_has_those_of_browsers(tmp_path: Path) -> None:
    assert read_video(animation(tmp_path / "a.gif", moving_texture(6, 48), 0)).fps == 10


@pytest.mark.parametrize("name", ANIMATIONS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_animation_that_is_cut_short_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = animation(tmp_path / name, moving_texture(12, 48), 80)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ClipError, match=name):
        read_video(path)


def apng(path: Path, frames: Sequence[NDArray[np.uint8]]) -> Path:
    """Frames at the top left, each drawn over the first and taken away again."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    height, width, _ = frames[0].shape
    parts = [chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))]
    parts.append(chunk(b"acTL", struct.pack(">2I", len(frames), 0)))
    for number, frame in enumerate(frames):
        size = frame.shape[1], frame.shape[0]
        disposal = 2 if number else 0  # to what was there before
        head = struct.pack(">5I2H2B", max(0, 2 * number - 1), *size, 0, 0, 1, 10, disposal, 1)
        pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in frame))
        parts.append(chunk(b"fcTL", head))
        name, order = (b"fdAT", struct.pack(">I", 2 * number)) if number else (b"IDAT", b"")
        parts.append(chunk(name, order + pixels))
    path.write_bytes(b"".join([b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IEND", b"")]))
    return path


def test_what_an_animation_takes_away_is_gone(tmp_path: Path) -> None:
    still = moving_texture(1, 48)[0]
    sizes = (40, 24, 8)
    path = apng(tmp_path / "a.apng", [still, *(np.zeros((n, n, 3), np.uint8) for n in sizes)])
    for frame, size in zip(read_video(path).frames[1:], sizes, strict=True):
        right = still.copy()
        right[:size, :size] = 0
        np.testing.assert_array_equal(frame, right)


def test_greys_of_16_bits_are_not_cut_off(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 48 * 48).reshape(48, 48).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), grey)
    frame = read_video(tmp_path / "a.png").frames[0]
    np.testing.assert_array_equal(frame, np.repeat(grey[..., None] >> 8, 3, axis=2))


def test_what_lies_beyond_the_screen_of_an_animation_is_not_shown(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.gif", moving_texture(3, 48), 80)
    content = bytearray(path.read_bytes())
    last = content.rindex(b"!\xf9\x04") + 8  # of its frames, after its delay
    assert content[last] == ord(",")
    content[last + 1 : last + 5] = struct.pack("<2H", 20, 20)  # where it stands
    path.write_bytes(content)
    assert read_video(path).frames.shape == (3, 48, 48, 3)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        *((each, "libx264") for each in ("mp4", "m4v", "mov", "mkv", "ts", "flv")),
        *(("webm", "libvpx-vp9"), ("avi", "mpeg4"), ("mpg", "mpeg2video"), ("MP4", "libx264")),
        *(("wmv", "wmv2"), ("ogv", "libvpx")),
    ],
)
def test_every_container_is_read_whatever_the_case_of_its_suffix(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    kind = {"wmv": "asf", "ogv": "ogg"}.get(suffix)  # Theora can be read, but not written here
    with av.open(path, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p"
        for frame in moving_texture(30, 64):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    clip = read_video(path)
    assert (len(clip.frames), clip.fps, clip.remarks) == (30, pytest.approx(30, rel=0.01), ())


def test_theora_can_be_decoded() -> None:
    assert av.Codec("theora", "r").name == "theora"


@pytest.mark.parametrize(("aspect", "width"), [(Fraction(2), 96), (Fraction(1, 2), 24)])
def test_pixels_that_are_not_square_are_made_so(
    tmp_path: Path, aspect: Fraction, width: int
) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = aspect

    clip = read_video(video(tmp_path / "a.mkv", STEADY.tolist(), prepare=prepare))
    assert clip.frames.shape[1:3] == (48, width)
    assert "made square" in clip.remarks[0]


@pytest.mark.parametrize(
    ("turned", "mirrored", "corner"),
    [
        *((0, (True, False), (0, 1)), (0, (False, True), (1, 0)), (0, (True, True), (1, 1))),
        *((90, (False, False), (1, 0)), (90, (True, False), (1, 1)), (-90, (True, False), (0, 0))),
        *((180, (False, False), (1, 1)), (180, (True, False), (1, 0))),
    ],
)
def test_a_mirrored_video_is_shown_as_it_says(
    tmp_path: Path, turned: int, mirrored: tuple[bool, bool], corner: tuple[int, int]
) -> None:
    frames = np.zeros((4, 48, 48, 3), np.uint8)
    frames[:, :24, :24] = 255  # the marked corner: top left

    def prepare(stream: Any) -> None:
        stream.set_display_rotation(turned, hflip=mirrored[0], vflip=mirrored[1])

    clip = read_video(video(tmp_path / "a.mp4", STEADY[:4], prepare=prepare, frames=frames))
    quarters = clip.frames[0].reshape(2, 24, 2, 24, 3).mean(axis=(1, 3, 4))
    assert np.unravel_index(quarters.argmax(), (2, 2)) == corner


def test_a_picture_that_stands_askew_is_refused(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", STEADY[:4], prepare=lambda s: s.set_display_rotation(45))
    with pytest.raises(ClipError, match="a multiple of 90 degrees"):
        read_video(path)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        *(("a.mov", "prores_ks", "yuva444p10le"), ("a.mkv", "ffv1", "bgra")),
        *(("a.mov", "qtrle", "argb"), ("a.webm", "libvpx-vp9", "yuva420p")),
    ],
)
def test_transparency_of_a_video_is_named(
    tmp_path: Path, name: str, codec: str, pixels: str
) -> None:
    clip = read_video(video(tmp_path / name, STEADY[:4], codec=codec, pixels=pixels))
    assert "transparency is not looked at" in clip.remarks


def test_full_and_limited_range_are_told_apart(tmp_path: Path) -> None:
    grey = np.full((4, 48, 48, 3), 40, np.uint8)

    def prepare(stream: Any) -> None:
        stream.codec_context.color_range = ColorRange.JPEG

    full = video(tmp_path / "full.mkv", STEADY[:4], pixels="yuvj420p", prepare=prepare, frames=grey)
    limited = video(tmp_path / "limited.mkv", STEADY[:4].tolist(), frames=grey)
    for path in (full, limited):
        assert abs(read_video(path).frames.astype(int) - 40).max() <= 3, path.name


@pytest.mark.parametrize("transfer", [ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67, ColorTrc.LINEAR])
def test_a_transfer_that_is_not_looked_at_is_named(tmp_path: Path, transfer: ColorTrc) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.color_trc = transfer
        stream.codec_context.color_primaries = ColorPrimaries.BT2020

    clip = read_video(video(tmp_path / "a.mkv", STEADY.tolist(), prepare=prepare))
    assert f"transfer {transfer.name} is not looked at" in clip.remarks[0]
    assert "gamut BT2020 is not looked at" in clip.remarks[1]


@pytest.mark.parametrize("name", ["a.mkv", "a.mpg"])
def test_fields_are_deinterlaced(tmp_path: Path, name: str) -> None:
    fine = moving_texture(48, 64, step_px=3)
    combed = fine[::2].copy()
    combed[:, 1::2] = fine[1::2, 1::2]  # the lower field is of half a frame later

    path = tmp_path / name
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg2video", rate=24)
        stream.height = stream.width = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"flags": "+ildct+ilme"}
        stream.bit_rate = 5_000_000
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=64, height=64, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 24)
        )
        graph.link_nodes(source, graph.add("setfield", "tff"), graph.add("buffersink")).configure()
        for number, array in enumerate(combed):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 24)
            graph.push(frame)
            container.mux(stream.encode(graph.pull()))
        container.mux(stream.encode())
    clip = read_video(path)
    assert len(clip.frames) == 24
    assert "deinterlaced (bwdif)" in clip.remarks[0]

    def combing(frames: NDArray[np.uint8]) -> float:
        rows = frames[4:-4, 4:-4].astype(int)
        return float(np.abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:]).mean())

    assert combing(clip.frames) < 0.5 * combing(combed)


def test_of_several_pictures_the_default_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(path, "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in range(2)]
        for stream, size in zip(streams, (32, 64), strict=True):
            stream.height = stream.width = size
            stream.pix_fmt = "yuv420p"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for stream, size in zip(streams, (32, 64), strict=True):
            for frame in moving_texture(10, size):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    clip = read_video(path)
    assert clip.frames.shape[1:3] == (64, 64)
    assert "of 2 pictures, that of stream 1" in clip.remarks


def test_of_several_pictures_one_that_moves_is_read(tmp_path: Path) -> None:
    """An animated AVIF begins with a still picture, of which no player makes a video."""
    path = tmp_path / "a.mp4"
    first, *rest = [Image.fromarray(frame) for frame in moving_texture(8, 48)]
    first.save(path, "AVIF", save_all=True, append_images=rest, duration=100)
    clip = read_video(path)
    assert (len(clip.frames), clip.fps) == (8, 10)


@pytest.mark.parametrize(
    ("aspect", "size", "message"),
    [
        (2, 48, r"pixels of one shape, it changes near frame 4\d: give each part by itself"),
        (1, 32, r"\(32, 32\) from frame 48 on and \(48, 48\) before: give each part by itself"),
    ],
)
def test_what_changes_its_shape_on_the_way_is_refused(
    tmp_path: Path, aspect: int, size: int, message: str
) -> None:
    def prepare(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)

    last = video(
        tmp_path / "1.ts", STEADY, prepare=prepare, frames=moving_texture(len(STEADY), size)
    )
    with av.open(tmp_path / "a.ts", "w") as joined:
        stream = None
        for number, part in enumerate([video(tmp_path / "0.ts", STEADY), last]):
            with av.open(part) as container:
                stream = stream or joined.add_stream_from_template(container.streams.video[0])
                for packet in container.demux(video=0):
                    if packet.pts is not None and packet.dts is not None:
                        shift = round(number * len(STEADY) / 30 / packet.time_base)
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        joined.mux(packet)
    with pytest.raises(ClipError, match=message):
        read_video(tmp_path / "a.ts")


def frames_in(folder: Path, names: Sequence[str], size: int = 16) -> Path:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        image = np.full((size, size, 3), 5 * number, np.uint8)
        (folder / name).write_bytes(cv2.imencode(Path(name.lower()).suffix, image)[1].tobytes())
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["1.png", "2.PNG", "10.Png", *(f"{n}.png" for n in range(3, 10))],
        [f"f_{n:03d}.JPG" for n in range(10)],
        [f"f_{n:03d}.{'jpeg' if n % 2 else 'jpg'}" for n in range(10)],
        [f"shot 2 - {n:04d} final.webp" for n in range(10)],
        [f"{n}.png" for n in range(0, 50, 5)],
        [f"frame_{n:04d}_v2.png" for n in range(10)],
        [f"1920x1080 {n:04d} 24fps.png" for n in range(10)],
        [unicodedata.normalize("NFD" if n % 2 else "NFC", f"é{n}.png") for n in range(10)],
        ["only.png"],
    ],
)
def test_frames_of_any_picture_file_are_read_in_order(tmp_path: Path, names: list[str]) -> None:
    folder = frames_in(tmp_path / "a", names)
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.png").write_text("x")
    clip = read_video(folder, 8)
    assert len(clip.frames) == len(names)
    levels = clip.frames.mean(axis=(1, 2, 3))
    if len(names) > 1 and names[0] != "1.png":
        assert (np.diff(levels) > 2).all()
    assert clip.lossy == (not names[0].lower().endswith("png"))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["f0.png", "f1.png", "f3.png", "f4.png", "f5.png"], r"f\* from 0 to 5, 2 of them missing"),
        ([f"{n}.png" for n in (*range(4), *range(50, 60))], "4, 5, 6, 7, 8 and 41 more"),
        (["1.png", "2.png", f"{10**30}.png"], f"3, 4, 5, 6, 7 and {10**30 - 8} more"),
        (["0.png", "3.png", "5.png"], "from 0 to 5, 2 of them missing"),
        (["f0.png", "f1.png", "mask0.png"], r"got f\* \(2\), mask\* \(1\)"),
        (["f0.png", "f1.png", "cover.jpg"], r"got cover \(1\), f\* \(2\)"),
        (["1.png", "01.png", "2.png"], r"number 1: (01\.png, 1\.png|1\.png, 01\.png)"),
        (["1.png", "2.png", "2.jpg"], r"number 2: 2\.jpg, 2\.png"),
        (["x.txt"], "expected frames in this folder"),
    ],
)
def test_gaps_and_strangers_among_frames_are_named(
    tmp_path: Path, names: list[str], message: str
) -> None:
    pictures = [name for name in names if not name.endswith("txt")]
    with pytest.raises(ClipError, match=message):
        read_video(frames_in(tmp_path / "a", pictures), 8)


@pytest.mark.parametrize(("opacity", "is_named"), [(255, False), (100, True)])
def test_transparency_of_frames_is_named(tmp_path: Path, opacity: int, is_named: bool) -> None:
    for number in range(3):
        Image.new("RGBA", (16, 16), (90, 0, 0, opacity)).save(tmp_path / f"{number}.png")
    remarks = read_video(tmp_path, 8).remarks
    assert remarks == (("transparency is not looked at",) if is_named else ())


@pytest.mark.parametrize("name", ["frames", "a.webp"])
@pytest.mark.parametrize(("profile", "is_named"), [("sRGB", False), ("LAB", True)])
def test_a_colour_profile_is_named(tmp_path: Path, name: str, profile: Any, is_named: bool) -> None:
    colours = ImageCms.ImageCmsProfile(ImageCms.createProfile(profile)).tobytes()
    first, *rest = [Image.fromarray(frame) for frame in moving_texture(3, 48)]
    path = tmp_path / name
    if name == "frames":
        path.mkdir()
        for number, image in enumerate((first, *rest)):
            image.save(path / f"{number}.jpg", icc_profile=colours)
    else:
        first.save(path, save_all=True, append_images=rest, duration=80, icc_profile=colours)
    remarks = read_video(path, 8).remarks
    assert any("colour profile is not looked at" in remark for remark in remarks) == is_named


def test_limits_are_named_with_what_to_type(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", STEADY.tolist())
    for limits, key in [
        (Limits(frames=47), "frames"),
        (Limits(pixels=48 * 48 - 1), "pixels"),
        (Limits(seconds=1.5), "seconds"),
        (Limits(bytes=48**3 * 3 - 1), "bytes"),
    ]:
        with pytest.raises(ClipError, match=rf"model\.limits\.{key}"):
            read_video(path, limits=limits)
    assert len(read_video(path, limits=Limits(frames=48)).frames) == 48
    pause = video(tmp_path / "b.mp4", after(STEADY, 3, 300_000))
    with pytest.raises(ClipError, match=r"model\.limits\.seconds"):
        read_video(pause, limits=Limits(seconds=300))
    for wrong in (0, -1, float("nan"), "many"):
        with pytest.raises(BenchError, match=r"limits\.frames must be a number above 0"):
            Limits(frames=wrong)  # type: ignore[arg-type]


def gif_header(width: int, height: int) -> bytes:
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    frame = b"," + b"\0\0\0\0" + size + b"\0" + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + size + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame + b";"


@pytest.mark.parametrize("side", [9000, 65535])
def test_a_bomb_is_refused_by_its_header(
    tmp_path: Path, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(Image.Image, "convert", decoded)
    monkeypatch.setattr(cv2, "imdecode", decoded)
    (tmp_path / "a.gif").write_bytes(gif_header(side, side))
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "0.png").write_bytes(png_header(side, side))
    for name in ("a.gif", "frames"):
        with pytest.raises(ClipError, match="limit"):
            read_video(tmp_path / name, 8)


def test_a_list_of_other_files_is_no_video(tmp_path: Path) -> None:
    video(tmp_path / "secret.mp4", STEADY.tolist())
    lists = {
        "a.mp4": "ffconcat version 1.0\nfile secret.mp4\n",
        "b.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(ClipError, match="cannot be read"):
            read_video(tmp_path / name)


def test_text_from_outside_is_made_printable() -> None:
    assert printable("a\n b\tc\x1b[31m\x00d\udcff\u202e") == "a b c\ufffd[31m\ufffdd\ufffd\ufffd"
    assert printable("视频 é") == "视频 é"
    assert len(printable("x" * 5_000_000)) < 1010


def test_a_clip_that_is_read_is_whole(tmp_path: Path) -> None:
    clip = read_video(video(tmp_path / "a.mp4", STEADY.tolist()))
    assert isinstance(clip, Clip)
    assert clip.frames.flags.c_contiguous
