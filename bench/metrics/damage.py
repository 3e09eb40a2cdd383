"""The kinds of damage that the headline adds up, each measured over one window of a clip.

Everything is seen at a short side of 128 pixels: half the detail of the working frames is grain,
dither and compression, which differ from file to file and not from model to model. x_t is such a
frame, s a time step of 1/8 s in frames, D LPIPS, a cell a place of the grid of `Lpips.cells`, and
W(x, f) is x pulled back along the flow f. A window is a range of frames [start, stop) that holds
no cut; neighbours outside it do not count.

No measure here is an amount of change: each is a share of the change, or of the motion, that the
clip itself shows, so that neither fast nor calm footage pays for what it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.metrics.motion import mean_of_largest
from bench.vision.analysis import Analysis, later
from bench.vision.flow import ends_inside, lengths, pull_back
from bench.vision.lpips import area_means

STEADY_PLACES, STEADY_MOMENTS = 0.2, 0.75
LEAST_SPEED = 5e-4  # short sides a step: a sixteenth of a pixel, what flow can tell from nothing
WORST_PLACES = 0.05
FAR_STEPS = 4
LEAST_CHANGE = 0.05
REACH_CELLS = 1
SEARCH_CELLS = 3
LEAST_TURN = 0.01  # 1 - cosine: the change that grain and dither alone show
RETURNED = 0.9
LEAST_LOSS = 0.003
LEAST_LPIPS = 0.02
BLOCKS = 8
MIN_BLOCK_VALID = 0.3
WORST_BLOCKS = 0.1
UNFOLLOWED_FLICKER = 0.1
LUMA_CHROMA = np.array(
    [[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32
)
"""From RGB to luma and the two differences of colour (ITU-R BT.601)."""
WORST_SWINGS = 0.1
REPEATED = 0.1  # of the median speed, under which a frame repeats the one before
LEAST_DIFFERENCE = 0.2  # grey levels
CHANGE_PER_SPEED = 3.0
LASTING_QUANTILE = 0.25
ORDERS = 400


@dataclass(frozen=True)
class Window:
    """A range of frames [start, stop)."""

    start: int
    stop: int


def tremble(analysis: Analysis, step: int, window: Window) -> float:
    """How much of the clip's motion the steadiest places tremble, where the picture comes apart.

    tremble = a / (v + .0005) * m. a: the flow to the next step plus the flow to the one
    before is by how much a place changes its velocity; less the median over the frame, its length
    averaged over the steadiest fifth of the cells at each moment and over the steadier three
    quarters of the moments. v: mean length of both flows. Both in short sides a step. m: see
    `torn`. In sound footage, however fast, something is at rest or glides; in a clip whose frames
    were made one by one nothing does. Range [0, about 1]; footage shows .02 to .08.
    """
    trembling, speed, _ = _velocities(analysis, step, slice(window.start, window.stop - 2 * step))
    places_ = np.sort(trembling.reshape(len(trembling), -1), axis=1)
    steadiest = places_[:, : max(1, round(STEADY_PLACES * places_.shape[1]))].mean(axis=1)
    moments = np.sort(steadiest)[: max(1, int(np.ceil(STEADY_MOMENTS * len(steadiest))))]
    share = float(moments.mean()) / (float(speed.mean()) + LEAST_SPEED)
    return share * torn(analysis, step, window)


def torn(analysis: Analysis, step: int, window: Window) -> float:
    """How far the places that come apart most do so, for how much the picture changes.

    m = u / sqrt(p + .05), over pairs of frames four steps apart. u: for each cell 1 - the cosine
    of its patch (see `Lpips.patches`) with the one most like it within one cell in the other
    frame, in the worst twentieth of the cells, both ways. p: 1 - the cosine with the patch at the
    same place, mean over all cells; both grow with motion, which is no damage. Range [0, about 2].
    """
    lag = min(FAR_STEPS * step, window.stop - window.start - 1)
    worst, changed = _unmatched(analysis, lag, slice(window.start, window.stop - lag))
    return float(worst.mean() / np.sqrt(changed.mean() + LEAST_CHANGE))


def churn(analysis: Analysis, step: int, window: Window) -> float:
    """Change that is undone: a place unlike both neighbours in time, which are like each other.

    c1_t is 1 - the cosine of a cell's patch with the same place a step later, c2_t two steps
    later. The mean over places and moments of max(0, min(c1_t, c1_t+s) - .9 c2_t), over the mean
    c1 plus .01. What moves on gets further in two steps than in one; grain, boiling texture, shake
    and swapped frames come back. Range [0, about 1]; footage shows 0 to .1.
    """
    once = _changed(analysis, step, slice(window.start, window.stop - step))
    twice = _changed(analysis, 2 * step, slice(window.start, window.stop - 2 * step))
    first, second = once[:-step], once[step:]
    undone = np.maximum(0, np.minimum(first, second) - RETURNED * twice)
    return float(undone.mean() / (first.mean() + LEAST_TURN))


def flicker(analysis: Analysis, step: int, window: Window) -> float:
    """Light and colour that swing back and forth, somewhere, without motion to explain it.

    r_t is the mean over valid pixels of (W(x_t+s, f) - x_t) / 255, for each block of an 8x8 grid
    (of which over 30% must be valid), in luma and both differences of colour. Where r_t and r_t+s
    differ in sign, the lesser length swings back; of the three channels the largest counts. The
    value is the mean over t, averaged over the worst tenth of the blocks: a change of light that
    goes one way counts nothing, a flash little, a flicker changes the sign again and again. Range
    [0, 1]; .1 if nothing in the window can be followed; footage shows 0 to .013.
    """
    residuals = _block_residuals(analysis, step, slice(window.start, window.stop - step))
    before, after = residuals[:-step], residuals[step:]
    swung = np.minimum(np.abs(before), np.abs(after)) * (before * after < 0)
    swings = swung.max(axis=-1).reshape(len(swung), -1)
    blocks = [block[np.isfinite(block)] for block in swings.T]
    means = np.array([block.mean() for block in blocks if len(block)])
    return mean_of_largest(means, WORST_BLOCKS) if len(means) else UNFOLLOWED_FLICKER


def wobble(analysis: Analysis, step: int, window: Window) -> float:
    """How much places swing back and forth, for how much the clip moves.

    a_t is the change of velocity of `tremble` as a vector, averaged over a cell. Where a_t and
    a_t+s point against each other, sqrt(-a_t . a_t+s) swings back; its mean over t, averaged over
    the worst tenth of the cells, over v + .0005, v as in `tremble`. A limb takes several steps to
    turn round; jelly, boiling texture and what is somewhere else for a frame take one. Range
    [0, about 20]; footage shows .2 to 2.5; 0 if the window is under four steps.
    """
    _, speed, turns = _velocities(analysis, step, slice(window.start, window.stop - 2 * step))
    if len(turns) <= step:
        return 0.0
    against = np.maximum(0, -(turns[:-step] * turns[step:]).sum(axis=-1))
    swings = np.sqrt(against).mean(axis=0)
    return mean_of_largest(swings, WORST_SWINGS) / (float(speed.mean()) + LEAST_SPEED)


def judder(analysis: Analysis, step: int, window: Window) -> float:
    """Speed that goes up and down from step to step, everywhere at once.

    v_t is the mean length of the flow from t to t+s, in short sides, and c_t the mean absolute
    difference of x_t and x_t+s, in grey levels. Both must go up and down: with g_t the change of
    ln(v + .0005) from t to t+s, v swings by sqrt(-g_t g_t+s) where the two differ in sign, else by
    0; c likewise, of ln(c + .2). The value is the mean over t of the lesser of v's swing and three
    times c's, since a change grows more slowly than the speed behind it. So flow that loses sight
    of a thing whenever it is fast is no judder. Frames that repeat the one before (v_t under a
    tenth of the median) are left out: `stutter` is charged for them. Range [0, about 3]; footage
    shows .01 to .25.
    """
    forward = analysis.flow(step, slice(window.start, window.stop - step)).forward
    speeds = np.array([lengths(flow).mean() for flow in forward])
    frames = analysis.frames[window.start : window.stop]
    pairs = zip(frames, frames[step:], strict=False)
    changes = np.array([cv2.norm(*pair, cv2.NORM_L1) / frames[0].size for pair in pairs])
    moving = speeds > REPEATED * np.median(speeds)
    of_speed = _swings(speeds[moving] / min(forward.shape[1:3]) + LEAST_SPEED, step)
    of_change = _swings(changes[moving] + LEAST_DIFFERENCE, step)
    if not len(of_speed):
        return 0.0
    return float(np.minimum(of_speed, CHANGE_PER_SPEED * of_change).mean())


def jumps(analysis: Analysis, step: int, window: Window) -> float:
    """The largest change at one moment that is there neither just before nor just after it.

    u_t is, in each cell, the least of D(x_t, W(x_t+s, f)), D(x_t+s, W(x_t, b)) and
    D(x_t, x_t+s); e_t the mean over cells of max(0, u_t - max(u_t-s, u_t+s)), neighbours outside
    the window being 0. The value is the largest e_t as a share of the mean D(x_t, x_t+s) of the
    window, plus .02. What moves by steadily, however fast, hits a cell at most pairs and cancels;
    a cut, or something that pops up or vanishes, does not. Range [0, about 20]. Where the prompt
    asks for changing light, D(x_t, x_t+s in the light of x_t) counts among the least as well.
    """
    inside = slice(window.start, window.stop - step)
    unexplained, plain = _unexplained(analysis, step, inside)
    outside = np.zeros_like(unexplained[:step])
    around = np.concatenate([outside, unexplained, outside])
    neighbours = np.maximum(around[: len(unexplained)], around[2 * step :])
    sudden = np.clip(unexplained - neighbours, 0, None).mean(axis=(1, 2))
    return float(sudden.max() / (np.median(plain.mean(axis=(1, 2))) + LEAST_LPIPS))


def blending(analysis: Analysis, step: int, window: Window) -> float:
    """How much better the plain mean of the neighbours explains a frame than motion does.

    1 - the median over t of (B_t + .002) / (H_t + .002), not below 0. B_t is the distance of x_t
    to the mean of both neighbours, H_t to the mean of both neighbours, each warped half-way
    along the flow between them. The neighbours are one step away, or two, whichever says more: a
    slow fade hardly changes within one. Things that move are not where the mean of two frames
    shows them: footage has ratios of .95 to 4, cross-faded stills 0 to .4. Range [0, 1].
    """
    count = window.stop - window.start
    lags = (step, 2 * step) if count > 4 * step else (step,)
    return max(_blended(analysis, lag, window) for lag in lags)


def identity(analysis: Analysis, step: int, window: Window) -> float:
    """What is no longer there: lasting loss of the parts of the first (last) frame.

    L[k, c] for each cell c of the first frame and k = s, 2s, ...: the lesser of 1 - the best
    cosine of its patch with any within 3 cells of the same place in frame k, and of D between
    the frame and frame k pulled back along the chained flow; times the share of the cell that
    the chain keeps inside the frame. So a part may move, turn, or be lost by the flow, but not
    change or be gone. Its 25% quantile over the later half of k (the best quarter, so that what
    passes in front of something takes nothing away). Of that the geometric mean over cells, .003
    added to each and taken off again: where one thing turns or goes behind another the loss is
    large and local, where the picture drifts it is everywhere. The same from the last frame
    backwards, and the lesser of both, so that what merely enters takes nothing away. Range
    [0, about 1]; footage shows .002 to .1. Where the prompt asks for changing light, frame k is
    taken in the light of the first.
    """
    lasting = (
        np.quantile(late, LASTING_QUANTILE, axis=0) for late in _losses(analysis, step, window)
    )
    return min(
        float(np.exp(np.log(cells.clip(0) + LEAST_LOSS).mean())) - LEAST_LOSS for cells in lasting
    )


def order(analysis: Analysis, step: int, window: Window) -> float:
    """By how many standard deviations the frames are closer in their order than in random ones.

    The mean D(x_t, x_t+s) against its mean and deviation over 400 fixed random orders of the
    same frames. A static window has 0. In exact arithmetic shuffled frames and noise give about
    a normal deviate, whatever they show; sound clips have 5 and more.
    """
    features = analysis.features(slice(window.start, window.stop))
    distances = analysis.lpips_network.all_distances(features).cpu().numpy()
    count = len(distances)
    first = np.arange(count - step)
    ordered = distances[first, first + step].mean()
    rng = np.random.default_rng(0)
    random = []
    for _ in range(ORDERS):
        frames = rng.permutation(count)
        random.append(distances[frames[:-step], frames[step:]].mean())
    spread = float(np.std(random))
    return float((np.mean(random) - ordered) / spread) if spread > 1e-9 else 0.0


def alternation(analysis: Analysis, step: int, window: Window) -> float:
    """How much more changes from a frame to the next than over more of them, in grey levels.

    What comes back within a step is seen by no measure at that step. c_k is the mean absolute
    difference of frames k apart, over the window and each block of an 8x8 grid. The value is c_1
    less the least of c_2 to c_s, averaged over the worst tenth of the blocks; 0 where s is 1. In
    sound footage change adds up. Range [-255, 255].
    """
    longest = min(step, window.stop - window.start - 1)
    once, *more = (
        _block_changes(analysis, lag, slice(window.start, window.stop - lag)).mean(axis=0)
        for lag in range(1, longest + 1)
    )
    return mean_of_largest(once - np.minimum.reduce(more), WORST_BLOCKS) if more else 0.0


def _block_changes(analysis: Analysis, lag: int, part: slice) -> NDArray[np.float32]:
    """The differences of `alternation` before their mean over time, float32 `[N, 8, 8]`."""

    def compute(part: slice) -> list[NDArray[np.float32]]:
        after = analysis.frames[later(part, lag)].astype(np.float32)
        changes = np.abs(after - analysis.frames[part]).mean(axis=-1)
        return [area_means(torch.from_numpy(changes), (BLOCKS, BLOCKS)).numpy()]

    return analysis.along("block changes", lag, compute, part)[0]


def _velocities(analysis: Analysis, step: int, part: slice) -> list[NDArray[np.float32]]:
    """A, v and a of `tremble` and `wobble` by cell, float32 `[N, h, w]` and, of a, `[N, h, w, 2]`.

    Place t is frame t + s.
    """

    def compute(part: slice) -> list[NDArray[np.float32]]:
        onward = analysis.flow(step, later(part, step)).forward
        back = analysis.flow(step, part).backward
        turned = onward + back
        turned = turned - np.median(turned.reshape(len(turned), -1, 2), axis=1)[:, None, None]
        speed = (lengths(onward) + lengths(back)) / 2
        grid = analysis.lpips_network.grid(analysis.features(slice(part.start, part.start + 1)))
        short_side = min(onward.shape[1:3])
        planes = [lengths(turned)[..., None], speed[..., None], turned]
        cells = _by_cell(np.concatenate(planes, axis=-1) / short_side, grid)
        trembling, speeds, *turns = cells.transpose(3, 0, 1, 2)
        return [trembling, speeds, np.stack(turns, axis=-1)]

    return analysis.along("velocities", 2 * step, compute, part)


def _swings(values: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """How far values above 0 go up and come down again, or down and up, e-fold, `[T - 2 step]`."""
    growth = np.log(values[step:]) - np.log(values[:-step])
    swings: NDArray[np.float64] = np.sqrt(np.maximum(0, -growth[:-step] * growth[step:]))
    return swings


def _by_cell(values: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Means over the cells of a grid, float32 `[N, h, w, C]` of `[N, H, W, C]`."""
    channels = [area_means(torch.from_numpy(plane), grid) for plane in np.moveaxis(values, -1, 0)]
    cells: NDArray[np.float32] = torch.stack(channels, dim=-1).numpy()
    return cells


def _unmatched(analysis: Analysis, lag: int, part: slice) -> list[NDArray[np.float64]]:
    """The u and p of `torn` for pairs of frames, float64 `[N]`."""

    def compute(part: slice) -> list[NDArray[np.float64]]:
        both = []
        for places_ in _missing(*_apart(analysis, lag, part), REACH_CELLS):
            missing = np.sort(places_.reshape(len(places_), -1), axis=1)
            count = max(1, round(WORST_PLACES * missing.shape[1]))
            both.append(missing[:, -count:].mean(axis=1, dtype=np.float64))
        changed = _changed(analysis, lag, part).mean(axis=(1, 2), dtype=np.float64)
        return [np.mean(both, axis=0), changed]

    return analysis.along("unmatched", lag, compute, part)


def _apart(analysis: Analysis, lag: int, part: slice) -> tuple[Tensor, Tensor]:
    """Patches of frames t of `part`, and of frames t + lag."""
    return analysis.patches(part), analysis.patches(later(part, lag))


@torch.inference_mode()
def _missing(patches: Tensor, others: Tensor, reach: int) -> list[NDArray[np.float32]]:
    """1 - the best cosine of each patch with those within `reach` cells in another frame.

    Of the patches in the others, then of the others in the patches.

    Args:
        patches: `[N, C, h, w]`, unit vectors over C, none of a negative component.
        others: likewise.
        reach: cells up, down, left and right.

    Returns:
        Two of float32 `[N, h, w]`.
    """
    height, width = patches.shape[2:]
    rows, columns = torch.arange(height), torch.arange(width)
    y, x = (of.flatten() for of in torch.meshgrid(rows, columns, indexing="ij"))
    distant = ((y[:, None] - y).abs() > reach) | ((x[:, None] - x).abs() > reach)
    far = distant.to(patches.device)
    best: tuple[list[Tensor], list[Tensor]] = ([], [])
    for one, other in zip(patches.flatten(2), others.flatten(2), strict=True):
        cosines = (one.T @ other).masked_fill_(far, 0)
        for dim, cells in zip((1, 0), best, strict=True):
            cells.append(cosines.amax(dim))
    return [(1 - torch.stack(each)).view(-1, height, width).cpu().numpy() for each in best]


def _changed(analysis: Analysis, lag: int, part: slice) -> NDArray[np.float32]:
    """1 - the cosine of patches with those at the same place, float32 `[N, h, w]`."""

    def compute(part: slice) -> list[NDArray[np.float32]]:
        first, second = _apart(analysis, lag, part)
        return [(1 - (first * second).sum(dim=1)).cpu().numpy()]

    return analysis.along("changed", lag, compute, part)[0]


def _block_residuals(analysis: Analysis, step: int, part: slice) -> NDArray[np.float32]:
    """The r of `flicker`, float32 `[N, 8, 8, 3]`; NaN where too little of a block is valid."""

    def compute(part: slice) -> list[NDArray[np.float32]]:
        valid = analysis.flow(step, part).valid
        warped = analysis.warped(step, part).cpu().numpy()
        difference = (warped - analysis.frames[part]) / np.float32(255) @ LUMA_CHROMA.T
        weighted = np.concatenate([difference * valid[..., None], valid[..., None]], axis=-1)
        cells = _by_cell(weighted.astype(np.float32), (BLOCKS, BLOCKS))
        share = cells[..., 3:]
        seen = share > MIN_BLOCK_VALID
        return [np.where(seen, cells[..., :3] / np.where(seen, share, 1), np.float32(np.nan))]

    return analysis.along("block residuals", step, compute, part)[0]


def _unexplained(analysis: Analysis, step: int, part: slice) -> list[NDArray[np.float32]]:
    """The u of `jumps` and D(x_t, x_t+s) by cell, float32 `[N, h, w]`."""

    def compute(part: slice) -> list[NDArray[np.float32]]:
        after = later(part, step)
        features = analysis.features(part), analysis.features(after)
        plain = analysis.lpips_network.cells(*features).cpu().numpy()
        explained = [
            analysis.compare_warped(step, part).cells,
            analysis.compare_warped_back(step, part).cells,
        ]
        if analysis.prompt.lighting_change:
            relit = np.stack(list(map(_relit, analysis.frames[after], analysis.frames[part])))
            explained.append(analysis.compare(part, relit).cells)
        return [np.minimum.reduce([plain, *explained]), plain]

    return analysis.along("unexplained", step, compute, part)


def _relit(frame: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float32]:
    """A frame in the light of another: every channel with the other's mean and deviation."""
    gain = (target.std(axis=(0, 1)) + 1) / (frame.std(axis=(0, 1)) + 1)
    relit = (frame - frame.mean(axis=(0, 1))) * gain + target.mean(axis=(0, 1))
    in_range: NDArray[np.float32] = relit.clip(0, 255).astype(np.float32)
    return in_range


def _blended(analysis: Analysis, lag: int, window: Window) -> float:
    """What `blending` says of neighbours so many frames away."""
    inside = slice(window.start, window.stop - 2 * lag)
    by_motion = analysis.compare_halfway(lag, inside).distances
    by_mean = _to_mean(analysis, lag, inside)
    return max(0.0, 1 - float(np.median((by_mean + 0.002) / (by_motion + 0.002))))


def _to_mean(analysis: Analysis, step: int, part: slice) -> NDArray[np.float64]:
    """The B of `blending`, float64 `[N]`; place t is frame t + s."""

    def compute(part: slice) -> list[NDArray[np.float64]]:
        middle, last = later(part, step), later(part, 2 * step)
        means = (analysis.frames[part].astype(np.float32) + analysis.frames[last]) / np.float32(2)
        return [analysis.compare(middle, means).distances]

    return analysis.along("to mean", 2 * step, compute, part)[0]


def _losses(analysis: Analysis, step: int, window: Window) -> Iterator[NDArray[np.float32]]:
    """The L of `identity` of the later half of k, from the window's first frame, then its last.

    float32 `[K, h, w]`.
    """
    field = analysis.flow(step, slice(window.start, window.stop - step))
    patches = analysis.patches(slice(window.start, window.stop))
    light_asked = analysis.prompt.lighting_change
    forwards = list(range(window.start, window.stop, step))
    backwards = list(range(window.stop - 1, window.start - 1, -step))
    for frames, flows in ((forwards, field.forward), (backwards, field.backward)):
        chain = np.zeros_like(flows[0])
        inside = torch.ones(chain.shape[:2], dtype=torch.bool)
        late = frames[1 + (len(frames) - 1) // 2 :]
        pulled, kept = [], []
        for before, after in pairwise(frames):
            chain = chain + pull_back(flows[min(before, after) - window.start], chain)
            inside = inside & ends_inside(torch.from_numpy(chain))
            if after in late:
                frame = pull_back(analysis.frames[after], chain, cv2.INTER_CUBIC).clip(0, 255)
                pulled.append(_relit(frame, analysis.frames[frames[0]]) if light_asked else frame)
                kept.append(inside)
        first = slice(frames[0], frames[0] + 1)
        followed = analysis.compare(first, np.stack(pulled)).cells
        share = area_means(torch.stack(kept).float(), followed.shape[1:]).numpy()
        here, there = (np.array(each) - window.start for each in (frames[0], late))
        own = patches[here].expand(len(late), -1, -1, -1)
        missing, _ = _missing(own, patches[there], SEARCH_CELLS)
        yield np.minimum(followed, missing) * share
