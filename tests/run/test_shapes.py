"""Aspect ratios from a model's card."""

import logging
from typing import Any

import pytest

from bench.errors import BenchError
from bench.run.conditioning import with_aspect

MODEL = {
    "call": {"height": 480, "width": 832, "num_frames": 81},
    "card": {"sizes": ["832x480", "480x832", "720x1280", "960x960"]},
}


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("16:9", (832, 480)), ("9:16", (480, 832)), ("1:1", (960, 960)), ("3:5", (480, 832))],
)
def test_the_nearest_size_of_the_card_is_taken(aspect: str, size: tuple[int, int]) -> None:
    call = with_aspect(MODEL, aspect, "m")["call"]
    assert (call["width"], call["height"]) == size
    assert call["num_frames"] == 81
    assert MODEL["call"]["height"] == 480


def test_of_two_as_near_that_with_the_most_like_pixels_is_taken() -> None:
    sizes = {"card": {"sizes": ["1280x720", "640x360", "320x180"]}}
    call = {"call": {"height": 368, "width": 640}}
    assert with_aspect({**call, **sizes}, "16:9", "m")["call"]["height"] == 360


def test_a_model_that_follows_its_image_is_cropped_to_the_size() -> None:
    model = {
        "image_size": {"height": 480, "width": 848},
        "call": {},
        "card": {"sizes": ["480x848"]},
    }
    assert with_aspect(model, "9:16", "m")["image_size"] == {"height": 848, "width": 480}


def test_without_an_aspect_nothing_changes() -> None:
    assert with_aspect(MODEL, None, "m") == MODEL


def test_a_model_that_cannot_says_so_and_runs(caplog: pytest.LogCaptureFixture) -> None:
    wide = {"call": {"height": 480, "width": 720}, "card": {"sizes": ["720x480"]}}
    with caplog.at_level(logging.WARNING):
        assert with_aspect(wide, "9:16", "CogVideoX")["call"]["width"] == 720
    assert "nothing near 9:16 is legal; it runs at 720x480" in caplog.text


def test_clips_that_are_made_elsewhere_come_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    folder = {"path": "clips", "card": {}}
    with caplog.at_level(logging.WARNING):
        assert with_aspect(folder, "9:16", "kling") == folder
    assert "kling: suite.aspect=9:16 is not passed on" in caplog.text


@pytest.mark.parametrize(
    ("model", "aspect", "expected"),
    [
        ({"call": MODEL["call"], "card": {}}, "9:16", "m lists no sizes"),
        ({**MODEL, "card": {"sizes": ["wide"]}}, "9:16", "as [832x480, 480x832], got 'wide'"),
    ],
)
def test_a_mistake_is_one_line(model: dict[str, Any], aspect: Any, expected: str) -> None:
    with pytest.raises(BenchError) as caught:
        with_aspect(model, aspect, "m")
    assert expected in str(caught.value)
