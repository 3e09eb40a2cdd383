"""The leaderboard page: a golden file, determinism, escaping, and what must never share a table."""

import html
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import fake_results as fake
import pytest
from fake_results import Content, Score
from markdown_it import MarkdownIt

from bench.leaderboard.data.files import load
from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.markdown import Picture, escape, render

GOLDEN = Path(__file__).parents[1] / "golden" / "leaderboard.md"
METRICS = fake.COHERENCE | fake.METRICS


def suite_scores(level: float) -> Score:
    return lambda prompt, seed: {
        "coherence": level + prompt % 5 + seed,
        "flicker": (100 - level + prompt % 3) / 2e4,
        "identity": 0.9 + level / 1000,
    }


def small_leaderboard() -> list[Content]:
    """Two suites that hold one of everything the page can show."""
    steady = fake.result("steady", score=suite_scores(90), seeds=(0, 1), metrics=METRICS)
    steady["card"] = {"title": "Steady 1.0", "licence": "MIT", "parameters": "2B"}
    steady["card"] |= {"open_weights": True, "max_seconds": 5}
    steady["hardware"] = {"price_per_gpu_hour": 2.49, "currency": "EUR", "gpus": 2}
    shaky = fake.result("shaky", score=suite_scores(60), seeds=(0, 1), metrics=METRICS)
    shaky["card"] |= {"base": "steady"}
    shaky["clips"][0] = fake.failed("p00", 0, "oom", "out of memory | asked 12 GiB\nat step 3")
    shaky["clips"][7]["scores"]["identity"] = None
    shaky["clips"][7]["unscored"]["identity"] = "no subject in frame 0"
    half = fake.result("half", score=suite_scores(75), seeds=(0, 1), metrics=METRICS)
    del half["clips"][11:]
    for clip in half["clips"]:
        clip |= {
            "device": "NVIDIA H200",
            "latency_s": 20.0,
            "energy_j": 9000.0,
            "peak_memory_allocated_bytes": 12 * 2**30,
            "peak_memory_reserved_bytes": 15 * 2**30,
        }
    other = fake.result(
        "other",
        score=suite_scores(80),
        seeds=(0, 1),
        metrics=METRICS | {"flicker": METRICS["flicker"] | {"fingerprint": "f2"}},
    )
    lossy = fake.result("closed", score=suite_scores(85), seeds=(0, 1), metrics=METRICS)
    lossy |= {"measured": False, "card": {"title": "Closed", "declared_s_per_video_s": 12}}
    for number, clip in enumerate(lossy["clips"]):
        clip |= {"lossy": True, "latency_s": None}
        clip["account"] = fake.account("declared", price_usd=0.25 + 0.1 * (number % 2))
    random = fake.result("random", metrics={}, weights="random", seeds=(0, 1))
    files = fake.result(
        "folder",
        [
            fake.clip("bikes.mp4", lossy=True, latency_s=None, scores={"flicker": 0.0123}),
            fake.clip(
                "a|b.mp4",
                frames=2,
                lossy=True,
                latency_s=None,
                scores={"flicker": None},
                unscored={"flicker": "2 frames, needs 9"},
            ),
        ],
        metrics={"flicker": METRICS["flicker"]},
    )
    files |= {
        "suite": "files",
        "measured": False,
        "prompts": {"name": None, "count": 2, "sha256": None},
        "expected": {"prompts": ["bikes.mp4", "a|b.mp4"], "seeds": [0]},
    }
    everything = [steady, shaky, half, other, lossy, random]
    for clip in itertools.chain.from_iterable(content["clips"] for content in everything):
        clip["category"] = "people" if clip["prompt"] < "p15" else "motion"
    return [*everything, files]


def page_of(contents: Iterable[Content], tmp_path: Path) -> str:
    return render(boards([load(fake.write(content, tmp_path)) for content in contents]))


def tables_of(page: str) -> list[list[list[str]]]:
    """Every table as rows of raw cells, split where markdown splits them."""
    blocks = [block for block in page.split("\n\n") if block.startswith("|")]
    return [
        [re.split(r" (?<!\\)\| ", line[2:-2]) for line in block.splitlines()] for block in blocks
    ]


def test_page_equals_the_golden_file(tmp_path: Path) -> None:
    page = page_of(small_leaderboard(), tmp_path)
    written = tmp_path / "leaderboard.md"
    written.write_text(page, "utf-8")
    assert page == GOLDEN.read_text("utf-8"), f"read {written}; if it is right, copy it to {GOLDEN}"


def test_page_points_to_the_metrics_own_health_where_there_is_such_a_page(tmp_path: Path) -> None:
    results = [load(fake.write(content, tmp_path)) for content in small_leaderboard()]
    assert "[health.md](health.md)" in render(boards(results), trust=["health.md"])
    assert "health" not in render(boards(results))


def test_yield_and_cost_are_explained_once(tmp_path: Path) -> None:
    page = page_of(small_leaderboard(), tmp_path)
    assert page.count("### Yield and cost") == 3
    assert page.count("Generation is a lottery") == 1


def test_a_reason_is_said_once_for_all_that_it_holds_for(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        content = fake.result(
            name, score=lambda *_: {"coherence": 90.0}, metrics=fake.COHERENCE | fake.METRICS
        )
        content["measured"] = False
        for clip in content["clips"]:
            clip |= {"latency_s": None, "unscored": dict.fromkeys(fake.METRICS, "it is dark")}
        contents.append(content)
    page = page_of(contents, tmp_path)
    for name in ("a", "b"):
        assert f"| {name} | flicker, identity | 24 | it is dark |" in page
    assert page.count("it is dark") == 2
    assert page.count("Without a cost: a, b (no clip was timed here).") == 1


def test_all_but_the_first_tables_of_a_suite_are_folded(tmp_path: Path) -> None:
    page = page_of(small_leaderboard(), tmp_path)
    folds = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    scores, speed, origin = folds[:3]
    assert len(folds) == page.count("<details>") == 6, "three, two of footage, all metrics"
    assert "flicker ↓ |" in scores
    assert "### Metrics of one's own" in scores
    assert "### Speed on" in speed
    assert "### Yield and cost" in speed
    assert "### Failed clips" in origin
    assert "### Provenance" in origin
    assert all("### Headline" not in fold for fold in folds)
    seen = re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)
    assert seen.count("| rank | model |") == 3


def test_a_suite_begins_with_the_sentence_and_the_table(tmp_path: Path) -> None:
    contents = small_leaderboard()[:2]
    pictures = {"toy": [Picture("figures/m.png", "x")]}
    results = [load(fake.write(content, tmp_path)) for content in contents]
    _, suite = render(boards(results), pictures).split("## Toy models, each with a fault")
    order = [suite.index(what) for what in ("**Steady 1.0 leads", "| rank |", "![x]", "<details>")]
    assert order == sorted(order)


def test_page_does_not_depend_on_the_order_of_results_or_clips(tmp_path: Path) -> None:
    contents = small_leaderboard()
    page = page_of(contents, tmp_path)
    for content in contents:
        content["clips"].reverse()
        content["metrics"] = dict(reversed(content["metrics"].items()))
    assert page_of(reversed(contents), tmp_path) == page


def test_every_row_has_as_many_cells_as_its_header(tmp_path: Path) -> None:
    for table in tables_of(page_of(small_leaderboard(), tmp_path)):
        assert len({len(row) for row in table}) == 1


def test_no_value_is_ever_nan(tmp_path: Path) -> None:
    contents = small_leaderboard()
    for clip in contents[0]["clips"]:
        clip["scores"] = dict.fromkeys(clip["scores"])
    page = page_of(contents, tmp_path)
    assert "nan" not in re.split(r"\W", page.lower())
    assert "None" not in page


def test_a_model_without_a_metric_shows_a_dash(tmp_path: Path) -> None:
    contents = [
        fake.result(name, score=lambda *_, value=value: {"flicker": 0.5, "identity": value})
        for name, value in (("m", None), ("n", 0.9))
    ]
    table = tables_of(page_of(contents, tmp_path))[0]
    shown = dict(zip(table[0], table[2], strict=True))
    assert list(shown)[:3] == ["model", "flicker ↓", "identity ↑"]
    assert (shown["flicker ↓"], shown["identity ↑"]) == ("**0.500 ±0**", "-")


def test_many_failures_are_capped_and_counted(tmp_path: Path) -> None:
    content = fake.result("m", [fake.failed(f"p{n:02d}") for n in range(24)])
    content["clips"][23] = fake.clip("p23", scores={"flicker": 0.1, "identity": 0.9})
    page = page_of([content], tmp_path)
    assert page.count("| m | p") == 20
    assert "and 3 more" in page


def test_that_files_have_no_prompt_is_no_lack_of_a_score(tmp_path: Path) -> None:
    why = {"adherence": "no prompt", "flicker": "1 frame, needs at least 2"}
    clips = [fake.clip("p00", scores={"adherence": None, "flicker": None}, unscored=why)]
    metrics = METRICS | {"adherence": METRICS["identity"]}
    content = fake.result("m", clips, prompts=1, metrics=metrics)
    page = page_of([content | {"prompts": {"name": None, "count": 1, "sha256": None}}], tmp_path)
    assert "| m | flicker | 1 | 1 frame, needs at least 2 |" in page
    assert "no prompt" not in page
    assert "Files without prompts, hence no adherence." in page


def test_a_metric_of_ones_own_is_said_to_be_one(tmp_path: Path) -> None:
    metrics = {"worst_step": METRICS["flicker"], "flicker": METRICS["flicker"]}
    score = {"worst_step": 0.2, "flicker": 0.1}
    content = fake.result("m", score=lambda *_: score, metrics=metrics)
    says = {"worst_step": "The largest step.", "flicker": "Another thing."}
    for measures, said in (
        ({}, "A metric of one's own: its function says what it measures"),
        ({"measures": says}, "The largest step"),
    ):
        page = page_of([content | measures], tmp_path)
        (row,) = [line for line in page.splitlines() if line.startswith("| worst_step |")]
        assert row.endswith(f"| lower | {said} |")
        assert "Another thing" not in page


def test_a_model_that_failed_on_every_clip_is_still_named(tmp_path: Path) -> None:
    content = fake.result("m", [fake.failed(f"p{n:02d}") for n in range(24)], metrics={})
    page = page_of([content], tmp_path)
    assert "m has no scores: no clip of it was scored." in page
    assert "and 4 more" in page


def test_many_metrics_are_split_into_tables_that_can_be_read(tmp_path: Path) -> None:
    names = [f"m{n:02d}" for n in range(20)]
    metrics = dict.fromkeys(names, METRICS["identity"])
    content = fake.result("m", score=lambda *_: dict.fromkeys(names, 0.5), metrics=metrics)
    tables = [t for t in tables_of(page_of([content], tmp_path)) if "±" in str(t)]
    shown = [cell.split()[0] for table in tables for cell in table[0] if re.match(r"m\d\d", cell)]
    assert shown == names
    assert max(len(table[0]) for table in tables) <= 12


HOSTILE = "a|b `c` <img src=x> *d* [e](f) _g_ ~h~ $i$ &lt; \\ \n# j\u202e\x1b[31m"


@pytest.mark.parametrize("place", ["title", "licence", "error", "reason", "prompt", "unit"])
def test_text_from_elsewhere_is_escaped(place: str, tmp_path: Path) -> None:
    content = fake.result("m", score=lambda *_: {"flicker": 0.1, "identity": 0.9})
    if place in ("title", "licence"):
        content["card"][place] = HOSTILE
    elif place == "error":
        content["clips"][0] = fake.failed("p00", error=HOSTILE)
    elif place == "reason":
        content["clips"][0] |= {"scores": {"flicker": 0.1}, "unscored": {"identity": HOSTILE}}
    elif place == "prompt":
        content["expected"]["prompts"][0] = HOSTILE
        content["clips"][0] = fake.failed(HOSTILE)
    else:
        content["metrics"] = content["metrics"] | {
            "identity": content["metrics"]["identity"] | {"unit": HOSTILE}
        }
    page = page_of([content], tmp_path)
    assert escape(HOSTILE) in page
    bare = re.sub(r"\\.", "", page)  # what markdown could still read as its own
    for raw in ("a|b", "`c`", "<img", "*d*", "[e]", " _g_", "~h~", "$i$", "&lt;", "\n# j"):
        assert raw not in bare
    assert all(c.isprintable() or c == "\n" for c in page)


def test_a_markdown_reader_shows_escaped_text_as_it_stands() -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = reader.render(f"| head |\n| --- |\n| {escape(HOSTILE)} |\n")
    cell = re.search("<td>(.*)</td>", page)
    assert cell is not None
    assert html.unescape(cell[1]) == "a|b `c` <img src=x> *d* [e](f) _g_ ~h~ $i$ &lt; \\ # j [31m"
    assert "<" not in cell[1]


def test_an_address_is_no_link() -> None:
    for text, escaped in {
        "see https://a.b/c": r"see https:\//a.b/c",
        "www.a.b, WWW.a.b": r"www\.a.b, WWW\.a.b",
        "a//b: c.d": "a//b: c.d",
    }.items():
        assert escape(text) == escaped
        assert MarkdownIt("commonmark").render(escaped) == f"<p>{text}</p>\n"


def test_escape_leaves_names_with_underscores_readable() -> None:
    assert escape("wan2_1_1_3b") == "wan2_1_1_3b"
    assert escape("_a_ b_") == r"\_a\_ b\_"
    assert escape("a\n\tb") == "a b"


def test_text_without_a_headline_does_not_speak_of_ranks(tmp_path: Path) -> None:
    page = page_of([fake.result("m", score=lambda *_: {"flicker": 0.1})], tmp_path)
    assert "rank" not in page
    assert "coherence" not in page


def test_every_subset_of_results_renders(tmp_path: Path) -> None:
    contents = small_leaderboard()
    for subset in itertools.combinations(contents, 2):
        page = page_of(subset, tmp_path)
        assert page.endswith("files in `results/`.\n")


def test_pictures_stand_first_and_contact_sheets_are_folded_away(tmp_path: Path) -> None:
    path = fake.write(fake.result("wan"), tmp_path)
    shown = [Picture("figures/a b.png", "Frames [of] toy"), Picture("figures/m.png", "x", "wan")]
    page = render(boards([load(path)]), {"toy": shown})
    assert "![Frames \\[of\\] toy](figures/a%20b.png)" in page
    folded = page[page.index("<details>") : page.index("</details>")]
    assert "![x](figures/m.png)" in folded
    assert "a%20b" not in folded
