"""Speed of scoring, as ratios within one run."""

import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import lpips
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from bench.clip import Clip
from bench.config import build_backbones, build_metrics
from bench.generators.toy.generator import ToyGenerator
from bench.prompts import Prompt
from bench.storage import CONF
from bench.validation.footage import packaged, shrink_clip
from bench.video import read_video
from bench.vision.analysis import Analysis
from bench.vision.backbones import Backbones
from bench.vision.heap import map_large_arrays
from bench.vision.lpips import Lpips
from bench.vision.views import REDUCED_SIDE_PX, WORKING_SIDE_PX

pytestmark = pytest.mark.benchmark

# Beside its networks a clip is resized, warped, matched patch by patch and searched for its
# camera's motion, which is measuring too: .21 to .35 of what the networks take, and a margin.
MOST_OVERHEAD = 0.5
LEAST_GAIN = 1.8
ROUNDS = 5

# A core's seconds differ from machine to machine and with what else runs, what it multiplies
# meanwhile less: 81 frames take as long as products of matrices with 2.45e12 operations.
MOST_OPERATIONS = 2.9e12
SIDE, PRODUCTS = 1024, 64


@pytest.fixture(scope="module")
def clip() -> Clip:
    """Two seconds at working size, as most models make them."""
    prompt = Prompt(id="p", text="a red ball rolls from left to right over a wooden floor")
    return ToyGenerator(height=256, width=256).generate(prompt, 0)


@pytest.fixture(scope="module")
def scoring() -> tuple[dict[str, Any], Backbones]:
    return offline()


def offline() -> tuple[dict[str, Any], Backbones]:
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
    batches: list[torch.Tensor] = []
    hook = network._net.net.register_forward_hook(
        lambda _, given, __: batches.append(
            torch.zeros(len(given[0]), *given[0].shape[2:], 3, dtype=torch.uint8)
        )
    )
    flow: Any = backbones.get("flow")

    def everything() -> None:
        analysis = Analysis(clip, prompt, backbones)
        for metric in metrics.values():
            metric.score(analysis)

    everything()
    hook.remove()
    pairs = []
    for side in (WORKING_SIDE_PX, REDUCED_SIDE_PX):
        frames = torch.from_numpy(shrink_clip(clip, side).frames)
        (grey,) = flow.encode(frames)
        pairs += [((grey[:-stride],), (grey[stride:],)) for stride in (1, 2)]

    def networks_alone() -> None:
        for batch in batches:  # forwards, nothing compared or kept
            network._layers(batch)
        for first, second in pairs:
            size = first[0].shape[1:]
            flow.flows(first, second, size)
            flow.flows(second, first, size)
        backbones.get("identity").encode(clip.frames)  # type: ignore[attr-defined]
        backbones.get("cuts").probabilities(clip.frames)  # type: ignore[attr-defined]

    networks_alone()
    # Interleaved, so that a busy machine disturbs both alike.
    ratios = [cpu_s(everything) / cpu_s(networks_alone) for _ in range(ROUNDS)]
    with capsys.disabled():
        sys.stdout.write(f"\nall metrics / bare networks: {np.median(ratios):.3f}\n")
    assert np.median(ratios) <= 1 + MOST_OVERHEAD


def seconds_of_81_frames() -> tuple[float, float]:
    """Processor time that all metrics of real footage of 832x480 take, and that of products."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    map_large_arrays()  # as a run does
    metrics, backbones = offline()
    whole = read_video(Path(*packaged(), "bigbuckbunny.mp4"))
    frames = shrink_clip(Clip(whole.frames[:81], 16.0), 480).frames[:, :, :832]
    clip = Clip(np.ascontiguousarray(frames), 16.0)
    matrix = torch.ones(SIDE, SIDE)

    def everything() -> None:
        analysis = Analysis(clip, Prompt(id="p", text="", motion="subject"), backbones)
        for metric in metrics.values():
            metric.score(analysis)

    def products() -> None:
        for _ in range(PRODUCTS):
            matrix @ matrix

    products()
    before_s, scored_s, after_s = map(cpu_s, (products, everything, products))
    return scored_s, (before_s + after_s) / 2


def test_81_frames_of_832x480_are_scored_in_the_time_of_so_many_products(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        scored_s, products_s = pool.submit(seconds_of_81_frames).result()
    operations = scored_s / products_s * PRODUCTS * 2 * SIDE**3
    with capsys.disabled():
        sys.stdout.write(
            f"\n81 frames of 832x480: {scored_s:.1f} s of a core, "
            f"in which it multiplies matrices with {operations:.2e} operations\n"
        )
    assert operations <= MOST_OPERATIONS


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

    def once_each() -> torch.Tensor:
        features = network.features(torch.from_numpy(clip.frames))
        return network.distances([a[:-1] for a in features], [a[1:] for a in features])

    np.testing.assert_allclose(once_each(), loop(), atol=1e-5)
    ratios = [cpu_s(loop) / cpu_s(once_each) for _ in range(ROUNDS)]
    with capsys.disabled():
        sys.stdout.write(f"\nloop over the package / features once: {np.median(ratios):.2f}\n")
    assert np.median(ratios) >= LEAST_GAIN
