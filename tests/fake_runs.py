"""Folders of runs with clips in them, for tests of whatever shows clips."""

import json
from pathlib import Path

import fake_results as fake
from conftest import moving_texture

from bench.clip import Clip, write_master, write_preview

FRAMES, FPS = 16, 8.0


def write(content: fake.Content, outputs: Path, made: int, text: str = "a ball rolls") -> Path:
    """A run whose first so many clips have frames, a preview and curves; its result.json."""
    run = outputs / content["suite"] / content["model"]
    for number, entry in enumerate(content["clips"][:made]):
        clip = Clip(moving_texture(FRAMES, 64, seed=number), FPS)
        entry |= {"frames": FRAMES, "fps": FPS, "frames_sha256": clip.sha256}
        name = f"{entry['prompt']}/{entry['seed']}"
        write_master(clip, run / "clips" / f"{name}.mkv")
        write_preview(clip, run / "previews" / f"{name}.mp4")
        score = run / "scores" / f"{name}.json"
        score.parent.mkdir(parents=True, exist_ok=True)
        score.write_text(json.dumps(scores(clip.sha256, text, number)), "utf-8")
    return fake.write(content, outputs)


def scores(sha256: str, text: str, number: int) -> fake.Content:
    times_s = [frame / FPS for frame in range(FRAMES)]
    adherence = [90 - number - frame / 3 for frame in range(FRAMES)]
    likeness = [1.0, 0.9 - number / 100, None]
    return {
        "schema": 1,
        "frames_sha256": sha256,
        "prompt": {"text": text},
        "metrics": {
            "adherence": {"value": 1.0, "series": {"time_s": times_s, "adherence": adherence}},
            "identity_lag": {"value": 0.9, "series": {"lag_s": [0.5, 1, 2], "cosine": likeness}},
            "stutter": {"value": 0.0, "series": {"held": [0.0] * (FRAMES - 1)}},
            "flicker": {"value": 0.0},
        },
    }
