"""GGUF files for tests: the weights and the vocabulary of a model in MLX's format, written anew.

llama.cpp turns neighbouring halves of a head where Hugging Face turns its first and second half, so
the rows of the query and key matrices change places (`_interleaved`); nothing else does.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from tests.models import tiny_model

STARTER = Path(__file__).parents[1] / "models" / "lmx" / "starter"

# How each tokenizer cuts a text before its merges, under the name that llama.cpp has for it. The
# tiny model cuts nothing: this one cuts at blanks and punctuation, which its merges never cross.
TINY_CUTS = "bloom"
STARTER_CUTS = "starcoder"  # digits one by one, then GPT-2's pattern

_BLOCK = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "U32": np.dtype("<u4")}


def tiny_gguf(
    directory: Path,
    *,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    pooling: gguf.PoolingType | None = None,
    cuts: str = TINY_CUTS,
    **model: Any,
) -> Path:
    """Write `tiny_model(**model)` as GGUF to `directory` (made if absent) and return it.

    With `pooling` it is a model of embeddings.
    """
    source = tiny_model(directory.parent / f"{directory.name}-source", **model)
    return convert(source, directory, cuts=cuts, kind=kind, pooling=pooling)


def starter_gguf(
    directory: Path, *, kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32
) -> Path:
    """Write the shipped starter model as GGUF to `directory` (made if absent) and return it."""
    return convert(STARTER, directory, cuts=STARTER_CUTS, kind=kind)


def convert(
    source: Path,
    directory: Path,
    *,
    cuts: str,
    kind: gguf.GGMLQuantizationType,
    pooling: gguf.PoolingType | None = None,
) -> Path:
    """A Llama in MLX's format, plain or in affine quantization, as ``model.gguf``."""
    directory.mkdir(parents=True, exist_ok=True)
    config = _read_json(source / "config.json")
    writer = gguf.GGUFWriter(directory / "model.gguf", "llama")
    _write_shape(writer, config)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    _write_vocabulary(writer, source, config, cuts)
    for name, tensor in _tensors(source / "model.safetensors", config):
        _write_tensor(writer, _gguf_name(name), _arranged(name, tensor, config), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return directory


def _write_shape(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    head = config["hidden_size"] // config["num_attention_heads"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])


def _write_vocabulary(
    writer: gguf.GGUFWriter, source: Path, config: Mapping[str, Any], cuts: str
) -> None:
    tokenizer = _read_json(source / "tokenizer.json")
    vocab = dict(tokenizer["model"]["vocab"])
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    names = {number: name for name, number in (vocab | special).items()}
    kinds = dict.fromkeys(special.values(), gguf.TokenType.CONTROL)
    size = config["vocab_size"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cuts)
    writer.add_token_list([names[number] for number in range(size)])
    writer.add_token_types([kinds.get(number, gguf.TokenType.NORMAL) for number in range(size)])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(special["<|pad|>"])
    writer.add_add_bos_token(False)
    template = _read_json(source / "tokenizer_config.json").get("chat_template")
    if template is not None:
        writer.add_chat_template(template)


def _write_tensor(
    writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, kind: gguf.GGMLQuantizationType
) -> None:
    """Vectors stay float32, as every converter leaves them."""
    if tensor.ndim == 1 or kind is gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, np.ascontiguousarray(tensor, dtype=np.float32))
    elif kind is gguf.GGMLQuantizationType.F16:
        writer.add_tensor(name, tensor.astype(np.float16))
    else:
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)


def _gguf_name(name: str) -> str:
    if name in _WHOLE:
        return _WHOLE[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_BLOCK[rest]}"


def _arranged(name: str, tensor: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    if name.endswith("q_proj.weight"):
        return _interleaved(tensor, config["num_attention_heads"])
    if name.endswith("k_proj.weight"):
        return _interleaved(tensor, config["num_key_value_heads"])
    return tensor


def _interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _tensors(path: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Weights as float32, whatever they are kept in."""
    stored = dict(_stored(path))
    for name, tensor in stored.items():
        if name.endswith((".scales", ".biases")):
            continue
        base = name.removesuffix(".weight")
        if f"{base}.scales" in stored:
            scales, biases = stored[f"{base}.scales"], stored[f"{base}.biases"]
            tensor = _unpacked(tensor, scales, biases, config["quantization"])  # noqa: PLW2901
        yield name, tensor.astype(np.float32)


def _unpacked(
    words: np.ndarray, scales: np.ndarray, biases: np.ndarray, how: Mapping[str, Any]
) -> np.ndarray:
    """MLX's affine quantization of 8 bits: bytes of little-endian words, a scale a group."""
    if how["bits"] != 8:
        raise ValueError("only 8 bits are unpacked here")
    values = words.view(np.uint8).astype(np.float32)
    groups = values.reshape(len(values), -1, how["group_size"])
    return (groups * scales[..., None] + biases[..., None]).reshape(values.shape)


def _stored(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    body = memoryview(data)[8 + length :]
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            tensor = np.frombuffer(body[start:end], dtype=_DTYPES[entry["dtype"]])
            yield name, tensor.reshape(entry["shape"])


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
