"""Speed of scoring, as ratios within one run."""

import sys
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import lpips
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf

from bench.clip import Clip
from bench.config import build_backbones, build_metrics
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Prompt
from bench.storage import CONF
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.lpips import Lpips

pytestmark = pytest.mark.benchmark

MOST_OVERHEAD = 0.15
LEAST_GAIN = 1.8
ROUNDS = 5


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Two seconds at working size, as most models make them."""
    prompt = Prompt(id="p", text="a red ball rolls from left to right over a wooden floor")
    return ToyGenerator(height=256, width=256).generate(prompt, 0)


@pytest.fixture(scope="module")
def scoring() -> tuple[dict[str, Any], Backbones]:
    """The offline metrics without those of the image-text network, and their backbones."""
    compute = OmegaConf.load(CONF / "metrics" / "compute.yaml")["compute"]
    configured = OmegaConf.load(CONF / "metrics" / "offline.yaml")["backbones"]
    roles = ("lpips", "flow", "identity", "cuts")
    backbones = Backbones(
        build_backbones({role: OmegaConf.to_container(configured[role]) for role in roles}),
        torch.device("cpu"),
    )
    metrics = build_metrics({str(k): str(v) for k, v in compute.items()})
    chosen = {name: metric for name, metric in metrics.items() if set(metric.needs) <= {*roles}}
    for role in roles:
        backbones.get(role)
    return chosen, backbones


def cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_all_metrics_cost_little_more_than_their_networks_alone(
    clip: Clip, scoring: tuple[dict[str, Any], Backbones], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics, backbones = scoring
    prompt = Prompt(id="p", text="", motion="subject")
    network: Any = backbones.get("lpips")
    pictures: list[NDArray[np.uint8]] = []
    hook = network._net.net.register_forward_hook(
        lambda _, given, __: pictures.append(
            np.zeros((len(given[0]), *given[0].shape[2:], 3), "u1")
        )
    )
    flow: Any = backbones.get("flow")

    def everything() -> None:
        analysis = Analysis(clip, prompt, backbones)
        for metric in metrics.values():
            metric.score(analysis)

    everything()
    hook.remove()
    stack = np.concatenate(pictures)
    grey = flow.encode(clip.frames)

    def networks_alone() -> None:
        for start in range(0, len(stack), network.batch_size):  # forwards, nothing compared or kept
            network._layers(stack[start : start + network.batch_size])
        for stride in (1, 2):
            for first, second in zip(grey[:-stride], grey[stride:], strict=True):
                flow._dis.calc(first, second, None)
                flow._dis.calc(second, first, None)
        backbones.get("identity").encode(clip.frames)  # type: ignore[attr-defined]
        backbones.get("cuts").probabilities(clip.frames)  # type: ignore[attr-defined]

    networks_alone()
    # Interleaved, so that a busy machine disturbs both alike.
    ratios = [cpu_s(everything) / cpu_s(networks_alone) for _ in range(ROUNDS)]
    with capsys.disabled():
        sys.stdout.write(f"\nall metrics / bare networks: {np.median(ratios):.3f}\n")
    assert np.median(ratios) <= 1 + MOST_OVERHEAD


def test_adjacent_lpips_is_faster_than_a_loop_over_the_package(
    clip: Clip, scoring: tuple[dict[str, Any], Backbones], capsys: pytest.CaptureFixture[str]
) -> None:
    network = scoring[1].get("lpips")
    assert isinstance(network, Lpips)
    with warnings.catch_warnings():  # it asks torchvision with a name that has changed
        warnings.simplefilter("ignore")
        naive = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    naive.load_state_dict(network._net.state_dict())
    naive.requires_grad_(False).eval()

    @torch.inference_mode()
    def loop() -> list[float]:
        images = [
            torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
            for frame in clip.frames
        ]
        return [float(naive(a, b)) for a, b in pairwise(images)]

    def once_each() -> NDArray[np.float64]:
        first = torch.arange(len(clip.frames) - 1)
        return network.distance(network.features(clip.frames), first, first + 1)

    np.testing.assert_allclose(once_each(), loop(), atol=1e-5)
    ratios = [cpu_s(loop) / cpu_s(once_each) for _ in range(ROUNDS)]
    with capsys.disabled():
        sys.stdout.write(f"\nloop over the package / features once: {np.median(ratios):.2f}\n")
    assert np.median(ratios) >= LEAST_GAIN
