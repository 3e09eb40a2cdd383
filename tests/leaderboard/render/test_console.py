"""The leaderboard in a terminal."""

import io
from collections.abc import Iterable

import fake_results as fake
from fake_results import Content
from rich.cells import cell_len
from rich.console import Console

from bench.leaderboard.data.rows import boards
from bench.leaderboard.render.console import show, show_table
from bench.leaderboard.tables.suite import tables
from bench.leaderboard.tables.table import Column, tabulate


def printed(contents: Iterable[Content], width: int) -> str:
    stream = io.StringIO()
    results = [fake.loaded(content) for content in contents]
    suites = boards(results)
    drawn = {board.suite: list(tables(board)) for board in suites}
    show(suites, drawn, Console(file=stream, width=width))
    return stream.getvalue()


def steady(_prompt: int, _seed: int) -> dict[str, float | None]:
    return {"flicker": 0.25, "identity": 0.75}


def test_scores_are_printed() -> None:
    text = printed([fake.result("[red]a", score=steady), fake.result("b", score=steady)], 100)
    header = next(line for line in text.splitlines() if "flicker ↓" in line)
    assert "identity ↑" in header
    assert "[red]a" in text
    assert "0.250 ±0" in text
    assert "Provenance" not in text


def test_a_table_too_wide_for_the_terminal_is_turned() -> None:
    text = printed([fake.result("a", score=steady)], 40)
    line = next(line for line in text.splitlines() if "flicker ↓" in line)
    assert "0.250 ±0" in line
    assert "identity" not in line


def test_a_minor_column_goes_where_a_screen_lacks_a_single_letter() -> None:
    columns: list[Column[str]] = [
        Column("name", str, kind="name"),
        Column("size", len),
        Column("said of it", lambda row: f"{row} 映画 \t words", kind="text", minor=True),
    ]
    table = tabulate("table", columns, ["one", "another"])

    def lines(width: int) -> list[str]:
        stream = io.StringIO()
        show_table(table, "about", Console(file=stream, width=width))
        return [line.rstrip() for line in stream.getvalue().splitlines()]

    whole = lines(200)
    needed = cell_len(whole[1])
    assert needed == len("| another | size | another 映画 words |") + 2, "two letters are wide"
    assert lines(needed) == whole
    assert "words" not in "".join(lines(needed - 1))


def test_no_number_is_broken_however_narrow_the_screen() -> None:
    columns: list[Column[str]] = [
        Column("model", str, kind="name"),
        *(Column(f"share {at}", lambda _: "67% (46-83)", kind="text") for at in range(4)),
    ]
    names = ["Toy, flickering", *(f"Toy, steady {number}" for number in range(9))]
    table = tabulate("table", columns, names)  # on its side it would be wider
    for width, room in ((100, 4), (60, 4), (50, 3), (40, 2), (24, 1)):
        stream = io.StringIO()
        show_table(table, "about", Console(file=stream, width=width))
        text = stream.getvalue()
        assert "…" not in text
        assert text.count("67%") == text.count("(46-83)") == len(names) * room
        assert "flickering" in text
        assert max(map(cell_len, text.splitlines())) <= width
        assert ("No room for" in text) == (room < 4)


def test_units_are_those_of_the_columns_shown() -> None:
    metrics = fake.METRICS | {
        "motion": {"unit": "px", "better": None, "version": 1, "fingerprint": "0"}
    }
    content = fake.result("a", score=lambda *at: steady(*at) | {"motion": 2.0}, metrics=metrics)
    assert "Units: flicker share of full scale, identity cosine, motion px." in printed(
        [content], 140
    )
    assert "Units: flicker share of full scale, identity cosine." in printed([content], 40)


def test_clips_without_a_score_say_why() -> None:
    why = dict.fromkeys(fake.METRICS, "1 frame, needs 2")
    clips = [
        fake.clip("p00", scores=steady(0, 0)),
        fake.clip("p01", frames=1, scores=dict.fromkeys(fake.METRICS), unscored=why),
    ]
    footage = {"name": None, "count": 2, "sha256": None}
    text = printed([fake.result("a", clips, prompts=2) | {"prompts": footage}], 99)
    assert "a: 1 clip not scored: 1 frame, needs 2." in text


def test_the_reason_for_a_missing_score_is_that_of_the_headline() -> None:
    metrics = fake.METRICS | fake.COHERENCE
    why = dict.fromkeys(fake.METRICS, "no cut network") | {"coherence": "0.2 s, needs 1.2"}
    clips = [
        fake.clip("p00", scores={"coherence": 70.0}),
        fake.clip("p01", scores=dict.fromkeys(metrics), unscored=why),
        fake.failed("p02", status="refused"),
    ]
    footage = {"name": None, "count": 3, "sha256": None}
    content = fake.result("a", clips, prompts=3, metrics=metrics) | {"prompts": footage}
    text = printed([content], 99)
    assert "a: 1 clip not scored: 0.2 s, needs 1.2." in text
    assert "a: not read, and counted as nothing: p02." in text


def test_of_a_folder_each_clip_comes_first_with_what_it_lost_most_to() -> None:
    parts = ("coherence", "technical_quality", "lost_jumps", "lost_tremble", "adherence")
    metrics = fake.METRICS | dict.fromkeys(parts, fake.COHERENCE["coherence"])
    same = {"adherence": None, "flicker": None, "technical_quality": 61.5}
    scores = {"coherence": 88.25, "lost_jumps": 1.5, "lost_tremble": 9.5, "identity": 1.9e-05}
    sound = {"coherence": 100.0, "lost_jumps": 0.0, "lost_tremble": 0.0, "identity": 0.5}
    why = {"adherence": "no prompt", "flicker": "no footage"}
    clips = [
        fake.clip("p00", scores=scores | same, unscored=why),
        fake.clip("p01", scores=sound | same, unscored=why),
    ]
    footage = {"name": None, "count": 2, "sha256": None}
    content = fake.result("a", clips, prompts=2, metrics=metrics) | {"prompts": footage}
    wide = printed([content], 200).splitlines()
    assert wide[0].strip() == "toy: a, clip by clip"
    first, second = ([c.strip() for c in line.split("│")] for line in wide if "p0" in line)
    assert {"p00", "88.2", "61.5", "tremble 9.5", "0"} <= set(first), "one's own metric too"
    assert {"p01", "100.0", "-"} <= set(second)
    text = "\n".join(wide)
    assert "lost_jumps" not in text, "a part, of which the worst is named"
    assert "2 more scores of each file: in result.json, or as a table by" in text
    assert "no prompt" not in text, "of a column that nobody sees"
    assert "Points lost" not in text, "means over whatever lies in a folder"
    narrow = printed([content], 60)
    assert "tremble 9.5" in narrow
    shown, _, hidden = narrow.partition("No room for ")
    assert "technical_quality" in shown, "columns go from the right, as many as must"
    assert "frames" not in shown
    assert "frames" in hidden


def test_a_narrow_screen_that_has_room_for_names_alone_shows_them() -> None:
    columns = [
        Column("model", lambda row: row, kind="name"),
        Column("a_metric_of_a_very_long_name_that_has_no_room", len, minor=True),
    ]
    stream = io.StringIO()
    table = tabulate("Title", columns, ["a model of a name"])
    show_table(table, "about", Console(file=stream, width=40))
    assert "a model of a name" in stream.getvalue()
