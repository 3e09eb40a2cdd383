"""What a loaded pipeline really is: read from it, not taken from what was asked for."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from bench.generators.diffusers.options import attention_in_use, denoisers


def read_back(pipe: Any, device: torch.device) -> dict[str, Any]:  # noqa: ANN401 - any diffusers pipeline
    """Class, sizes, dtypes, attention and scheduler of a loaded pipeline, as JSON values.

    `weights_on_device_bytes` is what parameters and buffers take on the device that computes,
    which is less than all of them where they are offloaded.
    """
    modules = {
        name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)
    }
    scheduler = {k: v for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return {
        "pipeline": type(pipe).__name__,
        "parameters": {name: _count(module) for name, module in modules.items()},
        "weights_on_device_bytes": _bytes_on(device, modules.values()),
        "dtypes": {name: _dtypes(module) for name, module in modules.items()},
        "attention": {name: attention_in_use(module) for name, module in denoisers(pipe).items()},
        "scheduler": {"class": type(pipe.scheduler).__name__, **_plain(scheduler)},
    }


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _bytes_on(device: torch.device, modules: Iterable[torch.nn.Module]) -> int:
    tensors = {
        id(tensor): tensor.nbytes  # shared ones, as tied embeddings, once
        for module in modules
        for tensor in (*module.parameters(), *module.buffers())
        if tensor.device.type == device.type
    }
    return sum(tensors.values())


def _dtypes(module: torch.nn.Module) -> list[str]:
    found = {str(parameter.dtype).removeprefix("torch.") for parameter in module.parameters()}
    return sorted(found)


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The value as JSON holds it; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
