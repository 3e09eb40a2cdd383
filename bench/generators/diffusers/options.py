"""What makes a pipeline faster or smaller: set on request, and read back where it can be."""

import importlib
import importlib.metadata
import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args

import torch

from bench.errors import BenchError, one_line
from bench.generators.base import (
    FromOne,
    check_arguments,
    require,
    require_choice,
    settings,
)

DENOISERS = ("transformer", "transformer_2", "unet")

Dtype = Literal["float32", "float16", "bfloat16"]

DTYPES: Mapping[str, torch.dtype] = {name: getattr(torch, name) for name in get_args(Dtype)}

_CACHE = "null or as {class: FirstBlockCacheConfig, threshold: 0.1}"

Way = Literal["ulysses", "ring"]

_SPLIT = "null, or GPUs by ulysses and ring, as {ulysses: 4}"

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
    """Settings that trade speed, memory and likeness; the baseline row has none of them."""

    dtype: Dtype | None = None  # of the weights, in place of the published one
    steps: FromOne | None = None  # of denoising, in place of the published number
    # `blocks` compiles the repeated blocks of the denoiser (minutes less to wait), `whole` all.
    compile: Literal["blocks", "whole"] | None = None
    attention: str | None = None  # a diffusers backend, as `flash`, `sage` or `_native_cudnn`
    # `class` of a diffusers cache configuration (`FirstBlockCacheConfig`), and its values.
    cache: Annotated[Mapping[str, Any], _CACHE] | None = None
    # `float8` stores the denoiser's weights in 8 bits and computes in `dtype`; or a `backend` of
    # diffusers (`bitsandbytes_4bit`, `torchao`), the `kwargs` of its configuration
    # (`{quant_type: Int8WeightOnlyConfig}`) and the `components` to quantise.
    quantise: str | Mapping[str, Any] | None = None
    # Keeps weights in main memory, and brings them one `model`, one layer (`sequential`) or one
    # `group` of layers at a time.
    offload: Literal["model", "sequential", "group"] | None = None
    tiling: bool = False  # encodes and decodes frames tile by tile
    slicing: bool = False  # encodes and decodes one clip of a batch at a time
    batch_size: FromOne = 1  # seeds of one prompt that one call makes
    # Over how many GPUs the tokens of a clip are split, as {ulysses: 4}, which exchanges heads of
    # attention, or {ring: 4}, which passes keys and values round; both multiply.
    parallel: Annotated[Mapping[Way, FromOne], _SPLIT] | None = None

    def __post_init__(self) -> None:
        check_arguments(self, "options.")
        if self.attention is not None:
            backends = [backend.value for backend in _backends()]
            require_choice("options.attention", backends, self.attention)
        sound = self.quantise in (None, "float8") or (
            isinstance(self.quantise, Mapping)
            and {"backend"} <= self.quantise.keys() <= set(_QUANTISE_KEYS)
        )
        expected = f"null, float8 or keys and values ({', '.join(_QUANTISE_KEYS)})"
        require(sound, "options.quantise", expected, self.quantise)
        splits = self.parallel is None or self.processes > 1
        require(splits, "options.parallel", _SPLIT, self.parallel)

    @property
    def processes(self) -> int:
        """That make one clip together, each with a GPU."""
        return math.prod((self.parallel or {}).values())

    @property
    def label(self) -> str:
        """What the row's name gains: one word for each setting that is on; empty at baseline."""
        quantiser = self.quantise["backend"] if isinstance(self.quantise, Mapping) else "float8"
        numbers = [each for each in (self.cache or {}).values() if type(each) in (int, float)]
        words = [
            self.dtype,
            self.steps and f"{self.steps}steps",
            self.compile and f"compile-{self.compile}",
            self.attention and f"attention-{self.attention.strip('_')}",
            self.cache and str(self.cache.get("class", "cache")).removesuffix("Config"),
            *(f"{number:g}" for number in numbers),
            self.quantise and f"quantised-{quantiser}",
            self.offload and f"offload-{self.offload}",
            self.tiling and "tiling",
            self.slicing and "slicing",
            self.batch_size > 1 and f"batch-{self.batch_size}",
            *(f"{name}-{degree}" for name, degree in (self.parallel or {}).items()),
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
                f"model.options.quantise by {self.quantise['backend']} reads published weights, "
                "and random ones would stay as they are: type model.options.quantise=null or float8"
            )
        if self.parallel is not None:
            self._check_parallel()
        if self.cache is not None:
            _cache_config(self.cache, lambda: 0)
        self.quantization_config()

    def _check_parallel(self) -> None:
        mend = "type model.options.parallel=null, or leave that out"
        if self.cache is not None:
            raise BenchError(
                "model.options.cache decides by what changed, which each GPU would see of its own "
                f"tokens alone: {mend}"
            )
        if self.compile is not None:
            raise BenchError(
                f"model.options.compile does not go with parallel in diffusers: {mend}"
            )
        if self.degree("ring") > 1 and self.attention is None:
            raise BenchError(
                "model.options.parallel: ring needs a kernel of attention that tells the sum of "
                "weights, which the usual one does not: add model.options.attention=_native_cudnn"
            )

    def degree(self, way: Way) -> int:
        """How many GPUs split the tokens in that way."""
        return (self.parallel or {}).get(way, 1)

    def quantization_config(self) -> Any:  # noqa: ANN401 - a diffusers object
        """A PipelineQuantizationConfig of 8 or 4 bits for `from_pretrained`; None without.

        `quant_type` of torchao, an object, is given as the name of its class.
        """
        if not isinstance(self.quantise, Mapping):
            return None
        import diffusers

        backend, settings = self.quantise["backend"], dict(self.quantise.get("kwargs", {}))
        kinds = {name: _quantisers(name) for name in self.quantised}
        for choices in kinds.values():
            require_choice("options.quantise.backend", choices, backend)
        try:
            if backend in _PACKAGES:
                importlib.metadata.version(_PACKAGES[backend])
            if backend == "torchao" and isinstance(settings.get("quant_type"), str):
                library = importlib.import_module("torchao.quantization")
                settings["quant_type"] = getattr(library, settings["quant_type"])()
            # One for each component: the two libraries' classes of one name take other arguments.
            mapping = {name: choices[backend](**settings) for name, choices in kinds.items()}
            return diffusers.PipelineQuantizationConfig(quant_mapping=mapping)
        except importlib.metadata.PackageNotFoundError:
            raise BenchError(
                f"model.options.quantise by {backend} needs {_PACKAGES[backend]}, which is not "
                f"installed: type pip install {_PACKAGES[backend]}"
            ) from None
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
            raise BenchError(
                f"model.options.quantise: {type(pipe).__name__} has no {name}: "
                f"add components, of {', '.join(networks(pipe))}"
            )
    for option in ("tiling", "slicing"):
        if getattr(options, option):
            method(pipe, f"vae.enable_{option}", f"options.{option}")()
    for denoiser in denoisers(pipe).values():
        if options.quantise == "float8":
            denoiser.enable_layerwise_casting(torch.float8_e4m3fn, dtype)
        if options.attention is not None:
            _set_attention(denoiser, options.attention)
        if options.cache is not None:
            config = _cache_config(options.cache, lambda: pipe.current_timestep)
            method(denoiser, "enable_cache", "options.cache")(config)
        if options.parallel is not None:
            _split(denoiser, options)
        if options.compile == "whole":
            denoiser.compile()
        elif options.compile == "blocks":
            try:
                denoiser.compile_repeated_blocks()
            except ValueError as error:  # a model that does not say which of its blocks repeat
                mend = "type model.options.compile=whole"
                raise BenchError(f"model.options.compile: {one_line(error)}: {mend}") from None


def check_split(options: Options, networks: Mapping[str, Any]) -> None:
    """Refuse a pipeline, by its networks without weights, that `parallel` cannot split so."""
    for name in {*networks}.intersection(DENOISERS):
        network, kind = networks[name], type(networks[name]).__name__
        if getattr(network, "_cp_plan", None) is None:
            raise BenchError(
                f"model.options.parallel: diffusers has no plan to split the {name}, {kind}, over "
                "GPUs: type model.options.parallel=null, and launch=gpus to use all of them"
            )
        heads, degree = getattr(network.config, "num_attention_heads", 0), options.degree("ulysses")
        if heads % degree:
            raise BenchError(
                f"model.options.parallel: expected ulysses to divide the {heads} heads of the "
                f"{name}, {kind}, got {degree}: type a divisor"
            )


def _split(denoiser: Any, options: Options) -> None:  # noqa: ANN401 - any diffusers model
    """Have each process of the group compute its part of the tokens."""
    from diffusers import ContextParallelConfig

    ulysses, ring = options.degree("ulysses"), options.degree("ring")
    config = ContextParallelConfig(
        ulysses_degree=ulysses,
        ring_degree=ring,
        # Numbers of tokens and heads that do not divide evenly; not there for both at once.
        ulysses_anything=ring == 1,
        ring_anything=ulysses == 1,
    )
    counted = torch.accelerator.device_count
    if not counted():  # on CPUs, where diffusers would divide by it
        torch.accelerator.device_count = lambda: 1
    try:
        denoiser.enable_parallelism(config=config)
    except ValueError as error:
        raise BenchError(f"model.options.parallel: {one_line(error)}") from None
    finally:
        torch.accelerator.device_count = counted


def place(options: Options, pipe: Any, device: torch.device) -> None:  # noqa: ANN401 - any pipeline
    """Bring the weights to where they compute, all at once or as `options.offload` says."""
    if options.offload and hasattr(pipe, "update_components"):  # a modular one has a manager
        _offload_modular(options.offload, pipe, device)
    elif options.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif options.offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    elif options.offload == "group":
        pipe.enable_group_offload(device, offload_type="leaf_level", use_stream=True)
    else:
        pipe.to(device)


def _offload_modular(kind: str, pipe: Any, device: torch.device) -> None:  # noqa: ANN401 - a pipeline
    from diffusers import ComponentsManager

    if kind != "model":
        raise BenchError(
            f"model.options.offload={kind}: {type(pipe).__name__} is modular, and moves whole "
            "models: type model.options.offload=model"
        )
    manager = ComponentsManager()
    for name, network in networks(pipe).items():
        manager.add(name, network)
    manager.enable_auto_cpu_offload(device=device)


def networks(pipe: Any) -> dict[str, torch.nn.Module]:  # noqa: ANN401 - any pipeline
    """All that hold weights, by the name of their component."""
    parts = pipe.components.items()
    return {name: part for name, part in parts if isinstance(part, torch.nn.Module)}


def denoisers(pipe: Any) -> dict[str, Any]:  # noqa: ANN401 - any pipeline
    """The networks that run once a step, by the name of their component."""
    parts = ((name, getattr(pipe, name, None)) for name in DENOISERS)
    return {name: part for name, part in parts if part is not None}


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


def _set_attention(denoiser: Any, backend: str) -> None:  # noqa: ANN401 - any diffusers model
    key, mend = f"model.options.attention={backend}", "type model.options.attention=null"
    try:
        denoiser.set_attention_backend(backend)
    except (ValueError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise BenchError(f"{key}: {reason}: {mend}") from None
    used = attention_in_use(denoiser)
    if backend not in used:
        name, own = type(denoiser).__name__, ", ".join(used) or "its own"
        raise BenchError(f"{key} changes nothing in {name}, which uses {own}: {mend}")


def _cache_config(cache: Mapping[str, Any], timestep: Any) -> Any:  # noqa: ANN401 - diffusers objects
    import diffusers

    kinds = sorted(name for name in dir(diffusers) if name.endswith("CacheConfig"))
    kinds.append("PyramidAttentionBroadcastConfig")
    kind = cache.get("class")
    require_choice("options.cache.class", kinds, kind)
    cls = getattr(diffusers, str(kind))
    values = {key: value for key, value in cache.items() if key != "class"}
    if "current_timestep_callback" in {each.name for each in fields(cls)}:
        values["current_timestep_callback"] = timestep
    return settings(cls, values, "options.cache")


def _quantisers(component: str) -> Mapping[str, Any]:
    """Backend to its configuration's class, of the library that the component comes from."""
    encoder = component.startswith(("text_encoder", "image_encoder"))
    auto = importlib.import_module(f"{'transformers' if encoder else 'diffusers'}.quantizers.auto")
    kinds: Mapping[str, Any] = auto.AUTO_QUANTIZATION_CONFIG_MAPPING
    return kinds


def method(owner: Any, path: str, key: str) -> Any:  # noqa: ANN401 - any component
    """A method by its dotted path; `key` of the configuration asks for it."""
    try:
        function = operator.attrgetter(path)(owner)
    except AttributeError:
        function = None
    if not callable(function):
        raise BenchError(f"model.{key}: {type(owner).__name__} has no method {path}: leave it out")
    return function
