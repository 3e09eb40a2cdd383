"""Tiny pipelines around a diffusion transformer whose text encoder is T5, CLIP or Llama."""

from typing import Any

import diffusers
import tiny_networks as net
import transformers

from bench.generators.diffusers import random_weights as stub


def cogvideox(kind: Any = diffusers.CogVideoXPipeline, **of_transformer: Any) -> Any:
    heads = {"num_attention_heads": 4, "attention_head_dim": 8, "in_channels": 4}
    transformer = net.build(
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
    return {"text_encoder": net.t5(width), "tokenizer": stub.t5_tokenizer()}


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


def wan_vace() -> Any:
    transformer = net.wan_transformer(
        diffusers.WanVACETransformer3DModel, vace_layers=[0], vace_in_channels=96
    )
    return _wan(diffusers.WanVACEPipeline, transformer, net.unipc_flow())


def wan_modular() -> Any:
    """In blocks, of the same networks as `wan`."""
    pipe = diffusers.WanModularPipeline()
    parts = wan().components
    pipe.update_components(**{name: parts[name] for name in pipe.pretrained_component_names})
    return pipe


def skyreels_v2(kind: Any = diffusers.SkyReelsV2Pipeline) -> Any:
    network = net.wan_transformer(diffusers.SkyReelsV2Transformer3DModel)
    return _wan(
        kind, network, diffusers.UniPCMultistepScheduler(flow_shift=8.0, use_flow_sigmas=True)
    )


def skyreels_v2_i2v() -> Any:
    return wan_i2v(diffusers.SkyReelsV2ImageToVideoPipeline, diffusers.SkyReelsV2Transformer3DModel)


def _helios(kind: Any, scheduler: Any, **more: Any) -> Any:
    transformer = net.wan_transformer(
        diffusers.HeliosTransformer3DModel,
        rope_dim=(4, 4, 4),
        has_multi_term_memory_patch=True,
        guidance_cross_attn=True,
        zero_history_timestep=True,
        is_amplify_history=False,
    )
    return _wan(kind, transformer, scheduler, **more)


def helios() -> Any:
    scheduler = diffusers.HeliosScheduler(stage_range=[0, 1], stages=1, use_dynamic_shifting=True)
    return _helios(diffusers.HeliosPipeline, scheduler)


def helios_mid() -> Any:
    scheduler = diffusers.HeliosScheduler(use_dynamic_shifting=True)
    return _helios(diffusers.HeliosPyramidPipeline, scheduler, is_cfg_zero_star=True)


def helios_distilled() -> Any:
    scheduler = diffusers.HeliosDMDScheduler(use_dynamic_shifting=True)
    return _helios(diffusers.HeliosPyramidPipeline, scheduler, is_distilled=True)


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
        tokenizer=stub.llama_tokenizer(),
        text_encoder_2=net.clip_text(),
        tokenizer_2=stub.clip_tokenizer(),
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
    transformer = net.build(
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
    vae = net.build(
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
        tokenizer=stub.qwen_tokenizer(),
        text_encoder_2=net.t5(),
        tokenizer_2=transformers.ByT5Tokenizer(),
        guider=diffusers.ClassifierFreeGuidance(guidance_scale=1.0),
    )


def mochi() -> Any:
    transformer = net.build(
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
    vae = net.build(
        diffusers.AutoencoderKLMochi,
        encoder_block_out_channels=(32,) * 4,
        decoder_block_out_channels=(32,) * 4,
        layers_per_block=(1,) * 5,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    return diffusers.MochiPipeline(transformer=transformer, vae=vae, scheduler=scheduler, **_text())


def latte() -> Any:
    transformer = net.build(
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
    transformer = net.build(
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
    vae = net.build(
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


def anyflow(
    kind: Any = diffusers.AnyFlowPipeline,
    network: Any = diffusers.AnyFlowTransformer3DModel,
    **settings: Any,
) -> Any:
    transformer = net.wan_transformer(
        network,
        rope_max_seq_len=32,
        gate_value=0.25,
        deltatime_type="r",
        **settings,
    )
    scheduler = diffusers.FlowMapEulerDiscreteScheduler(shift=5.0)
    return _wan(kind, transformer, scheduler)


def anyflow_far() -> Any:
    return anyflow(
        diffusers.AnyFlowFARPipeline,
        diffusers.AnyFlowFARTransformer3DModel,
        compressed_patch_size=(1, 4, 4),
        full_chunk_limit=3,
        chunk_partition=(1, 1, 1),
    )


def wan_animate() -> Any:
    transformer = net.wan_transformer(
        diffusers.WanAnimateTransformer3DModel,
        36,
        latent_channels=16,
        image_dim=4,
        rope_max_seq_len=32,
        motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16},
        motion_encoder_size=16,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=16,
        face_encoder_hidden_dim=16,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=2,
    )
    return _wan(
        diffusers.WanAnimatePipeline,
        transformer,
        net.euler_shift(),
        image_encoder=net.clip_vision(4),
        image_processor=net.clip_images(),
    )


def wan_animate_2(kind: Any = diffusers.WanAnimate2ModularPipeline) -> Any:
    """In blocks; the 1280 channels of its image encoder are written into its network's code."""
    parts = wan().components
    transformer = net.build(
        diffusers.WanAnimate2Transformer3DModel,
        text_len=16,
        dim=24,
        ffn_dim=32,
        text_dim=32,
        num_heads=2,
        num_layers=2,
    )
    image_encoder = net.encoder(
        transformers.CLIPVisionModel,
        hidden_size=1280,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=224,
        patch_size=112,
    )
    pipe = kind()
    pipe.update_components(
        **{name: parts[name] for name in ("text_encoder", "tokenizer", "vae")},
        transformer=transformer,
        scheduler=net.euler_shift(),
        image_encoder=image_encoder,
    )
    return pipe


class Unguarded:
    """In place of Cosmos' guardrail, a package with gigabytes of weights: everything is safe."""

    def to(self, *_: object) -> None:
        """It has no weights."""

    def check_text_safety(self, _: str) -> bool:
        return True

    def check_video_safety(self, frames: Any) -> Any:
        return frames


COSMOS = (
    *(diffusers.CosmosTextToWorldPipeline, diffusers.CosmosVideoToWorldPipeline),
    *(diffusers.Cosmos2VideoToWorldPipeline, diffusers.Cosmos2_5_PredictBasePipeline),
)


def _cosmos(kind: Any, **parts: Any) -> Any:
    pipe = kind(**parts, safety_checker=Unguarded())
    pipe.register_modules(safety_checker=None)  # a folder holds none; the pipeline makes its own
    return pipe


def cosmos(kind: Any = diffusers.CosmosTextToWorldPipeline, *, image: bool = False) -> Any:
    vae = net.build(
        diffusers.AutoencoderKLCosmos,
        latent_channels=4,
        encoder_block_out_channels=(8,) * 4,
        decode_block_out_channels=(8,) * 4,
        attention_resolutions=(8,),
        resolution=64,
        num_layers=1,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    return _cosmos(
        kind,
        transformer=net.cosmos_transformer(4, image=image),
        vae=vae,
        scheduler=diffusers.EDMEulerScheduler(
            sigma_min=0.002, sigma_max=80, sigma_data=0.5, final_sigmas_type="sigma_min"
        ),
        **_text(),
    )


def cosmos_i2v() -> Any:
    return cosmos(diffusers.CosmosVideoToWorldPipeline, image=True)


def cosmos2_i2v() -> Any:
    return _cosmos(
        diffusers.Cosmos2VideoToWorldPipeline,
        transformer=net.cosmos_transformer(16, image=True),
        vae=net.wan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_karras_sigmas=True),
        **_text(),
    )


def cosmos2_5() -> Any:
    """All layers of its text encoder, side by side, are the text that its network sees."""
    layers, width = net.QWEN_TEXT["num_hidden_layers"], net.QWEN_TEXT["hidden_size"]
    transformer = net.cosmos_transformer(
        16,
        image=True,
        use_crossattn_projection=True,
        crossattn_proj_in_channels=layers * width,
        encoder_hidden_states_channels=32,
    )
    return _cosmos(
        diffusers.Cosmos2_5_PredictBasePipeline,
        transformer=transformer,
        vae=net.wan_vae(),
        scheduler=net.unipc_flow(1.0),
        text_encoder=net.qwen_vl(),
        tokenizer=stub.qwen_tokenizer(),
    )


def hunyuan15_i2v() -> Any:
    """From the text-to-video pipeline, with an image encoder."""
    parts = dict(hunyuan15().components)
    parts["transformer"] = net.other(
        parts["transformer"], image_embed_dim=32, target_size=32, task_type="i2v"
    )
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        **parts,
        image_encoder=net.siglip(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 32, "width": 32}),
    )


def consisid() -> Any:
    transformer = net.build(
        diffusers.ConsisIDTransformer3DModel,
        num_attention_heads=3,
        attention_head_dim=16,
        in_channels=8,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=32,
        num_layers=2,
        sample_width=4,
        sample_height=4,
        sample_frames=9,
        max_text_seq_length=16,
        use_rotary_positional_embeddings=True,
        use_learned_positional_embeddings=True,
        is_train_face=True,
        cross_attn_dim_head=8,
        cross_attn_num_heads=2,
        LFE_id_dim=16,
        LFE_vit_dim=8,
        LFE_depth=5,
        LFE_dim_head=8,
        LFE_num_heads=2,
        LFE_num_querie=4,
        LFE_output_dim=32,  # two thirds of the width, which is 3 heads of 16
    )
    return diffusers.ConsisIDPipeline(
        transformer=transformer,
        vae=net.cog_vae(),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
        **_text(),
    )
