"""Configuration of strangers: nothing of it runs, and nothing secret is read, unless accepted."""

import os
import sys
from pathlib import Path

import pytest

from bench import cli
from bench.commands import plan
from bench.commands.composition import refuse_code
from bench.errors import BenchError
from bench.storage import CONF

STRANGE = {
    "model/path.yaml": "_target_: strange.run\n",
    "model/through.yaml": "_target_: bench.storage.os.system\ncommand: touch pwned\n",
    "model/function.yaml": "_target_: bench.storage.write_text\npath: pwned\ntext: x\n",
    "model/within.yaml": "defaults: [toy_steady, _self_]\nfps: {_target_: strange.run}\n",
    "model/card.yaml": "defaults: [toy_steady, _self_]\ncard: {base: {_target_: strange.run}}\n",
    "model/program.yaml": "_target_: bench.generators.command.CommandGenerator\n"
    "command: [touch, pwned]\noutput: x\n",
    "model/server.yaml": "_target_: bench.generators.video_api.VideoApiGenerator\n"
    "base_url: https://example.org\nfields: {num_frames: 8}\nkey_env: SECRET\n",
    "model/environment.yaml": "defaults: [toy_steady, _self_]\ncard: {title: '${oc.env:SECRET}'}\n",
    "model/hidden.yaml": "# @package _global_\ndefaults: [toy_steady@model, _self_]\n"
    "model: {card: {title: '${oc.${.licence}:SECRET}', licence: env}}\n",
    "model/made.yaml": "# @package _global_\ndefaults: [toy_steady@model, _self_]\n"
    "model: {card: '${oc.decode:\"{a: {_target_: strange.run}}\"}'}\n",
    "model/callback.yaml": "# @package _global_\ndefaults: [toy_steady@model, _self_]\n"
    "hydra: {callbacks: {x: {_target_: bench.commands.run.Elsewhere}}}\n",
    "model/logging.yaml": "# @package _global_\ndefaults: [toy_steady@model, _self_]\n"
    "hydra: {job_logging: {version: 1, formatters: {x: {(): strange.run}}}}\n",
    "model/variable.yaml": "# @package _global_\ndefaults: [toy_steady@model, _self_]\n"
    "hydra: {job: {env_set: {LD_PRELOAD: strange.so}}}\n",
    "model/part.yaml": "# @package _global_\n"
    "defaults: [toy_steady@model, /hydra/callbacks@hydra.callbacks.x: strange, _self_]\n",
    "hydra/callbacks/strange.yaml": "_target_: bench.commands.run.Elsewhere\n",
    "hydra/launcher/strange.yaml": "_target_: strange.run\n",
    "metrics/path.yaml": "compute: {x: strange.metric}\nbackbones: {}\n",
    "metrics/network.yaml": "compute: {}\nbackbones: {text: {_target_: strange.run}}\n",
    "suite/images.yaml": "name: x\nprompts: toy.jsonl\nseeds: [0]\nadherence_network: toy\n"
    "images: {_target_: strange.run}\n",
    "launch/strange.yaml": "# @package _global_\ndefaults: [override /hydra/launcher: strange]\n"
    "launch: {workers: 1, jobs: 1, job: 0}\nscore: {workers: 1}\n",
    "model/mine.yaml": "defaults: [toy_steady, _self_]\ncard: {title: Mine}\n",
    "model/toy_steady.yaml": "_target_: strange.run\n",  # that of the package comes first
}
HARMLESS = ("model/mine.yaml", "model/toy_steady.yaml")
CHOICES = [name.removesuffix(".yaml").split("/") for name in STRANGE if name.count("/") == 1]


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configuration, and a module that leaves a trace when it is imported."""
    for name, text in STRANGE.items():
        (tmp_path / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "conf" / name).write_text(text)
    (tmp_path / "strange.py").write_text(
        "import pathlib\npathlib.Path('pwned').touch()\n"
        "from bench.generators.toy.generator import ToyGenerator as run\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "sk-0123456789")
    monkeypatch.delitem(sys.modules, "strange", raising=False)
    return tmp_path / "conf"


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_a_strangers_configuration_is_refused_before_any_of_it_runs(
    strange: Path, group: str, name: str
) -> None:
    if f"{group}/{name}.yaml" in HARMLESS:
        refuse_code("bench", [f"{group}={name}"], str(strange))
    else:
        with pytest.raises(BenchError, match="add --allow-code if you trust who wrote it") as said:
            refuse_code("bench", [f"{group}={name}"], str(strange))
        assert "sk-0123456789" not in str(said.value)
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "overrides",
    [
        ["model._target_=strange.run"],
        ["+metrics.compute.x=strange.metric"],
        ["++hydra.callbacks.x._target_=strange.run"],
        ["hydra.searchpath=[file://{strange}]", "model=program"],
        ["model={out}/model/program"],
        ["hydra.searchpath=[pkg://strange]"],
        ["model.card.title=${{oc.env:SECRET}}"],
        ["model=toy_steady,toy_frozen", "+suite.images._target_=strange.run"],
    ],
)
def test_what_is_typed_may_name_code_of_this_package_alone(
    strange: Path, overrides: list[str]
) -> None:
    out = os.path.relpath(strange, CONF / "model")
    overrides = [override.format(strange=strange, out=out) for override in overrides]
    with pytest.raises(BenchError, match="--allow-code"):
        refuse_code("bench", overrides, None)
    assert strange.is_dir()
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=magi_1", "model.workdir=x", "+metrics.compute.x=bench.metrics.cuts.cuts"],
        ["model=video_gateway", "model.base_url=http://x", "model.fields.model=x"],
        ["metrics.compute.flicker=bench.metrics.consistency.flikker"],  # which is not there
        ["model._target_=bench.generators.toy.generator.ToyGenerator"],
        ["launch=gpus", "hydra.verbose=false"],
    ],
)
def test_what_is_typed_of_this_package_is_accepted(overrides: list[str]) -> None:
    refuse_code("bench", overrides, None)


@pytest.mark.parametrize("command", ["run", "plan", "fit", "validate"])
def test_every_command_asks_first(
    strange: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "metrics=path" if command == "validate" else "model=path"
    monkeypatch.setattr(sys, "argv", ["steadybench", command, f"--config-dir={strange}", code])
    assert cli.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--allow-code" in line
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "tag", ["object/apply:os.system", "object/new:os.system", "name:os.system"]
)
def test_a_yaml_makes_no_objects(
    strange: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (strange / "model" / "tag.yaml").write_text(f"x: !!python/{tag} [touch pwned]\n")
    for flag in ((), ("--allow-code",)):
        assert plan.main([*flag, f"--config-dir={strange}", "model=tag"]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "option", ["--config-path=conf", "--config-name=x", "--experimental-rerun=x.pickle"]
)
def test_no_other_configuration_takes_the_place_of_this_packages(
    strange: Path, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["steadybench", "run", option])
    assert cli.main() == 2
    assert "--allow-code" in capsys.readouterr().err
    assert strange.is_dir()


def test_code_that_was_accepted_is_run(strange: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [f"--config-dir={strange}", "model=path", "+model.height=64", "+model.width=64"]
    assert plan.main(["--allow-code", *arguments]) == 0
    assert "path on suite toy" in capsys.readouterr().out
    assert Path("pwned").exists()
