from pathlib import Path

import numpy as np
import pytest
from conftest import moving_texture
from numpy.typing import NDArray
from PIL import Image

from bench.clip import Clip
from bench.leaderboard.render.pictures import contact_sheet


def pixels(path: Path) -> NDArray[np.uint8]:
    """Of a picture: uint8 `[H, W, 4]`, RGB and opacity."""
    return np.asarray(Image.open(path).convert("RGBA"))


def test_a_sheet_shows_first_and_last_frame_of_every_clip(tmp_path: Path) -> None:
    red = np.zeros((9, 32, 64, 3), np.uint8)
    red[0] = (255, 0, 0)
    red[-1] = (0, 0, 255)
    rows = [("red to blue", Clip(red, 8)), ("texture", Clip(moving_texture(2, 32), 8))]
    contact_sheet(rows, tmp_path / "a.png", columns=4, height_px=64)
    sheet = pixels(tmp_path / "a.png")
    strip = 4 * 128 + 3 * 4
    assert sheet.shape[0] == 2 * 64 + 4
    assert sheet[32, -strip + 60] == pytest.approx([255, 0, 0, 255], abs=8)
    assert sheet[32, -60] == pytest.approx([0, 0, 255, 255], abs=8)
    assert sheet[:64, : sheet.shape[1] - strip, 3].any(), "the label is drawn"


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [("a", Clip(moving_texture(5, 32), 8))]
    contact_sheet(rows, tmp_path / "a.png")
    contact_sheet(rows, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_very_wide_clip_makes_no_endless_picture(tmp_path: Path) -> None:
    wide = Clip(np.zeros((8, 16, 400, 3), np.uint8), 8)
    contact_sheet([("", wide)], tmp_path / "a.png", height_px=100)
    sheet = pixels(tmp_path / "a.png")
    assert sheet.shape[:2] == (100, 8 + 8 * 300 + 7 * 4)
    assert sheet[50, -100, 3] == 255
    assert sheet[10, -100, 3] == 0, "nothing lies behind the frames"
