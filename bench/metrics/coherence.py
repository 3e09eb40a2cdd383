"""The headline: temporal coherence, and the points that each kind of damage takes from it.

coherence = 100 exp(-d), d^2 = sum of d_i^2, d_i = (damage_i / scale_i)^power_i

for the eight kinds of damage in `SCALES`, measured by `bench.metrics.damage`, and three shares that
are taken whole: d_i = -ln(1 - stutter), -ln(motion), and ln(1 + exp(4 (1 - z))) for the order of
the frames, z deviations from a random one. Powers and squares keep what is small, as in sound
footage, all but silent beside what is wrong. All damage is a share of what the clip itself shows,
so no footage sets its scales and any flow or LPIPS serves. The points lost are parted in
proportion to d_i^2: coherence and the lost points add up to 100.

A clip is measured in windows: one of its own length up to 2.5 s, else of 2 s, every second; damage
is averaged over windows, save `jumps`, of which the worst counts; a cut that the detector sees
counts as one, however fast the clip is. Where the prompt asks for
several shots, each shot is a clip of its own. Where rounding would change a time step of 1/8 s by
over 10% and over .3 frames, everything is measured at the two nearest steps and interpolated. Where
more changes from a frame to the next than over more frames, as in light that flickers at every
frame, a step of one frame is measured too, and of each kind of damage the larger counts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.errors import Unscored, need_side
from bench.metrics import damage
from bench.metrics.base import Metric, Scored, metric
from bench.metrics.consistency import stutter
from bench.metrics.cuts import THRESHOLD, shots
from bench.metrics.damage import Window
from bench.metrics.headline import MOST, SUBJECT_NONE, headline, lost
from bench.metrics.motion import MotionState, motion_state
from bench.prompts import Motion
from bench.vision.analysis import STEP_S, Analysis

MIN_SIDE_PX = 64
MIN_S = 1.2
WHOLE_S, WINDOW_S, HOP_S = 2.5, 2.0, 1.0
ROUNDING_ALLOWED, ROUNDING_ALLOWED_FRAMES = 0.1, 0.3

SCALES: Mapping[str, tuple[float, float]] = {
    "tremble": (0.21, 2),
    "churn": (0.2, 4),
    "flicker": (0.04, 3),
    "wobble": (7.0, 4),
    "judder": (1.0, 4),
    "jumps": (4.0, 2),
    "identity": (0.14, 4),
    "blending": (0.35, 4),
}
"""Of each kind of damage the scale, at which a clip keeps 37 points, and the power."""

PARTS = (*SCALES, "order", "stutter", "motion")

ORDER_HALF, ORDER_SLOPE = 1.0, 4.0
ORDER_NONE, ORDER_SURE = 2.0, 3.5  # deviations, below which unexplained change is but noise

SUBJECT_SURE, SUBJECT_LIVELY = 0.008, 0.03
CALM_COST = 0.05
UNEXPLAINED_NONE, UNEXPLAINED_SURE = 0.45, 0.6
CAMERA_NONE, CAMERA_SURE = 0.02, 0.04
ACTIVE_NONE, ACTIVE_SURE = 0.07, 0.073
LOCAL_SURE, LOCAL_NONE = 0.4, 0.7
REVEALED_NONE, REVEALED_SURE = 0.53, 0.58  # where the camera explains the change
REVEALED_NONE_ALONE, REVEALED_SURE_ALONE = 0.595, 0.62  # where it does not
REVEALING_NONE, REVEALING_SURE = 0.03, 0.045
NONE_SEEN = "motion: none seen"
LIGHT_ASKED = "changing light was asked for: only what swings back counts"

CUT_SURE, CUT_JUMP = 0.4, 8.0
LEAST_ALTERNATION = 1.0  # grey levels; sound footage has under .5

WORST_S, WORST_HOP_S = 1.0, 0.25
LEAST_FRAMES = 4  # of a window, so that changes of velocity have moments

NEEDS = ("lpips", "flow", "cuts")

AtStep = Callable[[Analysis, int, Window], Mapping[str, float]]


@dataclass(frozen=True)
class Damage:
    """What a clip, or a window of it, shows; see `bench.metrics.damage`.

    Attributes:
        tremble: 0..about 1.
        churn: 0..about 1.
        flicker: share of full scale.
        wobble: share of the clip's motion, 0..about 20.
        judder: growth of the speed, e-fold, 0..about 3.
        jumps: share of the usual change from step to step, 0..about 20; at least that of a cut.
        identity: 0..about 1.
        blending: 0..1.
        order: standard deviations.
        motion: 0..1, how surely something happens.
    """

    tremble: float
    churn: float
    flicker: float
    wobble: float
    judder: float
    jumps: float
    identity: float
    blending: float
    order: float
    motion: float


@metric(unit="points", better="higher", version=7, needs=NEEDS)
def coherence(analysis: Analysis) -> Scored:
    """Temporal coherence, 0..100: does the clip hold together while it moves?

    The formula stands at the head of this module. Sound footage has 80 to 100; a frozen clip,
    noise, a shuffled clip, or a still that is moved about, next to nothing. The damage of the
    clip is kept.

    Raises:
        Unscored: if the clip is shorter than 1.2 s, or its short side under 64 px.
    """
    measured = measure(analysis)
    value = headline(_clip_charges(analysis))
    series = {name: [getattr(measured, name)] for name in Damage.__dataclass_fields__}
    return Scored(value, series, _note(measured))


@metric(unit="points", better="higher", version=7, needs=NEEDS)
def coherence_worst_second(analysis: Analysis) -> Scored:
    """The headline of the worst second: flicker, jumps, tremble and stutter of that second alone.

    Seconds begin every quarter; all other parts are the clip's. The curve over all of them is kept.
    """
    whole, reduced = measure(analysis), analysis.reduced()
    held = np.array(stutter.score(analysis).series["held"])
    starts, values = [], []
    for shot in _long_shots(analysis):
        for second in _windows(shot, analysis.clip.fps, 0.0, WORST_S, WORST_HOP_S):
            local = _over_steps(_sudden, reduced, second)
            mixed = Damage(**{**vars(whole), **_with_cut(local, analysis, second)})
            held_here = float(held[second.start : second.stop - 1].mean())
            starts.append(second.start / analysis.clip.fps)
            values.append(headline(charges(mixed, held_here)))
    return Scored(min(values), {"start_s": starts, "coherence": values})


def _lost(name: str, meaning: str) -> Metric:
    """The metric of the points that one part takes from the headline."""

    def points(analysis: Analysis) -> Scored:
        light = name == "flicker" and analysis.prompt.lighting_change
        note = LIGHT_ASKED if light else _note(measure(analysis)) if name == "motion" else None
        return Scored(lost(_clip_charges(analysis))[name], note=note)

    points.__doc__ = f"Points lost to {name}: {meaning}"
    identifier = f"{__name__}.lost_{name}"
    return metric(unit="points", better="lower", version=6, needs=NEEDS, id=identifier)(points)


lost_tremble = _lost("tremble", "nothing in the picture is steady, and places come apart.")
lost_churn = _lost("churn", "change that is undone a step later, as in grain and boiling texture.")
lost_flicker = _lost("flicker", "light and colour that jump back and forth.")
lost_wobble = _lost("wobble", "places swing back and forth, like jelly or boiling texture.")
lost_judder = _lost("judder", "the speed of everything goes up and down from step to step.")
lost_jumps = _lost("jumps", "something pops up, vanishes, jumps or is cut.")
lost_identity = _lost("identity", "the picture changes, or parts of it are gone, for good.")
lost_blending = _lost("blending", "frames are mixtures of their neighbours.")
lost_order = _lost("order", "frames come in no order.")
lost_stutter = _lost("stutter", "frames repeat the one before.")
lost_motion = _lost("motion", "nothing happens, or not what the prompt wants moved.")


def charges(measured: Damage, held: float) -> dict[str, float]:
    """The d_i of the formula at the head of this module, by part; 0..12 each.

    Args:
        measured: what the clip shows.
        held: share of frames that repeat the one before, 0..1.
    """
    charged = {}
    for name, (scale, power) in SCALES.items():
        charged[name] = (max(0.0, getattr(measured, name)) / scale) ** power
    charged["order"] = float(np.logaddexp(0, ORDER_SLOPE * (ORDER_HALF - measured.order)))
    charged["stutter"] = -float(np.log(max(1 - held, np.exp(-MOST))))
    charged["motion"] = -float(np.log(max(measured.motion, np.exp(-MOST))))
    return {name: min(MOST, charge) for name, charge in charged.items()}


def _clip_charges(analysis: Analysis) -> dict[str, float]:
    """Those of the whole clip, for the headline and all its parts."""
    return analysis.once("charges", lambda: charges(measure(analysis), stutter(analysis)))


def ramp(value: float, none: float, sure: float) -> float:
    """How surely something is so: 0 up to `none`, 1 from `sure` on, linear between them."""
    return min(1.0, max(0.0, (value - none) / (sure - none)))


def moving(state: MotionState, order: float, asked: Motion) -> float:
    """How surely something happens, 0..1.

    Something moves against the camera; or neither the camera nor any bending of the first or last
    frame explains much of the change, and the frames are in order, so that it is no noise (where
    the prompt wants the subject moved, this counts as far as the rest of the picture stands still,
    so that it is no camera's); or the prompt wants the camera moved, and it does. And more than a
    logo's share of the picture takes part. What moves faster than a calm portrait must also show
    something new, unless only the camera was asked to move: else it is a still behind moving
    water. A clip in which next to nothing moves against the camera has shown little: up to a
    twentieth is taken off, so that being still never outranks moving well.

    Ramps: from .003 to .008 short sides per second, .45 to .6, 2 to 3.5 deviations, .7 down to
    .4 of the picture, .02 to .04 short sides per second, .07 to .073 of the picture; of the
    change, .53 to .58 where the camera explains it and .595 to .62 where it does not (asked in
    full from .045 short sides per second, not at all below .03); calm from .03 down to .003.
    """
    happens = ramp(state.subject, SUBJECT_NONE, SUBJECT_SURE)
    if asked == "camera":
        happens = ramp(state.raw, CAMERA_NONE, CAMERA_SURE)
    change = ramp(state.unexplained, UNEXPLAINED_NONE, UNEXPLAINED_SURE)
    none = np.interp(change, (0, 1), (REVEALED_NONE, REVEALED_NONE_ALONE))
    sure = np.interp(change, (0, 1), (REVEALED_SURE, REVEALED_SURE_ALONE))
    novelty = ramp(state.revealed, float(none), float(sure))
    change *= ramp(order, ORDER_NONE, ORDER_SURE) * novelty
    if asked == "subject":
        change *= 1 - ramp(state.active, LOCAL_SURE, LOCAL_NONE)
    happens = max(happens, change)
    happens *= ramp(state.active, ACTIVE_NONE, ACTIVE_SURE)
    if asked == "camera":
        return happens
    calm = 1 - ramp(state.subject, SUBJECT_NONE, SUBJECT_LIVELY)
    bent = (1 - novelty) * ramp(state.subject, REVEALING_NONE, REVEALING_SURE)
    return happens * (1 - bent) * (1 - CALM_COST * calm)


def measure(analysis: Analysis) -> Damage:
    """What the whole clip shows."""
    return analysis.once("damage", lambda: _measure(analysis))


def _measure(analysis: Analysis) -> Damage:
    windows = [
        _with_cut(measured, analysis, window)
        for window, measured in over_windows(analysis, _at_step)
    ]
    merged = {name: float(np.mean([each[name] for each in windows])) for name in windows[0]}
    return Damage(**merged | {"jumps": max(each["jumps"] for each in windows)})


def over_windows(analysis: Analysis, at_step: AtStep) -> Iterator[tuple[Window, dict[str, float]]]:
    """What is measured at each time step in every window of a clip, interpolated.

    Args:
        analysis: of the clip.
        at_step: measures by the name of their kind of damage, of the clip at a short side of 128
            pixels, a time step in frames and a window.

    Raises:
        Unscored: as `coherence`.
    """
    need_side(analysis.clip.frames.shape[1:3], MIN_SIDE_PX, "coherence")
    reduced = analysis.reduced()
    for shot in _long_shots(analysis):
        for window in _windows(shot, analysis.clip.fps, WHOLE_S, WINDOW_S, HOP_S):
            yield window, _over_steps(at_step, reduced, window)


def _long_shots(analysis: Analysis) -> list[Window]:
    """The shots that last long enough to be measured: 1.2 s.

    Raises:
        Unscored: if none does.
    """
    fps = analysis.clip.fps
    long_enough = [shot for shot in shots(analysis) if shot.stop - shot.start >= MIN_S * fps]
    if not long_enough:
        raise Unscored(
            f"{len(analysis.clip.frames) / fps:.2f} s, coherence needs a shot of at least "
            f"{MIN_S:g} s"
        )
    return long_enough


def _at_step(reduced: Analysis, step: int, window: Window) -> dict[str, float]:
    """All of `Damage` at one time step."""
    state = motion_state(reduced, 2 * step, window.start, window.stop)
    order = damage.order(reduced, step, window)
    return _sudden(reduced, step, window) | {
        "churn": damage.churn(reduced, step, window),
        "wobble": damage.wobble(reduced, step, window),
        "judder": damage.judder(reduced, step, window),
        "identity": damage.identity(reduced, step, window),
        "blending": damage.blending(reduced, step, window),
        "order": order,
        "motion": moving(state, order, reduced.prompt.asked_motion),
    }


def _sudden(reduced: Analysis, step: int, window: Window) -> dict[str, float]:
    """The kinds of damage that have a moment."""
    return {
        "tremble": damage.tremble(reduced, step, window),
        "flicker": damage.flicker(reduced, step, window),
        "jumps": damage.jumps(reduced, step, window),
    }


def _with_cut(measured: dict[str, float], analysis: Analysis, window: Window) -> dict[str, float]:
    """The same, with `jumps` at least that of the likeliest cut in the window.

    Jumps are shares of what the clip changes anyway, which a cut in fast footage hardly exceeds.
    A cut counts from the probability on from which `cuts` counts it, .3, and in full from .4: as
    8, twice the scale, which leaves 2 points.
    """
    likeliest = analysis.cut_probabilities[window.start : window.stop - 1].max(initial=0)
    cut = CUT_JUMP * ramp(float(likeliest), THRESHOLD, CUT_SURE)
    return measured | {"jumps": max(measured["jumps"], cut)}


def _over_steps(at_step: AtStep, reduced: Analysis, window: Window) -> dict[str, float]:
    """What is measured at each time step, interpolated."""
    measured = [(share, at_step(reduced, step, window)) for step, share in _steps(reduced)]
    mixed = {name: sum(share * each[name] for share, each in measured) for name in measured[0][1]}
    longest = max(step for step, _ in _steps(reduced))
    if damage.alternation(reduced, longest, window) <= LEAST_ALTERNATION:
        return mixed
    by_frame = at_step(reduced, 1, window)
    return mixed | {name: max(mixed[name], by_frame[name]) for name in SCALES if name in mixed}


def _steps(analysis: Analysis) -> list[tuple[int, float]]:
    """The time steps in frames at which a clip is measured, and their shares."""
    exact = analysis.clip.fps * STEP_S
    off = abs(exact - analysis.step)
    if exact <= 1 or off <= max(ROUNDING_ALLOWED * analysis.step, ROUNDING_ALLOWED_FRAMES):
        return [(analysis.step, 1.0)]
    below = int(exact)
    return [(below, below + 1 - exact), (below + 1, exact - below)]


def _windows(
    shot: Window, fps: float, whole_s: float, length_s: float, hop_s: float
) -> list[Window]:
    """The shot itself up to `whole_s`, else windows of `length_s` every `hop_s`, to its end."""
    count, length = shot.stop - shot.start, max(LEAST_FRAMES, round(length_s * fps))
    if count <= max(whole_s * fps, length):
        return [shot]
    last = shot.stop - length
    starts = {*range(shot.start, last + 1, max(1, round(hop_s * fps))), last}
    return [Window(start, start + length) for start in sorted(starts)]


def _note(measured: Damage) -> str | None:
    return NONE_SEEN if measured.motion < 0.5 else None
