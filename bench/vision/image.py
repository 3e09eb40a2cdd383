"""Conditioning images: read, and cropped as image-to-video models are given them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read a picture, uint8 `[H, W, 3]`, RGB, turned the way its EXIF data say.

    Raises:
        BenchError: if there is no such file, or it holds no picture.
    """
    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BenchError(f"expected a picture at {path}, but {error.strerror}") from None
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if content.size else None
    if decoded is None:
        raise BenchError(f"expected a picture at {path}, came something else: give PNG or JPEG")
    image: NDArray[np.uint8] = decoded
    return image


def crop_to(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The largest centred part of that aspect ratio, resized.

    Args:
        image: uint8 `[H, W, 3]`.
        height: of the result, in pixels.
        width: of the result, in pixels.

    Returns:
        uint8 `[height, width, 3]`: area filter where it shrinks, cubic where it grows.
    """
    scale = max(height / image.shape[0], width / image.shape[1])
    kept_height = min(image.shape[0], round(height / scale))
    kept_width = min(image.shape[1], round(width / scale))
    top, left = (image.shape[0] - kept_height) // 2, (image.shape[1] - kept_width) // 2
    part = image[top : top + kept_height, left : left + kept_width]
    filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: NDArray[np.uint8] = cv2.resize(part, (width, height), interpolation=filter_)
    return resized
