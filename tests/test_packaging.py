import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench.storage import PACKAGE

pytestmark = [pytest.mark.packaging, pytest.mark.slow]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(PACKAGE.parent)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_configuration_and_prompts(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    root = PACKAGE.parent
    for kind in ("conf", "prompts"):
        for file in (root / kind).rglob("*"):
            if file.is_file():
                assert f"bench/data/{file.relative_to(root)}" in names
    assert "bench/vision/toy_network/open_clip_model.safetensors" in names
    assert not [name for name in names if name.startswith(("tests/", "conf/", "prompts/"))]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    python = environment / "bin" / "python"
    install = [*uv, "pip", "install", "-q", "--python", str(python)]
    constraints = PACKAGE.parent / "constraints.txt"
    subprocess.run([*install, "-c", str(constraints), f"{wheel}[offline]"], check=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [environment / "bin" / "steadybench", "limit=2"],
        cwd=elsewhere,
        env=clean | {"TORCH_HOME": str(tmp_path / "no_weights")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "will have no value" not in done.stderr
    made = json.loads((elsewhere / "outputs/toy/toy_steady/result.json").read_text())
    assert all(clip["scores"]["coherence"] is not None for clip in made["clips"])
    assert (elsewhere / "outputs/leaderboard/README.md").is_file()
