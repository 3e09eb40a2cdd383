"""From a YAML's `load` to a pipeline with its weights, and what that then is, read from it."""

import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from PIL import Image

from bench.errors import BenchError, nearest, one_line
from bench.generators.base import check_arguments, require, require_choice
from bench.generators.diffusers.hub import from_hub, hub_file
from bench.generators.diffusers.options import (
    DTYPES,
    Dtype,
    attention_in_use,
    denoisers,
    method,
    networks,
)

FACE_READERS = ("insightface", "consisid_eva_clip", "facexlib")
"""What diffusers reads faces with; none of it is needed for any other model than ConsisID."""


@dataclass(frozen=True)
class Load:
    """How a pipeline is loaded; the keys of `model.load`."""

    dtype: Dtype = "bfloat16"
    component_dtypes: Mapping[str, str] = field(default_factory=dict)  # where one needs another
    variant: str | None = None  # of the weight files, as fp16
    revision: str | None = None  # branch, tag or commit of the repository
    # Parts that come from elsewhere: name to `class` (of diffusers, or `transformers.NAME`),
    # `repo`, its `revision`, `subfolder` or, for one file, `file`; or to null: it is left out.
    components: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    # `class` (the published one by default), and what changes in its configuration.
    scheduler: Mapping[str, Any] | None = None
    guider: Mapping[str, Any] | None = None  # what changes in its configuration
    # Each `repo`, its `revision` and `file`, and a `weight` (1 by default).
    loras: Sequence[Mapping[str, Any]] = ()
    patches: Sequence[str] = ()  # of PATCHES: what it needs before it runs as published
    after: Sequence[str] = ()  # methods called once all is loaded, as `vae.enable_tiling`

    def __post_init__(self) -> None:
        check_arguments(self, "load.")
        for name, dtype in self.component_dtypes.items():
            require_choice(f"load.component_dtypes.{name}", DTYPES, dtype)
        for patch in self.patches:
            require_choice("load.patches", PATCHES, patch)
        for name, part in self.components.items():
            if part is None:
                continue
            key = f"load.components.{name}"
            sound = _takes(part, {"class"}, {"repo", "revision", "subfolder", "file"})
            expected = "a class with the repo, revision, subfolder or file that it needs"
            require(sound, key, expected, part)
            if "revision" in part and "repo" not in part:
                raise BenchError(
                    f"model.{key}.revision is of another repository: add "
                    f"model.{key}.repo=OWNER/NAME, or set model.load.revision"
                )
            resolve_class(part["class"], f"model.{key}.class")
        for lora in self.loras:
            sound = _takes(lora, {"repo"}, {"revision", "file", "weight"})
            require(sound, "load.loras", "each a repo and its revision, file and weight", lora)

    def within(self, folder: Path) -> "Load":
        """The same from a folder that holds a whole pipeline, parts from elsewhere included."""
        elsewhere = {
            name: part
            for name, part in self.components.items()
            if part is None or not (folder / name).is_dir()
        }
        return replace(self, components=elsewhere, variant=None, revision=None)

    def dtypes(self, default: str | None = None) -> dict[str, torch.dtype]:
        """Component to dtype, and `default` for the rest."""
        names = {"default": default or self.dtype, **self.component_dtypes}
        return {component: DTYPES[dtype] for component, dtype in names.items()}


def _takes(value: object, needed: set[str], more: set[str]) -> bool:
    return isinstance(value, Mapping) and needed <= value.keys() <= needed | more


def resolve_class(name: object, where: str) -> Any:  # noqa: ANN401 - a class of either library
    """A class of diffusers, or one named with its module of diffusers or transformers."""
    home, _, bare = str(name).rpartition(".")
    home = home or "diffusers"
    try:
        if home.partition(".")[0] not in ("diffusers", "transformers"):
            raise ImportError
        return getattr(importlib.import_module(home), bare)
    except (ImportError, AttributeError):
        import diffusers
        import transformers

        names = dir(sys.modules.get(home, diffusers))
        close = nearest(bare, [listed for listed in names if listed[:1].isupper()])
        raise BenchError(
            f"{where}: diffusers {diffusers.__version__} and transformers "
            f"{transformers.__version__} have no {name!r}{close}"
        ) from None


def load_pipeline(
    kind: type,
    source: str,
    load: Load,
    dtypes: Mapping[str, torch.dtype],
    quantization: object | None = None,
    parts: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - any diffusers pipeline
    """Load a pipeline of a repository or folder, on the CPU.

    `dtypes` are those of each component and the `default`; `quantization` is a diffusers
    PipelineQuantizationConfig; `parts` are components that are there already.
    """
    components = dict(parts or {})
    for name, part in load.components.items():
        if part is None:
            components[name] = None
        elif name not in components:
            components[name] = _component(part, source, load, dtypes.get(name, dtypes["default"]))
    optional = {
        "variant": None if parts else load.variant,
        "revision": load.revision,
        "quantization_config": quantization,
    }
    settings: dict[str, Any] = {"dtype": dict(dtypes), **components, **_without_none(optional)}
    if is_modular(kind):
        pipe = _load_modular(kind, source, load, settings)
    else:
        pipe = from_hub(source, lambda: kind.from_pretrained(source, **settings))  # type: ignore[attr-defined]
    finish(pipe, load)
    return pipe


def check_parts(kind: type, load: Load, quantised: Iterable[str]) -> None:
    """Refuse a class that is no pipeline, and parts that its constructor does not name.

    A pipeline of blocks names its parts only once it is loaded.
    """
    import diffusers

    if is_modular(kind):
        return
    if not issubclass(kind, diffusers.DiffusionPipeline):
        names = [name for name in dir(diffusers) if name.endswith("Pipeline")]
        close = nearest(kind.__name__, names)
        raise BenchError(
            f"model.pipeline must be a pipeline of diffusers, got the {kind.__name__}{close}"
        )
    parts = inspect.signature(kind).parameters
    asked = dict.fromkeys(load.component_dtypes, "load.component_dtypes")
    asked |= dict.fromkeys(load.components, "load.components")
    asked |= dict.fromkeys(quantised, "options.quantise.components")
    for name, key in asked.items():
        if name not in parts:
            raise BenchError(
                f"model.{key}: {kind.__name__} has no {name!r}{nearest(name, parts)}; "
                f"it has {', '.join(parts)}"
            )


def is_modular(kind: type) -> bool:
    """Whether a pipeline is one of blocks: `ModularPipeline`, not `DiffusionPipeline`."""
    import diffusers

    return issubclass(kind, diffusers.ModularPipeline)


def _load_modular(kind: Any, source: str, load: Load, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a pipeline
    """Part by part: diffusers' own `load_components` goes on without those that fail."""
    place = _without_none({"revision": load.revision})
    pipe = from_hub(source, lambda: kind(pretrained_model_name_or_path=source, **place))
    _hide_bars(pipe._blocks)
    dtypes, quantised = settings["dtype"], settings.get("quantization_config")
    for name in pipe.pretrained_component_names:
        spec = pipe.get_component_spec(name)
        if name in settings:
            pipe.update_components(**{name: settings[name]})
        elif spec.pretrained_model_name_or_path is not None:  # else the repository has none
            optional = {
                "variant": settings.get("variant"),
                "quantization_config": quantised and quantised.quant_mapping.get(name),
            }
            dtype = dtypes.get(name, dtypes["default"])
            part = from_hub(
                source, partial(_load_part, spec, dtype=dtype, **_without_none(optional))
            )
            pipe.update_components(**{name: part})
    return pipe


def _hide_bars(blocks: Any) -> None:  # noqa: ANN401 - of a modular pipeline, which hides none within
    if hasattr(blocks, "set_progress_bar_config"):
        blocks.set_progress_bar_config(disable=True)
    for block in blocks.sub_blocks.values():
        _hide_bars(block)


def _load_part(spec: Any, **settings: Any) -> Any:  # noqa: ANN401 - a ComponentSpec, and its component
    try:
        return spec.load(**settings)
    except ValueError as error:  # which stands for whatever went wrong
        raise error.__context__ or error from None


def finish(pipe: Any, load: Load) -> None:  # noqa: ANN401 - any diffusers pipeline
    """What follows once all weights are there: scheduler, guider, LoRA, patches, methods."""
    for network in networks(pipe).values():
        network.eval()  # what a pipeline puts together itself is in training mode
    if load.scheduler is not None:
        changed = {key: value for key, value in load.scheduler.items() if key != "class"}
        name = load.scheduler.get("class")
        cls = resolve_class(name, "model.load.scheduler.class") if name else type(pipe.scheduler)
        replace_part(pipe, "scheduler", cls.from_config(pipe.scheduler.config, **changed))
    if load.guider is not None:
        replace_part(pipe, "guider", pipe.guider.new(**load.guider))
    if load.loras:
        names = [f"lora{number}" for number in range(len(load.loras))]
        for lora, name in zip(load.loras, names, strict=True):
            _add_lora(pipe, lora, name)
        pipe.set_adapters(names, [float(lora.get("weight", 1.0)) for lora in load.loras])
    for patch in load.patches:
        PATCHES[patch](pipe)
    for path in load.after:
        method(pipe, path, "load.after")()


def replace_part(pipe: Any, name: str, part: Any) -> None:  # noqa: ANN401 - any pipeline and part
    """Set a component; a modular pipeline keeps account of its own."""
    if is_modular(type(pipe)):
        pipe.update_components(**{name: part})
    else:
        setattr(pipe, name, part)


def read_back(pipe: Any, device: torch.device) -> dict[str, Any]:  # noqa: ANN401 - any diffusers pipeline
    """Class, sizes, dtypes, attention and scheduler of a loaded pipeline, as JSON values.

    They are read from it, not taken from what was asked for. `weights_on_device_bytes` is what
    parameters and buffers take on the device that computes, which is less than all of them where
    they are offloaded.
    """
    modules = networks(pipe)
    bytes_on_device = {
        id(tensor): tensor.nbytes  # shared ones, as tied embeddings, once
        for module in modules.values()
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.device.type == device.type
    }
    scheduler = {k: v for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return {
        "pipeline": type(pipe).__name__,
        "parameters": {n: sum(p.numel() for p in m.parameters()) for n, m in modules.items()},
        "weights_on_device_bytes": sum(bytes_on_device.values()),
        "dtypes": {
            name: sorted({str(p.dtype).removeprefix("torch.") for p in module.parameters()})
            for name, module in modules.items()
        },
        "attention": {name: attention_in_use(module) for name, module in denoisers(pipe).items()},
        "scheduler": {"class": type(pipe.scheduler).__name__, **_plain(scheduler)},
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value as JSON holds it; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    is_json = isinstance(value, str | int | float | None) and not is_infinite
    return value if is_json else str(value)


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _component(part: Mapping[str, Any], source: str, load: Load, dtype: torch.dtype) -> Any:  # noqa: ANN401 - any component
    cls = resolve_class(part["class"], "model.load.components")
    repo = part.get("repo") or source
    revision = part.get("revision") or (load.revision if repo == source else None)
    if "file" in part:
        from safetensors.torch import load_file

        module = cls()
        module.load_state_dict(load_file(hub_file(repo, part["file"], revision)))
        return module.to(dtype).eval()
    settings: dict[str, Any] = {"subfolder": part.get("subfolder"), "revision": revision}
    if issubclass(cls, torch.nn.Module):
        settings["dtype"] = dtype
    return from_hub(repo, lambda: cls.from_pretrained(repo, **_without_none(settings)))


def _add_lora(pipe: Any, lora: Mapping[str, Any], name: str) -> None:  # noqa: ANN401 - any pipeline
    if not hasattr(pipe, "load_lora_weights"):
        raise BenchError(f"model.load.loras: {type(pipe).__name__} takes none")
    repo = lora["repo"]
    place = {"weight_name": lora.get("file"), "revision": lora.get("revision")}
    try:
        load = partial(pipe.load_lora_weights, repo, adapter_name=name, **_without_none(place))
        from_hub(repo, load)
    except (ValueError, ImportError) as error:
        remedy = ": type pip install 'steadybench[lora]'" if "PEFT" in str(error) else ""
        raise BenchError(f"model.load.loras: {repo}: {one_line(error)}{remedy}") from None


def _clip_text_model_alias(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Give a CLIP text encoder its former attribute `text_model`.

    Transformers 5 made that inner model the encoder itself; pipelines that skip its last layers
    (I2VGen-XL does by default) still reach for it.
    """
    import transformers

    encoder = pipe.text_encoder
    if isinstance(encoder, transformers.CLIPTextModel) and not hasattr(encoder, "text_model"):
        # On the class: a module as its own attribute would be its own child, without end.
        setattr(transformers.CLIPTextModel, "text_model", property(lambda self: self))  # noqa: B010


def _consisid_faces(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Let a ConsisID pipeline read the face of every image, which diffusers' wants to be given.

    A call raises RuntimeError where there is none.
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
                folder = self.name_or_path
                if not Path(folder).is_dir():  # no component brings the face encoder along
                    folder = huggingface_hub.snapshot_download(
                        folder, allow_patterns=["face_encoder/*"]
                    )
                self.readers = consisid_utils.prepare_face_models(str(folder), *where)
            helper, recogniser, network, detector, mean, deviation = self.readers
            identity, features, face, keypoints = consisid_utils.process_face_embeddings_infer(
                helper, network, recogniser, mean, deviation, detector, *where, np.asarray(image)
            )
            faces = {"id_cond": identity, "id_vit_hidden": features, "kps_cond": keypoints}
            return super().__call__(image=face, prompt=prompt, **faces, **call)

    pipe.__class__ = WithFaces


def _easyanimate_first_frame(pipe: Any) -> None:  # noqa: ANN401 - any diffusers pipeline
    """Let EasyAnimate's inpainting be given its first frame, and mask all others."""
    import diffusers

    class FromFirstFrame(diffusers.EasyAnimateInpaintPipeline):  # type: ignore[misc]  # not typed
        def __call__(self, prompt: str, video: Any, num_frames: int, **call: Any) -> Any:  # noqa: ANN401
            first = torch.from_numpy(video).permute(0, 4, 1, 2, 3)
            frames = first.repeat(1, 1, num_frames, 1, 1)
            mask = torch.full_like(frames[:, :1], 255)
            mask[:, :, 0] = 0
            return super().__call__(prompt, num_frames, frames, mask, **call)

    pipe.__class__ = FromFirstFrame


PATCHES: Mapping[str, Callable[[Any], None]] = {
    "clip_text_model_alias": _clip_text_model_alias,
    "consisid_faces": _consisid_faces,
    "easyanimate_first_frame": _easyanimate_first_frame,
}
