"""Visual appeal of single frames: what a viewer who sees no motion would say of them."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.errors import need_side
from bench.metrics.adherence import sampled, times_s
from bench.metrics.base import Scored, metric
from bench.video import shrink
from bench.vision.analysis import Analysis

MIN_SIDE_PX, MAX_SIDE_PX = 32, 1080

ANTONYMS = (("Good photo.", "Bad photo."), ("Beautiful photo.", "Ugly photo."))
_TEMPERATURE = 100  # CLIP's own
_WINDOW_S = 1.0

# technical_quality; the method page tells what the scales were set by
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CELLS, _LEAST_CELL_PX = 16, 8
_SCALES_PX, _REACH_PX = (1, 2, 4), 12
_LEAST_DETAIL = 0.5  # grey levels: what rounding to 8 bits leaves
_SHARP = 0.5
_TYPICAL_QUANTILE = 0.5
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_NOISE_QUANTILE, _NOISY = 0.1, 10.0
_NOISE_MARGIN = 2.0  # the quietest cells show less noise than there is
_BLOCK_PX, _LEAST_STEP, _SOUND_GRID, _GRIDDED = 8, 0.05, 1.5, 4.0
_BAND_STEP, _BAND_SIDE_PX, _BANDED = (1.5, 12.0), 4, 0.2
_DARK, _BRIGHT = 24, 231  # beyond, noise is cut off and looks weaker
_DARKEST, _BRIGHTEST, _CLIPPED_PX = 3, 252, 5

Gray = NDArray[np.float32]


@dataclass(frozen=True)
class Technical:
    """What a frame shows of each low-level fault, 0 (ruined) to 1 (none)."""

    sharpness: float
    noise: float
    blocking: float
    banding: float
    clipping: float

    @property
    def product(self) -> float:
        """All of them: a frame is no better than its worst fault leaves it."""
        return self.sharpness * self.noise * self.blocking * self.banding * self.clipping


@metric(unit="points", better="higher", needs=["text"])
def appeal(analysis: Analysis) -> Scored:
    """Would a caption call the frames good and beautiful? Antonym prompts, as in CLIP-IQA.

    100 x the mean over 8 evenly spaced frames and two pairs of antonyms of the share
    e^(100 cos(x, good)) / (e^(100 cos(x, good)) + e^(100 cos(x, bad))): Wang, Chan and Loy,
    "Exploring CLIP for Assessing the Look and Feel of Images", AAAI 2023, on the configured
    network with its position embeddings. Range [0, 100]; networks differ, so values compare within
    one network. Frames are those of `adherence`, embedded once for both.

    Raises:
        Unscored: if the network has no weights, or knows no such words.
    """
    shares = _shares(analysis)
    return Scored(
        float(shares.mean()),
        series={
            "time_s": times_s(analysis).tolist(),
            "appeal": shares.mean(axis=1).tolist(),
            "good": shares[:, 0].tolist(),
            "beautiful": shares[:, 1].tolist(),
        },
    )


@metric(unit="points", better="higher", needs=["text"])
def appeal_worst_second(analysis: Analysis) -> float:
    """The least mean of `appeal` over the sampled frames of one second; of all if it is shorter."""
    values, times = _shares(analysis).mean(axis=1), times_s(analysis)
    starts = times[times + _WINDOW_S <= times[-1]]
    windows = [(times >= start) & (times < start + _WINDOW_S) for start in starts]
    return float(min((values[window].mean() for window in windows), default=values.mean()))


def _shares(analysis: Analysis) -> NDArray[np.float64]:
    """How much each sampled frame is the former of each pair of antonyms, `[N, 2]`, 0..100."""
    texts = [text for pair in ANTONYMS for text in pair]
    phrases = np.stack([analysis.phrase(text).vector for text in texts]).astype(np.float64)
    cosines = (analysis.image_embeddings(sampled(analysis)) @ phrases.T).reshape(-1, 2, 2)
    ahead = _TEMPERATURE * (cosines[..., 0] - cosines[..., 1])
    shares: NDArray[np.float64] = 100 / (1 + np.exp(-ahead))
    return shares


@metric(unit="points", better="higher")
def technical_quality(analysis: Analysis) -> Scored:
    """How cleanly frames are drawn, whatever they show: 100 x the product of five parts, each 0..1.

    Mean over 8 evenly spaced frames as generated; a short side over 1080 pixels is averaged down to
    it. No network and no weights. The parts are in the record; see `technical`.

    Raises:
        Unscored: if the short side is under 32 pixels.
    """
    need_side(analysis.clip.frames.shape[1:3], MIN_SIDE_PX)
    parts = [technical(analysis.still(place)) for place in sampled(analysis).tolist()]
    values = [100 * each.product for each in parts]
    return Scored(
        float(np.mean(values)),
        series={
            "time_s": times_s(analysis).tolist(),
            "technical_quality": values,
            **{name: [getattr(each, name) for each in parts] for name in Technical.__annotations__},
        },
    )


def technical(frame: NDArray[np.uint8]) -> Technical:
    """The parts of `technical_quality` of one frame, uint8 `[H, W, 3]`, RGB.

    A cell is a square, 16 to the short side and at least 8 pixels wide; L is luma, 0..255.

    - sharpness: r^2 / (.25 + r^2). r is a cell's root mean square of L blurred by a Gaussian of 1
      pixel less L blurred by one of 2, over that of 2 less 4 plus .5, both freed of noise. The
      blurs run along one line only, and the sharpest of four directions counts: what moves is
      blurred along its motion and keeps the detail across. r is the median over cells.
    - noise: 100 / (100 + n^2). n: standard deviation by Immerkaer (1996) in the quietest tenth of
      the cells that are neither black nor white (mean L in 24..231).
    - blocking: 1 / (1 + max(0, g - 1.5) / 4). g: by how much steps across lines 8 pixels apart
      exceed their neighbours, over the same between those lines.
    - banding: .2 / (.2 + b). b: contours (steps of 2 to 12 levels with 4 even pixels at either
      side) as a share of the even pixels.
    - clipping: the share of pixels around which, over 5 x 5, the means of the channels are neither
      all at most 3 nor all at least 252.
    """
    frame = shrink(frame, MAX_SIDE_PX)
    luma = frame.astype(np.float32) @ _LUMA
    cell_px = max(_LEAST_CELL_PX, min(luma.shape) // _CELLS)
    noise = _noise(luma, cell_px)
    sharp = _sharpness(luma, cell_px, noise)
    steps = [np.abs(np.diff(plane, axis=1)) for plane in (luma, luma.T)]
    grid = float(np.mean([_grid(each) for each in steps]))
    even = cv2.split(cv2.blur(frame, (_CLIPPED_PX, _CLIPPED_PX)))  # else noise would hide it
    clipped = (np.maximum.reduce(even) <= _DARKEST) | (np.minimum.reduce(even) >= _BRIGHTEST)
    return Technical(
        sharpness=sharp**2 / (_SHARP**2 + sharp**2),
        noise=_NOISY**2 / (_NOISY**2 + noise**2),
        blocking=float(1 / (1 + max(0.0, grid - _SOUND_GRID) / _GRIDDED)),
        banding=float(_BANDED / (_BANDED + np.mean([_contours(each) for each in steps]))),
        clipping=float(1 - clipped.mean()),
    )


def _noise(luma: Gray, cell_px: int) -> float:
    """Standard deviation of what neither lines nor slopes explain, in grey levels."""
    residual = np.abs(cv2.filter2D(luma, -1, _NOISE_KERNEL))
    cells, brightness = _cells(residual, cell_px), _cells(luma, cell_px)
    visible = cells[(brightness > _DARK) & (brightness < _BRIGHT)]
    if not visible.size:
        return 0.0
    return float(np.sqrt(np.pi / 2) / 6 * np.quantile(visible, _NOISE_QUANTILE))


def _sharpness(luma: Gray, cell_px: int, noise: float) -> float:
    """Fine over coarse detail in the typical cell, in each cell's sharpest direction."""
    ratios = []
    for direction in range(4):
        across = math.sqrt(2) if direction > 1 else 1.0  # diagonal pixels lie wider
        blurred = [_along(luma, direction, scale / across) for scale in _SCALES_PX]
        kernels = [_gaussian(scale / across) for scale in _SCALES_PX]
        details = []
        for narrow, wide in ((0, 1), (1, 2)):
            energy = _cells((blurred[narrow] - blurred[wide]) ** 2, cell_px)
            gain = float(((kernels[narrow] - kernels[wide]) ** 2).sum())
            details.append(np.sqrt(np.maximum(0, energy - _NOISE_MARGIN * gain * noise**2)))
        ratios.append(details[0] / (details[1] + _LEAST_DETAIL))
    return float(np.quantile(np.max(ratios, axis=0), _TYPICAL_QUANTILE))


def _gaussian(spread_px: float) -> Gray:
    kernel: Gray = cv2.getGaussianKernel(2 * _REACH_PX + 1, spread_px).ravel().astype(np.float32)
    return kernel


def _along(luma: Gray, direction: int, spread_px: float) -> Gray:
    """Blurred by a Gaussian along a line: across (0), down (1), along either diagonal (2, 3)."""
    if direction == 3:
        return np.fliplr(_along(np.ascontiguousarray(np.fliplr(luma)), 2, spread_px))
    kernel, none = _gaussian(spread_px), np.ones(1, np.float32)
    if direction < 2:
        kernels = (kernel, none) if direction == 0 else (none, kernel)
        whole: Gray = cv2.sepFilter2D(luma, -1, *kernels)
        return whole
    # Each row moved one pixel further than the one above: diagonals become columns.
    padded = np.pad(luma, _REACH_PX, mode="reflect")
    height, width = padded.shape
    skewed = np.pad(padded, ((0, 0), (0, height))).ravel()[:-height].reshape(height, -1)
    blurred = cv2.sepFilter2D(skewed, -1, none, kernel)
    straight = np.append(blurred, np.zeros(height, np.float32)).reshape(height, -1)[:, :width]
    inside: Gray = straight[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX]
    return inside


def _grid(steps: Gray) -> float:
    """How far steps at every eighth line stand out, of steps `[H, W - 1]` to the next column."""
    excess = steps[:, 1:-1] - (steps[:, :-2] + steps[:, 2:]) / 2
    columns = np.maximum(0, excess).mean(axis=0)
    on_grid = (np.arange(len(columns)) + 2) % _BLOCK_PX == 0
    return float(columns[on_grid].mean() / (columns[~on_grid].mean() + _LEAST_STEP))


def _contours(steps: Gray) -> float:
    """Share of contours that run down, of steps `[H, W - 1]`."""
    even = steps < 0.6
    side = _BAND_SIDE_PX
    run = cv2.erode(even.astype(np.uint8), np.ones((1, side), np.uint8), anchor=(0, 0)) > 0
    middle = steps[:, side:-side]
    flanked = run[:, : middle.shape[1]] & run[:, side + 1 : side + 1 + middle.shape[1]]
    contour = (middle >= _BAND_STEP[0]) & (middle <= _BAND_STEP[1]) & flanked
    return float(contour.mean() / (even.mean() + 0.01))


def _cells(plane: Gray, cell_px: int) -> Gray:
    """Means over the whole cells of `[H, W]`."""
    rows, columns = (length // cell_px for length in plane.shape)
    whole = plane[: rows * cell_px, : columns * cell_px]
    strips = whole.reshape(rows, cell_px, -1).mean(axis=1)  # of both axes at once it is slow
    means: Gray = strips.reshape(rows, columns, cell_px).mean(axis=2)
    return means
