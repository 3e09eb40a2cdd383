"""Named patches: what a pipeline needs before it runs as published; a YAML asks by name."""

from collections.abc import Callable, Mapping
from typing import Any

import transformers

from bench.generators.diffusers.consisid import consisid_faces


def clip_text_model_alias(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Give a CLIP text encoder its former attribute `text_model`.

    Transformers 5 made that inner model the encoder itself; pipelines that skip its last layers
    (I2VGen-XL does by default) still reach for it.
    """
    if not isinstance(pipe.text_encoder, transformers.CLIPTextModel):
        return
    if not hasattr(pipe.text_encoder, "text_model"):
        # On the class: a module as its own attribute would be its own child, without end.
        setattr(transformers.CLIPTextModel, "text_model", property(lambda self: self))  # noqa: B010


PATCHES: Mapping[str, Callable[[Any], None]] = {
    "clip_text_model_alias": clip_text_model_alias,
    "consisid_faces": consisid_faces,
}
