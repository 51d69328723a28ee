"""GGUF files written by hand, so that each can be wrong in exactly one place."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
_CODES = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "?",
    U64: "Q",
    12: "d",
}

LLAMA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.file_type": 1,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.block_count": 2,
    "llama.feed_forward_length": 128,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["a", "b", "c", "d"],
    "tokenizer.chat_template": "{{ messages }}",
}


@dataclass(frozen=True)
class Raw:
    """Bytes of a value with its kind, for what the other values cannot say."""

    kind: int
    body: bytes


@dataclass(frozen=True)
class T:
    """A tensor as a header describes it; `begin` None: right after the one before it."""

    name: str
    shape: tuple[int, ...] = (32,)
    kind: int = 0
    begin: int | None = None
    size: int | None = None


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def number(kind: int, value: float) -> bytes:
    return struct.pack("<" + _CODES[kind], value)


def array(kind: int, items: Sequence[Any]) -> Raw:
    body = b"".join(text(i) if kind == STRING else number(kind, i) for i in items)
    return Raw(ARRAY, struct.pack("<IQ", kind, len(items)) + body)


def value(found: Any) -> bytes:
    match found:
        case Raw(kind, body):
            return struct.pack("<I", kind) + body
        case bool():
            return struct.pack("<I", BOOL) + number(BOOL, found)
        case int():
            return struct.pack("<I", U32) + number(U32, found)
        case float():
            return struct.pack("<I", F32) + number(F32, found)
        case str():
            return struct.pack("<I", STRING) + text(found)
    return value(array(STRING if found and isinstance(found[0], str) else I32, found))


def gguf(
    metadata: Mapping[str, Any] | Sequence[tuple[str | bytes, Any]] = LLAMA,
    tensors: Sequence[T] = (T("token_embd.weight", (64, 4)),),
    *,
    version: int = 3,
    alignment: int = 32,
    tensor_count: int | None = None,
    key_count: int | None = None,
    data: bytes | None = None,
) -> bytes:
    """A whole file; counts and data as they are given, else as they must be."""
    items = list(metadata.items()) if isinstance(metadata, Mapping) else list(metadata)
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(items) if key_count is None else key_count,
    )
    head = struct.pack("<4sIQQ", b"GGUF", version, *counts)
    head += b"".join(text(key) + value(found) for key, found in items)
    at = 0
    for tensor in tensors:
        begin = at if tensor.begin is None else tensor.begin
        head += text(tensor.name) + struct.pack("<I", len(tensor.shape))
        head += b"".join(struct.pack("<Q", n) for n in tensor.shape)
        head += struct.pack("<IQ", tensor.kind, begin)
        at = padded(at + (size_of(tensor) if tensor.size is None else tensor.size), alignment)
    head += bytes(padded(len(head), alignment) - len(head))
    return head + (bytes(at) if data is None else data)


def size_of(tensor: T) -> int:
    count = 1
    for n in tensor.shape:
        count *= n
    return count * {0: 4, 1: 2}.get(tensor.kind, 1) if tensor.kind in {0, 1} else count // 32 * 18


def padded(at: int, alignment: int) -> int:
    return -(-at // alignment) * alignment


def gguf_model(directory: Path, *, name: str = "model.gguf", **changed: Any) -> Path:
    """A directory with one GGUF; `changed` is metadata, `_` standing for the dots of llama's."""
    directory.mkdir(parents=True, exist_ok=True)
    metadata = {**LLAMA, **{key: v for key, v in changed.items() if v is not None}}
    for key in [key for key, v in changed.items() if v is None]:
        del metadata[key]
    (directory / name).write_bytes(gguf(metadata))
    return directory
