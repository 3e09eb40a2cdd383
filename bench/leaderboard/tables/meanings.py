"""What the columns of all tables say, for whoever does not know them."""

from collections.abc import Mapping

from bench.metrics.base import line_of

MEANINGS: Mapping[str, str] = {
    # The first table.
    "rank": "The ranks that the data leave open: 1-3 is one of the first three",
    "model": "Whose clips these are",
    "usable": "Share of clips that can be used, and its 95% interval; rejects and failures count",
    "coherence": "Does the clip hold together over time? 80 or more is where real footage lies",
    "adherence": "How well the frames fit the prompt; the scale is that of the network that looks",
    "appeal": "Would a caption call the frames good and beautiful?",
    "preferred": "The chance that people take a clip of it before another model's",
    "s per s of video": "Seconds of compute for a second of video",
    "cost per usable s": "What a second of video costs that can be used, rejects included",
    "why": "What the run lacks",
    # Speed, size and terms.
    "peak GiB": "Most memory of the GPU that a clip took",
    "licence": "Of the weights, as the model's card says",
    "resolution": "Width and height of the clips",
    "max duration s": "The longest clip that the model makes, as its card says",
    "open weights": "Whether the weights can be had",
    "clips": "How many there are, or how many it holds for",
    "failed": "Clips that the model failed to make; each is a coherence of 0",
    # Characters over several shots, and lengths.
    "cross_clip_identity": "How much more alike clips of one character are than those of others",
    "told apart": "How often the own character is the more alike",
    "own": "Mean likeness of clips of one character",
    "others": "Mean likeness of clips of different characters",
    "groups": "Characters, over which the means are",
    "asked, s": "Shortest and longest clip that was asked for",
    "made, s": "Shortest and longest clip that was made",
    "as long as asked": "Clips that are nearly as long as was asked for",
    "longest by its card, s": "The longest clip that the model makes, as its card says",
    # Variants.
    "speed-up": "How many times as fast as the model it is a variant of, on the same prompts",
    # Speed.
    "clip": "The most frequent shape of the clips",
    "clips timed": "Clips that were made once the model had warmed up",
    "frames/s": "Frames made in a second of compute",
    "s of compute per s of video": "Seconds of compute for a second of video",
    "realtime factor": "Seconds of video made in a second of compute",
    "cost per s of video": "What a second of video costs, whether it can be used or not",
    "s per clip p50 (p05-p95)": "Median, and where nine clips of ten lie",
    "peak GiB allocated / reserved": "Most memory of the GPU in use, and held by the framework",
    "denoiser forwards": "Evaluations of the network that removes the noise, for one clip",
    "weights GiB": "Memory of the GPU that the weights take",
    "kJ per s of video": "Energy of the GPU for a second of video",
    "mean W": "Power of the GPU while clips were made",
    # Yield and cost.
    "yield": "Share of clips that can be used, and its 95% interval",
    "never solved": "Share of prompts of which no clip can be used",
    "draws per usable clip": "Clips to make until one can be used, over all prompts",
    "draws per solved prompt": "Clips to make until one can be used, of prompts that have one",
    "counted in": "Unit of the costs, and where it comes from",
    "per clip": "What a clip costs, usable or not",
    "per s of video": "What a second of video costs, usable or not",
    "per usable s": "What a second of video costs that can be used, rejects included",
    # What others say.
    "largest": "Width and height of the largest clips",
    "USD per s of video": "What a second of video costs",
    "at once": "Requests under way at the same time",
    "s per request p50 (p95)": "Wait for a clip: the median, and the longest of 19 in 20",
    "requests/s": "Clips delivered a second",
    "attempts per clip": "Requests sent until a clip came",
    "server-reported s": "Median of compute, as the server says",
    "server-reported peak GiB": "Most memory, as the server says",
    # Where numbers come from, and where there are none.
    "prompt": "Id of the prompt",
    "seed": "Of the random numbers",
    "status": "How it ended",
    "error": "What the model's program said",
    "metric": "Name of the column",
    "metrics": "Names of the columns",
    "reason": "Why there is no value",
    "unit": "What the values are in",
    "better": "Whether higher or lower values are better",
    "measures": "What it looks at",
    "name": "Of the model, for people",
    "parameters": "Size of the networks, as the model's card says",
    "commit": "Version of the benchmark that made the result",
    "device": "What the clips were made on",
    "torch": "Version of PyTorch",
    "result": "Beginning of the result's fingerprint, which decides its numbers",
    "prompts": "Beginning of the hash of the suite's prompts",
    # Footage, clip by clip.
    "file": "Which video it is",
    "frames": "How many the clip has",
    "size": "Width and height in pixels",
    "fps": "Frames in a second of the video",
    "lossy": "Whether compression took something of the clip away",
    "most lost to": "The kind of damage that took most points from coherence, and how many",
}
"""By the column's name; what other metrics measure they say themselves."""


OWN = "A metric of one's own: its function says what it measures"
"""Of what is none of this package's metrics, where its result does not say it either."""


def _meaning_here(metric: str) -> str:
    """What this package says of a metric; empty for one that is none of its own."""
    return MEANINGS.get(metric) or line_of(metric)


def is_own(metric: str) -> bool:
    """Whether a metric is none of this package's."""
    return not _meaning_here(metric)


def meaning_of(metric: str, measures: Mapping[str, str]) -> str:
    """What a metric measures, in one line; of somebody's own what its results say, else `OWN`."""
    line = _meaning_here(metric) or measures.get(metric, "")
    return line.rstrip(".") or OWN
