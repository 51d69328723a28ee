"""Model directories written by hand: right ones, and ones with exactly one fault each."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
    "max_position_embeddings": 2048,
}


def entry(begin: int, end: int, *, dtype: str = "U8", shape: list[int] | None = None) -> Any:
    """A header's entry for a tensor of bytes, unless told otherwise."""
    return {
        "dtype": dtype,
        "shape": [end - begin] if shape is None else shape,
        "data_offsets": [begin, end],
    }


def safetensors(header: Mapping[str, Any] | bytes, data: bytes = b"") -> bytes:
    """A whole file: `header` as it is when it is bytes already."""
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(body)) + body + data


def weights(*names: str, seed: int = 0) -> bytes:
    """A right file with a norm-like tensor of 16 half-precision numbers for each name."""
    header = {
        name: entry(32 * n, 32 * n + 32, dtype="BF16", shape=[16]) for n, name in enumerate(names)
    }
    return safetensors(header, bytes((seed + n) % 256 for n in range(32 * len(names))))


def good_model(directory: Path, *, seed: int = 0, config: Mapping[str, Any] = CONFIG) -> Path:
    """A small directory that intake takes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "model.safetensors").write_bytes(weights("model.norm.weight", seed=seed))
    (directory / "tokenizer.json").write_text("{}")
    (directory / "README.md").write_text("A model.")
    return directory


def claims_500_gb(directory: Path) -> Path:
    """A sparse file whose header claims, rightly, 500 GB of float16."""
    good_model(directory)
    claimed = 500 * 10**9
    header = {"model.norm.weight": entry(0, claimed, dtype="F16", shape=[claimed // 2])}
    body = safetensors(header)
    with (directory / "model.safetensors").open("wb") as file:
        file.write(body)
        file.truncate(len(body) + claimed)
    return directory
