"""From a YAML's `load` to a pipeline with its weights, and what that then is, read from it."""

import importlib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import huggingface_hub
import torch

from bench.errors import BenchError, nearest, one_line
from bench.generators.diffusers.hub import from_hub
from bench.generators.diffusers.options import DTYPES, attention_in_use, denoisers
from bench.generators.diffusers.patches import PATCHES


@dataclass(frozen=True)
class Load:
    """How a pipeline is loaded; the keys of `model.load`.

    Attributes:
        dtype: float32, float16 or bfloat16.
        component_dtypes: those of components that need another.
        variant: of the weight files, as fp16.
        revision: branch, tag or commit of the repository.
        components: parts that come from elsewhere: name to `class` (of diffusers, or
            `transformers.NAME`), `repo`, its `revision`, `subfolder` or, for one file, `file`; or
            to null, which leaves the part out.
        scheduler: `class` (the published one by default), and what changes in its configuration.
        guider: what changes in a guider's configuration, for pipelines that have one.
        loras: each `repo`, its `revision` and `file`, and a `weight` (1 by default).
        patches: names of `bench.generators.diffusers.patches.PATCHES`.
        after: methods called without arguments once all is loaded, as `vae.enable_tiling`.
    """

    dtype: str = "bfloat16"
    component_dtypes: Mapping[str, str] = field(default_factory=dict)
    variant: str | None = None
    revision: str | None = None
    components: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    scheduler: Mapping[str, Any] | None = None
    guider: Mapping[str, Any] | None = None
    loras: Sequence[Mapping[str, Any]] = ()
    patches: Sequence[str] = ()
    after: Sequence[str] = ()

    def __post_init__(self) -> None:
        for where, dtype in (("dtype", self.dtype), *self.component_dtypes.items()):
            if dtype not in DTYPES:
                raise BenchError(
                    f"model.load: {where} must be one of {', '.join(DTYPES)}, got {dtype!r}"
                )
        for patch in self.patches:
            if patch not in PATCHES:
                raise BenchError(
                    f"model.load.patches: there is no {patch!r}{nearest(patch, PATCHES)}; "
                    f"there are {', '.join(PATCHES)}"
                )
        for name, part in self.components.items():
            if part is None:
                continue
            if not _takes(part, {"class"}, {"repo", "revision", "subfolder", "file"}):
                raise BenchError(
                    f"model.load.components.{name} must have a class and of repo, revision, "
                    f"subfolder and file what it needs, got {part!r}"
                )
            if "revision" in part and "repo" not in part:
                raise BenchError(
                    f"model.load.components.{name}.revision is of another repository: "
                    f"add model.load.components.{name}.repo=OWNER/NAME, or set model.load.revision"
                )
            resolve_class(part["class"], f"model.load.components.{name}.class")
        for lora in self.loras:
            if not _takes(lora, {"repo"}, {"revision", "file", "weight"}):
                raise BenchError(
                    f"model.load.loras: expected repo, revision, file, weight, got {lora!r}"
                )

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
        library = importlib.import_module(home)
        return getattr(library, bare)
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
    """Load a pipeline, on the CPU.

    Args:
        kind: class of the pipeline.
        source: a repository of the hub, or a folder that `save_pretrained` wrote.
        load: the YAML's `load`.
        dtypes: of each component, and the `default`.
        quantization: a diffusers PipelineQuantizationConfig, or None.
        parts: components that are there already, in place of loaded ones.
    """
    components = dict(parts or {})
    for name, part in load.components.items():
        if part is None:
            components[name] = None
        elif name not in components:
            components[name] = _component(part, source, load, dtypes.get(name, dtypes["default"]))
    settings: dict[str, Any] = {"dtype": dict(dtypes), **components}
    if load.variant is not None and not parts:
        settings["variant"] = load.variant
    if load.revision is not None:
        settings["revision"] = load.revision
    if quantization is not None:
        settings["quantization_config"] = quantization
    pipe = from_hub(source, lambda: kind.from_pretrained(source, **settings))  # type: ignore[attr-defined]
    finish(pipe, load)
    return pipe


def finish(pipe: Any, load: Load) -> None:  # noqa: ANN401 - any diffusers pipeline
    """What follows once all weights are there: scheduler, guider, LoRA, patches, methods."""
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()  # what a pipeline puts together itself is in training mode
    if load.scheduler is not None:
        changed = {key: value for key, value in load.scheduler.items() if key != "class"}
        name = load.scheduler.get("class")
        cls = resolve_class(name, "model.load.scheduler.class") if name else type(pipe.scheduler)
        pipe.scheduler = cls.from_config(pipe.scheduler.config, **changed)
    if load.guider is not None:
        pipe.guider = pipe.guider.new(**load.guider)
    for number, lora in enumerate(load.loras):
        _add_lora(pipe, lora, f"lora{number}")
    if load.loras:
        weights = [float(lora.get("weight", 1.0)) for lora in load.loras]
        pipe.set_adapters([f"lora{number}" for number in range(len(weights))], weights)
    for patch in load.patches:
        PATCHES[patch](pipe)
    for path in load.after:
        method = pipe
        for part in path.split("."):
            method = getattr(method, part, None)
        if not callable(method):
            raise BenchError(f"model.load.after: {type(pipe).__name__} has no method {path!r}")
        method()


def read_back(pipe: Any, device: torch.device) -> dict[str, Any]:  # noqa: ANN401 - any diffusers pipeline
    """Class, sizes, dtypes, attention and scheduler of a loaded pipeline, as JSON values.

    They are read from it, not taken from what was asked for. `weights_on_device_bytes` is what
    parameters and buffers take on the device that computes, which is less than all of them where
    they are offloaded.
    """
    modules = {
        name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)
    }
    scheduler = {k: v for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return {
        "pipeline": type(pipe).__name__,
        "parameters": {n: sum(p.numel() for p in m.parameters()) for n, m in modules.items()},
        "weights_on_device_bytes": _bytes_on(device, modules.values()),
        "dtypes": {
            name: sorted({str(p.dtype).removeprefix("torch.") for p in module.parameters()})
            for name, module in modules.items()
        },
        "attention": {name: attention_in_use(module) for name, module in denoisers(pipe).items()},
        "scheduler": {"class": type(pipe.scheduler).__name__, **_plain(scheduler)},
    }


def _bytes_on(device: torch.device, modules: Iterable[torch.nn.Module]) -> int:
    tensors = {
        id(tensor): tensor.nbytes  # shared ones, as tied embeddings, once
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.device.type == device.type
    }
    return sum(tensors.values())


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value as JSON holds it; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    is_json = isinstance(value, str | int | None) or (
        isinstance(value, float) and math.isfinite(value)
    )
    return value if is_json else str(value)


def _component(part: Mapping[str, Any], source: str, load: Load, dtype: torch.dtype) -> Any:  # noqa: ANN401 - any component
    cls = resolve_class(part["class"], "model.load.components")
    repo = part.get("repo") or source
    revision = part.get("revision") or (load.revision if repo == source else None)
    if "file" in part:
        from safetensors.torch import load_file

        path = from_hub(repo, lambda: _file(repo, part["file"], revision))
        module = cls()
        module.load_state_dict(load_file(path))
        return module.to(dtype).eval()
    place = {"subfolder": part.get("subfolder"), "revision": revision}
    settings: dict[str, Any] = {key: value for key, value in place.items() if value is not None}
    if issubclass(cls, torch.nn.Module):
        settings["dtype"] = dtype
    return from_hub(repo, lambda: cls.from_pretrained(repo, **settings))


def _add_lora(pipe: Any, lora: Mapping[str, Any], name: str) -> None:  # noqa: ANN401 - any pipeline
    if not hasattr(pipe, "load_lora_weights"):
        raise BenchError(f"model.load.loras: {type(pipe).__name__} takes none")
    names = {"file": "weight_name", "revision": "revision"}
    settings = {theirs: lora[ours] for ours, theirs in names.items() if lora.get(ours)}
    try:
        from_hub(
            lora["repo"],
            lambda: pipe.load_lora_weights(lora["repo"], adapter_name=name, **settings),
        )
    except (ValueError, ImportError) as error:
        remedy = ": type pip install 'steadybench[lora]'" if "PEFT" in str(error) else ""
        raise BenchError(f"model.load.loras: {lora['repo']}: {one_line(error)}{remedy}") from None


def _file(repo: str, name: str, revision: str | None) -> str:
    local = Path(repo) / name
    if local.is_file():
        return str(local)
    return huggingface_hub.hf_hub_download(repo, name, revision=revision)
