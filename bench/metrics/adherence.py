"""Prompt adherence: whether a clip shows what its prompt asked for, over its whole length.

Without a prompt, or with one that the network cannot read, none of these has a value.
"""

import numpy as np
from numpy.typing import NDArray

from bench.errors import NO_PROMPT, Unscored, need_frames
from bench.metrics.base import Scored, metric
from bench.vision import views
from bench.vision.analysis import Analysis
from bench.vision.backbones import Phrase


@metric(unit="100 cos", better="higher", needs=["text"], prompted=True)
def adherence(analysis: Analysis) -> Scored:
    """Mean over 8 evenly spaced frames of 100 max(0, cos(frame, prompt)); see Hessel et al., 2021.

    Range [0, 100], but networks differ in what they give a perfect match: a CLIP gives about 30.
    """
    phrase = _own(analysis)
    values = _per_frame(analysis, phrase)
    cut = f"the prompt has {phrase.tokens} tokens, the network reads the first {phrase.room}"
    return Scored(
        float(values.mean()),
        series={"time_s": times_s(analysis).tolist(), "adherence": values.tolist()},
        note=cut if phrase.tokens > phrase.room else None,
    )


@metric(unit="100 cos", better="higher", needs=["text"], prompted=True)
def adherence_min(analysis: Analysis) -> float:
    """The worst of the 8 frames of `adherence`: low where a clip turns into something else."""
    return float(_per_frame(analysis, _own(analysis)).min())


@metric(unit="100 cos per second", better="higher", needs=["text"], prompted=True)
def adherence_drift(analysis: Analysis) -> float:
    """Slope of adherence over time, least squares through the 8 frames: negative is forgetting."""
    values = _per_frame(analysis, _own(analysis))
    need_frames(len(values), 2)
    since_mid_s = times_s(analysis) - times_s(analysis).mean()
    # Seen from the first frame, so that a frozen clip has 0 and no rounding errors.
    return float((since_mid_s @ (values - values[0])) / (since_mid_s @ since_mid_s))


@metric(unit="100 cos", better="higher", needs=["text"], prompted=True)
def adherence_margin(analysis: Analysis) -> float:
    """100 (cos to the own prompt - mean cos to the suite's other prompts), mean over 8 frames.

    Range [-200, 200]. A clip that matches every prompt equally adheres to none, and has 0.

    Raises:
        Unscored: if the suite has no other prompt that the network can read.
    """
    own = _own(analysis)
    others = _others(analysis)
    cosines = analysis.image_embeddings(sampled(analysis)) @ np.stack([own.vector, *others]).T
    return float(100 * (cosines[:, 0] - cosines[:, 1:].mean(axis=1)).mean())


def _own(analysis: Analysis) -> Phrase:
    if not analysis.prompt.text.strip():
        raise Unscored(NO_PROMPT)
    return analysis.phrase(analysis.prompt.text)


def _others(analysis: Analysis) -> list[NDArray[np.float32]]:
    texts = {prompt.text for prompt in analysis.suite} - {analysis.prompt.text}
    vectors = []
    for text in sorted(texts):  # in this order, so that the file's changes no last digit
        try:
            vectors.append(analysis.phrase(text).vector)
        except Unscored:
            continue
    if not vectors:
        raise Unscored("the suite has no other prompt to compare with")
    return vectors


def sampled(analysis: Analysis) -> NDArray[np.intp]:
    """8 frames from the first to the last, evenly spaced, int `[N]`; all of a shorter clip."""
    return views.sampled(len(analysis.clip.frames))


def times_s(analysis: Analysis) -> NDArray[np.float64]:
    """When they are shown, float64 `[N]`."""
    times: NDArray[np.float64] = sampled(analysis) / analysis.clip.fps
    return times


def _per_frame(analysis: Analysis, phrase: Phrase) -> NDArray[np.float64]:
    cosines = analysis.image_embeddings(sampled(analysis)) @ phrase.vector
    return 100 * np.maximum(cosines.astype(np.float64), 0)
