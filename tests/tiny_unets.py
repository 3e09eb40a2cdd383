"""Tiny pipelines around a U-Net: the family of Stable Diffusion and what came before it."""

from typing import Any

import diffusers
import tiny_networks as net
import transformers

from bench.generators.diffusers import random_weights as stub


def svd() -> Any:
    unet = net.build(
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
    vae = net.build(
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


def stable_diffusion(kind: Any = diffusers.StableDiffusionPipeline) -> Any:
    """Makes images, which others animate."""
    return kind(
        **_stable_diffusion(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_diffusion() -> dict[str, Any]:
    unet = net.build(
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
        "tokenizer": stub.clip_tokenizer(),
    }


def motion_adapter() -> Any:
    return net.build(
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
    parts["unet"] = net.build(
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
    second = {
        "text_encoder_2": net.clip_text(32, kind=projected),
        "tokenizer_2": stub.clip_tokenizer(),
    }
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
        tokenizer=stub.clip_tokenizer(),
        image_encoder=net.clip_vision(4),
        feature_extractor=net.clip_images(),
    )


def modelscope() -> Any:
    return diffusers.TextToVideoSDPipeline(
        unet=_unet_3d(diffusers.UNet3DConditionModel, (8, 8)),
        vae=net.image_vae((8,)),
        scheduler=net.ddim(beta_schedule="scaled_linear", set_alpha_to_one=False),
        text_encoder=net.clip_text(4, heads=2),
        tokenizer=stub.clip_tokenizer(),
    )


def _unet_3d(kind: Any, channels: tuple[int, int], **more: Any) -> Any:
    return net.build(
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
    return stable_diffusion(diffusers.TextToVideoZeroPipeline)
