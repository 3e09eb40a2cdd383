"""Videos, animations, pictures and folders of frames, read as a person would see them."""

from bench.video.film import LIMITS, Limits
from bench.video.folders import PICTURE_SUFFIXES, natural_order, pictures
from bench.video.images import crop_to, is_animation, read_image, shrink, shrunk_size
from bench.video.read import VIDEO_SUFFIXES, read_video

__all__ = [
    "LIMITS",
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Limits",
    "crop_to",
    "is_animation",
    "natural_order",
    "pictures",
    "read_image",
    "read_video",
    "shrink",
    "shrunk_size",
]
