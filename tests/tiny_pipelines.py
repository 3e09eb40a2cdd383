"""Tiny pipelines of real classes with random weights, written as folders that models load from.

They stand in for weights of many gigabytes: everything but the weights is what a real model runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import tiny_more as more
import tiny_networks as net
import transformers

from bench.generators import stand_in


@dataclass(frozen=True)
class Tiny:
    """One pipeline: how it is made, and what its model's YAML would say.

    Attributes:
        build: makes the pipeline, less than 2 MB of it.
        call: keyword arguments, for clips of 32x32 pixels.
        more: other arguments of the generator.
    """

    build: Callable[[], Any]
    call: Mapping[str, Any]
    more: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, name: str, path: str) -> dict[str, Any]:
        """Of `DiffusersGenerator`, and of a YAML."""
        size = {"height": 32, "width": 32, "num_inference_steps": 2}
        call = {key: value for key, value in (size | dict(self.call)).items() if value is not None}
        load = {"dtype": "float32", **self.more.get("load", {})}
        rest = {key: value for key, value in self.more.items() if key != "load"}
        defaults = {"pipeline": PIPELINES[name], "path": path, "fps": 8, "multiple": 8}
        return {**defaults, "call": call, "load": load, **rest}


I2V = {"task": "i2v"}
NINE = {"num_frames": 9}
SHORT = {**NINE, "max_sequence_length": 16}
GUIDED = {**SHORT, "guidance_scale": 5.0}
SANA = {"frames": 9, "max_sequence_length": 16, "use_resolution_binning": False}
SANA_FRAMES = {"inputs": {"num_frames": "frames"}}
PLAIN_TEMPLATE = {"prompt_template": {"template": "{}", "crop_start": 0}}


def svd() -> Any:
    unet = net.made(
        diffusers.UNetSpatioTemporalConditionModel,
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=32,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=32,
        num_attention_heads=8,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    vae = net.made(
        diffusers.AutoencoderKLTemporalDecoder,
        block_out_channels=[32, 64],
        down_block_types=["DownEncoderBlock2D"] * 2,
    )
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        sigma_max=700.0,
        sigma_min=0.002,
        steps_offset=1,
        timestep_type="continuous",
        use_karras_sigmas=True,
    )
    return diffusers.StableVideoDiffusionPipeline(
        unet=unet,
        vae=vae,
        scheduler=scheduler,
        # An image is always resized to 224 pixels here.
        image_encoder=net.clip_vision(size=224, patch=32),
        feature_extractor=net.clip_images(224),
    )


def stable_diffusion() -> Any:
    """Makes images, which others animate."""
    return diffusers.StableDiffusionPipeline(
        **_stable_diffusion(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_diffusion() -> dict[str, Any]:
    unet = net.made(
        diffusers.UNet2DConditionModel,
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        norm_num_groups=2,
    )
    return {
        "unet": unet,
        "vae": net.image_vae(),
        "scheduler": net.ddim(beta_schedule="linear", steps_offset=1),
        "text_encoder": net.clip_text(),
        "tokenizer": stand_in.clip(),
    }


def motion_adapter() -> Any:
    return net.made(
        diffusers.MotionAdapter,
        block_out_channels=(8, 8),
        motion_layers_per_block=1,
        motion_norm_num_groups=2,
        motion_num_attention_heads=4,
    )


def animatediff() -> Any:
    return _eval(
        diffusers.AnimateDiffPipeline(**_stable_diffusion(), motion_adapter=motion_adapter())
    )


def stable_diffusion_xl() -> Any:
    """Makes images too."""
    return diffusers.StableDiffusionXLPipeline(**_stable_diffusion_xl())


def animatediff_sdxl() -> Any:
    parts = _stable_diffusion_xl()
    return _eval(diffusers.AnimateDiffSDXLPipeline(**parts, motion_adapter=motion_adapter()))


def _stable_diffusion_xl() -> dict[str, Any]:
    parts = _stable_diffusion()
    parts["unet"] = net.made(
        diffusers.UNet2DConditionModel,
        block_out_channels=(8, 8),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        projection_class_embeddings_input_dim=80,
        cross_attention_dim=64,
        norm_num_groups=2,
    )
    parts["text_encoder"] = net.clip_text(32)
    projected = transformers.CLIPTextModelWithProjection
    second = {"text_encoder_2": net.clip_text(32, kind=projected), "tokenizer_2": stand_in.clip()}
    return {**parts, **second}


def _eval(pipe: Any) -> Any:
    pipe.unet.eval()  # put together by the pipeline, in training mode
    return pipe


def i2vgen_xl() -> Any:
    return diffusers.I2VGenXLPipeline(
        unet=_unet_3d(diffusers.I2VGenXLUNet, (4, 8), num_attention_heads=None),
        vae=net.image_vae((8,)),
        scheduler=net.ddim(beta_schedule="scaled_linear", set_alpha_to_one=False),
        text_encoder=net.clip_text(4, heads=2),
        tokenizer=stand_in.clip(),
        image_encoder=net.clip_vision(4),
        feature_extractor=net.clip_images(),
    )


def modelscope() -> Any:
    return diffusers.TextToVideoSDPipeline(
        unet=_unet_3d(diffusers.UNet3DConditionModel, (8, 8)),
        vae=net.image_vae((8,)),
        scheduler=net.ddim(beta_schedule="scaled_linear", set_alpha_to_one=False),
        text_encoder=net.clip_text(4, heads=2),
        tokenizer=stand_in.clip(),
    )


def _unet_3d(kind: Any, channels: tuple[int, int], **more: Any) -> Any:
    return net.made(
        kind,
        block_out_channels=channels,
        layers_per_block=1,
        sample_size=32,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        cross_attention_dim=4,
        attention_head_dim=4,
        norm_num_groups=2,
        **more,
    )


def text2video_zero() -> Any:
    return diffusers.TextToVideoZeroPipeline(
        **_stable_diffusion(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def cogvideox(kind: Any = diffusers.CogVideoXPipeline, **of_transformer: Any) -> Any:
    heads = {"num_attention_heads": 4, "attention_head_dim": 8, "in_channels": 4}
    transformer = net.made(
        diffusers.CogVideoXTransformer3DModel,
        **{
            **heads,
            "out_channels": 4,
            "time_embed_dim": 2,
            "text_embed_dim": 32,
            "num_layers": 1,
            "sample_width": 4,
            "sample_height": 4,
            "sample_frames": 9,
            "max_text_seq_length": 16,
            **of_transformer,
        },
    )
    return kind(
        transformer=transformer,
        vae=net.cog_vae(),
        scheduler=diffusers.DDIMScheduler(),
        **_text(),
    )


def cogvideox_i2v() -> Any:
    return cogvideox(
        diffusers.CogVideoXImageToVideoPipeline,
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=8,
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
    )


def _text(width: int = 32) -> dict[str, Any]:
    return {"text_encoder": net.t5(width), "tokenizer": stand_in.t5()}


def _wan(kind: Any, transformer: Any, scheduler: Any, **more: Any) -> Any:
    return kind(transformer=transformer, vae=net.wan_vae(), scheduler=scheduler, **_text(), **more)


def wan() -> Any:
    return _wan(diffusers.WanPipeline, net.wan_transformer(), net.unipc_flow())


def wan22() -> Any:
    second = net.wan_transformer()
    return _wan(
        diffusers.WanPipeline,
        net.wan_transformer(),
        net.unipc_flow(),
        transformer_2=second,
        boundary_ratio=0.875,
    )


def wan_i2v(
    kind: Any = diffusers.WanImageToVideoPipeline,
    network: Any = diffusers.WanTransformer3DModel,
) -> Any:
    return _wan(
        kind,
        net.wan_transformer(network, 36, image_dim=4),
        net.unipc_flow(),
        image_encoder=net.clip_vision(4),
        image_processor=net.clip_images(),
    )


def skyreels_v2(kind: Any = diffusers.SkyReelsV2Pipeline) -> Any:
    network = net.wan_transformer(diffusers.SkyReelsV2Transformer3DModel)
    return _wan(
        kind, network, diffusers.UniPCMultistepScheduler(flow_shift=8.0, use_flow_sigmas=True)
    )


def skyreels_v2_i2v() -> Any:
    return wan_i2v(diffusers.SkyReelsV2ImageToVideoPipeline, diffusers.SkyReelsV2Transformer3DModel)


def helios() -> Any:
    transformer = net.made(
        diffusers.HeliosTransformer3DModel,
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_dim=(4, 4, 4),
        has_multi_term_memory_patch=True,
        guidance_cross_attn=True,
        zero_history_timestep=True,
        is_amplify_history=False,
    )
    scheduler = diffusers.HeliosScheduler(stage_range=[0, 1], stages=1, use_dynamic_shifting=True)
    return _wan(diffusers.HeliosPipeline, transformer, scheduler)


def ltx(kind: Any = diffusers.LTXPipeline) -> Any:
    return kind(
        transformer=net.ltx_transformer(),
        vae=net.ltx_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        **_text(),
    )


def _hunyuan(kind: Any, transformer: Any, text_encoder: Any, **more: Any) -> Any:
    return kind(
        transformer=transformer,
        vae=net.hunyuan_vae(),
        scheduler=net.euler_shift(),
        text_encoder=text_encoder,
        tokenizer=stand_in.llama(),
        text_encoder_2=net.clip_text(),
        tokenizer_2=stand_in.clip(),
        **more,
    )


def hunyuan() -> Any:
    return _hunyuan(diffusers.HunyuanVideoPipeline, net.hunyuan_transformer(), net.llama())


def skyreels_v1() -> Any:
    transformer = net.hunyuan_transformer(in_channels=8)
    return _hunyuan(diffusers.HunyuanSkyreelsImageToVideoPipeline, transformer, net.llama())


def framepack() -> Any:
    transformer = net.hunyuan_transformer(
        diffusers.HunyuanVideoFramepackTransformer3DModel,
        patch_size=2,
        has_image_proj=True,
        image_proj_dim=32,
        has_clean_x_embedder=True,
    )
    return _hunyuan(
        diffusers.HunyuanVideoFramepackPipeline,
        transformer,
        net.llama(),
        image_encoder=net.siglip(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 32, "width": 32}),
    )


def hunyuan_i2v() -> Any:
    transformer = net.hunyuan_transformer(
        in_channels=9, guidance_embeds=False, image_condition_type="latent_concat"
    )
    return _hunyuan(
        diffusers.HunyuanVideoImageToVideoPipeline,
        transformer,
        net.llava(),
        image_processor=net.clip_images(224),
    )


def hunyuan15() -> Any:
    transformer = net.made(
        diffusers.HunyuanVideo15Transformer3DModel,
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=16,
        text_embed_2_dim=32,
        image_embed_dim=12,
        rope_axes_dim=(2, 2, 4),
        target_size=16,
    )
    vae = net.made(
        diffusers.AutoencoderKLHunyuanVideo15,
        latent_channels=4,
        block_out_channels=(16, 16),
        layers_per_block=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=2,
        downsample_match_channel=False,
        upsample_match_channel=False,
    )
    return diffusers.HunyuanVideo15Pipeline(
        transformer=transformer,
        vae=vae,
        scheduler=net.euler_shift(),
        text_encoder=net.qwen_text(),
        tokenizer=stand_in.qwen(),
        text_encoder_2=net.t5(),
        tokenizer_2=transformers.ByT5Tokenizer(),
        guider=diffusers.ClassifierFreeGuidance(guidance_scale=1.0),
    )


def mochi() -> Any:
    transformer = net.made(
        diffusers.MochiTransformer3DModel,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        pooled_projection_dim=16,
        in_channels=12,
        text_embed_dim=32,
        time_embed_dim=4,
        max_sequence_length=16,
    )
    vae = net.made(
        diffusers.AutoencoderKLMochi,
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        layers_per_block=(1,) * 5,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.MochiPipeline(transformer=transformer, vae=vae, scheduler=scheduler, **_text())


def latte() -> Any:
    transformer = net.made(
        diffusers.LatteTransformer3DModel,
        sample_size=16,
        num_layers=1,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=3,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=24,
        out_channels=8,
        attention_bias=True,
        activation_fn="gelu-approximate",
        num_embeds_ada_norm=1000,
        norm_type="ada_norm_single",
        norm_elementwise_affine=False,
        norm_eps=1e-6,
        video_length=4,
    )
    return diffusers.LattePipeline(
        transformer=transformer, vae=net.image_vae(), scheduler=diffusers.DDIMScheduler(), **_text()
    )


def shrink_tiles(vae: Any) -> None:
    """Allegro decodes whole tiles of 24 x 320 x 320 alone, which takes 10 s; a test needs less."""
    vae.use_tiling = True
    vae.kernel, vae.stride = (8, 16, 16), (4, 8, 8)
    vae.tile_overlap_t, vae.tile_overlap_h, vae.tile_overlap_w = 4, 8, 8


def allegro() -> Any:
    transformer = net.made(
        diffusers.AllegroTransformer3DModel,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        cross_attention_dim=24,
        sample_width=8,
        sample_height=8,
        sample_frames=8,
        caption_channels=24,
    )
    vae = net.made(
        diffusers.AutoencoderKLAllegro,
        block_out_channels=(8,) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        sample_size=320,
    )
    return diffusers.AllegroPipeline(
        transformer=transformer, vae=vae, scheduler=diffusers.DDIMScheduler(), **_text(24)
    )


# Name to the class, which a YAML calls `pipeline`.
PIPELINES: dict[str, str] = {
    "svd": "StableVideoDiffusionPipeline",
    "animatediff": "AnimateDiffPipeline",
    "i2vgen_xl": "I2VGenXLPipeline",
    "modelscope": "TextToVideoSDPipeline",
    "cogvideox": "CogVideoXPipeline",
    "cogvideox_i2v": "CogVideoXImageToVideoPipeline",
    "wan": "WanPipeline",
    "wan22": "WanPipeline",
    "wan_i2v": "WanImageToVideoPipeline",
    "ltx": "LTXPipeline",
    "ltx_i2v": "LTXImageToVideoPipeline",
    "hunyuan": "HunyuanVideoPipeline",
    "hunyuan15": "HunyuanVideo15Pipeline",
    "mochi": "MochiPipeline",
    "latte": "LattePipeline",
    "allegro": "AllegroPipeline",
    "animatediff_sdxl": "AnimateDiffSDXLPipeline",
    "text2video_zero": "TextToVideoZeroPipeline",
    "ltx_condition": "LTXConditionPipeline",
    "skyreels_v2": "SkyReelsV2Pipeline",
    "skyreels_v2_df": "SkyReelsV2DiffusionForcingPipeline",
    "skyreels_v2_i2v": "SkyReelsV2ImageToVideoPipeline",
    "skyreels_v1": "HunyuanSkyreelsImageToVideoPipeline",
    "hunyuan_i2v": "HunyuanVideoImageToVideoPipeline",
    "framepack": "HunyuanVideoFramepackPipeline",
    "helios": "HeliosPipeline",
    "sana_video": "SanaVideoPipeline",
    "sana_video_i2v": "SanaImageToVideoPipeline",
    "anyflow": "AnyFlowPipeline",
    "ltx_2": "LTX2Pipeline",
    "ltx_2_i2v": "LTX2ImageToVideoPipeline",
    "hunyuan15_i2v": "HunyuanVideo15ImageToVideoPipeline",
    "kandinsky5": "Kandinsky5T2VPipeline",
    "kandinsky5_i2v": "Kandinsky5I2VPipeline",
    "motif": "MotifVideoPipeline",
    "easyanimate": "EasyAnimatePipeline",
}

TINY: dict[str, Tiny] = {
    "svd": Tiny(
        svd,
        {"num_frames": 4, "fps": 7, "motion_bucket_id": 127, "decode_chunk_size": 2},
        I2V,
    ),
    "animatediff": Tiny(animatediff, {"num_frames": 4, "decode_chunk_size": 2}),
    "i2vgen_xl": Tiny(
        i2vgen_xl,
        {"num_frames": 4, "target_fps": 16, "decode_chunk_size": 2},
        {**I2V, "load": {"patches": ["clip_text_model_alias"]}},
    ),
    "modelscope": Tiny(modelscope, {"num_frames": 4}),
    "cogvideox": Tiny(cogvideox, GUIDED, {"frames": "8k+1"}),
    "cogvideox_i2v": Tiny(cogvideox_i2v, GUIDED, {**I2V, "frames": "8k+1"}),
    "wan": Tiny(wan, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "wan22": Tiny(wan22, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "wan_i2v": Tiny(wan_i2v, GUIDED, {**I2V, "frames": "4k+1", "multiple": 16}),
    "ltx": Tiny(ltx, {**GUIDED, "frame_rate": 25}, {"frames": "8k+1", "multiple": 32}),
    "ltx_i2v": Tiny(
        lambda: ltx(diffusers.LTXImageToVideoPipeline),
        {**GUIDED, "frame_rate": 25},
        {**I2V, "frames": "8k+1", "multiple": 32},
    ),
    "hunyuan": Tiny(hunyuan, {**GUIDED, **PLAIN_TEMPLATE}, {"frames": "4k+1", "multiple": 16}),
    "hunyuan15": Tiny(
        hunyuan15, NINE, {"frames": "4k+1", "load": {"guider": {"guidance_scale": 2.0}}}
    ),
    "mochi": Tiny(mochi, {**GUIDED, "num_frames": 7}, {"frames": "6k+1"}),
    "latte": Tiny(
        latte,
        {"video_length": 4, "clean_caption": False},
        {"frames": 4, "inputs": {"num_frames": "video_length"}},
    ),
    "allegro": Tiny(
        allegro,
        {**GUIDED, "num_frames": 8, "clean_caption": False},
        {"frames": "4k", "load": {"after": ["vae.enable_tiling"]}},
    ),
    "animatediff_sdxl": Tiny(animatediff_sdxl, {"num_frames": 4}),
    "text2video_zero": Tiny(
        text2video_zero,
        {"video_length": 3, "num_inference_steps": 6, "t0": 1, "t1": 3},
        {
            "output": "images",
            "inputs": {"num_frames": "video_length"},
            "load": {"components": {"safety_checker": None, "feature_extractor": None}},
        },
    ),
    "ltx_condition": Tiny(
        lambda: ltx(diffusers.LTXConditionPipeline),
        {**GUIDED, "frame_rate": 25},
        {"task": "ti2v", "frames": "8k+1", "multiple": 32},
    ),
    "skyreels_v2": Tiny(skyreels_v2, GUIDED, {"frames": "4k+1", "multiple": 16}),
    "skyreels_v2_df": Tiny(
        lambda: skyreels_v2(diffusers.SkyReelsV2DiffusionForcingPipeline),
        {**GUIDED, "addnoise_condition": 20},
        {"frames": "4k+1", "multiple": 16},
    ),
    "skyreels_v2_i2v": Tiny(skyreels_v2_i2v, GUIDED, {**I2V, "frames": "4k+1", "multiple": 16}),
    "skyreels_v1": Tiny(skyreels_v1, {**GUIDED, **PLAIN_TEMPLATE}, {**I2V, "frames": "4k+1"}),
    "hunyuan_i2v": Tiny(
        hunyuan_i2v,
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
        framepack,
        {**NINE, **PLAIN_TEMPLATE, "latent_window_size": 3, "max_sequence_length": 256},
        I2V,
    ),
    "helios": Tiny(helios, {**SHORT, "num_frames": 33}, {"task": "ti2v", "frames": "33k"}),
    "sana_video": Tiny(more.sana_video, SANA, {**SANA_FRAMES, "frames": "4k+1"}),
    "sana_video_i2v": Tiny(more.sana_video_i2v, SANA, {**SANA_FRAMES, **I2V, "frames": "4k+1"}),
    "anyflow": Tiny(more.anyflow, SHORT, {"frames": "4k+1", "multiple": 16}),
    "ltx_2": Tiny(more.ltx_2, {**SHORT, "frame_rate": 24.0}, {"frames": "8k+1"}),
    "ltx_2_i2v": Tiny(more.ltx_2_i2v, {**SHORT, "frame_rate": 24.0}, {**I2V, "frames": "8k+1"}),
    "hunyuan15_i2v": Tiny(
        lambda: more.hunyuan15_i2v(hunyuan15()),
        {**NINE, "height": None, "width": None},
        {**I2V, "frames": "4k+1", "image_size": {"height": 32, "width": 32}},
    ),
    "kandinsky5": Tiny(more.kandinsky5, {"num_frames": 5}, {"frames": "4k+1", "multiple": 16}),
    "kandinsky5_i2v": Tiny(
        more.kandinsky5_i2v, {"num_frames": 17}, {**I2V, "frames": "4k+1", "multiple": 16}
    ),
    "motif": Tiny(more.motif, SHORT, {"frames": "4k+1", "multiple": 16}),
    "easyanimate": Tiny(
        more.easyanimate,
        {"num_frames": 5, "negative_prompt": "blurry"},
        {"frames": "4k+1", "multiple": 16},
    ),
}

# Everything that can be written as a folder; the first two make images, which others animate.
BUILDERS: dict[str, Callable[[], Any]] = {
    "stable_diffusion": stable_diffusion,
    "stable_diffusion_xl": stable_diffusion_xl,
    "wan_animate": more.wan_animate,  # apart, since it takes videos
    **{name: made.build for name, made in TINY.items()},
}
