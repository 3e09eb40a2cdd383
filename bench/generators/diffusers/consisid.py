"""ConsisID: reads the face of every image before its pipeline can animate it."""

import importlib.util
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import numpy as np
from PIL import Image

from bench.errors import BenchError

READERS = ("insightface", "consisid_eva_clip", "facexlib")
"""What diffusers reads faces with; none of it is needed for any other model."""


class WithFaces(diffusers.ConsisIDPipeline):  # type: ignore[misc]  # diffusers is not typed
    """Reads the face of the image itself, which the class above wants to be given."""

    def __call__(self, image: Image.Image, prompt: str, **call: Any) -> Any:  # noqa: ANN401 - those of the class above
        """Animate the face in an image.

        Raises:
            RuntimeError: if there is no face in it.
        """
        # It cannot be imported, let alone named above, where one of READERS is missing.
        from diffusers.pipelines.consisid import consisid_utils

        if not hasattr(self, "readers"):  # once, by the warm-up
            self.readers = consisid_utils.prepare_face_models(
                str(_folder(self.name_or_path)), self._execution_device, self.dtype
            )
        helper, recogniser, network, detector, mean, deviation = self.readers
        identity, features, face, keypoints = consisid_utils.process_face_embeddings_infer(
            helper,
            network,
            recogniser,
            mean,
            deviation,
            detector,
            self._execution_device,
            self.dtype,
            np.asarray(image),
        )
        return super().__call__(
            image=face,
            prompt=prompt,
            id_cond=identity,
            id_vit_hidden=features,
            kps_cond=keypoints,
            **call,
        )


def consisid_faces(pipe: Any) -> None:  # noqa: ANN401 - patches take any diffusers pipeline
    """Let a ConsisID pipeline read faces by itself.

    Raises:
        BenchError: if what reads faces is not installed.
    """
    missing = [name for name in READERS if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"ConsisID reads faces with packages that are not installed: "
            f"type pip install {' '.join(missing)} onnxruntime-gpu"
        )
    pipe.__class__ = WithFaces


def _folder(source: str) -> Path:
    """Where `face_encoder/` lies, which no component of the pipeline brings along."""
    if Path(source).is_dir():
        return Path(source)
    return Path(huggingface_hub.snapshot_download(source, allow_patterns=["face_encoder/*"]))
