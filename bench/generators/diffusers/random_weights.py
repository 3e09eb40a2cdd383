"""Pipelines at their real size, without their weights: counted on the meta device, or filled.

How fast is a model, and does it fit, before 60 GB are fetched? Neither depends on what the
parameters are, as long as they are not all alike: on a GPU at its power limit, predictable data
are up to 15% faster.
"""

import importlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
import transformers
import yaml
from accelerate import init_empty_weights

from bench.errors import BenchError, one_line
from bench.generators.diffusers.hub import describe
from bench.generators.diffusers.load import Load, finish, load_pipeline, resolve_class
from bench.generators.diffusers.stub_tokenizers import STAND_INS

_STD = 0.02  # of random weights, as most of these networks are initialised

# Component to class and configuration of models whose real size is known without the hub.
_ARCHITECTURES = Path(__file__).with_name("architectures.yaml")

Description = Path | Mapping[str, Any]


class Part(NamedTuple):
    """One network of a pipeline.

    Attributes:
        name: of the component.
        kind: its class.
        parameters: how many.
        weight_bytes: in the dtype that the model's YAML says.
    """

    name: str
    kind: str
    parameters: int
    weight_bytes: int


def find_description(repo: str | None, path: str | None, revision: str | None) -> Description:
    """What the networks of a model are: the nearest place that knows.

    Looks at `path`, the hub's cache, `architectures.yaml` and the hub, in this order.

    Raises:
        BenchError: if no place knows.
    """
    if path is not None:
        return Path(path)
    assert repo is not None
    try:
        return describe(repo, revision, local=True)
    except BenchError:
        known = architectures("models").get(repo)
    return known or describe(repo, revision)


@cache
def architectures(kind: str) -> dict[str, dict[str, Any]]:
    """What is known without the hub: repository to the components of `models`, or `components`."""
    read: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(_ARCHITECTURES.read_text("utf-8"))
    return read[kind]


def parts(described: Description, load: Load, dtypes: Mapping[str, torch.dtype]) -> list[Part]:
    """Every network of a pipeline with its size, in seconds, without memory for its weights."""
    found = []
    for name, module in hollow(described, load).items():
        sizes = [
            parameter.numel() * _dtype(module, f"{key}", name, dtypes).itemsize
            for key, parameter in module.named_parameters()
        ]
        count = sum(parameter.numel() for parameter in module.parameters())
        found.append(Part(name, type(module).__name__, count, sum(sizes)))
    return found


def hollow(described: Description, load: Load) -> dict[str, torch.nn.Module]:
    """The networks of a pipeline with parameters on the meta device; buffers are real.

    Raises:
        BenchError: if a network cannot be built from its description.
    """
    modules = {}
    with init_empty_weights(include_buffers=False):
        for name, entry in _entries(described, load).items():
            try:
                module = _build(entry)
            except (ImportError, AttributeError, OSError, TypeError, ValueError) as error:
                raise BenchError(f"{name} cannot be built: {one_line(error)}") from None
            if isinstance(module, torch.nn.Module):
                modules[name] = module.eval()
    for module in modules.values():
        _tie(module)
    return modules


def random_pipeline(
    kind: type,
    described: Description,
    load: Load,
    dtypes: Mapping[str, torch.dtype],
    device: torch.device,
) -> Any:  # noqa: ANN401 - any diffusers pipeline
    """The pipeline at its real size with random weights, made on the device.

    Raises:
        BenchError: if a part of it is not described.
    """
    generator = torch.Generator(device).manual_seed(0)
    filled = {
        name: fill(module, name, dtypes, device, generator)
        for name, module in hollow(described, load).items()
    }
    if isinstance(described, Path):
        return load_pipeline(kind, str(described), load, dtypes, parts=filled)
    absent = dict.fromkeys(name for name, part in load.components.items() if part is None)
    others = {name: _small(entry) for name, entry in described.items() if name not in filled}
    pipe = kind(**filled, **{**others, **absent})
    finish(pipe, load)
    return pipe


def fill(
    module: torch.nn.Module,
    name: str,
    dtypes: Mapping[str, torch.dtype],
    device: torch.device,
    generator: torch.Generator,
) -> torch.nn.Module:
    """Give the parameters values: matrices N(0, 0.02), scales 1, biases 0.

    Each is made on the device in its dtype, so that no larger copy ever exists.
    """
    filled: dict[int, torch.nn.Parameter] = {}  # a parameter may stand in several places
    for path, inner in module.named_modules():
        for key, parameter in list(inner._parameters.items()):
            if parameter is None:
                continue
            if id(parameter) in filled:
                inner._parameters[key] = filled[id(parameter)]
                continue
            dtype = _dtype(module, f"{path}.{key}".lstrip("."), name, dtypes)
            values = torch.empty(parameter.shape, device=device, dtype=dtype)
            if parameter.ndim <= 1:
                values.fill_(0.0 if key == "bias" else 1.0)
            else:
                values.normal_(0, _STD, generator=generator)
            made = torch.nn.Parameter(values, requires_grad=False)
            inner._parameters[key] = filled[id(parameter)] = made
        for key, buffer in inner._buffers.items():
            if buffer is not None:
                inner._buffers[key] = buffer.to(device)
    return module


def _tie(module: torch.nn.Module) -> None:
    """Let parameters that are one and the same be so again; on the meta device each is its own."""
    for target, origin in getattr(module, "all_tied_weights_keys", {}).items():
        owner, _, key = target.rpartition(".")
        module.get_submodule(owner)._parameters[key] = module.get_parameter(origin)


def _dtype(
    module: torch.nn.Module, key: str, name: str, dtypes: Mapping[str, torch.dtype]
) -> torch.dtype:
    """Of one parameter; some models keep a few of theirs in float32, and each library by its rule.

    Those of transformers depend on the dtype (T5 in float16 alone), those of diffusers do not.
    """
    asked = dtypes.get(name, dtypes["default"])
    if isinstance(module, transformers.PreTrainedModel):
        plan = module._get_dtype_plan(asked)
        found = (kept for part, kept in plan.items() if re.search(part.replace("*", ".*"), key))
        return next(found, asked)
    kept = getattr(module, "_keep_in_fp32_modules", None) or ()
    return torch.float32 if any(part in kept for part in key.split(".")) else asked


def _entries(described: Description, load: Load) -> dict[str, Any]:
    """Component to how it is built."""
    if not isinstance(described, Path):
        known = {name: entry for name, entry in described.items() if isinstance(entry, Mapping)}
        for name, part in load.components.items():
            if part is None:
                known.pop(name, None)
            elif (entry := architectures("components").get(part.get("repo", ""))) is not None:
                known[name] = entry
            else:
                raise BenchError(
                    f"{name} of {part.get('repo')} is not on this machine: connect once to the "
                    "hub, or load a folder with model.path=DIR"
                )
        return known
    index = json.loads((described / "model_index.json").read_text("utf-8"))
    entries: dict[str, Any] = {
        name: (_listed_class(*entry), described / name)
        for name, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and all(entry)
    }
    for name, part in load.components.items():
        if part is None:
            entries.pop(name, None)
            continue
        cls = resolve_class(part["class"], f"model.load.components.{name}.class")
        if "file" in part:
            entries[name] = (cls, None)
        else:
            folder = describe(part["repo"], part.get("revision")) if part.get("repo") else described
            entries[name] = (cls, folder / part.get("subfolder", ""))
    return entries


def _listed_class(library: str, name: str) -> Any:  # noqa: ANN401 - a class
    """The class that a model_index.json names; some stand beside their pipeline."""
    for home in (library, f"diffusers.pipelines.{library}"):
        try:
            return getattr(importlib.import_module(home), name)
        except (ImportError, AttributeError):
            continue
    raise BenchError(f"diffusers {diffusers.__version__} has no {library}.{name}")


def _build(entry: Any) -> Any:  # noqa: ANN401 - both kinds of entry, any component
    """A network from its description; None for what is no network."""
    if isinstance(entry, Mapping):
        if "class" not in entry:
            return None
        settings = {key: value for key, value in entry.items() if key != "class"}
        cls = resolve_class(entry["class"], "architectures.yaml")
        if not issubclass(cls, torch.nn.Module):
            return None
        if issubclass(cls, transformers.PreTrainedModel):
            return cls(cls.config_class(**settings))
        return cls(**settings)
    cls, folder = entry
    if not issubclass(cls, torch.nn.Module):
        return None
    if folder is None:
        return cls()
    if issubclass(cls, transformers.PreTrainedModel):
        return cls(cls.config_class.from_pretrained(folder))
    return cls.from_config(cls.load_config(folder))


def _small(entry: Any) -> Any:  # noqa: ANN401 - any component
    """What is no network: a scheduler, a tokenizer, an image processor, a number."""
    if not isinstance(entry, Mapping):
        return entry
    settings = dict(entry)
    if "stand_in" in settings:
        return STAND_INS[settings.pop("stand_in")](**settings)
    return resolve_class(settings.pop("class"), "architectures.yaml")(**settings)
