"""Figures: what they draw, that names cannot break them, and that labels never collide."""

import itertools
import xml.etree.ElementTree as ET
from pathlib import Path

import fake_results as fake
import numpy as np
import pytest

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import SuiteBoard, boards
from bench.leaderboard.render.figures import (
    INK,
    Box,
    Point,
    figures,
    front,
    lag_curves,
    pareto,
    place,
)
from bench.leaderboard.render.gallery import Curve

METRICS = {
    name: {"unit": "points", "better": "higher", "version": 1, "fingerprint": "c"}
    for name in ("coherence", "lost_flicker")
}
HOSTILE = ["<script>alert(1)</script>", 'a "b" & $x_1$', "\u202eevil\x00 left", "通义万相 مولد"]


def point(label: str, x: float, y: float) -> Point:
    return Point(label, (x * 0.9, x, x * 1.2), (y - 1, y, y + 1))


def board(tmp_path: Path, *levels: float, **changes: object) -> SuiteBoard:
    results = []
    for number, level in enumerate(levels):
        content = fake.result(
            f"m{number}",
            score=lambda prompt, _, level=level: dict.fromkeys(METRICS, level + prompt % 5),
            metrics=METRICS,
            **changes,
        )
        for clip in content["clips"]:
            clip["latency_s"] = 1 + number
        results.append(load(fake.write(content, tmp_path)))
    (found,) = boards(results)
    return found


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter() if
            element.tag.endswith("}text")]  # fmt: skip


def test_nobody_on_the_front_is_slower_and_worse_than_another() -> None:
    points = [point("a", 1, 50), point("b", 2, 40), point("c", 3, 60), point("d", 3, 55)]
    assert [found.label for found in front(points)] == ["a", "c"]
    assert [found.label for found in front([point("none", 0.5, 0), *points])] == ["a", "c"]


def test_figures_of_a_suite(tmp_path: Path) -> None:
    lags = {
        "m0": {
            "lpips_lag": Curve(
                at_s=(0.25, 0.5), values=(0.1, None), low=(0.1, None), high=(0.2, None)
            )
        }
    }
    lags["m1"] = lags["m0"]
    drawn = {figure.name: figure.draw() for figure in figures(board(tmp_path, 60, 70), lags)}
    assert list(drawn) == ["pareto-cpu-some-cpu", "parts", "lag"]
    assert {"m0", "m1", "toy, CPU, Some CPU"} <= set(texts(drawn["pareto-cpu-some-cpu"]))
    assert {"coherence", "lost flicker", "m0", "m1"} <= set(texts(drawn["parts"]))
    assert "lpips lag" in texts(drawn["lag"])


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    found = board(tmp_path, 60, 70, 80)
    one, two = ([figure.draw() for figure in figures(found, {})] for _ in range(2))
    assert one == two
    assert b"<dc:date>" not in one[0]


def test_one_model_alone_compares_with_nothing(tmp_path: Path) -> None:
    assert list(figures(board(tmp_path, 60), {})) == []


def test_models_that_nobody_timed_have_no_pareto_front(tmp_path: Path) -> None:
    assert [figure.name for figure in figures(board(tmp_path, 60, 70, measured=False), {})] == [
        "parts"
    ]


def test_names_are_text_whatever_they_hold() -> None:
    svg = pareto(
        [point(name, 1 + n, 50 + 9 * n) for n, name in enumerate(HOSTILE)], "", "coherence"
    )
    shown = texts(svg)
    assert {HOSTILE[0], HOSTILE[1], "[U+202E]evil[U+0000] left", HOSTILE[3]} <= set(shown)
    assert b"<script" not in svg


def test_inks_read_on_white_and_on_black() -> None:
    def light(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ground in ("#ffffff", "#0d1117"):
        dark, bright = sorted((light(INK), light(ground)))
        assert (bright + 0.05) / (dark + 0.05) > 4


@pytest.mark.parametrize("count", [3, 20, 60])
def test_labels_cover_neither_each_other_nor_a_point(count: int) -> None:
    rng = np.random.default_rng(count)
    points = [(float(x), float(y)) for x, y in rng.uniform(40, 560, (count, 2))]
    area = Box(0, 0, 600, 600)
    boxes = place(points, [(60.0, 10.0)] * count, area)
    placed = [box for box in boxes if box is not None]
    assert len(placed) >= min(count, 30)
    assert all(box.within(area) for box in placed)
    assert not any(a.overlap(b) for a, b in itertools.combinations(placed, 2))
    assert not any(b.left < x < b.right and b.bottom < y < b.top for x, y in points for b in placed)


def test_a_label_is_nearest_to_its_own_point_or_joined_to_it() -> None:
    points = [(300.0, 300.0), (306.0, 300.0), (240.0, 300.0), (480.0, 100.0)]
    boxes = place(points, [(60.0, 10.0)] * 4, Box(0, 0, 600, 600))
    for point, box in zip(points, boxes, strict=True):
        assert box is not None
        others = min(box.distance(other) for other in points if other != point)
        assert others > box.distance(point) or box.distance(point) > 16.5


def test_labels_for_which_there_is_no_room_are_counted() -> None:
    svg = pareto(
        [point(f"model {n}", 1 + n / 1e4, 50 + n / 1e4) for n in range(60)], "", "coherence"
    )
    (line,) = [text for text in texts(svg) if "left out" in text]
    assert int(line.split()[0]) + sum(t.startswith("model ") for t in texts(svg)) == 60


def test_models_beyond_the_colours_stay_in_the_background() -> None:
    curve = Curve(at_s=(0.25, 0.5, 1.0), values=(0.1, 0.2, 0.3))
    svg = lag_curves(
        {f"model {n:02d}": {"lpips_lag": curve} for n in range(20)}, {"lpips_lag": "lag"}
    )
    assert sum(text.startswith("model") for text in texts(svg)) == 8


def test_a_bound_that_is_a_rounding_within_the_mean_is_drawn() -> None:
    alike = Point("alike", (1, 1, 1), (0.1 + 0.2, 0.3, 0.3))
    assert {"alike", "other"} <= set(
        texts(pareto([alike, point("other", 2, 60)], "toy", "coherence"))
    )
