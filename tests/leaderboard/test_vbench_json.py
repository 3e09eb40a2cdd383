"""VBench's own form."""

from pathlib import Path

import fake_results as fake
import pytest

from bench.leaderboard.data.loading import load
from bench.leaderboard.export.vbench_json import DIMENSIONS, vbench
from bench.schema import Result

METRICS = {
    name: {"unit": "cosine", "better": "higher", "version": 1, "fingerprint": "0b"}
    for name in (*DIMENSIONS, "vbench_beauty", "identity")
}


def result(tmp_path: Path) -> Result:
    scores = dict.fromkeys(METRICS, 0.5)
    clips = [
        fake.clip("p00", frames=11, scores=scores | {"vbench_dynamic_degree": 1.0}),
        fake.clip("p01", frames=31, scores=dict.fromkeys(METRICS, 0.9)),
        fake.clip("p02", scores=scores | {"vbench_dynamic_degree": None}),
        fake.failed("p03"),
    ]
    clips[1]["scores"]["vbench_dynamic_degree"] = 0.0
    clips[2]["scores"]["vbench_subject_consistency"] = None
    return load(fake.write(fake.result("wan", clips, prompts=4, metrics=METRICS), tmp_path))


def test_clips_stand_under_their_dimension_with_the_mean_that_vbench_takes(tmp_path: Path) -> None:
    found = vbench(result(tmp_path))
    assert found["subject_consistency"] == [
        pytest.approx((10 * 0.5 + 30 * 0.9) / 40),  # over frames, not over clips
        [
            {"video_path": "clips/p00/0.mkv", "video_results": 0.5},
            {"video_path": "clips/p01/0.mkv", "video_results": 0.9},
        ],
    ]
    assert found["temporal_flickering"][0] == pytest.approx((0.5 + 0.9 + 0.5) / 3)
    mean, clips = found["dynamic_degree"]
    assert mean == 0.5
    assert [clip["video_results"] for clip in clips] == [True, False]


def test_nothing_that_is_not_vbenchs_is_called_so(tmp_path: Path) -> None:
    assert set(vbench(result(tmp_path))) == set(DIMENSIONS.values())
    plain = fake.result("wan", score=lambda *_: {"identity": 0.5, "flicker": 0.1})
    assert vbench(load(fake.write(plain, tmp_path))) == {}
