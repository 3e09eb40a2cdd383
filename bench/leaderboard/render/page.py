"""The leaderboard as one static page: tables, figures, and clips that play side by side.

Everything but the clips and the contact sheets stands in the file itself, which therefore works
from any static host and from a disk. What it shows comes from elsewhere, prompts, names and error
messages, and is treated as text: escaped by the template, made visible where a character would
act, and kept from loading or running anything by the page's own policy.
"""

import base64
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.leaderboard.data.costs import (
    COHERENCE,
    MARGIN,
    Criteria,
    Yield,
    criteria_of,
    is_usable,
)
from bench.leaderboard.data.files import FILE_NAME, load
from bench.leaderboard.data.rows import HEADLINE, USABLE, SuiteBoard, prompt_categories
from bench.leaderboard.render.figures import INK
from bench.leaderboard.render.gallery import Curve, Gallery, GalleryClip, draw_order
from bench.leaderboard.render.markdown import (
    TRUST,
    Picture,
    has_headline,
    reading,
    sheets_of,
    sheets_title,
)
from bench.leaderboard.tables.suite import (
    FOLDS,
    SCORES,
    SPEED,
    TITLES,
    folded,
    metric_table,
    without_scores,
)
from bench.leaderboard.tables.table import ARROWS, Cell, Column, Table, failure, number, visible
from bench.schema import ClipResult, Result, Sample
from bench.statistics import ALPHA, MIN_PROMPTS, most_when_none

MARK = '<meta name="generator" content="steadybench">'
"""What every page holds near its beginning; a file without it is somebody else's."""

_WEB = Path(__file__).parent / "web"
LEGEND = _WEB / "legend"
"""A result and its previews, made by `python -m tools.legend`."""
_FAULTS = {
    "flicker": "The light flickers",
    "pop": "Something pops up and is gone",
    "drift": "The picture turns into another",
}
"""What the clips of the legend show."""

_CURVES = {
    "adherence": "adherence to the prompt",
    "appeal": "appeal of the frames",
    "technical_quality": "technical quality of the frames",
    "identity_first": "likeness to the first frame",
    "tlpips": "change from step to step",
    "flicker": "flicker",
    "coherence_worst_second": "coherence, second by second",
    "base_lpips": "distance to the base's clip",
    "base_ssim": "likeness to the base's clip",
}
"""What the curves under the clips are called; first these and then any other."""
_VALUES = ("adherence", "coherence_worst_second")
"""What stands under a clip after the headline."""
_MOST_POINTS = 100
"""Of a curve: as many as its panel shows, and 100 models stay a page that loads at once."""


@dataclass(frozen=True)
class Threshold:
    """Of what makes a clip usable, one that readers may move on the page.

    Values go to the page as whole steps, rounded so that no position of the threshold takes a clip
    in or out that its value itself would not: down where it must reach the threshold, else up.
    """

    label: str
    published: float
    least: float
    most: float
    step: float
    steps: Callable[[float], int]


THRESHOLDS: Mapping[str, Threshold] = {
    "coherence": Threshold("coherence, at least", COHERENCE, 0, 100, 1, math.floor),
    "adherence_margin": Threshold(
        "margin of adherence, above", MARGIN, -20, 100, 0.1, lambda value: math.ceil(10 * value)
    ),
    "cuts_unrequested": Threshold("cuts nobody asked for, at most", 0, 0, 99, 1, math.ceil),
}
"""By metric; what else a clip needs stays as published."""


_CLASSES = {"name": "text name", "text": "text", "number": "num", "rank": "num"}
"""Of the elements of a column, by its kind."""
_OPEN = {True: "yes", False: "no", None: ""}


def page(
    suites: Sequence[SuiteBoard],
    galleries: Mapping[tuple[str, str], Gallery],
    pictures: Mapping[str, Sequence[Picture]],
    drawn: Mapping[str, Sequence[Table]],
    into: Path,
) -> str:
    """HTML, the same bytes for the same suites, galleries (by suite and model) and pictures.

    Pictures and tables, `drawn`, are by suite; pictures lie in the leaderboard's folder.
    """
    environment = Environment(
        loader=FileSystemLoader(_WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.globals |= {"zip": zip, "about": _about, "classes": _CLASSES, "open_weights": _OPEN}
    environment.filters["heading"] = _heading
    environment.filters["inline"] = lambda picture: _inline(into / picture.path, picture.alt)
    script = (_WEB / "page.js").read_text("utf-8")
    players: list[dict[str, Any]] = []
    sections = []
    for board in suites:
        player = _player(board, galleries)
        number = len(players) if player else None
        beside = pictures.get(board.suite, ())
        sections.append(_suite(board, drawn[board.suite], beside) | {"player": number})
        players += [player] if player else []
    judged = {board.suite: clips for board in suites if (clips := _judged(board))}
    cards = [result.card for board in suites for result in board.results]
    return environment.get_template("page.html.j2").render(
        policy=_policy(script),
        css=Markup((_WEB / "page.css").read_text("utf-8")),
        intro=[paragraph.replace("*", "") for paragraph in reading(suites)],
        metrics=metric_table(suites),
        trust={path: TRUST[path] for path in TRUST if (into / path).exists()},
        legend=legend() if has_headline(suites) else {},
        suites=sections,
        licences=sorted({visible(card.licence) for card in cards if card.licence}),
        any_open=any(card.open_weights for card in cards),
        thresholds=THRESHOLDS if judged else {},
        data=Markup(
            _embedded(
                {
                    "players": players,
                    "judged": judged,
                    "statistics": {"alpha": ALPHA, "least_prompts": MIN_PROMPTS},
                }
            )
        ),
        script=Markup(script),
    )


def _policy(script: str) -> str:
    """No network, and no script but the page's own; clips and sheets from beside it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "media-src 'self' file: data:; img-src 'self' file: data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _embedded(value: object) -> str:
    r"""JSON that may stand inside of a script element.

    Nothing but ASCII, so that no line separator and no control of direction is left, and no `<`,
    with which `</script>` and `<!--` begin.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _suite(
    board: SuiteBoard, drawn: Sequence[Table], pictures: Sequence[Picture]
) -> dict[str, Any]:
    first, others = _figures(pictures)
    tables = folded(drawn)
    return {
        "name": board.suite,
        "title": TITLES.get(board.suite, board.suite),
        "labels": board.labels,
        "lines": without_scores(board),
        "answer": next((table.answer for table in drawn if table.answer), ""),
        "first": [table for table in drawn if table.place == "first"],
        "figures": first,
        "folds": {
            fold: (others.get(fold, ()), tables.get(fold, ()))
            for fold in FOLDS
            if fold in others or fold in tables
        },
        "sheets": sheets_of(board, pictures),
        "sheets_title": sheets_title(board),
    }


def _figures(pictures: Sequence[Picture]) -> tuple[list[Picture], dict[str, list[Picture]]]:
    """Those that are seen at once, quality against compute if there is such; others by fold."""
    drawn = [picture for picture in pictures if picture.path.endswith(".svg")]
    first = [picture for picture in drawn if Path(picture.path).name.startswith("pareto")]
    first = first or drawn[:1]
    others: defaultdict[str, list[Picture]] = defaultdict(list)
    for picture in drawn:
        if picture not in first:
            is_of_speed = Path(picture.path).name.startswith("speed")
            others[SPEED if is_of_speed else SCORES].append(picture)
    return first, others


def _heading(column: Column[Any]) -> Markup:
    """Name and arrow of a column, which may break after an underscore, and not before its arrow."""
    arrow = ARROWS[column.better].replace(" ", "\u00a0")
    return (escape(visible(column.name)) + arrow).replace("_", Markup("_<wbr>"))


def _inline(path: Path, alt: str) -> Markup:
    """A figure as an element of the page, in the page's own ink; nothing that follows it."""
    svg, end, _ = path.read_text("utf-8").partition("</svg>")
    body = svg[svg.index("<svg") + len("<svg") :].replace(INK, "currentColor")
    return Markup('<svg role="img" aria-label="{}"').format(alt) + Markup(body + end + "\n")


def _about(row: Sequence[Cell]) -> Result | None:
    """The result that a row is about; None where it is about none."""
    return next((cell.about for cell in row if cell.about), None)


# ---- The legend: clips of known faults that show what a coherence looks like ----


class Example(NamedTuple):
    """A clip of the legend."""

    coherence: str  # as its result has it
    source: str  # the preview itself, as an address


@cache
def legend() -> Mapping[str, Sequence[Example]]:
    """Fault in words to its clips, the best first."""
    examples: defaultdict[str, list[Example]] = defaultdict(list)
    clips = load(LEGEND / FILE_NAME).clips
    for clip in sorted(clips, key=lambda clip: -(clip.scores[HEADLINE] or 0)):
        name = Path(clip.prompt).stem
        video = base64.b64encode((LEGEND / f"{name}.mp4").read_bytes()).decode()
        source = f"data:video/mp4;base64,{video}"
        examples[name.partition("-")[0]].append(Example(number(clip.scores[HEADLINE] or 0), source))
    return {words: examples[fault] for fault, words in _FAULTS.items()}


# ---- What clips are judged by anew, under thresholds of the reader ----


def _judged(board: SuiteBoard) -> dict[str, Any]:
    """By model, the clips of every run that is ranked by how many can be used; as JSON values."""
    return {
        row.result.model: _judged_clips(row.result, row.usable)
        for group in board.groups
        if group.ranked_by == USABLE
        for row in group.complete
        if row.usable
    }


def _judged_clips(result: Result, share: Yield) -> dict[str, Any]:
    """Prompt by prompt, seed by seed: what thresholds are held against, in whole steps.

    All are null of a clip that no threshold makes usable.
    """
    clips = sorted(result.clips, key=lambda clip: clip.sample)
    fixed: Criteria = {
        name: (lambda _: True) if name in THRESHOLDS else will_do
        for name, will_do in criteria_of(result).items()
        if name in share.criteria
    }
    can_be_usable = [is_usable(clip, fixed) for clip in clips]
    successes = result.successes
    steps = {
        name: [
            threshold.steps(clip.scores[name] or 0.0) if counts else None
            for clip, counts in zip(clips, can_be_usable, strict=True)
        ]
        for name, threshold in THRESHOLDS.items()
        if name in fixed or not successes
    }
    lengths_s = sorted({round(clip.video_s, 4) for clip in successes})
    cost = share.cost
    hidden = most_when_none(share.share.n)
    return {
        "seeds": len(result.expected.seeds),
        "steps": steps,
        "video_s": (
            lengths_s[0] if len(lengths_s) == 1 else [round(clip.video_s, 4) for clip in clips]
        ),
        "unit": cost.unit if cost else "",
        "cost": cost and float(f"{cost.per_clip * len(clips):.6g}"),
        # What a usable second costs at least, should none be left.
        "cost_at_least": cost
        and float(f"{cost.per_video_s * len(successes) / len(clips) / hidden:.6g}"),
    }


# ---- What the player is given: whose clips of which prompts there are, scores and curves ----


def _player(
    board: SuiteBoard, galleries: Mapping[tuple[str, str], Gallery]
) -> dict[str, Any] | None:
    """What the script of the page needs to play a suite's clips, as JSON values.

    The draws, the models, and for each model its clips in the order of the draws; None if no clip
    can be played.
    """
    previews = {
        result.model: {clip.sample: clip for clip in gallery.clips}
        for result in board.results
        if (gallery := galleries.get((board.suite, result.model))) and gallery.clips
    }
    if not any(clip.source for own in previews.values() for clip in own.values()):
        return None
    results = [result for result in board.ranked if result.model in previews]
    available = {draw for own in previews.values() for draw in own}
    texts = {clip.sample: clip.file for result in results for clip in result.clips if clip.file}
    texts |= {draw: c.text for own in previews.values() for draw, c in own.items() if c.text}
    categories = prompt_categories(board.results)
    orders = (draw for result in results for draw in draw_order(result, categories))
    draws = list(dict.fromkeys(draw for draw in orders if draw in available))
    units = {name: metric.unit for result in results for name, metric in result.metrics.items()}
    names = {name for own in previews.values() for clip in own.values() for name in clip.curves}
    axes: dict[tuple[float, ...], int] = {}  # most clips share them
    return {
        "name": board.suite,
        "noun": "File" if board.footage else "Prompt",
        "seeds": len({draw.seed for draw in draws}),
        "note": _note(board, len(draws)),
        "draws": [
            {
                "prompt": visible(draw.prompt_id),
                "seed": draw.seed,
                "text": visible(texts.get(draw, "")),
                "category": visible(categories.get(draw.prompt_id, "")),
            }
            for draw in draws
        ],
        "models": [
            {"name": result.model, "label": visible(board.labels[result.model])}
            for result in results
        ],
        "curves": [
            {
                "name": visible(name),
                "title": _CURVES.get(name, visible(name)),
                "unit": visible(units.get(name, "")),
            }
            for name in [*(name for name in _CURVES if name in names), *sorted(names - {*_CURVES})]
        ],
        "clips": [_clips(result, previews[result.model], draws, axes) for result in results],
        "axes": list(axes),
    }


def _clips(
    result: Result,
    previews: Mapping[Sample, GalleryClip],
    draws: Sequence[Sample],
    axes: dict[tuple[float, ...], int],
) -> list[dict[str, Any] | None]:
    """A model's clip of every draw; None where there is none and no reason."""
    clips = {clip.sample: clip for clip in result.clips}
    return [
        _clip(clips[draw], previews.get(draw), axes) if draw in clips else None for draw in draws
    ]


def _clip(
    clip: ClipResult, preview: GalleryClip | None, axes: dict[tuple[float, ...], int]
) -> dict[str, Any]:
    """The axes grow by those of the clip's curves that they lack."""
    curves = {name: _thin(curve) for name, curve in preview.curves.items()} if preview else {}
    return {
        "source": preview.source if preview else None,
        "why": visible(failure(clip)) if clip.status != "ok" else "this clip is not published",
        "sha256": clip.frames_sha256,
        "fps": clip.fps,
        "seconds": clip.video_s,
        "values": [
            (visible(name).removeprefix(f"{HEADLINE}_").replace("_", " "), number(value))
            for name in (HEADLINE, *_VALUES)
            if (value := clip.scores.get(name)) is not None
        ],
        "curves": {
            visible(name): {
                "axis": axes.setdefault(curve.at_s, len(axes)),
                "values": curve.values,
            }
            for name, curve in curves.items()
        },
    }


def _thin(curve: Curve) -> Curve:
    """At most so many points: of neighbours the one that stands out most, so that peaks stay."""
    size = math.ceil(len(curve.values) / _MOST_POINTS)
    values = [value for value in curve.values if value is not None]
    if size <= 1 or not values:
        return curve
    middle = median(values)
    places = range(0, len(curve.values), size)
    parts = [[v for v in curve.values[at : at + size] if v is not None] for at in places]
    return Curve(
        at_s=curve.at_s[::size],
        values=tuple(
            max(part, key=lambda value: abs(value - middle)) if part else None for part in parts
        ),
    )


def _note(board: SuiteBoard, draws: int) -> str:
    delivered = {clip.sample for result in board.results for clip in result.clips if clip.frames}
    if draws >= len(delivered):
        return ""
    what = "files" if board.footage else "draws, taken evenly over the categories"
    return (
        f"{draws} of {len(delivered)} {what}, so that a leaderboard stays small; all of them lie "
        "in the folders of the runs."
    )
