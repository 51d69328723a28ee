"""A GGUF file of the shape of a 0.6 B model: random weights in Q4_0, written block by block."""

from pathlib import Path
from typing import Final

import gguf
import numpy as np

HIDDEN: Final = 1024
LAYERS: Final = 28
HEADS: Final = 16
KV_HEADS: Final = 8
HEAD: Final = 128
INNER: Final = 3072
VOCAB: Final = 151_936
CONTEXT: Final = 4096

_BLOCK: Final = 32
_BLOCK_BYTES: Final = 18
_TEMPLATE: Final = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
)


def random_gguf(directory: Path) -> tuple[Path, str]:
    """Write ``model.gguf`` to `directory`; its answers never end by themselves in practice."""
    directory.mkdir(parents=True)
    writer = gguf.GGUFWriter(directory / "model.gguf", "qwen3")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    _write_vocabulary(writer)
    random = np.random.default_rng(0)
    for name, shape in _matrices().items():
        writer.add_tensor(name, _blocks(random, *shape), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    for name, width in _norms().items():
        writer.add_tensor(name, np.ones(width, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return directory, "random 0.6 B shape, Q4_0"


def _matrices() -> dict[str, tuple[int, int]]:
    """Rows and columns of every matrix."""
    found = {"token_embd.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        found |= {
            f"blk.{layer}.attn_q.weight": (HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_k.weight": (KV_HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_v.weight": (KV_HEADS * HEAD, HIDDEN),
            f"blk.{layer}.attn_output.weight": (HIDDEN, HEADS * HEAD),
            f"blk.{layer}.ffn_gate.weight": (INNER, HIDDEN),
            f"blk.{layer}.ffn_up.weight": (INNER, HIDDEN),
            f"blk.{layer}.ffn_down.weight": (HIDDEN, INNER),
        }
    return found


def _norms() -> dict[str, int]:
    found = {"output_norm.weight": HIDDEN}
    for layer in range(LAYERS):
        found |= {
            f"blk.{layer}.attn_norm.weight": HIDDEN,
            f"blk.{layer}.ffn_norm.weight": HIDDEN,
            f"blk.{layer}.attn_q_norm.weight": HEAD,
            f"blk.{layer}.attn_k_norm.weight": HEAD,
        }
    return found


def _blocks(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Blocks of Q4_0: a half-precision scale, then 32 numbers of 4 bits."""
    blocks = random.integers(0, 256, (rows, columns // _BLOCK, _BLOCK_BYTES), dtype=np.uint8)
    scales = random.uniform(0.002, 0.006, (rows, columns // _BLOCK, 1)).astype(np.float16)
    blocks[:, :, :2] = scales.view(np.uint8).reshape(rows, columns // _BLOCK, 2)
    return blocks.reshape(rows, -1)


def _write_vocabulary(writer: gguf.GGUFWriter) -> None:
    """256 bytes, then tokens that nothing is ever merged into, then the end."""
    from tests.models import vocabulary

    letters = list(vocabulary(300))[:256]
    names = letters + [f"tok{number}" for number in range(256, VOCAB - 1)] + ["<|end|>"]
    kinds = [gguf.TokenType.NORMAL] * (VOCAB - 1) + [gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h", "th e"])
    writer.add_eos_token_id(VOCAB - 1)
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
