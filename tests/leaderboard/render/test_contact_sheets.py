"""Contact sheets: whose clips they show, under which names, and what of a clip."""

import json
import os
from pathlib import Path

import fake_results as fake
import numpy as np
import pytest
from conftest import moving_texture
from numpy.typing import NDArray
from PIL import Image

from bench.clip import Clip, write_master
from bench.leaderboard.data.files import load
from bench.leaderboard.render import contact_sheets
from bench.leaderboard.render.contact_sheets import contact_sheet, draw_model, draw_suite
from bench.schema import Result, Sample

LABELS = {"a": "Model A", "b": "Model B", "noise": "Noise"}


def runs(suite_folder: Path) -> list[tuple[Path, Result]]:
    return [(path.parent, load(path)) for path in sorted(suite_folder.glob("*/result.json"))]


def run(suite_folder: Path, model: str, *, masters: bool = True, weights: str = "real") -> None:
    """A run of one model with real clips beside its result."""
    folder = suite_folder / model
    content = fake.result(model, score=lambda *_: {"flicker": 0.1, "identity": 0.5})
    content["weights"] = weights
    for number, entry in enumerate(content["clips"]):
        clip = Clip(moving_texture(4, 32, seed=number), 8)
        entry |= {"frames": 4, "frames_sha256": clip.sha256}
        if masters and number < 3:
            write_master(clip, folder / "clips" / entry["prompt"] / f"{entry['seed']}.mkv")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(content))


def test_one_row_per_model(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "b")
    assert draw_suite(runs(tmp_path), LABELS, tmp_path / "suite.png")
    assert np.asarray(Image.open(tmp_path / "suite.png")).shape[0] == 2 * 112 + 4


def test_results_without_clips_draw_nothing(tmp_path: Path) -> None:
    run(tmp_path, "a", masters=False)
    assert not draw_suite(runs(tmp_path), LABELS, tmp_path / "suite.png")
    assert not (tmp_path / "suite.png").exists()


def test_a_damaged_clip_is_left_out_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    run(tmp_path, "a")
    (first, second, *_) = sorted(tmp_path.rglob("*.mkv"))
    first.write_bytes(b"damaged")
    second.unlink()
    os.mkfifo(second)
    assert draw_suite(runs(tmp_path), LABELS, tmp_path / "suite.png")


def test_clips_without_a_common_prompt_are_labelled_with_their_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "a")
    run(tmp_path, "b", masters=False)
    labels: list[str] = []
    monkeypatch.setattr(
        contact_sheets, "contact_sheet", lambda rows, _: labels.extend(label for label, _ in rows)
    )
    assert draw_suite(runs(tmp_path), LABELS, tmp_path / "suite.png")
    assert labels == ["Model A: p00", "Model A: p01", "Model A: p02"]


def test_random_weights_are_in_no_picture_and_keep_nobody_out(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "noise", weights="random")
    assert draw_suite(runs(tmp_path), LABELS, tmp_path / "suite.png")
    assert np.asarray(Image.open(tmp_path / "suite.png")).shape[0] == 112
    sheet = tmp_path / "sheet.png"
    for model, shown in (("a", True), ("noise", False)):  # the second takes the first one's place
        result = load(tmp_path / model / "result.json")
        assert draw_model(tmp_path / model, result, [Sample("p00", 0)], sheet) == shown
        assert sheet.exists() == shown


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
