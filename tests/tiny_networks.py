"""The networks of tiny pipelines: real architectures with few channels and random weights."""

from typing import Any

import diffusers
import torch
import transformers


def build(kind: Any, **settings: Any) -> Any:
    """A diffusers network; the same weights each time."""
    torch.manual_seed(0)
    return kind(**settings).eval()


def encoder(kind: Any, **settings: Any) -> Any:
    """A transformers network; the same weights each time."""
    torch.manual_seed(0)
    return kind(kind.config_class(**settings)).eval()


def other(network: Any, **settings: Any) -> Any:
    """A diffusers network like this one but for some settings."""
    own = {key: value for key, value in network.config.items() if not key.startswith("_")}
    return build(type(network), **own | settings)


def gemma2(kind: Any) -> Any:
    return encoder(
        kind,
        head_dim=16,
        hidden_size=8,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=300,
    )


def t5(width: int = 32) -> Any:
    return encoder(
        transformers.T5EncoderModel,
        d_model=width,
        d_ff=32,
        d_kv=8,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        vocab_size=512,
    )


def clip_text(width: int = 8, heads: int = 4, kind: Any = transformers.CLIPTextModel) -> Any:
    return encoder(
        kind,
        hidden_size=width,
        intermediate_size=32,
        num_attention_heads=heads,
        num_hidden_layers=2,
        vocab_size=600,
        projection_dim=32,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )


def clip_vision(width: int = 32, size: int = 32, patch: int = 8) -> Any:
    return encoder(
        transformers.CLIPVisionModelWithProjection,
        hidden_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=size,
        patch_size=patch,
    )


def clip_images(size: int = 32) -> Any:
    return transformers.CLIPImageProcessor(crop_size=size, size=size)


def llama() -> Any:
    return encoder(transformers.LlamaModel, **_LLAMA)


_LLAMA = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "vocab_size": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}

QWEN_TEXT: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "rope_parameters": {
        "mrope_section": [1, 1, 2],
        "rope_type": "default",
        "rope_theta": 1_000_000.0,
    },
}


def qwen_text() -> Any:
    return encoder(transformers.Qwen2_5_VLTextModel, **QWEN_TEXT)


def qwen_vl(width: int = 16) -> Any:
    """One that could also be shown images."""
    rope = {**QWEN_TEXT["rope_parameters"], "mrope_section": [width // 16, width // 16, width // 8]}
    return encoder(
        transformers.Qwen2_5_VLForConditionalGeneration,
        text_config={**QWEN_TEXT, "hidden_size": width, "rope_parameters": rope},
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


def image_vae(channels: tuple[int, ...] = (8, 8)) -> Any:
    return build(
        diffusers.AutoencoderKL,
        block_out_channels=channels,
        latent_channels=4,
        norm_num_groups=2,
        down_block_types=["DownEncoderBlock2D"] * len(channels),
        up_block_types=["UpDecoderBlock2D"] * len(channels),
    )


def wan_vae() -> Any:
    return build(
        diffusers.AutoencoderKLWan,
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


def wan_transformer(
    kind: Any = diffusers.WanTransformer3DModel, channels: int = 16, **settings: Any
) -> Any:
    return build(
        kind,
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=16,
        text_dim=32,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        **settings,
    )


def hunyuan_vae() -> Any:
    return build(
        diffusers.AutoencoderKLHunyuanVideo,
        latent_channels=4,
        block_out_channels=(8,) * 4,
        layers_per_block=1,
        norm_num_groups=4,
    )


def hunyuan_transformer(
    kind: Any = diffusers.HunyuanVideoTransformer3DModel, **settings: Any
) -> Any:
    return build(
        kind,
        **{
            "in_channels": 4,
            "out_channels": 4,
            "num_attention_heads": 2,
            "attention_head_dim": 10,
            "num_layers": 1,
            "num_single_layers": 1,
            "num_refiner_layers": 1,
            "patch_size": 1,
            "patch_size_t": 1,
            "guidance_embeds": True,
            "text_embed_dim": 16,
            "pooled_projection_dim": 8,
            "rope_axes_dim": (2, 4, 4),
            **settings,
        },
    )


def ltx_vae() -> Any:
    return build(
        diffusers.AutoencoderKLLTXVideo,
        latent_channels=8,
        block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        layers_per_block=(1,) * 5,
        decoder_layers_per_block=(1,) * 5,
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4,
        patch_size=1,
    )


def ltx_transformer() -> Any:
    return build(
        diffusers.LTXVideoTransformer3DModel,
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=32,
    )


def cog_vae() -> Any:
    return build(
        diffusers.AutoencoderKLCogVideoX,
        block_out_channels=(8,) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
    )


def llava() -> Any:
    vision = transformers.CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        image_size=224,
    )
    return encoder(
        transformers.LlavaForConditionalGeneration,
        vision_config=vision,
        text_config=transformers.LlamaConfig(**_LLAMA),
        image_token_id=300,
        pad_token_id=2,
    )


def siglip() -> Any:
    return encoder(
        transformers.SiglipVisionModel,
        hidden_size=32,
        intermediate_size=32,
        num_attention_heads=2,
        num_hidden_layers=2,
        image_size=32,
        patch_size=8,
    )


def cosmos_transformer(latents: int, *, image: bool, **settings: Any) -> Any:
    return build(
        diffusers.CosmosTransformer3DModel,
        in_channels=latents + image,
        out_channels=latents,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        mlp_ratio=2,
        text_embed_dim=32,
        adaln_lora_dim=4,
        max_size=(4, 32, 32),
        patch_size=(1, 2, 2),
        rope_scale=(2.0, 1.0, 1.0),
        concat_padding_mask=True,
        extra_pos_embed_type="learnable",
        **settings,
    )


def euler_shift(shift: float = 7.0) -> Any:
    return diffusers.FlowMatchEulerDiscreteScheduler(shift=shift)


def unipc_flow(shift: float = 3.0) -> Any:
    return diffusers.UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )


def ddim(**settings: Any) -> Any:
    return diffusers.DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, clip_sample=False, **settings
    )
