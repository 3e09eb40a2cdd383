"""Weights of 8 or 4 bits by a library's quantiser: its configuration, or what to install."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import diffusers.quantizers.auto
import transformers
import transformers.quantizers.auto

from bench.errors import BenchError, nearest, one_line

# What must be installed for a backend, as pip calls it.
_PACKAGES = {
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "torchao": "torchao",
    "quanto": "optimum-quanto",
    "gguf": "gguf",
}


def pipeline_config(backend: str, kwargs: Mapping[str, Any], components: Sequence[str]) -> Any:  # noqa: ANN401 - a diffusers object
    """What `from_pretrained` is told about the components to quantise.

    Args:
        backend: as diffusers calls it, `torchao` say.
        kwargs: of the backend's configuration; `quant_type` of torchao is the name of a class.
        components: to quantise.

    Raises:
        BenchError: if there is no such backend, the library behind it is not installed, or takes
            other arguments.
    """
    settings = dict(kwargs)
    try:
        if backend in _PACKAGES:
            importlib.metadata.version(_PACKAGES[backend])
        if backend == "torchao" and isinstance(settings.get("quant_type"), str):
            library = importlib.import_module("torchao.quantization")
            settings["quant_type"] = getattr(library, settings["quant_type"])()
        # One for each component: the two libraries' classes of one name take other arguments.
        named = {name: _quantiser(backend, name)(**settings) for name in components}
        return diffusers.PipelineQuantizationConfig(quant_mapping=named)
    except importlib.metadata.PackageNotFoundError:
        raise BenchError(
            f"model.options.quantise by {backend} needs {_PACKAGES[backend]}, which is not "
            f"installed: type pip install {_PACKAGES[backend]}"
        ) from None
    except BenchError:
        raise
    except Exception as error:  # a library's own complaint about its arguments
        raise BenchError(
            f"model.options.quantise by {backend}: {one_line(error)}: see its kwargs"
        ) from None


def _quantiser(backend: str, component: str) -> Any:  # noqa: ANN401 - a class of either library
    """The configuration's class, of the library that the component comes from."""
    encoder = component.startswith(("text_encoder", "image_encoder"))
    library = transformers.quantizers.auto if encoder else diffusers.quantizers.auto
    known = library.AUTO_QUANTIZATION_CONFIG_MAPPING
    if backend not in known:
        raise BenchError(
            f"model.options.quantise.backend must be one of {', '.join(known)}, "
            f"came {backend!r}{nearest(backend, known)}"
        )
    return known[backend]
