"""The headline: temporal coherence, and what it is made of.

coherence = 100 gate order (1 - stutter) / (1 + jumps + (flicker/a + identity/b + smooth/c)^2.75)

The five kinds of damage are those of `bench.metrics.damage`; a, b and c come from the calibration.
What a real clip shows of the slow kinds is added before the power is taken, so that a little of
each costs little and much of any one costs much. Order and gate are 0..1: frames in no order, and
clips in which nothing moves that the prompt wants moved, are worth nothing however smooth.

A clip is measured in windows: one of its own length up to 2.5 s, else of 2 s, every second; damage
is averaged over windows, save `jumps`, of which the worst counts. Where the prompt asks for
several shots, each shot is a clip of its own. Where rounding would change a time step of 1/8 s by
over 10%, everything is measured at the two nearest steps and interpolated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from bench.errors import Unscored
from bench.metrics import damage
from bench.metrics.base import Scored, metric
from bench.metrics.calibration import SCALED, Calibration
from bench.metrics.composition import POWER
from bench.metrics.consistency import stutter
from bench.metrics.cuts import shots
from bench.metrics.damage import Window
from bench.metrics.motion import raw_speeds, subject_speeds
from bench.vision.analysis import STEP_S, Analysis

MIN_SIDE_PX = 64
MIN_S = 1.2
WHOLE_S, WINDOW_S, HOP_S = 2.5, 2.0, 1.0
ROUNDING_ALLOWED = 0.1

ORDER_NONE, ORDER_SURE, ORDER_FLOOR = 3.0, 3.8, 0.05
STILL, MOVING = 0.025, 0.035

WORST_S, WORST_HOP_S = 1.0, 0.25

NEEDS = ("lpips", "flow", "cuts", "calibration")


@dataclass(frozen=True)
class Damage:
    """What a clip, or a window of it, shows; see `bench.metrics.damage`.

    Attributes:
        flicker: share of full scale.
        identity: loss, 0 to about 1.5.
        smooth: ratio, 0..5.
        jumps: 1 is a change of half the picture's contrast at once.
        order: standard deviations.
        speed: of what the gate looks at, in short sides per second.
    """

    flicker: float
    identity: float
    smooth: float
    jumps: float
    order: float
    speed: float


@metric(unit="points", better="higher", needs=NEEDS)
def coherence(analysis: Analysis) -> Scored:
    """Temporal coherence, 0..100: does the clip hold together while it moves?

    The formula stands at the head of this module. Real footage has 80 to 100, a frozen clip,
    noise, or a shuffled clip about 0. The damage of the clip is kept.

    Raises:
        Unscored: if the clip is shorter than 1.2 s, its short side under 64 px, or the
            calibration was made with other backbones.
    """
    found = measure(analysis)
    value = headline(found, stutter(analysis), _scales(analysis))
    series = {name: [getattr(found, name)] for name in Damage.__dataclass_fields__}
    return Scored(value, series)


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_worst_second(analysis: Analysis) -> Scored:
    """The headline of the worst second: flicker, smooth, jumps and stutter of that second alone.

    Seconds begin every quarter; order, identity and gate are the clip's. The curve over all of
    them is kept.

    Raises:
        Unscored: as `coherence`.
    """
    found, scales = measure(analysis), _scales(analysis)
    held = np.array(stutter.score(analysis).series["held"])
    starts, values = [], []
    for shot in shots(analysis):
        travelled = _far(analysis, shot)
        for second in _windows(shot, analysis.clip.fps, 0.0, WORST_S, WORST_HOP_S):
            local = _over_steps(_sudden, analysis, second, travelled)
            mixed = Damage(**{**vars(found), **local})
            held_here = float(held[second.start : second.stop - 1].mean())
            starts.append(second.start / analysis.clip.fps)
            values.append(headline(mixed, held_here, scales))
    return Scored(min(values), {"start_s": starts, "coherence": values})


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_flicker(analysis: Analysis) -> Scored:
    """Sub-score: 100 / (1 + (flicker/a)^2.75), what would be left if there were flicker alone.

    Where the prompt asks for changing light, only what swings back is flicker, and the note says
    so.

    Raises:
        Unscored: as `coherence`.
    """
    asked = "changing light was asked for: only what swings back counts"
    note = asked if analysis.prompt.lighting_change else None
    return Scored(_alone(analysis, "flicker"), note=note)


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_identity(analysis: Analysis) -> float:
    """Sub-score: 100 / (1 + (identity/b)^2.75): do the things in the picture stay themselves?

    Raises:
        Unscored: as `coherence`.
    """
    return _alone(analysis, "identity")


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_smooth(analysis: Analysis) -> float:
    """Sub-score: 100 / (1 + (smooth/c)^2.75): is each frame what its neighbours promise?

    Raises:
        Unscored: as `coherence`.
    """
    return _alone(analysis, "smooth")


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_jumps(analysis: Analysis) -> float:
    """Sub-score: 100 / (1 + jumps): nothing pops up, vanishes or is cut.

    Raises:
        Unscored: as `coherence`.
    """
    return 100 / (1 + measure(analysis).jumps)


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_order(analysis: Analysis) -> float:
    """Factor: 5 for frames in random order, rising to 100 between 3 and 3.8 deviations from it.

    Raises:
        Unscored: as `coherence`.
    """
    return 100 * ordered(measure(analysis).order)


@metric(unit="points", better="higher", needs=NEEDS)
def coherence_motion(analysis: Analysis) -> Scored:
    """Factor: 0 for a still, rising to 100 between .025 and .035 short sides per second.

    Of the motion of things against the camera where the prompt says `motion: subject`, of all
    motion otherwise; the note says which.

    Raises:
        Unscored: as `coherence`.
    """
    subject = analysis.prompt.motion == "subject"
    note = "motion of the subject" if subject else "all motion, the camera's too"
    return Scored(100 * moving(measure(analysis).speed), note=note)


def headline(found: Damage, held: float, scales: Mapping[str, float]) -> float:
    """The formula at the head of this module.

    Args:
        found: what the clip shows.
        held: share of frames that repeat the one before, 0..1.
        scales: a, b and c.

    Returns:
        0..100.
    """
    slow = sum(max(0.0, float(getattr(found, name))) / scales[name] for name in SCALED)
    worth: float = moving(found.speed) * ordered(found.order) * (1 - held)
    damaged: float = found.jumps + slow**POWER
    return 100 * worth / (1 + damaged)


def ordered(deviations: float) -> float:
    """The factor of the order of frames, .05..1."""
    share = (deviations - ORDER_NONE) / (ORDER_SURE - ORDER_NONE)
    return ORDER_FLOOR + (1 - ORDER_FLOOR) * min(1.0, max(0.0, share))


def moving(speed: float) -> float:
    """The factor of motion, 0..1."""
    return min(1.0, max(0.0, (speed - STILL) / (MOVING - STILL)))


def measure(analysis: Analysis) -> Damage:
    """What the whole clip shows.

    Raises:
        Unscored: as `coherence`.
    """
    return analysis.once("damage", lambda: _measure(analysis))


def _measure(analysis: Analysis) -> Damage:
    fps, short_side = analysis.clip.fps, min(analysis.clip.frames.shape[1:3])
    if short_side < MIN_SIDE_PX:
        raise Unscored(f"short side is {short_side} px, coherence needs at least {MIN_SIDE_PX}")
    long_enough = [s for s in shots(analysis) if s.stop - s.start >= MIN_S * fps]
    if not long_enough:
        raise Unscored(
            f"{len(analysis.frames) / fps:.2f} s, coherence needs a shot of at least {MIN_S:g} s"
        )
    found = []
    for shot in long_enough:
        travelled = _far(analysis, shot)
        found += [
            _over_steps(_at_step, analysis, window, travelled)
            for window in _windows(shot, fps, WHOLE_S, WINDOW_S, HOP_S)
        ]
    merged = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    return Damage(**merged | {"jumps": max(each["jumps"] for each in found)})


def _at_step(analysis: Analysis, step: int, window: Window, travelled: float) -> dict[str, float]:
    """All of `Damage` at one time step."""
    speeds = subject_speeds if analysis.prompt.motion == "subject" else raw_speeds
    return _sudden(analysis, step, window, travelled) | {
        "identity": damage.identity(analysis, step, window),
        "order": damage.order(analysis, step, window),
        "speed": float(speeds(analysis, step)[window.start : window.stop - step].mean()),
    }


def _far(analysis: Analysis, shot: Window) -> float:
    """What `smooth` divides by: the same for all of a shot, so that a pause is no damage."""
    return damage.far(analysis, shot, max(step for step, _ in _steps(analysis)) + 1)


def _sudden(analysis: Analysis, step: int, window: Window, travelled: float) -> dict[str, float]:
    """The kinds of damage that have a moment."""
    return {
        "flicker": damage.flicker(analysis, step, window),
        "smooth": damage.smooth(analysis, step, window, travelled),
        "jumps": damage.jumps(analysis, step, window),
    }


def _over_steps(
    at_step: Callable[[Analysis, int, Window, float], dict[str, float]],
    analysis: Analysis,
    window: Window,
    travelled: float,
) -> dict[str, float]:
    """What is measured at each time step, interpolated."""
    found = [
        (share, at_step(analysis, step, window, travelled)) for step, share in _steps(analysis)
    ]
    return {name: sum(share * each[name] for share, each in found) for name in found[0][1]}


def _steps(analysis: Analysis) -> list[tuple[int, float]]:
    """The time steps in frames at which a clip is measured, and their shares."""
    exact = analysis.clip.fps * STEP_S
    if exact <= 1 or abs(exact / analysis.step - 1) <= ROUNDING_ALLOWED:
        return [(analysis.step, 1.0)]
    below = int(exact)
    return [(below, below + 1 - exact), (below + 1, exact - below)]


def _windows(
    shot: Window, fps: float, whole_s: float, length_s: float, hop_s: float
) -> list[Window]:
    """The shot itself up to `whole_s`, else windows of `length_s` every `hop_s`, to its end."""
    count, length = shot.stop - shot.start, round(length_s * fps)
    if count <= max(whole_s * fps, length):
        return [shot]
    last = shot.stop - length
    starts = {*range(shot.start, last + 1, max(1, round(hop_s * fps))), last}
    return [Window(start, start + length) for start in sorted(starts)]


def _alone(analysis: Analysis, name: str) -> float:
    share: float = max(0.0, getattr(measure(analysis), name)) / _scales(analysis)[name]
    damaged: float = share**POWER
    return 100 / (1 + damaged)


def _scales(analysis: Analysis) -> Mapping[str, float]:
    calibration = cast("Calibration", analysis.backbone("calibration"))
    calibration.check(analysis)
    return calibration.scales
