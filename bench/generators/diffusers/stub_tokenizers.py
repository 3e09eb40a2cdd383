"""Tokenizers that need no download: a token for each byte or character, for tests.

They split any text, into more tokens than the published ones do. Where a pipeline pads or cuts to
a fixed length, as most do, that changes neither shapes nor speed.
"""

import string
from collections.abc import Callable, Mapping
from typing import Any

import transformers
from tokenizers.pre_tokenizers import ByteLevel


def clip(length: int = 77) -> Any:  # noqa: ANN401 - a tokenizer
    """As CLIP's: bytes, each also as the end of a word; the end of the text is the highest id."""
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)


def t5(length: int = 512) -> Any:  # noqa: ANN401 - a tokenizer
    """As T5's: the printable characters of ASCII."""
    control = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    characters = [(sign, -3.0) for sign in string.printable if not sign.isspace()]
    extra = [(f"<extra_id_{number}>", 0.0) for number in reversed(range(100))]
    return transformers.T5Tokenizer(vocab=[*control, *characters, *extra], model_max_length=length)


def llama(length: int = 256) -> Any:  # noqa: ANN401 - a tokenizer
    """As Llama's where it knows no word: bytes, padded on the right."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    return transformers.LlamaTokenizer(
        vocab=_numbered(tokens),
        merges=[],
        pad_token="</s>",
        model_max_length=length,
        padding_side="right",
    )


def qwen(length: int = 1000) -> Any:  # noqa: ANN401 - a tokenizer
    """As Qwen's: bytes, and the marks of a conversation."""
    tokens = [*sorted(ByteLevel.alphabet()), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = transformers.Qwen2Tokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)
    made.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}"
        "{% else %}{% for part in message['content'] %}{{ part['text'] }}{% endfor %}{% endif %}"
        "<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return made


def gemma(length: int = 1024) -> Any:  # noqa: ANN401 - a tokenizer
    """As Gemma's where it knows no word: bytes."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    return transformers.GemmaTokenizer(vocab=_numbered(tokens), merges=[], model_max_length=length)


STAND_INS: Mapping[str, Callable[..., Any]] = {
    "clip": clip,
    "t5": t5,
    "llama": llama,
    "qwen": qwen,
    "gemma": gemma,
}


def _numbered(tokens: list[str]) -> dict[str, int]:
    return {token: number for number, token in enumerate(tokens)}
