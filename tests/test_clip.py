from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from bench import clip as clip_module
from bench.clip import (
    Clip,
    Sound,
    Streamed,
    read_master,
    read_sound,
    write_compressed,
    write_master,
    write_preview,
)
from bench.errors import ClipError
from bench.video import read as read_module
from bench.video import read_video


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "fps"),
    [
        ((5, 64, 96, 3), 8.0),
        ((1, 33, 17, 3), 24000 / 1001),
        ((3, 96, 55, 3), 12.5),
        ((2, 2, 2, 3), 60.0),
        ((2, 15, 31, 3), 7.0),
    ],
)
def test_the_master_gives_back_the_very_frames(
    tmp_path: Path, shape: tuple[int, ...], fps: float
) -> None:
    clip = Clip(noise(*shape), fps)
    write_master(clip, tmp_path / "a" / "0.mkv")
    back = read_master(tmp_path / "a" / "0.mkv", frames=shape[0], sha256=clip.sha256)
    assert np.array_equal(back.frames, clip.frames)
    assert back.fps == pytest.approx(fps, rel=1e-9)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["0.mkv"]


@pytest.mark.parametrize("shape", [(9, 64, 96, 3), (3, 33, 17, 3), (1, 2, 2, 3)])
def test_what_is_stored_with_a_loss_is_close_and_read_back_as_it_is_described(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    count, height, width, _ = shape
    ramp = np.linspace(0, 200, width, dtype=np.uint8)
    frames = (
        np.broadcast_to(ramp[:, None], (height, width, 3)) + np.arange(count)[:, None, None, None]
    )
    clip = Clip(frames.astype(np.uint8), 8.0)
    kept = write_compressed(clip, tmp_path / "0.mkv")
    back = read_master(tmp_path / "0.mkv", frames=count, sha256=kept.sha256)
    assert kept.lossy
    assert back.fps == kept.fps == clip.fps
    assert np.abs(back.frames.astype(int) - clip.frames).mean() < 2


@pytest.mark.parametrize("fps", [1e-9, 1e7, 1e12])
def test_a_rate_no_file_can_hold_is_refused(tmp_path: Path, fps: float) -> None:
    for write, name in [(write_master, "0.mkv"), (write_preview, "0.mp4")]:
        with pytest.raises(ClipError, match="frames per second"):
            write(Clip(noise(2, 8, 8, 3), fps), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 0.99])
def test_part_of_a_master_is_never_taken_for_the_whole(tmp_path: Path, share: float) -> None:
    clip = Clip(noise(24, 64, 64, 3), 8)
    path = tmp_path / "0.mkv"
    write_master(clip, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ClipError, match=r"0\.mkv"):
        read_master(path, frames=24, sha256=clip.sha256)


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    clip = Clip(noise(8, 64, 64, 3), 8)
    path = tmp_path / "0.mkv"
    write_master(clip, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ClipError, match=r"0\.mkv"):
        read_master(path, frames=8, sha256=clip.sha256)


def test_a_missing_master_and_another_clips_hash_are_errors(tmp_path: Path) -> None:
    clip = Clip(noise(2, 16, 16, 3), 8)
    with pytest.raises(ClipError, match="cannot be read"):
        read_master(tmp_path / "none.mkv", frames=2, sha256=clip.sha256)
    write_master(clip, tmp_path / "0.mkv")
    with pytest.raises(ClipError, match="not those that were written"):
        read_master(tmp_path / "0.mkv", frames=2, sha256="0" * 64)


def test_frames_too_many_to_hold_are_as_those_that_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Clip(noise(12, 33, 17, 3), 8)
    write_master(held, tmp_path / "a.mkv")
    for module in (clip_module, read_module):
        monkeypatch.setattr(module, "HELD_BYTES", 1000)
    stored = read_master(tmp_path / "a.mkv", frames=12, sha256=held.sha256)
    for each in (stored, read_video(tmp_path / "a.mkv")):
        frames = each.frames
        assert isinstance(frames, Streamed)
        assert (frames.shape, each.sha256, len(frames)) == (held.frames.shape, held.sha256, 12)
        for which in (3, -1, 0, slice(2, 9), slice(None, None, 5), [7, 1, 1, 11], [0]):
            assert np.array_equal(frames[which], held.frames[which])
        assert np.array_equal(np.stack([*frames]), held.frames)
        assert np.array_equal(frames, held.frames)
        with pytest.raises(IndexError):
            frames[12]
    with pytest.raises(ClipError, match="not those that were written"):
        read_master(tmp_path / "a.mkv", frames=13, sha256=held.sha256)
    write_master(stored, tmp_path / "b.mkv")
    assert read_master(tmp_path / "b.mkv", frames=12, sha256=held.sha256).fps == 8


def test_the_hash_is_of_shape_and_pixels() -> None:
    frames = noise(4, 8, 6, 3)
    same = [Clip(frames, 8), Clip(frames.copy(), 25), Clip(frames[:, ::-1][:, ::-1], 8)]
    assert len({clip.sha256 for clip in same}) == 1
    changed = frames.copy()
    changed[-1, -1, -1, -1] ^= 1
    other = [Clip(changed, 8), Clip(frames.reshape(4, 6, 8, 3), 8), Clip(frames[:3], 8)]
    assert len({clip.sha256 for clip in [same[0], *other]}) == 4


@pytest.mark.parametrize("size", [(64, 96), (33, 17), (2, 2)])
def test_the_preview_is_what_browsers_play(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "0.mp4"
    write_preview(Clip(noise(5, *size, 3), 12.5), path)
    with av.open(path) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.height, context.width) == tuple(side + side % 2 for side in size)
        assert (context.colorspace, context.color_range) == (1, 1)
        assert stream.average_rate == Fraction(25, 2)
        assert len(list(container.decode(stream))) == 5
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_preview_keeps_its_colours(tmp_path: Path) -> None:
    frames = np.empty((3, 32, 32, 3), np.uint8)
    frames[:] = (200, 40, 90)
    write_preview(Clip(frames, 8), tmp_path / "0.mp4")
    with av.open(tmp_path / "0.mp4") as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    np.testing.assert_allclose(shown[16, 16], (200, 40, 90), atol=4)


@pytest.mark.parametrize(
    ("frames", "fps"),
    [
        (np.zeros((0, 8, 8, 3), np.uint8), 8),
        (np.zeros((2, 8, 8, 4), np.uint8), 8),
        (np.zeros((2, 8, 8, 3), np.float32), 8),
        (np.zeros((8, 8, 3), np.uint8), 8),
        (np.zeros((2, 1, 8, 3), np.uint8), 8),
        (np.zeros((2, 8, 8, 3), np.uint8), 0),
        (np.zeros((2, 8, 8, 3), np.uint8), float("nan")),
        (np.zeros((2, 8, 8, 3), np.uint8), float("inf")),
    ],
)
def test_what_is_no_clip_is_refused(frames: np.ndarray, fps: float) -> None:
    with pytest.raises(ClipError, match="expected"):
        Clip(frames, fps)


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_goes_along_and_changes_no_frame(tmp_path: Path, channels: int) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    wave = np.sin(np.arange(32_000) / 20).astype(np.float32)
    clip = Clip(frames, 8, sound=Sound(np.stack([wave] * channels), 32_000))
    write_master(clip, tmp_path / "clip.mkv")
    write_preview(clip, tmp_path / "clip.mp4")
    again = read_master(tmp_path / "clip.mkv", frames=8, sha256=clip.sha256)
    assert again.fps == 8
    stored = read_sound(tmp_path / "clip.mkv")
    assert stored is not None
    assert stored.rate_hz == 32_000
    assert stored.samples == pytest.approx(clip.sound.samples, abs=1e-3)
    assert clip.sha256 == Clip(frames, 8).sha256
    heard = {}
    for suffix in ("mkv", "mp4"):
        with av.open(tmp_path / f"clip.{suffix}") as container:
            (track,) = container.streams.audio
            assert (track.rate, track.channels) == (32_000, channels)
            resampler = av.AudioResampler(format="fltp", layout=track.layout)
            pieces = [
                r.to_ndarray() for f in container.decode(track) for r in resampler.resample(f)
            ]
            heard[suffix] = np.concatenate(pieces, axis=1)
    assert heard["mkv"] == pytest.approx(clip.sound.samples, abs=1e-3)
    assert heard["mp4"].shape[1] == pytest.approx(32_000, abs=3_000)
    assert np.abs(heard["mp4"]).max() > 0.9
    with pytest.raises(ClipError, match=r"one or two channels, got \[3, 4\]"):
        Sound(np.zeros((3, 4), np.float32), 8_000)
