"""Fidelity: how true an image-to-video clip stays to the picture it began with."""

from bench.metrics.base import metric
from bench.vision.analysis import Analysis


@metric(unit="LPIPS", better="lower", needs=["lpips"], prompted=True)
def i2v_first(analysis: Analysis) -> float:
    """D(image, x_0): LPIPS of the conditioning image, cropped as the model got it, and frame 0.

    Range [0, about 1]; 0 is a first frame that is the image.

    Raises:
        Unscored: if the prompt has no conditioning image.
    """
    return float(analysis.lpips_to_reference[0])


@metric(unit="LPIPS", better="lower", needs=["lpips"], prompted=True)
def i2v_mean(analysis: Analysis) -> float:
    """mean_t D(image, x_t): how far the clip as a whole is from its conditioning image.

    Range [0, about 1]. It grows with motion too, so read it beside `dynamics`.

    Raises:
        Unscored: if the prompt has no conditioning image.
    """
    return float(analysis.lpips_to_reference.mean())
