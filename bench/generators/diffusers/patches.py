"""Named patches: what a pipeline needs before it runs as published; a YAML asks by name."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
from PIL import Image

from bench.errors import BenchError

FACE_READERS = ("insightface", "consisid_eva_clip", "facexlib")
"""What diffusers reads faces with; none of it is needed for any other model than ConsisID."""


def clip_text_model_alias(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Give a CLIP text encoder its former attribute `text_model`.

    Transformers 5 made that inner model the encoder itself; pipelines that skip its last layers
    (I2VGen-XL does by default) still reach for it.
    """
    import transformers

    encoder = pipe.text_encoder
    if isinstance(encoder, transformers.CLIPTextModel) and not hasattr(encoder, "text_model"):
        # On the class: a module as its own attribute would be its own child, without end.
        setattr(transformers.CLIPTextModel, "text_model", property(lambda self: self))  # noqa: B010


def consisid_faces(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Let a ConsisID pipeline read the face of every image by itself.

    Diffusers' pipeline wants to be given it; a call raises RuntimeError where there is none.
    """
    missing = [name for name in FACE_READERS if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"ConsisID reads faces with packages that are not installed: "
            f"type pip install {' '.join(missing)} onnxruntime-gpu"
        )
    import diffusers
    from diffusers.pipelines.consisid import consisid_utils  # without FACE_READERS it fails

    class WithFaces(diffusers.ConsisIDPipeline):  # type: ignore[misc]  # diffusers is not typed
        def __call__(self, image: Image.Image, prompt: str, **call: Any) -> Any:  # noqa: ANN401
            where = (self._execution_device, self.dtype)
            if not hasattr(self, "readers"):  # once, by the warm-up
                folder = str(_face_encoder(self.name_or_path))
                self.readers = consisid_utils.prepare_face_models(folder, *where)
            helper, recogniser, network, detector, mean, deviation = self.readers
            identity, features, face, keypoints = consisid_utils.process_face_embeddings_infer(
                helper, network, recogniser, mean, deviation, detector, *where, np.asarray(image)
            )
            faces = {"id_cond": identity, "id_vit_hidden": features, "kps_cond": keypoints}
            return super().__call__(image=face, prompt=prompt, **faces, **call)

    pipe.__class__ = WithFaces


def _face_encoder(source: str) -> Path:
    """The folder with `face_encoder/`, which no component of the pipeline brings along."""
    if Path(source).is_dir():
        return Path(source)
    return Path(huggingface_hub.snapshot_download(source, allow_patterns=["face_encoder/*"]))


PATCHES: Mapping[str, Callable[[Any], None]] = {
    "clip_text_model_alias": clip_text_model_alias,
    "consisid_faces": consisid_faces,
}
