"""The five kinds of damage that the headline adds up, each measured over one window of a clip.

Common to all: x_t is working frame t, s a time step in frames, D LPIPS; a cell is a place of the
grid of `Lpips.cells`; W(x, f) is x pulled back along the flow f. A window is a range of frames
[start, stop) that holds no cut; neighbours outside it do not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.metrics.consistency import STATIC_LPIPS
from bench.vision.analysis import Analysis
from bench.vision.flow import places, pull_back

# Where frames travel nowhere, or nothing can be followed, there is no ratio to be had: such a
# window counts as this much damage, which is far beyond any real footage.
SMOOTH_CAP = 5.0
UNFOLLOWED_FLICKER = 0.1

BLOCKS = 4
LATTICE_PX = 2
MIN_BLOCK_VALID = 0.3
FAR_S = 0.5
LASTING_QUANTILE = 0.25
RISE_WEIGHT = 0.6
JUMP_SHARE = 0.5
JUMP_POWER = 4
BLUR_SHARE = 1 / 32
CONTRAST_FRAMES = 4
ORDERS = 400


@dataclass(frozen=True)
class Window:
    """A range of frames [start, stop)."""

    start: int
    stop: int


def flicker(analysis: Analysis, step: int, window: Window) -> float:
    """Light and colour that jump back and forth, somewhere, without motion to explain it.

    r_t is the median over valid pixels of (W(x_t+s, f) - x_t) / 255, for each block of a 4x4
    grid (of which over 30% must be valid) and channel. The value is the mean over t and blocks of
    the largest channel of |r_t+s - r_t| / 2: a steady change of light has equal r and counts
    nothing, a flicker changes its sign. Range [0, 1]; .1 if nothing in the window can be followed.
    Where the prompt asks for changing light, only what swings back counts: the lesser of |r_t| and
    |r_t+s| if their signs differ, else 0. So a lamp that is switched on, however suddenly, costs
    nothing, and what goes on and off costs the same as anywhere.
    """
    residuals = _block_residuals(analysis, step)[window.start : window.stop - step]
    before, after = residuals[:-step], residuals[step:]
    if analysis.prompt.lighting_change:
        swung = np.minimum(np.abs(before), np.abs(after)) * (before * after < 0)
    else:
        swung = np.abs(after - before) / 2
    swings = swung.max(axis=-1)
    known = swings[np.isfinite(swings)]
    return float(known.mean()) if len(known) else UNFOLLOWED_FLICKER


def smooth(analysis: Analysis, step: int, window: Window, far: float) -> float:
    """How far frames are from what their neighbours make of them, as a share of `far`.

    Mean over t of D(x_t, M_t), both neighbours at a distance s being inside the window; M_t as
    in `Analysis.compare_halfway`. `far` is what the function of that name gives for the shot.
    Range [0, 5]; 5 also for a static shot.
    """
    distances = analysis.compare_halfway(step).distances
    if far <= STATIC_LPIPS:
        return SMOOTH_CAP
    inside = distances[window.start : window.stop - 2 * step]
    return min(SMOOTH_CAP, float(inside.mean()) / far)


def far(analysis: Analysis, window: Window, least_lag: int) -> float:
    """Mean D of frames half a second apart, linear between the two nearest lags.

    The lag has at least `least_lag` frames, so that it stays above the step's.
    """
    longest = window.stop - window.start - 1
    lag = min(max(FAR_S * analysis.clip.fps, least_lag), longest)
    whole = int(lag)
    share = lag - whole

    def at(frames: int) -> float:
        return float(analysis.lpips(frames)[window.start : window.stop - frames].mean())

    return at(whole) if share == 0 else (1 - share) * at(whole) + share * at(whole + 1)


def jumps(analysis: Analysis, step: int, window: Window) -> float:
    """Places that change at one moment and neither just before nor just after it.

    u_t is, in each cell, the least of D(x_t, W(x_t+s, f)), D(x_t+s, W(x_t, b)) and
    D(x_t, x_t+s); e_t the mean over cells of max(0, u_t - max(u_t-s, u_t+s)), neighbours outside
    the window being 0; C the clip's `contrast`. The value is sum_t (e_t / (.5 C))^4 / s: what
    moves by steadily, however fast, hits a cell at most pairs and so cancels; a cut, or something
    that pops up or vanishes, does not. Range [0, about 100]; 1 is a change of half the contrast
    of the whole picture at once.
    """
    unexplained = _unexplained(analysis, step)[window.start : window.stop - step]
    outside = np.zeros_like(unexplained[:step])
    around = np.concatenate([outside, unexplained, outside])
    neighbours = np.maximum(around[: len(unexplained)], around[2 * step :])
    sudden = np.clip(unexplained - neighbours, 0, None).mean(axis=(1, 2))
    return float(((sudden / (JUMP_SHARE * contrast(analysis))) ** JUMP_POWER).sum() / step)


def contrast(analysis: Analysis) -> float:
    """How much there is to see: mean D(x_t, x_t blurred with sigma = H/32), 4 frames."""

    def compute() -> float:
        count, height = analysis.frames.shape[:2]
        indices = np.unique(np.linspace(0, count - 1, CONTRAST_FRAMES).round().astype(int))
        blurred = (
            cv2.GaussianBlur(analysis.frames[t].astype(np.float32), (0, 0), height * BLUR_SHARE)
            for t in indices
        )
        return float(analysis.compare(indices, blurred).cells.mean()) + 1e-6

    return analysis.once("contrast", compute)


def identity(analysis: Analysis, step: int, window: Window) -> float:
    """What is no longer there: lasting loss of the parts of the first (last) frame, and its rise.

    L[k, c] for each cell c of the first frame and k = s, 2s, ...: the lesser of 1 - the best
    cosine of its patch with any patch of frame k, and of D between the frame and frame k pulled
    back along the chained flow; times the share of the cell that the chain keeps inside the
    frame. So a part may move, turn, or be lost by the flow, but not change or be gone. The same
    backwards, from the last frame.
    lasting: mean over cells of the 25% quantile over the later half of k, in the direction where
    it is less (what passes in front of something does not last). rise: how much the mean loss
    grows along the window, by least squares, mean of both directions, at least 0.
    The value is lasting + .6 rise. Range [0, about 1.5].
    """
    lasting, rises = [], []
    for loss in _losses(analysis, step, window):
        count = len(loss)
        lasting.append(float(np.quantile(loss[count // 2 :], LASTING_QUANTILE, axis=0).mean()))
        place = (np.arange(count) - (count - 1) / 2) / count
        rises.append(12 * float((loss.mean(axis=1) * place).mean()))
    return min(lasting) + RISE_WEIGHT * max(0.0, float(np.mean(rises)))


def order(analysis: Analysis, step: int, window: Window) -> float:
    """By how many standard deviations frames s apart are closer than in a random order.

    A permutation test: the mean of D(x_t, x_t+s) against its mean and deviation over 400 fixed
    random orders of the same frames. Shuffled frames and noise give about N(0, 1), whatever they
    show; real footage at least 4. Range [-4, about 15].
    """
    distances = analysis.lpips_network.distances(
        analysis.lpips_features, slice(window.start, window.stop)
    )
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(np.arange(len(distances)), (ORDERS, 1)), axis=1)
    means = distances[orders[:, :-step], orders[:, step:]].mean(axis=1)
    seen = np.diagonal(distances, step).mean()
    return float((means.mean() - seen) / (means.std() + 1e-12))


def _block_residuals(analysis: Analysis, step: int) -> NDArray[np.float64]:
    """The r of `flicker`, float64 `[T - s, 4, 4, 3]`; NaN where too little of a block is valid."""

    def compute() -> NDArray[np.float64]:
        # Every other pixel each way is plenty for a median over a sixteenth of a frame.
        lattice = np.s_[:, ::LATTICE_PX, ::LATTICE_PX]
        valid = analysis.flow(step).valid[lattice]
        now, warped = analysis.frames[lattice], analysis.warped(step)[lattice]
        height, width = valid.shape[1:]
        rows, columns = (
            np.linspace(0, size, BLOCKS + 1).astype(int).tolist() for size in (height, width)
        )
        residuals = np.full((len(valid), BLOCKS, BLOCKS, 3), np.nan)
        for t, mask in enumerate(valid):
            difference = (warped[t] - now[t]) / np.float32(255)
            for i, j in np.ndindex(BLOCKS, BLOCKS):
                block = slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1])
                seen = difference[block][mask[block]]
                if len(seen) > MIN_BLOCK_VALID * mask[block].size:
                    residuals[t, i, j] = np.median(seen, axis=0)
        return residuals

    return analysis.once(("block residuals", step), compute)


def _unexplained(analysis: Analysis, step: int) -> NDArray[np.float32]:
    """The u of `jumps`, float32 `[T - s, h, w]`."""

    def compute() -> NDArray[np.float32]:
        first = torch.arange(len(analysis.frames) - step)
        plain = analysis.lpips_network.cells(analysis.lpips_features, first, first + step)
        there, back = analysis.compare_warped(step).cells, analysis.compare_warped_back(step).cells
        return np.minimum(np.minimum(there, back), plain)

    return analysis.once(("unexplained", step), compute)


def _losses(analysis: Analysis, step: int, window: Window) -> Iterator[NDArray[np.float64]]:
    """The L of `identity`, `[K, cells]`, from the first frame of the window, then from its last."""
    field = analysis.flow(step)
    everything = slice(window.start, window.stop)
    patches = analysis.lpips_network.patches(analysis.lpips_features, everything)
    forwards = list(range(window.start, window.stop, step))
    backwards = list(range(window.stop - 1, window.start - 1, -step))
    for frames, flows in ((forwards, field.forward), (backwards, field.backward)):
        height, width = flows.shape[1:3]
        x, y = places(height, width)
        chain = np.zeros_like(flows[0])
        inside = np.ones((height, width), bool)
        pulled, kept = [], []
        for before, after in pairwise(frames):
            chain = chain + pull_back(flows[min(before, after)], chain)
            end_x, end_y = x + chain[..., 0], y + chain[..., 1]
            inside = inside & (end_x >= 0) & (end_x <= width - 1)
            inside &= (end_y >= 0) & (end_y <= height - 1)
            pulled.append(pull_back(analysis.frames[after], chain, cv2.INTER_CUBIC).clip(0, 255))
            kept.append(inside)
        count = len(pulled)
        cells = analysis.compare(np.full(count, frames[0]), pulled).cells
        share = functional.adaptive_avg_pool2d(
            torch.from_numpy(np.stack(kept)).float()[:, None], cells.shape[1:]
        )
        followed = cells.reshape(count, -1)
        places_in_window = [frame - window.start for frame in frames]
        missing = _missing(patches[places_in_window[0]], patches[places_in_window[1:]])
        yield (np.minimum(followed, missing) * share.reshape(count, -1).numpy()).astype(np.float64)


@torch.inference_mode()
def _missing(patches: Tensor, others: Tensor) -> NDArray[np.float32]:
    """1 - the best cosine of each patch `[N, C]` with any of each other frame's, `[K, N]`."""
    best: Tensor = (others @ patches.T).amax(dim=1)
    return (1 - best).cpu().numpy()
