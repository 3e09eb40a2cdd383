"""The leaderboard as one static page: tables, figures, and clips that play side by side.

Everything but the clips and the contact sheets stands in the file itself, which therefore works
from any static host and from a disk. What it shows comes from elsewhere, prompts, names and error
messages, and is treated as text: escaped by the template, made visible where a character would
act, and kept from loading or running anything by the page's own policy.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.leaderboard.data.rows import HEADLINE, SuiteBoard
from bench.leaderboard.render.clips import Shelf
from bench.leaderboard.render.drawing import INK
from bench.leaderboard.render.markdown import INTRO, RANKS
from bench.leaderboard.render.pictures import Picture
from bench.leaderboard.render.player import player
from bench.leaderboard.tables.table import Cell, Table
from bench.leaderboard.tables.tables import tables, without_scores
from bench.leaderboard.tables.words import visible
from bench.schema import Result

MARK = '<meta name="generator" content="steadybench">'
"""What every page holds near its beginning; a file without it is somebody else's."""

_WEB = Path(__file__).parent / "web"
_NAMES = ("model", "system", "name", "file")


@dataclass(frozen=True)
class Beside:
    """What a leaderboard's folder holds beside its results.

    Attributes:
        shelves: suite and model to the clips that are kept.
        pictures: suite to its pictures, their addresses relative to the page.
        into: the folder.
    """

    shelves: Mapping[tuple[str, str], Shelf]
    pictures: Mapping[str, Sequence[Picture]]
    into: Path


def page(suites: Sequence[SuiteBoard], beside: Beside, headline: str = HEADLINE) -> str:
    """The page.

    Args:
        suites: what is on it.
        beside: clips and pictures.
        headline: metric that orders and ranks the rows, where a suite has it.

    Returns:
        HTML, the same bytes for the same suites, clips and pictures.
    """
    environment = Environment(
        loader=FileSystemLoader(_WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    script = (_WEB / "page.js").read_text("utf-8")
    players: list[dict[str, Any]] = []
    shown = []
    for board in suites:
        shown.append(_suite(board, beside, headline) | {"player": None})
        if clips := player(board, beside.shelves, headline):
            shown[-1]["player"] = len(players)
            players.append(clips)
    cards = [result.card for board in suites for result in board.results]
    ranked = any(headline in group.metrics for board in suites for group in board.groups)
    return environment.get_template("page.html.j2").render(
        policy=_policy(script),
        css=Markup((_WEB / "page.css").read_text("utf-8")),
        intro=_intro(headline, ranked=ranked),
        suites=shown,
        licences=sorted({visible(card.licence) for card in cards if card.licence}),
        any_open=any(card.open_weights for card in cards),
        data=Markup(_embedded(players)),
        script=Markup(script),
    )


def _policy(script: str) -> str:
    """No network, and no script but the page's own; clips and sheets from beside it."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "media-src 'self' file:; img-src 'self' file: data:; base-uri 'none'; form-action 'none'"
    )


def _embedded(value: object) -> str:
    r"""JSON that may stand inside of a script element.

    Nothing but ASCII, so that no line separator and no control of direction is left, and no `<`,
    with which `</script>` and `<!--` begin.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _intro(headline: str, *, ranked: bool) -> list[str]:
    told = INTRO.split("\n\n", 1)[1] + ("\n" + RANKS.format(headline=headline) if ranked else "")
    plain = told.replace("**", "").replace("*", "")
    return [" ".join(paragraph.split()) for paragraph in plain.split("\n\n") if paragraph.strip()]


def _suite(board: SuiteBoard, beside: Beside, headline: str) -> dict[str, Any]:
    pictures = beside.pictures.get(board.suite, ())
    return {
        "name": board.suite,
        "lines": without_scores(board),
        "tables": [_table(table, board) for table in tables(board, headline)],
        "figures": [
            {
                "svg": _inline(beside.into / picture.path),
                "caption": picture.alt,
                "wide": "/parts" in picture.path,
            }
            for picture in pictures
            if picture.path.endswith(".svg")
        ],
        "sheets": [
            {"source": picture.path, "label": board.labels[picture.model]}
            for picture in pictures
            if picture.model in board.labels
        ],
    }


def _inline(path: Path) -> Markup:
    """A figure as an element of the page, in the page's own ink; nothing that follows it."""
    svg, end, _ = path.read_text("utf-8").partition("</svg>")
    return Markup((svg[svg.index("<svg") :] + end).replace(INK, "currentColor") + "\n")


def _table(table: Table, board: SuiteBoard) -> dict[str, Any]:
    name = next((n for n, column in enumerate(table.columns) if column.name in _NAMES), None)
    kinds = [
        ("text" if column.text else "num") + (" name" if number_ == name else "")
        for number_, column in enumerate(table.columns)
    ]
    firsts = [
        "ascending" if column.text or column.name.endswith("↓") or column.name == "rank"
        else "descending"
        for column in table.columns
    ]  # fmt: skip
    rows = []
    for row in table.rows:
        result = _model(row, board)
        is_open = None if result is None else result.card.open_weights
        rows.append(
            {
                "open": {True: "yes", False: "no", None: ""}[is_open],
                "licence": (result.card.licence if result else None) or "",
                "cells": [
                    {
                        "kind": kind,
                        "text": cell.text,
                        "strong": cell.strong,
                        "number": None if column.text else cell.number,
                    }
                    for cell, kind, column in zip(row, kinds, table.columns, strict=True)
                ],
            }
        )
    return {
        "title": table.title,
        "open": table.summary,
        "above": table.above,
        "below": (*table.units, *table.below),
        "columns": [
            {"name": column.name, "kind": kind, "first": first}
            for column, kind, first in zip(table.columns, kinds, firsts, strict=True)
        ],
        "rows": rows,
    }


def _model(row: Sequence[Cell], board: SuiteBoard) -> Result | None:
    """The result that a row is about: the one whose label a cell holds, or holds with a remark."""
    for cell in row:
        fits = [
            result
            for result in board.results
            if cell.text == (label := board.labels[result.model])
            or cell.text.startswith(f"{label} (")
        ]
        if fits:
            return max(fits, key=lambda result: len(board.labels[result.model]))
    return None
