"""Tiny pipelines of real classes with random weights, written as folders that models load from.

They stand in for weights of many gigabytes: everything but the weights is what a real model runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import tiny_dits as dits
import tiny_language as language
import tiny_unets as unets


@dataclass(frozen=True)
class Tiny:
    """One pipeline: how it is made, and what its model's YAML would say.

    Attributes:
        pipeline: its class, as a YAML calls it.
        build: makes the pipeline, less than 2 MB of it.
        call: keyword arguments, for clips of 32x32 pixels.
        more: other arguments of the generator.
    """

    pipeline: str
    build: Callable[[], Any]
    call: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, path: str) -> dict[str, Any]:
        """Of `DiffusersGenerator`, and of a YAML."""
        size = {"height": 32, "width": 32, "num_inference_steps": 2}
        absent = {key for key in size if self.call.get(key, 0) is None}
        call = {key: value for key, value in {**size, **self.call}.items() if key not in absent}
        load = {"dtype": "float32", **self.more.get("load", {})}
        rest = {key: value for key, value in self.more.items() if key != "load"}
        defaults = {"pipeline": self.pipeline, "path": path, "fps": 8, "multiple": 8}
        return {**defaults, "call": call, "load": load, **rest}


I2V = {"task": "i2v"}
NINE = {"num_frames": 9}
SHORT = {**NINE, "max_sequence_length": 16}
GUIDED = {**SHORT, "guidance_scale": 5.0}
PYRAMID = {
    **SHORT,
    "num_frames": 33,
    "height": 128,
    "width": 128,
    "num_inference_steps": None,
    "pyramid_num_inference_steps_list": [1, 1, 1],
}
SANA = {"frames": 9, "max_sequence_length": 16, "use_resolution_binning": False}
SANA_FRAMES = {"inputs": {"num_frames": "frames"}}
LTX_2_3 = {
    "frame_rate": 24.0,
    "guidance_scale": 3.0,
    "stg_scale": 1.0,
    "modality_scale": 3.0,
    "guidance_rescale": 0.7,
    "spatio_temporal_guidance_blocks": [1],
    "use_cross_timestep": True,
}
PLAIN_TEMPLATE = {"prompt_template": {"template": "{}", "crop_start": 0}}


# One for each class, and one for each generation of networks within it (Wan 2.1 and 2.2, LTX-2 and
# 2.3, Helios Mid and Distilled). Sizes of a family share theirs: Cosmos3 Nano and Super,
# AnyFlow-FAR and Wan VACE of 1.3B and 14B, HunyuanVideo-1.5 of 480p, 720p and few steps. LTX-2 in
# two stages is a server's.
TINY: dict[str, Tiny] = {
    "svd": Tiny(
        "StableVideoDiffusionPipeline",
        unets.svd,
        {"num_frames": 4, "fps": 7, "motion_bucket_id": 127, "decode_chunk_size": 2},
        I2V,
    ),
    "animatediff": Tiny(
        "AnimateDiffPipeline", unets.animatediff, {"num_frames": 4, "decode_chunk_size": 2}
    ),
    "i2vgen_xl": Tiny(
        "I2VGenXLPipeline",
        unets.i2vgen_xl,
        {"num_frames": 4, "target_fps": 16, "decode_chunk_size": 2},
        {**I2V, "load": {"patches": ["clip_text_model_alias"]}},
    ),
    "modelscope": Tiny("TextToVideoSDPipeline", unets.modelscope, {"num_frames": 4}),
    "cogvideox": Tiny("CogVideoXPipeline", dits.cogvideox, GUIDED, {"frames": "8k+1"}),
    "cogvideox_i2v": Tiny(
        "CogVideoXImageToVideoPipeline", dits.cogvideox_i2v, GUIDED, {**I2V, "frames": "8k+1"}
    ),
    "wan": Tiny("WanPipeline", dits.wan, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "wan22": Tiny("WanPipeline", dits.wan22, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "wan_i2v": Tiny(
        "WanImageToVideoPipeline", dits.wan_i2v, GUIDED, {**I2V, "frames": "4k+1", "multiple": 16}
    ),
    "ltx": Tiny(
        "LTXPipeline", dits.ltx, {**GUIDED, "frame_rate": 25}, {"frames": "8k+1", "multiple": 32}
    ),
    "ltx_i2v": Tiny(
        "LTXImageToVideoPipeline",
        lambda: dits.ltx(diffusers.LTXImageToVideoPipeline),
        {**GUIDED, "frame_rate": 25},
        {**I2V, "frames": "8k+1", "multiple": 32},
    ),
    "hunyuan": Tiny(
        "HunyuanVideoPipeline",
        dits.hunyuan,
        {**GUIDED, **PLAIN_TEMPLATE},
        {"frames": "4k+1", "multiple": 16},
    ),
    "hunyuan15": Tiny(
        "HunyuanVideo15Pipeline",
        dits.hunyuan15,
        NINE,
        {"frames": "4k+1", "load": {"guider": {"guidance_scale": 2.0}}},
    ),
    "mochi": Tiny("MochiPipeline", dits.mochi, {**GUIDED, "num_frames": 7}, {"frames": "6k+1"}),
    "latte": Tiny(
        "LattePipeline",
        dits.latte,
        {"video_length": 4, "clean_caption": False},
        {"frames": 4, "inputs": {"num_frames": "video_length"}},
    ),
    "allegro": Tiny(
        "AllegroPipeline",
        dits.allegro,
        {**GUIDED, "num_frames": 8, "clean_caption": False},
        {"frames": "4k", "load": {"after": ["vae.enable_tiling"]}},
    ),
    "animatediff_sdxl": Tiny("AnimateDiffSDXLPipeline", unets.animatediff_sdxl, {"num_frames": 4}),
    "text2video_zero": Tiny(
        "TextToVideoZeroPipeline",
        unets.text2video_zero,
        {"video_length": 3, "num_inference_steps": 6, "t0": 1, "t1": 3},
        {
            "output": "images",
            "inputs": {"num_frames": "video_length"},
            "load": {"components": {"safety_checker": None, "feature_extractor": None}},
        },
    ),
    "ltx_condition": Tiny(
        "LTXConditionPipeline",
        lambda: dits.ltx(diffusers.LTXConditionPipeline),
        {**GUIDED, "frame_rate": 25},
        {"task": "ti2v", "frames": "8k+1", "multiple": 32},
    ),
    "skyreels_v2": Tiny(
        "SkyReelsV2Pipeline", dits.skyreels_v2, GUIDED, {"frames": "4k+1", "multiple": 16}
    ),
    "skyreels_v2_df": Tiny(
        "SkyReelsV2DiffusionForcingPipeline",
        lambda: dits.skyreels_v2(diffusers.SkyReelsV2DiffusionForcingPipeline),
        {**GUIDED, "addnoise_condition": 20},
        {"frames": "4k+1", "multiple": 16},
    ),
    "skyreels_v2_i2v": Tiny(
        "SkyReelsV2ImageToVideoPipeline",
        dits.skyreels_v2_i2v,
        GUIDED,
        {**I2V, "frames": "4k+1", "multiple": 16},
    ),
    "skyreels_v1": Tiny(
        "HunyuanSkyreelsImageToVideoPipeline",
        dits.skyreels_v1,
        {**GUIDED, **PLAIN_TEMPLATE},
        {**I2V, "frames": "4k+1"},
    ),
    "hunyuan_i2v": Tiny(
        "HunyuanVideoImageToVideoPipeline",
        dits.hunyuan_i2v,
        {
            **NINE,
            "max_sequence_length": 64,
            "prompt_template": {
                "template": "{}",
                "crop_start": 0,
                "image_emb_len": 49,
                "image_emb_start": 5,
                "image_emb_end": 54,
            },
        },
        {**I2V, "frames": "4k+1"},
    ),
    "framepack": Tiny(
        "HunyuanVideoFramepackPipeline",
        dits.framepack,
        {**NINE, **PLAIN_TEMPLATE, "latent_window_size": 3, "max_sequence_length": 256},
        I2V,
    ),
    "helios": Tiny(
        "HeliosPipeline",
        dits.helios,
        {**SHORT, "num_frames": 33},
        {"task": "ti2v", "frames": "33k"},
    ),
    "helios_mid": Tiny(
        "HeliosPyramidPipeline",
        dits.helios_mid,
        {**PYRAMID, "guidance_scale": 5.0},
        {"task": "ti2v", "frames": "33k"},
    ),
    "helios_distilled": Tiny(
        "HeliosPyramidPipeline",
        dits.helios_distilled,
        {**PYRAMID, "guidance_scale": 1.0, "is_amplify_first_chunk": True},
        {"task": "ti2v", "frames": "33k"},
    ),
    "wan_vace": Tiny("WanVACEPipeline", dits.wan_vace, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "wan_modular": Tiny(
        "WanModularPipeline",
        dits.wan_modular,
        SHORT,
        {
            "output": "videos",
            "frames": "4k+1",
            "multiple": 16,
            "load": {"guider": {"guidance_scale": 4.0}},
        },
    ),
    "sana_video": Tiny(
        "SanaVideoPipeline", language.sana_video, SANA, {**SANA_FRAMES, "frames": "4k+1"}
    ),
    "sana_video_i2v": Tiny(
        "SanaImageToVideoPipeline",
        language.sana_video_i2v,
        SANA,
        {**SANA_FRAMES, **I2V, "frames": "4k+1"},
    ),
    "anyflow": Tiny("AnyFlowPipeline", dits.anyflow, SHORT, {"frames": "4k+1", "multiple": 16}),
    "anyflow_far": Tiny(
        "AnyFlowFARPipeline",
        dits.anyflow_far,
        SHORT,
        {"task": "ti2v", "inputs": {"image": "video"}, "frames": 9, "multiple": 16},
    ),
    "skyreels_v2_df_i2v": Tiny(
        "SkyReelsV2DiffusionForcingImageToVideoPipeline",
        lambda: dits.skyreels_v2(diffusers.SkyReelsV2DiffusionForcingImageToVideoPipeline),
        {**GUIDED, "addnoise_condition": 20},
        {**I2V, "frames": "4k+1", "multiple": 16},
    ),
    "ltx_long": Tiny(
        "LTXI2VLongMultiPromptPipeline",
        lambda: dits.ltx(diffusers.LTXI2VLongMultiPromptPipeline),
        {**SHORT, "frame_rate": 25, "seed": None},
        {
            "task": "ti2v",
            "inputs": {"image": "cond_image"},
            "frames": "8k+1",
            "multiple": 32,
            "load": {"scheduler": {"class": "LTXEulerAncestralRFScheduler"}},
        },
    ),
    "ltx_2": Tiny(
        "LTX2Pipeline", language.ltx_2, {**SHORT, "frame_rate": 24.0}, {"frames": "8k+1"}
    ),
    "ltx_2_i2v": Tiny(
        "LTX2ImageToVideoPipeline",
        language.ltx_2_i2v,
        {**SHORT, "frame_rate": 24.0},
        {**I2V, "frames": "8k+1"},
    ),
    "ltx_2_3": Tiny("LTX2Pipeline", language.ltx_2_3, {**SHORT, **LTX_2_3}, {"frames": "8k+1"}),
    "ltx_2_3_i2v": Tiny(
        "LTX2ImageToVideoPipeline",
        language.ltx_2_3_i2v,
        {**SHORT, **LTX_2_3},
        {**I2V, "frames": "8k+1"},
    ),
    "hunyuan15_i2v": Tiny(
        "HunyuanVideo15ImageToVideoPipeline",
        dits.hunyuan15_i2v,
        {**NINE, "height": None, "width": None},
        {**I2V, "frames": "4k+1", "image_size": {"height": 32, "width": 32}},
    ),
    "kandinsky5": Tiny(
        "Kandinsky5T2VPipeline",
        language.kandinsky5,
        {"num_frames": 5},
        {"frames": "4k+1", "multiple": 16},
    ),
    "kandinsky5_i2v": Tiny(
        "Kandinsky5I2VPipeline",
        language.kandinsky5_i2v,
        {"num_frames": 17},
        {**I2V, "frames": "4k+1", "multiple": 16},
    ),
    "motif": Tiny("MotifVideoPipeline", language.motif, SHORT, {"frames": "4k+1", "multiple": 16}),
    "motif_i2v": Tiny(
        "MotifVideoImage2VideoPipeline",
        language.motif_i2v,
        SHORT,
        {**I2V, "frames": "4k+1", "multiple": 16},
    ),
    "easyanimate": Tiny(
        "EasyAnimatePipeline",
        language.easyanimate,
        {"num_frames": 5, "negative_prompt": "blurry"},
        {"frames": "4k+1", "multiple": 16},
    ),
    "easyanimate_i2v": Tiny(
        "EasyAnimateInpaintPipeline",
        language.easyanimate_inpaint,
        {"num_frames": 5, "negative_prompt": "blurry"},
        {
            **I2V,
            "inputs": {"image": "video"},
            "frames": "4k+1",
            "multiple": 16,
            "load": {"patches": ["easyanimate_first_frame"]},
        },
    ),
    "sana_wm": Tiny(
        "SanaWMPipeline",
        language.sana_wm,
        {
            "num_frames": 9,
            "action": "w-8",
            "intrinsics": [16.0, 16.0, 16.0, 16.0],
            "max_sequence_length": 16,
            "guidance_scale": 5.0,
        },
        {**I2V, "frames": "8k+1"},
    ),
    "cosmos3": Tiny(
        "Cosmos3OmniPipeline",
        language.cosmos3,
        {"num_frames": 5, "use_system_prompt": False},
        {"task": "ti2v", "output": "video", "frames": "4k+1"},
    ),
    "cosmos": Tiny("CosmosTextToWorldPipeline", dits.cosmos, GUIDED, {"frames": "4k+1"}),
    "cosmos_i2v": Tiny(
        "CosmosVideoToWorldPipeline", dits.cosmos_i2v, GUIDED, {**I2V, "frames": "4k+1"}
    ),
    "cosmos2_i2v": Tiny(
        "Cosmos2VideoToWorldPipeline", dits.cosmos2_i2v, GUIDED, {**I2V, "frames": "4k+1"}
    ),
    "cosmos2_5": Tiny(
        "Cosmos2_5_PredictBasePipeline",
        dits.cosmos2_5,
        {**GUIDED, "max_sequence_length": 64},
        {"task": "ti2v", "frames": "4k+1"},
    ),
    "minimax_h3": Tiny(
        "MiniMaxH3ModularPipeline",
        language.minimax_h3,
        {"num_frames": 124},
        {
            "task": "ti2v",
            "output": "videos",
            "frames": "17k+5",
            "multiple": 32,
            "load": {"components": {"transformer_ref": None}},
        },
    ),
}

# Everything that can be written as a folder; the first two make images, which others animate.
BUILDERS: dict[str, Callable[[], Any]] = {
    "stable_diffusion": unets.stable_diffusion,
    "stable_diffusion_xl": unets.stable_diffusion_xl,
    "wan_animate": dits.wan_animate,  # these three apart, since they take videos
    "wan_animate_2": dits.wan_animate_2,
    "wan_animate_2_distilled": lambda: dits.wan_animate_2(
        diffusers.WanAnimate2DistilledModularPipeline
    ),
    "consisid": dits.consisid,  # and since its faces are read by networks of others
    **{name: entry.build for name, entry in TINY.items()},
}
