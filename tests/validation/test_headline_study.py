"""The study of another measure: the headline that published clips would have with it."""

import json
from pathlib import Path

import pytest

from bench.metrics.coherence import PARTS, SCALES
from bench.storage import write_json
from bench.validation.scores import Opinion
from tools.headline import PUBLISHED, main, recharged

RATED = [Opinion(**each) for each in json.loads((PUBLISHED / "people.json").read_text("utf-8"))]
TREMBLE = ("tremble", *SCALES["tremble"])


def lost(clip: Opinion, part: str) -> float:
    return clip.scores[f"lost_{part}"] or 0.0


@pytest.mark.parametrize("clip", RATED[::9], ids=lambda clip: clip.file)
def test_parts_and_headline_add_up_and_only_one_part_is_charged_anew(clip: Opinion) -> None:
    scale = SCALES["tremble"][0]
    calm, half, full = (recharged(clip, level * scale, *TREMBLE) for level in (0, 0.5, 1))
    for each in (calm, half, full):
        points = [lost(each, part) for part in PARTS]
        assert sum(points) + (each.scores["coherence"] or 0) == pytest.approx(100)
    assert lost(calm, "tremble") == 0
    headlines = [each.scores["coherence"] or 0 for each in (calm, half, full)]
    assert headlines == sorted(headlines, reverse=True)
    assert headlines[-1] < 36.8  # 100 / e, which is left of a clip with no other damage
    assert full.scores["dynamics"] == clip.scores["dynamics"]
    flicker, jumps = lost(clip, "flicker"), lost(clip, "jumps")
    assert lost(full, "flicker") * jumps == pytest.approx(lost(full, "jumps") * flicker)


def test_what_was_not_measured_stays_as_it_is() -> None:
    assert recharged(RATED[0], None, *TREMBLE) == RATED[0]


def test_both_headlines_are_held_against_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "mine", "tremble"]) == 2
    assert "health.json or people.json" in capsys.readouterr().err
    records = [vars(clip) | {"scores": {"mine": 0.0}} for clip in RATED]
    write_json(tmp_path / "people.json", records)
    assert main([str(tmp_path), "mine", "tremble"]) == 0
    said = capsys.readouterr().out.splitlines()
    (line,) = (line for line in said if "rank correlation with people" in line)
    published, other = map(float, line.split()[-2:])
    assert published == 0.76
    assert other < published  # trembling is most of what people mind
