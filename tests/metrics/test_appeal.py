"""Columns that judge frames one by one: the arithmetic, the ladders, bad input, network passes."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from fake_compass import Compass
from numpy.typing import NDArray

from bench.clip import Clip
from bench.errors import Unscored
from bench.faults.registry import FAULTS
from bench.metrics.adherence import adherence
from bench.metrics.appeal import (
    ANTONYMS,
    MAX_SIDE_PX,
    _along,
    _gaussian,
    appeal,
    appeal_worst_second,
    technical,
    technical_quality,
)
from bench.prompts import Prompt
from bench.validation.variants import LOOKS
from bench.video import read_video
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.openclip import ToyClip

PROMPT = Prompt(id="p", text="a red ball")
LUMA = np.array([0.299, 0.587, 0.114])


def critic() -> Compass:
    """Praise is in the east: the less a frame's first value, 0..90, the better it looks."""
    good, bad = zip(*ANTONYMS, strict=True)
    return Compass(east=(*good, PROMPT.text), north=bad)


def judged(degrees: Sequence[int], network: Compass, fps: float = 8.0) -> Analysis:
    frames = np.zeros((len(degrees), 32, 32, 3), np.uint8)
    frames[:] = np.array(degrees, np.uint8)[:, None, None, None]
    return Analysis(Clip(frames, fps), PROMPT, Backbones({"text": network}, torch.device("cpu")))


def of(frames: NDArray[np.uint8]) -> Analysis:
    return Analysis(Clip(frames, 8.0), PROMPT, Backbones({}, torch.device("cpu")))


def scene(height: int = 128, width: int = 160, frames: int = 3) -> NDArray[np.uint8]:
    """A moving picture with detail at all scales, as a camera gives it."""
    rng = np.random.default_rng(3)
    total = np.zeros((height, width + frames, 3), np.float32)
    for spread in (0.6, 1.2, 2.4, 4.8, 9.6, 19.2):
        layer = rng.standard_normal(total.shape, dtype=np.float32)
        layer = cv2.GaussianBlur(layer, (0, 0), spread)
        total += 12 * layer / layer.std()
    picture = np.clip(128 + total, 8, 245).astype(np.uint8)
    return np.stack([picture[:, t : t + width] for t in range(frames)])


def test_appeal_is_clip_iqas_share_of_praise() -> None:
    frame = judged([44], critic())
    ahead = 100 * (np.cos(np.deg2rad(44)) - np.sin(np.deg2rad(44)))
    assert appeal(frame) == pytest.approx(100 / (1 + np.exp(-ahead)), abs=1e-3)
    assert appeal(judged([45], critic())) == pytest.approx(50, abs=1e-3)
    assert appeal(judged([0] * 8, critic())) > 99.99
    assert appeal(judged([90] * 8, critic())) < 0.01


def test_the_worst_second_is_the_ugly_one() -> None:
    clip = judged([45] * 8 + [46] * 8 + [44] * 8, critic())
    assert appeal_worst_second(clip) < appeal(clip)
    short = judged([44, 45, 46], critic())
    assert appeal_worst_second(short) == pytest.approx(appeal(short))


def test_adherence_and_appeal_embed_a_frame_once() -> None:
    network = critic()
    clip = judged([10] * 20, network)
    for column in (adherence, appeal, appeal_worst_second):
        column(clip)
    assert len(network.seen) == 8


def test_no_network_and_the_toy_network_give_a_reason() -> None:
    with pytest.raises(Unscored, match="no backbone 'text'"):
        appeal(of(scene()))
    toy = Backbones({"text": ToyClip()}, torch.device("cpu"))
    with pytest.raises(Unscored, match="words of the toy world"):
        appeal(Analysis(Clip(scene(), 8.0), PROMPT, toy))


@pytest.fixture(scope="module")
def shot(footage: Path) -> NDArray[np.uint8]:
    """Half a second of film."""
    frames = read_video(footage / "bikes.mp4").frames[40:56]
    return np.stack([cv2.resize(frame, (300, 128), None, 0, 0, cv2.INTER_AREA) for frame in frames])


@pytest.mark.parametrize("fault", LOOKS)
def test_every_step_of_a_ladder_costs(fault: str, shot: NDArray[np.uint8]) -> None:
    values = [technical_quality(of(shot))]
    for level in FAULTS[fault].ladder:
        damaged = FAULTS[fault](shot, level, np.random.default_rng(0))
        values.append(technical_quality(of(damaged)))
    assert all(b < a for a, b in pairwise(values)), values


def test_the_motion_blur_of_film_is_not_charged(shot: NDArray[np.uint8]) -> None:
    blurred = FAULTS["open_shutter"](shot, 0.5, np.random.default_rng(0))
    assert np.abs(blurred.astype(float) - shot).mean() > 0.5
    assert technical_quality(of(blurred)) > technical_quality(of(shot)) - 2


def test_blur_along_a_line_costs_less_than_blur_all_around() -> None:
    frame = scene()[0]
    moved = cv2.blur(frame, (9, 1)).astype(np.uint8)
    spread = float(np.sqrt((9**2 - 1) / 12))
    soft = cv2.GaussianBlur(frame, (0, 0), spread).astype(np.uint8)
    whole, along, around = (technical(each).sharpness for each in (frame, moved, soft))
    assert whole - along < (whole - around) / 2


@pytest.mark.parametrize(("direction", "flipped"), [(2, True), (3, False)])
def test_a_diagonal_blur_is_the_plain_convolution(direction: int, *, flipped: bool) -> None:
    luma = (scene()[0] @ LUMA).astype(np.float32)
    kernel = np.diag(_gaussian(2.0))
    kernel = np.ascontiguousarray(kernel[:, ::-1]) if flipped else kernel
    expected = cv2.filter2D(luma, -1, kernel)
    np.testing.assert_allclose(_along(luma, direction, 2.0), expected, atol=1e-2)


def test_parts_see_their_own_fault() -> None:
    frame = scene()[0]
    sound = technical(frame)
    white = frame.copy()
    white[:32] = 255
    assert technical(white).clipping == pytest.approx(0.75, abs=0.02)
    blocked = frame.copy()
    for top in range(0, 128, 8):
        for left in range(0, 160, 8):
            block = blocked[top : top + 8, left : left + 8]
            block[:] = block.mean(axis=(0, 1))
    assert technical(blocked).blocking < 0.5 < sound.blocking
    ramp = np.linspace(60, 180, 160)[None, :, None].repeat(128, 0).repeat(3, 2)
    assert (
        technical((ramp // 8 * 8).astype(np.uint8)).banding
        < technical(ramp.astype(np.uint8)).banding
    )
    grainy = FAULTS["noise"](scene(), 8, np.random.default_rng(0))[0]
    assert technical(grainy).noise < sound.noise


@pytest.mark.parametrize("value", [0, 120, 255])
@pytest.mark.parametrize("size", [(32, 32), (300, 40)])
def test_plain_frames_are_worth_nothing(value: int, size: tuple[int, int]) -> None:
    frames = np.full((2, *size, 3), value, np.uint8)
    assert technical_quality(of(frames)) == pytest.approx(0, abs=1e-6)


def test_tiny_frames_have_a_reason_and_huge_ones_a_value() -> None:
    with pytest.raises(Unscored, match="short side is 31 px, needs at least 32"):
        technical_quality(of(np.zeros((2, 31, 64, 3), np.uint8)))
    large = cv2.resize(scene()[0], None, fx=17, fy=17, interpolation=cv2.INTER_CUBIC)
    assert min(large.shape[:2]) > MAX_SIDE_PX
    assert 0 <= technical(large.astype(np.uint8)).product < 0.5


def test_the_record_keeps_the_parts() -> None:
    scored = technical_quality.score(of(scene()))
    parts = ("sharpness", "noise", "blocking", "banding", "clipping")
    product = np.prod([scored.series[name] for name in parts], axis=0) * 100
    assert scored.value == pytest.approx(product.mean())
