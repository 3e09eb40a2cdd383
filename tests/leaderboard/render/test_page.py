"""The static page: what stands on it, and that nothing on it acts but its own script."""

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import fake_results as fake
import fake_runs
import pytest

from bench.errors import BenchError
from bench.leaderboard.publish import publish
from bench.leaderboard.tables.table import Cell, Column, tabulate, visible
from bench.storage import PACKAGE

HOSTILE = [
    "</script><script>alert(1)</script><!--",
    '" onload="alert(1)" x=\'',
    "{{ 7 * 7 }} {% raw %}",
    "\u202egpj.exe\u2066 \u2028 \x07",
    "<img src=http://example.com/x.png onerror=alert(1)>",
]


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

        self.in_script = tag == "script"

    def handle_endtag(self, _tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts[-1] += data
        else:
            self.text.append(data)


def parsed(folder: Path) -> Elements:
    elements = Elements()
    elements.feed((folder / "index.html").read_text("utf-8"))
    return elements


def scored(level: float) -> fake.Score:
    return lambda prompt, _: {"coherence": level + prompt % 5, "flicker": 0.1, "identity": 0.9}


def made(model: str, level: float, **card: object) -> fake.Content:
    content = fake.result(model, score=scored(level), metrics=fake.COHERENCE | fake.METRICS)
    content["card"] = {"title": None, "licence": "MIT"} | card
    return content


@pytest.fixture(scope="module")
def hostile_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard on which every text tries to be more than text."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = []
    for number, text in enumerate(HOSTILE):
        content = made(f"m{number}", 50 + number, title=text, licence=text)
        content["clips"][5] = fake.failed("p05", error=text)
        for clip in content["clips"]:
            clip["category"] = HOSTILE[int(clip["prompt"][1:]) % len(HOSTILE)]
        paths.append(fake_runs.write(content, folder / "outputs", made=1, text=text))
    board = folder / "board"
    publish(paths, board)
    return board


def test_whatever_names_and_prompts_hold_is_shown_and_nothing_else(hostile_board: Path) -> None:
    page = (hostile_board / "index.html").read_text("utf-8")
    elements = parsed(hostile_board)
    scripts = [attributes for tag, attributes in elements.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    assert not any(key.startswith("on") for _, attributes in elements.tags for key in attributes)
    assert {tag for tag, _ in elements.tags} <= {
        *(
            "html",
            "head",
            "meta",
            "link",
            "title",
            "style",
            "body",
            "header",
            "h1",
            "p",
            "a",
            "form",
            "label",
        ),
        *("span", "input", "select", "option", "output", "main", "section", "h2", "h3", "bdi"),
        *("div", "table", "thead", "tr", "th", "button", "tbody", "td", "strong", "figure"),
        *("figcaption", "noscript", "code", "details", "summary", "img", "footer", "script"),
        *(
            "video",
            "svg",
            "defs",
            "g",
            "path",
            "rect",
            "text",
            "use",
            "clippath",
            "metadata",
            "tspan",
        ),
        *("rdf:rdf", "cc:work", "dc:type", "dc:format", "dc:title"),
    }
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\x07]", page)
    cells = "".join(elements.text)
    for text in HOSTILE:
        assert visible(text) in cells


def test_what_the_script_reads_is_what_was_published(hostile_board: Path) -> None:
    (player,) = json.loads(parsed(hostile_board).scripts[0])["players"]
    assert [draw["text"] for draw in player["draws"]] == [visible(HOSTILE[-1])]
    assert [m["label"] for m in player["models"]] == [visible(t) for t in reversed(HOSTILE)]
    clip = player["clips"][-1][0]
    assert clip["source"] == "clips/toy/m0/p00/0.mp4"
    assert clip["values"] == [["coherence", "50"]]
    assert clip["curves"]["adherence"]["values"][0] == 90
    assert player["note"].startswith("1 of 23 draws"), "one was not made"


def test_clips_of_a_folder_are_chosen_by_file_and_not_by_prompt(tmp_path: Path) -> None:
    footage = {"prompts": {"name": None, "count": 24, "sha256": None}, "suite": "files"}
    paths = [
        fake_runs.write(content, tmp_path, made=1)
        for content in (made("a", 50), made("b", 50) | footage)
    ]
    publish(paths, tmp_path / "board")
    players = json.loads(parsed(tmp_path / "board").scripts[0])["players"]
    assert {each["name"]: each["noun"] for each in players} == {"toy": "Prompt", "files": "File"}


def test_the_first_screen_has_the_answer_of_each_suite(tmp_path: Path) -> None:
    paths = [
        fake.write(made(model, level) | {"suite": suite}, tmp_path)
        for suite in ("one", "two")
        for model, level in (("a", 50), ("b", 80))
    ]
    publish(paths, tmp_path / "board")
    page = (tmp_path / "board" / "index.html").read_text("utf-8")
    links = page[page.index("<nav") : page.index("</nav>")]
    assert links.count("<span>b leads: coherence 81.92 ±0.54.</span>") == 2


def test_the_policy_lets_run_the_pages_own_script_alone(hostile_board: Path) -> None:
    elements = parsed(hostile_board)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in elements.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(elements.scripts[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


JUDGED = (79.999, 80.0, 80.5, 0.0, 100.0), (-0.04, 0.0, 0.04, 0.1, 3.25)


def test_no_threshold_takes_a_clip_in_or_out_that_its_values_would_not(tmp_path: Path) -> None:
    metrics = fake.COHERENCE | {
        "adherence_margin": fake.METRICS["identity"],
        "cuts_unrequested": fake.METRICS["flicker"],
    }

    def score(prompt: int, _: int) -> dict[str, float | None]:
        coherence, margin = (values[prompt // (5**at) % 5] for at, values in enumerate(JUDGED))
        return {"coherence": coherence, "adherence_margin": margin, "cuts_unrequested": prompt % 2}

    content = fake.result("a", score=score, metrics=metrics, prompts=25)
    content["clips"][7] = fake.failed("p07")
    content["clips"][8]["scores"]["adherence_margin"] = None
    publish([fake.write(content, tmp_path)], tmp_path / "board")
    clips = json.loads(parsed(tmp_path / "board").scripts[0])["judged"]["toy"]["a"]
    steps = clips["steps"]
    assert {values[at] for values in steps.values() for at in (7, 8)} == {None}
    assert clips["video_s"] == 2.0
    others = [at for at in range(25) if at not in (7, 8)]
    for threshold in range(101):
        passing = [at for at in others if score(at, 0)["coherence"] >= threshold]
        assert [at for at in others if steps["coherence"][at] >= threshold] == passing
    for threshold in range(-200, 1001):
        passing = [at for at in others if 10 * score(at, 0)["adherence_margin"] > threshold]
        assert [at for at in others if steps["adherence_margin"][at] > threshold] == passing
    assert [steps["cuts_unrequested"][at] for at in others] == [at % 2 for at in others]


def test_a_board_that_nothing_is_judged_on_has_no_thresholds(tmp_path: Path) -> None:
    publish([fake.write(fake.result("a"), tmp_path)], tmp_path / "board")
    elements = parsed(tmp_path / "board")
    assert not any(
        attributes.get("id") in ("thresholds", "legend") for _, attributes in elements.tags
    )


def test_every_column_says_what_it_means(hostile_board: Path) -> None:
    for board in (hostile_board, PACKAGE.parent / "leaderboard"):
        tags = parsed(board).tags
        headers = [
            (heading["data-name"], button)
            for (tag, heading), (_, button) in pairwise(tags)
            if tag == "th"
        ]
        assert len(headers) > 40
        assert {name for name, button in headers if not button.get("title")} == set()


def test_pages_on_the_metrics_are_linked_where_they_lie_beside_it(tmp_path: Path) -> None:
    path, board = fake.write(made("a", 50), tmp_path), tmp_path / "board"

    def links() -> set[str | None]:
        publish([path], board)
        return {attributes.get("href") for tag, attributes in parsed(board).tags if tag == "a"}

    assert not links() & {"people.md", "health.md"}
    (board / "people.md").touch()
    assert links() & {"people.md", "health.md"} == {"people.md"}


def test_a_long_curve_keeps_its_peaks_and_clips_share_their_axes(tmp_path: Path) -> None:
    path, board = fake_runs.write(made("a", 50), tmp_path, made=2), tmp_path / "board"
    publish([path], board)
    index = board / "clips" / "toy" / "a" / "clips.json"
    gallery = json.loads(index.read_text("utf-8"))
    values = [0.5] * 960
    values[777] = 0.9
    for clip in gallery["clips"]:
        clip["curves"] = {"flicker": {"at_s": [at / 16 for at in range(960)], "values": values}}
    index.write_text(json.dumps(gallery), "utf-8")
    publish([], board)
    (player,) = json.loads(parsed(board).scripts[0])["players"]
    (axis,) = player["axes"]
    curves = [clip["curves"]["flicker"] for clip in player["clips"][0] if clip["curves"]]
    assert [curve["axis"] for curve in curves] == [0, 0]
    assert len(axis) == len(curves[0]["values"]) == 96
    assert curves[0]["values"].index(0.9) == 77
    assert axis[77] == 770 / 16


def test_what_does_not_stand_first_is_behind_four_folds_with_every_table_and_figure(
    tmp_path: Path,
) -> None:
    paths = [fake_runs.write(made(name, 50), tmp_path, made=1) for name in "ab"]
    board = tmp_path / "board"
    publish(paths, board)
    page = unescape((board / "index.html").read_text("utf-8"))
    suite = page[page.index('<section class="suite"') : page.index('<section class="reading"')]
    folds = re.findall("<details>(.*?)</details>", suite, re.DOTALL)
    assert [re.findall("<summary>(.*?)</summary>", fold) for fold in folds] == [
        ["The same prompts, model by model"],
        ["Scores in detail"],
        ["Speed, cost and terms"],
        ["What failed, and where numbers come from"],
    ]
    written = re.findall("^### (.*)", (board / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [title for fold in folds for title in re.findall("<h3>(.*?)</h3>", fold)] == [
        title for title in written if title != "Headline"
    ]
    assert suite.count("<svg") == len([*board.glob("figures/*/*.svg")]) > 1


def test_publishing_again_changes_no_byte(tmp_path: Path) -> None:
    paths = [
        fake_runs.write(made(name, level), tmp_path, made=1)
        for name, level in (("a", 50), ("b", 60))
    ]
    publish(paths, tmp_path / "board")
    files = [path for path in (tmp_path / "board").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert {path.suffix for path in files} == {".json", ".md", ".html", ".svg", ".png", ".mp4"}
    for inputs in (paths, sorted((tmp_path / "board" / "results").glob("*/*.json"))):
        publish(inputs, tmp_path / "board")
        assert {path: path.read_bytes() for path in files} == before


def test_without_clips_everything_else_is_there(tmp_path: Path) -> None:
    publish([fake.write(made(name, 50), tmp_path) for name in "ab"], tmp_path / "board")
    elements = parsed(tmp_path / "board")
    assert json.loads(elements.scripts[0])["players"] == []
    assert not any("data-player" in attributes for _, attributes in elements.tags)
    tables = [
        attributes["aria-label"] for _, attributes in elements.tags if "tabindex" in attributes
    ]
    assert "Provenance" in tables
    assert sum(tag == "svg" for tag, _ in elements.tags) == 1


def test_rows_carry_what_they_are_filtered_and_sorted_by(tmp_path: Path) -> None:
    contents = [made("a", 50, title="A", open_weights=True), made("b", 70, title="A (b)")]
    publish([fake.write(content, tmp_path) for content in contents], tmp_path / "board")
    rows = [attributes for tag, attributes in parsed(tmp_path / "board").tags if tag == "tr"]
    about = {"data-find": "A cpu", "data-licence": "MIT", "data-open": "yes"}
    assert {"data-model": "a"} | about in rows
    assert {"data-model": "b"} | about | {"data-find": "A (b) cpu", "data-open": ""} in rows
    page = (tmp_path / "board" / "index.html").read_text("utf-8")
    assert 'data-value="71.9167"><strong>71.92 ±' in page


def test_a_page_of_somebody_else_is_kept(tmp_path: Path) -> None:
    board = tmp_path / "board"
    board.mkdir()
    (board / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(BenchError, match=r"index\.html.*another folder with --into DIR"):
        publish([fake.write(made("a", 50), tmp_path)], board)
    assert [path.name for path in board.iterdir()] == ["index.html"]


def test_damaged_clips_of_another_result_leave_the_board_as_it_was(tmp_path: Path) -> None:
    board = tmp_path / "board"
    publish([fake_runs.write(made("a", 50), tmp_path, made=1)], board)
    (board / "clips" / "toy" / "a" / "clips.json").write_text("{}")
    with pytest.raises(BenchError, match=r"toy/a/clips\.json.*publish the run again"):
        publish([fake.write(made("b", 60), tmp_path)], board)
    assert not (board / "results" / "toy" / "b.json").exists()


def test_rows_are_sorted_by_the_values_of_cells_and_not_by_their_texts() -> None:
    cells = [Cell(3.2e-5, (1e-5, 5e-5)), Cell(12.5, bound=True), Cell("see below"), Cell(note="1")]

    def numbers(*columns: Column[Cell], rows: list[Cell] = cells) -> list[list[float | None]]:
        return tabulate("", columns, rows).numbers

    assert numbers(Column("x", lambda cell: cell)) == [[3.2e-5], [12.5], [None], [None]]
    assert numbers(Column("x", lambda cell: cell, kind="text")) == [[None]] * 4
    priced = [Cell(1.0, unit="EUR"), Cell(2.0, unit="USD")]
    assert numbers(Column("x", lambda cell: cell), rows=priced) == [[None], [None]]


def test_characters_that_act_are_seen_instead() -> None:
    assert visible("a\u202eb\n c\u2028\x00\ud800") == "a[U+202E]b c [U+0000][U+D800]"
    assert visible("👩\u200d🍳 通义 مولد") == "👩\u200d🍳 通义 مولد"
