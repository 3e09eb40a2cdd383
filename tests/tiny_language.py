"""Tiny pipelines whose text encoder is a language model of its own kind."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import diffusers
import tiny_networks as net
import transformers
from diffusers.pipelines import ltx2

from bench.generators.diffusers import random_weights as stub


def sana_video(kind: Any = diffusers.SanaVideoPipeline) -> Any:
    transformer = net.build(
        diffusers.SanaVideoTransformer3DModel,
        in_channels=16,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=12,
        cross_attention_dim=24,
        caption_channels=8,
        sample_size=8,
        patch_size=(1, 2, 2),
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    return kind(
        transformer=transformer,
        vae=net.wan_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=net.gemma2(transformers.Gemma2Model),
        tokenizer=stub.gemma_tokenizer(),
    )


def sana_video_i2v() -> Any:
    return sana_video(diffusers.SanaImageToVideoPipeline)


def _ltx_2_vae() -> Any:
    return net.build(
        diffusers.AutoencoderKLLTX2Video,
        latent_channels=4,
        block_out_channels=(8,),
        decoder_block_out_channels=(8,),
        layers_per_block=(1,),
        decoder_layers_per_block=(1, 1),
        spatio_temporal_scaling=(True,),
        decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False),
        downsample_type=("spatial",),
        upsample_residual=(False,),
        upsample_factor=(1,),
        patch_size=1,
        patch_size_t=1,
    )


def sana_wm() -> Any:
    transformer = net.build(
        diffusers.SanaWMTransformer3DModel,
        in_channels=4,
        num_layers=4,
        hidden_size=32,
        num_attention_heads=2,
        linear_head_dim=16,
        chunk_plucker_channels=12,  # 6 for each frame of a latent one
        chunk_plucker_post_attn_blocks=4,
        caption_channels=8,
        image_size=32,
    )
    return diffusers.SanaWMPipeline(
        transformer=transformer,
        vae=_ltx_2_vae(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=net.gemma2(transformers.Gemma2ForCausalLM),
        tokenizer=stub.gemma_tokenizer(),
    )


_VOCODER = {
    "in_channels": 16,
    "hidden_channels": 32,
    "upsample_kernel_sizes": [4, 4],
    "upsample_factors": [2, 2],
    "resnet_kernel_sizes": [3],
    "resnet_dilations": [[1, 3, 5]],
    "output_sampling_rate": 16000,
}


def ltx_2(
    kind: Any = diffusers.LTX2Pipeline,
    of_transformer: Mapping[str, Any] = MappingProxyType({}),
    of_connectors: Mapping[str, Any] = MappingProxyType({}),
    vocoder: Any = None,
) -> Any:
    width, layers = 32, 2
    text = {
        "hidden_size": width,
        "intermediate_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "vocab_size": 300,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    text_encoder = net.encoder(
        transformers.Gemma3ForConditionalGeneration,
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_id=299,
    )
    transformer = net.build(
        diffusers.LTX2VideoTransformer3DModel,
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        audio_in_channels=4,
        audio_out_channels=4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        caption_channels=width,
        rope_double_precision=False,
        rope_type="split",
        **of_transformer,
    )
    connectors = {
        "caption_channels": width,
        "text_proj_in_factor": layers + 1,
        "video_connector_num_attention_heads": 4,
        "video_connector_attention_head_dim": 8,
        "video_connector_num_layers": 1,
        "video_connector_num_learnable_registers": None,
        "audio_connector_num_attention_heads": 4,
        "audio_connector_attention_head_dim": 8,
        "audio_connector_num_layers": 1,
        "audio_connector_num_learnable_registers": None,
        "connector_rope_base_seq_len": 32,
        "rope_double_precision": False,
        "rope_type": "split",
        **of_connectors,
    }
    audio_vae = net.build(
        diffusers.AutoencoderKLLTX2Audio,
        base_channels=4,
        ch_mult=(1,),
        num_res_blocks=1,
        resolution=32,
        latent_channels=2,
        mel_bins=8,
        mid_block_add_attention=False,
    )
    return kind(
        transformer=transformer,
        connectors=net.build(ltx2.LTX2TextConnectors, **connectors),
        vae=_ltx_2_vae(),
        audio_vae=audio_vae,
        vocoder=vocoder or net.build(ltx2.LTX2Vocoder, **_VOCODER),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=text_encoder,
        tokenizer=stub.gemma_tokenizer(),
    )


def ltx_2_3(kind: Any = diffusers.LTX2Pipeline) -> Any:
    """Text by its modality, modulated by time; attention gated and, in a layer, perturbed."""
    modulated = {"gated_attn": True, "cross_attn_mod": True}
    transformer = {
        **modulated,
        **{f"audio_{name}": value for name, value in modulated.items()},
        "use_prompt_embeddings": False,
        "perturbed_attn": True,
    }
    connectors = {
        "per_modality_projections": True,
        "video_connector_num_attention_heads": 2,
        "audio_connector_num_attention_heads": 1,
        "video_hidden_dim": 16,
        "audio_hidden_dim": 8,
        "video_gated_attn": True,
        "audio_gated_attn": True,
        "proj_bias": True,
    }
    vocoder = net.build(
        ltx2.LTX2VocoderWithBWE,
        **{name: value for name, value in _VOCODER.items() if name != "output_sampling_rate"},
        bwe_in_channels=8,
        bwe_hidden_channels=32,
        bwe_upsample_kernel_sizes=[12, 8],
        bwe_upsample_factors=[6, 4],
        bwe_resnet_kernel_sizes=[3],
        bwe_resnet_dilations=[[1, 3, 5]],
        filter_length=16,
        hop_length=8,
        window_length=16,
        num_mel_channels=4,
    )
    return ltx_2(kind, transformer, connectors, vocoder)


def ltx_2_3_i2v() -> Any:
    return ltx_2_3(diffusers.LTX2ImageToVideoPipeline)


def ltx_2_i2v() -> Any:
    return ltx_2(diffusers.LTX2ImageToVideoPipeline)


def kandinsky5(kind: Any = diffusers.Kandinsky5T2VPipeline, *, image: bool = False) -> Any:
    width = 32
    transformer = net.build(
        diffusers.Kandinsky5Transformer3DModel,
        in_visual_dim=4,
        in_text_dim=width,
        in_text_dim2=8,
        time_dim=16,
        out_visual_dim=4,
        patch_size=(1, 2, 2),
        model_dim=16,
        ff_dim=32,
        num_text_blocks=1,
        num_visual_blocks=2,
        axes_dims=(1, 1, 2),
        visual_cond=image,
    )
    return kind(
        transformer=transformer,
        vae=net.hunyuan_vae(),
        scheduler=net.euler_shift(),
        text_encoder=net.qwen_vl(width),
        tokenizer=stub.qwen_tokenizer(),
        text_encoder_2=net.clip_text(),
        tokenizer_2=stub.clip_tokenizer(),
    )


def kandinsky5_i2v() -> Any:
    return kandinsky5(diffusers.Kandinsky5I2VPipeline, image=True)


def motif() -> Any:
    text = transformers.T5Gemma2TextConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        vocab_size=512,
        head_dim=16,
        num_key_value_heads=2,
        dropout_rate=0.0,
    )
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
    }
    transformer = net.build(
        diffusers.MotifVideoTransformer3DModel,
        in_channels=33,
        out_channels=16,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_single_layers=1,
        patch_size=1,
        patch_size_t=1,
        text_embed_dim=32,
        rope_axes_dim=(4, 4, 4),
    )
    return diffusers.MotifVideoPipeline(
        transformer=transformer,
        vae=net.wan_vae(),
        scheduler=net.euler_shift(),
        text_encoder=net.encoder(
            transformers.T5Gemma2Encoder, text_config=text, vision_config=vision
        ),
        tokenizer=stub.t5_tokenizer(),
        feature_extractor=None,
        guider=diffusers.AdaptiveProjectedGuidance(),
    )


def motif_i2v() -> Any:
    """From the text-to-video pipeline; its network is built for images that its encoder saw."""
    parts = dict(motif().components)
    parts["transformer"] = net.other(parts["transformer"], image_embed_dim=16)
    parts["feature_extractor"] = transformers.SiglipImageProcessor(size={"height": 28, "width": 28})
    return diffusers.MotifVideoImage2VideoPipeline(**parts)


def easyanimate() -> Any:
    text_encoder = net.encoder(
        transformers.Qwen2VLForConditionalGeneration,
        text_config=net.QWEN_TEXT,
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2},
        image_token_id=300,
        video_token_id=301,
        vision_start_token_id=302,
        vision_end_token_id=303,
    )
    transformer = net.build(
        diffusers.EasyAnimateTransformer3DModel,
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=16,
        num_layers=1,
        sample_width=16,
        sample_height=16,
        patch_size=2,
    )
    down = ("SpatialDownBlock3D",) + ("SpatialTemporalDownBlock3D",) * 3
    up = ("SpatialUpBlock3D",) + ("SpatialTemporalUpBlock3D",) * 3
    vae = net.build(
        diffusers.AutoencoderKLMagvit,
        down_block_types=down,
        up_block_types=up,
        block_out_channels=(8,) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        spatial_group_norm=False,
    )
    return diffusers.EasyAnimatePipeline(
        transformer=transformer,
        vae=vae,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=text_encoder,
        tokenizer=stub.qwen_tokenizer(),
    )


def easyanimate_inpaint() -> Any:
    """From the text-to-video pipeline; its network also sees the given frames and a mask."""
    parts = dict(easyanimate().components)
    parts["transformer"] = net.other(parts["transformer"], in_channels=9)
    parts["vae"].register_to_config(cache_mag_vae=True)  # as published; no argument of its class
    return diffusers.EasyAnimateInpaintPipeline(**parts)


def _seeing_tokenizer() -> Any:
    tokenizer = stub.qwen_tokenizer()
    names = ("vision_start", "vision_end", "image_pad", "video_pad")
    tokenizer.add_tokens([f"<|{name}|>" for name in names], special_tokens=True)
    return tokenizer


def cosmos3() -> Any:
    transformer = net.build(
        diffusers.Cosmos3OmniTransformer,
        head_dim=6,
        hidden_act="relu2",
        hidden_size=6,
        intermediate_size=12,
        latent_channel=16,
        latent_patch_size=1,
        num_attention_heads=1,
        num_hidden_layers=1,
        num_key_value_heads=1,
        patch_latent_dim=16,
        qk_norm_for_text=False,
        rope_axes_dim=[1, 1, 1],
        vocab_size=600,
    )
    return diffusers.Cosmos3OmniPipeline(
        transformer=transformer,
        text_tokenizer=_seeing_tokenizer(),
        vae=net.wan_vae(),
        scheduler=diffusers.UniPCMultistepScheduler(),
        enable_safety_checker=False,
    )


def minimax_h3() -> Any:
    """Tiny but for the depth of its text encoder, of which it reads the fiftieth layer."""
    tokenizer = _seeing_tokenizer()
    text_encoder = net.encoder(
        transformers.Qwen3VLForConditionalGeneration,
        text_config={**net.QWEN_TEXT, "head_dim": 8, "num_hidden_layers": 51, "vocab_size": 600},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_heads": 2,
            "out_hidden_size": 16,
            "deepstack_visual_indexes": [0],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
    )
    transformer = net.build(
        diffusers.MiniMaxH3Transformer3DModel,
        num_attention_heads=2,
        attention_head_dim=16,
        hidden_size=24,
        num_layers=1,
        num_refiner_layers=1,
        ffn_dim=32,
        in_channels=4,
        audio_in_channels=8,
        text_dim=16,
        freq_dim=8,
        time_embed_hidden_dim=24,
        time_embed_dim=16,
        rope_freq_dim=2,
    )
    vae = net.build(
        diffusers.AutoencoderKLMiniMaxH3,
        latent_channels=4,
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        spatial_downsample_factors=(2, 2, 2, 2),
        temporal_downsample_factors=(1, 2, 2, 1),
        norm_num_groups=8,
        decoder_num_layers=1,
        decoder_num_attention_heads=2,
        decoder_attention_head_dim=8,
        decoder_ffn_mult=2,
        latents_mean=(0.0,) * 4,
        latents_std=(1.0,) * 4,
    )
    audio_vae = net.build(
        diffusers.AutoencoderKLMiniMaxH3Audio,
        encoder_dim=4,
        encoder_rates=(2, 2),
        latent_dim=32,
        latent_channels=8,
        num_attention_heads=2,
        decoder_dim=16,
        decoder_rates=(2, 2),
        decoder_kernel_sizes=(4, 4),
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1,),),
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
    )
    pipe = diffusers.MiniMaxH3ModularPipeline()
    pipe.update_components(
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        processor=transformers.Qwen3VLProcessor(
            image_processor=transformers.Qwen2VLImageProcessor(patch_size=16),
            tokenizer=tokenizer,
            video_processor=transformers.Qwen3VLVideoProcessor(),
        ),
        vae=vae,
        audio_vae=audio_vae,
        scheduler=diffusers.MiniMaxH3Scheduler(),
        audio_scheduler=diffusers.MiniMaxH3Scheduler(shift=3.0),
        transformer=transformer,
    )
    return pipe
