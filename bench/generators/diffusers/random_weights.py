"""Pipelines at their real size, without their weights: counted on the meta device, or filled.

How fast is a model, and does it fit, before 60 GB are fetched? Neither depends on what the
parameters are, as long as they are not all alike: on a GPU at its power limit, predictable data
are up to 15% faster.
"""

import importlib
import json
import logging
import re
import string
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

from bench.errors import BenchError, one_line
from bench.generators.diffusers.hub import UnavailableError, describe
from bench.generators.diffusers.load import Load, finish, load_pipeline, resolve_class

log = logging.getLogger(__name__)

_STD = 0.02  # of random weights, as most of these networks are initialised

ARCHITECTURES = Path(__file__).with_name("architectures.yaml")
"""Component to class and configuration, by repository, for machines without a hub."""

Description = Path | Mapping[str, Any]
"""A folder with configurations, from the hub or local, or an entry of ARCHITECTURES."""


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
        entry = architectures("models").get(repo)
        if entry is None:
            raise
        log.warning("%s: its sizes are those of %s", error, ARCHITECTURES.name)
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
        parameters = dict(module.named_parameters())
        weight_bytes = sum(
            parameter.numel() * _dtype(module, key, name, dtypes).itemsize
            for key, parameter in parameters.items()
        )
        count = sum(parameter.numel() for parameter in parameters.values())
        networks.append(Part(name, type(module).__name__, count, weight_bytes))
    return networks


def hollow(description: Description, load: Load) -> dict[str, torch.nn.Module]:
    """The networks of a pipeline with parameters on the meta device; buffers are real."""
    modules = {}
    with init_empty_weights(include_buffers=False):
        for name, entry in _entries(description, load).items():
            try:
                module = _network(entry)
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
    generator = torch.Generator(device).manual_seed(0)
    filled = {
        name: fill(module, name, dtypes, device, generator)
        for name, module in hollow(description, load).items()
    }
    if isinstance(description, Path):
        return load_pipeline(kind, str(description), load, dtypes, parts=filled)
    absent = dict.fromkeys(name for name, part in load.components.items() if part is None)
    others = {name: _small(entry) for name, entry in description.items() if name not in filled}
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
            if id(parameter) not in filled:
                dtype = _dtype(module, f"{path}.{key}".lstrip("."), name, dtypes)
                values = torch.empty(parameter.shape, device=device, dtype=dtype)
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


def _dtype(
    module: torch.nn.Module, key: str, name: str, dtypes: Mapping[str, torch.dtype]
) -> torch.dtype:
    """Of one parameter; some models keep a few of theirs in float32, and each library by its rule.

    Those of transformers depend on the dtype (T5 in float16 alone), those of diffusers do not.
    """
    asked = dtypes.get(name, dtypes["default"])
    if isinstance(module, transformers.PreTrainedModel):
        plan = module._get_dtype_plan(asked)
        exact = (dtype for part, dtype in plan.items() if re.search(part.replace("*", ".*"), key))
        return next(exact, asked)
    exact_parts = getattr(module, "_keep_in_fp32_modules", None) or ()
    return torch.float32 if any(part in exact_parts for part in key.split(".")) else asked


def _entries(description: Description, load: Load) -> dict[str, Any]:
    """Component to a mapping of the table, or to its class and the folder of its configuration."""
    if isinstance(description, Path):
        index = json.loads((description / "model_index.json").read_text("utf-8"))
        entries: dict[str, Any] = {
            name: (_listed_class(*entry), description / name)
            for name, entry in index.items()
            if isinstance(entry, list) and len(entry) == 2 and all(entry)
        }
    else:
        entries = {name: entry for name, entry in description.items() if isinstance(entry, Mapping)}
    for name, part in load.components.items():
        if part is None:
            entries.pop(name, None)
        elif not isinstance(description, Path):
            repo = part.get("repo", "")
            if repo not in architectures("components"):
                raise BenchError(
                    f"{name} of {part.get('repo')} is not on this machine: connect once to the "
                    "hub, or load a folder with model.path=DIR"
                )
            entries[name] = architectures("components")[repo]
        else:
            cls = resolve_class(part["class"], f"model.load.components.{name}.class")
            elsewhere = part.get("repo") and "file" not in part
            home = describe(part["repo"], part.get("revision")) if elsewhere else description
            entries[name] = (cls, None if "file" in part else home / part.get("subfolder", ""))
    return entries


def _listed_class(library: str, name: str) -> Any:  # noqa: ANN401 - a class
    """The class that a model_index.json names; some stand beside their pipeline."""
    for home in (library, f"diffusers.pipelines.{library}"):
        try:
            return getattr(importlib.import_module(home), name)
        except (ImportError, AttributeError):
            continue
    raise BenchError(f"diffusers {diffusers.__version__} has no {library}.{name}")


def _network(entry: Any) -> torch.nn.Module | None:  # noqa: ANN401 - of `_entries`
    """A network from its entry; None for what is no network."""
    settings: dict[str, Any] = {}
    if isinstance(entry, Mapping):
        if "class" not in entry:
            return None
        settings = {key: value for key, value in entry.items() if key != "class"}
        cls, folder = resolve_class(entry["class"], ARCHITECTURES.name), None
    else:
        cls, folder = entry
    if not issubclass(cls, torch.nn.Module):
        return None
    if folder is not None and not issubclass(cls, transformers.PreTrainedModel):
        module: torch.nn.Module = cls.from_config(cls.load_config(folder))
    elif issubclass(cls, transformers.PreTrainedModel):
        config = cls.config_class
        module = cls(config.from_pretrained(folder) if folder else config(**settings))
    else:
        module = cls(**settings)
    return module


def _small(entry: Any) -> Any:  # noqa: ANN401 - any component
    """What is no network: a scheduler, a tokenizer, an image processor, a number."""
    if not isinstance(entry, Mapping):
        return entry
    settings = dict(entry)
    if "stub" in settings:
        return STUB_TOKENIZERS[settings.pop("stub")](**settings)
    return resolve_class(settings.pop("class"), ARCHITECTURES.name)(**settings)


# Tokenizers that need no download: a token for each byte or character. They split any text, into
# more tokens than the published ones do. Where a pipeline pads or cuts to a fixed length, as most
# do, that changes neither shapes nor speed.


def clip_tokenizer(length: int = 77) -> Any:  # noqa: ANN401 - a tokenizer
    """As CLIP's: bytes, each also as the end of a word; the end of the text is the highest id."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)


def t5_tokenizer(length: int = 512) -> Any:  # noqa: ANN401 - a tokenizer
    """As T5's: the printable characters of ASCII."""
    control = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    characters = [(sign, -3.0) for sign in string.printable if not sign.isspace()]
    extra = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]
    return transformers.T5Tokenizer(vocab=[*control, *characters, *extra], model_max_length=length)


def llama_tokenizer(length: int = 256) -> Any:  # noqa: ANN401 - a tokenizer
    """As Llama's where it has no word for it: bytes, padded on the right."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    return transformers.LlamaTokenizer(
        vocab=_numbered(tokens),
        merges=[],
        pad_token="</s>",
        model_max_length=length,
        padding_side="right",
    )


def qwen_tokenizer(length: int = 1000) -> Any:  # noqa: ANN401 - a tokenizer
    """As Qwen's: bytes, and the marks of a conversation."""
    tokens = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    qwen = transformers.Qwen2Tokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)
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
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    return transformers.GemmaTokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)


STUB_TOKENIZERS: Mapping[str, Callable[..., Any]] = {
    "clip": clip_tokenizer,
    "t5": t5_tokenizer,
    "llama": llama_tokenizer,
    "qwen": qwen_tokenizer,
    "gemma": gemma_tokenizer,
}


def _numbered(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}
