"""Diffusers models from the command line to the leaderboard, with tiny ones in place of a hub."""

import json
import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
import tiny_hub
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from tiny_pipelines import TINY, motion_adapter, shrink_tiles

from bench import cli
from bench.commands import fit
from bench.generators.diffusers.options import Options
from bench.storage import CONF

Main = Callable[..., int]

pytestmark = pytest.mark.usefixtures("networks_loaded_once")

SMALL = [
    "++model.options.dtype=float32",
    "++model.options.steps=2",
    "++model.call.height=64",
    "++model.call.width=64",
    "++model.call.num_frames=4",
    "suite.images.options.dtype=float32",
    "suite.images.options.steps=2",
    "suite.images.call.height=64",
    "suite.images.call.width=128",
]
# The sixteen of the first list, and those whose answers or sizes are of another kind.
ONE_BY_ONE = [
    *("svd", "animatediff", "i2vgen_xl", "modelscope", "cogvideox", "cogvideox_i2v", "wan"),
    *("wan22", "wan_i2v", "ltx", "ltx_i2v", "hunyuan", "hunyuan15", "mochi", "latte", "allegro"),
    *("text2video_zero", "sana_video", "hunyuan15_i2v", "framepack"),
]
FEW_METRICS = ["text=none", "~metrics.compute.cuts", "~metrics.compute.cuts_unrequested"]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Main:
    """Type `steadybench ARGUMENTS` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def type_(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["steadybench", *arguments])
        return cli.main()

    return type_


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two prompts, with an image each."""
    for n in range(2):
        noise = np.random.default_rng(n).integers(0, 255, (60, 90, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), cv2.resize(noise, (180, 120)))
    lines = [
        {"id": f"p{n}", "text": f"a cat walks past {n} fences", "image": f"{n}.png"} for n in (0, 1)
    ]
    path = tmp_path / "two.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models under the names of those that the suite of images is made with."""
    tiny_hub.fill_cache(
        tmp_path / "hub",
        {
            "stabilityai/stable-video-diffusion-img2vid-xt": TINY["svd"].build(),
            "stable-diffusion-v1-5/stable-diffusion-v1-5": TINY["stable_diffusion"].build(),
            "guoyww/animatediff-motion-adapter-v1-5-2": motion_adapter(),
            "ali-vilab/i2vgen-xl": TINY["i2vgen_xl"].build(),
            "stabilityai/stable-diffusion-xl-base-1.0": TINY["stable_diffusion_xl"].build(),
        },
        monkeypatch,
    )


def own_model(folder: Path, name: str, path: Path, **changed: Any) -> list[str]:
    """A YAML of the user's own, and what to type for it."""
    (folder / "mine" / "model").mkdir(parents=True, exist_ok=True)
    content = {"defaults": ["diffusers", "_self_"], **TINY[name].arguments(str(path))}
    (folder / "mine" / "model" / f"tiny_{name}.yaml").write_text(yaml.safe_dump(content | changed))
    return [f"--config-dir={folder / 'mine'}", f"model=tiny_{name}"]


def result(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return loaded


def stderr_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if "steadybench:" in line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.slow
def test_every_tiny_pipeline_from_a_folder_to_the_leaderboard(
    bench: Main,
    suite: Path,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diffusers.AutoencoderKLAllegro, "enable_tiling", shrink_tiles)
    for name in ONE_BY_ONE:
        own = own_model(tmp_path, name, tiny(name), card={"title": f"Tiny {name}", "sizes": []})
    arguments = ["-m", own[0], "model=glob(tiny_*)", f"suite.prompts={suite}", "suite.name=two"]
    arguments += ["suite=i2v", "suite.seeds=[0]", *FEW_METRICS, "warmup=0", "limit=1"]
    arguments += ["load_timeout_s=null"]  # or each would load in a process of its own
    assert bench(*arguments) == 0
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    for name in ONE_BY_ONE:
        assert f"Tiny {name}" in page
        made = result(tmp_path / f"outputs/two/tiny_{name}")
        (clip,) = made["clips"]
        assert clip["status"] == "ok"
        assert (clip["height_requested"], clip["width_requested"]) == (32, 32)
        assert clip["frames_requested"] > 0
        assert clip["image_sha256"]
        assert clip["scores"]["stutter"] is not None
        assert made["loaded"]["pipeline"] == TINY[name].pipeline
        assert made["weights"] == "real"


@pytest.mark.usefixtures("hub")
def test_three_models_animate_the_same_pictures(
    bench: Main, suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite.write_text(suite.read_text().replace(', "image": "0.png"', ""))  # this one is made
    models = "model=svd_xt,animatediff_v1_5_2,i2vgen_xl"
    command = ["-m", models, "suite=i2v", f"suite.prompts={suite}", *SMALL, *FEW_METRICS]
    command += ["warmup=0", "suite.seeds=[0]", "load_timeout_s=null"]  # here, as the hub is
    assert bench(*command) == 0
    said = capsys.readouterr().err
    assert "animatediff_v1_5_2-float32-2steps makes video from text: it gets no picture" in said
    assert "svd_xt-float32-2steps makes" not in said
    (image,) = (tmp_path / "outputs/images").iterdir()
    before = image.stat().st_mtime_ns
    results = [
        result(tmp_path / f"outputs/i2v/{name}-float32-2steps")
        for name in ("svd_xt", "animatediff_v1_5_2", "i2vgen_xl")
    ]
    hashes = [[clip["image_sha256"] for clip in made["clips"]] for made in results]
    assert hashes[0] == hashes[1] == hashes[2]
    assert all(hashes[0])
    assert len({made["prompts"]["sha256"] for made in results}) == 1
    for made in results:
        assert set(made["loaded"]["revisions"].values()) == {tiny_hub.COMMIT}
    assert "guoyww/animatediff-motion-adapter-v1-5-2" in results[1]["loaded"]["revisions"]
    assert results[0]["card"]["title"] == "Stable Video Diffusion XT, float32 2steps"
    assert results[1]["card"]["licence"].startswith("Apache-2.0")
    assert all(clip["scores"]["i2v_first"] > 0 for made in results for clip in made["clips"])
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "table 1 of" not in page  # all share one
    assert bench(*command) == 0
    assert image.stat().st_mtime_ns == before
    # Other pixels are another question: clips of the old ones are not passed off as the new.
    cv2.imwrite(str(image), np.zeros((64, 64, 3), np.uint8))
    assert bench(*command) == 2


def test_the_shape_of_a_suite_is_taken_from_each_card(
    bench: Main, suite: Path, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    own = own_model(tmp_path, "wan_i2v", tiny("wan_i2v"), card={"sizes": ["64x32", "32x64"]})
    command = [
        *own,
        "suite=i2v",
        f"suite.prompts={suite}",
        "stages=[generate]",
        "suite.images=null",
    ]
    assert bench(*command, "suite.aspect=9:16") == 0
    made = result(tmp_path / "outputs/i2v/tiny_wan_i2v")
    clip = made["clips"][0]
    assert [clip[key] for key in ("height", "width", "height_requested")] == [64, 32, 64]
    run = json.loads((tmp_path / "outputs/i2v/tiny_wan_i2v/run.json").read_text())
    assert run["functional"]["call"]["height"] == 64
    assert run["config"]["suite"]["aspect"] == made["aspect"] == "9:16"


def test_several_clips_a_call_take_a_row_of_their_own(
    bench: Main, suite: Path, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    own = own_model(tmp_path, "wan", tiny("wan"), card={"title": "Tiny Wan"})
    command = [*own, f"suite.prompts={suite}", "suite.name=two", "suite.seeds=[0,1,2,3]"]
    command += FEW_METRICS
    assert bench(*command, "limit=1") == 0
    assert bench(*command, "model.options.batch_size=2", "limit=1") == 0
    single, batch = (result(tmp_path / f"outputs/two/tiny_wan{rest}") for rest in ("", "-batch-2"))
    assert single["fingerprint"] != batch["fingerprint"]
    assert [clip["batch_size"] for clip in single["clips"]] == [1] * 4
    assert [clip["batch_size"] for clip in batch["clips"]] == [2] * 4
    # Two share a measurement; what each took is the same.
    times_s = [clip["latency_s"] for clip in batch["clips"]]
    assert times_s[0] == times_s[1] != times_s[2] == times_s[3]
    assert all(
        sum(clip["stages"].values()) == pytest.approx(clip["latency_s"]) for clip in batch["clips"]
    )
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "Tiny Wan, batch 2: 2 clips of a prompt were made at once;" in page

    folder = tmp_path / "outputs/two/tiny_wan-batch-2"
    hashes = [clip["frames_sha256"] for clip in batch["clips"]]
    (folder / "clips/p0/2.json").unlink()
    (folder / "clips/p0/1.json").unlink()
    assert bench(*command, "model.options.batch_size=2", "limit=1") == 0
    assert [clip["frames_sha256"] for clip in result(folder)["clips"]] == hashes


def test_clips_of_before_there_were_batches_are_not_made_again(
    bench: Main, suite: Path, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    own = own_model(tmp_path, "wan", tiny("wan"))
    command = [*own, f"suite.prompts={suite}", "suite.name=two", "stages=[generate]", "limit=1"]
    assert bench(*command) == 0
    (record,) = (tmp_path / "outputs/two/tiny_wan/clips/p0").glob("*.json")
    assert "batch_size" not in json.loads(record.read_text())["inputs"]["model"]["options"]


def test_memory_that_runs_out_is_recorded_and_the_next_clip_tried(
    bench: Main,
    suite: Path,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = diffusers.AutoencoderKLWan.decode
    full = iter([True])

    def decode(vae: Any, *arguments: Any, **more: Any) -> Any:
        if next(full, False):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return call(vae, *arguments, **more)

    monkeypatch.setattr(diffusers.AutoencoderKLWan, "decode", decode)
    own = own_model(tmp_path, "wan", tiny("wan"))
    command = [*own, f"suite.prompts={suite}", "suite.name=two", "stages=[generate]", "warmup=0"]
    assert bench(*command) == 1
    clips = result(tmp_path / "outputs/two/tiny_wan")["clips"]
    assert [clip["status"] for clip in clips] == ["oom", "ok"]
    assert "9 GiB" in clips[0]["error"]
    assert bench(*command, "retry_failed=true") == 0


def test_black_frames_are_a_recorded_failure(
    bench: Main,
    suite: Path,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = diffusers.AutoencoderKLWan.decode

    def black(vae: Any, *arguments: Any, **more: Any) -> Any:
        made = call(vae, *arguments, **more)
        made[0].fill_(-1.0)
        return made

    monkeypatch.setattr(diffusers.AutoencoderKLWan, "decode", black)
    own = own_model(tmp_path, "wan", tiny("wan"))
    assert bench(*own, f"suite.prompts={suite}", "suite.name=two", "stages=[generate]") == 1
    clips = result(tmp_path / "outputs/two/tiny_wan")["clips"]
    assert {clip["status"] for clip in clips} == {"error"}
    assert "9 frames that show nothing" in clips[0]["error"]


def test_random_weights_take_a_row_of_speed_and_no_score(
    bench: Main, suite: Path, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    own = own_model(tmp_path, "wan", tiny("wan"), card={"title": "Tiny Wan"})
    command = [*own, f"suite.prompts={suite}", "suite.name=two", *FEW_METRICS]
    assert bench(*command, "model.weights=random") == 0
    made = result(tmp_path / "outputs/two/tiny_wan-random")
    assert made["weights"] == "random"
    assert made["metrics"] == {}
    assert all(clip["latency_s"] > 0 and not clip["scores"] for clip in made["clips"])
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    assert "its weights are random, so only its speed means anything" in page
    assert "(random weights)" in page


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["+model.call.num_inference_stps=3"], "did you mean 'num_inference_steps'"),
        (["model.call.num_frames=80"], "model.call.num_frames=81 or 77"),
        (["model.multiple=32", "model.call.height=500"], "model.call.height=512 or 480"),
        (["model.load.dtype=float16"], "model.options.dtype=float32"),
        (["model.options.offload=model"], "brings weights to a GPU"),
        (["+suite.aspect=9:16"], "lists no sizes"),
        (["model.path=nowhere"], "nowhere"),
        (["model.options.batch_size=0"], "model.options.batch_size must be a number from 1"),
        (
            ["model.options.batch_size=2", "suite.seeds=[0,1,2]"],
            "seeds that fill batches of 2, got 3: type model.options.batch_size=1",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_written(
    bench: Main,
    suite: Path,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    own = own_model(tmp_path, "wan", tiny("wan"))
    assert bench(*own, f"suite.prompts={suite}", "suite.name=two", *arguments) == 2
    assert expected in stderr_line(capsys)
    assert not (tmp_path / "outputs").exists()


def test_an_image_that_is_none_and_one_that_is_missing(
    bench: Main,
    suite: Path,
    tiny: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = own_model(tmp_path, "wan_i2v", tiny("wan_i2v"))
    assert bench(*own, "suite=toy", "text=none") == 2
    assert "has none: take suite=i2v" in stderr_line(capsys)
    (tmp_path / "1.png").write_text("no picture")
    assert bench(*own, "suite=i2v", f"suite.prompts={suite}", "suite.images=null") == 2
    assert "line 2: 'image': expected a picture" in stderr_line(capsys)


def test_the_model_that_makes_the_pictures_is_named_by_its_own_key(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("model=svd_xt", "suite=i2v") == 2
    line = stderr_line(capsys)
    assert "StableDiffusionXLPipeline in float16 does not run on a CPU" in line
    assert "type suite.images.options.dtype=float32" in line
    assert bench("model=svd_xt", "suite=i2v", "stages=[score]") == 2
    assert "run with stages=[generate] first" in stderr_line(capsys)
    assert not [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("hub")
def test_a_plan_says_which_pictures_are_made_first(
    bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("plan", "model=svd_xt", "suite=i2v", "model.options.dtype=float32") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pictures: 40 to make first, by Stable Diffusion XL 1.0"
    assert any(line.endswith("160 to make, 0 there already, 160 to score") for line in lines)
    assert not (tmp_path / "outputs").exists()


def test_a_plan_says_once_that_the_hub_cannot_be_reached(
    bench: Main,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tiny_hub.fill_cache(tmp_path / "hub", {}, monkeypatch)
    assert bench("plan", "model=wan2_1_1_3b", "suite=smoke") == 2
    said = capsys.readouterr()
    assert said.err.count("the hub cannot be reached: connect once") == 1
    assert "main memory: 13.7 GiB of weights" in said.out
    shown = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    told = said.out + "\n".join(shown)
    assert not re.search("reached|connect|Error", told, re.IGNORECASE)
    assert "sizes of networks are those of architectures.yaml" in told


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_model_from_text_asks_for_no_picture_to_be_made(
    verb: str, bench: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(verb, "model=ltx_video_2b", "suite=i2v") == 2
    assert "the pictures of suite i2v are not made yet" in stderr_line(capsys)
    assert not (tmp_path / "outputs").exists()


def test_with_m_a_key_of_some_models_asks_for_two_pluses(
    bench: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench("-m", "model=svd_xt,wan2_1_1_3b", "model.options.steps=2") == 2
    assert "type ++model.options.steps=VALUE" in stderr_line(capsys)


def test_fit_says_what_a_model_weighs(
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tiny_hub.fill_cache(tmp_path / "hub", {}, monkeypatch)
    monkeypatch.setattr(sys, "argv", ["fit"])  # a -m of pytest's own would change a message
    assert fit.main(["model=wan2_1_1_3b"]) == 0
    printed = capsys.readouterr().out
    assert "WanTransformer3DModel │ 1,418,996,800" in printed
    assert "Weights alone" in printed
    assert "sizes of networks are those of architectures.yaml" in caplog.text
    caplog.clear()
    assert fit.main(["model=wan2_2_animate"]) == 0
    printed = capsys.readouterr().out
    assert "over 16B parameters, says its card. Not counted: Wan-AI/Wan2.2-Animate-14B" in printed
    own = own_model(tmp_path, "wan", tiny("wan"))
    assert fit.main([own[0], own[1]]) == 0
    printed = capsys.readouterr().out
    assert "AutoencoderKLWan" in printed
    assert "architectures.yaml" not in caplog.text
    with monkeypatch.context() as narrow:
        narrow.setattr("bench.commands.sys.stdout.isatty", lambda: True)
        narrow.setenv("COLUMNS", "60")
        assert fit.main(["model=wan2_1_1_3b"]) == 0
    assert "1,418,996,800" in capsys.readouterr().out
    for arguments, expected in (
        ([], "type steadybench fit model="),
        (["model=toy_steady"], "got ToyGenerator"),
        (["model=wan2_1_14"], "no model=wan2_1_14 (did you mean 'wan2_1_14b'?)"),
        (["model=wan2_1_1_3b", "model.nosuch=1"], "there is no 'model.nosuch'"),
        (["model=wan2_1_1_3b", "model.repo=???"], "a value is missing: add model.repo=VALUE"),
        (["model=consisid"], "ConsisID-preview is not on this machine and the hub cannot be"),
    ):
        assert fit.main(arguments) == 2
        assert expected in stderr_line(capsys)


def ladder() -> str:
    """The steps of the experiment, as its sweep has them."""
    experiment = yaml.safe_load((CONF / "experiment" / "acceleration.yaml").read_text())
    steps: str = experiment["hydra"]["sweeper"]["params"]["++model.options"]
    return steps


def test_every_step_of_the_ladder_is_an_option_and_takes_a_row_of_its_own() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("bench", ["model=wan2_1_1_3b", "+experiment=acceleration"])
    assert config.metrics.compute.base_ssim
    half = r"\${half:\${model.call.num_inference_steps}}"
    steps = ladder().replace(half, "25")
    assert "25" in steps
    parsed = OverridesParser.create().parse_override(f"++model.options={steps}")
    labels = []
    for values in parsed.sweep_iterator():
        options = Options(**values)
        options.check(torch.device("cuda"), random_weights=False)
        labels.append(options.label)
    assert labels[0] == ""
    assert len({*labels}) == len(labels) == 11
    assert sum(label.startswith("FirstBlockCache") for label in labels) == 3


@pytest.mark.slow
def test_the_ladder_of_acceleration_ends_in_a_table_of_what_speed_costs(
    bench: Main, tiny: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = own_model(tmp_path, "wan", tiny("wan"), card={"title": "Tiny Wan"})
    (tmp_path / "one.jsonl").write_text('{"id": "p0", "text": "a cat walks"}')
    suite = [f"suite.prompts={tmp_path / 'one.jsonl'}", "suite.name=one", "suite.seeds=[0]"]
    few = [*FEW_METRICS, "metrics=[offline,base]", "device=cpu"]
    assert bench(*own, "+experiment=acceleration", *suite, *few) == 1
    said = capsys.readouterr().err.splitlines()
    lacking = "outputs/one/tiny_wan-attention-native_cudnn"
    assert [line for line in said if "to mend" in line] == [
        f"{lacking}: 1 clip with something to mend"
    ]
    page = (tmp_path / "outputs/leaderboard/README.md").read_text()
    table = page.split("### What speed costs: Tiny Wan")[1].split("###")[0]
    rows = [
        line.strip("| ").split(" | ")
        for line in table.splitlines()
        if line.startswith("| Tiny Wan")
    ]
    assert rows[0][0] == "Tiny Wan"
    assert {row[0].removeprefix("Tiny Wan, ") for row in rows[1:]} == {
        *(f"FirstBlockCache {threshold}" for threshold in ("0.05", "0.1", "0.2")),
        *("PyramidAttentionBroadcast 2", "TaylorSeerCache 5 1", "SeaCache 0.25"),
        *("compile blocks", "quantised float8", "1steps", "attention native_cudnn"),
    }
    likeness = result(tmp_path / "outputs/one/tiny_wan-SeaCache-0.25")["clips"][0]["scores"]
    assert 0 < likeness["base_ssim"] <= 1
    assert "times as fast on 1 prompt." in table
