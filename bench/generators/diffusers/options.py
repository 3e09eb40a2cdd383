"""What makes a pipeline faster or smaller: set on request, and read back where it can be."""

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch

from bench.errors import BenchError, nearest, one_line

Offload = Literal["model", "sequential", "group"]

DENOISERS = ("transformer", "transformer_2", "unet")

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

_CHOICES: Mapping[str, tuple[object, ...]] = {
    "dtype": (None, *DTYPES),
    "compile": (None, "blocks", "whole"),
    "offload": (None, "model", "sequential", "group"),
    "tiling": (False, True),
    "slicing": (False, True),
}

_QUANTISE_KEYS = ("backend", "components", "kwargs")

# What must be installed for a backend of quantisation, as pip calls it.
_PACKAGES = {
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "torchao": "torchao",
    "quanto": "optimum-quanto",
    "gguf": "gguf",
}


@dataclass(frozen=True)
class Options:
    """Settings that trade speed, memory and likeness; the baseline row has none of them.

    Attributes:
        dtype: of the weights, in place of the published one.
        steps: denoising steps, in place of the published number.
        compile: `blocks` compiles the repeated blocks of the denoiser (minutes less to wait),
            `whole` all of it.
        attention: a diffusers attention backend, as `flash`, `sage` or `_native_cudnn`.
        cache: `class` of a diffusers cache configuration (`FirstBlockCacheConfig`), and its values.
        quantise: `float8` stores the denoiser's weights in 8 bits and computes in `dtype`;
            or a `backend` of diffusers (`bitsandbytes_4bit`, `torchao`), the `kwargs` of its
            configuration (`{quant_type: Int8WeightOnlyConfig}`) and the `components` to quantise.
        offload: keep weights in main memory, and bring them one `model`, one layer (`sequential`)
            or one `group` of layers at a time.
        tiling: encode and decode frames tile by tile.
        slicing: encode and decode one clip of a batch at a time.
        batch_size: seeds of one prompt that one call makes.
    """

    dtype: str | None = None
    steps: int | None = None
    compile: str | None = None
    attention: str | None = None
    cache: Mapping[str, Any] | None = None
    quantise: str | Mapping[str, Any] | None = None
    offload: Offload | None = None
    tiling: bool = False
    slicing: bool = False
    batch_size: int = 1

    def __post_init__(self) -> None:
        choices = dict(_CHOICES)
        if self.attention is not None:
            choices["attention"] = (None, *(backend.value for backend in _backends()))
        for key, values in choices.items():
            value = getattr(self, key)
            if value not in values:
                texts = ["null" if choice is None else str(choice) for choice in values]
                raise BenchError(
                    f"model.options.{key} must be one of {', '.join(texts)}, "
                    f"got {value!r}{nearest(str(value), texts)}"
                )
        by_backend = isinstance(self.quantise, Mapping) and (
            {"backend"} <= self.quantise.keys() <= set(_QUANTISE_KEYS)
        )
        if self.quantise not in (None, "float8") and not by_backend:
            raise BenchError(
                "model.options.quantise must be null, float8 or keys and values "
                f"({', '.join(_QUANTISE_KEYS)}), got {self.quantise!r}"
            )
        if self.cache is not None and not isinstance(self.cache, Mapping):
            raise BenchError(
                "model.options.cache must be null or as {class: FirstBlockCacheConfig, "
                f"threshold: 0.1}}, got {self.cache!r}"
            )
        for key in ("steps", "batch_size"):
            value = getattr(self, key)
            if not (type(value) is int and value >= 1) and (key, value) != ("steps", None):
                raise BenchError(f"model.options.{key} must be a number from 1, got {value!r}")

    @property
    def label(self) -> str:
        """What the row's name gains: one word for each setting that is on; empty at baseline."""
        words = [
            self.dtype,
            self.steps and f"{self.steps}steps",
            self.compile and f"compile-{self.compile}",
            self.attention and f"attention-{self.attention.strip('_')}",
            self.cache and str(self.cache.get("class", "cache")).removesuffix("Config"),
            self.quantise and f"quantised-{_backend(self.quantise)}",
            self.offload and f"offload-{self.offload}",
            self.tiling and "tiling",
            self.slicing and "slicing",
            self.batch_size > 1 and f"batch-{self.batch_size}",
        ]
        return "-".join(word for word in words if word)

    @property
    def quantised(self) -> Sequence[str]:
        """Components whose weights a library quantises while it reads them."""
        if not isinstance(self.quantise, Mapping):
            return ()
        return tuple(self.quantise.get("components", DENOISERS[:1]))

    def check(self, device: torch.device, *, random_weights: bool) -> None:
        """Refuse what cannot work on this device or with these weights."""
        if self.offload and device.type != "cuda":
            raise BenchError(
                f"model.options.offload={self.offload} brings weights to a GPU, and this run uses "
                f"the {device.type}: type model.options.offload=null"
            )
        if self.cache and random_weights:
            raise BenchError(
                "model.options.cache reuses what hardly changed, which random weights cannot tell: "
                "type model.options.cache=null"
            )
        if isinstance(self.quantise, Mapping) and random_weights:
            raise BenchError(
                f"model.options.quantise by {_backend(self.quantise)} reads published weights, and "
                "random weights would stay as they are: type model.options.quantise=null or float8"
            )
        if self.cache is not None:
            _cache_config(self.cache, lambda: 0)
        self.quantization_config()

    def quantization_config(self) -> Any:  # noqa: ANN401 - a diffusers object
        """A PipelineQuantizationConfig of 8 or 4 bits for `from_pretrained`; None without.

        `quant_type` of torchao, an object, is given as the name of its class.
        """
        if not isinstance(self.quantise, Mapping):
            return None
        import diffusers

        backend, settings = self.quantise["backend"], dict(self.quantise.get("kwargs", {}))
        try:
            if backend in _PACKAGES:
                importlib.metadata.version(_PACKAGES[backend])
            if backend == "torchao" and isinstance(settings.get("quant_type"), str):
                library = importlib.import_module("torchao.quantization")
                settings["quant_type"] = getattr(library, settings["quant_type"])()
            # One for each component: the two libraries' classes of one name take other arguments.
            mapping = {name: _quantiser(backend, name)(**settings) for name in self.quantised}
            return diffusers.PipelineQuantizationConfig(quant_mapping=mapping)
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


def apply(options: Options, pipe: Any, dtype: torch.dtype) -> None:  # noqa: ANN401 - any pipeline
    """Set everything but the placement on a loaded pipeline.

    An option that has nothing to work on is refused, so that a row never claims what is not so.
    `dtype` is that of arithmetic where weights are stored in fewer bits.
    """
    for name in options.quantised:
        if getattr(pipe, name, None) is None:
            networks = [key for key, part in pipe.components.items() if hasattr(part, "parameters")]
            raise BenchError(
                f"model.options.quantise: {type(pipe).__name__} has no {name}: "
                f"add components, of {', '.join(networks)}"
            )
    for option in ("tiling", "slicing"):
        if getattr(options, option):
            _method(pipe, f"vae.enable_{option}", option)()
    for denoiser in denoisers(pipe).values():
        if options.quantise == "float8":
            denoiser.enable_layerwise_casting(torch.float8_e4m3fn, dtype)
        if options.attention is not None:
            _set_attention(denoiser, options.attention)
        if options.cache is not None:
            _method(denoiser, "enable_cache", "cache")(
                _cache_config(options.cache, lambda: pipe.current_timestep)
            )
        if options.compile == "blocks":
            _compile_blocks(denoiser)
        elif options.compile == "whole":
            denoiser.compile()


def place(options: Options, pipe: Any, device: torch.device) -> None:  # noqa: ANN401 - any pipeline
    """Bring the weights to where they compute, all at once or as `options.offload` says."""
    if options.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif options.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    elif options.offload == "group":
        pipe.enable_group_offload(device, offload_type="leaf_level", use_stream=True)
    else:
        pipe.to(device)


def denoisers(pipe: Any) -> dict[str, Any]:  # noqa: ANN401 - any pipeline
    """The networks that run once a step, by the name of their component."""
    networks = {name: getattr(pipe, name, None) for name in DENOISERS}
    return {name: network for name, network in networks.items() if network is not None}


def attention_in_use(module: torch.nn.Module) -> list[str]:
    """What computes attention in this network, read from its layers, each kind once.

    A layer whose processor asks diffusers for a backend is named by that backend; any other does
    its own, whatever was set, and is named by its processor.
    """
    from diffusers.models.attention import AttentionModuleMixin
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry
    from diffusers.models.attention_processor import Attention, MochiAttention

    active, _ = _AttentionBackendRegistry.get_active_backend()
    names = set()
    for layer in module.modules():
        processor = getattr(layer, "processor", None)
        if isinstance(layer, Attention | MochiAttention | AttentionModuleMixin) and processor:
            if hasattr(processor, "_attention_backend"):
                names.add(_backends()(processor._attention_backend or active).value)
            else:
                names.add(type(processor).__name__)
    return sorted(names)


def reset_attention() -> None:
    """Undo what setting a backend leaves behind for the next model of this process."""
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    _AttentionBackendRegistry.set_active_backend(_backends().NATIVE)


def _backends() -> Any:  # noqa: ANN401 - an enumeration of diffusers
    """Of attention; imported when asked for, as it takes a second."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    return AttentionBackendName


def _compile_blocks(denoiser: Any) -> None:  # noqa: ANN401 - any diffusers model
    try:
        denoiser.compile_repeated_blocks()
    except ValueError as error:  # a model that does not say which of its blocks repeat
        raise BenchError(
            f"model.options.compile=blocks: {one_line(error)}: type model.options.compile=whole"
        ) from None


def _set_attention(denoiser: Any, backend: str) -> None:  # noqa: ANN401 - any diffusers model
    try:
        denoiser.set_attention_backend(backend)
    except (ValueError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise BenchError(
            f"model.options.attention={backend}: {reason}: type model.options.attention=null"
        ) from None
    used = attention_in_use(denoiser)
    if backend not in used:
        raise BenchError(
            f"model.options.attention={backend} changes nothing in {type(denoiser).__name__}, "
            f"which uses {', '.join(used) or 'its own'}: type model.options.attention=null"
        )


def _cache_config(cache: Mapping[str, Any], timestep: Any) -> Any:  # noqa: ANN401 - diffusers objects
    import diffusers

    kinds = sorted(name for name in dir(diffusers) if name.endswith("CacheConfig"))
    kinds.append("PyramidAttentionBroadcastConfig")
    kind = cache.get("class")
    if kind not in kinds:
        raise BenchError(
            f"model.options.cache.class must be one of {', '.join(kinds)}, "
            f"got {kind!r}{nearest(str(kind), kinds)}"
        )
    cls = getattr(diffusers, kind)
    takes = [item.name for item in fields(cls)]
    values = {key: value for key, value in cache.items() if key != "class"}
    for key in values:
        if key not in takes:
            raise BenchError(f"model.options.cache: {kind} takes no {key!r}{nearest(key, takes)}")
    if "current_timestep_callback" in takes:
        values["current_timestep_callback"] = timestep
    return cls(**values)


def _quantiser(backend: str, component: str) -> Any:  # noqa: ANN401 - a class of either library
    """The configuration's class, of the library that the component comes from."""
    encoder = component.startswith(("text_encoder", "image_encoder"))
    library = "transformers" if encoder else "diffusers"
    auto = importlib.import_module(f"{library}.quantizers.auto")
    kinds = auto.AUTO_QUANTIZATION_CONFIG_MAPPING
    if backend not in kinds:
        raise BenchError(
            f"model.options.quantise.backend must be one of {', '.join(kinds)}, "
            f"got {backend!r}{nearest(backend, kinds)}"
        )
    return kinds[backend]


def _method(owner: Any, path: str, option: str) -> Any:  # noqa: ANN401 - any component
    """A method by its dotted path."""
    method = owner
    for part in path.split("."):
        method = getattr(method, part, None)
    if not callable(method):
        raise BenchError(
            f"model.options.{option}: {type(owner).__name__} has no {path}: leave that option out"
        )
    return method


def _backend(quantise: str | Mapping[str, Any]) -> str:
    return quantise if isinstance(quantise, str) else str(quantise.get("backend", "own"))
