"""How fast stored clips are read, against how fast they play."""

import time
from pathlib import Path

import numpy as np
import pytest

from bench.clip import Clip, read_master, write_compressed, write_master

pytestmark = pytest.mark.benchmark

FRAMES, HEIGHT, WIDTH, FPS = 81, 480, 832, 16.0
MOST_OF_PLAYING = 0.5  # of one core
ROUNDS = 5


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Structure at all scales that moves, with noise of half a level."""
    generator = np.random.default_rng(0)
    canvas = np.zeros((HEIGHT + FRAMES, WIDTH + FRAMES, 3))
    for scale in (8, 16, 32, 64, 128):
        shape = -(-canvas.shape[0] // scale), -(-canvas.shape[1] // scale), 3
        coarse = generator.normal(0, 12, shape)
        canvas += np.kron(coarse, np.ones((scale, scale, 1)))[: len(canvas), : canvas.shape[1]]
    frames = [
        canvas[t : t + HEIGHT, t : t + WIDTH] + 128 + generator.normal(0, 0.5, (HEIGHT, WIDTH, 3))
        for t in range(FRAMES)
    ]
    return Clip(np.stack([frame.clip(0, 255).astype(np.uint8) for frame in frames]), FPS)


@pytest.mark.parametrize("store", ["lossless", "visually_lossless"])
def test_a_master_is_read_twice_as_fast_as_it_plays(
    clip: Clip, store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "0.mkv"
    begun_s = time.process_time()
    if store == "lossless":
        write_master(clip, path)
        kept = clip
    else:
        kept = write_compressed(clip, path)
    written_s = time.process_time() - begun_s
    spent_s = []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        read_master(path, frames=FRAMES, sha256=kept.sha256)
        spent_s.append(time.process_time() - begun_s)
    share = np.median(spent_s) / clip.seconds
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{store}: {path.stat().st_size / clip.frames.size * 3:.2f} bytes a pixel, written "
            f"in {written_s:.1f} s of processor, read in {np.median(spent_s):.1f} s, {share:.2f} "
            "of the time that it plays"
        )
    assert share <= MOST_OF_PLAYING
