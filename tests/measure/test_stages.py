"""Stage times of real pipelines, tiny ones: nothing changes, and time adds up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_pipelines import TINY, pictured
from torch import nn

from bench.measure.stages import StageClock
from bench.measure.timing import measure
from bench.prompts import Prompt

CPU = torch.device("cpu")

# Forwards of the denoiser in two steps: a batch of both guidance branches, a forward for each of
# them, two denoisers one after the other, a loop inside each step, one clip in pieces.
FORWARDS = {"svd": 2, "animatediff": 2, "i2vgen_xl": 2, "wan": 4, "wan22": 4, "ltx": 2}
FORWARDS |= {"mochi": 2, "hunyuan": 2, "text2video_zero": 8, "framepack": 2, "ltx_2": 6}


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return pictured(tmp_path)


def attributes(pipe: Any) -> dict[str, Any]:
    """What hooks and wrappers leave on a pipeline's networks."""
    parts = {n: part for n, part in pipe.components.items() if isinstance(part, nn.Module)}
    return {
        name: (
            len(part._forward_hooks),
            len(part._forward_pre_hooks),
            {key for key in vars(part) if not key.startswith("_")},
        )
        for name, part in parts.items()
    }


@pytest.mark.parametrize("name", FORWARDS)
def test_stages_are_timed_and_not_one_bit_changes(
    name: str, tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    with TINY[name].generator(tiny(name)) as generator:
        assert generator.clock is not None
        timed, took = measure(lambda: generator.generate(prompt, 0), CPU, stages=generator.clock)
        pipe = generator.pipe
        watched = attributes(pipe)
        generator.clock.close()
        bare = generator.generate(prompt, 0)
        assert attributes(pipe) != watched
        assert not any(before or after for before, after, _ in attributes(pipe).values())
        assert not any({"encode", "decode"} & own for *_, own in attributes(pipe).values())
    assert generator.clock is None
    assert bare.sha256 == timed.sha256
    record = took.facts
    assert record["denoiser_forwards"] == FORWARDS[name]
    assert all(seconds > 0 for seconds in record["stages"].values())
    assert sum(record["stages"].values()) == pytest.approx(record["latency_s"])
    assert record["stages"]["other_s"] < 0.5 * record["latency_s"]
    assert {"stages", "denoiser_forwards"}.isdisjoint(record["unmeasured"])


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["svd", "wan22", "ltx"])
def test_on_a_gpu_stages_add_up_too_and_each_has_its_memory(
    name: str, tiny: Callable[[str], Path], prompt: Prompt
) -> None:
    generator = TINY[name].generator(tiny(name))
    generator.device = cuda = torch.device("cuda")
    with generator:
        assert generator.clock is not None
        generator.generate(prompt, 0)
        timed, took = measure(lambda: generator.generate(prompt, 0), cuda, stages=generator.clock)
        weights = generator.loaded().weights_on_device_bytes
        generator.clock.close()
        assert generator.generate(prompt, 0).sha256 == timed.sha256
    record = took.facts
    assert all(seconds > 0 for seconds in record["stages"].values())
    assert sum(record["stages"].values()) == pytest.approx(record["latency_s"], rel=0.02)
    peaks = [
        record["stage_memory"][f"{s}_allocated_bytes"] for s in ("encode", "denoise", "decode")
    ]
    assert max(peaks) == record["peak_memory_allocated_bytes"] >= weights > 0


class Ticks:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(nn.Module):
    """Takes its time; calls another inside if it has one."""

    def __init__(self, ticks: Ticks, seconds: float, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.ticks, self.seconds, self.inner = ticks, seconds, inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.ticks.now += self.seconds
        return x if self.inner is None else self.inner(x)


class Autoencoder(nn.Module):
    """Encodes and decodes, the second by way of another network."""

    def __init__(self, ticks: Ticks) -> None:
        super().__init__()
        self.ticks = ticks

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        self.ticks.now += 3
        return x

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        self.ticks.now += 5
        return x


@pytest.fixture
def cascade() -> Iterator[tuple[Ticks, SimpleNamespace, StageClock]]:
    """A pipeline of several denoisers, one of which calls the text encoder."""
    ticks = Ticks()
    text_encoder = Slow(ticks, 1)
    parts = {
        "text_encoder": text_encoder,
        "prior_text_encoder": Slow(ticks, 2),
        "prior": Slow(ticks, 10),
        "transformer": Slow(ticks, 20, text_encoder),
        "unet_2": Slow(ticks, 40),
        "vae": Autoencoder(ticks),
        "scheduler": object(),
        "guider": None,
    }
    pipe = SimpleNamespace(components=parts, **parts)
    clock = StageClock(pipe, CPU, ticks)
    yield ticks, pipe, clock
    clock.close()


def test_every_denoiser_of_a_cascade_counts_and_no_moment_counts_twice(
    cascade: tuple[Ticks, SimpleNamespace, StageClock],
) -> None:
    ticks, pipe, clock = cascade
    x = torch.zeros(1)
    for name in ("text_encoder", "prior_text_encoder", "prior", "transformer", "unet_2"):
        getattr(pipe, name)(x)
    pipe.vae.encode(x)
    ticks.now += 100  # a scheduler, say
    pipe.vae.decode(x)
    assert clock.seconds() == {"encode": 1 + 2 + 3, "denoise": 10 + 20 + 1 + 40, "decode": 5}
    assert clock.denoiser_forwards == 3


def test_a_clip_that_failed_leaves_nothing_to_the_next(
    cascade: tuple[Ticks, SimpleNamespace, StageClock],
) -> None:
    ticks, pipe, clock = cascade
    broken = pipe.transformer.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure(lambda: pipe.transformer(torch.zeros(1)), CPU, stages=clock)
    broken.remove()
    _, took = measure(lambda: pipe.unet_2(torch.zeros(1)), CPU, stages=clock)
    assert took.stages == {"encode": 0, "denoise": 40, "decode": 0}
    assert took.denoiser_forwards == 1
    assert ticks.now == 40


def test_other_is_never_negative(cascade: tuple[Ticks, SimpleNamespace, StageClock]) -> None:
    _, pipe, clock = cascade
    ticks = iter([0.0, 39.9999])  # the host's clock, which may differ from the GPU's
    _, took = measure(lambda: pipe.unet_2(torch.zeros(1)), CPU, lambda: next(ticks), stages=clock)
    assert took.facts["stages"]["other_s"] == 0


def test_what_was_set_on_a_network_itself_is_put_back() -> None:
    ticks = Ticks()
    vae = Autoencoder(ticks)
    own = lambda x: x  # noqa: E731
    vae.encode = own  # type: ignore[method-assign]
    clock = StageClock(SimpleNamespace(components={"vae": vae}), CPU, ticks)
    assert vae.encode is not own
    clock.close()
    assert vae.encode is own
    assert "decode" not in vars(vae)


def test_a_compiled_denoiser_is_timed_from_outside_its_graph() -> None:
    ticks = Ticks()
    graphs: list[int] = []
    network = nn.Linear(2, 2)
    network.compile(backend=lambda graph, _: graphs.append(1) or graph.forward, fullgraph=True)
    clock = StageClock(SimpleNamespace(components={"transformer": network}), CPU, ticks)
    with torch.no_grad():
        network(torch.zeros(1, 2))
        network(torch.zeros(1, 2))
    assert clock.denoiser_forwards == 2
    assert graphs == [1]
    clock.close()
    assert network._compiled_call_impl is not None
