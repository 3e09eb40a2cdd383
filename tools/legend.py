"""The legend of the leaderboard's page: what a coherence of 90, of 70 and of 40 looks like.

`python -m tools.legend` makes its clips anew, of the toy model with faults of known levels, has
them scored as any folder of videos is, and puts the result and previews where the page finds them.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.clip import Clip, write_master
from bench.faults.degraded import Degraded
from bench.generators.toy.generator import ToyGenerator
from bench.leaderboard.data.files import load
from bench.leaderboard.render.page import LEGEND
from bench.prompts import load_suite
from bench.storage import RunFolder

SCENE: Final = "spin-orange-cube"
"""A prompt of the toy suite whose clip is next to perfect without a fault."""
LEVELS: Final = {
    "flicker": (0.02, 0.068, 0.122),
    "pop": (0.044, 0.1, 0.17),
    "drift": (0.33, 0.45, 0.515),
}
"""Fault to the levels that cost it about 10, 30 and 60 points."""


def clips() -> Iterator[tuple[str, Clip]]:
    """Each clip of the legend and its name, the same frames at every call."""
    (prompt,) = (prompt for prompt in load_suite("toy.jsonl")[0] if prompt.id == SCENE)
    for fault, levels in LEVELS.items():
        for rung, level in enumerate(levels, start=1):
            yield f"{fault}-{rung}", Degraded(ToyGenerator(), fault, level).generate(prompt, seed=0)


def main() -> None:
    """Make the clips, score them, and replace the legend."""
    with TemporaryDirectory() as name:
        folder, out = Path(name, "legend"), Path(name, "outputs")
        for clip_name, clip in clips():
            write_master(clip, folder / f"{clip_name}.mkv")
        subprocess.run(
            [
                *(sys.executable, "-m", "bench", "suite=files", "model=folder"),
                *(f"model.path={folder}", f"out={out}", "stages=[generate,score]"),
            ],
            check=True,
        )
        run = RunFolder(out / "files" / folder.name)
        shutil.rmtree(LEGEND, ignore_errors=True)
        LEGEND.mkdir()
        shutil.copy(run.result, LEGEND)
        for scored in load(run.result).clips:
            preview = LEGEND / Path(scored.prompt).with_suffix(".mp4")
            shutil.copy(run.preview(scored.sample), preview)


if __name__ == "__main__":
    main()
