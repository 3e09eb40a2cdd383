"""What hardware costs and what is usable: said on the command line, kept beside the clips."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import cli

Main = Callable[..., int]

pytestmark = pytest.mark.usefixtures("networks_loaded_once")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    """Type `steadybench ARGUMENTS` in an empty folder; the suite has two prompts."""
    monkeypatch.chdir(tmp_path)
    scene = "a {} spins in front of a brick wall"
    texts = [scene.format(thing) for thing in ("red ball", "blue star")]
    lines = [json.dumps({"id": f"p{n}", "text": text}) for n, text in enumerate(texts)]
    (tmp_path / "two.jsonl").write_text("\n".join(lines))

    def type_(*arguments: str) -> int:
        suite = ("suite.prompts=two.jsonl", "suite.name=two", "model.seconds=0.5")
        monkeypatch.setattr(sys, "argv", ["steadybench", *suite, *arguments])
        return cli.main()

    return type_


def published(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (tmp_path / "outputs/two/toy_steady/result.json").read_text()
    )
    return content


def test_a_new_price_makes_no_clip_again(bench: Main, tmp_path: Path) -> None:
    generate = "stages=[generate]"
    assert bench(generate) == 0
    before = published(tmp_path)
    assert before["hardware"] == {"price_per_gpu_hour": None, "currency": "USD", "gpus": 1}
    price = ("hardware.price_per_gpu_hour=2.49", "hardware.currency=EUR")
    assert bench(generate, *price) == 0
    after = published(tmp_path)
    assert after["hardware"] == {"price_per_gpu_hour": 2.49, "currency": "EUR", "gpus": 1}
    assert after | {"hardware": None} == before | {"hardware": None}


def test_where_nothing_is_made_a_price_is_kept_unless_another_is_said(
    bench: Main, tmp_path: Path
) -> None:
    assert bench("stages=[generate]", "hardware.price_per_gpu_hour=2") == 0
    publish = "stages=[publish]"
    assert bench(publish) == 0
    assert published(tmp_path)["hardware"]["price_per_gpu_hour"] == 2
    run = tmp_path / "outputs/two/toy_steady/run.json"
    run.write_text(run.read_text().replace('"gpus": 1', '"gpus": 4'))
    assert bench(publish, "hardware.price_per_gpu_hour=3") == 0
    hardware = published(tmp_path)["hardware"]
    assert hardware == {"price_per_gpu_hour": 3, "currency": "USD", "gpus": 4}


def test_a_least_appeal_is_kept_unless_another_is_said(bench: Main, tmp_path: Path) -> None:
    assert bench("stages=[generate]", "least_appeal=60") == 0
    assert published(tmp_path)["least_appeal"] == 60
    assert bench("stages=[publish]", "least_appeal=70.5") == 0
    assert bench("stages=[publish]") == 0
    assert published(tmp_path)["least_appeal"] == 70.5


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("hardware.price_per_gpu_hour=-1", "must be a price from 0, as 2.49, or null, got -1"),
        ("hardware.price_per_gpu_hour=free", "hardware.price_per_gpu_hour must be a price"),
        ("hardware.currency=dollars", "hardware.currency must be three capital letters"),
        ("+hardware.gpus=2", "the GPUs of a clip are counted while it is made"),
        ("+hardware.curency=EUR", "did you mean 'currency'"),
        ("hardware=null", "hardware must be the keys"),
        ("least_appeal=101", "least_appeal must be points from 0 to 100, as 60, or null, got 101"),
    ],
)
def test_a_mistake_is_one_line(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], argument: str, expected: str
) -> None:
    assert bench(argument) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert expected in lines[0]
    assert not (tmp_path / "outputs").exists()
