from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.errors import BenchError
from bench.video import crop_to, read_image


def test_the_crop_is_central_and_the_largest_of_its_shape() -> None:
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, 100:200] = 255
    assert (crop_to(wide, 50, 50) == 255).all()
    tall = wide.transpose(1, 0, 2)
    assert (crop_to(tall, 40, 40) == 255).all()
    assert crop_to(wide, 720, 1280).shape == (720, 1280, 3)


def test_an_image_of_the_right_size_is_left_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    np.testing.assert_array_equal(crop_to(image, 48, 64), image)
    halved = image.reshape(24, 2, 32, 2, 3).mean((1, 3))
    np.testing.assert_allclose(crop_to(image, 24, 32), halved, atol=0.51)


def test_red_is_read_as_red(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "ä red.png"), np.full((4, 6, 3), (0, 0, 255), np.uint8))
    image = read_image(tmp_path / "ä red.png")
    assert image.shape == (4, 6, 3)
    assert (image == (255, 0, 0)).all()


def test_a_file_too_large_for_a_picture_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with path.open("wb") as file:
        file.truncate(2**40)  # of nothing, which takes no room
    with pytest.raises(BenchError, match=r"x\.png: expected a picture of at most"):
        read_image(path)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BenchError, match=r"expected a picture at .*x\.png"):
        read_image(path)
