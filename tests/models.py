"""Tiny random-weight models for tests: Llama shape, byte-level tokenizer, written in no time.

Nothing here imports MLX, so the files can be made in any process. The answers are nonsense, but
deterministic nonsense: the same seed gives the same weights on every machine.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

Alphabet = Literal["ascii", "bytes"]

SPECIAL_TOKENS = ("<|pad|>", "<|im_start|>", "<|im_end|>")
END_TOKEN = "<|im_end|>"
SMALLEST_VOCAB = 256 + len(SPECIAL_TOKENS)
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# The first coordinate of every hidden state is this constant (nothing writes to it), so that a row
# of the output matrix can forbid a token whatever the state is.
_CONSTANT = 4.0
_FORBIDDEN = -40.0


def tiny_model(
    directory: Path,
    *,
    layers: int = 2,
    hidden: int = 64,
    vocab: int = 320,
    context: int = 512,
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
    alphabet: Alphabet = "ascii",
    ends: bool = False,
) -> Path:
    """Write a loadable model to `directory` (made if absent) and return it.

    `alphabet="ascii"` lets it produce printable ASCII only, `"bytes"` any byte (so also broken
    UTF-8). Without `ends` the end token is never drawn: a generation lasts until `max_tokens`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary(vocab)
    config = _config(layers=layers, hidden=hidden, vocab=vocab, context=context)
    _write_json(directory / "config.json", config)
    _write_json(directory / "generation_config.json", {"eos_token_id": tokens[END_TOKEN]})
    _write_json(directory / "tokenizer.json", _tokenizer(tokens))
    _write_json(directory / "tokenizer_config.json", _tokenizer_config(chat_template, context))
    forbidden = _forbidden_tokens(tokens, alphabet=alphabet, ends=ends)
    write_safetensors(directory / "model.safetensors", _weights(config, seed, forbidden))
    return directory


def vocabulary(size: int = 320) -> dict[str, int]:
    """Token to id: 256 bytes, then two-letter tokens, the special tokens last."""
    if size < SMALLEST_VOCAB:
        raise ValueError(f"vocab must be at least {SMALLEST_VOCAB}, got {size}")
    words = [*_byte_alphabet(), *("".join(pair) for pair in _pairs(size - SMALLEST_VOCAB))]
    return {token: number for number, token in enumerate([*words, *SPECIAL_TOKENS])}


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """A safetensors file of float32 tensors in MLX layout."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    offset = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.nbytes],
        }
        offset += tensor.nbytes
    body = json.dumps(header, separators=(",", ":")).encode()
    body += b" " * (-len(body) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(body)) + body)
        for tensor in tensors.values():
            file.write(np.ascontiguousarray(tensor, dtype="<f4").tobytes())


def _config(*, layers: int, hidden: int, vocab: int, context: int) -> dict[str, Any]:
    heads = max(1, hidden // 16)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": hidden * 2,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 2),
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": vocab,
        "max_position_embeddings": context,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "eos_token_id": vocab - 1,
    }


def _weights(config: Mapping[str, Any], seed: int, forbidden: list[int]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    head = hidden // config["num_attention_heads"]
    kv = head * config["num_key_value_heads"]

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return (random.standard_normal((rows, columns)) * scale).astype(np.float32)

    embedding, output = matrix(vocab, hidden, 1.0), matrix(vocab, hidden, 0.5)
    embedding[:, 0] = _CONSTANT
    output[:, 0] = 0.0
    output[forbidden] = 0.0
    output[forbidden, 0] = _FORBIDDEN
    tensors = {"model.embed_tokens.weight": embedding}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        writes = {
            "self_attn.o_proj": matrix(hidden, hidden, 0.3),
            "mlp.down_proj": matrix(hidden, inner, 0.3),
        }
        for name, weight in writes.items():
            weight[0] = 0.0
            tensors[f"{prefix}.{name}.weight"] = weight
        for name, rows in (("q", hidden), ("k", kv), ("v", kv)):
            tensors[f"{prefix}.self_attn.{name}_proj.weight"] = matrix(rows, hidden, 0.15)
        for name in ("gate", "up"):
            tensors[f"{prefix}.mlp.{name}_proj.weight"] = matrix(inner, hidden, 0.15)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{name}.weight"] = np.ones(hidden, dtype=np.float32)
    tensors["model.norm.weight"] = np.ones(hidden, dtype=np.float32)
    tensors["lm_head.weight"] = output
    return tensors


def _forbidden_tokens(tokens: Mapping[str, int], *, alphabet: Alphabet, ends: bool) -> list[int]:
    forbidden = {tokens[token] for token in SPECIAL_TOKENS}
    if ends:
        forbidden.discard(tokens[END_TOKEN])
    if alphabet == "ascii":
        letters = _byte_alphabet()
        forbidden |= {tokens[letters[byte]] for byte in range(256) if not 32 <= byte < 127}
    return sorted(forbidden)


def _tokenizer(tokens: Mapping[str, int]) -> dict[str, Any]:
    added = [
        {
            "id": tokens[token],
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for token in SPECIAL_TOKENS
    ]
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: n for token, n in tokens.items() if token not in SPECIAL_TOKENS},
            "merges": [list(pair) for pair in _pairs(len(tokens) - SMALLEST_VOCAB)],
        },
    }


def _tokenizer_config(chat_template: str | None, context: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_TOKEN,
        "pad_token": "<|pad|>",
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    if chat_template is not None:
        config["chat_template"] = chat_template
    return config


def _pairs(count: int) -> list[tuple[str, str]]:
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    pairs = [(first, second) for first in letters for second in letters]
    if count > len(pairs):
        raise ValueError(f"vocab may be at most {SMALLEST_VOCAB + len(pairs)}")
    return pairs[:count]


def _byte_alphabet() -> list[str]:
    """The printable character that byte-level BPE writes for each of the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
