"""The diffusers generator: what it refuses before and after, and what it reads back."""

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_pipelines import TINY, motion_adapter

from bench.errors import BenchError, ClipError
from bench.generators.diffusers.call import FrameRule, to_frames
from bench.generators.diffusers.generator import DiffusersGenerator
from bench.generators.diffusers.options import Options, apply
from bench.prompts import Prompt

PROMPT = Prompt(id="p", text="a cat walks past a fence")

Make = Callable[..., DiffusersGenerator]


@pytest.fixture
def make(tiny: Callable[[str], Path]) -> Make:
    """A generator of a tiny pipeline; keys of the same name are replaced, dicts are merged."""
    return lambda name="wan", **changed: TINY[name].generator(tiny(name), **changed)


@pytest.mark.parametrize(
    ("rule", "legal", "count", "near"),
    [
        ("4k+1", [1, 5, 81], 80, [77, 81]),
        ("8k+1 up to 49", [9, 49], 57, [49]),
        ("8k+1 up to 49", [], 10, [9, 17]),
        ("6k+1", [7, 85], 84, [79, 85]),
        ("33k", [33, 99], 1, [33]),
        ("16k+8 up to 88", [24, 88], 90, [88]),
        ("up to 32", [1, 32], 40, [32]),
        (16, [16], 15, [16]),
        ("any", [1, 7], 0, [1]),
    ],
)
def test_a_frame_rule_knows_its_counts_and_the_nearest(
    rule: str | int, legal: list[int], count: int, near: list[int]
) -> None:
    frame_rule = FrameRule.parse(rule)
    assert all(frame_rule.holds(n) for n in legal)
    assert not frame_rule.holds(count)
    assert frame_rule.nearest(count) == near


@pytest.mark.parametrize("rule", ["", "0k", "4k-1", "some", "0", "k+1", "up to"])
def test_what_is_no_frame_rule_is_refused(rule: str) -> None:
    with pytest.raises(BenchError, match="4k\\+1"):
        FrameRule.parse(rule)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"call": {"num_inference_stps": 3}}, "did you mean 'num_inference_steps'"),
        ({"call": {"decode_chunk_size": 3}}, "WanPipeline takes no 'decode_chunk_size'; it takes"),
        ({"call": {"prompt": "mine"}}, "model.call.prompt is set by the run itself"),
        (
            {"call": {"num_frames": 80}},
            "must be 4k+1, got 80: type model.call.num_frames=81 or 77",
        ),
        (
            {"call": {"num_frames": "many"}},
            "model.call.num_frames must be a whole number, got 'many'",
        ),
        (
            {"call": {"height": 500}, "multiple": 32},
            "multiple of 32, got 500: type model.call.height=512 or 480",
        ),
        ({"call": {"guidance_scale": "high"}}, "guidance_scale must be a number, got 'high'"),
        ({"call": {"width": -16}}, "must be a number of pixels"),
        ({"load": {"dtype": "float16"}}, "model.options.dtype=float32"),
        ({"load": {"component_dtypes": {"vae": "float16"}}}, "float16 does not run on a CPU"),
        ({"options": {"offload": "model"}}, "brings weights to a GPU"),
        ({"path": "nowhere"}, "no model_index.json"),
        ({"inputs": {"num_frames": "frames"}, "call": {}}, "model.inputs.num_frames"),
        ({"task": "i2v"}, "WanPipeline takes no image: type model.task=t2v"),
        ({"pipeline": "WanPipelin"}, "did you mean 'WanPipeline'"),
        ({"pipeline": "AutoencoderKLWan"}, "model.pipeline must be a pipeline of diffusers, got"),
        ({"call": {"num_inference_steps": 0}}, "steps must be a number from 1, got 0"),
        ({"load": {"component_dtypes": {"vea": "float32"}}}, "WanPipeline has no 'vea' (did you"),
        ({"load": {"components": {"unet": None}}}, "model.load.components: WanPipeline has no"),
        (
            {"options": {"quantise": {"backend": "torchao", "components": ["transformr"]}}},
            "did you mean 'transformer'?); it has tokenizer, ",
        ),
        (
            {"weights": "random", "options": {"cache": {"class": "FirstBlockCacheConfig"}}},
            "model.options.cache=null",
        ),
        (
            {"weights": "random", "options": {"quantise": {"backend": "bitsandbytes_4bit"}}},
            "type model.options.quantise=null or float8",
        ),
    ],
)
def test_a_mistake_is_named_before_weights_are_loaded(
    make: Make, changed: dict[str, Any], expected: str
) -> None:
    with pytest.raises(BenchError) as caught:
        make(**changed).check([PROMPT])
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"task": "t2x"}, "model.task"),
        ({"fps": 0}, "model.fps"),
        ({"weights": "zero"}, "model.weights"),
        ({"load": {"dtpe": "float32"}}, "did you mean 'dtype'"),
        ({"load": {"dtype": "fp16"}}, "float16"),
        ({"load": {"patches": ["clip_text_model_alais"]}}, "did you mean 'clip_text_model_alias'"),
        ({"load": {"components": {"vae": {"repo": "x/y"}}}}, "must be a class with the repo"),
        ({"load": {"components": {"vae": {"class": "AutoencoderKLWann"}}}}, "'AutoencoderKLWan'"),
        ({"load": {"loras": [{"file": "x"}]}}, "model.load.loras"),
        (
            {"load": {"components": {"vae": {"class": "AutoencoderKLWan", "revision": "x"}}}},
            "components.vae.repo=OWNER/NAME",
        ),
        ({"options": {"tilling": True}}, "did you mean 'tiling'"),
        ({"options": {"attention": "flsh"}}, "did you mean 'flash'"),
        ({"options": {"steps": 0}}, "model.options.steps"),
        ({"options": {"batch_size": 0}}, "model.options.batch_size must be a number from 1"),
        ({"options": {"batch_size": True}}, "model.options.batch_size must be a number from 1"),
        ({"options": {"quantise": "int3"}}, "model.options.quantise"),
        ({"options": {"cache": "all"}}, "model.options.cache"),
        ({"options": {"compile": "yes"}}, "blocks"),
        ({"repo": None, "path": None}, "model.repo=OWNER/NAME"),
    ],
)
def test_a_configuration_that_means_nothing_is_refused_at_once(
    make: Make, changed: dict[str, Any], expected: str
) -> None:
    with pytest.raises(BenchError) as caught:
        make(**changed)
    assert expected in str(caught.value)


def test_an_image_to_video_model_needs_an_image(make: Make) -> None:
    with pytest.raises(BenchError, match="prompt 'p' has none: take suite=i2v"):
        make("svd").check([PROMPT])


def test_the_image_is_cropped_to_the_shape_of_the_model(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.zeros((64, 256, 3), np.uint8)
    image[:, 96:160] = 255  # all that is left in a square
    cv2.imwrite(str(tmp_path / "wide.png"), image)
    prompt = Prompt(id="p", text="x", image=tmp_path / "wide.png")
    given = []
    call = diffusers.WanImageToVideoPipeline.__call__

    @functools.wraps(call)
    def spy(pipe: Any, **arguments: Any) -> Any:
        given.append(arguments["image"])
        return call(pipe, **arguments)

    monkeypatch.setattr(diffusers.WanImageToVideoPipeline, "__call__", spy)
    with make("wan_i2v") as generator:
        generator.generate(prompt, 0)
    assert given[0].size == (32, 32)
    assert np.asarray(given[0]).min() == 255


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (np.zeros((1, 4, 8, 8, 3), np.float32), "4 frames that show nothing"),
        (np.full((4, 8, 8, 3), 0.5, np.float32), "show nothing"),
        (np.full((1, 4, 8, 8, 3), np.nan, np.float32), "100% of them are NaN"),
        (np.linspace(0, 3, 4 * 8 * 8 * 3).reshape(4, 8, 8, 3), "from 0 to 1, got 0 to 3"),
        (np.zeros((4, 8, 8, 3), np.uint8), "expected float frames"),
        (np.zeros((2, 4, 8, 8, 3), np.float32), "expected float frames"),
        (np.zeros((4, 8, 8), np.float32), "expected float frames"),
    ],
)
def test_what_is_no_video_is_refused(frames: Any, expected: str) -> None:
    with pytest.raises(ClipError, match=expected):
        to_frames(frames)


def test_frames_are_rounded_to_the_nearest_of_256() -> None:
    ramp = np.linspace(0, 1, 3 * 256, dtype=np.float32).reshape(1, 1, 1, 256, 3)
    frames = to_frames(ramp)
    assert frames.shape == (1, 1, 256, 3)
    assert np.abs(frames / 255 - ramp[0]).max() <= 0.5001 / 255


def test_an_option_names_a_row_of_its_own_and_is_read_back(make: Make) -> None:
    with make(
        "wan", options={"attention": "_native_math", "steps": 3, "tiling": True}
    ) as generator:
        assert generator.info.variant == "3steps-attention-native_math-tiling"
        assert generator.loaded().attention == {"transformer": ["_native_math"]}
        assert generator.pipe.vae.use_tiling
        assert len(generator.generate(PROMPT, 0).frames) == 9
    with make("wan") as plain:  # what one model sets, the next of this process must not inherit
        assert plain.info.variant == ""
        assert plain.loaded().attention == {"transformer": ["native"]}


def test_an_attention_backend_that_changes_nothing_is_refused(make: Make) -> None:
    generator = make("cogvideox", options={"attention": "_native_math"})
    with pytest.raises(BenchError, match=r"CogVideoXAttnProcessor2_0.*attention=null"):
        generator.__enter__()
    assert generator.pipe is None  # nothing of it stays behind
    with make("wan") as other:
        assert other.loaded().attention == {"transformer": ["native"]}


@pytest.mark.parametrize(
    ("quantise", "expected"),
    [
        ({"backend": "bitsandbites_4bit"}, "did you mean 'bitsandbytes_4bit'"),
        (
            {"backend": "bitsandbytes_4bit", "kwargs": {"load_in_4bit": True}},
            "needs bitsandbytes, which is not installed: type pip install bitsandbytes$",
        ),
        ({"backend": "sdnq", "kwargs": {"nosuch": 1}}, "by sdnq: "),
    ],
)
def test_a_quantiser_that_cannot_work_is_named_before_weights_are_loaded(
    quantise: dict[str, Any], expected: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", absent)
    with pytest.raises(BenchError, match=expected):
        make("wan", options={"quantise": quantise}).check([PROMPT])


def test_a_quantiser_takes_the_arguments_of_the_library_of_its_component(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the classes of one name differ, no common configuration would do."""
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    quantise = {
        "backend": "bitsandbytes_8bit",
        "kwargs": {"load_in_8bit": True},
        "components": ["transformer", "text_encoder"],
    }
    configs = Options(quantise=quantise).quantization_config().quant_mapping
    homes = {name: type(config).__module__ for name, config in configs.items()}
    assert homes["transformer"].startswith("diffusers.")
    assert homes["text_encoder"].startswith("transformers.")


def test_a_row_is_not_called_quantised_where_nothing_is(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    quantise = {"backend": "bitsandbytes_8bit", "kwargs": {"load_in_8bit": True}}
    options = Options(quantise=quantise)
    with (
        make("modelscope") as generator,
        pytest.raises(BenchError, match=r"has no transformer: add components, of .*unet"),
    ):
        apply(options, generator.pipe, torch.float32)


def test_weights_are_quantised_by_torchao(make: Make) -> None:
    pytest.importorskip("torchao", reason="pip install torchao")
    quantise = {"backend": "torchao", "kwargs": {"quant_type": "Int8WeightOnlyConfig"}}
    with make("wan", options={"quantise": quantise}) as generator:
        weight = generator.pipe.transformer.blocks[0].attn1.to_q.weight
        assert type(weight) is not torch.nn.Parameter
        assert len(generator.generate(PROMPT, 0).frames) == 9


def test_an_attention_backend_that_is_not_here_says_what_to_type(make: Make) -> None:
    generator = make("wan", options={"attention": "sage_hub"})
    with pytest.raises(BenchError, match=r"kernels.*model\.options\.attention=null$") as told:
        generator.__enter__()
    assert "Error:" not in str(told.value)


def test_an_option_without_anything_to_work_on_is_refused(make: Make) -> None:
    cache = {"class": "FirstBlockCacheConfig", "threshold": 0.1}
    with pytest.raises(BenchError, match="UNet"):
        make("modelscope", options={"cache": cache}).__enter__()
    with pytest.raises(BenchError, match="did you mean 'threshold'"):
        make("wan", options={"cache": {"class": "FirstBlockCacheConfig", "treshold": 1}}).check(
            [PROMPT]
        )


@pytest.mark.parametrize(
    "options",
    [
        {"cache": {"class": "FirstBlockCacheConfig", "threshold": 0.9}},
        {
            "cache": {
                "class": "PyramidAttentionBroadcastConfig",
                "spatial_attention_block_skip_range": 2,
            }
        },
        {"quantise": "float8", "dtype": "bfloat16"},
        {"slicing": True},
    ],
    ids=["first-block", "pyramid", "float8", "slicing"],
)
def test_options_keep_clips_reproducible(make: Make, options: dict[str, Any]) -> None:
    with make("wan", options=options) as generator:
        clips = [generator.generate(PROMPT, 0) for _ in range(2)]
    assert clips[0].sha256 == clips[1].sha256


def test_a_scheduler_is_changed_by_configuration(make: Make) -> None:
    load = {"scheduler": {"class": "FlowMatchEulerDiscreteScheduler", "shift": 5.0}}
    with make("wan", load=load) as generator:
        scheduler = generator.loaded().scheduler
    assert (scheduler["class"], scheduler["shift"]) == ("FlowMatchEulerDiscreteScheduler", 5.0)


def test_what_json_cannot_hold_of_a_scheduler_is_kept_as_text(make: Make) -> None:
    with make("wan", load={"scheduler": {"class": "DPMSolverMultistepScheduler"}}) as generator:
        assert generator.loaded().scheduler["lambda_min_clipped"] == "-inf"


def test_a_component_may_come_from_elsewhere(make: Make, tiny: Callable[[str], Path]) -> None:
    elsewhere = str(tiny("animatediff"))
    part = {"class": "MotionAdapter", "repo": elsewhere, "subfolder": "motion_adapter"}
    load = {"components": {"motion_adapter": part}}
    hashes = []
    for path in (tiny("stable_diffusion"), tiny("animatediff")):
        with make("animatediff", path=str(path), load=load) as generator:
            assert type(generator.pipe.unet).__name__ == "UNetMotionModel"
            assert not generator.pipe.unet.training
            hashes.append(generator.generate(PROMPT, 0).sha256)
    assert hashes[0] == hashes[1]


def test_a_component_may_be_one_file(
    make: Make, tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As AnimateDiff-Lightning's adapter is."""
    adapter = motion_adapter()
    save_file(adapter.state_dict(), tmp_path / "adapter.safetensors")
    monkeypatch.setattr(diffusers, "MotionAdapter", lambda: adapter)  # by default, 453M
    part = {"class": "MotionAdapter", "repo": str(tmp_path), "file": "adapter.safetensors"}
    load = {"components": {"motion_adapter": part}}
    with make("animatediff", path=str(tiny("stable_diffusion")), load=load) as generator:
        assert len(generator.generate(PROMPT, 0).frames) == 4


def test_a_lora_changes_the_clip(make: Make, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="pip install 'steadybench[lora]'")
    pipe = TINY["animatediff"].build()
    adapter = peft.LoraConfig(r=2, target_modules=["to_q", "to_k"], init_lora_weights=False)
    pipe.unet.add_adapter(adapter)
    layers = peft.utils.get_peft_model_state_dict(pipe.unet)
    pipe.save_lora_weights(tmp_path, unet_lora_layers=layers)
    hashes = []
    for loras in ([], [{"repo": str(tmp_path), "weight": 0}], [{"repo": str(tmp_path)}]):
        with make("animatediff", load={"loras": loras}) as generator:
            hashes.append(generator.generate(PROMPT, 0).sha256)
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_lora_without_its_library_says_what_to_type(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*_: Any, **__: Any) -> None:
        raise ValueError("PEFT backend is required for this method.")

    monkeypatch.setattr(diffusers.AnimateDiffPipeline, "load_lora_weights", without)
    with pytest.raises(BenchError, match=r"pip install 'steadybench\[lora\]'"):
        make("animatediff", load={"loras": [{"repo": str(tmp_path)}]}).__enter__()


def test_random_weights_that_are_offloaded_are_made_in_main_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = make("wan", weights="random", options={"offload": "model"})
    generator.device = torch.device("cuda")
    placed = []
    monkeypatch.setattr(
        diffusers.WanPipeline,
        "enable_model_cpu_offload",
        lambda pipe, device: placed.append((pipe.device.type, device.type)),
    )
    monkeypatch.setattr("bench.generators.diffusers.generator.StageClock", lambda *_: None)
    monkeypatch.setattr("torch.cuda.empty_cache", lambda: None)
    with generator:
        assert placed == [("cpu", "cuda")]


def test_memory_that_runs_out_leaves_the_pipeline_usable(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make("wan") as generator:
        freed = []
        monkeypatch.setattr(generator.pipe, "maybe_free_model_hooks", lambda: freed.append(True))
        forward = generator.pipe.transformer.forward

        def full(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

        monkeypatch.setattr(generator.pipe.transformer, "forward", full)
        with pytest.raises(torch.OutOfMemoryError):
            generator.generate(PROMPT, 0)
        assert freed
        monkeypatch.setattr(generator.pipe.transformer, "forward", forward)
        assert len(generator.generate(PROMPT, 0).frames) == 9
