"""Tiny pipelines whose text encoder is a language model of its own kind."""

from typing import Any

import diffusers
import tiny_networks as net
import torch
import transformers
from diffusers.pipelines import ltx2

from bench.generators.diffusers import random_weights as stub


def sana_video(kind: Any = diffusers.SanaVideoPipeline) -> Any:
    text_encoder = net.encoder(
        transformers.Gemma2Model,
        head_dim=16,
        hidden_size=8,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=300,
    )
    transformer = net.made(
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
        text_encoder=text_encoder,
        tokenizer=stub.gemma_tokenizer(),
    )


def sana_video_i2v() -> Any:
    return sana_video(diffusers.SanaImageToVideoPipeline)


def ltx_2(kind: Any = diffusers.LTX2Pipeline) -> Any:
    width, layers = 32, 2
    torch.manual_seed(0)
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
    config = transformers.Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_id=299
    )
    transformer = net.made(
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
    )
    connectors = net.made(
        ltx2.LTX2TextConnectors,
        caption_channels=width,
        text_proj_in_factor=layers + 1,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    )
    vae = net.made(
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
    audio_vae = net.made(
        diffusers.AutoencoderKLLTX2Audio,
        base_channels=4,
        ch_mult=(1,),
        num_res_blocks=1,
        resolution=32,
        latent_channels=2,
        mel_bins=8,
        mid_block_add_attention=False,
    )
    vocoder = net.made(
        ltx2.LTX2Vocoder,
        in_channels=16,
        hidden_channels=32,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        output_sampling_rate=16000,
    )
    return kind(
        transformer=transformer,
        connectors=connectors,
        vae=vae,
        audio_vae=audio_vae,
        vocoder=vocoder,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        text_encoder=transformers.Gemma3ForConditionalGeneration(config).eval(),
        tokenizer=stub.gemma_tokenizer(),
    )


def ltx_2_i2v() -> Any:
    return ltx_2(diffusers.LTX2ImageToVideoPipeline)


def kandinsky5(kind: Any = diffusers.Kandinsky5T2VPipeline, *, image: bool = False) -> Any:
    width = 32
    torch.manual_seed(0)
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            **net.QWEN_TEXT,
            "hidden_size": width,
            "rope_parameters": {
                "mrope_section": [2, 2, 4],
                "rope_type": "default",
                "rope_theta": 1_000_000.0,
            },
        },
        vision_config={
            "depth": 1,
            "hidden_size": width,
            "intermediate_size": width,
            "num_heads": 2,
            "out_hidden_size": width,
        },
        image_token_id=300,
        video_token_id=301,
        vision_start_token_id=302,
        vision_end_token_id=303,
    )
    transformer = net.made(
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
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config).eval(),
        tokenizer=stub.qwen_tokenizer(),
        text_encoder_2=net.clip_text(),
        tokenizer_2=stub.clip_tokenizer(),
    )


def kandinsky5_i2v() -> Any:
    return kandinsky5(diffusers.Kandinsky5I2VPipeline, image=True)


def motif() -> Any:
    torch.manual_seed(0)
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
    config = transformers.T5Gemma2EncoderConfig(text_config=text, vision_config=vision)
    transformer = net.made(
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
        text_encoder=transformers.T5Gemma2Encoder(config).eval(),
        tokenizer=stub.t5_tokenizer(),
        feature_extractor=None,
        guider=diffusers.AdaptiveProjectedGuidance(),
    )


def easyanimate() -> Any:
    torch.manual_seed(0)
    config = transformers.Qwen2VLConfig(
        text_config=net.QWEN_TEXT,
        vision_config={"depth": 1, "embed_dim": 16, "hidden_size": 16, "num_heads": 2},
        image_token_id=300,
        video_token_id=301,
        vision_start_token_id=302,
        vision_end_token_id=303,
    )
    transformer = net.made(
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
    vae = net.made(
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
        text_encoder=transformers.Qwen2VLForConditionalGeneration(config).eval(),
        tokenizer=stub.qwen_tokenizer(),
    )
