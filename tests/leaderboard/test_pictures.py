import json
from pathlib import Path

import fake_results as fake
import numpy as np
import pytest
from conftest import moving_texture
from PIL import Image

from bench.clip import Clip, write_master
from bench.leaderboard.data.files import load
from bench.leaderboard.render import pictures
from bench.leaderboard.render.pictures import draw_model, draw_suite
from bench.schema import Result, Sample


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
    assert draw_suite(runs(tmp_path), tmp_path / "suite.png")
    assert np.asarray(Image.open(tmp_path / "suite.png")).shape[0] == 2 * 112 + 4


def test_results_without_clips_draw_nothing(tmp_path: Path) -> None:
    run(tmp_path, "a", masters=False)
    assert not draw_suite(runs(tmp_path), tmp_path / "suite.png")
    assert not (tmp_path / "suite.png").exists()


def test_a_damaged_clip_is_left_out(tmp_path: Path) -> None:
    run(tmp_path, "a")
    (first, *_) = sorted(tmp_path.rglob("*.mkv"))
    first.write_bytes(b"damaged")
    assert draw_suite(runs(tmp_path), tmp_path / "suite.png")


def test_clips_without_a_common_prompt_are_labelled_with_their_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "a")
    run(tmp_path, "b", masters=False)
    labels: list[str] = []
    monkeypatch.setattr(
        pictures, "contact_sheet", lambda rows, _: labels.extend(label for label, _ in rows)
    )
    assert draw_suite(runs(tmp_path), tmp_path / "suite.png")
    assert labels == ["a: p00", "a: p01", "a: p02"]


def test_random_weights_are_in_no_picture_and_keep_nobody_out(tmp_path: Path) -> None:
    run(tmp_path, "a")
    run(tmp_path, "noise", weights="random")
    assert draw_suite(runs(tmp_path), tmp_path / "suite.png")
    assert np.asarray(Image.open(tmp_path / "suite.png")).shape[0] == 112
    sheet = tmp_path / "sheet.png"
    for model, shown in (("a", True), ("noise", False)):  # the second takes the first one's place
        result = load(tmp_path / model / "result.json")
        assert draw_model(tmp_path / model, result, [Sample("p00", 0)], sheet) == shown
        assert sheet.exists() == shown
