"""Pipelines at their real size, without their weights: counted on the meta device, or filled.

How fast is a model, and does it fit, before 60 GB are fetched? Neither depends on what the
parameters are, as long as they are not all alike: on a GPU at its power limit, predictable data
are up to 15% faster.
"""

import contextlib
import importlib
import json
import logging
import re
import string
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import torch
import transformers
import yaml
from accelerate import init_empty_weights
from tokenizers.pre_tokenizers import ByteLevel

from bench.errors import BenchError, UnavailableError, one_line
from bench.generators.diffusers.hub import describe
from bench.generators.diffusers.load import (
    Load,
    finish,
    is_modular,
    load_pipeline,
    resolve_class,
)

log = logging.getLogger(__name__)

_STD = 0.02  # of random weights, as most of these networks are initialised

ARCHITECTURES = Path(__file__).with_name("architectures.yaml")
"""Component to class and configuration, by repository, for machines without a hub."""

Description = Path | Mapping[str, Any]
"""A folder with configurations, from the hub or local, or an entry of ARCHITECTURES."""

Source = tuple[Any, Any]
"""What makes a component, and from what: the folder of its configuration, or its settings."""


class Part(NamedTuple):
    """One network of a pipeline: the name of its component, its class, and its size."""

    name: str
    kind: str
    parameters: int
    weight_bytes: int  # in the dtype that the model's YAML says


def find_description(repo: str | None, path: str | None, revision: str | None) -> Description:
    """The folder `path`, or what the hub or its cache has of `repo`.

    Where the hub cannot be read, `architectures.yaml` is fallen back upon, and that is logged.
    """
    if path is not None:
        return Path(path)
    assert repo is not None
    try:
        return describe(repo, revision)
    except UnavailableError as error:
        if (entry := architectures("models").get(repo)) is None:
            raise
        log.info("%s", error)  # what cannot do without the hub says so
        table = f"{ARCHITECTURES.name}, a table of this package"
        log.warning("the hub was not read: sizes of networks are those of %s", table)
        return entry


@cache
def architectures(kind: str) -> dict[str, dict[str, Any]]:
    """The table: repository to the components of `models`, or to one of `components`."""
    tables: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(ARCHITECTURES.read_text("utf-8"))
    return tables[kind]


def parts(description: Description, load: Load, dtypes: Mapping[str, torch.dtype]) -> list[Part]:
    """Every network of a pipeline with its size, in seconds, without memory for its weights."""
    networks = []
    for name, module in hollow(description, load).items():
        dtype = dtypes.get(name, dtypes["default"])
        sizes = {key: parameter.numel() for key, parameter in module.named_parameters()}
        weight_bytes = sum(n * _dtype(module, key, dtype).itemsize for key, n in sizes.items())
        networks.append(Part(name, type(module).__name__, sum(sizes.values()), weight_bytes))
    return networks


def hollow(description: Description, load: Load) -> dict[str, torch.nn.Module]:
    """The networks of a pipeline with parameters on the meta device; buffers are real."""
    modules = {}
    with warnings.catch_warnings(), init_empty_weights(include_buffers=False):
        warnings.simplefilter("ignore")  # of libraries, about what others of them do
        for name, source in _sources(description, load).items():
            try:
                module = _network(*source)
            except (ImportError, AttributeError, OSError, TypeError, ValueError) as error:
                raise BenchError(f"{name} cannot be built: {one_line(error)}") from None
            if module is not None:
                modules[name] = module.eval()
    for module in modules.values():
        # Parameters that are one and the same; on the meta device each is its own.
        for target, origin in getattr(module, "all_tied_weights_keys", {}).items():
            owner, _, key = target.rpartition(".")
            module.get_submodule(owner)._parameters[key] = module.get_parameter(origin)
    return modules


def random_pipeline(
    kind: type,
    description: Description,
    load: Load,
    dtypes: Mapping[str, torch.dtype],
    device: torch.device,
) -> Any:  # noqa: ANN401 - any diffusers pipeline
    """The pipeline at its real size with random weights, made on the device."""
    if is_modular(kind) and not isinstance(description, Path):
        raise BenchError(f"random weights of {kind.__name__} need its tokenizers: connect once")
    generator = torch.Generator(device).manual_seed(0)
    filled = {
        name: fill(module, dtypes.get(name, dtypes["default"]), device, generator)
        for name, module in hollow(description, load).items()
    }
    if isinstance(description, Path):
        return load_pipeline(kind, str(description), load, dtypes, parts=filled)
    absent = dict.fromkeys(name for name, part in load.components.items() if part is None)
    others = {name: entry for name, entry in description.items() if name not in filled}
    for name, entry in others.items():
        if isinstance(entry, Mapping):  # a scheduler, a tokenizer, an image processor
            others[name] = component(entry)
    pipe = kind(**filled, **others | absent)
    finish(pipe, load)
    return pipe


def component(entry: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of either library
    """What an entry of the table describes, a network initialised as its library does."""
    make, settings = _source(entry)
    network = _network(make, settings)
    return make(**settings) if network is None else network


def fill(
    module: torch.nn.Module, dtype: torch.dtype, device: torch.device, generator: torch.Generator
) -> torch.nn.Module:
    """Give the parameters values: matrices N(0, 0.02), scales 1, biases 0.

    Each is made on the device in its dtype, so that no larger copy ever exists.
    """
    filled: dict[int, torch.nn.Parameter] = {}  # a parameter may stand in several places
    for path, inner in module.named_modules():
        for key, parameter in list(inner._parameters.items()):
            if parameter is None:
                continue
            if id(parameter) not in filled:
                own = _dtype(module, f"{path}.{key}".lstrip("."), dtype)
                values = torch.empty(parameter.shape, device=device, dtype=own)
                if parameter.ndim <= 1:
                    values.fill_(0.0 if key == "bias" else 1.0)
                else:
                    values.normal_(0, _STD, generator=generator)
                filled[id(parameter)] = torch.nn.Parameter(values, requires_grad=False)
            inner._parameters[key] = filled[id(parameter)]
        for key, buffer in inner._buffers.items():
            if buffer is not None:
                inner._buffers[key] = buffer.to(device)
    return module


def _dtype(module: torch.nn.Module, key: str, asked: torch.dtype) -> torch.dtype:
    """Of one parameter; some models keep a few of theirs in float32, and each library by its rule.

    Those of transformers depend on the dtype (T5 in float16 alone), those of diffusers do not.
    """
    if isinstance(module, transformers.PreTrainedModel):
        plan = module._get_dtype_plan(asked)
        exact = (dtype for part, dtype in plan.items() if re.search(part.replace("*", ".*"), key))
        return next(exact, asked)
    exact_parts = getattr(module, "_keep_in_fp32_modules", None) or ()
    return torch.float32 if any(part in exact_parts for part in key.split(".")) else asked


def _sources(description: Description, load: Load) -> dict[str, Source]:
    if isinstance(description, Path):
        files = (description / f"{prefix}model_index.json" for prefix in ("", "modular_"))
        index = json.loads(next(filter(Path.is_file, files)).read_text("utf-8"))
        # A modular one also says where to load each part from.
        sources: dict[str, Source] = {
            name: (_listed_class(*entry[:2]), description / name)
            for name, entry in index.items()
            if isinstance(entry, list) and len(entry) >= 2 and all(entry[:2])
        }
    else:
        entries = description.items()
        sources = {name: _source(entry) for name, entry in entries if isinstance(entry, Mapping)}
    for name, part in load.components.items():
        if part is None:
            sources.pop(name, None)
        elif not isinstance(description, Path):
            if part.get("repo") not in architectures("components"):
                raise UnavailableError(
                    f"{name} of {part.get('repo')} is not on this machine: connect once to the "
                    "hub, or load a folder with model.path=DIR"
                )
            sources[name] = _source(architectures("components")[part["repo"]])
        else:
            cls = resolve_class(part["class"], f"model.load.components.{name}.class")
            elsewhere = part.get("repo") and "file" not in part
            home = describe(part["repo"], part.get("revision")) if elsewhere else description
            sources[name] = (cls, {} if "file" in part else home / part.get("subfolder", ""))
    return sources


def _source(entry: Mapping[str, Any]) -> Source:
    settings = dict(entry)
    if "stub" in settings:
        return STUB_TOKENIZERS[settings.pop("stub")], settings
    return resolve_class(settings.pop("class"), ARCHITECTURES.name), settings


def _listed_class(library: str, name: str) -> Any:  # noqa: ANN401 - a class
    """The class that a model_index.json names; some stand beside their pipeline."""
    for home in (library, f"diffusers.pipelines.{library}"):
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(home), name)
    raise BenchError(f"diffusers {diffusers.__version__} has no {library}.{name}")


def _network(make: Any, source: Any) -> Any:  # noqa: ANN401 - of a Source
    """A module; None for what is no network."""
    is_network = isinstance(make, type) and issubclass(make, torch.nn.Module)
    if not is_network:
        return None
    from_folder = isinstance(source, Path)
    if issubclass(make, transformers.PreTrainedModel):
        kind: Any = make.config_class
        return make(kind.from_pretrained(source) if from_folder else kind(**source))
    return make.from_config(make.load_config(source)) if from_folder else make(**source)


# Tokenizers that need no download: a token for each byte or character. They split any text, into
# more tokens than the published ones do. Where a pipeline pads or cuts to a fixed length, as most
# do, that changes neither shapes nor speed.

_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _ids(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}


def clip_tokenizer(length: int = 77) -> Any:  # noqa: ANN401 - a tokenizer
    """As CLIP's: bytes, each also as the end of a word; the end of the text is the highest id."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(vocab=_ids(tokens), merges=[], model_max_length=length)


def t5_tokenizer(length: int = 512) -> Any:  # noqa: ANN401 - a tokenizer
    """As T5's: the printable characters of ASCII."""
    control = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    characters = [(sign, -3.0) for sign in string.printable if not sign.isspace()]
    extra = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]
    return transformers.T5Tokenizer(vocab=[*control, *characters, *extra], model_max_length=length)


def llama_tokenizer(length: int = 256) -> Any:  # noqa: ANN401 - a tokenizer
    """As Llama's where it has no word for it: bytes, padded on the right."""
    tokens = ["<unk>", "<s>", "</s>", *_BYTES, "▁"]
    padding = {"pad_token": "</s>", "padding_side": "right"}
    vocab = _ids(tokens)
    return transformers.LlamaTokenizer(vocab, merges=[], model_max_length=length, **padding)


def qwen_tokenizer(length: int = 1000) -> Any:  # noqa: ANN401 - a tokenizer
    """As Qwen's: bytes, and the marks of a conversation."""
    tokens = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    qwen = transformers.Qwen2Tokenizer(vocab=_ids(tokens), merges=[], model_max_length=length)
    qwen.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return qwen


def gemma_tokenizer(length: int = 1024) -> Any:  # noqa: ANN401 - a tokenizer
    """As Gemma's where it has no word for it: bytes."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *_BYTES, "▁"]
    return transformers.GemmaTokenizer(vocab=_ids(tokens), merges=[], model_max_length=length)


STUB_TOKENIZERS: Mapping[str, Callable[..., Any]] = {
    "clip": clip_tokenizer,
    "t5": t5_tokenizer,
    "llama": llama_tokenizer,
    "qwen": qwen_tokenizer,
    "gemma": gemma_tokenizer,
}
