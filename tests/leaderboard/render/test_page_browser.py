"""The page in a real browser: from a disk and from a server, sorted, filtered, played in step."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fake_boards
import fake_results as fake
import fake_runs
import numpy as np
import pytest
from test_page import HOSTILE

from bench import statistics as stats
from bench.commands.votes import main as count_votes
from bench.leaderboard.data.files import load
from bench.leaderboard.data.votes import read_votes
from bench.leaderboard.publish import publish

pytestmark = pytest.mark.slow

TITLES = {"a": "Steady", "b": "<b>Bold</b>", "c": "Third"}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leaderboard of three models with clips, and one of another suite without."""
    folder = tmp_path_factory.mktemp("page")
    paths = []
    for number, (model, title) in enumerate(TITLES.items()):
        content = fake.result(
            model,
            score=lambda prompt, _, level=60 + 10 * number: {
                "coherence": level + prompt % 5, "flicker": 0.1 / level, "identity": 0.9,
            },
            metrics=fake.COHERENCE | fake.METRICS,
        )  # fmt: skip
        licence = ("MIT", "Apache-2.0", "MIT")[number]
        content["card"] = {"title": title, "licence": licence, "open_weights": number != 2}
        if number == 0:
            content["clips"][20] = fake.failed("p20")
        text = HOSTILE[0] if number == 0 else "a ball rolls"
        paths.append(fake_runs.write(content, folder / "outputs", made=3, text=text))
    paths.append(fake.write(fake.result("z", suite="other"), folder / "outputs"))
    publish(paths, folder / "board")
    return folder / "board"


@pytest.fixture(scope="module")
def address(board: Path) -> Iterator[str]:
    """Where a static host serves the leaderboard."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(board))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(browser: Any, board: Path, address: str) -> Iterator[Callable[..., Any]]:
    """Opens the page; at the end, nothing was complained about and nothing else was loaded."""

    def opened(url: str | None = None) -> Any:
        browser.get(url or (board / "index.html").as_uri())
        return browser

    browser.get_log("browser")
    browser.get_log("performance")
    yield opened
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    loaded = {
        urlsplit(message["params"]["request"]["url"])
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    outside = {url for url in loaded if url.scheme != "data"}
    assert outside
    assert {url.netloc for url in outside} <= {"", urlsplit(address).netloc}
    assert all(url.path.endswith(("/index.html", ".mp4")) for url in outside), outside


@pytest.fixture(scope="module")
def judged_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with all that a clip is judged by, of which one failed and one makes good clips."""
    folder = tmp_path_factory.mktemp("judged")
    metrics = fake.COHERENCE | {
        "adherence_margin": fake.METRICS["identity"],
        "cuts_unrequested": fake.METRICS["flicker"],
    }
    rng = np.random.default_rng(0)
    paths = []
    for level in (40, 65, 70, 85, 90, 99, 0):
        content = fake.result(
            f"m{level}",
            score=lambda *_, level=level: {
                "coherence": float(np.clip(rng.normal(level, 15), 0, 100)),
                "adherence_margin": float(rng.normal(3, 2)),
                "cuts_unrequested": 0,
            },
            metrics=metrics,
            prompts=60,
        )
        content["card"]["title"] = f"Model {level}"
        if not level:
            content["clips"] = [fake.failed(clip["prompt"]) for clip in content["clips"]]
        paths.append(fake.write(content, folder / "outputs"))
    publish(paths, folder / "board")
    return folder / "board"


def until(condition: Callable[[], object]) -> None:
    """Wait for something that a browser does in its own time."""
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it never came to pass")


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


# The table of the suite with clips in which a metric is a column, and the models in its order.
SORTED = """
    const [metric, header] = arguments;
    const cells = (table) => [...table.tHead.rows[0].cells];
    const at = (table, name) => cells(table).findIndex((cell) => cell.textContent.startsWith(name));
    const table = [...document.querySelectorAll("[data-suite=toy] table")]
        .find((each) => at(each, metric) >= 0);
    if (header) cells(table)[at(table, header)].querySelector("button").click();
    return [[...table.tBodies[0].rows].map((row) => row.cells[at(table, "model")].textContent),
            cells(table).map((cell) => cell.getAttribute("aria-sort")).filter(Boolean)];
"""


def test_the_table_is_sorted_by_any_header(open_page: Callable[..., Any]) -> None:
    browser = open_page()
    best_first = ["Third", "<b>Bold</b>", "Steady"]
    assert browser.execute_script(SORTED, "flicker") == [best_first, []]
    by_name = [*best_first[1:], best_first[0]]
    assert browser.execute_script(SORTED, "flicker", "model") == [by_name, ["ascending"]]
    by_name.reverse()
    assert browser.execute_script(SORTED, "flicker", "model") == [by_name, ["descending"]]
    # Of a metric of which less is better, a click shows the least first.
    assert browser.execute_script(SORTED, "flicker", "flicker") == [best_first, ["ascending"]]
    assert browser.execute_script(SORTED, "coherence", "coherence")[0] == best_first


def test_rows_are_filtered_by_text_licence_weights_and_suite(
    open_page: Callable[..., Any],
) -> None:
    browser = open_page()

    def after(script: str) -> str:
        form = "const form = document.getElementById('filters');"
        told = "form.dispatchEvent(new Event('input', {bubbles: true}));"
        browser.execute_script(form + script + told)
        text: str = browser.execute_script("return document.getElementById('count').textContent")
        return text

    hidden = "return [...document.querySelectorAll('.suite')].map((suite) => suite.hidden)"
    nothing = "return document.getElementById('nothing').checkVisibility()"
    failures = """
        const table = document.querySelector("[aria-label='Failed clips']").closest("[data-table]");
        return [table.hidden, table.closest("details").hidden];
    """
    assert after("") == "4 models"
    assert after("form.elements.text.value = 'BOLD';") == "1 of 4 models"
    assert browser.execute_script(hidden) == [True, False], "no model of the other suite matches"
    assert browser.execute_script(failures) == [True, False], "none of its clips failed"
    offered = """
        const labels = [...document.querySelectorAll(".models label")];
        return labels.filter((label) => label.checkVisibility()).map((label) => label.textContent);
    """
    assert [text.strip() for text in browser.execute_script(offered)] == ["<b>Bold</b>"]
    # What rows say counts for nothing: models are looked for.
    assert after("form.elements.text.value = 'frames';") == "0 of 4 models"
    assert browser.execute_script(hidden) == [True, True]
    assert browser.execute_script(nothing)
    assert after("form.elements.text.value = ''; form.elements.licence.value = 'MIT';") == (
        "2 of 4 models"
    )
    assert not browser.execute_script(nothing)
    assert after("form.elements.open.checked = true;") == "1 of 4 models"
    assert after("form.reset(); form.elements.suite.value = 'toy';") == "3 models"
    assert browser.execute_script(hidden) == [True, False]


# The first table of the suite with clips, as it is read.
READ = """
    const root = document.querySelector("[data-suite=toy] [data-first]");
    const cells = (row) => [...row.cells].map((cell) => cell.innerHTML);
    return [[...root.querySelectorAll("tbody tr")].map(cells),
            root.querySelector(".own").checkVisibility() && root.querySelector(".own").textContent,
            root.querySelector(".answer").checkVisibility()];
"""
MOVE = """
    const form = document.getElementById("thresholds");
    for (const [name, value] of Object.entries(arguments[0])) form.elements[name].value = value;
    form.dispatchEvent(new Event("input", {bubbles: true}));
"""


def test_thresholds_of_the_reader_count_order_and_rank_anew(
    judged_board: Path, browser: Any
) -> None:
    browser.get((judged_board / "index.html").as_uri())
    published = browser.execute_script(READ)
    assert published[1:] == [False, True]
    results = [load(path) for path in sorted((judged_board / "results" / "toy").glob("*.json"))]
    for coherence, margin in ((60, 0), (80, 2.5), (95, 1), (30, -20)):
        browser.execute_script(MOVE, {"coherence": coherence, "adherence_margin": margin})
        rows, notice, answered = browser.execute_script(READ)
        assert notice.startswith("Not the published thresholds")
        assert f"at least {coherence};" in notice
        assert not answered, "it speaks of the published ones"
        usable = {
            result.card.title or "": [
                clip.status == "ok"
                and clip.scores["coherence"] >= coherence
                and clip.scores["adherence_margin"] > margin
                for clip in result.clips
            ]
            for result in results
        }
        shares = {title: sum(clips) / len(clips) for title, clips in usable.items()}
        shown = [re.sub("<.*?>", "", row[1]) for row in rows]
        assert [shares[title] for title in shown] == sorted(shares.values(), reverse=True)
        values = [usable[title] for title in shown]
        ranks = stats.ranks(values)
        assert ranks is not None
        for row, title, ends in zip(rows, shown, ranks, strict=True):
            assert row[0] == f"<bdi>{'-'.join(map(str, dict.fromkeys(ends)))}</bdi>"
            assert re.search(rf">{100 * shares[title]:.0f}% \(", row[2])
            assert row[2].startswith("<strong>") == (ends[0] == 1)
        costs = [float(cost[0]) for row in rows if (cost := re.findall("[0-9.]+", row[-1]))]
        assert costs == sorted(costs), "the same seconds for fewer usable clips"
    click(browser, "#thresholds [type=reset]")
    until(lambda: browser.execute_script(READ) == published)


def test_a_tap_and_the_keyboard_say_what_a_column_means(open_page: Callable[..., Any]) -> None:
    browser = open_page()
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    said = """
        const bubble = document.querySelector(".bubble");
        const {left, right} = bubble.getBoundingClientRect();
        return bubble.checkVisibility() && left >= 0 && right <= innerWidth && bubble.textContent;
    """
    where = """
        const button = document.querySelector("[data-name=coherence] button");
        const {left, top} = button.getBoundingClientRect();
        return {x: left + 5, y: top + 5};
    """
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_script("document.querySelector('[data-first]').scrollIntoView()")
    point = browser.execute_script(where)
    for kind, points in (("touchStart", [point]), ("touchEnd", [])):
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    until(lambda: browser.execute_script(said))
    assert "hold together" in browser.execute_script(said)
    assert browser.execute_script("return document.querySelector('[aria-sort]').dataset.name") == (
        "coherence"
    )
    browser.switch_to.active_element.send_keys(keys.ESCAPE)
    assert browser.execute_script(said) is False
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_script("document.querySelector('[data-name=rank] button').focus()")
    browser.switch_to.active_element.send_keys(keys.TAB)
    assert browser.execute_script("return document.activeElement.textContent") == "model"
    assert browser.execute_script(said) == "Whose clips these are"
    browser.switch_to.active_element.send_keys(keys.ENTER)
    assert (
        browser.execute_script("return document.activeElement.parentNode.ariaSort") == "ascending"
    )


def test_the_legend_plays_while_it_is_open(open_page: Callable[..., Any]) -> None:
    browser = open_page()
    playing = """
        const videos = [...document.querySelectorAll(".legend video")];
        return videos.map((video) => !video.paused && video.currentTime > 0);
    """
    assert browser.execute_script(playing) == [False] * 9
    click(browser, ".legend summary")
    until(lambda: all(browser.execute_script(playing)))
    click(browser, ".legend summary")
    until(lambda: not any(browser.execute_script(playing)))


@pytest.mark.parametrize("host", ["disk", "server"])
def test_two_clips_play_in_step_and_the_cursor_follows(
    host: str, open_page: Callable[..., Any], address: str
) -> None:
    browser = open_page(address if host == "server" else None)
    click(browser, ".models input")  # of three, two are left
    script = """
        const done = arguments[0];
        const videos = [...document.querySelectorAll(".stage video")];
        const cursor = document.querySelector(".cursor");
        const seen = [];
        document.querySelector(".play").click();
        const timer = setInterval(() => {
            const times = videos.map((video) => video.currentTime);
            seen.push([...times, parseFloat(cursor.style.left) / 100 * videos[0].duration]);
            if (seen.length < 60) return;
            clearInterval(timer);
            document.querySelector(".play").click();
            done([seen, videos.map((video) => video.paused)]);
        }, 50);
    """
    browser.set_script_timeout(20)
    seen, paused = browser.execute_async_script(script)
    assert paused == [True, True]
    moving = [row for row in seen if 0.1 < row[0] < 1.8]
    assert len(moving) > 15
    apart = sorted(abs(one - other) for one, other, _ in moving)
    assert apart[len(apart) // 2] < 0.06, "half a frame of these clips"
    behind = sorted(abs(one - cursor) for one, _, cursor in moving)
    assert behind[len(behind) // 2] < 0.2, "a frame of these clips lasts .125 s"
    times = [row[0] for row in seen]
    assert any(after < before - 1 for before, after in pairwise(times)), "loops"


def test_keys_step_through_frames_and_the_slider_seeks_all(open_page: Callable[..., Any]) -> None:
    browser = open_page()
    script = """
        const done = arguments[0];
        const videos = [...document.querySelectorAll(".stage video")];
        const ready = videos.map((video) => new Promise((known) => {
            if (video.readyState >= 2) known();
            else video.addEventListener("loadeddata", known, {once: true});
        }));
        Promise.all(ready).then(() => {
            const stage = document.querySelector(".stage");
            const key = (name) => stage.dispatchEvent(
                new KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true}));
            const times = () => videos.map((video) => Number(video.currentTime.toFixed(3)));
            const seen = [];
            key("ArrowRight"); key("ArrowRight"); seen.push(times());
            key("ArrowLeft"); seen.push(times());
            const slider = document.querySelector(".transport input");
            slider.value = 1;
            slider.dispatchEvent(new Event("input"));
            seen.push(times());
            key("Home"); seen.push(times());
            done(seen);
        });
    """
    browser.set_script_timeout(20)
    seen = browser.execute_async_script(script)
    assert seen == [[0.25] * 3, [0.125] * 3, [1] * 3, [0] * 3]


def test_another_prompt_and_other_models_are_put_side_by_side(
    open_page: Callable[..., Any],
) -> None:
    browser = open_page()
    shown = """
        return [document.querySelector(".asked").textContent,
                [...document.querySelectorAll(".stage figcaption")].map((each) => each.textContent),
                [...document.querySelectorAll(".stage video")].map((each) => each.src)];
    """
    asked, names, sources = browser.execute_script(shown)
    assert names == ["Third", "<b>Bold</b>", "Steady"]
    assert all(source.endswith("/p00/0.mp4") for source in sources)
    click(browser, "[title='Next prompt']")
    click(browser, ".models label:nth-child(2) input")
    asked, names, sources = browser.execute_script(shown)
    assert names == ["Third", "Steady"]
    assert all(source.endswith("/p01/0.mp4") for source in sources)
    assert asked in (HOSTILE[0], "a ball rolls")
    assert browser.execute_script("return document.querySelectorAll('.curve').length") == 1


# Whatever can be used or is a picture, without a name for those who do not see it.
NAMELESS = {
    *("button", "link", "textbox", "searchbox", "combobox", "checkbox", "slider", "spinbutton"),
    *("image", "region", "progressbar", "Video", "form", "search", "navigation"),
}


@pytest.fixture(scope="module", params=[3, 30, 100])
def sized_board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leaderboards of few and of many models, with long names and every metric."""
    folder = tmp_path_factory.mktemp(f"board{request.param}")
    fake_boards.publish_many(request.param, folder / "board")
    return folder / "board"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_pages_of_any_size_fit_the_screen_and_name_all_that_can_be_used(
    width: int, height: int, scheme: str, sized_board: Path, browser: Any
) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    preference = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [preference]})
    browser.get((sized_board / "index.html").as_uri())
    table, figure = browser.execute_script("""
        return [".scroll", ".plot svg"].map((each) => {
            const {left, top, right, bottom} = document.querySelector(each).getBoundingClientRect();
            return {left, top, right, bottom};
        });
    """)
    assert table["top"] < height, "the first table begins on the first screen"
    if width == 1440:
        assert figure["left"] > table["right"], "the figure stands beside the table"
        assert figure["bottom"] < height
    # A table that its own frame scrolls may be wider than a phone, none than a desk's screen.
    browser.execute_script("document.querySelectorAll('details').forEach((d) => d.open = true)")
    wide, tables, figures, letters = browser.execute_script("""
        const beyond = (selector) => Math.max(...[...document.querySelectorAll(selector)]
            .map((frame) => frame.scrollWidth - frame.clientWidth));
        const sizes = [...document.querySelectorAll(".plot svg text")].map((text) =>
            parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
        return [document.documentElement.scrollWidth, beyond(".scroll"), beyond(".plot"),
                Math.min(...sizes.filter(Boolean))];
    """)
    assert wide <= width
    assert figures == 0, "a figure has to be scrolled sideways"
    assert letters > 8, "of a figure, in pixels"
    if width == 1440:
        assert tables <= 1, "a table has to be scrolled sideways"
    whole = browser.execute_script("""
        const frame = document.querySelector(".scroll");
        const edge = frame.getBoundingClientRect().right;
        return [...frame.querySelectorAll("th")]
            .filter((header) => header.getBoundingClientRect().right <= edge)
            .map((header) => header.dataset.name);
    """)
    assert whole[:4] == ["rank", "model", "usable", "coherence"], "seen without scrolling"
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nodes = [node for node in tree if node.get("role", {}).get("value") in NAMELESS]
    assert len(nodes) > 50
    nameless = [node["role"] for node in nodes if not node.get("name", {}).get("value")]
    assert nameless == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# What the ballot shows, and which keys a voter would press who likes later models better.
ON_THE_BALLOT = """
    const box = document.querySelector("dialog.ballot");
    const videos = [...box.querySelectorAll("video")];
    return [videos.map((video) => video.src.split("/toy/")[1].split("/")[0]),
            videos.map((video) => video.paused), box.textContent,
            document.querySelector(".ballot footer output").textContent];
"""


@pytest.mark.parametrize("host", ["disk", "server"])
def test_votes_are_cast_by_keyboard_kept_exported_and_ranked(
    host: str,
    open_page: Callable[..., Any],
    address: str,
    board: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    browser = open_page(address if host == "server" else None)
    browser.execute_script("localStorage.clear()")

    def reopened() -> None:
        browser.refresh()
        click(browser, ".vote .start")

    def press(key: str) -> None:
        browser.switch_to.active_element.send_keys(key)

    def vote() -> tuple[str, ...]:
        models, _, text, _ = browser.execute_script(ON_THE_BALLOT)
        assert not any(title in text for title in TITLES.values())
        press(keys.ARROW_LEFT if models[0] > models[1] else keys.ARROW_RIGHT)
        return tuple(sorted(models))

    reopened()
    assert {vote() for _ in range(3)} == {("a", "b"), ("a", "c"), ("b", "c")}, "covered first"
    shown, _, _, progress = browser.execute_script(ON_THE_BALLOT)
    assert progress == "3 of 9 votes, 3 of 3 pairs of models"
    press(keys.ARROW_DOWN)
    press("u")  # the same two clips again, on the same sides
    assert browser.execute_script(ON_THE_BALLOT)[0] == shown
    vote()
    reopened()
    assert browser.execute_script(ON_THE_BALLOT)[3].startswith("4 of 9")
    playing = "return [...document.querySelectorAll('dialog video')].map((v) => v.currentTime > 0)"
    until(lambda: browser.execute_script(playing) == [True, True])
    press("s")
    while browser.execute_script(ON_THE_BALLOT)[0]:
        vote()
    press(keys.ESCAPE)
    assert browser.execute_script("return document.querySelector('dialog').open") is False

    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    click(browser, ".vote .export")
    until(lambda: list(tmp_path.glob("votes-*.jsonl")))
    files = list(tmp_path.glob("votes-*.jsonl"))
    votes, faults = read_votes(files)
    assert (len(votes), faults) == (9, [])
    assert sum(vote.choice == "skip" for vote in votes) == 1
    assert {vote.winner for vote in votes if "c" in (vote.left, vote.right)} <= {"c", None}

    assert count_votes([str(files[0]), str(board)]) == 0
    printed = capsys.readouterr().out
    order = [printed.index(f"| {title} |") for title in ("Third", "Steady")]
    assert order == sorted(order)
